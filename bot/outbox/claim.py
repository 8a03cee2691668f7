"""A batch of texts is taken to be handed over: consent, pace and the stop button are asked in this very transaction."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Row, Table, bindparam, select, text, update
from sqlalchemy.orm import Session

from bot import chat_links, consent, stopping
from bot.outbox import pace as pacing
from bot.outbox.pace import Gate, Pace
from bot.policy import Policy
from bot.store.tables import (
    Channel,
    Conversation,
    Delivery,
    GuardianPhone,
    OutboundText,
    Phone,
    School,
    TextState,
)
from bot.vocabulary import Purpose

# Strict classes (Purpose.rank): the fixed safety text, answers to families, everything.
_SAFETY, _URGENT, _ANY = 0, 1, 3

# As the index has it, word for word: with a parameter in its place SQLite reads the whole history.
_QUEUED = text("outbound_texts.state = 'queued'")


@dataclass(frozen=True)
class Claimed:
    """A text this process, and no other, may hand over now. What becomes of it counts for this attempt alone.

    `at` is when it was claimed: from then on the lease runs out, and what was asked at the door gets old.
    """

    id: int
    attempt: int
    token: str
    to: str
    body: str
    rank: int
    valid_seconds: int
    at: datetime


@dataclass(frozen=True)
class NotSent:
    """A text that may not leave, and whose place in the ladder somebody must now take."""

    id: int
    conversation_id: int | None
    purpose: Purpose
    why: str


@dataclass(frozen=True)
class Batch:
    """What one look at the outbox brought. `moved`: texts that left the queue, or were put off, just now."""

    claimed: tuple[Claimed, ...] = ()
    refused: tuple[NotSent, ...] = ()
    moved: int = 0


def claim(
    session: Session,
    policy: Policy,
    now: datetime,
    limit: int = 20,
    *,
    pace: Pace | None = None,
    urgent: int = 0,
) -> Batch:
    """Take at most *limit* texts that are due, and *urgent* more of those that never wait behind a batch.

    What goes to a family's chat page is there with its claim: nobody hands it over.
    """
    gate = pacing.gate(session, pace, now) if pace is not None else None
    most = _ANY
    if gate is not None and gate.trying:
        limit, urgent = min(limit, 1), 0
    elif gate is not None and not gate.has_room(_ANY):
        most = _URGENT
    if stopping.stopped(session) is not None or (gate is not None and gate.closed):
        most = _SAFETY
    rows = _due(session, now, limit, most)
    if len(rows) == limit and urgent:
        rows += _due(session, now, urgent, min(most, _URGENT), beside=[row.id for row in rows])
    rows = _with_their_talks(session, rows)
    if not rows:
        return Batch()
    return _judged(session, rows, policy, gate, now)


def anything_due(session: Session, now: datetime) -> bool:
    """Whether a text's time has come; it may still be refused at the door."""
    first = session.scalar(select(OutboundText.id).where(_QUEUED, OutboundText.not_before <= now).limit(1))
    return first is not None


def _due(
    session: Session, now: datetime, limit: int, most: int, beside: list[int] | None = None
) -> list[Row[Any]]:
    """Texts whose time has come, the strictest class first, each locked together with its phone.

    The phone's lock makes an opt-out and a claim follow one another, and two claims of one number as
    well, so that its day's cap is never overdrawn. What another process holds is left to it.
    """
    if not limit:
        return []
    query = (
        select(
            OutboundText.id,
            OutboundText.token,
            OutboundText.conversation_id,
            OutboundText.phone_id,
            OutboundText.purpose,
            OutboundText.purpose_class,
            OutboundText.rank,
            OutboundText.staff_id,
            OutboundText.channel,
            OutboundText.body,
            OutboundText.segments,
            OutboundText.not_after,
            OutboundText.attempts,
            Phone.number,
            Phone.state.label("phone_state"),
            Phone.opted_out,
            Phone.held,
            Phone.suspended,
            Conversation.owner,
            Conversation.day,
            Conversation.school_id,
            Conversation.guardian_id,
            School.zone,
            GuardianPhone.position.label("on_file"),
        )
        .join(Phone, Phone.id == OutboundText.phone_id)
        .outerjoin(Conversation, Conversation.id == OutboundText.conversation_id)
        .outerjoin(School, School.id == Conversation.school_id)
        .outerjoin(
            GuardianPhone,
            (GuardianPhone.guardian_id == Conversation.guardian_id)
            & (GuardianPhone.phone_id == OutboundText.phone_id)
            & GuardianPhone.active,
        )
        .where(
            _QUEUED,
            OutboundText.not_before <= now,
            OutboundText.rank <= most,
        )
        .order_by(OutboundText.rank, OutboundText.not_before, OutboundText.id)
        .limit(limit)
        .with_for_update(of=[OutboundText, Phone], skip_locked=True, key_share=True)
    )
    if beside:
        query = query.where(OutboundText.id.not_in(beside))
    return list(session.execute(query))


