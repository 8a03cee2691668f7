"""Files that no school system writes: refused with a sentence, before a page of theirs takes all memory."""

import io

import pytest
from openpyxl import Workbook

from bot.roster.incoming.coming import without_passwords
from bot.roster.report import FileRefused
from bot.roster.sources import Source
from bot.roster.table import open_table


def wide(columns: int) -> bytes:
    return (",".join(f"c{n}" for n in range(columns)) + "\n").encode()


def test_a_list_of_a_hundred_thousand_columns_is_refused() -> None:
    with pytest.raises(FileRefused, match="100,000 columns"):
        open_table("list.csv", wide(100_000), [])


def test_a_list_may_be_as_wide_as_any_export_and_no_wider() -> None:
    assert len(open_table("list.csv", wide(1_000), []).header) == 1_000
    with pytest.raises(FileRefused, match="1,001 columns"):
        open_table("list.csv", wide(1_001), [])


@pytest.mark.parametrize(
    "raw",
    [
        b"Burns School roster\nid,name,Password\n1,Ana,hunter2\n",
        b"\nid,name,Password\n1,Ana,hunter2\n",
        b"sep=;\nid;Password\n1;hunter2\n",
        b"'NAME','PSN_PASSWORD','X'\n'Rivera, Ana','hunter2','c'\n",
        b'id,name,Password\n1,"a"b,c",hunter2\n',
        b'[{"studentUniqueId": "1", "password": "hunter2"}]',
        b"<root><student><password>hunter2</password></student></root>",
    ],
    ids=["a title", "a blank line", "sep", "single quotes", "odd quotes", "JSON", "XML"],
)
def test_a_file_whose_passwords_cannot_be_told_from_the_rest_is_not_kept(raw: bytes) -> None:
    with pytest.raises(FileRefused, match="must not be kept"):
        without_passwords(Source("", "list.csv", raw))


def test_a_password_column_of_a_plain_list_is_emptied_and_the_list_is_kept() -> None:
    kept = without_passwords(Source("", "list.csv", b"id,Password,x\n1,Password1,2\n"))

    assert kept.raw == b"id,Password,x\n1,,2\n"


@pytest.mark.parametrize(
    "sheets", [[["Burns roster"], ["id", "Password"]], None], ids=["a title", "a second sheet"]
)
def test_a_workbook_that_speaks_of_passwords_anywhere_is_not_kept(sheets: list[list[str]] | None) -> None:
    book = Workbook()
    for row in sheets or [["id", "name"], ["1", "Ana"]]:
        book.active.append(row)
    if sheets is None:
        book.create_sheet("more").append(["id", "Password"])
    page = io.BytesIO()
    book.save(page)

    with pytest.raises(FileRefused, match="must not be kept"):
        without_passwords(Source("", "list.xlsx", page.getvalue()))
