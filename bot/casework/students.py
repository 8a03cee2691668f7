"""The student a piece of work is about, as somebody of these schools may see them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.clock import school_day
from bot.store.tables import BarrierFound, Guardian, Guardianship, School, Student
from bot.vocabulary import Barrier


@dataclass(frozen=True)
class StudentSeen:
    """`first_name` is the one name that leaves the desk."""

    id: int
    name: str
    first_name: str
    grade: str
    school_id: int
    school: str
    zone: ZoneInfo

    def today(self, now: datetime) -> date:
        return school_day(now, self.zone)


@dataclass(frozen=True)
class OpenBarrier:
    id: int
    code: Barrier
    opened_at: datetime


@dataclass(frozen=True)
class GuardianSeen:
    id: int
    name: str
    relation: str


def seen(session: Session, student_id: int, schools: Collection[int]) -> StudentSeen | None:
    """The student, when it is one of these schools; else None, as if there were none."""
    found = session.execute(
        select(Student, School)
        .join(School, School.id == Student.school_id)
        .where(Student.id == student_id, Student.school_id.in_(schools))
    ).one_or_none()
    if found is None:
        return None
    student, school = found
    return StudentSeen(
        student.id,
        f"{student.first_name} {student.family_name}",
        student.first_name,
        student.grade.lstrip("0"),
        school.id,
        school.name,
        ZoneInfo(school.zone),
    )


def open_barriers(session: Session, student_id: int) -> list[OpenBarrier]:
    """What keeps the student from school and is not resolved; the newest of each kind."""
    rows = session.execute(
        select(BarrierFound.id, BarrierFound.code, BarrierFound.opened_at)
        .where(BarrierFound.student_id == student_id, BarrierFound.resolved_at.is_(None))
        .order_by(BarrierFound.id)
    )
    return list({code: OpenBarrier(id_, code, at) for id_, code, at in rows}.values())


def guardians(session: Session, student_id: int) -> list[GuardianSeen]:
    rows = session.execute(
        select(Guardian, Guardianship.relation)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .where(Guardianship.student_id == student_id, Guardianship.active, Guardian.active)
        .order_by(Guardianship.contact_order, Guardian.id)
    )
    return [
        GuardianSeen(each.id, f"{each.given_name} {each.family_name}", relation) for each, relation in rows
    ]


def barrier_of(session: Session, student_id: int, barrier_id: int | None) -> BarrierFound | None:
    """The student's own barrier with this id; None for none and for somebody else's."""
    if barrier_id is None:
        return None
    found = session.get(BarrierFound, barrier_id)
    return found if found is not None and found.student_id == student_id else None


def barrier_removed(session: Session, barrier_id: int | None, now: datetime) -> bool:
    """The barrier is out of the way, and with it all open ones of its kind that this student has."""
    found = session.get(BarrierFound, barrier_id) if barrier_id is not None else None
    if found is None:
        return False
    same = session.scalars(
        select(BarrierFound).where(
            BarrierFound.student_id == found.student_id,
            BarrierFound.code == found.code,
            BarrierFound.resolved_at.is_(None),
        )
    ).all()
    for each in same:
        each.resolved_at = now
    session.flush()
    return bool(same)
