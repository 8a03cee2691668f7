"""The import page: a dropped file is shown before anything changes, and people decide by name."""

import io
import re
from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.advance import Script
from bot.roster.incoming import LARGEST_KEPT
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    AuditLine,
    FileContent,
    FileState,
    Guardian,
    HoldState,
    School,
    SchoolFile,
    SchoolHold,
    Staff,
    StaffSchool,
    Student,
)
from bot.understanding import Understanding
from bot.vocabulary import Role
from tests.builders import FRIDAY, a_school, a_staff_member, a_student
from tests.roster.district import District
from tests.town import Town
from tests.web import Browser, pages, words_of

HEADER = "date,school_id,student_id,att_code,description,status,excuse"


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def app(town: Town) -> Flask:
    return pages(town)


class People:
    """A school of twenty, and staff who see it, or another one."""

    def __init__(self, town: Town, app: Flask, students: int = 20) -> None:
        self.town = town
        with town.database.begin() as session:
            self.school, self.other = a_school(session), a_school(session, "Elm School")
            self.students = [a_student(session, self.school, f"Given{n}") for n in range(students)]
            self.specialist = a_staff_member(session, self.school)
            self.leader = a_staff_member(
                session, self.school, self.other, name="Ms. Ortiz", role=Role.SUPERVISOR
            )
            self.elsewhere = a_staff_member(session, self.other, role=Role.SUPERVISOR)
            self.auditor = a_staff_member(session, self.school, self.other, role=Role.AUDITOR)
        self.as_: Callable[[Staff], Browser] = lambda member: Browser(app, town).signed_in_as(member)

    def marks(self, count: int, code: str = "AU", day: date = FRIDAY) -> bytes:
        rows = [
            f"{day},{self.school.sourced_id},{student.number},{code},,A,U"
            for student in self.students[:count]
        ]
        return "\r\n".join([HEADER, *rows, ""]).encode()

    def drop(self, browser: Browser, name: str, raw: bytes, **more: tuple[str, bytes]) -> str:
        """Drop a file on the page, and return the address of its own."""
        fields = browser.hidden_fields("/desk/imports", "/desk/imports")
        data = {**fields, "file": (io.BytesIO(raw), name)}
        data |= {part: (io.BytesIO(content), called) for part, (called, content) in more.items()}
        answer = browser.ask("POST", "/desk/imports", data=data, content_type="multipart/form-data")
        assert answer.status_code == 303, words_of(answer)
        return answer.location

    def count(self, table: type, *where: object) -> int:
        with self.town.database.begin() as session:
            return session.scalar(select(func.count()).select_from(table).where(*where)) or 0  # type: ignore[arg-type]

    def file(self) -> SchoolFile:
        with self.town.database.begin() as session:
            found = session.scalars(select(SchoolFile).order_by(SchoolFile.id.desc())).first()
            assert found
            return found


@pytest.fixture
def people(town: Town, app: Flask) -> People:
    return People(town, app)


def test_a_dropped_file_is_shown_and_changes_nothing_until_somebody_applies_it(people: People) -> None:
    browser = people.as_(people.specialist)
    page = people.drop(browser, "today.csv", people.marks(2))

    said = words_of(browser.get(page))
    assert "Checked, waits for a go" in said
    assert "Attendance marks 2 0 0" in said
    assert "Burns School 2 20" in said
    assert people.count(AttendanceMark) == 0

    done = browser.fill(page, f"{page}/apply", because="")
    assert done.status_code == 303
    assert "What it changed" in words_of(browser.get(page))
    assert people.count(AttendanceMark) == 2
    assert people.count(FileContent) == 0
    assert people.file().decided_by == "Ms. Rivera"


def test_a_rejected_file_changes_nothing_and_is_not_kept(people: People) -> None:
    browser = people.as_(people.specialist)
    page = people.drop(browser, "today.csv", people.marks(2))

    hidden = browser.hidden_fields(page, f"{page}/apply")
    assert browser.post(f"{page}/reject", because="the wrong day", **hidden).status_code == 303
    assert "Rejected" in words_of(browser.get(page))
    assert people.count(AttendanceMark) == people.count(FileContent) == 0
    assert browser.post(f"{page}/apply", **hidden).status_code == 409


