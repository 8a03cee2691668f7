"""A student's school year day by day: at school, absent and how, or not enrolled yet."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import measures
from bot.casework.students import StudentSeen
from bot.measures import Standing
from bot.store.tables import AttendanceMark, CalendarDay, Excuse, MarkStatus, Student


class DaySeen(StrEnum):
    """What one school day was for a student."""

    PRESENT = "present"
    EXCUSED = "excused"
    UNEXCUSED = "unexcused"
    DISCIPLINARY = "disciplinary"
    NOT_ENROLLED = "not_enrolled"


@dataclass(frozen=True)
class Year:
    """The school days of the year so far. `standing` is None before the school's first marks."""

    days: tuple[tuple[date, DaySeen], ...]
    standing: Standing | None


def so_far(session: Session, seen: StudentSeen, today: date) -> Year:
    """Every school day of the year up to the newest one for which the school has sent marks."""
    begins = date(measures.school_year(today) - 1, 7, 1)
    newest = session.scalar(
        select(AttendanceMark.day)
        .where(
            AttendanceMark.school_id == seen.school_id,
            AttendanceMark.day.between(begins, today),
            AttendanceMark.superseded_at.is_(None),
        )
        .order_by(AttendanceMark.day.desc())
        .limit(1)
    )
    if newest is None:
        return Year((), None)
    enrolled_from = session.scalar(select(Student.enrolled_from).where(Student.id == seen.id))
    first_days = {seen.id: enrolled_from} if enrolled_from else {}
    standing = next(
        iter(measures.standings(session, newest, students=[seen.id], first_days=first_days)), None
    )
    taught = session.scalars(
        select(CalendarDay.day)
        .where(
            CalendarDay.school_id == seen.school_id,
            CalendarDay.day.between(begins, newest),
            CalendarDay.teaches,
        )
        .order_by(CalendarDay.day)
    )
    marks = {
        day: (status, excuse)
        for day, status, excuse in session.execute(
            select(AttendanceMark.day, AttendanceMark.status, AttendanceMark.excuse).where(
                AttendanceMark.student_id == seen.id,
                AttendanceMark.day.between(begins, newest),
                AttendanceMark.superseded_at.is_(None),
            )
        )
    }
    return Year(
        tuple((day, _of(day, marks.get(day), enrolled_from)) for day in taught),
        standing,
    )


def _of(day: date, mark: tuple[MarkStatus, Excuse] | None, enrolled_from: date | None) -> DaySeen:
    """Files name who was absent: a day without a mark is a day at school, as the measures count it."""
    if enrolled_from is not None and day < enrolled_from:
        return DaySeen.NOT_ENROLLED
    if mark is None or mark[0] is not MarkStatus.ABSENT or mark[1] is Excuse.EXEMPT:
        return DaySeen.PRESENT
    if mark[1] is Excuse.EXCUSED:
        return DaySeen.EXCUSED
    return DaySeen.DISCIPLINARY if mark[1] is Excuse.DISCIPLINARY else DaySeen.UNEXCUSED
