"""Texts that must leave: queue, claim, and what became of each.

queued → claimed → sent | refused | unknown, or not_sent without ever leaving; forward only. A text is
claimed before it is handed over: a crash between the two leaves it unknown rather than sent twice.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from bot import chat_links, consent
from bot.clock import Window
from bot.policy import Policy
from bot.store.session import insert_unless_there
from bot.store.tables import Channel, Conversation, Counter, Delivery, OutboundText, Phone, Receipt, TextState
from bot.texts import Rendered
from bot.vocabulary import Owner, Purpose

# Longer than any sender needs for one batch (each hand-over times out after ten seconds); a claim
# older than this belongs to a process that died.
_LEASE = timedelta(minutes=5)

# How long an answer that was not read on its page is still of use on the phone.
_WORTH_REPEATING = timedelta(hours=12)

# A reply never waits behind a batch (TW-84).
_FIRST = (Purpose.SAFETY, Purpose.CONSENT, Purpose.REPLY, Purpose.CHECK_IN, Purpose.REMINDER)

# The provider's words, by rank: a late or repeated one never lowers what is known (TW-53).
_WORDS = {
    "accepted": Delivery.ACCEPTED,
    "scheduled": Delivery.ACCEPTED,
    "queued": Delivery.ACCEPTED,
    "sending": Delivery.SENDING,
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "read": Delivery.DELIVERED,
    "undelivered": Delivery.UNDELIVERED,
    "failed": Delivery.FAILED,
    "canceled": Delivery.FAILED,
}
_RANK = {
    Delivery.NONE: 0,
    Delivery.ACCEPTED: 1,
    Delivery.SENDING: 2,
    Delivery.SENT: 3,
    Delivery.UNDELIVERED: 4,
    Delivery.FAILED: 4,
    Delivery.DELIVERED: 5,
}


@dataclass(frozen=True)
class Claimed:
    """A text this process, and no other, may hand over now."""

    id: int
    token: str
    to: str
    body: str
    valid_seconds: int


@dataclass(frozen=True)
class NotSent:
    """A text that may not leave, and whose place in the ladder somebody must now take."""

    id: int
    conversation_id: int | None
    purpose: Purpose
    why: str


def queue(
    session: Session,
    rendered: Rendered,
    *,
    conversation_id: int | None,
    phone_id: int,
    purpose: Purpose,
    not_before: datetime,
    not_after: datetime,
    now: datetime,
    key: str = "",
    staff_id: int | None = None,
    token: str = "",
    channel: Channel = Channel.SMS,
) -> int:
    """Write a text into the outbox, in the caller's transaction; it leaves after that has committed."""
    text = OutboundText(
        token=token or secrets.token_hex(16),
        conversation_id=conversation_id,
        phone_id=phone_id,
        channel=channel,
        purpose=purpose,
        staff_id=staff_id,
        key=key,
        body=rendered.body,
        english=rendered.english if staff_id is None else "",
        language=rendered.language,
        segments=rendered.segments,
        state=TextState.QUEUED,
        not_before=not_before,
        not_after=not_after,
        queued_at=now,
    )
    session.add(text)
    session.flush()
    return text.id


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


