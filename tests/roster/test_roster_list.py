"""An office's own list, CSV or Excel, read by a mapping of its columns."""

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app import Program
from bot import settings
from bot.cli.files import import_command
from bot.language import Language
from bot.roster import (
    Change,
    ColumnMapping,
    FileRefused,
    preview,
    read_columns,
    suggest,
    written_columns,
)
from bot.roster.columns import GuardianColumns, StudentColumns
from bot.roster.records import Term
from bot.store.session import Database
from bot.store.tables import (
    CalendarDay,
    Guardian,
    GuardianPhone,
    Guardianship,
    Phone,
    School,
    Student,
)

from .conftest import NOW, Office

STUDENT = StudentColumns(
    id="Student ID",
    first_name="First",
    last_name="Last",
    preferred_name="Nickname",
    grade="Gr",
    school="School",
)
SIDE_BY_SIDE = ColumnMapping(
    STUDENT,
    tuple(
        GuardianColumns(
            name=f"Parent {n}", relation=f"Relation {n}", phone=f"Phone {n}", language=f"Language {n}"
        )
        for n in (1, 2, 3)
    ),
)
ONE_EACH = ColumnMapping(
    STUDENT,
    (
        GuardianColumns(
            name="Contact",
            relation="Relationship",
            phone="Phone",
            kind="Type",
            custody="Custody",
            court_order="Court order",
            order="Order",
        ),
    ),
)


