"""A file that has come: which kind it is, how it is to be read, and what of it may be kept while it waits."""

import csv
import io
import re
import zipfile
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from bot.roster.attendance.choosing import NoMappingFits, open_sheet
from bot.roster.attendance.mapping import Mapping
from bot.roster.attendance.shapes.events import is_json
from bot.roster.attendance.shapes.xml import is_xml
from bot.roster.encodings import ENCODINGS, UTF_8
from bot.roster.files import unpack
from bot.roster.incoming.saved import Known
from bot.roster.report import FileRefused
from bot.roster.sources import Source
from bot.roster.table import open_table
from bot.store.tables import FileWay

# A larger file can be imported by hand, with a reason; it cannot wait in the database.
LARGEST_KEPT = 64 * 1024 * 1024

# Headers are looked at before anybody has said which letters a file is written in; this reads any byte but five.
_ANY_LETTERS = "windows-1252"
# What a OneRoster export may hold beside the roster: race, grades, credentials.
_UNREAD = {
    "demographics.csv",
    "userprofiles.csv",
    "results.csv",
    "lineitems.csv",
    "categories.csv",
    "courses.csv",
    "classes.csv",
    "resources.csv",
}
_ZIP = b"PK\x03\x04"
_PASSWORD = re.compile(
    r"pass[ _-]?(?:word|wd|code|phrase|wort)|(?:^|[^a-z])(?:pwd|pin)(?:$|[^a-z])|contrase", re.IGNORECASE
)


@dataclass(frozen=True)
class Options:
    """How a file is read, as whoever sent it or a person at the desk has said; empty where nobody has."""

    zone: str = ""
    morning_at: time | None = None
    through: date | None = None
    mapping: str = ""
    encoding: str = UTF_8
    columns: dict[str, Any] | None = None

    def written(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "zone": self.zone,
            "morning_at": self.morning_at.isoformat() if self.morning_at else "",
            "through": self.through.isoformat() if self.through else "",
            "mapping": self.mapping,
            "encoding": self.encoding,
            "columns": self.columns,
        }

    @classmethod
    def read(cls, written: dict[str, Any]) -> "Options":
        return cls(
            zone=written["zone"],
            morning_at=time.fromisoformat(written["morning_at"]) if written["morning_at"] else None,
            through=date.fromisoformat(written["through"]) if written["through"] else None,
            mapping=written["mapping"],
            encoding=written["encoding"] if written["encoding"] in ENCODINGS else UTF_8,
            columns=written["columns"],
        )


@dataclass(frozen=True)
class Coming:
    """A file that has come. *kind* is roster or attendance, or empty: then the file itself tells.

    *key* makes a second coming of the same file harmless; *made_at* is when it was written, if that is known.
    """

    way: FileWay
    sent_by: str
    file: Source
    contacts: Source | None = None
    calendar: Source | None = None
    kind: str = ""
    options: Options = field(default_factory=Options)
    made_at: datetime | None = None
    staff_id: int | None = None
    key: str | None = None

    @property
    def parts(self) -> tuple[Source, ...]:
        return tuple(one for one in (self.file, self.contacts, self.calendar) if one is not None)

    def recognised(self, known: Known, mappings: tuple[Mapping, ...]) -> "Coming":
        """With its kind. Raises FileRefused for what is no file of a school, and NoMappingFits for a list."""
        if self.kind:
            return self
        return replace(self, kind=_kind(self.file, known, mappings))


def of_paths(way: FileWay, by: str, path: Path, **more: Any) -> Coming:
    """A file on this machine; `contacts` and `calendar` may be paths too."""
    for kind in ("contacts", "calendar"):
        if more.get(kind):
            more[kind] = Source.open(kind, more[kind])
    return Coming(way, by, Source.open(more.get("kind", ""), path), **more)


def _kind(file: Source, known: Known, mappings: tuple[Mapping, ...]) -> str:
    if file.parts:
        return "roster"
    if file.raw.startswith(_ZIP) and "xl/workbook.xml" not in unpack(file.name, file.raw, ())[0]:
        return "roster"
    if file.raw.lstrip().startswith(b"BEGIN:VCALENDAR"):
        raise FileRefused(
            f"{file.name} is a calendar; give it together with a roster, or on the calendar's own page; "
            "nothing was changed"
        )
    if is_xml(file.raw) or is_json(file.raw):
        return "attendance"
    try:
        open_sheet(file.name, file.raw, None, mappings, [], known.attendance.headers)
    except NoMappingFits:
        if known.columns_for(_header(file)) is None:
            raise
        return "roster"
    return "attendance"


def _header(file: Source) -> tuple[str, ...]:
    return open_table(file.name, file.raw, [], _ANY_LETTERS).header


@dataclass(frozen=True)
class Pointing:
    """An office's own list as somebody sees it who says what its columns mean; passwords are not shown."""

    header: tuple[str, ...]
    shown: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    separator: str


