"""The link to a family's chat page: made, found while it is good, and whether somebody looks at the page."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.store.tables import Channel, ChatLink, Conversation

_BYTES = 24

# What stands for the token in our own copy of a text: as long as one, and it opens nothing.
STAND_IN = "*" * len(secrets.token_urlsafe(_BYTES))

# A page without a look for this long may be closed: what we write must go to the phone instead.
_OPEN_FOR = timedelta(minutes=5)
# Looking is noted no oftener: a page that asks for news every few seconds writes once a minute.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Link:
    """A link that is still good. Nothing older than `opened_at` is shown behind it."""

    token_hash: str
    conversation_id: int
    opened_at: datetime


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


def looked_at(session: Session, link: Link, now: datetime) -> None:
    """Somebody has the page open now."""
    session.execute(
        update(ChatLink)
        .where(
            ChatLink.token_hash == link.token_hash,
            ChatLink.seen_at.is_(None) | (ChatLink.seen_at <= now - _NOTED_EVERY),
        )
        .values(seen_at=now)
    )


def channel_to(session: Session, conversation: Conversation, now: datetime) -> Channel:
    """Where our answer is read: on the page when the family wrote there last and still has it open.

    A page that nobody looks at any more would swallow the answer; then it goes to the phone.
    """
    if conversation.channel is not Channel.CHAT:
        return Channel.SMS
    looking = session.scalar(
        select(ChatLink.token_hash)
        .join(Conversation, Conversation.id == ChatLink.conversation_id)
        .where(
            Conversation.phone_id == conversation.phone_id,
            Conversation.guardian_id.is_not_distinct_from(conversation.guardian_id),
            ChatLink.expires_at > now,
            ChatLink.seen_at > now - _OPEN_FOR,
        )
        .limit(1)
    )
    return Channel.CHAT if looking else Channel.SMS


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
