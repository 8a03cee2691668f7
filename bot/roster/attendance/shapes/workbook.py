"""Excel workbooks: the first sheet, cell by cell, with a word on every value that Excel has changed."""

import io
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from bot.roster.attendance.shapes.sheet import OfDate, OfNumber, Sheet
from bot.roster.report import FileRefused

# A year of a large district is some 60 MB unpacked; more is a mistake or an attack (OR-15).
_MOST_BYTES = 200_000_000
_MOST_MEMBERS = 200
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def is_workbook(raw: bytes) -> bool:
    return raw.startswith(b"PK\x03\x04")


def workbook(name: str, raw: bytes) -> Sheet:
    """The first sheet of an .xlsx file. Raises FileRefused for anything else that begins like a zip."""
    # Late, because openpyxl takes a while to load and most files are no workbooks.
    import openpyxl

    try:
        _refuse_unsafe(name, raw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a workbook without a style sheet is none of our business
            book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
            sheet = book.worksheets[0]
            # Some exporters write that the sheet ends at A1; its rows say otherwise.
            sheet.reset_dimensions()
            rows = list(_rows(sheet.iter_rows(values_only=True)))
            book.close()
    except FileRefused:
        raise
    except Exception as fault:  # noqa: BLE001 - a damaged workbook raises anything from KeyError to zlib.error
        raise FileRefused(
            f"{name} is not a text file, nor a workbook that can be read ({type(fault).__name__}); "
            "save it again as .xlsx or CSV; nothing was changed"
        ) from None
    if not rows:
        return Sheet((), ())
    return Sheet(tuple(cell.strip() for cell in rows[0][1]), rows[1:])


def _refuse_unsafe(name: str, raw: bytes) -> None:
    """A document type inside a workbook can only be an attack: Excel writes none."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > _MOST_BYTES:
            raise FileRefused(
                f"{name} holds {len(members)} parts of more than 200 MB or 200 in number; "
                "save the days you need as CSV; nothing was changed"
            )
        for member in members:
            if member.filename.lower().endswith((".xml", ".rels")):
                part = archive.read(member)
                if b"<!DOCTYPE" in part or b"<!ENTITY" in part or part.startswith(_BYTE_ORDER_MARKS):
                    raise FileRefused(
                        f"{name}: its part {member.filename[:80]!r} is not as Excel writes it; "
                        "save it again as .xlsx or CSV; nothing was changed"
                    )


def _rows(rows: Any) -> Iterator[tuple[int, list[str]]]:
    for line, values in enumerate(rows, start=1):
        cells = [_text(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield line, cells


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return OfNumber(value)
        case float():
            return OfNumber(int(value) if value.is_integer() else value)
        case datetime():
            return OfDate(value.date().isoformat())
        case date():
            return OfDate(value.isoformat())
        case time():
            return value.isoformat()
        case _:
            return str(value)
