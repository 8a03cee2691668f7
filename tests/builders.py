"""The people of the tests, with defaults: a school, a mother, her child, a specialist."""

import itertools
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.orm import Session

from bot.language import Language
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Excuse,
    Guardian,
    GuardianPhone,
    Guardianship,
    Import,
    MarkStatus,
    Phone,
    PhoneState,
    School,
    Staff,
    StaffSchool,
    Student,
)
from bot.vocabulary import Role

FRIDAY = date(2021, 10, 22)
NOW = datetime(2021, 10, 22, 13, 30, tzinfo=UTC)  # 9:30 in Hartford
_numbers = itertools.count(1)


def a_number() -> str:
    """A fictional number nobody can have: 555-01xx in some area code."""
    n = next(_numbers)
    return f"+1{(203, 475, 860, 959)[n // 100 % 4]}55501{n % 100:02d}"


def a_school(
    session: Session, name: str = "Burns School", first: date = date(2021, 8, 23), weeks: int = 20
) -> School:
    school = School(
        sourced_id=f"S{next(_numbers)}",
        name=name,
        district="Grand Bend ISD",
        zone="America/New_York",
        morning_at=time(9, 30),
    )
    session.add(school)
    session.flush()
    days = (first + timedelta(days=n) for n in range(weeks * 7))
    session.add_all(
        CalendarDay(school_id=school.id, day=day, instructional=True) for day in days if day.weekday() < 5
    )
    session.flush()
    return school


def a_student(
    session: Session, school: School, first_name: str = "Maya", family_name: str = "Rivera"
) -> Student:
    n = next(_numbers)
    student = Student(
        sourced_id=f"ST{n}",
        number=str(600000 + n),
        given_name=first_name,
        family_name=family_name,
        grade="05",
        school_id=school.id,
    )
    session.add(student)
    session.flush()
    return student


def a_guardian(
    session: Session,
    *students: Student,
    speaks: Language | str = Language.ENGLISH,
    number: str | None = None,
    order: int = 1,
    may_receive_texts: bool = True,
    court_order: bool = False,
    opted_out: bool = False,
    name: str = "Ana",
    has_phone: bool = True,
) -> Guardian:
    guardian = Guardian(
        sourced_id=f"G{next(_numbers)}", given_name=name, family_name="Rivera", language=Language(speaks)
    )
    session.add(guardian)
    session.flush()
    session.add_all(
        Guardianship(
            student_id=student.id,
            guardian_id=guardian.id,
            relation="Mother",
            contact_order=order,
            lives_with=True,
            may_receive_texts=may_receive_texts,
            court_order=court_order,
        )
        for student in students
    )
    if has_phone:
        phone = a_phone(session, number or a_number(), opted_out=opted_out)
        session.add(
            GuardianPhone(
                guardian_id=guardian.id, phone_id=phone.id, kind="mobile", position=1, given_by="roster"
            )
        )
    session.flush()
    return guardian


def a_phone(session: Session, number: str, *, opted_out: bool = False) -> Phone:
    phone = session.query(Phone).filter_by(number=number).one_or_none()
    if phone is None:
        phone = Phone(number=number, state=PhoneState.TEXTABLE, opted_out=opted_out)
        session.add(phone)
        session.flush()
    return phone


def number_of(session: Session, guardian: Guardian) -> str:
    return (
        session.query(Phone)
        .join(GuardianPhone, GuardianPhone.phone_id == Phone.id)
        .filter(GuardianPhone.guardian_id == guardian.id)
        .one()
        .number
    )


def a_file(session: Session, now: datetime = NOW) -> Import:
    file = Import(kind="attendance", file_name="today.csv", sha256="0" * 64, applied_at=now, summary={})
    session.add(file)
    session.flush()
    return file


def absent(
    session: Session,
    *students: Student,
    day: date = FRIDAY,
    excuse: Excuse = Excuse.UNEXCUSED,
    now: datetime = NOW,
) -> None:
    file = a_file(session, now)
    session.add_all(
        AttendanceMark(
            student_id=student.id,
            school_id=student.school_id,
            day=day,
            status=MarkStatus.ABSENT,
            excuse=excuse,
            code="AU",
            import_id=file.id,
            marked_at=now,
        )
        for student in students
    )
    session.flush()


def a_staff_member(
    session: Session, *schools: School, name: str = "Ms. Rivera", role: Role = Role.SPECIALIST
) -> Staff:
    member = Staff(email=f"staff{next(_numbers)}@example.org", name=name, role=role, password_hash="none")
    session.add(member)
    session.flush()
    session.add_all(StaffSchool(staff_id=member.id, school_id=school.id) for school in schools)
    session.flush()
    return member
