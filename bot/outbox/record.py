"""What became of each text that was taken: the sender's word, then the provider's receipts.

queued → claimed → sent | refused | unknown, or not_sent without ever leaving. Within one attempt a
state only goes forward, and final ones are frozen; a text the provider surely does not have is queued
again, for its next attempt. The provider's later word only rises in rank, and delivered wins (TW-53).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, bindparam, case, func, select, text, update
from sqlalchemy.orm import Session

from bot.store.tables import Delivery, OutboundText, Phone, Receipt, TextState
from bot.vocabulary import Purpose

# The provider's words, by rank: a late or repeated one never lowers what is known.
_WORDS = {
    "accepted": Delivery.ACCEPTED,
    "scheduled": Delivery.ACCEPTED,
    "queued": Delivery.ACCEPTED,
    "sending": Delivery.SENDING,
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "read": Delivery.DELIVERED,
    "partially_delivered": Delivery.SENT,
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
# As the index has it, word for word: with a parameter in its place SQLite reads the whole history.
_IN_DOUBT = text("outbound_texts.state IN ('claimed', 'unknown')")
_TEXTS = cast("Table", OutboundText.__table__)
_THIS_ATTEMPT = (_TEXTS.c.id == bindparam("text")) & (_TEXTS.c.attempts == bindparam("attempt"))


@dataclass(frozen=True)
class Taken:
    """The provider took a text and named it."""

    text_id: int
    attempt: int
    sid: str
    status: str


_RECORD_TAKEN = (
    update(_TEXTS)
    .where(
        _THIS_ATTEMPT,
        # No list here: a statement for many rows at once cannot hold one.
        (_TEXTS.c.state == TextState.CLAIMED)
        | (_TEXTS.c.state == TextState.UNKNOWN)
        | (_TEXTS.c.state == TextState.SENT),
    )
    .values(
        state=TextState.SENT,
        # A receipt may have come first; what it said stands.
        provider_sid=func.coalesce(_TEXTS.c.provider_sid, bindparam("sid")),
        sent_at=func.coalesce(_TEXTS.c.sent_at, bindparam("at", type_=_TEXTS.c.sent_at.type)),
        delivery=case(
            (_TEXTS.c.delivery == Delivery.NONE, bindparam("word", type_=_TEXTS.c.delivery.type)),
            else_=_TEXTS.c.delivery,
        ),
    )
)


def record_taken(session: Session, taken: Sequence[Taken], now: datetime) -> None:
    """The provider has these texts; one statement for all of them."""
    if not taken:
        return
    session.flush()
    session.connection().execute(
        _RECORD_TAKEN,
        [
            {
                "text": each.text_id,
                "attempt": each.attempt,
                "sid": each.sid,
                "word": _WORDS.get(each.status, Delivery.ACCEPTED),
                "at": now,
            }
            for each in taken
        ],
    )
    session.expire_all()


def record_refused(session: Session, text_id: int, attempt: int, code: str) -> bool:
    """The provider said no for good. False when a receipt or another attempt knows better."""
    return _end(session, text_id, attempt, {"state": TextState.REFUSED, "error_code": code[:10]})


def record_unknown(session: Session, text_id: int, attempt: int) -> bool:
    """Perhaps sent. Only its receipt or the provider's list can tell (promise 2)."""
    return _end(session, text_id, attempt, {"state": TextState.UNKNOWN})


def put_back(session: Session, text_id: int, attempt: int, not_before: datetime) -> bool:
    """The provider surely does not have it: it may be tried again, until it is too late."""
    return _end(session, text_id, attempt, {"state": TextState.QUEUED, "not_before": not_before})


def _end(session: Session, text_id: int, attempt: int, values: dict[str, object]) -> bool:
    changed = session.execute(
        update(OutboundText)
        .where(
            OutboundText.id == text_id,
            OutboundText.attempts == attempt,
            OutboundText.state == TextState.CLAIMED,
        )
        .values(**values)
        .returning(OutboundText.id)
        .execution_options(synchronize_session=False)
    ).first()
    session.expire_all()
    return changed is not None


