"""What becomes of a case: opened, seen, taken, answered, passed on, come back, resolved."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, case, insert, select, update
from sqlalchemy.orm import Session

from bot.store.prepared import Change, Query
from bot.store.tables import Handoff, HandoffState, PassedOn, Transfer
from bot.vocabulary import Queue, Urgency

UNRESOLVED = (HandoffState.OPEN, HandoffState.TAKEN)
URGENCY_ORDER = case({urgency: rank for rank, urgency in enumerate(Urgency)}, value=Handoff.urgency)

_FETCH = {"synchronize_session": "fetch"}


class _Waiting(NamedTuple):
    """A case that is not resolved, as far as another reason to wait can change it."""

    id: int
    queue: Queue
    urgency: Urgency
    why: str
    taken_by: int | None
    waiting_since: datetime | None
    due_at: datetime
    seen_at: datetime | None
    seen_by: int | None
    alarm_at: datetime | None


_THEIRS = (Handoff.conversation_id == bindparam("conversation_id"), Handoff.state != HandoffState.RESOLVED)
_WAITING = select(*(getattr(Handoff, name) for name in _Waiting._fields)).where(*_THEIRS)
_FIRST_WAITING = Query(_WAITING.order_by(URGENCY_ORDER, Handoff.id).limit(1).with_for_update(), _Waiting)
_ALL_WAITING = Query(_WAITING.order_by(Handoff.id), _Waiting)
_OPEN = Query(
    insert(Handoff).returning(Handoff.id),
    int,
    columns=(
        "conversation_id",
        "school_id",
        "queue",
        "urgency",
        "why",
        "state",
        "opened_at",
        "waiting_since",
        "due_at",
        "resolution",
        "alarm_at",
    ),
)
_CHANGE = Change(
    update(Handoff).where(Handoff.id == bindparam("which")),
    columns=("queue", "urgency", "why", "waiting_since", "due_at", "seen_at", "seen_by", "alarm_at"),
)
_WAIT_AGAIN = Change(
    update(Handoff).where(Handoff.id == bindparam("which")), columns=("waiting_since", "due_at")
)


def open_one(
    session: Session,
    *,
    conversation_id: int,
    school_id: int | None,
    queue: Queue,
    urgency: Urgency,
    why: str,
    due_at: datetime,
    now: datetime,
    beside: bool = False,
) -> int:
    """A family waits from now on. One that waits already is made more urgent, never doubled.

    Danger heard while a person has the case opens a second, urgent one: it must be seen anew. *beside*:
    so does a task of its own, such as a home visit, which must not be lost in a call that is due today.
    """
    session.flush()
    waiting = None if beside else _FIRST_WAITING.first(session, conversation_id=conversation_id)
    if waiting is None or (
        urgency is Urgency.P0 and waiting.urgency is not Urgency.P0 and waiting.taken_by is not None
    ):
        return _OPEN.one(
            session,
            conversation_id=conversation_id,
            school_id=school_id,
            queue=queue,
            urgency=urgency,
            why=why,
            state=HandoffState.OPEN,
            opened_at=now,
            waiting_since=now,
            due_at=due_at,
            resolution="",
            alarm_at=now if urgency is Urgency.P0 else None,
        )
    more_urgent = urgency < waiting.urgency
    # Whoever has looked has seen what was known then: danger heard again is an alarm again.
    alarmed = urgency is Urgency.P0 and (waiting.alarm_at is None or waiting.seen_at is not None)
    _CHANGE.run(
        session,
        which=waiting.id,
        urgency=urgency if more_urgent else waiting.urgency,
        queue=queue if more_urgent else waiting.queue,
        why=why if more_urgent else waiting.why,
        waiting_since=waiting.waiting_since or now,
        # Who was answered begins a new wait, and is promised a new time.
        due_at=min(waiting.due_at, due_at) if waiting.waiting_since else due_at,
        seen_at=None if alarmed else waiting.seen_at,
        seen_by=None if alarmed else waiting.seen_by,
        alarm_at=now if alarmed else waiting.alarm_at,
    )
    return waiting.id


def is_open(session: Session, conversation_id: int) -> bool:
    """Whether a person has or awaits this conversation."""
    return _FIRST_WAITING.first(session, conversation_id=conversation_id) is not None


def family_wrote(
    session: Session, conversation_id: int, now: datetime, due: Callable[[Urgency], datetime]
) -> bool:
    """The family waits for an answer again; False when nobody has or awaits the conversation.

    Who was answered meanwhile has a new time by which to be answered: *due* says it of an urgency.
    """
    cases = _ALL_WAITING.all(session, conversation_id=conversation_id)
    for each in cases:
        if each.waiting_since is None:
            _WAIT_AGAIN.run(session, which=each.id, waiting_since=now, due_at=due(each.urgency))
    return bool(cases)


def seen(session: Session, conversation_id: int, staff_id: int, now: datetime) -> bool:
    """A helper has opened the family's page: nobody else needs to be alarmed. True for the first to do so."""
    changed = session.execute(
        update(Handoff)
        .where(
            Handoff.conversation_id == conversation_id,
            Handoff.state.in_(UNRESOLVED),
            Handoff.seen_at.is_(None),
        )
        .values(seen_at=now, seen_by=staff_id),
        execution_options=_FETCH,
    )
    return int(getattr(changed, "rowcount", 0)) > 0


