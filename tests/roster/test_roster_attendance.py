"""Attendance files: the newest one is the truth for its days, and what it replaced is kept."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update

from bot.roster import Change, FileRefused
from bot.store.tables import Absence, AttendanceMark, Import, Student
from bot.vocabulary import Outcome

from .conftest import NOW, Office
from .district import District, calendar, event

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def school(office_on_each: Office, district: District) -> Office:
    """The office with its roster imported."""
    office_on_each.roster(district)
    return office_on_each


def current(office: Office) -> list[tuple[str, str, str, str]]:
    rows = office.rows(
        Student.number,
        AttendanceMark.day,
        AttendanceMark.status,
        AttendanceMark.excuse,
        where=(AttendanceMark.student_id == Student.id) & AttendanceMark.superseded_at.is_(None),
    )
    return [(number, str(day), status.value, excuse.value) for number, day, status, excuse in rows]


def ledger(office: Office) -> list[tuple[str, str]]:
    rows = office.rows(Student.number, Absence.outcome, where=Absence.student_id == Student.id)
    return [(number, outcome.value) for number, outcome in rows]


def _enter(office: Office, number: str, day: date) -> None:
    """The morning has already put this student into the ledger."""
    [(student, school_id)] = office.rows(Student.id, Student.school_id, where=Student.number == number)
    with office.database.begin() as session:
        session.add(
            Absence(
                student_id=student, day=day, school_id=school_id, outcome=Outcome.ATTEMPTED, changed_at=NOW
            )
        )


def test_statuses_and_excuses_are_mapped(school: Office) -> None:
    report = school.attendance(
        "2021-09-01 N 1001 A E",
        "2021-09-01 N 1003 A U",
        "2021-09-01 S 1002 A",
        "2021-09-01 S 1004 T",
        "2021-09-01 S 1006 P",
    )
    assert report.changes["attendance_marks"] == Change(added=5)
    assert current(school) == [
        ("1001", "2021-09-01", "absent", "excused"),
        ("1002", "2021-09-01", "absent", "unknown"),
        ("1003", "2021-09-01", "absent", "unexcused"),
        ("1004", "2021-09-01", "tardy", "unknown"),
        ("1006", "2021-09-01", "partial", "unknown"),
    ]


def test_law_45_the_description_is_never_stored(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A E")
    assert "MTHR" not in repr(school.everything())
    assert school.rows(AttendanceMark.code) == [("XA",)]


def test_the_same_file_again_changes_nothing_and_is_not_noted_twice(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A")
    again = school.attendance("2021-09-01 N 1001 A", now=LATER)
    assert again.changed_nothing
    assert len(school.rows(Import.id, where=Import.kind == "attendance")) == 1


def test_at_7_a_corrected_mark_replaces_the_old_one_and_keeps_it_as_history(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A")
    report = school.attendance("2021-09-01 N 1001 T", now=LATER)
    assert report.changes["attendance_marks"] == Change(changed=1)
    assert report.figures["absences withdrawn"] == 1
    history = school.rows(
        AttendanceMark.status, AttendanceMark.marked_at, AttendanceMark.superseded_at.is_(None)
    )
    assert [(status.value, at, is_current) for status, at, is_current in history] == [
        ("absent", NOW, False),
        ("tardy", LATER, True),
    ]


def test_a_student_without_a_row_any_more_was_present(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A", "2021-09-01 N 1003 A")
    report = school.attendance("2021-09-01 N 1003 A", now=LATER)
    assert report.changes["attendance_marks"] == Change(removed=1)
    assert current(school) == [("1003", "2021-09-01", "absent", "unknown")]
    assert len(school.rows(AttendanceMark.id)) == 2


def test_promise_8_a_withdrawn_absence_reaches_the_ledger(school: Office) -> None:
    day = date(2021, 9, 1)
    school.attendance(
        "2021-09-01 N 1001 A", "2021-09-01 N 1003 A", "2021-09-01 N 1005 A", "2021-09-01 S 1002 A"
    )
    for number in ("1001", "1002", "1003", "1005"):
        _enter(school, number, day)
    school.attendance("2021-09-01 N 1001 T", "2021-09-01 N 1005 A E", "2021-09-01 S 1002 A", now=LATER)
    assert ledger(school) == [
        ("1001", "present_corrected"),
        ("1002", "attempted"),
        ("1003", "present_corrected"),
        ("1005", "attempted"),
    ]


def test_a_tardy_mark_that_vanishes_withdraws_no_absence(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 T", "2021-09-01 N 1003 A")
    report = school.attendance("2021-09-01 N 1003 A", now=LATER)
    assert report.changes["attendance_marks"] == Change(removed=1)
    assert "absences withdrawn" not in report.figures


def test_the_only_absent_student_of_a_school_can_be_withdrawn_too(school: Office) -> None:
    """The file speaks of both schools and of the day, and no longer of this student."""
    school.attendance("2021-09-01 N 1001 A", "2021-09-01 S 1002 A")
    school.attendance("2021-08-31 N 1001 A", "2021-09-01 S 1002 A", now=LATER)
    assert current(school) == [
        ("1001", "2021-08-31", "absent", "unknown"),
        ("1002", "2021-09-01", "absent", "unknown"),
    ]


def test_days_and_schools_the_file_does_not_speak_of_stay(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A", "2021-09-01 S 1002 A", "2021-09-02 N 1003 A")
    school.attendance("2021-09-01 N 1005 A", now=LATER)
    assert [row[0] for row in current(school)] == ["1002", "1003", "1005"]


def test_days_after_through_are_left_alone(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A", "2021-09-02 N 1001 A", through=date(2021, 9, 1))
    assert current(school) == [("1001", "2021-09-01", "absent", "unknown")]
    school.attendance("2021-09-01 N 1001 A", "2021-09-02 N 1001 A")
    report = school.attendance(
        "2021-09-01 N 1001 A", "2021-09-02 N 1003 A", through=date(2021, 9, 1), now=LATER
    )
    assert report.changed_nothing
    assert report.figures["rows after 2021-09-01, left alone"] == 1


def test_at_9_unknown_students_are_counted_and_never_created(school: Office) -> None:
    report = school.attendance("2021-09-01 N 9999 A", "2021-09-02 N 9999 A", "2021-09-01 N 1001 A")
    assert report.figures["students of the file who are not in the roster"] == 1
    assert [str(problem) for problem in report.problems] == [
        "attendance.csv line 2: student_id '9999' is of nobody in the roster; the row was left out",
        "attendance.csv line 3: student_id '9999' is of nobody in the roster; the row was left out",
    ]
    assert len(school.rows(Student.id)) == 12


def test_at_9_a_student_who_has_left_keeps_the_marks_of_before(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A", "2021-09-01 N 1003 A")
    with school.database.begin() as session:
        session.execute(update(Student).where(Student.number == "1001").values(active=False))
    report = school.attendance("2021-09-01 N 1003 A", now=LATER)
    assert report.changed_nothing
    report = school.attendance("2021-09-01 N 1003 A", "2021-09-02 N 1001 A", now=LATER)
    assert report.changed_nothing
    assert len(report.problems) == 1
    assert [row[0] for row in current(school)] == ["1001", "1003"]


def test_a_shared_number_is_settled_by_the_school_or_by_nobody(office: Office, district: District) -> None:
    district.user("s2")["identifier"] = "1001"
    district.user("s5")["identifier"] = "1003"
    office.roster(district)
    report = office.attendance("2021-09-01 S 1001 A", "2021-09-01 N 1003 A")
    marked = office.rows(Student.sourced_id, where=AttendanceMark.student_id == Student.id)
    assert marked == [("s2",)]
    assert "student_id '1003' belongs to more than one student" in str(report.problems[0])


@pytest.mark.parametrize("status", ["X", "a", "Absent", "true"])
def test_at_6_an_unmapped_status_is_held_not_guessed(school: Office, status: str) -> None:
    """What was known of that student and day stays: neither absent nor present is invented."""
    school.attendance("2021-09-01 N 1001 A", "2021-09-01 N 1003 A")
    before = current(school)
    report = school.attendance(f"2021-09-01 N 1001 {status}", "2021-09-01 N 1003 A", now=LATER)
    assert report.changed_nothing
    assert f"status {status!r} is none of A, T, P" in str(report.problems[0])
    assert current(school) == before


@pytest.mark.parametrize("day", ["9/1/2021", "2021-13-01", "20210901", "#####"])
def test_a_row_whose_date_cannot_be_read_withdraws_nothing(school: Office, day: str) -> None:
    school.attendance("2021-09-01 N 1001 A", "2021-09-01 N 1003 A")
    report = school.attendance(f"{day} N 1001 A", "2021-09-01 N 1003 A", now=LATER)
    assert report.changed_nothing
    assert str(report.problems[0]) == (
        f"attendance.csv line 2: date {day!r} is not a date such as 2021-08-23; the row was left out"
    )


def test_an_unknown_school_is_named(school: Office) -> None:
    report = school.attendance("2021-09-01 Q 1001 A")
    assert "school_id 'Q' is not a school of the roster" in str(report.problems[0])
    assert current(school) == []


@pytest.mark.parametrize(("first", "second"), [("A E", "T"), ("T", "A E"), ("A U", "P"), ("P", "A")])
def test_of_two_rows_for_one_day_the_one_that_says_the_student_came_wins(
    school: Office, first: str, second: str
) -> None:
    report = school.attendance(f"2021-09-01 N 1001 {first}", f"2021-09-01 N 1001 {second}")
    assert [row[2] for row in current(school)] != ["absent"]
    assert [problem.line for problem in report.problems] == [3]


def test_of_two_absent_rows_the_later_wins_and_a_repeated_one_is_no_problem(school: Office) -> None:
    report = school.attendance(
        "2021-09-01 N 1001 A U", "2021-09-01 N 1001 A E", "2021-09-01 N 1003 A", "2021-09-01 N 1003 A"
    )
    assert [row[3] for row in current(school)] == ["excused", "unknown"]
    assert [problem.line for problem in report.problems] == [3]


def test_at_8_a_mark_on_a_day_without_school_is_named_and_kept(office: Office, district: District) -> None:
    office.roster(district, calendar=calendar(event("20210906")))
    report = office.attendance("2021-09-06 N 1001 A", "2021-09-05 N 1001 A", "2021-09-07 N 1001 A")
    assert [problem.line for problem in report.problems] == [2, 3]
    assert "2021-09-06 is no school day at school N; the row was kept as history" in str(report.problems[0])
    assert len(current(office)) == 3


def test_a_file_without_rows_changes_nothing(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A")
    report = school.attendance(now=LATER)
    assert report.changed_nothing
    assert report.rows_read == 0


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"date;school_id;student_id;status;excuse\r\n", "separated by semicolons"),
        (b"date,school_id,student_id\r\n", "has no column status, excuse"),
        (b"", "has no column"),
        (b'date,school_id,student_id,status,excuse\r\n"2021-09-01,N', "quotes or line ends are broken"),
        (b"PK\x03\x04\x00\x00", "is not a text file"),
    ],
)
def test_a_broken_file_changes_nothing(school: Office, raw: bytes, why: str) -> None:
    school.attendance("2021-09-01 N 1001 A")
    before = school.everything()
    with pytest.raises(FileRefused, match=rf"attendance\.csv.*{why}.*nothing was changed"):
        school.attendance_file(raw)
    assert school.everything() == before


def test_the_order_of_columns_and_a_byte_order_mark_do_not_matter(school: Office) -> None:
    raw = "\ufeffexcuse,status,student_id,school_id,date\nE,A,1001,N,2021-09-01\n".encode()
    school.attendance_file(raw)
    assert current(school) == [("1001", "2021-09-01", "absent", "excused")]


def test_a_student_marked_at_another_school_has_one_mark_a_day(school: Office) -> None:
    school.attendance("2021-09-01 N 1001 A")
    report = school.attendance("2021-09-01 S 1001 A", now=LATER)
    assert report.changes["attendance_marks"] == Change(changed=1)
    assert len(current(school)) == 1
