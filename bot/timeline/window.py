"""The window of a family's story that a page shows: whose it is, from when to when, and what stands in it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot.store.tables import (
    AuditLine,
    BarrierCorrection,
    BarrierFound,
    ConsentEvent,
    ContactMade,
    Handoff,
    InboundText,
    OutboundText,
    Transfer,
)
from bot.timeline.entries import Returned, Taken

# What a page shows at first, and what each "show earlier" adds.
_A_PAGE = 60
# A page that stays open all day grows with what happens; never without an end.
_MOST = 400

# Of the audit log, what belongs into a family's story; the rest has rows of its own.
TOLD_BY_AUDIT: Mapping[str, type[Taken | Returned]] = {"take": Taken, "return_to_bot": Returned}


@dataclass(frozen=True)
class Whose:
    """Whose story: the conversations, the number they are on, and the students of the family."""

    talks: Sequence[int]
    phone_id: int
    number: str
    students: Sequence[int]


class Kind(StrEnum):
    """What a story is made of, each from a table of its own."""

    FROM_THEM = "from_them"
    TO_THEM = "to_them"
    BARRIER = "barrier"
    CORRECTION = "correction"
    HANDOFF = "handoff"
    CALL = "call"
    TAKEN = "taken"
    TRANSFER = "transfer"
    CONSENT = "consent"


@dataclass(frozen=True)
class Window:
    """From `since` on, and before `before`. Without `since` it reaches back to the beginning.

    Of another kind than `kinds` nothing stands in it, so that nobody asks.
    """

    since: datetime | None
    before: datetime | None
    kinds: AbstractSet[Kind]

    def holds(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.before is None or at < self.before)


def window(
    session: Session, family: Whose, *, before: datetime | None = None, since: datetime | None = None
) -> Window:
    """The newest page of the story, or the page before *before*; with *since*, all from there on.

    Entries of one instant stay on one page, so that paging neither loses nor repeats any.
    """
    most = _MOST if since else _A_PAGE
    alike = union_all(*(_when(*each, before) for each in _kinds(family))).subquery()
    newest = session.execute(
        select(alike.c.at, alike.c.kind).order_by(alike.c.at.desc()).limit(most + 1)
    ).all()
    kinds = frozenset(Kind(kind) for _, kind in newest)
    if len(newest) <= most:
        return Window(since, before, kinds)
    first = newest[most - 1].at
    if newest[most].at == first:
        # More than these may have happened at that instant, of any kind.
        kinds = frozenset(Kind)
    return Window(max(since, first) if since else first, before, kinds)


# --- where each kind stands, and when it happened ----------------------------------------------------------

LEFT_AT = func.coalesce(OutboundText.sent_at, OutboundText.queued_at, type_=OutboundText.queued_at.type)


def inbound(family: Whose) -> ColumnElement[bool]:
    """What they wrote in these conversations, and what nobody has understood yet."""
    just_arrived = InboundText.conversation_id.is_(None) & (InboundText.sender == family.number)
    return or_(InboundText.conversation_id.in_(family.talks), just_arrived)


def contacts(family: Whose) -> ColumnElement[bool]:
    without_talk = ContactMade.conversation_id.is_(None) & ContactMade.student_id.in_(family.students)
    return or_(ContactMade.conversation_id.in_(family.talks), without_talk)


def _audit(family: Whose) -> ColumnElement[bool]:
    return and_(AuditLine.conversation_id.in_(family.talks), AuditLine.act.in_(list(TOLD_BY_AUDIT)))


def _kinds(family: Whose) -> list[tuple[Kind, Any, ColumnElement[bool]]]:
    talks = family.talks
    return [
        (Kind.FROM_THEM, InboundText.received_at, inbound(family)),
        (Kind.TO_THEM, LEFT_AT, OutboundText.conversation_id.in_(talks)),
        (Kind.BARRIER, BarrierFound.opened_at, BarrierFound.conversation_id.in_(talks)),
        (Kind.CORRECTION, BarrierCorrection.at, BarrierCorrection.conversation_id.in_(talks)),
        (Kind.HANDOFF, Handoff.opened_at, Handoff.conversation_id.in_(talks)),
        (
            Kind.HANDOFF,
            Handoff.resolved_at,
            Handoff.conversation_id.in_(talks) & Handoff.resolved_at.is_not(None),
        ),
        (Kind.CALL, ContactMade.at, contacts(family)),
        (Kind.TAKEN, AuditLine.at, _audit(family)),
        (Kind.TRANSFER, Transfer.at, Transfer.conversation_id.in_(talks)),
        (Kind.CONSENT, ConsentEvent.at, ConsentEvent.phone_id == family.phone_id),
    ]


def _when(kind: Kind, at: Any, condition: ColumnElement[bool], before: datetime | None) -> Select[Any]:
    """The instants of one kind, behind an expression: PostgreSQL must come by way of the family.

    By way of an index on the instant it would read back through every other family's texts.
    """
    found = select(
        func.coalesce(at, at, type_=at.type).label("at"), literal_column(f"'{kind.value}'").label("kind")
    ).where(condition)
    return found if before is None else found.where(at < before)


def inside(seen: Window, at: InstrumentedAttribute[Any] | ColumnElement[Any]) -> list[ColumnElement[bool]]:
    conditions = []
    if seen.since is not None:
        conditions.append(at >= seen.since)
    if seen.before is not None:
        conditions.append(at < seen.before)
    return conditions
