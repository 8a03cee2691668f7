"""A school's file: opened, unpacked safely, decoded, and cut into rows that know their line."""

import codecs
import csv
import io
import stat
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from bot.roster.report import FileRefused, Problem

_MOST_FILES = 100
_MOST_BYTES = 1_000_000_000  # OR-15
_LONGEST_VALUE = 255  # OR-2

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WRONG_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Columns:
    """The columns a file is read for; every other one, such as `password`, is dropped while reading."""

    filled: tuple[str, ...]  # must be in the header, and no row may leave them empty
    present: tuple[str, ...] = ()  # must be in the header
    optional: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return self.filled + self.present + self.optional


@dataclass(frozen=True)
class Row:
    """One row by column name. A `spoiled` one was named as a problem and only tells whom it is about."""

    line: int
    cells: dict[str, str]
    spoiled: bool = False

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def listed(self, column: str) -> list[str]:
        """The values of a column that holds a list: "C1,C2" (OR-6)."""
        return [value.strip() for value in self[column].split(",") if value.strip()]


def open_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise FileRefused(f"{path.name} is larger than 1 GB; nothing was changed")
        return path.read_bytes()
    except OSError as fault:
        raise FileRefused(
            f"{path.name} cannot be opened ({fault.strerror}); check the path; nothing was changed"
        ) from None


def unpack(name: str, raw: bytes, wanted: Collection[str]) -> tuple[set[str], dict[str, bytes]]:
    """The names of all files in a zip, and the contents of the wanted ones."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = [member for member in archive.infolist() if _is_a_file(member)]
            _refuse_unsafe(name, members)
            contents = {
                member.filename: archive.read(member) for member in members if member.filename in wanted
            }
            return {member.filename for member in members}, contents
    except FileRefused:
        raise
    except Exception as fault:  # noqa: BLE001 - a damaged zip raises anything from zlib.error to struct.error
        raise FileRefused(
            f"{name} is not a zip file that can be read ({type(fault).__name__}); "
            "export it again; nothing was changed"
        ) from None


def _is_a_file(member: zipfile.ZipInfo) -> bool:
    # macOS adds a shadow of every file under __MACOSX when somebody zips by hand.
    return not member.is_dir() and not member.filename.startswith("__MACOSX/")


def _refuse_unsafe(name: str, members: list[zipfile.ZipInfo]) -> None:
    """Refuse what a school system never writes and an attacker might (OR-15)."""
    if len(members) > _MOST_FILES:
        raise FileRefused(
            f"{name} holds {len(members)} files; expected at most {_MOST_FILES}; nothing was changed"
        )
    if sum(member.file_size for member in members) > _MOST_BYTES:
        raise FileRefused(f"{name} would unpack to more than 1 GB; nothing was changed")
    seen: set[str] = set()
    for member in members:
        fault = _unsafe(member) or ("is there twice" if member.filename in seen else "")
        if fault:
            raise FileRefused(f"{name}: the entry {member.filename[:80]!r} {fault}; nothing was changed")
        seen.add(member.filename)


def _unsafe(member: zipfile.ZipInfo) -> str:
    for path in (PurePosixPath(member.filename), PureWindowsPath(member.filename)):
        if path.is_absolute() or path.anchor or ".." in path.parts:
            return "points outside the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 0x1:
        return "is encrypted; send the archive without a password"
    if member.filename.lower().endswith(".zip"):
        return "is a zip inside the zip"
    return ""


def decode(name: str, raw: bytes, problems: list[Problem]) -> str:
    """Byte order mark, else UTF-8, else Windows-1252, which is named: a guess would spoil names with accents.

    Raises FileRefused for what is no text in any of them.
    """
    encoding = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as fault:
        if encoding != "utf-8":
            raise FileRefused(_not_text(name)) from None
        text = _as_windows_1252(name, raw, fault.start, problems)
    if "\0" in text:
        raise FileRefused(_not_text(name))
    return text


def _as_windows_1252(name: str, raw: bytes, first: int, problems: list[Problem]) -> str:
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        raise FileRefused(_not_text(name)) from None
    line = raw.count(b"\n", 0, first) + 1
    reason = "the file is not UTF-8 and was read as Windows-1252; check the names with accents"
    problems.append(Problem(name, line, reason))
    return text


def _not_text(name: str) -> str:
    return f"{name} is not a text file; export it as CSV in UTF-8; nothing was changed"


def read_rows(name: str, raw: bytes, columns: Columns, problems: list[Problem]) -> list[Row]:
    """Every row of a CSV file, by column name and with its true line number.

    A row that is too long, lacks a value it needs or holds one beyond 255 characters is named in
    *problems* and comes back `spoiled`. Raises FileRefused when the file as a whole cannot be trusted.
    """
    reader = csv.reader(io.StringIO(decode(name, raw, problems), newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        where = _places(name, header, columns)
        rows, line = [], reader.line_num + 1
        for cells in reader:
            if any(cell and not cell.isspace() for cell in cells):
                rows.append(_row(name, line, cells, len(header), where, columns.filled, problems))
            line = reader.line_num + 1
    except csv.Error as fault:
        raise FileRefused(
            f"{name} line {reader.line_num}: the quotes or line ends are broken ({fault}); "
            "export it again; nothing was changed"
        ) from None
    return rows


def _places(name: str, header: list[str], columns: Columns) -> dict[str, int]:
    """Which cell holds which column; files are read by header name, never by position."""
    for delimiter, word in _WRONG_DELIMITERS.items():
        if len(header) == 1 and delimiter in header[0]:
            raise FileRefused(f"{name} is separated by {word}; save it with commas; nothing was changed")
    missing = [column for column in columns.filled + columns.present if column not in header]
    if missing:
        raise FileRefused(
            f"{name}: the header has no column {', '.join(missing)}; export it with that; nothing was changed"
        )
    twice = [column for column in columns.all if header.count(column) > 1]
    if twice:
        raise FileRefused(f"{name}: the header has {', '.join(twice)} twice; nothing was changed")
    return {column: header.index(column) for column in columns.all if column in header}


def _row(
    name: str,
    line: int,
    cells: list[str],
    width: int,
    where: dict[str, int],
    filled: tuple[str, ...],
    problems: list[Problem],
) -> Row:
    # Inner line breaks and doubled blanks go too: a name may end up in a text.
    values = {column: " ".join(cells[at].split()) for column, at in where.items() if at < len(cells)}
    fault = _fault(values, len(cells), width, filled)
    if fault:
        problems.append(Problem(name, line, f"{fault}; the row was left out"))
    return Row(line, values, spoiled=bool(fault))


def _fault(values: dict[str, str], found: int, width: int, filled: tuple[str, ...]) -> str:
    if found > width:
        return f"it has {found} values where the header has {width}"
    for column in filled:
        if not values.get(column):
            return f"{column} is empty"
    for column, value in values.items():
        if len(value) > _LONGEST_VALUE:
            return f"{column} has {len(value)} characters; expected at most {_LONGEST_VALUE}"
    return ""
