"""Referrals as they are read: the list that somebody works through, and one with its history."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from bot.clock import school_day
from bot.store.tables import (
    BarrierFound,
    Partner,
    Referral,
    ReferralOutcome,
    ReferralState,
    ReferralStep,
    School,
    Staff,
    Student,
)
from bot.vocabulary import Barrier, Service

PAGE = 100


@dataclass(frozen=True)
class ReferralLine:
    """One referral in a list. `overdue`: its ten school days are over and nobody knows what became of it."""

    id: int
    student_id: int
    student: str
    first_name: str
    school: str
    zone: ZoneInfo
    partner_id: int
    partner: str
    service: Service
    state: ReferralState
    outcome: ReferralOutcome | None
    owner_id: int
    owner: str
    opened_at: datetime
    due_on: date
    overdue: bool
    came_back: int
    barrier_id: int | None
    barrier: Barrier | None
    barrier_open: bool
    agreed: str
    note: str


@dataclass(frozen=True)
class StepTaken:
    """`by` is empty for the program: the referral came back."""

    state: ReferralState
    by: str
    note: str
    at: datetime


def listed(
    session: Session,
    schools: Collection[int],
    *,
    now: datetime,
    school_id: int | None = None,
    partner_id: int | None = None,
    state: ReferralState | None = None,
    owner_id: int | None = None,
    after: int = 0,
) -> list[ReferralLine]:
    """Referrals of these schools, the longest overdue first; without *state* those that are not closed.

    A page at a time: *after* so many.
    """
    wanted: list[ColumnElement[bool]] = [Student.school_id.in_(schools)]
    wanted.append(Referral.state == state if state else Referral.state != ReferralState.CLOSED)
    if school_id is not None:
        wanted.append(Student.school_id == school_id)
    if partner_id is not None:
        wanted.append(Referral.partner_id == partner_id)
    if owner_id is not None:
        wanted.append(Referral.owner_id == owner_id)
    newest_first = state is ReferralState.CLOSED
    order = (
        (Referral.closed_at.desc(), Referral.id.desc())
        if newest_first
        else (Referral.outcome.is_not(None), Referral.due_on, Referral.id)
    )
    return _lines(session, now, wanted, order, after, PAGE + 1)


def about(session: Session, students: Collection[int], now: datetime) -> list[ReferralLine]:
    """The referrals of these students, newest first. The caller has asked whether they may be seen."""
    return _lines(session, now, [Referral.student_id.in_(students)], (Referral.id.desc(),), 0, PAGE)


def one(session: Session, referral_id: int, schools: Collection[int], now: datetime) -> ReferralLine | None:
    wanted = [Referral.id == referral_id, Student.school_id.in_(schools)]
    return next(iter(_lines(session, now, wanted, (Referral.id,), 0, 1)), None)


def history(session: Session, referral_id: int) -> list[StepTaken]:
    """What happened, oldest first."""
    rows = session.execute(
        select(ReferralStep, Staff.name)
        .outerjoin(Staff, Staff.id == ReferralStep.staff_id)
        .where(ReferralStep.referral_id == referral_id)
        .order_by(ReferralStep.id)
    )
    return [StepTaken(step.state, name or "", step.note, step.at) for step, name in rows]


def partners_in_use(session: Session, schools: Collection[int]) -> list[tuple[int, str]]:
    """The partners that a referral of these schools, not closed, names: what the list can be narrowed to."""
    rows = session.execute(
        select(Partner.id, Partner.name)
        .join(Referral, Referral.partner_id == Partner.id)
        .join(Student, Student.id == Referral.student_id)
        .where(Referral.state != ReferralState.CLOSED, Student.school_id.in_(schools))
        .distinct()
        .order_by(Partner.name)
    )
    return [(id_, name) for id_, name in rows]


def without_outcome(session: Session, schools: Collection[int], today: date) -> tuple[int, int]:
    """How many referrals wait for an outcome, and how many of them are overdue on *today*."""
    waiting, overdue = session.execute(
        select(func.count(), func.count().filter(Referral.due_on <= today))
        .select_from(Referral)
        .join(Student, Student.id == Referral.student_id)
        .where(Referral.outcome.is_(None), Student.school_id.in_(schools))
    ).one()
    return waiting, overdue


def _lines(
    session: Session,
    now: datetime,
    wanted: Collection[ColumnElement[bool]],
    order: Collection[Any],  # a column, or one turned round
    after: int,
    count: int,
) -> list[ReferralLine]:
    rows = session.execute(
        select(Referral, Student, School, Partner.name, Staff.name, BarrierFound)
        .join(Student, Student.id == Referral.student_id)
        .join(School, School.id == Student.school_id)
        .join(Partner, Partner.id == Referral.partner_id)
        .join(Staff, Staff.id == Referral.owner_id)
        .outerjoin(BarrierFound, BarrierFound.id == Referral.barrier_id)
        .where(*wanted)
        .order_by(*order)
        .offset(after)
        .limit(count)
    )
    lines = []
    for referral, student, school, partner, owner, barrier in rows:
        zone = ZoneInfo(school.zone)
        lines.append(
            ReferralLine(
                id=referral.id,
                student_id=student.id,
                student=f"{student.first_name} {student.family_name}",
                first_name=student.first_name,
                school=school.name,
                zone=zone,
                partner_id=referral.partner_id,
                partner=partner,
                service=referral.service,
                state=referral.state,
                outcome=referral.outcome,
                owner_id=referral.owner_id,
                owner=owner,
                opened_at=referral.opened_at,
                due_on=referral.due_on,
                overdue=referral.outcome is None and referral.due_on <= school_day(now, zone),
                came_back=referral.came_back,
                barrier_id=referral.barrier_id,
                barrier=barrier.code if barrier else None,
                barrier_open=barrier is not None and barrier.resolved_at is None,
                agreed=referral.agreed,
                note=referral.note,
            )
        )
    return lines