def take(session: Session, conversation_id: int, staff_id: int, now: datetime) -> None:
    """Every handoff of the conversation is this person's from now on."""
    session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state.in_(UNRESOLVED))
        .values(_taken(staff_id, now)),
        execution_options=_FETCH,
    )


def take_these(session: Session, handoffs: Collection[int], staff_id: int, now: datetime) -> None:
    """These lines are this person's from now on; what else the family waits for stays where it is."""
    session.execute(
        update(Handoff)
        .where(Handoff.id.in_(handoffs), Handoff.state.in_(UNRESOLVED))
        .values(_taken(staff_id, now)),
        execution_options=_FETCH,
    )


def _taken(staff_id: int, now: datetime) -> dict[str, object]:
    return {"state": HandoffState.TAKEN, "taken_by": staff_id, "taken_at": now, "acted_at": now}


def put_back(session: Session, conversation_id: int, now: datetime, *, taken_by: int | None = None) -> None:
    """Nobody has the case any more; it waits where it waited before, and danger alarms anew.

    With *taken_by*, only what this person had: a colleague's visit to the same family stays theirs.
    """
    theirs = Handoff.taken_by == taken_by if taken_by is not None else Handoff.taken_by.is_not(None)
    session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state == HandoffState.TAKEN, theirs)
        .values(
            state=HandoffState.OPEN,
            taken_by=None,
            taken_at=None,
            acted_at=None,
            seen_at=case((Handoff.alarm_at.is_(None), Handoff.seen_at)),
            seen_by=case((Handoff.alarm_at.is_(None), Handoff.seen_by)),
            alarm_at=case((Handoff.alarm_at.is_not(None), now)),
        ),
        execution_options=_FETCH,
    )


def passed_on(
    session: Session,
    conversation_id: int,
    kind: PassedOn,
    *,
    by: int | None,
    from_: int | None,
    to: int | None,
    note: str,
    now: datetime,
) -> None:
    """Keep whose hands a family left, for whom and why: whoever has it next must know."""
    session.add(
        Transfer(
            conversation_id=conversation_id,
            kind=kind,
            by_staff_id=by,
            from_staff_id=from_,
            to_staff_id=to,
            note=note,
            at=now,
        )
    )
    session.flush()


def answered(session: Session, conversation_id: int, now: datetime | None = None) -> None:
    """A reply or a call: the family no longer waits for us; the case goes on."""
    values = {"waiting_since": None} | ({"acted_at": now} if now is not None else {})
    session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state.in_(UNRESOLVED))
        .values(values),
        execution_options=_FETCH,
    )


def resolve(session: Session, conversation_id: int, staff_id: int, resolution: str, now: datetime) -> int:
    """The case is seen through; returns how many handoffs that closed."""
    done = session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state.in_(UNRESOLVED))
        .values(_resolved(staff_id, resolution, now)),
        execution_options=_FETCH,
    )
    return int(getattr(done, "rowcount", 0))


def resolve_untaken(
    session: Session, handoffs: Collection[int], staff_id: int, resolution: str, now: datetime
) -> list[int]:
    """Close those of these lines that nobody has taken; returns which. What somebody has in hand stays theirs."""
    return list(
        session.scalars(
            update(Handoff)
            .where(Handoff.id.in_(handoffs), Handoff.state == HandoffState.OPEN)
            .values(_resolved(staff_id, resolution, now))
            .returning(Handoff.id),
            execution_options={"synchronize_session": False},
        )
    )


def reopen(session: Session, handoffs: Collection[int], now: datetime) -> None:
    """These lines were closed by mistake: the families wait again, from now."""
    session.execute(
        update(Handoff)
        .where(Handoff.id.in_(handoffs), Handoff.state == HandoffState.RESOLVED)
        .values(
            state=HandoffState.OPEN, resolved_by=None, resolved_at=None, resolution="", waiting_since=now
        ),
        execution_options={"synchronize_session": False},
    )


def resolve_these(
    session: Session, handoffs: Collection[int], staff_id: int, resolution: str, now: datetime
) -> None:
    """These lines are seen through, whoever had them: a visit was made, and the rest of the case goes on."""
    session.execute(
        update(Handoff)
        .where(Handoff.id.in_(handoffs), Handoff.state.in_(UNRESOLVED))
        .values(_resolved(staff_id, resolution, now)),
        execution_options=_FETCH,
    )


def _resolved(staff_id: int, resolution: str, now: datetime) -> dict[str, object]:
    return {
        "state": HandoffState.RESOLVED,
        "resolved_by": staff_id,
        "resolved_at": now,
        "resolution": resolution,
        "waiting_since": None,
    }
