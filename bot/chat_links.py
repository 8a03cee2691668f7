"""The link to a family's chat page: made, found while it is good, and whether somebody looks at the page."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.store.tables import Channel, ChatLink, Conversation

_BYTES = 24

# What stands for the token in our own copy of a text: as long as one, and it opens nothing.
STAND_IN = "*" * len(secrets.token_urlsafe(_BYTES))

# A page without a look for this long may be closed: what we write must go to the phone instead.
OPEN_FOR = timedelta(minutes=5)
# A look is noted no oftener, unless there is news: a page asks every few seconds.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Link:
    """A link that is still good. Nothing older than `opened_at` is shown behind it."""

    token_hash: str
    conversation_id: int
    opened_at: datetime


class Thread(Protocol):
    """A conversation, as far as it matters here: with whom, and how the family wrote last."""

    @property
    def phone_id(self) -> int: ...

    @property
    def guardian_id(self) -> int | None: ...

    @property
    def channel(self) -> Channel: ...


def address(public_url: str, token: str = STAND_IN) -> str:
    return f"{public_url}/chat/{token}"


def make(session: Session, conversation_id: int, *, since: datetime, until: datetime) -> str:
    """A new link into a conversation; the token is returned once and kept nowhere."""
    token = secrets.token_urlsafe(_BYTES)
    session.add(
        ChatLink(
            token_hash=_hash(token),
            conversation_id=conversation_id,
            opened_at=since,
            expires_at=until,
            seen_at=None,
        )
    )
    session.flush()
    return token


def find(session: Session, token: str, now: datetime) -> Link | None:
    """The link of this token; None for one that never was, or is no longer good."""
    found = session.get(ChatLink, _hash(token))
    if found is None or now >= found.expires_at:
        return None
    return Link(found.token_hash, found.conversation_id, found.opened_at)


def looked_at(session: Session, link: Link, now: datetime, *, newest: datetime | None = None) -> None:
    """Somebody looks at the page now, on which our *newest* text stands."""
    enough = now - _NOTED_EVERY
    since = max(newest or enough, enough)
    session.execute(
        update(ChatLink)
        .where(
            ChatLink.token_hash == link.token_hash,
            ChatLink.seen_at.is_(None) | (ChatLink.seen_at < since),
        )
        .values(seen_at=now)
    )


def seen_since(session: Session, conversation: Thread, moment: datetime) -> bool:
    """Whether anybody has looked at a page of this thread since *moment*."""
    look = session.scalar(
        select(ChatLink.token_hash)
        .join(Conversation, Conversation.id == ChatLink.conversation_id)
        .where(
            Conversation.phone_id == conversation.phone_id,
            Conversation.guardian_id.is_not_distinct_from(conversation.guardian_id),
            ChatLink.seen_at >= moment,
        )
        .limit(1)
    )
    return look is not None


def channel_to(session: Session, conversation: Thread, now: datetime) -> Channel:
    """Where our answer is read: on the page when the family wrote there last and still has it open.

    A page that nobody looks at any more would swallow the answer; then it goes to the phone.
    """
    if conversation.channel is Channel.CHAT and seen_since(session, conversation, now - OPEN_FOR):
        return Channel.CHAT
    return Channel.SMS


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
