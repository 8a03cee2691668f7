"""A mark that changes whenever a family's page would: a few indexed looks, never the whole story."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot.store.tables import (
    AuditLine,
    BarrierCorrection,
    BarrierFound,
    ConsentEvent,
    ContactMade,
    Conversation,
    Handoff,
    InboundText,
    OutboundText,
    Transfer,
)
from bot.timeline.window import Whose

# A receipt may come late, for a text of yesterday; for one far back nobody watches the page.
_NEWEST_TEXTS = 30


def mark(session: Session, family: Whose, newest: int) -> str:
    """*newest*: the conversation whose owner and handoffs stand on top of the page."""
    seen = [tuple(row) for query in _looks(family, newest) for row in session.execute(query)]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _looks(family: Whose, newest: int) -> Sequence[Select[*tuple[Any, ...]]]:
    talks = family.talks
    ours = (
        select(OutboundText.id, OutboundText.state, OutboundText.delivery, OutboundText.error_code)
        .where(OutboundText.conversation_id.in_(talks))
        .order_by(_by_family(OutboundText.id).desc())
        .limit(_NEWEST_TEXTS)
    )
    theirs = (
        select(InboundText.id, InboundText.handled_at.is_(None), InboundText.language)
        .where(InboundText.sender == family.number)
        .order_by(_by_family(InboundText.id).desc())
        .limit(3)
    )
    # One row: the head of the page, and the newest of each kind that is never changed once it is there.
    head = select(
        Conversation.owner,
        Conversation.staff_id,
        Conversation.language,
        select(func.max(_by_family(InboundText.id)))
        .where(InboundText.conversation_id == newest)
        .scalar_subquery(),
        select(func.max(_by_family(BarrierFound.id)))
        .where(BarrierFound.conversation_id.in_(talks))
        .scalar_subquery(),
        select(func.max(_by_family(BarrierCorrection.id)))
        .where(BarrierCorrection.conversation_id.in_(talks))
        .scalar_subquery(),
        select(func.max(_by_family(ContactMade.id)))
        .where(ContactMade.conversation_id.in_(talks))
        .scalar_subquery(),
        select(func.max(_by_family(ContactMade.id)))
        .where(ContactMade.student_id.in_(family.students))
        .scalar_subquery(),
        select(func.max(_by_family(AuditLine.id)))
        .where(AuditLine.conversation_id.in_(talks))
        .scalar_subquery(),
        # Visits, referrals, devices and notes each leave a line about their student.
        select(func.max(_by_family(AuditLine.id)))
        .where(AuditLine.student_id.in_(family.students))
        .scalar_subquery(),
        select(func.max(_by_family(Transfer.id)))
        .where(Transfer.conversation_id.in_(talks))
        .scalar_subquery(),
        select(func.max(_by_family(ConsentEvent.id)))
        .where(ConsentEvent.phone_id == family.phone_id)
        .scalar_subquery(),
    ).where(Conversation.id == newest)
    waits = (
        select(
            Handoff.id,
            Handoff.state,
            Handoff.taken_by,
            Handoff.waiting_since,
            Handoff.urgency,
            Handoff.due_at,
        )
        .where(Handoff.conversation_id.in_(talks))
        .order_by(_by_family(Handoff.id).desc())
        .limit(5)
    )
    return ours, theirs, head, waits


def _by_family(id_: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[int]:
    """The number as an expression: to find the last one PostgreSQL must come by way of the family.

    By way of the key it would read back through everybody's rows, where a family has few or none.
    """
    return id_ + 0
