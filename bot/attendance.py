"""Daily marks, what they mean, and the school calendar."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, time

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    DayChange,
    Excuse,
    MarkStatus,
    School,
    SchoolDayChanged,
    Student,
)

# An excused, exempt or disciplinary absence is known to the office: nobody needs to ask the family why.
_KNOWN = frozenset({Excuse.EXCUSED, Excuse.EXEMPT, Excuse.DISCIPLINARY})

# A day that a person has closed has no absences, whatever its marks say (CT-4).
_NOT_CLOSED = ~exists().where(
    SchoolDayChanged.school_id == AttendanceMark.school_id,
    SchoolDayChanged.day == AttendanceMark.day,
    SchoolDayChanged.kind == DayChange.CLOSED,
    SchoolDayChanged.withdrawn_at.is_(None),
)

# A current mark that says absent and that nobody has explained to the office, as a condition.
UNEXPLAINED = (
    _NOT_CLOSED,
    AttendanceMark.superseded_at.is_(None),
    AttendanceMark.status == MarkStatus.ABSENT,
    AttendanceMark.excuse.notin_(_KNOWN),
)


@dataclass(frozen=True)
class AbsentStudent:
    """A student whose current mark of the day says absent. `excused`: the office already knows why.

    `school_id` is the school that marked the student, `school` the name of the one a text speaks of:
    where the student goes now.
    """

    id: int
    school_id: int
    first_name: str
    family_name: str
    excused: bool
    school: str


def absent(session: Session, day: date, schools: Collection[int]) -> list[AbsentStudent]:
    """Everyone the newest files call absent on *day*, in a stable order."""
    rows = session.execute(
        select(
            Student.id,
            AttendanceMark.school_id,
            Student.preferred_name,
            Student.given_name,
            Student.family_name,
            AttendanceMark.excuse,
            School.name,
        )
        .join(Student, Student.id == AttendanceMark.student_id)
        .join(School, School.id == Student.school_id)
        .where(*_marked_absent(day), AttendanceMark.school_id.in_(schools))
        .order_by(Student.id)
    )
    return [
        AbsentStudent(id_, school_id, preferred or given, family, excuse in _KNOWN, school)
        for id_, school_id, preferred, given, family, excuse, school in rows
    ]


def absent_anywhere(day: date) -> Select[int]:
    """The students absent on *day* at any school, as a query: a morning of 70,000 is no list of numbers."""
    return select(AttendanceMark.student_id).where(*_marked_absent(day))


def _marked_absent(day: date) -> tuple[ColumnElement[bool], ...]:
    return (
        AttendanceMark.day == day,
        AttendanceMark.superseded_at.is_(None),
        AttendanceMark.status == MarkStatus.ABSENT,
        _NOT_CLOSED,
    )


def still_unexplained(session: Session, students: Collection[int], day: date) -> bool:
    """Whether at least one of these students is still marked absent without an excuse on *day*."""
    return bool(
        session.scalar(
            select(func.count())
            .select_from(AttendanceMark)
            .where(AttendanceMark.day == day, AttendanceMark.student_id.in_(students), *UNEXPLAINED)
        )
    )


def ever_absent(
    session: Session, day: date, schools: Collection[int] | None = None
) -> dict[int, tuple[int, bool, bool]]:
    """Everyone who was called absent on *day* by any file: student -> (school, absent now, excused now)."""
    query = select(
        AttendanceMark.student_id,
        AttendanceMark.school_id,
        AttendanceMark.superseded_at.is_(None),
        AttendanceMark.excuse,
    ).where(AttendanceMark.day == day, AttendanceMark.status == MarkStatus.ABSENT, _NOT_CLOSED)
    if schools is not None:
        query = query.where(AttendanceMark.school_id.in_(schools))
    found: dict[int, tuple[int, bool, bool]] = {}
    for student, school, current, excuse in session.execute(query.order_by(AttendanceMark.id)):
        if current or student not in found:
            found[student] = (school, bool(current), excuse in _KNOWN)
    return found


def is_school_day(session: Session, school_id: int, day: date) -> bool:
    """Whether this school teaches on *day*; a date the calendar does not know is no school day."""
    return bool(
        session.scalar(
            select(CalendarDay.teaches).where(CalendarDay.school_id == school_id, CalendarDay.day == day)
        )
    )


def teaching(session: Session, day: date) -> set[int]:
    """The schools that teach on *day*."""
    return set(
        session.scalars(select(CalendarDay.school_id).where(CalendarDay.day == day, CalendarDay.teaches))
    )


@dataclass(frozen=True)
class DayHours:
    """What a person has changed of one school day: when families are asked, when the students go home (CT-5)."""

    morning_at: time | None = None
    dismissed_at: time | None = None


def hours_changed(session: Session, days: Collection[date]) -> dict[tuple[int, date], DayHours]:
    """The schools and days with a late opening or an early dismissal."""
    rows = session.execute(
        select(
            SchoolDayChanged.school_id, SchoolDayChanged.day, SchoolDayChanged.kind, SchoolDayChanged.at_time
        ).where(
            SchoolDayChanged.day.in_(days),
            SchoolDayChanged.kind != DayChange.CLOSED,
            SchoolDayChanged.withdrawn_at.is_(None),
        )
    )
    found: dict[tuple[int, date], DayHours] = {}
    for school, day, kind, at in rows:
        known = found.get((school, day), DayHours())
        found[school, day] = (
            DayHours(at, known.dismissed_at)
            if kind is DayChange.OPENS_LATE
            else DayHours(known.morning_at, at)
        )
    return found


def next_school_days(session: Session, school_id: int, after: date, count: int) -> list[date]:
    """The next *count* days on which this school teaches, after *after*; fewer when the calendar ends."""
    return list(
        session.scalars(
            select(CalendarDay.day)
            .where(CalendarDay.school_id == school_id, CalendarDay.day > after, CalendarDay.teaches)
            .order_by(CalendarDay.day)
            .limit(count)
        )
    )


def last_school_days(session: Session, before: date) -> dict[int, date]:
    """For each school the day on which it taught last before *before*."""
    rows = session.execute(
        select(CalendarDay.school_id, func.max(CalendarDay.day))
        .where(CalendarDay.day < before, CalendarDay.teaches)
        .group_by(CalendarDay.school_id)
    )
    return {school: day for school, day in rows}


def school_days(session: Session, first: date, last: date) -> list[date]:
    """Every date from *first* to *last* on which at least one school teaches."""
    return list(
        session.scalars(
            select(CalendarDay.day)
            .where(CalendarDay.day.between(first, last), CalendarDay.teaches)
            .distinct()
            .order_by(CalendarDay.day)
        )
    )


def enrolled(session: Session) -> dict[int, int]:
    """How many active students each active school has."""
    rows = session.execute(
        select(Student.school_id, func.count())
        .join(School, School.id == Student.school_id)
        .where(Student.active, School.active)
        .group_by(Student.school_id)
    )
    return {school: count for school, count in rows}


@dataclass(frozen=True)
class PlannedDay:
    """One weekday of a term at one school, as the calendar file says."""

    school_id: int
    day: date
    instructional: bool
    summary: str


def planned_days(session: Session, schools: Collection[int], first: date, last: date) -> list[PlannedDay]:
    """The calendar of these schools from *first* to *last*, as the files say, in order of the days."""
    rows = session.execute(
        select(CalendarDay.school_id, CalendarDay.day, CalendarDay.instructional, CalendarDay.summary)
        .where(CalendarDay.school_id.in_(schools), CalendarDay.day.between(first, last))
        .order_by(CalendarDay.day, CalendarDay.school_id)
    )
    return [PlannedDay(*row) for row in rows]
