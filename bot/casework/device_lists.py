"""Devices and hotspots as they are read: the list, and everybody who has had one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from bot.store.tables import Device, DeviceKind, DeviceLoan, DeviceState, Staff, Student

_SHOWN = 500


@dataclass(frozen=True)
class DeviceLine:
    """A device as the list shows it. The holder is named to those alone who may see that student."""

    id: int
    kind: DeviceKind
    tag: str
    note: str
    school_id: int | None
    state: DeviceState
    student_id: int | None
    student: str
    issued_at: datetime | None


@dataclass(frozen=True)
class Loan:
    """From issue to return; `student` is empty for a student of a school that the reader does not see."""

    id: int
    device_id: int
    kind: DeviceKind
    tag: str
    student_id: int
    student: str
    issued_by: str
    issued_at: datetime
    issue_note: str
    returned_to: str
    returned_at: datetime | None
    condition: DeviceState | None
    return_note: str


def listed(
    session: Session,
    schools: Collection[int],
    *,
    kind: DeviceKind | None = None,
    state: DeviceState | None = None,
    find: str = "",
    device_id: int | None = None,
) -> list[DeviceLine]:
    """The devices of these schools and of the whole district, by kind and tag."""
    wanted: list[ColumnElement[bool]] = [or_(Device.school_id.is_(None), Device.school_id.in_(schools))]
    if kind is not None:
        wanted.append(Device.kind == kind)
    if state is not None:
        wanted.append(Device.state == state)
    if device_id is not None:
        wanted.append(Device.id == device_id)
    if find.strip():
        wanted.append(
            or_(
                Device.tag.contains(find.strip().upper(), autoescape=True),
                func.lower(Device.note).contains(find.strip().lower(), autoescape=True),
            )
        )
    rows = session.execute(
        select(Device, DeviceLoan.issued_at, Student)
        .outerjoin(DeviceLoan, (DeviceLoan.device_id == Device.id) & DeviceLoan.returned_at.is_(None))
        .outerjoin(Student, (Student.id == DeviceLoan.student_id) & Student.school_id.in_(schools))
        .where(*wanted)
        .order_by(Device.kind, Device.tag)
        .limit(_SHOWN)
    )
    return [
        DeviceLine(
            id=device.id,
            kind=device.kind,
            tag=device.tag,
            note=device.note,
            school_id=device.school_id,
            state=device.state,
            student_id=student.id if student else None,
            student=f"{student.first_name} {student.family_name}" if student else "",
            issued_at=issued_at,
        )
        for device, issued_at, student in rows
    ]


def counted(session: Session, schools: Collection[int]) -> dict[DeviceState, int]:
    rows = session.execute(
        select(Device.state, func.count())
        .where(or_(Device.school_id.is_(None), Device.school_id.in_(schools)))
        .group_by(Device.state)
    )
    return {state: count for state, count in rows}


def history(session: Session, device_id: int, schools: Collection[int]) -> list[Loan]:
    """Everybody who held the device, newest first."""
    return _loans(session, DeviceLoan.device_id == device_id, schools)


def lent_to(session: Session, student_id: int, schools: Collection[int]) -> list[Loan]:
    """What the student holds and has held, newest first."""
    return _loans(session, DeviceLoan.student_id == student_id, schools)


def _loans(session: Session, which: ColumnElement[bool], schools: Collection[int]) -> list[Loan]:
    giver, taker = aliased(Staff), aliased(Staff)
    rows = session.execute(
        select(DeviceLoan, Device, Student, giver.name, taker.name)
        .join(Device, Device.id == DeviceLoan.device_id)
        .join(Student, Student.id == DeviceLoan.student_id)
        .join(giver, giver.id == DeviceLoan.issued_by)
        .outerjoin(taker, taker.id == DeviceLoan.returned_to)
        .where(which)
        .order_by(DeviceLoan.id.desc())
        .limit(_SHOWN)
    )
    return [
        Loan(
            id=loan.id,
            device_id=device.id,
            kind=device.kind,
            tag=device.tag,
            student_id=student.id,
            student=f"{student.first_name} {student.family_name}" if student.school_id in schools else "",
            issued_by=issued_by,
            issued_at=loan.issued_at,
            issue_note=loan.issue_note,
            returned_to=returned_to or "",
            returned_at=loan.returned_at,
            condition=loan.condition,
            return_note=loan.return_note,
        )
        for loan, device, student, issued_by, returned_to in rows
    ]
