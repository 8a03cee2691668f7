"""Files of separated text: RFC 4180, and the dump with backslashes and quoted headers (AT-1)."""

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot.roster.attendance.shapes.sheet import Sheet
from bot.roster.encodings import decode
from bot.roster.report import FileRefused, Problem

if TYPE_CHECKING:
    import _csv

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def text_of(name: str, raw: bytes, problems: list[Problem]) -> str:
    """The file as text; any encoding but UTF-8 is named, since a wrong guess spoils names (OR-14)."""
    text = decode(name, raw, problems)
    if raw.startswith(_UTF_16):
        problems.append(
            Problem(name, 1, "the file is UTF-16, as its first bytes say, and was read so; UTF-8 is safer")
        )
    return text


def separated(name: str, text: str, separator: str, *, header: bool = True) -> Sheet:
    """A CSV file: quotes are doubled inside quotes. Without a header the columns are "1", "2" and so on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    if header:
        return Sheet(_first(name, reader), _rows(name, reader, 0))
    width = len(_first(name, csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)))
    return Sheet(tuple(str(number) for number in range(1, width + 1)), _rows(name, reader, 0))


def dumped(name: str, text: str) -> Sheet:
    """A table dump: the header in single quotes, the values in double ones, with backslash escapes."""
    first, _, rest = text.partition("\n")
    header = _first(name, csv.reader([first.rstrip("\r")], quotechar="'", strict=True))
    body = csv.reader(io.StringIO(rest, newline=""), doublequote=False, escapechar="\\", strict=True)
    return Sheet(header, _rows(name, body, 1))


def is_dump(text: str) -> bool:
    return text.lstrip().startswith("'")


def _first(name: str, reader: Iterator[list[str]]) -> tuple[str, ...]:
    try:
        return tuple(cell.strip() for cell in next(reader, []))
    except csv.Error as fault:
        raise _broken(name, 1, fault) from None


def _rows(name: str, reader: "_csv.Reader", lines_before: int) -> Iterator[tuple[int, list[str]]]:
    line = reader.line_num + lines_before + 1
    try:
        for cells in reader:
            if any(cell and not cell.isspace() for cell in cells):
                yield line, cells
            line = reader.line_num + lines_before + 1
    except csv.Error as fault:
        raise _broken(name, reader.line_num + lines_before, fault) from None


def _broken(name: str, line: int, fault: csv.Error) -> FileRefused:
    return FileRefused(
        f"{name} line {line}: the quotes or line ends are broken ({fault}); "
        "export it again; nothing was changed"
    )
