"""How fast and how much a sender may send, and the breaker that stops it for a fault of ours (TW-71, TW-80 to TW-85)."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.clock import instant
from bot.store.session import insert_unless_there
from bot.store.tables import SenderState

# The carriers' day caps begin anew at midnight there (rules.md, 30023 and 30027).
_CARRIERS_ZONE = ZoneInfo("America/Los_Angeles")

# So many faults of ours in a row, and nothing more is tried until it is worth another look.
_FAULTS_TO_CLOSE = 3
_CLOSED_FOR = timedelta(minutes=5)
# While one text is tried to see whether the sender is well again, nobody else tries a second one.
_TRYING = timedelta(seconds=30)


@dataclass(frozen=True)
class Pace:
    """What a sender may send: segments, not texts, for that is what carriers count (TW-80). None: no limit."""

    sender: str
    segments_per_second: float | None = None
    segments_a_day: int | None = None


@dataclass
class Gate:
    """What may leave by one sender in this transaction. Its row is locked, so two workers never overdraw it."""

    state: SenderState
    pace: Pace
    trying: bool

    @property
    def closed(self) -> bool:
        """The breaker is open: nothing but the safety text is tried."""
        return self.state.closed_until is not None and not self.trying

    def has_room(self, rank: int) -> bool:
        """Whether a text of this class may leave now.

        An answer to a family never waits behind a batch: it goes at once, and the batch waits for it.
        """
        if self.trying:
            return True
        return self.pace.segments_per_second is None or rank <= 1 or self.state.room > 0

    def full_today(self, rank: int, segments: int) -> bool:
        """Whether the day's cap leaves no room for this text; what a family waits for is tried all the same."""
        cap = self.pace.segments_a_day
        return cap is not None and rank > 1 and self.state.segments_today + segments > cap

    def took(self, segments: int) -> None:
        self.state.room -= segments
        self.state.segments_today += segments


def gate(session: Session, pace: Pace, now: datetime) -> Gate:
    """The sender's gate at this moment, its room filled up for the time that has passed."""
    state = session.get(SenderState, pace.sender, with_for_update=True, populate_existing=True)
    if state is None:
        fresh = {
            "key": pace.sender,
            "room": _most(pace),
            "filled_at": now,
            "day": carriers_day(now),
            "segments_today": 0,
            "faults": 0,
            "closed_until": None,
            "closed_why": "",
        }
        session.execute(insert_unless_there(session, SenderState, ("key",), fresh))
        state = session.get_one(SenderState, pace.sender, with_for_update=True, populate_existing=True)
    if pace.segments_per_second is not None:
        seconds = max(0.0, (now - state.filled_at).total_seconds())
        state.room = min(_most(pace), state.room + seconds * pace.segments_per_second)
        state.filled_at = max(now, state.filled_at)
    if state.day != carriers_day(now):
        state.day, state.segments_today = carriers_day(now), 0
    trying = state.closed_until is not None and state.closed_until <= now
    if trying:
        state.closed_until = now + _TRYING
    return Gate(state, pace, trying)


def _most(pace: Pace) -> float:
    """What may leave at once after a pause: one second's worth."""
    return max(1.0, pace.segments_per_second or 1.0)


def carriers_day(now: datetime) -> date:
    return now.astimezone(_CARRIERS_ZONE).date()


# --- the breaker ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Closed:
    """The breaker of a sender is open: since its last try it must not send until this instant."""

    sender: str
    until: datetime
    code: str


def note_fault(session: Session, sender: str, code: str, now: datetime) -> bool:
    """The provider refused us, not the family. True when this one opened the breaker."""
    state = session.get(SenderState, sender, with_for_update=True, populate_existing=True)
    if state is None:
        return False
    state.faults += 1
    if state.faults < _FAULTS_TO_CLOSE:
        return False
    opened = state.closed_until is None
    state.closed_until, state.closed_why = now + _CLOSED_FOR, code[:20]
    return opened


def note_success(session: Session, sender: str) -> None:
    """A text was taken: the sender is well."""
    session.execute(
        update(SenderState)
        .where(SenderState.key == sender, (SenderState.faults > 0) | SenderState.closed_until.is_not(None))
        .values(faults=0, closed_until=None, closed_why="")
        .execution_options(synchronize_session=False)
    )


def closed(session: Session) -> list[Closed]:
    """The senders whose breaker is open."""
    rows = session.execute(
        select(SenderState.key, SenderState.closed_until, SenderState.closed_why).where(
            SenderState.closed_until.is_not(None)
        )
    )
    return [Closed(key, until, why) for key, until, why in rows if until is not None]


def next_day(now: datetime) -> datetime:
    """When the carriers' caps begin anew."""
    return instant(carriers_day(now) + timedelta(days=1), time(0), _CARRIERS_ZONE)
