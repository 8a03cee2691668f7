"""The people of the desk: their role, their schools, and who may be added, disabled or let in again."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from bot import access, audit
from bot.access import Act
from bot.staff.hashing import hashed
from bot.staff.refusals import StaffRefused
from bot.store.tables import (
    KnownBrowser,
    PasswordLink,
    School,
    SecondFactor,
    Staff,
    StaffSchool,
    StaffSession,
)
from bot.vocabulary import Role

# How far back "last seen" looks, so that the question does not grow with the years.
SEEN_WITHIN = timedelta(days=400)


@dataclass(frozen=True)
class StaffMember:
    """Someone signed in. `schools` are the ids of the schools whose families they may see.

    `two_factors`: they have shown a second factor, or came by a way that asks for it elsewhere.
    """

    id: int
    email: str
    name: str
    role: Role
    schools: frozenset[int]
    two_factors: bool = True

    def can(self, act: Act, school_id: int | None = None) -> bool:
        """Whether they may do this, about something of this school where one is given (access.py)."""
        return access.can(self.role, self.schools, act, school_id)

    @property
    def may_act(self) -> bool:
        """An auditor reads everything that is theirs to see and changes nothing."""
        return self.can(Act.HELP)


@dataclass(frozen=True)
class SchoolSeen:
    id: int
    name: str
    zone: str


@dataclass(frozen=True)
class Colleague:
    """A staff member as the office sees them. `schools` is empty for one who sees every school."""

    id: int
    email: str
    name: str
    role: Role
    active: bool
    schools: frozenset[int]
    seen_at: datetime | None
    has_password: bool
    has_factor: bool
    bound: bool


def add(
    session: Session,
    *,
    email: str,
    name: str,
    role: Role,
    schools: Collection[int],
    password: str | None = None,
    now: datetime,
    by: int | None = None,
) -> int:
    """Add someone who works the desk, and return their id. Raises StaffRefused.

    Without a password they set one themselves, by a link (links.py), or come by the district's own sign-in.
    """
    address = address_of(email)
    if "@" not in address.strip("@") or len(address) > 255:
        raise StaffRefused(f"{email!r} is not an e-mail address; write one like rivera@district.org")
    if not name.strip():
        raise StaffRefused(f"{address} has no name; families and colleagues read it, as in Ms. Rivera")
    if session.scalar(select(Staff.id).where(Staff.email == address)):
        raise StaffRefused(f"{address} is already a staff member; reset the password instead")
    _refuse_unknown(session, schools)
    member = Staff(
        email=address,
        name=" ".join(name.split())[:200],
        role=role,
        password_hash="" if password is None else hashed(password),
        active=True,
    )
    session.add(member)
    session.flush()
    _replace_schools(session, member.id, schools)
    audit.note(session, by, "add_staff", detail=address, after=_said(session, member), now=now)
    return member.id


def change_role(session: Session, email: str, role: Role, *, now: datetime, by: int | None = None) -> None:
    """Give somebody another role. They sign in again: a page left open may hold more than is theirs now.

    Raises StaffRefused.
    """
    member = named(session, email)
    if member.role is role:
        return
    if member.role is Role.DISTRICT_ADMINISTRATOR:
        _refuse_the_last(session, member)
    before, member.role = member.role, role
    _end_all(session, member.id, now)
    audit.note(
        session, by, "change_role", detail=member.email, before=before.value, after=role.value, now=now
    )


def disable(session: Session, email: str, *, now: datetime, by: int | None = None) -> None:
    """Close the desk to someone at once. What they did stays theirs. Raises StaffRefused."""
    member = named(session, email)
    if not member.active:
        return
    if member.role is Role.DISTRICT_ADMINISTRATOR:
        _refuse_the_last(session, member)
    member.active = False
    _end_all(session, member.id, now)
    # A link on paper, and a browser they had used, are no way back in for whoever holds them.
    session.execute(delete(PasswordLink).where(PasswordLink.staff_id == member.id))
    session.execute(delete(KnownBrowser).where(KnownBrowser.staff_id == member.id))
    audit.note(session, by, "disable_staff", detail=member.email, now=now)


def enable(session: Session, email: str, *, now: datetime, by: int | None = None) -> None:
    """Open the desk again to someone it was closed to. Raises StaffRefused."""
    member = named(session, email)
    if not member.active:
        member.active = True
        audit.note(session, by, "enable_staff", detail=member.email, now=now)


def assign(
    session: Session, email: str, schools: Collection[int], *, now: datetime, by: int | None = None
) -> None:
    """Replace the schools whose families a staff member may see, from the next page on. Raises StaffRefused."""
    member = named(session, email)
    _refuse_unknown(session, schools)
    before = _said(session, member)
    _replace_schools(session, member.id, schools)
    after = _said(session, member)
    if after != before:
        audit.note(session, by, "assign_schools", detail=member.email, before=before, after=after, now=now)


def named(session: Session, email: str) -> Staff:
    """The staff member with this address, active or not. Raises StaffRefused."""
    member = session.scalar(select(Staff).where(Staff.email == address_of(email)))
    if member is None:
        raise StaffRefused(f"no staff member has the address {address_of(email)}; add them first")
    return member


def id_of(session: Session, email: str) -> int:
    """The id of the staff member with this address. Raises StaffRefused."""
    return named(session, email).id


def address_of(email: str) -> str:
    """An address is the same however it is typed."""
    return email.replace("\x00", "").strip().casefold()


# --- what they may see --------------------------------------------------------------------------------


def may_see(member: StaffMember, school_id: int | None) -> bool:
    """A family of no school is a number nobody knows: anybody at the desk may find out whose it is."""
    return school_id is None or school_id in member.schools


def schools_seen(session: Session, member: StaffMember) -> Sequence[SchoolSeen]:
    """The member's schools by name, each with the zone in which its times are written."""
    rows = session.execute(
        select(School.id, School.name, School.zone).where(School.id.in_(member.schools)).order_by(School.name)
    )
    return [SchoolSeen(*row) for row in rows]