def _csv(*rows: dict[str, str], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    page = io.StringIO(newline="")
    writer = csv.DictWriter(page, columns, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return page.getvalue().encode(encoding)


def _xlsx(*rows: dict[str, Any]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    columns = list(dict.fromkeys(column for row in rows for column in row))
    sheet.append(columns)
    for row in rows:
        sheet.append([row.get(column) for column in columns])
    page = io.BytesIO()
    book.save(page)
    return page.getvalue()


def _student(number: str = "1001", **more: str) -> dict[str, str]:
    return {
        "Student ID": number,
        "First": "Maya",
        "Last": "Rivera",
        "Nickname": "",
        "Gr": "3",
        "School": "Elm School",
    } | more


def _side_by_side(**more: str) -> dict[str, str]:
    row = _student()
    for n in (1, 2, 3):
        row |= {f"Parent {n}": "", f"Relation {n}": "", f"Phone {n}": "", f"Language {n}": ""}
    return row | more


def _one(number: str = "1001", contact: str = "Ana Rivera", **more: str) -> dict[str, str]:
    return (
        _student(number)
        | {
            "Contact": contact,
            "Relationship": "Mother",
            "Phone": "860-555-0101",
            "Type": "cell",
            "Custody": "Y",
            "Court order": "",
            "Order": "1",
        }
        | more
    )


def _links(office: Office) -> list[tuple[Any, ...]]:
    return office.rows(
        Student.number,
        Guardian.given_name,
        Guardian.family_name,
        Guardianship.contact_order,
        Guardianship.may_receive_texts,
        Guardianship.court_order,
        where=(Guardianship.student_id == Student.id)
        & (Guardianship.guardian_id == Guardian.id)
        & Guardianship.active,
    )


def _import(office: Office, raw: bytes, mapping: ColumnMapping, name: str = "people.csv", **more: Any) -> Any:
    return office.import_file(office.file(name, raw), columns=mapping, **more)


def test_guardians_side_by_side_become_one_link_each_in_their_order(office: Office) -> None:
    row = _side_by_side(
        **{
            "Parent 1": "Rivera, Ana",
            "Relation 1": "Mother",
            "Phone 1": "(860) 555-0101",
            "Language 1": "Spanish",
            "Parent 2": "Luis Rivera",
            "Phone 2": "860.555.0102",
        }
    )
    report = _import(office, _csv(row), SIDE_BY_SIDE)
    assert report.problems == []
    assert _links(office) == [
        ("1001", "Ana", "Rivera", 1, True, False),
        ("1001", "Luis", "Rivera", 2, True, False),
    ]
    assert office.rows(Guardian.language, where=Guardian.given_name == "Ana") == [(Language.SPANISH,)]
    assert office.rows(School.name) == [("Elm School",)]
    assert report.coverage.reachable == 1
    assert _import(office, _csv(row), SIDE_BY_SIDE).changed_nothing


def test_one_row_for_each_guardian_is_put_together(office: Office) -> None:
    rows = (_one(), _one(contact="Luis Rivera", Phone="860-555-0102", Order="2"))
    report = _import(office, _csv(*rows), ONE_EACH)
    assert report.changes["students"] == Change(added=1)
    assert report.changes["guardians"] == Change(added=2)
    assert report.problems == []


def test_or_11_the_same_name_with_the_same_number_is_one_guardian_of_siblings(office: Office) -> None:
    rows = (_one("1001"), _one("1002", Phone="(860) 555 0101"), _one("1003", Phone="860-555-0199"))
    report = _import(office, _csv(*rows), ONE_EACH)
    assert report.changes["guardians"] == Change(added=2)
    assert report.changes["guardianships"] == Change(added=3)


def test_or_17_a_guardian_with_a_new_number_is_the_same_person(office: Office) -> None:
    _import(office, _csv(_one()), ONE_EACH)
    report = _import(office, _csv(_one(Phone="860-555-0177")), ONE_EACH)
    assert report.changes["guardians"] == Change()
    assert report.changes["guardian_phones"] == Change(added=1, removed=1)


@pytest.mark.parametrize(
    ("column", "words", "texted"),
    [
        ("Custody", "Y", True),
        ("Custody", "No", False),
        ("Custody", "ask office", False),
        ("Custody", "", False),
        ("Court order", "Y", False),
        ("Court order", "N", True),
        ("Court order", "", True),
        ("Court order", "see file", False),
    ],
)
def test_law_43_ed_5_a_flag_that_forbids_or_cannot_be_read_sends_no_text(
    office: Office, column: str, words: str, texted: bool
) -> None:
    report = _import(office, _csv(_one(**{column: words})), ONE_EACH)
    assert report.coverage.reachable == int(texted)


@pytest.mark.parametrize(
    ("kind", "kept"),
    [("Cell", "mobile"), ("Mobile", "mobile"), ("HOME", "home"), ("Fax", "home"), ("", "home")],
)
def test_ed_6_only_a_number_said_to_be_mobile_is_texted(office: Office, kind: str, kept: str) -> None:
    _import(office, _csv(_one(Type=kind)), ONE_EACH)
    assert office.rows(GuardianPhone.kind) == [(kept,)]


def test_a_workbook_reads_as_the_same_list(office: Office) -> None:
    """Excel holds ids and numbers as numbers; they come out as they were typed."""
    row: dict[str, Any] = _one() | {"Student ID": 1001, "Phone": 8605550101, "Gr": 3, "Order": 1.0}
    report = _import(office, _xlsx(row), ONE_EACH, "people.xlsx")
    assert report.problems == []
    assert office.rows(Student.number, Student.grade) == [("1001", "3")]
    assert office.rows(Phone.number) == [("+18605550101",)]
    assert _import(office, _csv(_one()), ONE_EACH).changed_nothing


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_or_14_semicolons_and_tabs_are_read(office: Office, delimiter: str) -> None:
    assert _import(office, _csv(_one(), delimiter=delimiter), ONE_EACH).changes["students"] == Change(added=1)


def test_or_14_an_encoding_is_asked_for_with_the_names_it_gives(office: Office) -> None:
    raw = _csv(_one(contact="Ana Muñoz", Password="señor"), encoding="cp1252")
    with pytest.raises(FileRefused, match=r"people\.csv line 2 is not UTF-8.*are: Ana Muñoz; if"):
        _import(office, raw, ONE_EACH)
    _import(office, raw, ONE_EACH, encoding="windows-1252")
    assert office.rows(Guardian.family_name) == [("Muñoz",)]


def test_terms_of_the_mapping_make_the_calendar(office: Office) -> None:
    term = Term(date(2021, 8, 23), date(2021, 9, 18))
    mapping = ColumnMapping(STUDENT, (), terms=(term,))
    _import(office, _csv(_student()), mapping)
    assert len(office.rows(CalendarDay.day)) == 20
    _import(office, _csv(_student()), ColumnMapping(STUDENT))
    assert len(office.rows(CalendarDay.day)) == 20


def test_a_row_at_fault_is_named_with_column_and_its_student_stays(office: Office) -> None:
    _import(office, _csv(_one("1001"), _one("1002")), ONE_EACH)
    report = _import(office, _csv(_one("1001"), _one("1002", Last="")), ONE_EACH)
    [problem] = report.problems
    assert (str(problem), problem.column) == (
        "people.csv line 3: Last is empty; the row was left out",
        "Last",
    )
    assert report.changed_nothing


def test_or_5_a_list_that_lost_its_students_is_refused(office: Office) -> None:
    _import(office, _csv(*(_one(str(number)) for number in range(1001, 1031))), ONE_EACH)
    before = office.everything()
    with pytest.raises(FileRefused, match="29 of 30 active students"):
        _import(office, _csv(_one("1001")), ONE_EACH)
    assert office.everything() == before


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "has no column Student ID"),
        (_csv(_student())[:-20].splitlines(keepends=True)[0], "has no rows"),
        (_csv(_student()).replace(b"Maya", b'"Maya'), "quotes or line ends are broken"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x81\x8d", "is not a text file"),
        (b"PK\x03\x04 and no zip", "is not a zip file"),
        (_csv(_student()).replace(b"Nickname", b"First"), "has no column Nickname"),
    ],
)
def test_a_list_that_cannot_be_trusted_changes_nothing(office: Office, raw: bytes, why: str) -> None:
    with pytest.raises(FileRefused, match=rf"people\.csv.*{why}.*nothing was changed"):
        _import(office, raw, ColumnMapping(STUDENT))
    assert office.rows(Student.id) == []


@pytest.mark.parametrize("name", ["people.csv", "people.xlsx"])
def test_a_list_nobody_has_explained_says_what_to_do(office: Office, name: str) -> None:
    raw = _xlsx(_student()) if name.endswith("xlsx") else _csv(_student())
    with pytest.raises(FileRefused, match="give --columns with a file that does"):
        office.import_file(office.file(name, raw))


# --- the mapping itself ---------------------------------------------------------------------------------

TOML = b"""
district = "Elm District"

[student]
id = "Student ID"
first_name = "First"
last_name = "Last"
school = "School"

[[guardian]]
name = "Contact"
phone = "Phone"

[[term]]
first = 2021-08-23
last = 2021-09-17
"""


def test_a_mapping_is_read_from_toml() -> None:
    mapping = read_columns("columns.toml", TOML)
    assert mapping == ColumnMapping(
        StudentColumns(id="Student ID", first_name="First", last_name="Last", school="School"),
        (GuardianColumns(name="Contact", phone="Phone"),),
        district="Elm District",
        terms=(Term(date(2021, 8, 23), date(2021, 9, 18)),),
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"[student]", b"[student", "is not TOML"),
        (b"first_name", b"firstname", r"\[student\] has firstname; it may have id, first_name"),
        (b'id = "Student ID"', b"", r"\[student\] lacks id"),
        (b'"Contact"', b"3", "is not text in quotes"),
        (b'name = "Contact"', b"", r"each of them a name"),
        (b"[[guardian]]", b"[guardian]", "with two brackets"),
        (b"2021-09-17", b"2020-09-17", r"a \[\[term\]\] needs"),
        (b'school = "School"', b"", "names no school"),
    ],
)
def test_a_mapping_that_is_wrong_says_where(old: bytes, new: bytes, why: str) -> None:
    with pytest.raises(FileRefused, match=rf"columns\.toml.*{why}.*nothing was changed"):
        read_columns("columns.toml", TOML.replace(old, new))