def _with_their_talks(session: Session, rows: list[Row[Any]]) -> list[Row[Any]]:
    """Those whose conversation nobody is changing at this moment; the others wait for the next look.

    A turn and a claim of one conversation follow one another: what staff took or a family answered a
    moment ago is seen, and neither ever waits for the other in a circle.
    """
    talks = {row.conversation_id for row in rows if row.conversation_id is not None}
    if not talks or session.get_bind().dialect.name == "sqlite":
        return rows  # SQLite has one writer at a time
    free = set(
        session.scalars(
            select(Conversation.id)
            .where(Conversation.id.in_(talks))
            .with_for_update(skip_locked=True, key_share=True)
        )
    )
    return [row for row in rows if row.conversation_id is None or row.conversation_id in free]


def _judged(
    session: Session, rows: list[Row[Any]], policy: Policy, gate: Gate | None, now: datetime
) -> Batch:
    known = consent.facts(session, rows, now)
    claimed: list[Claimed] = []
    refused: list[NotSent] = []
    changes: list[dict[str, object]] = []
    read: list[dict[str, object]] = []
    later: list[dict[str, object]] = []
    # Caps see what was claimed a moment ago in this very batch.
    automated: dict[int, int] = {}
    for row in rows:
        facts = known[row.id]
        if row.purpose in consent.AUTOMATED and automated.get(row.phone_id):
            facts = replace(facts, automated=facts.automated + automated[row.phone_id])
        answer = consent.judge(facts, policy, now)
        if isinstance(answer, consent.Leave) and row.channel is not Channel.CHAT and gate is not None:
            if gate.full_today(row.rank, row.segments):
                answer = consent.Refusal.SENDER_FULL
            elif not gate.has_room(row.rank):
                continue  # it stays where it is; the next look finds it when there is room again
        match answer:
            case consent.Later(not_before=opens):
                later.append({"text": row.id, "opens": opens})
            case consent.Leave(until=until):
                if row.purpose in consent.AUTOMATED:
                    automated[row.phone_id] = automated.get(row.phone_id, 0) + 1
                if row.channel is Channel.CHAT:
                    read.append({"text": row.id})
                    continue
                if gate is not None:
                    gate.took(row.segments)
                body = _with_its_link(session, row, policy, now)
                seconds = int((until - now).total_seconds())
                claimed.append(
                    Claimed(row.id, row.attempts + 1, row.token, row.number, body, row.rank, seconds, now)
                )
                changes.append({"text": row.id, "left": fingerprint(body)})
            case why:
                refused.append(NotSent(row.id, row.conversation_id, row.purpose, why.value))
    _write(session, now, changes, read, refused, later)
    return Batch(tuple(claimed), tuple(refused), len(claimed) + len(read) + len(refused) + len(later))


def fingerprint(body: str) -> str:
    """What left, as a digest: the provider's list is matched against it, and it opens no chat page."""
    return hashlib.sha256(body.strip().encode()).hexdigest()


def _with_its_link(session: Session, row: Row[Any], policy: Policy, now: datetime) -> str:
    """The words as they leave. A link is made only now, so that our copy of the text never opens a page."""
    body: str = row.body
    if row.conversation_id is None or row.purpose is not Purpose.CHECK_IN or chat_links.STAND_IN not in body:
        return body
    good_for = timedelta(days=policy.chat_days)
    token = chat_links.make(session, row.conversation_id, since=now, until=now + good_for)
    return body.replace(chat_links.STAND_IN, token)


_TEXTS = cast("Table", OutboundText.__table__)
_THIS = _TEXTS.c.id == bindparam("text")
_CLAIM = (
    update(_TEXTS)
    .where(_THIS)
    .values(
        state=TextState.CLAIMED,
        claimed_at=bindparam("at"),
        attempts=_TEXTS.c.attempts + 1,
        left_as=bindparam("left"),
    )
)
_READ = (
    update(_TEXTS)
    .where(_THIS)
    .values(
        state=TextState.SENT,
        claimed_at=bindparam("at"),
        sent_at=bindparam("at"),
        attempts=_TEXTS.c.attempts + 1,
        delivery=Delivery.DELIVERED,
    )
)
_REFUSE = update(_TEXTS).where(_THIS).values(state=TextState.NOT_SENT, why_not=bindparam("why"))
_LATER = update(_TEXTS).where(_THIS).values(not_before=bindparam("opens"))


def _write(
    session: Session,
    now: datetime,
    changes: list[dict[str, object]],
    read: list[dict[str, object]],
    refused: list[NotSent],
    later: list[dict[str, object]],
) -> None:
    session.flush()
    connection = session.connection()
    if changes:
        connection.execute(_CLAIM, [{**each, "at": now} for each in changes])
    if read:
        connection.execute(_READ, [{**each, "at": now} for each in read])
    if refused:
        connection.execute(_REFUSE, [{"text": each.id, "why": each.why} for each in refused])
    if later:
        connection.execute(_LATER, later)
    # Objects of these rows that the session may hold are behind now.
    session.expire_all()
