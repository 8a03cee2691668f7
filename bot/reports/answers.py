"""Families who answered, and how long those who needed a person waited for one, by language."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, SQLColumnExpression, Subquery, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from bot.handoffs import OfficeHours
from bot.language import Language
from bot.policy import Policy
from bot.reports.happened import Happened, listed, one_of, row_of
from bot.reports.span import Span
from bot.store.tables import (
    CalendarDay,
    ContactMade,
    Conversation,
    Handoff,
    InboundText,
    OutboundText,
    Outreach,
    School,
)


@dataclass(frozen=True)
class Replies:
    """Talks that an outreach began: how many, and in how many of them the family wrote."""

    asked: int
    answered: int


@dataclass(frozen=True)
class Waits:
    """How long families waited for a person, from the moment they needed one to the first reply or call.

    Median and 90th percentile are waits that families really had (the smallest that so many did not
    exceed); None where nobody was answered.
    """

    answered: int
    waiting: int
    median_office: timedelta | None
    most_office: timedelta | None
    median_wall: timedelta | None
    most_wall: timedelta | None


def replies(session: Session, span: Span) -> dict[Language, Replies]:
    """By the language in which the talk was held."""
    answered = exists().where(InboundText.conversation_id == Conversation.id)
    begun = exists().where(Outreach.conversation_id == Conversation.id)
    found: dict[Language, dict[bool, int]] = defaultdict(dict)
    for language, has_answered, number in session.execute(
        select(Conversation.language, answered.label("answered"), func.count())
        .where(
            Conversation.day.between(span.first, span.last),
            Conversation.school_id.in_(span.school_ids),
            begun,
        )
        .group_by(Conversation.language, "answered")
    ):
        found[language][bool(has_answered)] = number
    return {
        language: Replies(sum(counts.values()), counts.get(True, 0)) for language, counts in found.items()
    }


def waits(session: Session, span: Span, policy: Policy) -> dict[Language, Waits]:
    """Of the cases opened in the span, by the language of the talk."""
    rows = _waits(span)
    office = _office(session, span, policy)
    lengths: dict[Language, list[tuple[timedelta, timedelta]]] = defaultdict(list)
    waiting: dict[Language, int] = defaultdict(int)
    for key, school, zone, at, reached in session.execute(
        select(rows.c.key, rows.c.school_id, School.zone, rows.c.at, rows.c.reached).join(
            School, School.id == rows.c.school_id
        )
    ):
        language = Language(key)
        if reached is None:
            waiting[language] += 1
        else:
            lengths[language].append((office.lasted(school, ZoneInfo(zone), at, reached), reached - at))
    return {
        language: _told(lengths[language], waiting[language])
        for language in Language
        if language in {*lengths, *waiting}
    }


def behind(session: Session, span: Span, language: Language) -> list[Happened]:
    """The cases behind a number of `waits`."""
    rows = _waits(span)
    return listed(session, rows, rows.c.key == language.value)


def percentile(values: Iterable[timedelta], percent: int) -> timedelta | None:
    """The smallest of the values that so many percent of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _told(lengths: Sequence[tuple[timedelta, timedelta]], waiting: int) -> Waits:
    office, wall = [length for length, _ in lengths], [length for _, length in lengths]
    return Waits(
        answered=len(lengths),
        waiting=waiting,
        median_office=percentile(office, 50),
        most_office=percentile(office, 90),
        median_wall=percentile(wall, 50),
        most_wall=percentile(wall, 90),
    )


def _waits(span: Span) -> Subquery:
    """One row for each case opened in the span, with the moment of the first reply or call after it."""
    wrote = (
        select(func.min(OutboundText.queued_at))
        .where(
            OutboundText.conversation_id == Handoff.conversation_id,
            OutboundText.staff_id.is_not(None),
            OutboundText.queued_at >= Handoff.opened_at,
        )
        .scalar_subquery()
    )
    called = (
        select(func.min(ContactMade.at))
        .where(ContactMade.conversation_id == Handoff.conversation_id, ContactMade.at >= Handoff.opened_at)
        .scalar_subquery()
    )
    return (
        select(
            *row_of(
                Conversation.language,
                school=Handoff.school_id,
                student=one_of(Handoff.conversation_id),
                conversation=Handoff.conversation_id,
                at=Handoff.opened_at,
            ),
            _first(wrote, called).label("reached"),
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(span.within(Handoff.opened_at, Handoff.school_id))
        .subquery()
    )


def _first(one: SQLColumnExpression[Any], other: SQLColumnExpression[Any]) -> ColumnElement[datetime | None]:
    """The earlier of two moments of which either may be missing."""
    return case((or_(other.is_(None), and_(one.is_not(None), one <= other)), one), else_=other)


def _office(session: Session, span: Span, policy: Policy) -> OfficeHours:
    """When staff of these schools were at work, from the span's first day until the reader's."""
    first = span.first - timedelta(days=1)
    rows = session.execute(
        select(CalendarDay.school_id, CalendarDay.day).where(
            CalendarDay.school_id.in_(span.school_ids),
            CalendarDay.day.between(first, span.today + timedelta(days=1)),
            CalendarDay.teaches,
        )
    )
    return OfficeHours(policy, first, frozenset((school, day) for school, day in rows))
