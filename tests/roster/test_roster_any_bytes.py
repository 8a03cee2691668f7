"""Whatever a file holds: it is applied, and again changes nothing, or it is refused and changed nothing."""

import string
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from bot.roster import FileRefused, Report, import_attendance, import_roster
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
