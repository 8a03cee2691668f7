"""Files that leave the desk open in a spreadsheet as what they are, whoever typed them (OR-14)."""

import csv
import io
from datetime import date

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import export

DANGEROUS = [
    '=HYPERLINK("http://x","click")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "=cmd|' /C calc'!A0",
]


def read_csv(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def cells(raw: bytes, sheet: int = 0) -> list[tuple[object, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(raw))
    return list(book.worksheets[sheet].iter_rows(values_only=True))


@pytest.mark.parametrize("typed", DANGEROUS)
def test_a_name_that_begins_like_a_formula_is_a_text_in_both_files(typed: str) -> None:
    (_, (cell,)) = read_csv(export.csv_file(["name"], [[typed]]))
    assert cell == f"'{typed}"

    raw = export.workbook([("Students", ["name"], [[typed]])])
    found = openpyxl.load_workbook(io.BytesIO(raw)).worksheets[0]["A2"]
    assert found.data_type == "s"
    assert found.quotePrefix


def test_numbers_and_dates_stay_numbers_and_dates() -> None:
    raw = export.workbook([("Students", ["name", "rate", "day"], [["Maya", 0.125, date(2021, 10, 22)]])])
    book = openpyxl.load_workbook(io.BytesIO(raw))
    name, rate, day = book.worksheets[0][2]

    assert (name.data_type, rate.data_type, day.data_type) == ("s", "n", "d")
    assert rate.value == 0.125


def test_a_workbook_has_a_sheet_for_each_table_whatever_they_are_called() -> None:
    tables = [("Barriers / schools: all?", ["a"], [[1]]), ("Barriers / schools: all?", ["b"], [[2]])]
    book = openpyxl.load_workbook(io.BytesIO(export.workbook(tables)))

    assert len(book.sheetnames) == 2
    assert len({name.casefold() for name in book.sheetnames}) == 2
    assert all(len(name) <= 31 for name in book.sheetnames)


@given(st.lists(st.lists(st.text(max_size=40), min_size=2, max_size=2), max_size=8))
def test_any_words_come_back_as_they_were_and_none_is_a_formula(rows: list[list[str]]) -> None:
    raw = export.workbook([("List", ["one", "two"], rows)])
    found = openpyxl.load_workbook(io.BytesIO(raw)).worksheets[0]

    assert found.max_row <= len(rows) + 1
    assert all(cell.data_type in ("s", "n") for row in found.iter_rows() for cell in row)
    for row in read_csv(export.csv_file(["one", "two"], rows)):
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)
    assert len(read_csv(export.csv_file(["one", "two"], rows))) == len(rows) + 1


@given(st.text(max_size=60))
def test_no_sheet_name_is_refused(name: str) -> None:
    assert export.workbook([(name, ["a"], []), (name.upper(), ["a"], [])])
