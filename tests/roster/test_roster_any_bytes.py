"""Whatever a file holds: it is applied, and again changes nothing, or it is refused and changed nothing."""

import string
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from bot.roster import ColumnMapping, FileRefused, Report, import_attendance, import_roster, undo_import
from bot.roster.columns import GuardianColumns, StudentColumns
from bot.store.session import Database

from .conftest import NOW, Office, contents
from .district import District, calendar, event, written

_ATTENDANCE = b"date,school_id,student_id,att_code,status,excuse\r\n" + b"".join(
    b"2021-09-0%d,%s,10%02d,AE,A,E\r\n" % (1 + index % 3, b"NS"[index % 2 :][:1], index)
    for index in range(1, 13)
)
_CALENDAR = calendar(event("20210906", UID="a"), event("20210913", UID="b", RRULE="FREQ=WEEKLY;COUNT=3"))

# What spreadsheets, exporters and people put into cells.
_DATES = ["2021-09-31", "0001-01-01", "9999-12-31"]
_CELLS = st.one_of(
    st.sampled_from(["", "0", "-1", "Y", "N", "NULL", "#####", "1.2E+10", "s1", "g1", "D", "é", *_DATES]),
    st.text(max_size=12),
    st.text(string.digits + "-+(). x", max_size=20),
    st.integers(250, 400).map(lambda length: "w" * length),
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """*whole*, with a few of its bytes cut out, doubled or replaced."""
    raw = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        cut = bytes(raw[at : at + draw(st.integers(0, 40))])
        junk = st.one_of(st.binary(max_size=6), st.sampled_from([cut * 2, b'"', b",", b"\r", b"\0"]))
        raw[at : at + len(cut)] = draw(junk)
    return bytes(raw)


def _apply_or_refuse(database: Database, apply: Callable[[Session], Report]) -> None:
    with database.begin() as session:
        before = contents(session)
        report = None
        with suppress(FileRefused):
            report = apply(session)
        after = contents(session)
        assert (report is None or report.changed_nothing) == (after == before)
        if report is not None:
            assert apply(session).changed_nothing
            assert contents(session) == after
        session.rollback()  # the next example meets the same database


@pytest.fixture
def school(sqlite: Database, tmp_path: Path) -> Office:
    """An office whose roster is imported; SQLite alone, since no question of these is the engine's."""
    office = Office(sqlite, tmp_path)
    office.roster(District(), calendar=_CALENDAR)
    office.attendance("2021-09-01 N 1001 A", "2021-09-02 N 1003 A")
    return office


def _try_roster(
    office: Office, archive: Path, said: bytes = written(District().contacts), closures: bytes = _CALENDAR
) -> None:
    contacts, closed = office.file("contacts.csv", said), office.file("calendar.ics", closures)
    _apply_or_refuse(
        office.database,
        lambda session: import_roster(
            session,
            archive,
            contacts=contacts,
            calendar=closed,
            zone="America/New_York",
            morning_at=NOW.time(),
            now=NOW,
        ),
    )


def _try_attendance(office: Office, raw: bytes) -> None:
    file = office.file("attendance.csv", raw)
    _apply_or_refuse(office.database, lambda session: import_attendance(session, file, through=None, now=NOW))


@given(raw=st.one_of(st.binary(max_size=300), damaged(_ATTENDANCE)))
def test_any_attendance_file(school: Office, raw: bytes) -> None:
    _try_attendance(school, raw)


@given(cells=st.lists(st.tuples(*[_CELLS] * 6), max_size=8))
def test_any_attendance_cells(school: Office, cells: list[tuple[str, ...]]) -> None:
    columns = ("date", "school_id", "student_id", "att_code", "status", "excuse")
    usual = ("2021-09-01", "N", "1003", "AE", "A", "U")
    rows = [dict(zip(columns, row, strict=True)) for row in [*cells, usual]]
    _try_attendance(school, written(rows, encoding="utf-8"))


@given(raw=st.one_of(st.binary(max_size=300), damaged(written(District().contacts))))
def test_any_contacts_file(school: Office, raw: bytes) -> None:
    _try_roster(school, District().archive(school.folder / "roster.zip"), said=raw)


@given(raw=st.one_of(st.binary(max_size=300), damaged(_CALENDAR)))
def test_any_calendar(school: Office, raw: bytes) -> None:
    _try_roster(school, District().archive(school.folder / "roster.zip"), closures=raw)


@given(data=st.data())
def test_any_archive(school: Office, data: st.DataObject) -> None:
    whole = District().archive(school.folder / "whole.zip").read_bytes()
    raw = data.draw(st.one_of(st.binary(max_size=300), damaged(whole)))
    _try_roster(school, school.file("roster.zip", raw))


@given(data=st.data())
def test_any_file_in_the_archive(school: Office, data: st.DataObject) -> None:
    district = District()
    name, whole = data.draw(st.sampled_from(sorted(district.files().items())))
    district.raw[name] = data.draw(st.one_of(st.binary(max_size=100), damaged(whole)))
    _try_roster(school, district.archive(school.folder / "roster.zip"))


@given(data=st.data())
def test_any_cells_in_the_archive(school: Office, data: st.DataObject) -> None:
    district = District()
    tables = [
        district.orgs,
        district.sessions,
        district.users,
        district.roles,
        district.enrollments,
        district.contacts,
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        row = data.draw(st.sampled_from(data.draw(st.sampled_from(tables))))
        row[data.draw(st.sampled_from(sorted(row)))] = data.draw(_CELLS)
    archive = district.archive(school.folder / "roster.zip")
    _try_roster(school, archive, said=written(district.contacts))


# --- the other shapes of a roster ----------------------------------------------------------------------

_SDS = Path(__file__).parents[1] / "data" / "sis" / "microsoft-sds-2.1"
_LIST = ColumnMapping(
    StudentColumns("id", "first", "last", grade="grade", school="school"),
    (
        GuardianColumns(name="parent", phone="phone", kind="kind", language="language", court_order="court"),
        GuardianColumns(id="contact", first_name="given", last_name="family", home="home", order="order"),
    ),
)
_LIST_COLUMNS = (*_LIST.named(), "password")
_LIST_ROW = ["1001", "Maya", "Rivera", "3", "Elm", "Ana", "860-555-0101", "cell", "es", "N"]
_LIST_ROW += ["c1", "Luis", "Rivera", "860-555-0102", "2", "x"]


def _try_file(office: Office, path: Path, columns: ColumnMapping | None = None) -> None:
    _apply_or_refuse(
        office.database,
        lambda session: import_roster(
            session,
            path,
            contacts=None,
            calendar=None,
            zone="America/New_York",
            morning_at=NOW.time(),
            now=NOW,
            columns=columns,
        ),
    )


@given(data=st.data())
def test_any_delta(school: Office, data: st.DataObject) -> None:
    district = District()
    tables = {"users": district.users, "roles": district.roles, "enrollments": district.enrollments}
    for _ in range(data.draw(st.integers(1, 4))):
        row = data.draw(st.sampled_from(data.draw(st.sampled_from(sorted(tables.items())))[1]))
        row["status"] = data.draw(st.sampled_from(["active", "tobedeleted", ""]))
        row[data.draw(st.sampled_from(sorted(row)))] = data.draw(_CELLS)
    sent = data.draw(st.sets(st.sampled_from(sorted(tables)), min_size=1))
    part = district.delta(**{name: tables[name] for name in sent})
    for name in sorted(part.raw):
        if data.draw(st.booleans()):
            part.raw[name] = data.draw(damaged(part.raw[name]))
    _try_file(school, part.archive(school.folder / "delta.zip"))


@given(data=st.data())
def test_any_bytes_of_a_school_data_sync_sample(
    sqlite: Database, tmp_path: Path, data: st.DataObject
) -> None:
    files = {file.name: file.read_bytes() for file in sorted(_SDS.glob("*.csv"))}
    name = data.draw(st.sampled_from(sorted(files)))
    files[name] = data.draw(damaged(files[name]))
    path = tmp_path / "sds.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for one, raw in files.items():
            archive.writestr(one, raw)
    path.write_bytes(data.draw(st.one_of(st.just(path.read_bytes()), damaged(path.read_bytes()))))
    _try_file(Office(sqlite, tmp_path), path)


@given(cells=st.lists(st.tuples(*[_CELLS] * len(_LIST_COLUMNS)), max_size=5))
def test_any_cells_of_a_list(sqlite: Database, tmp_path: Path, cells: list[tuple[str, ...]]) -> None:
    rows = [dict(zip(_LIST_COLUMNS, row, strict=True)) for row in (*cells, tuple(_LIST_ROW))]
    office = Office(sqlite, tmp_path)
    _try_file(office, office.file("people.csv", written(rows, encoding="utf-8")), _LIST)


@given(data=st.data())
def test_any_bytes_of_a_list(sqlite: Database, tmp_path: Path, data: st.DataObject) -> None:
    whole = written([dict(zip(_LIST_COLUMNS, _LIST_ROW, strict=True))] * 2)
    raw = data.draw(st.one_of(st.binary(max_size=200), damaged(whole)))
    office = Office(sqlite, tmp_path)
    _try_file(office, office.file("people.csv", raw), _LIST)


@cache
def _workbook() -> bytes:
    """Made once, because a workbook holds the moment at which it was made."""
    page = BytesIO()
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(_LIST_COLUMNS))
    sheet.append(_LIST_ROW)
    book.save(page)
    return page.getvalue()


@given(data=st.data())
def test_any_bytes_of_a_workbook(sqlite: Database, tmp_path: Path, data: st.DataObject) -> None:
    office = Office(sqlite, tmp_path)
    _try_file(office, office.file("people.xlsx", data.draw(damaged(_workbook()))), _LIST)


@given(data=st.data())
def test_whatever_was_imported_an_undo_takes_back_without_a_crash(
    school: Office, data: st.DataObject
) -> None:
    district = District()
    for _ in range(3):
        row = data.draw(st.sampled_from(data.draw(st.sampled_from([district.users, district.contacts]))))
        row[data.draw(st.sampled_from(sorted(row)))] = data.draw(_CELLS)
    archive = district.archive(school.folder / "roster.zip")
    said = school.file("contacts.csv", written(district.contacts))
    with school.database.begin() as session:
        with suppress(FileRefused):
            import_roster(
                session,
                archive,
                contacts=said,
                calendar=None,
                zone="America/New_York",
                morning_at=NOW.time(),
                now=NOW,
            )
        undo_import(session, by="ana", now=NOW)
        session.rollback()
