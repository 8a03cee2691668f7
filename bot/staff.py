"""Staff members: who they are, how they sign in, and which schools they may see."""

import hashlib
import secrets
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot import access
from bot.access import Act
from bot.errors import PresenteError
from bot.store.tables import School, Staff, StaffSchool, StaffSession
from bot.vocabulary import Role

IDLE = timedelta(hours=8)
ABSOLUTE = timedelta(hours=24)
SHORTEST_PASSWORD = 12
# Longer than anyone types; a megabyte of "password" must not keep the hasher busy.
_LONGEST_PASSWORD = 200
# A page asks every few seconds; writing "seen just now" each time would be nothing but writes.
_SEEN_EVERY = timedelta(minutes=1)

_hasher = PasswordHasher()
# The hash of a password nobody has: an unknown address costs the same work as a known one, so that
# the time of an answer does not tell who works here.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$z6EgPWjE6HfzSGDjozTAbQ$dPuvZ50xugi7hUY9gWQCWuu792+EtQ/jU1JJVHbm7UM"


class StaffRefused(PresenteError):
    """A staff member cannot be added or changed like this; the message says why and what would do."""


@dataclass(frozen=True)
class StaffMember:
    """Someone signed in. `schools` are the ids of the schools whose families they may see."""

    id: int
    email: str
    name: str
    role: Role
    schools: frozenset[int]

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


def add(
    session: Session,
    *,
    email: str,
    name: str,
    role: Role,
    schools: Collection[int],
    password: str,
) -> int:
    """Add someone who works the desk, and return their id. Raises StaffRefused."""
    address = _address(email)
    if "@" not in address.strip("@"):
        raise StaffRefused(f"{email!r} is not an e-mail address; write one like rivera@district.org")
    if not name.strip():
        raise StaffRefused(f"{address} has no name; families and colleagues read it, as in Ms. Rivera")
    if session.scalar(select(Staff.id).where(Staff.email == address)):
        raise StaffRefused(f"{address} is already a staff member; reset the password instead")
    unknown = set(schools) - set(session.scalars(select(School.id).where(School.id.in_(schools))))
    if unknown:
        raise StaffRefused(
            f"there is no school {', '.join(map(str, sorted(unknown)))}; import the roster first"
        )
    member = Staff(email=address, name=name.strip(), role=role, password_hash=_hashed(password), active=True)
    session.add(member)
    session.flush()
    session.add_all(StaffSchool(staff_id=member.id, school_id=school) for school in sorted(set(schools)))
    session.flush()
    return member.id


def set_password(session: Session, email: str, password: str, *, now: datetime) -> None:
    """Give a staff member another password; whoever is signed in with the old one is not any more.

    Raises StaffRefused.
    """
    member = _named(session, email)
    member.password_hash = _hashed(password)
    _end_sessions(session, member.id, now)


def disable(session: Session, email: str, *, now: datetime) -> None:
    """Close the desk to someone at once. What they did stays theirs. Raises StaffRefused."""
    member = _named(session, email)
    member.active = False
    _end_sessions(session, member.id, now)


def enable(session: Session, email: str) -> None:
    """Open the desk again to someone it was closed to. Raises StaffRefused."""
    _named(session, email).active = True


def assign(session: Session, email: str, schools: Collection[int]) -> None:
    """Replace the schools whose families a staff member may see. Raises StaffRefused."""
    member = _named(session, email)
    session.execute(delete(StaffSchool).where(StaffSchool.staff_id == member.id))
    session.add_all(StaffSchool(staff_id=member.id, school_id=school) for school in sorted(set(schools)))
    session.flush()


# --- signing in ---------------------------------------------------------------------------------------


def sign_in(session: Session, email: str, password: str, *, now: datetime) -> str | None:
    """Open a session and return its token, which is not kept here; None unless the two belong together."""
    member = session.scalar(select(Staff).where(Staff.email == _address(email)))
    known = _belongs(member.password_hash if member else _NOBODY, password)
    if member is None or not known or not member.active:
        return None
    if _hasher.check_needs_rehash(member.password_hash):
        member.password_hash = _hasher.hash(_normal(password))
    return open_session(session, member.id, now=now)


def open_session(session: Session, staff_id: int, *, now: datetime) -> str:
    """A new session for someone whose identity is settled already, and its token."""
    token = secrets.token_urlsafe(32)
    session.add(
        StaffSession(
            token_hash=_token_hash(token), staff_id=staff_id, opened_at=now, seen_at=now, ended_at=None
        )
    )
    session.flush()
    return token


def who(session: Session, token: str, now: datetime, *, at_work: bool = True) -> StaffMember | None:
    """The staff member whose session *token* is; None when it ended, was idle for 8 hours or is 24 hours old.

    A page that only refreshes itself passes `at_work=False`: an unattended screen must not stay open.
    """
    found = session.execute(
        select(StaffSession, Staff)
        .join(Staff, Staff.id == StaffSession.staff_id)
        .where(StaffSession.token_hash == _token_hash(token))
    ).one_or_none()
    if found is None:
        return None
    opened, member = found
    if (
        opened.ended_at
        or not member.active
        or now >= opened.seen_at + IDLE
        or now >= opened.opened_at + ABSOLUTE
    ):
        return None
    if at_work and now >= opened.seen_at + _SEEN_EVERY:
        opened.seen_at = now
    return _seen_as(session, member)


def sign_out(session: Session, token: str, *, now: datetime) -> None:
    session.execute(
        update(StaffSession)
        .where(StaffSession.token_hash == _token_hash(token), StaffSession.ended_at.is_(None))
        .values(ended_at=now)
    )


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
    return _seen_as(session, member) if member else None


def _seen_as(session: Session, member: Staff) -> StaffMember:
    if member.role is Role.DISTRICT_ADMINISTRATOR:
        schools = session.scalars(select(School.id))
    else:
        schools = session.scalars(select(StaffSchool.school_id).where(StaffSchool.staff_id == member.id))
    return StaffMember(member.id, member.email, member.name, member.role, frozenset(schools))


# --- addresses, passwords, tokens -----------------------------------------------------------------------


def _address(email: str) -> str:
    return email.replace("\x00", "").strip().casefold()


def _named(session: Session, email: str) -> Staff:
    member = session.scalar(select(Staff).where(Staff.email == _address(email)))
    if member is None:
        raise StaffRefused(f"no staff member has the address {_address(email)}; add them first")
    return member


def _normal(password: str) -> str:
    """The same accents typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(_normal(password)) <= _LONGEST_PASSWORD:
        length = f"{SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters"
        raise StaffRefused(f"a password has {length}; a few unrelated words do well")
    return _hasher.hash(_normal(password))


def _belongs(password_hash: str, password: str) -> bool:
    if len(password) > _LONGEST_PASSWORD:
        password = ""
    try:
        return _hasher.verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _end_sessions(session: Session, staff_id: int, now: datetime) -> None:
    session.execute(
        update(StaffSession)
        .where(StaffSession.staff_id == staff_id, StaffSession.ended_at.is_(None))
        .values(ended_at=now)
    )
