"""The big stop button: nothing leaves but the safety text, on every machine, until somebody says go.

Pressing it twice is pressing it once: the first reason stands, and so does the time since when.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bot import audit
from bot.errors import PresenteError
from bot.store.tables import StopEvent

_log = structlog.get_logger(__name__)

LONGEST_REASON = 500


class StopRefused(PresenteError):
    """The button cannot be pressed so: without a reason, or by somebody who has not seen its last use."""


@dataclass(frozen=True)
class Press:
    """One use of the button: who stopped the texts or let them go on, why and when."""

    id: int
    stopped: bool
    by: str
    reason: str
    at: datetime


def stopped(session: Session) -> Press | None:
    """The stop that holds now; None while texts may leave."""
    newest = last_press(session)
    return newest if newest is not None and newest.stopped else None


def last_press(session: Session) -> Press | None:
    """The newest use of the button; None before the first."""
    return next(iter(presses(session, 1)), None)


def presses(session: Session, most: int) -> list[Press]:
    """The newest uses of the button, the last one first."""
    rows = session.execute(
        select(StopEvent.id, StopEvent.stopped, StopEvent.by, StopEvent.reason, StopEvent.at)
        .order_by(StopEvent.id.desc())
        .limit(most)
    )
    return [Press(*row) for row in rows]


def stop(
    session: Session,
    *,
    by: str,
    reason: str,
    now: datetime,
    staff_id: int | None = None,
    seen: int | None = None,
) -> bool:
    """Stop everything that leaves but the safety text; False when it stood still already.

    What is queued waits, and is not lost. *seen* is the id of the newest use that whoever presses has
    read, 0 before the first: a form kept open must not undo what it does not show. Raises StopRefused.
    """
    return _press(session, True, by, reason, now, staff_id, seen)


def go(
    session: Session,
    *,
    by: str,
    reason: str,
    now: datetime,
    staff_id: int | None = None,
    seen: int | None = None,
) -> bool:
    """Let the texts go on; False when they do already. *seen* as in `stop`. Raises StopRefused.

    Whatever came too late meanwhile is not sent; staff see it as such.
    """
    return _press(session, False, by, reason, now, staff_id, seen)


def _press(
    session: Session,
    stop_it: bool,
    by: str,
    reason: str,
    now: datetime,
    staff_id: int | None,
    seen: int | None,
) -> bool:
    reason = " ".join(reason.replace("\x00", "").split())
    if not reason:
        raise StopRefused("Say why in a few words: whoever comes next must know whether to go on.")
    _one_at_a_time(session)
    newest = last_press(session)
    if (newest is not None and newest.stopped) is stop_it:
        return False
    if seen is not None and seen != (newest.id if newest else 0):
        raise StopRefused(
            "Somebody has used the button since this page was opened. Read what it says now, then decide."
        )
    session.add(StopEvent(stopped=stop_it, by=by, staff_id=staff_id, reason=reason[:LONGEST_REASON], at=now))
    act = "stop_texts" if stop_it else "let_texts_go"
    by_hand = "" if staff_id is not None else f"{by}: "  # the machine's name for somebody at the command line
    audit.note(session, staff_id, act, now=now, detail=by_hand + reason[:LONGEST_REASON])
    _log.info(act, staff_id=staff_id)
    return True


def _one_at_a_time(session: Session) -> None:
    """Two who press in the same moment follow one another; SQLite has one writer anyway. Readers go on."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE stops IN EXCLUSIVE MODE"))
