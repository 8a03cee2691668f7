"""Households that the ladder wants visited and nobody has planned for, and students whom nobody can call."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot.store.tables import (
    Absence,
    ContactMade,
    Handoff,
    HandoffState,
    HomeVisit,
    LadderStep,
    School,
    Staff,
    Student,
    VisitState,
)
from bot.vocabulary import Outcome, Step

# What nobody has planned or called for so long is the business of the team review, not of today.
_LOOK_BACK = timedelta(days=21)

_ACCOUNTED = (Outcome.EXPLAINED, Outcome.EXPLAINED_NEEDS_HELP, Outcome.PRESENT_CORRECTED)


@dataclass(frozen=True)
class Waits:
    """A household that the ladder wants visited, or that nobody can call, and since which school day.

    `conversation_id` is where its line of the desk stands; None where no number is on file.
    """

    students: tuple[tuple[int, str], ...]
    school: str
    zone: str
    day: date
    due_at: datetime | None
    conversation_id: int | None
    taken_by: str


def waiting(session: Session, schools: Collection[int], now: datetime) -> list[Waits]:
    """The households that the ladder wants visited and for whom nothing is planned, the most urgent first."""
    lines = session.execute(
        _steps(Step.HOME_VISIT, schools)
        .join(Handoff, Handoff.id == LadderStep.handoff_id)
        .outerjoin(Staff, Staff.id == Handoff.taken_by)
        .add_columns(Handoff.conversation_id, Staff.name)
        .where(Handoff.state.in_([HandoffState.OPEN, HandoffState.TAKEN]))
    ).all()
    without = session.execute(
        _steps(Step.HOME_VISIT, schools).where(
            LadderStep.handoff_id.is_(None),
            LadderStep.day >= (now - _LOOK_BACK).date(),
            ~_visited_since(LadderStep.at),
        )
    ).all()
    busy = _with_a_visit_planned(
        session, {row[0].student_id for row in lines} | {row[0].student_id for row in without}
    )
    households: dict[object, list[tuple[LadderStep, Student, str, str, int | None, str]]] = defaultdict(list)
    for step, student, school, zone, talk, taken_by in lines:
        households[step.handoff_id].append((step, student, school, zone, talk, taken_by or ""))
    for step, student, school, zone in without:
        households[("student", student.id)].append((step, student, school, zone, None, ""))
    found = [_household(some) for some in households.values() if not any(row[1].id in busy for row in some)]
    return sorted(found, key=lambda one: (one.due_at or now, one.day, one.students))


def nobody_can_be_called(session: Session, schools: Collection[int], now: datetime) -> list[Waits]:
    """Absent students whose call is due and for whom no number is on file that a person may call.

    One disappears when somebody has reached the family in any way, visited it, or the absence is explained.
    """
    rows = session.execute(
        _steps(Step.CALL_TASK, schools).where(
            LadderStep.handoff_id.is_(None),
            LadderStep.day >= (now - _LOOK_BACK).date(),
            ~_visited_since(LadderStep.at),
            ~exists().where(ContactMade.student_id == LadderStep.student_id, ContactMade.at >= LadderStep.at),
            ~exists().where(
                Absence.student_id == LadderStep.student_id,
                Absence.day == LadderStep.day,
                Absence.outcome.in_(_ACCOUNTED),
            ),
        )
    ).all()
    busy = _with_a_visit_planned(session, {step.student_id for step, *_ in rows})
    newest: dict[int, tuple[LadderStep, Student, str, str, int | None, str]] = {}
    for step, student, school, zone in rows:
        if student.id not in busy:
            newest[student.id] = (step, student, school, zone, None, "")
    return sorted((_household([row]) for row in newest.values()), key=lambda one: (one.day, one.students))


def _steps(step: Step, schools: Collection[int]) -> Select[LadderStep, Student, str, str]:
    return (
        select(LadderStep, Student, School.name, School.zone)
        .join(Student, Student.id == LadderStep.student_id)
        .join(School, School.id == Student.school_id)
        .where(LadderStep.step == step, Student.active, Student.school_id.in_(schools))
        .order_by(LadderStep.day, Student.id)
    )


def _visited_since(moment: InstrumentedAttribute[datetime]) -> ColumnElement[bool]:
    return exists().where(HomeVisit.student_id == LadderStep.student_id, HomeVisit.logged_at >= moment)


def _with_a_visit_planned(session: Session, students: Collection[int]) -> set[int]:
    return set(
        session.scalars(
            select(HomeVisit.student_id).where(
                HomeVisit.student_id.in_(students), HomeVisit.state == VisitState.PLANNED
            )
        )
    )


def _household(rows: Sequence[tuple[LadderStep, Student, str, str, int | None, str]]) -> Waits:
    """The students of one line of the desk. A school's own zone says which day it is there."""
    newest = max(rows, key=lambda row: row[0].day)
    step, _, school, zone, talk, taken_by = newest
    names = {student.id: f"{student.first_name} {student.family_name}" for _, student, *_ in rows}
    return Waits(
        students=tuple(names.items()),
        school=school,
        zone=zone,
        day=step.day,
        due_at=step.due_at,
        conversation_id=talk,
        taken_by=taken_by,
    )
