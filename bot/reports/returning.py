"""Who came back to school within five school days, after an absence and after the first outreach."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.measures import school_year
from bot.reports.happened import MOST_LISTED, Happened
from bot.reports.kept import last_days
from bot.reports.span import Span
from bot.store.tables import AttendanceMark, CalendarDay, Excuse, MarkStatus, Outreach, School, Student

WITHIN = 5
# Longer than any break inside a school year, so that the school day before an absence is looked at, and
# with a week and a half more the six after it.
_BEFORE, _AFTER = timedelta(days=18), timedelta(days=28)


class After(StrEnum):
    """From when the five school days are counted."""

    ABSENCE = "absence"  # the first day of being away
    CONTACT = "contact"  # the first day of it on which the family was written to


class Return(StrEnum):
    """NOT_KNOWN: still away at the last day the school's files speak of, and the five days are not over."""

    WITHIN_FIVE = "within_five"
    LATER = "later"
    NOT_KNOWN = "not_known"


@dataclass(frozen=True, slots=True)
class TimeAway:
    """School days without a gap, whatever weekend or break lies between. Without an outreach `became` has no CONTACT."""

    student_id: int
    school_id: int
    first_day: date
    became: dict[After, Return]


def returns(session: Session, span: Span) -> dict[After, Counter[tuple[Return, int]]]:
    """How many times students began to be away in the span, by what became of it and school.

    Whole days, exempt ones left out; each time away is counted once, and under CONTACT only where the
    family was written to.
    """
    found: dict[After, Counter[tuple[Return, int]]] = {after: Counter() for after in After}
    for away in times_away(session, span):
        for after, became in away.became.items():
            found[after][became, away.school_id] += 1
    return found


def behind(session: Session, span: Span, after: After, became: Return) -> list[Happened]:
    """The students behind a number, by the day on which they began to be away, newest first."""
    those = [away for away in times_away(session, span) if away.became.get(after) is became]
    those.sort(key=lambda away: (away.first_day, -away.student_id), reverse=True)
    del those[MOST_LISTED:]
    people = {
        student.id: (f"{student.first_name} {student.family_name}", school, ZoneInfo(zone))
        for student, school, zone in session.execute(
            select(Student, School.name, School.zone)
            .join(School, School.id == Student.school_id)
            .where(Student.id.in_({away.student_id for away in those}))
        )
    }
    return [
        Happened(became.value, away.student_id, name, school, None, None, away.first_day, zone)
        for away in those
        for name, school, zone in (people[away.student_id],)
    ]


def times_away(session: Session, span: Span) -> Iterator[TimeAway]:
    """Each time a student began to be away in the span, by four queries; who went to another school is of that one.

    Put together here and not by the database, whose planner does not see how few days a span has: joined
    in SQL the same took between a tenth of a second and two minutes.
    """
    days = _days(session, span)
    begins = date(school_year(span.today) - 1, 7, 1)
    told = {school: day for school, day in session.execute(last_days(begins, span.today, span.school_ids))}
    outreaches = _outreaches(session, span)
    absences = session.execute(
        select(AttendanceMark.student_id, Student.school_id, AttendanceMark.day)
        .join(Student, Student.id == AttendanceMark.student_id)
        .where(
            Student.school_id.in_(span.school_ids),
            AttendanceMark.day.between(span.first - _BEFORE, span.last + _AFTER),
            AttendanceMark.superseded_at.is_(None),
            AttendanceMark.status == MarkStatus.ABSENT,
            AttendanceMark.excuse != Excuse.EXEMPT,
        )
        .order_by(AttendanceMark.student_id, AttendanceMark.day)
    )
    for (student, school), marks in groupby(absences, key=lambda mark: (mark[0], mark[1])):
        taught = days.get(school, [])
        known = bisect_right(taught, told.get(school, date.min)) - 1
        for first, last in _runs(taught, [day for _, _, day in marks]):
            if not span.first <= taught[first] <= span.last:
                continue
            became = {After.ABSENCE: _became(first, last, known)}
            there = taught[first : last + 1]
            written = next((day for day in outreaches.get(student, []) if day in there), None)
            if written is not None:
                became[After.CONTACT] = _became(first + there.index(written), last, known)
            yield TimeAway(student, school, taught[first], became)


def _runs(taught: list[date], absences: list[date]) -> Iterator[tuple[int, int]]:
    """The first and last places of each run of absent school days; a mark on another day is none."""
    places = [
        place
        for day in absences
        if (place := bisect_left(taught, day)) < len(taught) and taught[place] == day
    ]
    start = 0
    for n, place in enumerate(places):
        if n + 1 == len(places) or places[n + 1] != place + 1:
            yield places[start], place
            start = n + 1


def _became(counted_from: int, last: int, known: int) -> Return:
    if last + 1 - counted_from > WITHIN:
        return Return.LATER
    return Return.WITHIN_FIVE if last < known else Return.NOT_KNOWN


def _days(session: Session, span: Span) -> dict[int, list[date]]:
    """The school days of each school, in and around the span."""
    found: dict[int, list[date]] = defaultdict(list)
    for school, day in session.execute(
        select(CalendarDay.school_id, CalendarDay.day)
        .where(
            CalendarDay.school_id.in_(span.school_ids),
            CalendarDay.day.between(span.first - _BEFORE, span.last + _AFTER),
            CalendarDay.teaches,
        )
        .order_by(CalendarDay.day)
    ):
        found[school].append(day)
    return found


def _outreaches(session: Session, span: Span) -> dict[int, list[date]]:
    """The school days for which each student's family was written to, in order."""
    found: dict[int, list[date]] = defaultdict(list)
    for student, day in session.execute(
        select(Outreach.student_id, Outreach.day)
        .join(Student, Student.id == Outreach.student_id)
        .where(
            Student.school_id.in_(span.school_ids),
            Outreach.day.between(span.first, span.last + _AFTER),
        )
        .order_by(Outreach.day)
    ):
        found[student].append(day)
    return found
