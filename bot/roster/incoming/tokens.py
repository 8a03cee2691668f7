"""Who may push files: a token for each of the district's systems, shown once, kept as a hash, revocable."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.errors import PresenteError
from bot.store.tables import PushToken

_PREFIX = "presente_"
_LONGEST_NAME = 60


class TokenRefused(PresenteError):
    """A push token cannot be made or taken back so; the message says why."""


@dataclass(frozen=True)
class Named:
    """A token as staff see it: never the token itself."""

    id: int
    name: str
    made_by: str
    made_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


def add(session: Session, name: str, *, by: str, now: datetime) -> str:
    """Make a token called *name* and return it; it can never be shown again."""
    plain = " ".join(name.split())
    if not plain or len(plain) > _LONGEST_NAME:
        raise TokenRefused("a token needs a name of at most 60 letters, such as the system that will push")
    if session.scalar(select(PushToken.id).where(PushToken.name == plain)):
        raise TokenRefused(f"there is a token {plain!r} already; revoke it and choose another name")
    token = _PREFIX + secrets.token_urlsafe(32)
    session.add(PushToken(name=plain, token_hash=_hash(token), made_by=by, made_at=now))
    session.flush()
    return token


def revoke(session: Session, name: str, *, now: datetime) -> None:
    """Let nobody push with this token any more."""
    token = session.scalar(select(PushToken).where(PushToken.name == name, PushToken.revoked_at.is_(None)))
    if token is None:
        raise TokenRefused(f"there is no token {name!r} that could be revoked")
    token.revoked_at = now
    session.flush()


def listed(session: Session) -> list[Named]:
    rows = session.scalars(select(PushToken).order_by(PushToken.id))
    return [Named(one.id, one.name, one.made_by, one.made_at, one.used_at, one.revoked_at) for one in rows]


def whose(session: Session, token: str) -> Named | None:
    """Whose token this is; None for one that nobody has, or that was revoked.

    It is looked up by its hash: how long that takes says nothing about any token.
    """
    one = session.scalar(
        select(PushToken).where(PushToken.token_hash == _hash(token), PushToken.revoked_at.is_(None))
    )
    return Named(one.id, one.name, one.made_by, one.made_at, one.used_at, None) if one else None


def used(session: Session, token_id: int, now: datetime) -> None:
    session.execute(update(PushToken).where(PushToken.id == token_id).values(used_at=now))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