_NAMES = st.text(min_size=1, max_size=12).map(lambda text: " ".join(text.split())).filter(bool)


@given(
    student=st.builds(StudentColumns, *[_NAMES] * 6),
    guardians=st.lists(st.builds(GuardianColumns, *[_NAMES] * 16), min_size=1, max_size=3).map(tuple),
    district=_NAMES,
)
def test_a_mapping_written_and_read_is_the_same(
    student: StudentColumns, guardians: tuple[GuardianColumns, ...], district: str
) -> None:
    term = Term(date(2021, 8, 23), date(2021, 9, 18))
    mapping = ColumnMapping(student, guardians, district=district, terms=(term,))
    assert read_columns("columns.toml", written_columns(mapping).encode("utf-8", "surrogatepass")) == mapping


def test_headers_suggest_what_they_mean() -> None:
    mapping = suggest(
        [
            "Student Number",
            "First Name",
            "Last Name",
            "Preferred Name",
            "Grade Level",
            "School Name",
            "Guardian 1 Name",
            "Guardian 1 Relationship",
            "Guardian 1 Cell Phone",
            "Guardian 1 Preferred Language",
            "Guardian 2 Name",
            "Guardian 2 Phone",
            "Bus",
        ]
    )
    assert mapping.student == StudentColumns(
        id="Student Number",
        first_name="First Name",
        last_name="Last Name",
        preferred_name="Preferred Name",
        grade="Grade Level",
        school="School Name",
    )
    assert mapping.guardians == (
        GuardianColumns(
            name="Guardian 1 Name",
            relation="Guardian 1 Relationship",
            mobile="Guardian 1 Cell Phone",
            language="Guardian 1 Preferred Language",
        ),
        GuardianColumns(name="Guardian 2 Name", phone="Guardian 2 Phone"),
    )


