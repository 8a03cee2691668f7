"""What people did for a family, as entries of its story: referrals, devices and notes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot.casework import notes
from bot.staff import StaffMember
from bot.store.tables import (
    Device,
    DeviceLoan,
    Guardianship,
    Note,
    NoteVersion,
    Partner,
    Referral,
    ReferralStep,
    Student,
)
from bot.timeline.entries import DeviceIssued, DeviceReturned, Entry, NoteWritten, ReferralMoved


def entries(
    session: Session,
    students: Collection[int],
    reader: StaffMember | None,
    names: Mapping[int, str],
    *,
    since: datetime | None = None,
    before: datetime | None = None,
) -> Iterator[Entry]:
    """Everything about these students that *reader* may see, from *since* on and before *before*; unordered."""
    if reader is None:
        return
    there = session.execute(_there(students)).one()
    if not any(there):
        return
    theirs = session.scalars(
        select(Student.id).where(Student.id.in_(students), Student.school_id.in_(reader.schools))
    ).all()
    if theirs and there.referrals:
        yield from _referrals(session, theirs, names, since, before)
    if theirs and there.devices:
        yield from _devices(session, theirs, names, since, before)
    if theirs and there.notes:
        yield from _notes(session, theirs, reader, names, since, before)


def _there(students: Collection[int]) -> Select[bool, bool, bool]:
    """Which of the three kinds there are at all: most families have none, and are not asked for each."""
    guardians = _guardians(students)
    return select(
        exists().where(Referral.student_id.in_(students)).label("referrals"),
        exists().where(DeviceLoan.student_id.in_(students)).label("devices"),
        or_(
            exists().where(Note.student_id.in_(students)), exists().where(Note.guardian_id.in_(guardians))
        ).label("notes"),
    )


def _guardians(students: Collection[int]) -> Select[int]:
    return select(Guardianship.guardian_id).where(Guardianship.student_id.in_(students), Guardianship.active)


def _referrals(
    session: Session,
    students: Sequence[int],
    names: Mapping[int, str],
    since: datetime | None,
    before: datetime | None,
) -> Iterator[ReferralMoved]:
    rows = session.execute(
        select(ReferralStep, Referral, Partner.name, Student)
        .join(Referral, Referral.id == ReferralStep.referral_id)
        .join(Partner, Partner.id == Referral.partner_id)
        .join(Student, Student.id == Referral.student_id)
        .where(Referral.student_id.in_(students), *_inside(ReferralStep.at, since, before))
    )
    for step, referral, partner, student in rows:
        yield ReferralMoved(
            at=step.at,
            by=names.get(step.staff_id or 0, ""),
            referral_id=referral.id,
            partner=partner,
            service=referral.service,
            state=step.state,
            note=step.note,
            student=student.first_name,
        )


def _devices(
    session: Session,
    students: Sequence[int],
    names: Mapping[int, str],
    since: datetime | None,
    before: datetime | None,
) -> Iterator[DeviceIssued | DeviceReturned]:
    rows = session.execute(
        select(DeviceLoan, Device, Student)
        .join(Device, Device.id == DeviceLoan.device_id)
        .join(Student, Student.id == DeviceLoan.student_id)
        .where(DeviceLoan.student_id.in_(students))
    )
    for loan, device, student in rows:
        if _holds(loan.issued_at, since, before):
            yield DeviceIssued(
                loan.issued_at,
                names.get(loan.issued_by, ""),
                device.kind,
                device.tag,
                student.first_name,
                loan.issue_note,
            )
        if loan.returned_at and loan.condition and _holds(loan.returned_at, since, before):
            yield DeviceReturned(
                loan.returned_at,
                names.get(loan.returned_to or 0, ""),
                device.kind,
                device.tag,
                student.first_name,
                loan.condition,
                loan.return_note,
            )


def _notes(
    session: Session,
    students: Sequence[int],
    reader: StaffMember,
    names: Mapping[int, str],
    since: datetime | None,
    before: datetime | None,
) -> Iterator[NoteWritten]:
    """A note stands where it was written first, with the words it has now; a restricted one without words."""
    newest = (
        select(NoteVersion.words)
        .where(NoteVersion.note_id == Note.id)
        .order_by(NoteVersion.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Note, newest, Student)
        .join(Student, Student.id == Note.student_id)
        .where(
            or_(Note.student_id.in_(students), Note.guardian_id.in_(_guardians(students))),
            notes.readable(reader),
            *_inside(Note.at, since, before),
        )
    )
    for note, words, student in rows:
        yield NoteWritten(
            at=note.at,
            by=names.get(note.author_id, ""),
            note_id=note.id,
            restricted=note.restricted,
            words="" if note.restricted else words,
            student="" if note.guardian_id or student.id not in students else student.first_name,
        )


def _inside(
    at: InstrumentedAttribute[datetime], since: datetime | None, before: datetime | None
) -> tuple[ColumnElement[bool], ...]:
    return tuple(
        condition
        for condition in (
            at >= since if since is not None else None,
            at < before if before is not None else None,
        )
        if condition is not None
    )


def _holds(at: datetime, since: datetime | None, before: datetime | None) -> bool:
    return (since is None or at >= since) and (before is None or at < before)
