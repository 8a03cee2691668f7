"""What about a logged visit a supervisor may want to ask: information, never an accusation."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot.clock import school_day
from bot.store.tables import CalendarDay, HomeVisit, School, Student, VisitState

# A visit where nobody opens takes ten minutes, and the drive to the next door as long again.
MOST_IN_AN_HOUR = 3
# Shorter notes are alike by chance: "No answer, card left".
_SHORTEST_NOTE = 25
# How far back the same words count as the same note.
_SAME_WORDS_WITHIN = timedelta(days=60)


class Mark(StrEnum):
    """One thing that is unusual about a visit, as it was logged."""

    MORE_THAN_CAN_BE_DRIVEN = "more_than_can_be_driven"
    NO_SCHOOL_DAY = "no_school_day"
    SAME_WORDS = "same_words"
    BEFORE_IT_WAS_PLANNED = "before_it_was_planned"


def marks(session: Session, visits: Sequence[HomeVisit]) -> dict[int, tuple[Mark, ...]]:
    """The marks of each of these visits that was made; one without any is left out."""
    done = [visit for visit in visits if visit.state is VisitState.DONE]
    if not done:
        return {}
    others = _of_the_same_people(session, done)
    taught = _taught(session, done)
    found: dict[int, list[Mark]] = defaultdict(list)
    for visit in done:
        at = _visited(visit)
        if any(len(_within_an_hour(others, person, at)) > MOST_IN_AN_HOUR for person in _pair(visit)):
            found[visit.id].append(Mark.MORE_THAN_CAN_BE_DRIVEN)
        if not taught[visit.id]:
            found[visit.id].append(Mark.NO_SCHOOL_DAY)
        if _same_words(visit, others):
            found[visit.id].append(Mark.SAME_WORDS)
        if at < visit.planned_at:
            found[visit.id].append(Mark.BEFORE_IT_WAS_PLANNED)
    return {visit: tuple(some) for visit, some in found.items()}


def _visited(visit: HomeVisit) -> datetime:
    if visit.visited_at is None:
        raise ValueError("a visit that was made has a time")
    return visit.visited_at


def _pair(visit: HomeVisit) -> tuple[int, int]:
    return visit.lead_id, visit.pair_id


def _of_the_same_people(session: Session, done: Sequence[HomeVisit]) -> Sequence[HomeVisit]:
    people = {person for visit in done for person in _pair(visit)}
    times = [_visited(visit) for visit in done]
    return session.scalars(
        select(HomeVisit).where(
            HomeVisit.state == VisitState.DONE,
            or_(HomeVisit.lead_id.in_(people), HomeVisit.pair_id.in_(people)),
            HomeVisit.visited_at.between(min(times) - _SAME_WORDS_WITHIN, max(times) + _SAME_WORDS_WITHIN),
        )
    ).all()


def _within_an_hour(others: Sequence[HomeVisit], person: int, at: datetime) -> list[HomeVisit]:
    """The visits of this person in the fullest hour that holds *at*."""
    near = sorted(
        (
            other
            for other in others
            if person in _pair(other) and abs(_visited(other) - at) < timedelta(hours=1)
        ),
        key=_visited,
    )
    hours = (
        [other for other in near if timedelta() <= _visited(other) - _visited(first) < timedelta(hours=1)]
        for first in near
        if _visited(first) <= at
    )
    return max(hours, key=len, default=[])


def _same_words(visit: HomeVisit, others: Sequence[HomeVisit]) -> bool:
    """Whether one of the pair has written just this about another visit."""
    words = _plain(visit.heard)
    if len(words) < _SHORTEST_NOTE:
        return False
    return any(
        other.id != visit.id
        and set(_pair(other)) & set(_pair(visit))
        and abs(_visited(other) - _visited(visit)) <= _SAME_WORDS_WITHIN
        and _plain(other.heard) == words
        for other in others
    )


def _plain(words: str) -> str:
    return " ".join(words.casefold().split())


def _taught(session: Session, done: Sequence[HomeVisit]) -> dict[int, bool]:
    """Whether the student's school taught on the day of each visit."""
    places = {
        student: (school, zone)
        for student, school, zone in session.execute(
            select(Student.id, School.id, School.zone)
            .join(School, School.id == Student.school_id)
            .where(Student.id.in_({visit.student_id for visit in done}))
        )
    }
    on: dict[int, tuple[int, date]] = {}
    for visit in done:
        school, zone = places[visit.student_id]
        on[visit.id] = school, school_day(_visited(visit), ZoneInfo(zone))
    rows = session.execute(
        select(CalendarDay.school_id, CalendarDay.day).where(
            CalendarDay.school_id.in_({school for school, _ in on.values()}),
            CalendarDay.day.in_({day for _, day in on.values()}),
            CalendarDay.teaches,
        )
    )
    taught = {(school, day) for school, day in rows}
    return {visit: where in taught for visit, where in on.items()}