def test_the_same_form_sent_twice_is_one_file(people: People) -> None:
    browser = people.as_(people.specialist)
    fields = browser.hidden_fields("/desk/imports", "/desk/imports")
    for _ in range(2):
        data = {**fields, "file": (io.BytesIO(people.marks(1)), "today.csv")}
        browser.ask("POST", "/desk/imports", data=data, content_type="multipart/form-data")

    assert people.count(SchoolFile) == 1


def test_yesterdays_file_is_held_until_a_leader_approves_it_with_a_reason(people: People) -> None:
    specialist, leader = people.as_(people.specialist), people.as_(people.leader)
    page = people.drop(specialist, "old.csv", people.marks(2, day=date(2021, 10, 21)))

    said = words_of(specialist.get(page))
    assert "old.csv has no row for today, 2021-10-22" in said
    assert "A supervisor or a district administrator decides about it." in said
    hidden = specialist.hidden_fields(page, f"{page}/reject")
    assert specialist.post(f"{page}/apply", because="it is fine", **hidden).status_code == 403

    without = leader.fill(page, f"{page}/apply", because="  ")
    assert without.status_code == 409
    assert "A reason is missing" in words_of(without)
    assert people.count(AttendanceMark) == 0
    assert leader.fill(page, f"{page}/apply", because="a correction of Thursday").status_code == 303
    assert people.count(AttendanceMark) == 2
    assert "by Ms. Ortiz: a correction of Thursday" in words_of(leader.get(page))
    with people.town.database.begin() as session:
        assert "approve_file" in session.scalars(select(AuditLine.act)).all()


def test_what_changed_since_the_check_is_shown_before_it_can_be_applied(people: People) -> None:
    browser = people.as_(people.specialist)
    first = people.drop(browser, "today.csv", people.marks(3))
    second = people.drop(browser, "later.csv", people.marks(2))
    browser.fill(second, f"{second}/apply")

    answer = browser.fill(first, f"{first}/apply")
    assert answer.status_code == 409
    assert "would not change the same any more" in words_of(answer)
    assert people.count(AttendanceMark) == 2
    assert "Attendance marks 1 0 0" in words_of(browser.get(first))
    assert browser.fill(first, f"{first}/apply").status_code == 303
    assert people.count(AttendanceMark) == 3


def test_a_school_that_looks_wholly_absent_is_held_until_a_leader_lets_it_go(people: People) -> None:
    browser, leader = people.as_(people.specialist), people.as_(people.leader)
    page = people.drop(browser, "today.csv", people.marks(12))
    assert "12 of 20 students absent (60%)" in words_of(browser.get(page))
    browser.fill(page, f"{page}/apply")

    said = words_of(browser.get("/desk/imports"))
    assert "Nobody of this school is texted until somebody has decided." in said
    assert "A supervisor or a district administrator decides." in said
    action = f"/desk/imports/school/{people.school.id}/2021-10-22/release"
    assert leader.fill("/desk/imports", action, because=" ").status_code == 409
    assert leader.fill("/desk/imports", action, because="flu, the nurse says").status_code == 303
    with people.town.database.begin() as session:
        [hold] = session.scalars(select(SchoolHold).where(SchoolHold.school_id == people.school.id))
        assert (hold.state, hold.decided_by, hold.because) == (
            HoldState.RELEASED,
            "Ms. Ortiz",
            "flu, the nurse says",
        )


def test_nobody_sees_a_file_or_decides_about_a_school_that_is_not_theirs(people: People) -> None:
    page = people.drop(people.as_(people.specialist), "today.csv", people.marks(12))
    hidden = people.as_(people.specialist)
    hidden.fill(page, f"{page}/apply")
    stranger = people.as_(people.elsewhere)

    assert stranger.get(page).status_code == 404
    assert stranger.get(f"{page}/report.csv").status_code == 404
    assert "today.csv" not in words_of(stranger.get("/desk/imports"))
    assert "Burns School" not in words_of(stranger.get("/desk/imports"))
    token = stranger.hidden_fields("/desk/imports", "/desk/imports")
    action = f"/desk/imports/school/{people.school.id}/2021-10-22/release"
    assert stranger.post(action, because="mine now", **token).status_code == 404
    assert people.count(SchoolHold, SchoolHold.state == HoldState.RAISED) >= 1


