"""Lists as files that leave the desk: CSV and Excel, in which no cell is ever taken for a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

# What a family or an office may have typed, or a number of ours.
Cell = str | int | float | date | None

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

# A spreadsheet takes a text for a formula when it begins like one (OR-14), also behind a blank.
_FORMULA = re.compile(r"^\s*[=+\-@\t\r\n|]|^[\t\r\n]")
# XML has no way to write these; a workbook that holds one cannot be opened.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LONGEST_CELL = 32_767  # Excel's limit
_LONGEST_SHEET_NAME = 31


def csv_file(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A table as CSV. A text that begins like a formula has an apostrophe before it.

    With the mark by which Excel knows UTF-8, and the line ends of RFC 4180.
    """
    page = io.StringIO(newline="")
    writer = csv.writer(page)
    writer.writerow([_harmless(column) for column in columns])
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return page.getvalue().encode("utf-8-sig")


def _harmless(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            written = _UNWRITABLE.sub("", cell)
            return f"'{written}" if _FORMULA.match(written) else written
        case date():
            return cell.isoformat()
        case _:
            return str(cell)


def workbook(sheets: Sequence[tuple[str, Sequence[str], Iterable[Sequence[Cell]]]]) -> bytes:
    """Several tables as an Excel workbook: a name, the columns and the rows of each.

    A text is stored as a text whatever it begins with, and marked so that editing it keeps it one;
    numbers and dates are numbers and dates.
    """
    # Late, because openpyxl takes a while to load and most pages make no workbook.
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    names: set[str] = set()
    for name, columns, rows in sheets:
        sheet = book.create_sheet(_sheet_name(name, names))
        sheet.freeze_panes = "A2"

        def typed(cell: Cell, *, bold: bool = False, sheet: Any = sheet) -> Any:
            if not isinstance(cell, str):
                return cell
            written = _UNWRITABLE.sub("", cell)[:_LONGEST_CELL]
            if not written:
                return None
            made = WriteOnlyCell(sheet, value=written)
            if _FORMULA.match(cell):
                made.quotePrefix = True
            made.data_type = "s"
            if bold:
                made.font = Font(bold=True)
            return made

        sheet.append([typed(column, bold=True) for column in columns])
        for row in rows:
            sheet.append([typed(cell) for cell in row])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _sheet_name(wanted: str, taken: set[str]) -> str:
    """Excel's rules: 31 characters, no brackets, slashes, colons, stars or question marks, no name twice."""
    plain = re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", wanted).strip("' ") or "List"
    name, n = plain[:_LONGEST_SHEET_NAME], 1
    while name.casefold() in taken:
        n += 1
        name = f"{plain[: _LONGEST_SHEET_NAME - 4]} {n}"
    taken.add(name.casefold())
    return name
