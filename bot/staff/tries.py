"""Tries to sign in: counted so that guessing takes years, and so that nobody can lock out somebody else.

A try is counted for the address tried and where it came from. Too many from one place, and that place
waits. When many places try one address, each of them has one try and then a long pause; a place that has
not failed yet always has its try. A browser in which this person has signed in before is a place of its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from bot import audit
from bot.staff.members import address_of
from bot.staff.tokens import hash_of, new_token
from bot.store.session import Database, insert_unless_there
from bot.store.tables import KnownBrowser, SignInFailure, Staff

_WITHIN = timedelta(minutes=15)
_MOST = 8
# After so many failures of one address from anywhere within the hour, a place that has failed pauses so long.
_HOUR = timedelta(hours=1)
_PAUSES = ((50, timedelta(minutes=15)), (20, timedelta(minutes=1)))
_KEPT = timedelta(days=1)
_BROWSER_KNOWN = timedelta(days=400)
_KNOWN = "known:"


@dataclass(frozen=True)
class Try:
    """A try that is under way. `wait` is how long this place has to wait first; None: go on."""

    address_hash: str
    source: str
    wait: timedelta | None


def begin_try(database: Database, address: str, *, source: str, browser: str = "", now: datetime) -> Try:
    """Count a try before it is made, so that a thousand at the same moment are no more than eight.

    *source* is where it comes from, *browser* the token of a browser that may be known. `let_in` takes
    the count back.
    """
    address_hash = hash_of(address_of(address)[:255])
    with database.begin() as session:
        if browser and is_known(session, address, browser):
            source = _KNOWN + hash_of(browser)[:32]
        row = SignInFailure(address_hash=address_hash, source=source[:80], at=now)
        session.add(row)
        session.flush()
        mine = row.id
        session.execute(delete(SignInFailure).where(SignInFailure.at < now - _KEPT))
    # In a second transaction: whoever began at the same moment is counted by one of the two.
    with database.begin() as session:
        wait = _wait(session, address_hash, source, mine, now)
        if wait is not None:
            # Asking again while waiting makes the wait no longer.
            session.execute(delete(SignInFailure).where(SignInFailure.id == mine))
            _note_once(session, address, source, now)
    return Try(address_hash, source, wait)


def let_in(session: Session, attempt: Try, *, now: datetime) -> int:
    """It was them: forget the failures of this place. How many others there were within a day, this one not counted."""
    failures = session.scalar(
        select(func.count()).where(
            SignInFailure.address_hash == attempt.address_hash, SignInFailure.at > now - _KEPT
        )
    )
    session.execute(
        delete(SignInFailure).where(
            SignInFailure.address_hash == attempt.address_hash, SignInFailure.source == attempt.source
        )
    )
    return max(0, (failures or 0) - 1)


def is_known(session: Session, address: str, browser: str) -> bool:
    """Whether the staff member with this address has signed in before with the browser that has this token."""
    return (
        session.scalar(
            select(KnownBrowser.staff_id)
            .join(Staff, Staff.id == KnownBrowser.staff_id)
            .where(KnownBrowser.token_hash == hash_of(browser), Staff.email == address_of(address))
        )
        is not None
    )


def remember_browser(session: Session, staff_id: int, browser: str, *, now: datetime) -> str:
    """Know this browser again for this person; returns the token it keeps, a new one if it had none."""
    token = browser or new_token()
    session.execute(delete(KnownBrowser).where(KnownBrowser.seen_at < now - _BROWSER_KNOWN))
    session.execute(
        insert_unless_there(
            session,
            KnownBrowser,
            ("token_hash", "staff_id"),
            {"token_hash": hash_of(token), "staff_id": staff_id, "seen_at": now},
        )
    )
    session.get_one(KnownBrowser, (hash_of(token), staff_id)).seen_at = now
    return token


def _wait(session: Session, address_hash: str, source: str, mine: int, now: datetime) -> timedelta | None:
    tried = (SignInFailure.address_hash == address_hash, SignInFailure.id < mine)
    own = session.scalars(
        select(SignInFailure.at)
        .where(*tried, SignInFailure.source == source, SignInFailure.at > now - _HOUR)
        .order_by(SignInFailure.id.desc())
        .limit(_MOST)
    ).all()
    if len(own) == _MOST and own[-1] > now - _WITHIN:
        return own[-1] + _WITHIN - now
    if not own or source.startswith(_KNOWN):
        return None
    everywhere = session.scalar(select(func.count()).where(*tried, SignInFailure.at > now - _HOUR)) or 0
    for failures, pause in _PAUSES:
        if everywhere >= failures and own[0] > now - pause:
            return own[0] + pause - now
    return None


def _note_once(session: Session, address: str, source: str, now: datetime) -> None:
    """One line for a siege, not one for each arrow; none for an address that is nobody's."""
    member = session.scalar(select(Staff).where(Staff.email == address_of(address)))
    if member is not None and not audit.noted(session, member.id, "sign_in_held", since=now - _WITHIN):
        audit.note(
            session,
            member.id,
            "sign_in_held",
            detail=source.partition(":")[0] if source.startswith(_KNOWN) else source,
            now=now,
        )
