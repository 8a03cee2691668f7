"""What was named, done and opened in a span: one row per thing, counted by kind and school, or listed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, SQLColumnExpression, Subquery, cast, func, literal, null, select
from sqlalchemy.orm import Session
from sqlalchemy.types import Date, String

from bot.reports.span import Span
from bot.store.tables import (
    BarrierFound,
    ContactMade,
    Conversation,
    ConversationStudent,
    HomeVisit,
    Instant,
    Referral,
    ReferralState,
    ReferralStep,
    School,
    Student,
    VisitState,
)

MOST_LISTED = 500


class Kind(StrEnum):
    """What is counted. Each kind has its own closed list of keys: barriers, outcomes, steps."""

    BARRIER = "barrier"  # a family named it; what a person has corrected as heard wrongly is left out
    CALL = "call"  # by outcome
    VISIT = "visit"  # that took place or was tried, by outcome
    REFERRAL = "referral"  # each step a referral took: offered, ..., received, ...


@dataclass(frozen=True)
class Counts:
    """How often, by key and school, and by key and the place of the week in the span."""

    by_school: dict[tuple[str, int], int]
    by_week: dict[tuple[str, int], int]


@dataclass(frozen=True)
class Happened:
    """One thing behind a number. Without a student it is a number nobody knows."""

    key: str
    student_id: int | None
    student: str
    school: str
    conversation_id: int | None
    at: datetime | None
    day: date | None
    zone: ZoneInfo


def count(session: Session, span: Span, kind: Kind) -> Counts:
    """Everything of this kind in the span, by one query."""
    rows = _ROWS[kind](span)
    week = span.week_of(rows.c.at, rows.c.school_id)
    by_school: dict[tuple[str, int], int] = {}
    by_week: dict[tuple[str, int], int] = {}
    query = select(rows.c.key, rows.c.school_id, week.label("week"), func.count())
    for key, school, place, number in session.execute(query.group_by(rows.c.key, rows.c.school_id, "week")):
        by_school[key, school] = by_school.get((key, school), 0) + number
        by_week[key, place] = by_week.get((key, place), 0) + number
    return Counts(by_school, by_week)


def behind(session: Session, span: Span, kind: Kind, key: str, *, week: date | None = None) -> list[Happened]:
    """What a number counts, newest first; not more than a person reads."""
    rows = _ROWS[kind](span)
    wanted = [rows.c.key == key]
    if week is not None:
        wanted.append(span.week_of(rows.c.at, rows.c.school_id) == span.weeks.index(week))
    return listed(session, rows, *wanted)


def listed(session: Session, rows: Subquery, *wanted: ColumnElement[bool]) -> list[Happened]:
    """The rows as they are read: with names, newest first."""
    query = (
        select(
            rows, Student.preferred_name, Student.given_name, Student.family_name, School.name, School.zone
        )
        .outerjoin(Student, Student.id == rows.c.student_id)
        .join(School, School.id == rows.c.school_id)
        .where(*wanted)
        .order_by(rows.c.day.desc(), rows.c.at.desc(), rows.c.student_id)
        .limit(MOST_LISTED)
    )
    return [
        Happened(
            key=row.key,
            student_id=row.student_id,
            student=f"{row.preferred_name or row.given_name} {row.family_name}" if row.student_id else "",
            school=row.name,
            conversation_id=row.conversation_id,
            at=row.at,
            day=row.day,
            zone=ZoneInfo(row.zone),
        )
        for row in session.execute(query)
    ]


def one_of(conversation: SQLColumnExpression[Any]) -> ColumnElement[int | None]:
    """One of the students a conversation is about: a call about two siblings is one call."""
    return (
        select(func.min(ConversationStudent.student_id))
        .where(ConversationStudent.conversation_id == conversation)
        .scalar_subquery()
    )


# --- the rows: key, school, student, conversation, moment, day ----------------------------------------------


def row_of(
    key: SQLColumnExpression[Any],
    *,
    school: SQLColumnExpression[Any],
    student: SQLColumnExpression[Any],
    conversation: SQLColumnExpression[Any] | None = None,
    at: SQLColumnExpression[Any] | None = None,
    day: SQLColumnExpression[Any] | None = None,
) -> Sequence[SQLColumnExpression[Any]]:
    """The columns that every kind of row has, so that all are counted and listed in one way."""
    return (
        cast(key, String).label("key"),
        school.label("school_id"),
        student.label("student_id"),
        (literal(None) if conversation is None else conversation).label("conversation_id"),
        (cast(null(), Instant) if at is None else at).label("at"),
        (cast(null(), Date) if day is None else day).label("day"),
    )


def _barriers(span: Span) -> Subquery:
    return (
        select(
            *row_of(
                BarrierFound.code,
                school=Student.school_id,
                student=BarrierFound.student_id,
                conversation=BarrierFound.conversation_id,
                at=BarrierFound.opened_at,
            )
        )
        .join(Student, Student.id == BarrierFound.student_id)
        .where(span.within(BarrierFound.opened_at, Student.school_id), BarrierFound.withdrawn_at.is_(None))
        .subquery()
    )


def _calls(span: Span) -> Subquery:
    school = func.coalesce(Conversation.school_id, Student.school_id)
    return (
        select(
            *row_of(
                ContactMade.outcome,
                school=school,
                student=func.coalesce(ContactMade.student_id, one_of(ContactMade.conversation_id)),
                conversation=ContactMade.conversation_id,
                at=ContactMade.at,
            )
        )
        .outerjoin(Conversation, Conversation.id == ContactMade.conversation_id)
        .outerjoin(Student, Student.id == ContactMade.student_id)
        .where(span.within(ContactMade.at, school))
        .subquery()
    )


def _visits(span: Span) -> Subquery:
    return (
        select(
            *row_of(
                HomeVisit.outcome,
                school=Student.school_id,
                student=HomeVisit.student_id,
                at=HomeVisit.visited_at,
            )
        )
        .join(Student, Student.id == HomeVisit.student_id)
        .where(HomeVisit.state == VisitState.DONE, span.within(HomeVisit.visited_at, Student.school_id))
        .subquery()
    )


def _referrals(span: Span) -> Subquery:
    return (
        select(
            *row_of(
                ReferralStep.state,
                school=Student.school_id,
                student=Referral.student_id,
                at=ReferralStep.at,
            )
        )
        .join(Referral, Referral.id == ReferralStep.referral_id)
        .join(Student, Student.id == Referral.student_id)
        # A step without a staff member is the program's: the referral came back to somebody.
        .where(
            span.within(ReferralStep.at, Student.school_id),
            ReferralStep.staff_id.is_not(None),
            ReferralStep.state != ReferralState.CLOSED,
        )
        .subquery()
    )


_ROWS: dict[Kind, Callable[[Span], Subquery]] = {
    Kind.BARRIER: _barriers,
    Kind.CALL: _calls,
    Kind.VISIT: _visits,
    Kind.REFERRAL: _referrals,
}