def test_an_auditor_reads_and_drops_nothing(people: People) -> None:
    page = people.drop(people.as_(people.specialist), "today.csv", people.marks(1))
    auditor = people.as_(people.auditor)

    assert "Bring a file" not in words_of(auditor.get("/desk/imports"))
    assert "You read only." in words_of(auditor.get(page))
    assert auditor.ask("POST", "/desk/imports").status_code in (400, 403)


def test_an_unmapped_code_is_counted_and_mapped_by_choosing(people: People) -> None:
    """AT-6: never guessed; and the next file knows it."""
    browser = people.as_(people.specialist)
    raw = (
        people.marks(2)
        + f"{FRIDAY},{people.school.sourced_id},{people.students[5].number},Q,,Q,\r\n".encode()
    )
    page = people.drop(browser, "today.csv", raw)

    shown = browser.get(page).text
    assert "What do these codes mean?" in shown
    [name] = re.findall(r'name="(code\d+)"', shown)
    said = browser.fill(page, f"{page}/codes", **{name: ""})
    assert said.status_code == 422
    assert browser.fill(page, f"{page}/codes", **{name: "absent"}).status_code == 303
    assert "Attendance marks 3 0 0" in words_of(browser.get(page))

    again = people.drop(browser, "again.csv", raw)
    assert "What do these codes mean?" not in words_of(browser.get(again))


def test_an_unknown_attendance_list_is_read_once_somebody_has_pointed_at_its_columns(people: People) -> None:
    browser = people.as_(people.specialist)
    rows = [f"{student.number};10/22/2021;AE" for student in people.students[:2]]
    raw = "\n".join(["Student Number;Att Date;Mark", *rows, ""]).encode()
    page = people.drop(browser, "front office.csv", raw)

    shown = browser.get(page)
    assert "What do its columns mean?" in words_of(shown)
    assert people.students[0].number in words_of(shown)
    chosen = re.findall(r'value="(\w+)" selected', shown.text)
    assert chosen == ["student", "day", "code"]
    columns = {"column0": "student", "column1": "day", "column2": "student"}
    twice = browser.fill(page, f"{page}/columns", name="Front office", day_format="MM/DD/YYYY", **columns)
    assert twice.status_code == 422
    assert "are said to be the same" in words_of(twice)
    assert 'value="Front office"' in twice.text
    columns["column2"] = "code"
    browser.fill(page, f"{page}/columns", name="Front office", day_format="MM/DD/YYYY", **columns)
    assert "What do these codes mean?" in words_of(browser.get(page))
    browser.fill(page, f"{page}/codes", code0="absent unknown")
    assert "Attendance marks 2 0 0" in words_of(browser.get(page))
    browser.fill(page, f"{page}/apply")
    assert people.count(AttendanceMark) == 2

    again = people.drop(browser, "monday.csv", raw)
    assert "rows read by mapping front office: 2" in words_of(browser.get(again)).lower()


def test_an_unknown_list_of_students_is_read_by_pointing_and_its_passwords_are_never_kept(
    people: People,
) -> None:
    leader = people.as_(people.leader)
    header = "Student ID,First Name,Last Name,School,Password,Guardian Name,Guardian Cell"
    rows = [
        f"{student.number},{student.given_name},Rivera,Burns School,hunter{n},Ana Rivera,860-555-01{n:02d}"
        for n, student in enumerate(people.students)
    ]
    page = people.drop(leader, "our list.csv", "\n".join([header, *rows, ""]).encode())

    shown = leader.get(page)
    assert "What do its columns mean?" in words_of(shown)
    assert "hunter" not in shown.text
    assert 'value="guardian1.mobile" selected' in shown.text
    with people.town.database.begin() as session:
        assert all(b"hunter" not in content for content in session.scalars(select(FileContent.content)))
    meant = "student.id student.first_name student.last_name student.school guardian1.name guardian1.mobile"
    fields = {f"column{n}": value for n, value in enumerate(meant.split())}
    leader.fill(page, f"{page}/columns", name="Our list", school="", **fields)
    assert "New phone numbers 20 0 0" in words_of(leader.get(page))
    assert people.count(Guardian) == 0


