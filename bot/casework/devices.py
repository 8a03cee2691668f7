"""Devices and hotspots: put on the list, issued, taken back, mended."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.casework import students
from bot.casework.written import CaseworkRefused, written
from bot.store.tables import Device, DeviceKind, DeviceLoan, DeviceState
from bot.vocabulary import Barrier

# What a device or a hotspot takes out of the way.
ANSWERS = frozenset({Barrier.DEVICE, Barrier.INTERNET})


def add(
    session: Session,
    staff_id: int,
    *,
    kind: DeviceKind,
    tag: str,
    school_id: int | None,
    note: str,
    now: datetime,
) -> int:
    """Put a device on the list. Raises CaseworkRefused when its tag is there already."""
    name = written(tag, "The tag", longest=60, needed=True).upper()
    if session.scalar(select(Device.id).where(Device.tag == name)) is not None:
        raise CaseworkRefused(f"{name} is on the list already; every tag stands on one device.")
    device = Device(
        kind=kind,
        tag=name,
        school_id=school_id,
        note=written(note, "The note", longest=500),
        state=DeviceState.IN_STOCK,
        changed_at=now,
    )
    session.add(device)
    session.flush()
    audit.note(session, staff_id, "device_added", now=now, school_id=school_id, detail=f"{kind.value} {name}")
    return device.id


def issue(
    session: Session,
    device_id: int,
    student_id: int,
    staff_id: int,
    *,
    note: str = "",
    barrier_id: int | None = None,
    now: datetime,
) -> bool:
    """Give a device to a student; False when this student has it already, as after a second click.

    With *barrier_id* the barrier it removes is resolved. Raises CaseworkRefused when it is not there to give.
    """
    device = _locked(session, device_id)
    said = written(note, "The note", longest=500)
    held = _held(session, device_id)
    if held is not None and held.student_id == student_id:
        return False
    if held is not None:
        raise CaseworkRefused(
            f"Somebody has issued {device.tag} to another student meanwhile; choose another one."
        )
    if device.state is not DeviceState.IN_STOCK:
        raise CaseworkRefused(
            f"{device.tag} is {device.state.value} and cannot be issued; choose another one."
        )
    barrier = students.barrier_of(session, student_id, barrier_id)
    session.add(
        DeviceLoan(
            device_id=device_id,
            student_id=student_id,
            barrier_id=barrier.id if barrier else None,
            issued_by=staff_id,
            issued_at=now,
            issue_note=said,
            returned_to=None,
            returned_at=None,
            condition=None,
        )
    )
    device.state, device.changed_at = DeviceState.ISSUED, now
    session.flush()
    if barrier is not None:
        students.barrier_removed(session, barrier.id, now)
    audit.note(
        session,
        staff_id,
        "device_issued",
        now=now,
        student_id=student_id,
        detail=f"{device.kind} {device.tag}",
    )
    return True


def take_back(
    session: Session,
    loan_id: int,
    staff_id: int,
    *,
    condition: DeviceState,
    note: str = "",
    now: datetime,
) -> bool:
    """The device came back fit, came back broken, or is lost; False when that is known already."""
    loan = session.get(DeviceLoan, loan_id)
    if loan is None:
        raise CaseworkRefused("This device was never issued so; open it in the list of devices.")
    if condition is DeviceState.ISSUED:
        raise CaseworkRefused("Choose in which condition it came back.")
    device = _locked(session, loan.device_id)
    session.refresh(loan)
    said = written(note, "The note", longest=500)
    if loan.returned_at is not None:
        if loan.condition is condition:
            return False
        raise CaseworkRefused(f"Somebody has taken {device.tag} back meanwhile, as {loan.condition}.")
    loan.returned_at, loan.returned_to = now, staff_id
    loan.condition, loan.return_note = condition, said
    device.state, device.changed_at = condition, now
    session.flush()
    audit.note(
        session,
        staff_id,
        "device_returned",
        now=now,
        student_id=loan.student_id,
        detail=f"{device.kind} {device.tag}",
        after=condition.value,
    )
    return True


def change(
    session: Session, device_id: int, staff_id: int, *, state: DeviceState, note: str, now: datetime
) -> bool:
    """Mended, found again, broken or lost on the shelf; False when nothing changed.

    Raises CaseworkRefused for a device that somebody holds: it must be taken back first.
    """
    device = _locked(session, device_id)
    said = written(note, "The note", longest=500)
    if (device.state is DeviceState.ISSUED) is not (state is DeviceState.ISSUED):
        raise CaseworkRefused(
            f"{device.tag} is with a student; take it back with its condition first."
            if device.state is DeviceState.ISSUED
            else "A device is issued from the student's page."
        )
    if device.state is state and device.note == said:
        return False
    before = f"{device.state.value}; {device.note}".rstrip("; ")
    device.state, device.note, device.changed_at = state, said, now
    session.flush()
    audit.note(
        session,
        staff_id,
        "device_changed",
        now=now,
        school_id=device.school_id,
        detail=f"{device.kind.value} {device.tag}",
        before=before,
        after=f"{state.value}; {said}".rstrip("; "),
    )
    return True


def _held(session: Session, device_id: int) -> DeviceLoan | None:
    return session.scalar(
        select(DeviceLoan).where(DeviceLoan.device_id == device_id, DeviceLoan.returned_at.is_(None))
    )


def _locked(session: Session, device_id: int) -> Device:
    found = session.get(Device, device_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise CaseworkRefused("This device is not on the list any more; choose another one.")
    return found
