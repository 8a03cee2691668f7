"""Who works with a school's families: to name an owner, a partner for a visit, or the readers of a note."""

from dataclasses import dataclass

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from bot.store.tables import Staff, StaffSchool
from bot.vocabulary import Role


@dataclass(frozen=True)
class Colleague:
    id: int
    name: str
    role: Role


def at_school(session: Session, school_id: int, *, readers: bool = False) -> list[Colleague]:
    """The active staff members who see this school, by name; with *readers* the auditors as well."""
    rows = session.execute(
        select(Staff.id, Staff.name, Staff.role)
        .where(
            Staff.active,
            or_(Staff.role == Role.DISTRICT_ADMINISTRATOR, Staff.id.in_(_assigned(school_id))),
            *(() if readers else (Staff.role != Role.AUDITOR,)),
        )
        .order_by(Staff.name, Staff.id)
    )
    return [Colleague(id_, name, role) for id_, name, role in rows]


def supervisor(session: Session, school_id: int) -> int | None:
    """Who leads at this school: its first active supervisor; None when it has none."""
    return session.scalar(
        select(Staff.id)
        .where(Staff.active, Staff.role == Role.SUPERVISOR, Staff.id.in_(_assigned(school_id)))
        .order_by(Staff.id)
        .limit(1)
    )


def _assigned(school_id: int) -> Select[int]:
    return select(StaffSchool.staff_id).where(StaffSchool.school_id == school_id)
