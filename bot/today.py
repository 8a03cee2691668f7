"""One day at a glance: where each school stands, and the names behind each number."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from bot import attendance
from bot.store.tables import (
    Absence,
    AttendanceMark,
    Conversation,
    ConversationStudent,
    Handoff,
    HandoffState,
    School,
    Student,
    Tick,
)
from bot.vocabulary import NotContacted, Outcome


class Group(StrEnum):
    """What a number of the day counts. The same condition makes the number and its list."""

    ABSENT = "absent"
    ACCOUNTED_FOR = "accounted_for"
    OPEN = "open"
    NOT_REACHED = "not_reached"
    HELD = "held"

    @property
    def condition(self) -> ColumnElement[bool]:
        return _CONDITIONS[self]


_CONDITIONS: Mapping[Group, ColumnElement[bool]] = {
    Group.ABSENT: Absence.day.is_not(None),
    Group.ACCOUNTED_FOR: Absence.accounted_at.is_not(None),
    Group.OPEN: Absence.accounted_at.is_(None),
    Group.NOT_REACHED: and_(
        Absence.accounted_at.is_(None),
        Absence.outcome.in_([Outcome.ATTEMPTED, Outcome.UNREACHABLE, Outcome.NOT_CONTACTED]),
    ),
    Group.HELD: Absence.outcome == Outcome.HELD,
}


@dataclass(frozen=True)
class SchoolToday:
    """One school on one day. `waiting` counts families that wait for a person now, whatever the day.

    `without_outcome`: absent by the school's file, and not in the ledger yet. `has_file`: the file of the
    day has come, as far as its marks show.
    """

    id: int
    name: str
    absent: int
    accounted_for: int
    waiting: int
    not_reached: int
    held: int
    without_outcome: int
    teaches: bool
    has_file: bool

    @property
    def open(self) -> int:
        return self.absent - self.accounted_for


def by_school(session: Session, schools: Collection[int], day: date) -> list[SchoolToday]:
    """Where each of these schools stands, by name: a handful of queries over one day, however long the history."""
    counted = {
        row.school_id: row
        for row in session.execute(
            select(
                Absence.school_id,
                func.count().label("entered"),
                func.count().filter(Group.ACCOUNTED_FOR.condition).label("accounted"),
                func.count().filter(Group.NOT_REACHED.condition).label("not_reached"),
                func.count().filter(Group.HELD.condition).label("held"),
            )
            .where(Absence.day == day, Absence.school_id.in_(schools))
            .group_by(Absence.school_id)
        )
    }
    absent: dict[int, int] = {}
    for school, _, _ in attendance.ever_absent(session, day, schools).values():
        absent[school] = absent.get(school, 0) + 1
    waiting = _waiting(session, schools)
    filed = set(
        session.scalars(
            select(AttendanceMark.school_id)
            .where(AttendanceMark.day == day, AttendanceMark.school_id.in_(schools))
            .distinct()
        )
    )
    teaching = attendance.teaching(session, day)
    names = session.execute(
        select(School.id, School.name).where(School.id.in_(schools)).order_by(School.name)
    )
    found = []
    for id_, name in names:
        row = counted.get(id_)
        marked, entered = absent.get(id_, 0), row.entered if row else 0
        found.append(
            SchoolToday(
                id=id_,
                name=name,
                absent=max(marked, entered),
                accounted_for=row.accounted if row else 0,
                waiting=waiting.get(id_, 0),
                not_reached=row.not_reached if row else 0,
                held=row.held if row else 0,
                without_outcome=max(0, marked - entered),
                teaches=id_ in teaching,
                has_file=id_ in filed,
            )
        )
    return found


def together(schools: Sequence[SchoolToday]) -> SchoolToday:
    """The sum over these schools."""
    return SchoolToday(
        id=0,
        name="",
        absent=sum(each.absent for each in schools),
        accounted_for=sum(each.accounted_for for each in schools),
        waiting=sum(each.waiting for each in schools),
        not_reached=sum(each.not_reached for each in schools),
        held=sum(each.held for each in schools),
        without_outcome=sum(each.without_outcome for each in schools),
        teaches=any(each.teaches for each in schools),
        has_file=any(each.has_file for each in schools),
    )


_UNRESOLVED = Handoff.state.in_([HandoffState.OPEN, HandoffState.TAKEN])


def _waiting(session: Session, schools: Collection[int]) -> Mapping[int, int]:
    rows = session.execute(
        select(Handoff.school_id, func.count())
        .where(_UNRESOLVED, Handoff.waiting_since.is_not(None), Handoff.school_id.in_(schools))
        .group_by(Handoff.school_id)
    )
    return {school: number for school, number in rows if school is not None}


def late(session: Session, schools: Collection[int], now: datetime) -> tuple[int, datetime | None]:
    """How many families wait beyond the time by which they were to be answered, and since when the first does."""
    number, first = session.execute(
        select(func.count(), func.min(Handoff.due_at)).where(
            _UNRESOLVED,
            Handoff.waiting_since.is_not(None),
            Handoff.due_at < now,
            or_(Handoff.school_id.in_(schools), Handoff.school_id.is_(None)),
        )
    ).one()
    return number, first


def mark(session: Session, schools: Collection[int], day: date) -> str:
    """Changes whenever the ledger of the day does."""
    number, accounted, changed = session.execute(
        select(func.count(), func.count(Absence.accounted_at), func.max(Absence.changed_at)).where(
            Absence.day == day, Absence.school_id.in_(schools)
        )
    ).one()
    return f"{number}-{accounted}-{changed}"


# --- the names behind a number ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Name:
    """One student behind a number. `since`: when the outcome last changed. `conversation_id`: the day's talk."""

    student_id: int
    student: str
    school: str
    zone: str
    outcome: Outcome
    not_contacted: NotContacted | None
    since: datetime
    conversation_id: int | None


