"""Whose password it is, and how it is changed: every session that the old one opened ends."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.staff.hashing import belongs, hashed, is_stale
from bot.staff.members import address_of, named
from bot.staff.refusals import StaffRefused
from bot.staff.sessions import end_sessions
from bot.store.tables import Staff


def who_is(session: Session, email: str, password: str) -> int | None:
    """The id of the active staff member whose address and password these are; None unless they belong together.

    It only reads: on SQLite the work of the hash must not keep every writer waiting.
    """
    member = session.scalar(select(Staff).where(Staff.email == address_of(email)))
    known = belongs(member.password_hash if member else "", password)
    return member.id if member is not None and known and member.active else None


def password_is(session: Session, staff_id: int, password: str) -> bool:
    """Whether somebody who is signed in knows their password: asked again before what is hard to take back."""
    return belongs(session.get_one(Staff, staff_id).password_hash, password)


def refresh_hash(session: Session, staff_id: int, password: str) -> None:
    """Keep a password that was just right in today's form, if it was hashed with less work."""
    member = session.get_one(Staff, staff_id)
    if is_stale(member.password_hash):
        member.password_hash = hashed(password)


def set_password(
    session: Session, email: str, password: str, *, now: datetime, by: int | None = None
) -> None:
    """Give a staff member another password; whoever is signed in with the old one is not any more.

    Raises StaffRefused.
    """
    _set(session, named(session, email), password, now=now, by=by)


def change_password(
    session: Session, staff_id: int, old: str, new: str, *, now: datetime, but: str = ""
) -> None:
    """Change one's own password. Every session but the one whose token is *but* ends. Raises StaffRefused."""
    member = session.get_one(Staff, staff_id)
    if not belongs(member.password_hash, old):
        raise StaffRefused("That is not the password you have now. Nothing was changed.")
    _set(session, member, new, now=now, by=staff_id, but=but)


def _set(
    session: Session, member: Staff, password: str, *, now: datetime, by: int | None, but: str = ""
) -> None:
    member.password_hash = hashed(password)
    end_sessions(session, member.id, now=now, but=but)
    audit.note(session, by, "set_password", detail=member.email, now=now)
