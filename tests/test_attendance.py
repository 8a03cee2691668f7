"""Daily marks and the calendar, asked for many students and schools at once."""

from datetime import timedelta

from sqlalchemy import select

from bot import attendance
from bot.store.session import Database
from bot.store.tables import AttendanceMark, CalendarDay, MarkStatus, School
from tests.builders import FRIDAY, NOW, a_school, a_student, absent

MONDAY = FRIDAY + timedelta(days=3)


def test_the_schools_that_teach_on_a_day(database: Database) -> None:
    with database.begin() as session:
        teaches, closed, over = (a_school(session, name) for name in ("Teaches", "Closed", "Over"))
        session.get_one(CalendarDay, (closed.id, FRIDAY)).instructional = False
        session.delete(session.get_one(CalendarDay, (over.id, FRIDAY)))
        session.flush()

        assert attendance.teaching(session, FRIDAY) == {teaches.id}
        assert attendance.teaching(session, FRIDAY + timedelta(days=1)) == set()


def test_the_last_school_day_is_each_schools_own(database: Database) -> None:
    with database.begin() as session:
        plain, closed = a_school(session, "Plain"), a_school(session, "Closed")
        session.get_one(CalendarDay, (closed.id, FRIDAY)).instructional = False
        session.flush()

        assert attendance.last_school_days(session, MONDAY) == {
            plain.id: FRIDAY,
            closed.id: FRIDAY - timedelta(days=1),
        }


def test_a_school_that_has_not_taught_yet_has_no_last_school_day(database: Database) -> None:
    with database.begin() as session:
        a_school(session, first=FRIDAY)

        assert attendance.last_school_days(session, FRIDAY) == {}


def test_the_absent_are_those_of_the_newest_file_at_these_schools(database: Database) -> None:
    with database.begin() as session:
        here, there = a_school(session, "Here"), a_school(session, "There")
        maya, luis, noor, omar = (a_student(session, here, name) for name in ("Maya", "Luis", "Noor", "Omar"))
        elsewhere = a_student(session, there, "Ana")
        absent(session, maya, luis, noor, elsewhere)
        absent(session, omar, day=FRIDAY - timedelta(days=1))
        marks = {mark.student_id: mark for mark in session.scalars(select(AttendanceMark))}
        marks[luis.id].superseded_at = NOW
        marks[noor.id].status = MarkStatus.TARDY
        session.flush()

        assert [student.id for student in attendance.absent(session, FRIDAY, [here.id])] == [maya.id]
        assert set(session.scalars(attendance.absent_anywhere(FRIDAY))) == {maya.id, elsewhere.id}


def test_a_student_who_moved_is_of_the_school_that_marked_and_named_with_the_new_one(
    database: Database,
) -> None:
    with database.begin() as session:
        marked, goes_to = a_school(session, "Marked"), a_school(session, "Goes To")
        student = a_student(session, marked)
        absent(session, student)
        student.school_id = goes_to.id
        session.flush()

        (found,) = attendance.absent(session, FRIDAY, session.scalars(select(School.id)).all())
        assert (found.school_id, found.school) == (marked.id, "Goes To")