def claim(
    session: Session, policy: Policy, now: datetime, limit: int = 20
) -> tuple[list[Claimed], list[NotSent]]:
    """Take texts that are due; consent is asked for each in this very transaction (promise 4).

    What goes to a family's chat page is there with its claim: nobody hands it over.
    """
    due = session.scalars(
        select(OutboundText)
        .where(OutboundText.state == TextState.QUEUED, OutboundText.not_before <= now)
        .order_by(
            case({purpose: rank for rank, purpose in enumerate(_FIRST)}, value=OutboundText.purpose),
            OutboundText.id,
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    claimed, refused = [], []
    for text in due:
        answer = consent.at_the_door(session, text, policy, now)
        if isinstance(answer, consent.Later):
            text.not_before = answer.not_before
        elif answer is not None:
            text.state, text.why_not = TextState.NOT_SENT, answer.value
            refused.append(NotSent(text.id, text.conversation_id, text.purpose, answer.value))
        elif text.channel is Channel.CHAT:
            text.state, text.claimed_at, text.attempts = TextState.SENT, now, text.attempts + 1
            text.sent_at, text.delivery = now, Delivery.DELIVERED
        else:
            text.state, text.claimed_at, text.attempts = TextState.CLAIMED, now, text.attempts + 1
            seconds = int((text.not_after - now).total_seconds())
            number = session.get_one(Phone, text.phone_id).number
            body = _with_its_link(session, text, policy, now)
            claimed.append(Claimed(text.id, text.token, number, body, seconds))
        # The next one of this batch must see it: caps count what was claimed a moment ago.
        session.flush()
    return claimed, refused


def _with_its_link(session: Session, text: OutboundText, policy: Policy, now: datetime) -> str:
    """The words as they leave. A link is made only now, so that our copy of the text never opens a page."""
    if text.conversation_id is None or text.purpose is not Purpose.CHECK_IN:
        return text.body
    if chat_links.STAND_IN not in text.body:
        return text.body
    good_for = timedelta(days=policy.chat_days)
    token = chat_links.make(session, text.conversation_id, since=now, until=now + good_for)
    return text.body.replace(chat_links.STAND_IN, token)


def record_sent(session: Session, text_id: int, sid: str, status: str, now: datetime) -> None:
    """The provider has it. A receipt may have come first; what it said stands."""
    text = session.get_one(OutboundText, text_id, with_for_update=True)
    text.state, text.provider_sid = TextState.SENT, sid
    text.sent_at = text.sent_at or now
    _learn(text, _WORDS.get(status, Delivery.ACCEPTED), "")


def record_refused(session: Session, text_id: int, code: str) -> None:
    text = session.get_one(OutboundText, text_id, with_for_update=True)
    text.state, text.error_code = TextState.REFUSED, code


def record_unknown(session: Session, text_id: int) -> None:
    """Perhaps sent. Never handed over again by itself: the receipt, whose address carries our token, settles it."""
    text = session.get_one(OutboundText, text_id, with_for_update=True)
    if text.state is TextState.CLAIMED:
        text.state = TextState.UNKNOWN


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
        not_before=opens,
        not_after=opens + _WORTH_REPEATING,
        now=now,
        key=text.key,
        staff_id=text.staff_id,
    )


def put_back(session: Session, text_id: int, not_before: datetime) -> None:
    """The provider did not take it and said so: it may be tried again, until it is too late."""
    text = session.get_one(OutboundText, text_id, with_for_update=True)
    if text.state is TextState.CLAIMED:
        text.state, text.not_before = TextState.QUEUED, not_before


def release_lost_claims(session: Session, now: datetime) -> int:
    """Claims of a process that died are unknown: the text may have been handed over (promise 2)."""
    lost = session.execute(
        update(OutboundText)
        .where(OutboundText.state == TextState.CLAIMED, OutboundText.claimed_at < now - _LEASE)
        .values(state=TextState.UNKNOWN)
    )
    return int(getattr(lost, "rowcount", 0))


@dataclass(frozen=True)
class Learned:
    """A receipt changed what is known of a text."""

    text_id: int
    conversation_id: int | None
    phone_id: int
    purpose: Purpose
    delivery: Delivery
    error_code: str


def record_receipt(
    session: Session, *, token: str, status: str, error_code: str, provider_sid: str | None, now: datetime
) -> Learned | None:
    """Keep the provider's word on a text; None when the token is not ours or nothing new was learned.

    Receipts repeat, come late, out of order, and before the answer to our own request (TW-53).
    """
    text = session.scalar(select(OutboundText).where(OutboundText.token == token).with_for_update())
    if text is None:
        return None
    word = _WORDS.get(status.casefold())
    session.add(Receipt(outbound_text_id=text.id, status=status[:40], error_code=error_code[:10], at=now))
    if text.state in (TextState.CLAIMED, TextState.UNKNOWN):
        text.state, text.sent_at = TextState.SENT, text.sent_at or now
    if provider_sid and text.provider_sid is None:
        text.provider_sid = provider_sid
    if word is None or not _learn(text, word, error_code):
        return None
    return Learned(text.id, text.conversation_id, text.phone_id, text.purpose, text.delivery, text.error_code)


def _learn(text: OutboundText, word: Delivery, error_code: str) -> bool:
    if _RANK[word] <= _RANK[text.delivery]:
        return False
    text.delivery = word
    if error_code:
        text.error_code = error_code[:10]
    return True


def count(session: Session, name: str, day: date, by: int = 1) -> None:
    """Count something about which nothing may be kept, such as a refused webhook (TW-32)."""
    session.execute(
        insert_unless_there(session, Counter, ("name", "day"), {"name": name, "day": day, "count": 0})
    )
    session.execute(
        update(Counter)
        .where(Counter.name == name, Counter.day == day)
        .values(count=Counter.count + by)
        .execution_options(synchronize_session=False)
    )


def count_refusal(session: Session, name: str, now: datetime) -> None:
    count(session, name, now.date())
