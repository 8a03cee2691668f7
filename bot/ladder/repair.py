"""The numbers and students that no text can reach, for the office to mend."""

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot import consent
from bot.store.tables import (
    ConsentEvent,
    ConsentKind,
    Guardian,
    GuardianPhone,
    Guardianship,
    OutboundText,
    Phone,
    PhoneState,
    School,
    Student,
)
from bot.vocabulary import NotContacted

_WRONG = {
    PhoneState.LANDLINE: "a landline: ask for a mobile number",
    PhoneState.DEAD: "not in service: ask for the new number",
    PhoneState.WRONG_NUMBER: "somebody else's number: find the right one",
}
_SUSPENDED = "given up by the carrier: ask whether it is still theirs"
# A spreadsheet would reckon with a cell that begins so, a number in its international form among them (OR-14).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, order=True)
class Repair:
    """One line of the list: what is wrong for which student, at which number, and since when if that is known."""

    school: str
    student_number: str
    student: str
    guardian: str
    phone: str
    what_is_wrong: str
    since: str


def repairs(session: Session, schools: Collection[int] | None = None) -> list[Repair]:
    """Every bad number of an enrolled student's guardian, and every student without a guardian to text."""
    if schools is None:
        schools = session.scalars(select(School.id).where(School.active)).all()
    return sorted({*_bad_numbers(session, schools), *_out_of_reach(session, schools)})


def _bad_numbers(session: Session, schools: Collection[int]) -> Iterable[Repair]:
    since = _since(session)
    rows = session.execute(
        select(Student, School.name, Guardian.given_name, Guardian.family_name, Phone)
        .join(School, School.id == Student.school_id)
        .join(Guardianship, Guardianship.student_id == Student.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .join(GuardianPhone, GuardianPhone.guardian_id == Guardian.id)
        .join(Phone, Phone.id == GuardianPhone.phone_id)
        .where(
            Student.active,
            Student.school_id.in_(schools),
            Guardianship.active,
            Guardian.active,
            GuardianPhone.active,
            # A landline that the file itself calls one is as it should be.
            or_(
                Phone.state.in_([PhoneState.DEAD, PhoneState.WRONG_NUMBER]),
                (Phone.state == PhoneState.LANDLINE) & (GuardianPhone.kind == "mobile"),
                Phone.suspended,
            ),
        )
    )
    for student, school, given, family, phone in rows:
        yield Repair(
            school,
            student.number,
            f"{student.first_name} {student.family_name}",
            f"{given} {family}",
            phone.number,
            _WRONG.get(phone.state, _SUSPENDED),
            since.get(phone.id, ""),
        )


def _since(session: Session) -> dict[int, str]:
    """Since when each number is known to be bad: when it was said, else when a text last failed there."""
    failed = session.execute(
        select(OutboundText.phone_id, func.max(OutboundText.claimed_at))
        .where(OutboundText.error_code != "")
        .group_by(OutboundText.phone_id)
    )
    looked_up = session.execute(
        select(Phone.id, Phone.looked_up_at).where(
            Phone.looked_up_at.is_not(None), Phone.state != PhoneState.TEXTABLE
        )
    )
    said = session.execute(
        select(ConsentEvent.phone_id, func.max(ConsentEvent.at))
        .where(ConsentEvent.kind.in_([ConsentKind.WRONG_NUMBER, ConsentKind.SUSPEND]))
        .group_by(ConsentEvent.phone_id)
    )
    known: dict[int, datetime] = {}
    for rows in (looked_up, failed, said):
        known |= {phone: at for phone, at in rows if at is not None}
    return {phone: at.date().isoformat() for phone, at in known.items()}


def _out_of_reach(session: Session, schools: Collection[int]) -> Iterable[Repair]:
    """Students about whom no guardian can be texted, whatever the reason; an opt-out is nothing to repair."""
    enrolled = select(Student.id).where(Student.active, Student.school_id.in_(schools))
    rows = session.execute(
        select(Student, School.name)
        .join(School, School.id == Student.school_id)
        .where(Student.id.in_(enrolled))
    ).all()
    found = consent.reachable(session, [student.id for student, _ in rows], among=enrolled)
    for student, school in rows:
        why = found[student.id]
        if isinstance(why, NotContacted) and why is not NotContacted.OPTED_OUT:
            name = f"{student.first_name} {student.family_name}"
            yield Repair(school, student.number, name, "", "", why.sentence, "")


def as_csv(lines: Sequence[Repair]) -> str:
    """The list for a spreadsheet, which takes no cell of it for a formula."""
    page = io.StringIO(newline="")
    writer = csv.writer(page)
    writer.writerow([field.name.replace("_", " ") for field in fields(Repair)])
    for line in lines:
        writer.writerow([_no_formula(str(cell)) for cell in astuple(line)])
    return page.getvalue()


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