def first_specialist(session: Session) -> StaffMember | None:
    """The specialist a visitor of the demo may be; None when there is none."""
    member = session.scalar(
        select(Staff).where(Staff.active, Staff.role == Role.SPECIALIST).order_by(Staff.id).limit(1)
    )
    return seen_as(session, member) if member else None


def seen_as(session: Session, member: Staff, *, two_factors: bool = True) -> StaffMember:
    """A row as the pages know it. A district administrator sees every school, new ones too."""
    if member.role is Role.DISTRICT_ADMINISTRATOR:
        schools = session.scalars(select(School.id))
    else:
        schools = session.scalars(select(StaffSchool.school_id).where(StaffSchool.staff_id == member.id))
    return StaffMember(member.id, member.email, member.name, member.role, frozenset(schools), two_factors)


def colleagues(session: Session, *, since: datetime) -> Sequence[Colleague]:
    """Everybody who works the desk or did, by name; when each was last seen, if after *since*."""
    return _as_colleagues(session, session.scalars(select(Staff).order_by(Staff.name, Staff.id)).all(), since)


def colleague(session: Session, staff_id: int, *, since: datetime) -> Colleague | None:
    """One of them; None when there is nobody by that id."""
    member = session.get(Staff, staff_id)
    return _as_colleagues(session, [member], since)[0] if member else None


def _as_colleagues(session: Session, members: Sequence[Staff], since: datetime) -> list[Colleague]:
    ids = [member.id for member in members]
    schools = defaultdict(set)
    for staff_id, school_id in session.execute(
        select(StaffSchool.staff_id, StaffSchool.school_id).where(StaffSchool.staff_id.in_(ids))
    ):
        schools[staff_id].add(school_id)
    seen = {
        staff_id: at
        for staff_id, at in session.execute(
            select(StaffSession.staff_id, func.max(StaffSession.seen_at))
            .where(StaffSession.staff_id.in_(ids), StaffSession.seen_at > since)
            .group_by(StaffSession.staff_id)
        )
    }
    with_factor = set(
        session.scalars(select(SecondFactor.staff_id).where(SecondFactor.confirmed_at.is_not(None)))
    )
    return [
        Colleague(
            member.id,
            member.email,
            member.name,
            member.role,
            member.active,
            frozenset(schools[member.id]),
            seen.get(member.id),
            bool(member.password_hash),
            member.id in with_factor,
            member.oidc_subject is not None,
        )
        for member in members
    ]


def _refuse_the_last(session: Session, member: Staff) -> None:
    """Lock the administrators in one order: two who disable each other at once must not both succeed."""
    others = session.scalars(
        select(Staff.id)
        .where(Staff.role == Role.DISTRICT_ADMINISTRATOR, Staff.active)
        .order_by(Staff.id)
        .with_for_update()
    ).all()
    if not set(others) - {member.id}:
        raise StaffRefused(
            f"{member.name} is the last district administrator, and nobody could add or let in anybody then; "
            "make somebody else one first"
        )


def _refuse_unknown(session: Session, schools: Collection[int]) -> None:
    unknown = set(schools) - set(session.scalars(select(School.id).where(School.id.in_(schools))))
    if unknown:
        raise StaffRefused(
            f"there is no school {', '.join(map(str, sorted(unknown)))}; import the roster first"
        )


def _replace_schools(session: Session, staff_id: int, schools: Collection[int]) -> None:
    session.execute(delete(StaffSchool).where(StaffSchool.staff_id == staff_id))
    session.add_all(StaffSchool(staff_id=staff_id, school_id=school) for school in sorted(set(schools)))
    session.flush()


def _said(session: Session, member: Staff) -> str:
    """What somebody may see, as the audit log keeps it: the role and the names of the schools."""
    if member.role is Role.DISTRICT_ADMINISTRATOR:
        return f"{member.role.value}: every school"
    names = session.scalars(
        select(School.name)
        .join(StaffSchool, StaffSchool.school_id == School.id)
        .where(StaffSchool.staff_id == member.id)
        .order_by(School.name)
    )
    return f"{member.role.value}: {', '.join(names) or 'no school'}"


def _end_all(session: Session, staff_id: int, now: datetime) -> None:
    session.execute(
        update(StaffSession)
        .where(StaffSession.staff_id == staff_id, StaffSession.ended_at.is_(None))
        .values(ended_at=now)
    )
