"""Links that set a password once: the office hands one over and never knows the password."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.staff.hashing import hashed
from bot.staff.members import named
from bot.staff.refusals import StaffRefused
from bot.staff.sessions import end_sessions
from bot.staff.tokens import hash_of, new_token
from bot.store.tables import KnownBrowser, PasswordLink, Staff

LINK_LASTS = timedelta(days=3)


def make_link(session: Session, email: str, *, now: datetime, by: int | None = None) -> str:
    """Make the token of a new link; an earlier one opens nothing any more. Raises StaffRefused.

    Whoever is signed in stays so until the link is used: a link made by mistake throws nobody out.
    """
    member = named(session, email)
    if not member.active:
        raise StaffRefused(f"{member.name} is disabled; enable the account first")
    session.execute(delete(PasswordLink).where(PasswordLink.staff_id == member.id))
    token = new_token()
    session.add(
        PasswordLink(
            token_hash=hash_of(token),
            staff_id=member.id,
            made_at=now,
            expires_at=now + LINK_LASTS,
            used_at=None,
        )
    )
    audit.note(session, by, "make_password_link", detail=member.email, now=now)
    return token


def link_opens(session: Session, token: str, *, now: datetime) -> str | None:
    """The address of the staff member whose password this link sets; None when it opens nothing."""
    return session.scalar(
        select(Staff.email)
        .join(PasswordLink, PasswordLink.staff_id == Staff.id)
        .where(
            PasswordLink.token_hash == hash_of(token),
            PasswordLink.used_at.is_(None),
            PasswordLink.expires_at > now,
            Staff.active,
        )
    )


def use_link(session: Session, token: str, password: str, *, now: datetime) -> None:
    """Set the password, once, and end every session; browsers known so far are strangers again.

    Raises StaffRefused.
    """
    password_hash = hashed(password)
    if link_opens(session, token, now=now) is None:
        raise StaffRefused("This link was used already, or is too old. Ask for a new one.")
    used = session.scalar(
        update(PasswordLink)
        .where(PasswordLink.token_hash == hash_of(token), PasswordLink.used_at.is_(None))
        .values(used_at=now)
        .returning(PasswordLink.staff_id)
    )
    if used is None:
        raise StaffRefused("This link was used already, or is too old. Ask for a new one.")
    member = session.get_one(Staff, used)
    member.password_hash = password_hash
    end_sessions(session, member.id, now=now)
    session.execute(delete(KnownBrowser).where(KnownBrowser.staff_id == member.id))
    audit.note(session, member.id, "set_password", detail=f"{member.email}, by the link", now=now)
