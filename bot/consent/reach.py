"""Whom the morning may ask about a student, or why nobody."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from bot.language import Language
from bot.store.tables import Guardian, GuardianPhone, Guardianship, Mute, Outreach, Phone, PhoneState
from bot.vocabulary import NotContacted, Purpose


@dataclass(frozen=True)
class Reachable:
    """A guardian who may be texted about a student, with the number to use."""

    guardian_id: int
    guardian: str
    phone_id: int
    language: Language


def reachable(
    session: Session, students: Collection[int], *, among: Select[int] | None = None
) -> dict[int, list[Reachable] | NotContacted]:
    """For each student the guardians who may be asked, in the school's order, or why there is none.

    Only numbers the school calls mobile are texted (ED-6); the others are for calls. A database takes
    some ten thousand numbers in one query: where *students* are more, *among* is a query that finds
    all of them, and perhaps others.
    """
    rows = session.execute(
        select(
            Guardianship.student_id,
            Guardianship.guardian_id,
            Guardianship.may_receive_texts,
            Guardianship.court_order,
            Guardian.given_name,
            Guardian.family_name,
            Guardian.language,
            Phone.id,
            Phone.state,
            Phone.opted_out | Phone.held | Mute.guardian_id.is_not(None),
            Phone.suspended,
        )
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .outerjoin(
            GuardianPhone,
            (GuardianPhone.guardian_id == Guardian.id)
            & GuardianPhone.active
            & (GuardianPhone.kind == "mobile"),
        )
        .outerjoin(Phone, Phone.id == GuardianPhone.phone_id)
        .outerjoin(
            Mute,
            (Mute.guardian_id == Guardianship.guardian_id)
            & (Mute.student_id == Guardianship.student_id)
            & (Mute.purpose == Purpose.CHECK_IN),
        )
        .where(
            Guardianship.student_id.in_(students if among is None else among),
            Guardianship.active,
            Guardian.active,
        )
        .order_by(
            Guardianship.student_id,
            Guardianship.contact_order,
            Guardianship.guardian_id,
            GuardianPhone.position,
            Phone.id,
        )
    )
    found: dict[int, list[Reachable]] = defaultdict(list)
    obstacles: dict[int, set[NotContacted]] = defaultdict(set)
    for (
        student,
        guardian,
        may_text,
        court,
        given,
        family,
        language,
        phone,
        state,
        unwanted,
        suspended,
    ) in rows:
        if phone is None:
            obstacles[student].add(NotContacted.NO_NUMBER)
        elif court or not may_text:
            obstacles[student].add(NotContacted.NO_CONTACT_ALLOWED)
        elif unwanted:
            obstacles[student].add(NotContacted.OPTED_OUT)
        elif state is PhoneState.WRONG_NUMBER:
            obstacles[student].add(NotContacted.WRONG_NUMBER)
        elif state is not PhoneState.TEXTABLE or suspended:
            obstacles[student].add(NotContacted.NO_NUMBER)
        else:
            found[student].append(Reachable(guardian, f"{given} {family}", phone, language))
    return {student: found.get(student) or _main_obstacle(obstacles[student]) for student in students}


def _main_obstacle(obstacles: set[NotContacted]) -> NotContacted:
    """The one reason worth telling the office: what the family said comes before what is missing."""
    for reason in (
        NotContacted.OPTED_OUT,
        NotContacted.NO_CONTACT_ALLOWED,
        NotContacted.WRONG_NUMBER,
        NotContacted.NO_NUMBER,
    ):
        if reason in obstacles:
            return reason
    return NotContacted.NO_GUARDIAN


def asked_enough(session: Session, day: date, among: Select[int], most: int) -> set[int]:
    """Of these students, those whose family was asked on *most* earlier days of this week: a person takes over."""
    monday = day - timedelta(days=day.weekday())
    return set(
        session.scalars(
            select(Outreach.student_id)
            .where(
                Outreach.student_id.in_(among),
                Outreach.purpose == Purpose.CHECK_IN,
                Outreach.day >= monday,
                Outreach.day < day,
            )
            .group_by(Outreach.student_id)
            .having(func.count(Outreach.day.distinct()) >= most)
        )
    )
