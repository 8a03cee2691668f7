"""What is kept of each student is what the marks say, however often they change (reports/kept.py)."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from bot import measures
from bot.advance import Script
from bot.measures import Tier, tier
from bot.reports import kept
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    CallOutcome,
    ContactMade,
    Excuse,
    Import,
    MarkStatus,
    School,
    Student,
    StudentMeasure,
    TierWeek,
)
from bot.understanding import Understanding
from tests.builders import NOW, a_file, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.town import Town

FIRST = date(2021, 8, 23)
TODAY = date(2021, 10, 22)
DAYS = [FIRST + timedelta(days=n) for n in range((TODAY - FIRST).days + 5)]

marks = st.tuples(
    st.integers(0, 4),
    st.sampled_from(DAYS),
    st.sampled_from([MarkStatus.ABSENT, MarkStatus.ABSENT, MarkStatus.TARDY, MarkStatus.PRESENT]),
    st.sampled_from(Excuse),
    st.booleans(),
)


@pytest.fixture
def district(database: Database) -> Database:
    """Two schools and five students, one of whom began late and one of whom left."""
    with database.begin() as session:
        here, there = a_school(session, "Burns School", weeks=10), a_school(session, "Hill School", weeks=10)
        students = [a_student(session, school) for school in (here, here, there, there, there)]
        students[1].enrolled_from = date(2021, 9, 14)
        students[3].active = False
        a_file(session)
    return database


def a_year(session: Session, told: list[tuple[int, date, MarkStatus, Excuse, bool]], off: list[date]) -> None:
    """What the files said, and the days on which the first school did not teach."""
    students = session.scalars(select(Student).order_by(Student.id)).all()
    here = students[0].school_id
    session.execute(
        update(CalendarDay)
        .where(CalendarDay.school_id == here, CalendarDay.day.in_(off))
        .values(instructional=False)
    )
    rows, current = [], set()
    for who, day, status, excuse, replaced in told:
        old = replaced or (who, day) in current
        if not old:
            current.add((who, day))
        rows.append(
            {
                "student_id": students[who].id,
                # Some were marked by the school they went to before.
                "school_id": here if day.day % 7 == 0 else students[who].school_id,
                "day": day,
                "status": status,
                "excuse": excuse,
                "code": "",
                "import_id": session.scalars(select(Import.id)).first(),
                "marked_at": NOW,
                "superseded_at": NOW if old else None,
            }
        )
    if rows:
        session.execute(insert(AttendanceMark), rows)


class ByHand:
    """Days counted one by one, as an office would."""

    def __init__(self, session: Session) -> None:
        self.students = [each for each in session.scalars(select(Student)) if each.active]
        marks = session.scalars(select(AttendanceMark)).all()
        self.current = {(mark.student_id, mark.day): mark for mark in marks if mark.superseded_at is None}
        days = [day for day in session.scalars(select(CalendarDay)) if day.instructional]
        self.taught = {
            school: sorted(day.day for day in days if day.school_id == school)
            for school in session.scalars(select(School.id))
        }
        self.through = {
            school: max(
                (
                    mark.day
                    for mark in marks
                    if mark.school_id == school and mark.day in taught and mark.day <= TODAY
                ),
                default=None,
            )
            for school, taught in self.taught.items()
        }

    def count(self, student: Student, through: date | None) -> tuple[int, ...]:
        """Enrolled, excused, unexcused, disciplinary and streak."""
        enrolled, streak, kinds = 0, 0, {"excused": 0, "unexcused": 0, "disciplinary": 0}
        for day in self.taught[student.school_id]:
            if through is None or day > through or (student.enrolled_from and day < student.enrolled_from):
                continue
            enrolled += 1
            mark = self.current.get((student.id, day))
            if mark is None or mark.status is not MarkStatus.ABSENT or mark.excuse is Excuse.EXEMPT:
                streak = 0
                continue
            streak += 1
            kinds[Excuse.UNEXCUSED if mark.excuse is Excuse.UNKNOWN else mark.excuse] += 1
        return enrolled, *kinds.values(), streak


@given(st.lists(marks, max_size=60), st.lists(st.sampled_from(DAYS), max_size=6))
@settings(max_examples=20)
def test_what_is_kept_is_what_the_marks_say(
    district: Database, told: list[tuple[int, date, MarkStatus, Excuse, bool]], off: list[date]
) -> None:
    with district.begin(undo=True) as session:
        a_year(session, told, off)

        kept.refresh(session, NOW)
        kept.refresh(session, NOW)  # a second time changes nothing

        by_hand = ByHand(session)
        rows = {row.student_id: row for row in session.scalars(select(StudentMeasure))}
        first_days = {each.id: each.enrolled_from for each in by_hand.students if each.enrolled_from}
        assert set(rows) == {student.id for student in by_hand.students}
        for student in by_hand.students:
            row, through = rows[student.id], by_hand.through[student.school_id]
            found = (row.enrolled, row.excused, row.unexcused, row.disciplinary, row.streak)
            assert row.day == through
            assert found == by_hand.count(student, through)
            if through:
                (said,) = measures.standings(session, through, students=[student.id], first_days=first_days)
                assert found == (said.enrolled, said.excused, said.unexcused, said.disciplinary, said.streak)


@given(st.lists(marks, max_size=60), st.lists(st.sampled_from(DAYS), max_size=6))
@settings(max_examples=20)
def test_every_week_counts_every_student_who_was_enrolled_once(
    district: Database, told: list[tuple[int, date, MarkStatus, Excuse, bool]], off: list[date]
) -> None:
    with district.begin(undo=True) as session:
        a_year(session, told, off)

        kept.refresh_weeks(session, NOW)
        kept.refresh_weeks(session, NOW)

        by_hand = ByHand(session)
        weeks: dict[int, set[date]] = {school: set() for school in by_hand.taught}
        for row in session.scalars(select(TierWeek)):
            weeks[row.school_id].add(row.day)
            counts = dict.fromkeys(Tier, 0)
            for student in by_hand.students:
                enrolled, *kinds, _ = by_hand.count(student, row.day)
                if student.school_id == row.school_id and enrolled:
                    counts[tier(sum(kinds), enrolled)] += 1
            assert [row.satisfactory, row.at_risk, row.moderate, row.severe] == list(counts.values())
        for school, taught in by_hand.taught.items():
            through = by_hand.through[school]
            told_of = [day for day in taught if through and day <= through]
            last_of_week = {day.isocalendar()[:2]: day for day in told_of}
            assert weeks[school] == set(last_of_week.values())


def test_a_family_that_wrote_is_in_touch_and_one_that_was_texted_is_not(
    database: Database, script: Script, understanding: Understanding
) -> None:
    town = Town(database, script, understanding)
    with database.begin() as session:
        school = a_school(session)
        maya, luis = a_student(session, school, "Maya"), a_student(session, school, "Luis")
        number = number_of(session, a_guardian(session, maya))
        a_guardian(session, luis)
        absent(session, maya, luis)
    town.morning()
    town.now += timedelta(minutes=5)
    town.family_writes(number, "no ride today")

    with database.begin() as session:
        assert kept.keep_up(session, town.now)
        assert not kept.keep_up(session, town.now)
        touched = dict(
            session.execute(select(StudentMeasure.student_id, StudentMeasure.last_contact_at)).all()
        )
        assert touched == {maya.id: town.now, luis.id: None}


def test_a_call_that_reached_somebody_is_noted_at_the_next_look_and_a_voicemail_is_not(
    database: Database,
) -> None:
    with database.begin() as session:
        school = a_school(session)
        maya, luis = a_student(session, school, "Maya"), a_student(session, school, "Luis")
        caller = a_staff_member(session, school)
        kept.keep_up(session, NOW)
        for student, outcome in ((maya, CallOutcome.REACHED), (luis, CallOutcome.VOICEMAIL)):
            session.add(
                ContactMade(
                    student_id=student.id, staff_id=caller.id, outcome=outcome, at=NOW + timedelta(minutes=1)
                )
            )
        session.flush()

        assert not kept.keep_up(session, NOW + timedelta(minutes=2))

        touched = dict(
            session.execute(select(StudentMeasure.student_id, StudentMeasure.last_contact_at)).all()
        )
        assert touched == {maya.id: NOW + timedelta(minutes=1), luis.id: None}


def test_a_new_day_or_a_new_file_brings_the_measures_up_to_date(database: Database) -> None:
    with database.begin() as session:
        maya = a_student(session, a_school(session))
        kept.keep_up(session, NOW)
        absent(session, maya, now=NOW + timedelta(minutes=1))

        assert kept.keep_up(session, NOW + timedelta(minutes=2))
        row = session.get(StudentMeasure, maya.id)
        assert row
        assert (row.day, row.streak, row.unexcused) == (TODAY, 1, 1)
        assert kept.keep_up(session, NOW + timedelta(days=1))