def names(
    session: Session,
    day: date,
    schools: Collection[int],
    what: Group | Outcome,
    *,
    most: int,
    after: int = 0,
) -> list[Name]:
    """The students behind a number, those first about whom nothing has been learned for longest."""
    condition = what.condition if isinstance(what, Group) else Absence.outcome == what
    rows = session.execute(
        select(
            Student.id,
            Student.preferred_name,
            Student.given_name,
            Student.family_name,
            School.name,
            School.zone,
            Absence.outcome,
            Absence.not_contacted,
            Absence.changed_at,
        )
        .join(Student, Student.id == Absence.student_id)
        .join(School, School.id == Absence.school_id)
        .where(Absence.day == day, Absence.school_id.in_(schools), condition)
        .order_by(Absence.accounted_at.is_not(None), Absence.changed_at, Student.family_name, Student.id)
        .limit(most)
        .offset(after)
    ).all()
    talks = _talks(session, day, [id_ for id_, *_ in rows])
    return [
        Name(id_, f"{preferred or given} {family}", school, zone, outcome, why, changed, talks.get(id_))
        for id_, preferred, given, family, school, zone, outcome, why, changed in rows
    ]


def _talks(session: Session, day: date, students: Collection[int]) -> Mapping[int, int]:
    """The newest talk of the day about each of these students."""
    rows = session.execute(
        select(ConversationStudent.student_id, func.max(Conversation.id))
        .join(Conversation, Conversation.id == ConversationStudent.conversation_id)
        .where(ConversationStudent.student_id.in_(students), Conversation.day == day)
        .group_by(ConversationStudent.student_id)
    )
    return {student: talk for student, talk in rows}


def jobs(session: Session) -> Sequence[tuple[str, datetime]]:
    """When each named job was last done, the one that is longest ago first."""
    return [(job, at) for job, at in session.execute(select(Tick.job, Tick.at).order_by(Tick.at, Tick.job))]
