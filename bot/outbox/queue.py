"""Texts are written into the outbox, and taken out again while they have not left."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from bot import chat_links, consent
from bot.clock import Window
from bot.policy import Policy
from bot.store.prepared import Query
from bot.store.tables import Channel, Conversation, Delivery, OutboundText, TextState
from bot.texts import Rendered
from bot.vocabulary import Owner, Purpose, PurposeClass

# How long an answer that was not read on its page is still of use on the phone.
_WORTH_REPEATING = timedelta(hours=12)


def row(
    rendered: Rendered,
    *,
    conversation_id: int | None,
    phone_id: int,
    purpose: Purpose,
    law: PurposeClass,
    not_before: datetime,
    not_after: datetime,
    now: datetime,
    key: str = "",
    staff_id: int | None = None,
    token: str = "",
    channel: Channel = Channel.SMS,
    retry_of: int | None = None,
    machine_translated: bool = False,
) -> dict[str, Any]:
    """The values of a text that has just been queued. *token* is ours and opaque; it is made when empty."""
    return {
        "token": token or secrets.token_hex(16),
        "conversation_id": conversation_id,
        "phone_id": phone_id,
        "channel": channel,
        "purpose": purpose,
        "purpose_class": law,
        "rank": purpose.rank,
        "staff_id": staff_id,
        "key": key,
        "body": rendered.body,
        "english": rendered.english,
        "language": rendered.language,
        "segments": rendered.segments,
        "state": TextState.QUEUED,
        "why_not": "",
        "not_before": not_before,
        "not_after": not_after,
        "queued_at": now,
        "attempts": 0,
        "left_as": "",
        "retry_of": retry_of,
        "machine_translated": machine_translated,
        "delivery": Delivery.NONE,
        "error_code": "",
    }


def queue(session: Session, rendered: Rendered, **values: Any) -> int:
    """Write one text (see `row`), in the caller's transaction; it leaves after that has committed."""
    session.flush()
    written = row(rendered, **values)
    return _writing(tuple(written)).one(session, **written)


@cache
def _writing(columns: tuple[str, ...]) -> Query[int]:
    """The statement for rows of these columns, which is one: `row` always makes the same ones."""
    return Query(insert(OutboundText).returning(OutboundText.id), int, columns=columns)


def queue_all(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write many texts at once, each made by `row`."""
    values = [dict(each) for each in rows]
    if values:
        session.execute(insert(OutboundText), values)


def drop_queued(session: Session, conversation_id: int) -> None:
    """The program's own texts of this conversation that have not left must not leave any more."""
    session.execute(
        update(OutboundText)
        .where(
            OutboundText.conversation_id == conversation_id,
            OutboundText.state == TextState.QUEUED,
            OutboundText.staff_id.is_(None),
            OutboundText.purpose.notin_([Purpose.SAFETY, Purpose.CONSENT]),
        )
        .values(state=TextState.NOT_SENT, why_not="overtaken"),
        execution_options={"synchronize_session": "fetch"},
    )


def send_unread_to_the_phone(session: Session, policy: Policy, now: datetime) -> int:
    """What nobody has read on its page within minutes leaves once more, as a text; returns how many.

    The page may have been closed just before we answered: nobody waits for an answer already given.
    """
    on_pages = session.execute(
        select(OutboundText, Conversation)
        .join(Conversation, Conversation.id == OutboundText.conversation_id)
        .where(
            OutboundText.state == TextState.SENT,
            OutboundText.not_before > now - _WORTH_REPEATING,
            OutboundText.channel == Channel.CHAT,
            OutboundText.delivery == Delivery.DELIVERED,
            OutboundText.purpose.in_([Purpose.REPLY, Purpose.SAFETY]),
            OutboundText.sent_at <= now - chat_links.OPEN_FOR,
        )
        .order_by(OutboundText.id)
    ).all()
    moved = 0
    for text, conversation in on_pages:
        if chat_links.seen_since(session, conversation, text.sent_at or now):
            continue
        if text.staff_id is None and conversation.owner is Owner.STAFF:
            continue  # a person has answered meanwhile
        text.delivery = Delivery.UNDELIVERED
        _queue_again(session, text, policy.replies(consent.zone_of(session, conversation)), now)
        moved += 1
    return moved


def _queue_again(session: Session, text: OutboundText, window: Window, now: datetime) -> None:
    opens = now if text.purpose is Purpose.SAFETY else window.next_opening(now)
    queue(
        session,
        Rendered(text.body, text.english, text.language, text.segments),
        conversation_id=text.conversation_id,
        phone_id=text.phone_id,
        purpose=text.purpose,
        law=text.purpose_class,
        not_before=opens,
        not_after=opens + _WORTH_REPEATING,
        now=now,
        key=text.key,
        staff_id=text.staff_id,
        machine_translated=text.machine_translated,
    )
