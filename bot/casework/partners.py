"""The partner directory: who outside the school helps with what."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from bot import audit
from bot.casework.written import LONGEST_LINE, CaseworkRefused, written
from bot.store.tables import Partner, PartnerService
from bot.vocabulary import Barrier, Service

# Which service may remove which barrier: it orders the list when a referral is opened, and forbids nothing.
_ANSWERS = {
    Barrier.FOOD_BASIC_NEEDS: (Service.FOOD, Service.UTILITIES, Service.CLOTHING),
    Barrier.HOUSING: (Service.HOUSING, Service.UTILITIES),
    Barrier.TRANSPORTATION: (Service.TRANSPORTATION,),
    Barrier.ILLNESS: (Service.HEALTH,),
    Barrier.MEDICAL_APPOINTMENT: (Service.HEALTH, Service.TRANSPORTATION),
    Barrier.MENTAL_HEALTH: (Service.MENTAL_HEALTH,),
    Barrier.SCHOOL_AVERSION: (Service.MENTAL_HEALTH, Service.MENTORING),
    Barrier.BEREAVEMENT: (Service.GRIEF, Service.MENTAL_HEALTH),
    Barrier.CLOTHING_HYGIENE: (Service.CLOTHING,),
    Barrier.INTERNET: (Service.INTERNET,),
    Barrier.DEVICE: (Service.INTERNET,),
    Barrier.CAREGIVING: (Service.CHILDCARE,),
    Barrier.STUDENT_WORK: (Service.EMPLOYMENT, Service.MENTORING),
    Barrier.LANGUAGE_ACCESS: (Service.LANGUAGE,),
    Barrier.LEGAL_IMMIGRATION: (Service.LEGAL_AID,),
    Barrier.SAFETY_BULLYING: (Service.SAFETY, Service.MENTORING),
    Barrier.DISCIPLINE: (Service.MENTORING, Service.LEGAL_AID),
    Barrier.OVERSLEPT: (Service.MENTORING,),
}


@dataclass(frozen=True)
class PartnerEntry:
    """One partner as the directory shows it. Empty text: not known."""

    name: str
    services: tuple[Service, ...]
    phone: str = ""
    email: str = ""
    languages: str = ""
    area: str = ""
    hours: str = ""
    note: str = ""
    active: bool = True
    id: int = 0


def services_for(barriers: Iterable[Barrier]) -> tuple[Service, ...]:
    """The services that may remove these barriers, the nearest first, each once."""
    return tuple(dict.fromkeys(service for code in barriers for service in _ANSWERS.get(code, ())))


def directory(
    session: Session, *, service: Service | None = None, find: str = "", retired: bool = False
) -> list[PartnerEntry]:
    """The partners by name. *find* looks in name, area, languages and note; *retired* shows the others."""
    query = select(Partner).where(Partner.active.is_(not retired)).order_by(func.lower(Partner.name))
    if service is not None:
        helps = select(PartnerService.partner_id).where(PartnerService.service == service)
        query = query.where(Partner.id.in_(helps))
    if find.strip():
        query = query.where(
            or_(
                *(
                    func.lower(column).contains(find.strip().lower(), autoescape=True)
                    for column in (Partner.name, Partner.area, Partner.languages, Partner.note)
                )
            )
        )
    found = session.scalars(query).all()
    services = _services(session, [each.id for each in found])
    return [_entry(each, services.get(each.id, ())) for each in found]


def partner(session: Session, partner_id: int) -> PartnerEntry | None:
    found = session.get(Partner, partner_id)
    return _entry(found, _services(session, [partner_id]).get(partner_id, ())) if found else None


def keep(session: Session, entry: PartnerEntry, *, staff_id: int, now: datetime) -> int:
    """Add a partner, or change the one that `entry.id` names; its id. Raises CaseworkRefused."""
    name = written(entry.name, "The name", longest=LONGEST_LINE, needed=True)
    if not entry.services:
        raise CaseworkRefused(f"{name} helps with nothing yet; choose at least one service.")
    same = session.scalar(
        select(Partner.id).where(func.lower(Partner.name) == name.lower(), Partner.id != entry.id)
    )
    if same is not None:
        raise CaseworkRefused(f"{name} is in the directory already; open it there and change it.")
    values = {
        "phone": written(entry.phone, "The phone number", longest=60),
        "email": written(entry.email, "The e-mail address", longest=LONGEST_LINE),
        "languages": written(entry.languages, "The languages", longest=LONGEST_LINE),
        "area": written(entry.area, "The area", longest=LONGEST_LINE),
        "hours": written(entry.hours, "The hours", longest=LONGEST_LINE),
        # A partner may well help with visas: the directory speaks of no family.
        "note": written(entry.note, "The note", longest=2000, status_asked=True),
    }
    if values["email"] and "@" not in values["email"].strip("@"):
        raise CaseworkRefused(f"{values['email']} is no e-mail address; write one like help@pantry.org.")
    found = session.get(Partner, entry.id) if entry.id else None
    if entry.id and found is None:
        raise CaseworkRefused("This partner is not in the directory; add it as a new one.")
    before = _summary(partner(session, entry.id)) if found else ""
    if found is None:
        found = Partner(name=name, **values, active=entry.active, changed_at=now)
        session.add(found)
        session.flush()
    else:
        found.name, found.active, found.changed_at = name, entry.active, now
        for column, value in values.items():
            setattr(found, column, value)
    session.execute(delete(PartnerService).where(PartnerService.partner_id == found.id))
    session.add_all(
        PartnerService(partner_id=found.id, service=service) for service in sorted(set(entry.services))
    )
    session.flush()
    after = _summary(partner(session, found.id))
    if after != before:
        audit.note(
            session, staff_id, "partner_changed" if before else "partner_added", now=now,
            detail=name, before=before, after=after,
        )  # fmt: skip
    return found.id


def _services(session: Session, partners: Collection[int]) -> dict[int, tuple[Service, ...]]:
    found: dict[int, tuple[Service, ...]] = {}
    for partner_id, service in session.execute(
        select(PartnerService.partner_id, PartnerService.service)
        .where(PartnerService.partner_id.in_(partners))
        .order_by(PartnerService.service)
    ):
        found[partner_id] = (*found.get(partner_id, ()), service)
    return found


def _entry(found: Partner, services: tuple[Service, ...]) -> PartnerEntry:
    return PartnerEntry(
        name=found.name,
        services=services,
        phone=found.phone,
        email=found.email,
        languages=found.languages,
        area=found.area,
        hours=found.hours,
        note=found.note,
        active=found.active,
        id=found.id,
    )


def _summary(entry: PartnerEntry | None) -> str:
    if entry is None:
        return ""
    services = ", ".join(entry.services)
    parts = (
        entry.name,
        services,
        entry.phone,
        entry.email,
        entry.languages,
        entry.area,
        entry.hours,
        entry.note,
    )
    return "; ".join(part for part in (*parts, "" if entry.active else "not active") if part)
