"""A school with a student, her mother, its staff and a partner: what the tests of casework begin with."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot import staff
from bot.casework import partners
from bot.casework.partners import PartnerEntry
from bot.staff import StaffMember
from bot.store.tables import BarrierFound, Guardian, School, Staff, Student
from bot.vocabulary import Barrier, Role, Service
from tests.builders import NOW, a_guardian, a_school, a_staff_member, a_student


@dataclass
class Cast:
    """Maya of Burns School, and somebody of each role; `elsewhere` works at Parkville School."""

    school: School
    maya: Student
    mother: Guardian
    rivera: Staff
    okafor: Staff
    supervisor: Staff
    office: Staff
    auditor: Staff
    elsewhere: Staff
    pantry: int


def a_cast(session: Session) -> Cast:
    school, other = a_school(session), a_school(session, "Parkville School")
    maya = a_student(session, school)
    cast = Cast(
        school=school,
        maya=maya,
        mother=a_guardian(session, maya, name="Rosa"),
        rivera=a_staff_member(session, school),
        okafor=a_staff_member(session, school, name="Mr. Okafor"),
        supervisor=a_staff_member(session, school, name="Dr. Lead", role=Role.SUPERVISOR),
        office=a_staff_member(session, name="Office", role=Role.DISTRICT_ADMINISTRATOR),
        auditor=a_staff_member(session, school, name="Auditor", role=Role.AUDITOR),
        elsewhere=a_staff_member(session, other, name="Mr. Elsewhere"),
        pantry=0,
    )
    cast.pantry = partners.keep(session, a_partner(), staff_id=cast.supervisor.id, now=NOW)
    return cast


def a_partner(name: str = "Burns Food Pantry", *services: Service) -> PartnerEntry:
    return PartnerEntry(
        name,
        services or (Service.FOOD, Service.CLOTHING),
        phone="860 555 0155",
        email="help@pantry.example",
        languages="English, Spanish",
        area="North End",
        hours="Tue and Thu, 3 to 6 PM",
    )


def a_barrier(session: Session, student: Student, code: Barrier = Barrier.FOOD_BASIC_NEEDS) -> int:
    found = BarrierFound(student_id=student.id, code=code, words="", opened_at=NOW)
    session.add(found)
    session.flush()
    return found.id


def as_member(session: Session, member: Staff) -> StaffMember:
    """The staff member as a signed-in one, with the schools they see."""
    found = staff.who(session, staff.open_session(session, member.id, now=NOW), NOW)
    assert found
    return found