def test_a_suggestion_leaves_open_what_no_header_tells() -> None:
    mapping = suggest(["A", "B", ""])
    assert mapping == ColumnMapping(StudentColumns("", "", ""))


@given(headers=st.lists(st.text(max_size=20), max_size=12))
def test_a_suggestion_uses_only_columns_that_are_there_and_none_twice(headers: list[str]) -> None:
    mapping = suggest(headers)
    named = [
        value for part in (mapping.student, *mapping.guardians) for value in vars(part).values() if value
    ]
    assert set(named) <= set(headers)
    assert len(named) == len(set(named))


def test_a_preview_shows_how_rows_would_be_read_and_what_is_wrong() -> None:
    raw = _csv(_one(), _one("1002", Last=""), _one("1003"))
    shown, problems = preview("people.csv", raw, ONE_EACH, rows=2)
    assert [(one.line, one.student, one.school, one.guardians) for one in shown] == [
        (2, "Maya Rivera, 1001", "Elm School", ("Ana Rivera (mobile)",)),
        (3, "", "", ()),
    ]
    assert [str(problem) for problem in problems] == [
        "people.csv line 3: Last is empty; the row was left out"
    ]


def test_the_command_line_takes_a_list_and_takes_it_back(sqlite: Database, tmp_path: Path) -> None:
    """The whole path from the two files, as an office has them."""
    program = Program(settings.read(database_url=str(sqlite.engine.url)), at=lambda: NOW)
    (tmp_path / "columns.toml").write_bytes(TOML)
    (tmp_path / "people.xlsx").write_bytes(_xlsx(_one(Phone="n/a")))
    words = ["roster", f"{tmp_path}/people.xlsx", "--columns", f"{tmp_path}/columns.toml"]

    def said(*words: str) -> str:
        done = CliRunner().invoke(import_command, words, obj=program)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    assert "students: 1 added" in said(*words, "--report", f"{tmp_path}/report.csv")
    assert "it holds words; enter the number alone" in (tmp_path / "report.csv").read_text("utf-8-sig")
    assert "Dry run: nothing was changed." in said("undo", "--dry-run")
    assert "students: 0 added, 0 changed, 1 removed" in said("undo")
    program.database.close()
