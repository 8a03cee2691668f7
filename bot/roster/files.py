"""A school's file: opened, unpacked safely, decoded, and cut into rows that know their line."""

import csv
import io
import re
import stat
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from bot.roster.encodings import decode
from bot.roster.report import FileRefused, Problem
from bot.roster.spellings import written_as

__all__ = ["Columns", "Row", "decode", "open_file", "read_rows", "unpack"]

_MOST_FILES = 100
_MOST_BYTES = 1_000_000_000  # OR-15
_LONGEST_VALUE = 255  # OR-2
_MOST_NAMES = 5

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


class Row:
    """One row by column name. A `spoiled` one was named as a problem and only tells whom it is about."""

    __slots__ = ("_cells", "_where", "line", "spoiled")

    def __init__(
        self, line: int, cells: list[str], where: Mapping[str, int], *, spoiled: bool = False
    ) -> None:
        self.line = line
        self.spoiled = spoiled
        self._cells = cells
        self._where = where

    def __getitem__(self, column: str) -> str:
        at = self._where.get(column)
        return "" if at is None else self._cells[at]

    def has(self, column: str) -> bool:
        """Whether the file has this column at all."""
        return column in self._where

    def listed(self, column: str) -> list[str]:
        """The values of a column that holds a list: "C1,C2" (OR-6)."""
        written = self[column]
        if "," not in written:
            return [written] if written else []
        return [value for value in map(str.strip, written.split(",")) if value]


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
    """The names of all files in a zip, and the contents of the wanted ones.

    A wanted file is found in any case: Users.csv comes back as users.csv.
    """
    meant = {one.casefold(): one for one in wanted}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = [member for member in archive.infolist() if _is_a_file(member)]
            _refuse_unsafe(name, members)
            names = {member.filename for member in members}
            contents = {
                meant[member.filename.casefold()]: archive.read(member)
                for member in members
                if member.filename.casefold() in meant
            }
            return names, contents
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
        fault = _unsafe(member) or ("is there twice" if member.filename.casefold() in seen else "")
        if fault:
            raise FileRefused(f"{name}: the entry {member.filename[:80]!r} {fault}; nothing was changed")
        seen.add(member.filename.casefold())


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


def read_rows(
    name: str, raw: bytes, columns: Columns, problems: list[Problem], encoding: str | None = None
) -> list[Row]:
    """Every row of a CSV file, by column name and with its true line number.

    A row that is too long, lacks a value it needs or holds one beyond 255 characters is named in
    *problems* and comes back `spoiled`. *encoding* as in `decode`. Raises FileRefused when the file
    as a whole cannot be trusted.
    """
    text = decode(name, raw, problems, encoding, names=lambda text: _names_as_read(text, columns))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        places = _places(name, header, columns, problems)
        picker = _Picker(name, len(header), places, columns.filled, problems)
        picker.tidy = _UNTIDY_ANYWHERE.search(text) is None
        rows, line = [], reader.line_num + 1
        for cells in reader:
            row = picker.pick(line, cells, broken=reader.line_num != line)
            if row is not None:
                rows.append(row)
            line = reader.line_num + 1
    except csv.Error as fault:
        raise FileRefused(
            f"{name} line {reader.line_num}: the quotes or line ends are broken ({fault}); "
            "export it again; nothing was changed"
        ) from None
    return rows


def _names_as_read(text: str, columns: Columns) -> list[str]:
    """The first few values with accents, from the columns we read alone: a password may hold any letter."""
    found: dict[str, None] = {}
    try:
        reader = csv.reader(io.StringIO(text, newline=""))
        header = [cell.strip() for cell in next(reader, [])]
        places = _places("", header, columns, [])
        for cells in reader:
            found |= {
                cells[at]: None for at in places.values() if at < len(cells) and not cells[at].isascii()
            }
            if len(found) >= _MOST_NAMES:
                break
    except (csv.Error, FileRefused):
        pass
    return [" ".join(value.split())[:40] for value in found][:_MOST_NAMES]


def _places(name: str, header: list[str], columns: Columns, problems: list[Problem]) -> dict[str, int]:
    """Which cell holds which column; files are read by header name, never by position."""
    for delimiter, word in _WRONG_DELIMITERS.items():
        if len(header) == 1 and delimiter in header[0]:
            raise FileRefused(f"{name} is separated by {word}; save it with commas; nothing was changed")
    taken = {column: column for column in columns.all if column in header}
    for column in columns.all:
        written = written_as(column, [one for one in header if one not in taken.values()])
        if column not in taken and written:
            taken[column] = written
            reason = f"the header says {written[:40]!r}, which was read as {column}"
            problems.append(Problem(name, 1, reason, column=column, value=written[:40]))
    missing = [column for column in columns.filled + columns.present if column not in taken]
    if missing:
        raise FileRefused(
            f"{name}: the header has no column {', '.join(missing)}; export it with that; nothing was changed"
        )
    twice = [column for column in taken.values() if header.count(column) > 1]
    if twice:
        raise FileRefused(f"{name}: the header has {', '.join(twice)} twice; nothing was changed")
    return {column: header.index(written) for column, written in taken.items()}


# Inner line breaks and doubled blanks go: a name may end up in a text. Most rows have none, most files
# have none, and one look at all of it tells.
_UNTIDY_ANYWHERE = re.compile(r"[^\S \r\n]|[ ,\"\n] | [,\"\r\n]| \Z")
_UNTIDY = re.compile(r"\s\s|[^\S ]|(?:^|\0) | (?:\0|$)")


class _Picker:
    """Keeps the cells of the columns that are read, and drops every other one, such as a password."""

    def __init__(
        self,
        name: str,
        width: int,
        places: Mapping[str, int],
        filled: tuple[str, ...],
        problems: list[Problem],
    ) -> None:
        self._name = name
        self._width = width
        # Those that may not be empty come first, so that one look at the first few tells.
        order = sorted(places, key=lambda column: column not in filled)
        self._at = [places[column] for column in order]
        self._where = {column: index for index, column in enumerate(order)}
        self._filled = len(filled)
        self._problems = problems
        self.tidy = False

    def pick(self, line: int, cells: list[str], *, broken: bool) -> Row | None:
        """The row, named as a problem where it cannot be read; None for a line that is blank.

        *broken*: its text goes over several lines.
        """
        found = len(cells)
        if found < self._width:
            if not found:
                return None
            cells += [""] * (self._width - found)
        picked = [cells[at] for at in self._at]
        together = "\0".join(picked)
        if (broken or not self.tidy) and _UNTIDY.search(together):
            picked = [" ".join(cell.split()) for cell in picked]
        fault, column = "", ""
        if found > self._width:
            fault = f"it has {found} values where the header has {self._width}"
        elif "" in picked[: self._filled]:
            if not any(cell and not cell.isspace() for cell in cells):
                return None
            column = next(column for column, at in self._where.items() if not picked[at])
            fault = f"{column} is empty"
        elif len(together) > _LONGEST_VALUE:
            for name, at in self._where.items():
                if len(picked[at]) > _LONGEST_VALUE:
                    column = name
                    fault = f"{name} has {len(picked[at])} characters; expected at most {_LONGEST_VALUE}"
                    break
        if fault:
            reason = f"{fault}; the row was left out"
            mend = f"write {column} again" if column else "put values with commas into quotes"
            self._problems.append(Problem(self._name, line, reason, column=column, mend=mend))
        return Row(line, picked, self._where, spoiled=bool(fault))
