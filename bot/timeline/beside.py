"""Beside a family's story: its children and how they attend, and its guardians and how to reach each."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import measures
from bot.consent import Refusal
from bot.language import Language
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Excuse,
    Guardian,
    GuardianPhone,
    Guardianship,
    MarkStatus,
    Phone,
    PhoneState,
    School,
    Student,
    StudentMeasure,
)

# What a glance takes in: four weeks.
_STRIP = 20


class Attended(StrEnum):
    """How a school day went, as one cell of the strip."""

    PRESENT = "present"
    LATE = "late"
    EXCUSED = "excused"
    UNEXCUSED = "unexcused"
    UNKNOWN = "unknown"  # today, before the school has sent its file


@dataclass(frozen=True)
class ChildBeside:
    """A student with the last school days, oldest first. `enrolled` is 0 while nobody has counted yet."""

    id: int
    name: str
    grade: str
    school: str
    strip: tuple[tuple[date, Attended], ...]
    absent: int
    enrolled: int

    @property
    def percent(self) -> float:
        return self.absent * 100 / self.enrolled if self.enrolled else 0.0

    @property
    def chronic(self) -> bool:
        return measures.tier(self.absent, self.enrolled) in (measures.Tier.MODERATE, measures.Tier.SEVERE)


@dataclass(frozen=True)
class NumberBeside:
    """The last digits of a number; `why_not` is the reason it cannot be texted, None when it can.

    `to_call` is the whole number, for staff to dial; empty for one that reaches nobody of the family.
    """

    ending: str
    kind: str
    why_not: Refusal | None
    for_calls_only: bool
    to_call: str


@dataclass(frozen=True)
class GuardianBeside:
    """`barred`: a court order or a no-text flag stands between them and one of these children.

    `court_order`: it is the court's, and forbids a call as well.
    """

    id: int
    name: str
    relation: str
    order: int
    language: Language
    barred: bool
    court_order: bool
    numbers: tuple[NumberBeside, ...]

    @property
    def may_be_texted(self) -> bool:
        return not self.barred and any(
            number.why_not is None and not number.for_calls_only for number in self.numbers
        )


def children(session: Session, students: Collection[int], today: date) -> list[ChildBeside]:
    """These students, each with four weeks of school and what was missed this year."""
    if not students:
        return []
    rows = session.execute(
        select(Student, School, StudentMeasure)
        .join(School, School.id == Student.school_id)
        .outerjoin(StudentMeasure, StudentMeasure.student_id == Student.id)
        .where(Student.id.in_(students))
        .order_by(Student.given_name, Student.id)
    ).all()
    days = {school.id: _last_days(session, school.id, today) for school in {school for _, school, _ in rows}}
    marks = _marks(session, students, min((some[0] for some in days.values() if some), default=today))
    missed = _missed(session, [(student.id, measured) for student, _, measured in rows], today)
    return [
        ChildBeside(
            id=student.id,
            name=f"{student.first_name} {student.family_name}",
            grade=student.grade.lstrip("0"),
            school=school.name,
            strip=tuple(
                (day, _attended(marks.get((student.id, day)), today=day == today)) for day in days[school.id]
            ),
            absent=missed.get(student.id, (0, 0))[0],
            enrolled=missed.get(student.id, (0, 0))[1],
        )
        for student, school, _ in rows
    ]


def _last_days(session: Session, school_id: int, today: date) -> Sequence[date]:
    days = session.scalars(
        select(CalendarDay.day)
        .where(CalendarDay.school_id == school_id, CalendarDay.day <= today, CalendarDay.teaches)
        .order_by(CalendarDay.day.desc())
        .limit(_STRIP)
    ).all()
    return days[::-1]


def _marks(
    session: Session, students: Collection[int], since: date
) -> Mapping[tuple[int, date], AttendanceMark]:
    rows = session.scalars(
        select(AttendanceMark).where(
            AttendanceMark.student_id.in_(students),
            AttendanceMark.day >= since,
            AttendanceMark.superseded_at.is_(None),
        )
    )
    return {(mark.student_id, mark.day): mark for mark in rows}


def _missed(
    session: Session, students: Collection[tuple[int, StudentMeasure | None]], today: date
) -> Mapping[int, tuple[int, int]]:
    """Days absent and days enrolled of each: as kept, and counted for who is not kept yet."""
    kept = {
        student: (row.excused + row.unexcused + row.disciplinary, row.enrolled)
        for student, row in students
        if row is not None
    }
    others = [student for student, row in students if row is None]
    if others:
        for each in measures.standings(session, today, students=others):
            kept[each.student_id] = (each.absent, each.enrolled)
    return kept


def _attended(mark: AttendanceMark | None, *, today: bool) -> Attended:
    if mark is None:
        return Attended.UNKNOWN if today else Attended.PRESENT
    match mark.status:
        case MarkStatus.ABSENT if mark.excuse in (Excuse.UNEXCUSED, Excuse.UNKNOWN):
            return Attended.UNEXCUSED
        case MarkStatus.ABSENT:
            return Attended.EXCUSED
        case MarkStatus.PRESENT:
            return Attended.PRESENT
        case _:
            return Attended.LATE


def guardians(session: Session, students: Collection[int]) -> list[GuardianBeside]:
    """Who may be told about these students, in the school's order, with the state of each number."""
    if not students:
        return []
    found: dict[int, tuple[Guardian, list[Guardianship]]] = {}
    for guardian, guardianship in session.execute(
        select(Guardian, Guardianship)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .where(Guardianship.student_id.in_(students), Guardianship.active, Guardian.active)
        .order_by(Guardianship.contact_order, Guardian.id)
    ):
        found.setdefault(guardian.id, (guardian, []))[1].append(guardianship)
    numbers = _numbers(session, list(found))
    return [
        GuardianBeside(
            id=guardian.id,
            name=f"{guardian.given_name} {guardian.family_name}",
            relation=wards[0].relation,
            order=wards[0].contact_order,
            language=guardian.language,
            barred=any(ward.court_order or not ward.may_receive_texts for ward in wards),
            court_order=any(ward.court_order for ward in wards),
            numbers=numbers[guardian.id],
        )
        for guardian, wards in found.values()
    ]


def _numbers(session: Session, guardians: Collection[int]) -> Mapping[int, tuple[NumberBeside, ...]]:
    found: dict[int, tuple[NumberBeside, ...]] = defaultdict(tuple)
    for theirs, phone in session.execute(
        select(GuardianPhone, Phone)
        .join(Phone, Phone.id == GuardianPhone.phone_id)
        .where(GuardianPhone.guardian_id.in_(guardians), GuardianPhone.active)
        .order_by(GuardianPhone.position, Phone.id)
    ):
        reaches = phone.state not in (PhoneState.DEAD, PhoneState.WRONG_NUMBER)
        seen = NumberBeside(
            ending=phone.number[-4:],
            kind=theirs.kind,
            why_not=_why_not(phone),
            for_calls_only=theirs.kind != "mobile",
            to_call=phone.number if reaches else "",
        )
        found[theirs.guardian_id] += (seen,)
    return found


def _why_not(phone: Phone) -> Refusal | None:
    match phone.state:
        case PhoneState.DEAD:
            return Refusal.DEAD
        case PhoneState.LANDLINE:
            return Refusal.LANDLINE
        case PhoneState.WRONG_NUMBER:
            return Refusal.WRONG_NUMBER
        case PhoneState.TEXTABLE:
            pass
    if phone.opted_out:
        return Refusal.OPTED_OUT
    if phone.held:
        return Refusal.HELD
    return Refusal.SUSPENDED if phone.suspended else None
