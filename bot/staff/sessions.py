"""Sessions: a signed-in browser, for how long, and how it ends. The database alone decides, at each request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.staff.members import StaffMember, seen_as
from bot.staff.tokens import hash_of, new_token
from bot.store.tables import SecondFactor, Staff, StaffSession, WayIn

IDLE = timedelta(hours=8)
ABSOLUTE = timedelta(hours=24)
# A page asks every few seconds; writing "seen just now" each time would be nothing but writes.
_SEEN_EVERY = timedelta(minutes=1)
# Enough of a hash to name one of somebody's few sessions in a form, and nothing that opens it.
_HANDLE = 16


@dataclass(frozen=True)
class OpenSession:
    """A signed-in browser as its owner sees it. `handle` names it in a form; `here` is the one that asks."""

    handle: str
    browser: str
    way: WayIn
    opened_at: datetime
    seen_at: datetime
    here: bool


def open_session(
    session: Session, staff_id: int, *, now: datetime, way: WayIn = WayIn.PASSWORD, browser: str = ""
) -> str:
    """A new session for someone whose identity is settled already, and its token, which is not kept here."""
    token = new_token()
    session.add(
        StaffSession(
            token_hash=hash_of(token),
            staff_id=staff_id,
            opened_at=now,
            seen_at=now,
            ended_at=None,
            way=way,
            browser=browser,
        )
    )
    session.flush()
    return token


def who(session: Session, token: str, now: datetime, *, at_work: bool = True) -> StaffMember | None:
    """The staff member whose session *token* is; None when it ended, was idle for 8 hours or is 24 hours old.

    A page that only refreshes itself passes `at_work=False`: an unattended screen must not stay open.
    """
    found = session.execute(
        select(StaffSession, Staff, SecondFactor.confirmed_at)
        .join(Staff, Staff.id == StaffSession.staff_id)
        .outerjoin(SecondFactor, SecondFactor.staff_id == Staff.id)
        .where(StaffSession.token_hash == hash_of(token), *_open(now), Staff.active)
    ).one_or_none()
    if found is None:
        return None
    opened, member, confirmed_at = found
    if at_work and now >= opened.seen_at + _SEEN_EVERY:
        opened.seen_at = now
    # Whoever came by the district's own sign-in was asked there, and the demo has no password at all.
    two_factors = confirmed_at is not None or opened.way is not WayIn.PASSWORD
    return seen_as(session, member, two_factors=two_factors)


def was(session: Session, token: str) -> int | None:
    """Whose session this is or was, however long ago it ended; it opens nothing."""
    return session.scalar(
        select(StaffSession.staff_id)
        .join(Staff, Staff.id == StaffSession.staff_id)
        .where(StaffSession.token_hash == hash_of(token), Staff.active)
    )


def sessions_of(session: Session, staff_id: int, *, now: datetime, token: str = "") -> Sequence[OpenSession]:
    """Where somebody is signed in at this moment, the newest first."""
    here = hash_of(token)
    return [
        OpenSession(
            each.token_hash[:_HANDLE],
            each.browser,
            each.way,
            each.opened_at,
            each.seen_at,
            each.token_hash == here,
        )
        for each in session.scalars(
            select(StaffSession)
            .where(StaffSession.staff_id == staff_id, *_open(now))
            .order_by(StaffSession.opened_at.desc())
        )
    ]


def sign_out(session: Session, token: str, *, now: datetime) -> None:
    """End the session whose token this is; none is no mistake."""
    session.execute(
        update(StaffSession)
        .where(StaffSession.token_hash == hash_of(token), StaffSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def end_session(session: Session, staff_id: int, handle: str, *, now: datetime) -> bool:
    """End one of one's own sessions, as `sessions_of` names it; whether it was still open."""
    ended = [
        each.token_hash
        for each in session.scalars(
            select(StaffSession).where(StaffSession.staff_id == staff_id, *_open(now))
        )
        if each.token_hash.startswith(handle) and len(handle) == _HANDLE
    ]
    session.execute(update(StaffSession).where(StaffSession.token_hash.in_(ended)).values(ended_at=now))
    if ended:
        audit.note(session, staff_id, "end_sessions", detail="1", now=now)
    return bool(ended)


def end_sessions(
    session: Session, staff_id: int, *, now: datetime, but: str = "", by: int | None = None
) -> int:
    """End every session of a staff member, except the one whose token is *but*; how many were still open.

    With *by* somebody did just this, and it stands in the audit log.
    """
    ended = session.execute(
        update(StaffSession)
        .where(
            StaffSession.staff_id == staff_id,
            StaffSession.ended_at.is_(None),
            StaffSession.token_hash != hash_of(but),
        )
        .values(ended_at=now)
        .returning(StaffSession.opened_at, StaffSession.seen_at)
    ).all()
    number = sum(now < opened + ABSOLUTE and now < seen + IDLE for opened, seen in ended)
    if by is not None:
        email = session.get_one(Staff, staff_id).email
        audit.note(session, by, "end_sessions", detail=f"{number} of {email}", now=now)
    return number


def _open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        StaffSession.ended_at.is_(None),
        StaffSession.seen_at > now - IDLE,
        StaffSession.opened_at > now - ABSOLUTE,
    )