def open_for_pointing(file: Source, rows: int = 8) -> Pointing:
    """The header and the first rows of a list. Raises FileRefused for what is no table."""
    table = open_table(file.name, file.raw, [], _ANY_LETTERS)
    at_of = [at for at, column in enumerate(table.header) if column and not _PASSWORD.search(column)]
    first = tuple(
        tuple(str(cells[at])[:60] if at < len(cells) else "" for at in at_of)
        for _, cells in islice(table.rows, rows)
    )
    line = file.raw.partition(b"\n")[0].decode("latin-1")
    separator = "," if file.raw.startswith(_ZIP) else max((",", ";", "\t"), key=line.count)
    return Pointing(table.header, tuple(table.header[at] for at in at_of), first, separator)


# So many lines may stand above a list's header: its title, the day it was made.
_TITLE_LINES = 10


# --- what may be kept -------------------------------------------------------------------------------------

_TAG = re.compile(r"<[^>]*>")


def without_passwords(source: Source) -> Source:
    """The file as it may wait in the database: what stood in a column of passwords is gone.

    Lines keep their numbers. Raises FileRefused for a workbook with such a column, and for a file that
    is too large to be kept.
    """
    if source.size > LARGEST_KEPT:
        raise FileRefused(
            f"{source.name} is larger than {LARGEST_KEPT // 1024 // 1024} MB and cannot wait for a person here; "
            "import it by hand with --approve REASON; nothing was changed"
        )
    if source.parts:
        return replace(source, parts=tuple((name, _emptied(raw)) for name, raw in source.parts))
    if not source.raw.startswith(_ZIP):
        is_table = not (is_xml(source.raw) or source.raw.lstrip().startswith((b"[", b"{")))
        kept = _emptied(source.raw) if is_table else source.raw
        _refuse_passwords_elsewhere(source.name, kept, is_table=is_table)
        return replace(source, raw=kept)
    names, _ = unpack(source.name, source.raw, ())
    if "xl/workbook.xml" not in names:
        return replace(source, raw=_zip_emptied(source.name, source.raw, names))
    # On every sheet and in every line: which cells a title row or a second sheet's heading speaks of is a guess.
    cells = {one for one in names if one == "xl/sharedStrings.xml" or one.startswith("xl/worksheets/")}
    _, contents = unpack(source.name, source.raw, cells)
    said = " ".join(_TAG.sub(" ", part.decode("utf-8", "replace")) for part in contents.values())
    secret = _PASSWORD.search(said)
    if secret:
        raise FileRefused(
            f"{source.name} says {secret.group()[:40]!r}; take the passwords out of the workbook, "
            "they must not be kept; nothing was changed"
        )
    return source


def _refuse_passwords_elsewhere(name: str, raw: bytes, *, is_table: bool) -> None:
    """Refuse what may still hold a password: its header is not the first line, its quotes are odd, or it is no table.

    Which cells those are would be a guess, and a wrong guess keeps a password for good.
    """
    text = raw.decode("latin-1")
    first, _, rest = text.partition("\n")
    if not is_table:
        found = _PASSWORD.search(text)
    else:
        below = "\n".join(rest.split("\n", _TITLE_LINES)[:_TITLE_LINES])
        found = _PASSWORD.search(below)
        if _PASSWORD.search(first) and found is None:
            separator = max((",", ";", "\t", "|"), key=first.count)
            rows = [
                cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if cells
            ]
            uneven = any(len(cells) != len(rows[0]) for cells in rows)
            found = _PASSWORD.search(first) if uneven or first.startswith("'") else None
    if found:
        raise FileRefused(
            f"{name} says {found.group()[:40]!r} where no import can tell the passwords from the rest; "
            "take them out, they must not be kept; nothing was changed"
        )


def _zip_emptied(name: str, raw: bytes, names: set[str]) -> bytes:
    """The archive without passwords; of files that no import reads, such as demographics, only the names."""
    kept = {one for one in names if one.casefold().endswith(".csv") and one.casefold() not in _UNREAD}
    _, contents = unpack(name, raw, kept)
    page = io.BytesIO()
    with zipfile.ZipFile(page, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in sorted(names):
            archive.writestr(member, _emptied(contents.get(member, b"")))
    return page.getvalue()


def _emptied(raw: bytes) -> bytes:
    """Text with the cells of password columns empty; anything else as it is.

    Read as Latin-1, which gives back every byte as it was: separators and quotes are the same in all of
    UTF-8, Windows-1252 and MacRoman.
    """
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = raw.decode("utf-16" if wide else "latin-1")
    except UnicodeDecodeError:
        return raw
    first = text.partition("\n")[0]
    separator = max((",", ";", "\t", "|"), key=first.count)
    page = io.StringIO(newline="")
    writer = csv.writer(page, delimiter=separator, lineterminator="\r\n" if first.endswith("\r") else "\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header = next(reader, [])
        secret = [at for at, column in enumerate(header) if _PASSWORD.search(column)]
        if not secret:
            return raw
        writer.writerow(header)
        for cells in reader:
            writer.writerow(["" if at in secret else cell for at, cell in enumerate(cells)])
    except csv.Error:
        # Such a file is refused in any case; what cannot be read is not kept.
        return b""
    return page.getvalue().encode("utf-16" if wide else "latin-1")