def release_lost_claims(session: Session, now: datetime, lease: timedelta) -> int:
    """Claims of a process that died are unknown: the text may have been handed over (promise 2)."""
    lost = session.execute(
        update(OutboundText)
        .where(_IN_DOUBT, OutboundText.state == TextState.CLAIMED, OutboundText.claimed_at < now - lease)
        .values(state=TextState.UNKNOWN)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(lost, "rowcount", 0))


# --- what nobody knows ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class InDoubt:
    """A text of which nobody knows whether it left, with what the provider's list can be searched by."""

    id: int
    attempt: int
    token: str
    number: str
    left_as: str
    claimed_at: datetime
    not_after: datetime
    conversation_id: int | None
    purpose: Purpose
    raised: bool


def in_doubt(session: Session, before: datetime, most: int = 100) -> list[InDoubt]:
    """Texts that have been unknown since before this moment, the oldest first."""
    rows = session.execute(
        select(OutboundText, Phone.number)
        .join(Phone, Phone.id == OutboundText.phone_id)
        .where(_IN_DOUBT, OutboundText.state == TextState.UNKNOWN, OutboundText.claimed_at < before)
        .order_by(OutboundText.claimed_at, OutboundText.id)
        .limit(most)
    )
    return [
        InDoubt(
            row.id,
            row.attempts,
            row.token,
            number,
            row.left_as,
            row.claimed_at or row.queued_at,
            row.not_after,
            row.conversation_id,
            row.purpose,
            row.raised_at is not None,
        )
        for row, number in rows
    ]


def known_sids(session: Session, sids: Sequence[str]) -> set[str]:
    """Which of these are the provider's names of texts whose outcome we know."""
    if not sids:
        return set()
    return {
        sid
        for sid in session.scalars(
            select(OutboundText.provider_sid).where(OutboundText.provider_sid.in_(sids))
        )
        if sid
    }


def never_left(session: Session, text_id: int, attempt: int, not_before: datetime) -> bool:
    """The provider's whole list has no such text: it was never created, and may be tried anew (TW-43)."""
    changed = session.execute(
        update(OutboundText)
        .where(
            OutboundText.id == text_id,
            OutboundText.attempts == attempt,
            OutboundText.state == TextState.UNKNOWN,
        )
        .values(state=TextState.QUEUED, not_before=not_before)
        .returning(OutboundText.id)
        .execution_options(synchronize_session=False)
    ).first()
    session.expire_all()
    return changed is not None


# --- receipts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learned:
    """A receipt changed what is known of a text."""

    text_id: int
    conversation_id: int | None
    phone_id: int
    purpose: Purpose
    delivery: Delivery
    before: Delivery
    error_code: str


def record_receipt(
    session: Session, *, token: str, status: str, error_code: str, provider_sid: str | None, now: datetime
) -> Learned | None:
    """Keep the provider's word on a text; None when the token is not ours or nothing new was learned.

    Receipts repeat, come late, out of order, and before the answer to our own request (TW-53).
    """
    row = session.scalar(
        select(OutboundText)
        .where(OutboundText.token == token)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        return None
    word = _WORDS.get(status.casefold())
    session.add(Receipt(outbound_text_id=row.id, status=status[:40], error_code=error_code[:10], at=now))
    if row.state is not TextState.SENT:
        # A receipt is proof that the provider has it, whatever we thought; even that it was never created.
        row.state, row.sent_at, row.why_not = TextState.SENT, row.sent_at or now, ""
    if provider_sid and row.provider_sid is None:
        _take_back(session, row.id, provider_sid)
        row.provider_sid = provider_sid
    before = row.delivery
    if word is None or _RANK[word] <= _RANK[before]:
        session.flush()
        return None
    row.delivery = word
    if error_code:
        row.error_code = error_code[:10]
    session.flush()
    return Learned(
        row.id, row.conversation_id, row.phone_id, row.purpose, row.delivery, before, row.error_code
    )


def _take_back(session: Session, text_id: int, provider_sid: str) -> None:
    """The provider's text is this one, by our own token: another with the same words only seemed to be it.

    The list knows words and numbers, not tokens. That other one is in doubt again.
    """
    session.execute(
        update(OutboundText)
        .where(OutboundText.provider_sid == provider_sid, OutboundText.id != text_id)
        .values(state=TextState.UNKNOWN, provider_sid=None, sent_at=None, delivery=Delivery.NONE)
        .execution_options(synchronize_session=False)
    )