def test_names_that_are_not_utf_8_are_shown_before_anybody_believes_them(people: People) -> None:
    """OR-14."""
    leader = people.as_(people.leader)
    district = District()
    district.users[0]["givenName"] = "Zoë"
    raw = _archive(district, "cp1252")
    page = people.drop(leader, "roster.zip", raw)

    said = words_of(leader.get(page))
    assert "Do these names read right?" in said
    assert "Zoë" in said
    answer = leader.post(f"{page}/encoding", **leader.hidden_fields(page, f"{page}/encoding"))
    assert answer.status_code == 303
    assert "Students" in words_of(leader.get(page))
    assert people.file().state in (FileState.CHECKED, FileState.HELD)


def _archive(district: District, encoding: str) -> bytes:
    import tempfile
    import zipfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = district.archive(Path(folder) / "roster.zip")
        page = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(page, "w") as new:
            for member in old.namelist():
                new.writestr(member, old.read(member).decode().encode(encoding))
        return page.getvalue()


def test_a_roster_that_loses_a_tenth_is_held_applied_by_name_and_taken_back(town: Town, app: Flask) -> None:
    """OR-5, and the held file holds no password."""
    people = People(town, app, students=12)
    leader = people.as_(people.leader)
    raw = _archive(District(size=4), "utf-8")
    page = people.drop(leader, "roster.zip", raw)

    said = words_of(leader.get(page))
    assert "Held for approval" in said
    assert "12 of 12 active students are not in it any more, more than 10%" in said
    with town.database.begin() as session:
        kept = session.scalars(select(FileContent.content)).all()
        assert kept
        for content in kept:
            assert b"secret" not in _unzipped(content)
    assert leader.fill(page, f"{page}/apply", because="a new school year").status_code == 303
    assert people.count(Student, Student.active) == 4
    with town.database.begin() as session:
        session.add_all(
            StaffSchool(staff_id=people.leader.id, school_id=school)
            for school in session.scalars(select(School.id).where(School.id > people.other.id))
        )

    assert "Take it back" in words_of(leader.get(page))
    assert leader.fill(page, f"{page}/undo").status_code == 303
    assert "Taken back" in words_of(leader.get(page))
    assert people.count(Student, Student.active) == 12


def _unzipped(content: bytes) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_the_report_of_a_file_is_a_spreadsheet_without_formulas(people: People) -> None:
    browser = people.as_(people.specialist)
    raw = people.marks(1) + f"{FRIDAY},{people.school.sourced_id},=1+1,AU,,A,U\r\n".encode()
    page = people.drop(browser, "today.csv", raw)

    report = browser.get(f"{page}/report.csv")
    assert report.mimetype == "text/csv"
    assert "'=1+1" in report.text
    assert ",=1+1" not in report.text


def test_a_file_that_is_too_large_is_refused_before_it_is_read(people: People) -> None:
    browser = people.as_(people.specialist)
    answer = browser.client.post(
        "/desk/imports",
        base_url=browser.base,
        headers={"Referer": f"{browser.base}/"},
        content_type="multipart/form-data; boundary=x",
        input_stream=io.BytesIO(b""),
        environ_overrides={"CONTENT_LENGTH": str(LARGEST_KEPT * 2)},
    )
    assert answer.status_code == 413


@given(
    raw=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(str.encode),
        st.binary(max_size=60).map(lambda some: b"PK\x03\x04" + some),
        st.lists(st.text("0123456789,;\"'\n=AEU/-", max_size=30), max_size=6).map(
            lambda lines: "\n".join([HEADER, *lines]).encode()
        ),
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_bytes_dropped_are_a_page_and_no_half_import(people: People, raw: bytes) -> None:
    browser = people.as_(people.specialist)
    page = people.drop(browser, "any.csv", raw)

    assert browser.get(page).status_code == 200
    assert people.count(AttendanceMark) == 0
    assert browser.get("/desk/imports").status_code == 200
