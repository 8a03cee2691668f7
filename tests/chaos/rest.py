"""Whether everything has come to rest, and the verdict on what is left then."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import clock
from bot.store.tables import InboundText, OutboundText, TextState
from bot.vocabulary import Purpose

# What is due no sooner than this is a second try of a text that failed, or waits for another day.
_LATER = timedelta(minutes=2)


@dataclass(frozen=True)
class State:
    """How many texts are where. `asked`: check-ins; `unread`: families' texts without a turn."""

    texts: dict[str, int]
    asked: int
    unread: int
    inbound: int

    @property
    def is_at_rest(self) -> bool:
        return not self.unread and not any(
            self.texts.get(state) for state in ("queued", "claimed", "unknown")
        )

    def __str__(self) -> str:
        texts = ", ".join(f"{count} {state}" for state, count in sorted(self.texts.items()))
        came = f"; {self.inbound} came in, {self.unread} unread" if self.inbound else ""
        return f"{texts or 'no texts'}{came}"


def state_of(session: Session) -> State:
    later = (OutboundText.not_before > clock.now() + _LATER).label("later")
    rows = session.execute(
        select(OutboundText.state, later, func.count()).group_by(OutboundText.state, later)
    )
    counted: Counter[str] = Counter()
    for state, much_later, count in rows:
        counted["later" if much_later and state is TextState.QUEUED else state.value] += count
    asked = session.scalar(
        select(func.count()).where(OutboundText.purpose == Purpose.CHECK_IN, OutboundText.retry_of.is_(None))
    )
    came, read = session.execute(select(func.count(InboundText.id), func.count(InboundText.handled_at))).one()
    return State(dict(counted), asked or 0, came - read, came)


@dataclass(frozen=True)
class Verdict:
    """What a storm came to. `faults` are sentences; without one every promise was kept."""

    what: str
    seed: int
    seconds: float
    kills: int
    restarts: int
    freezes: int
    counts: dict[str, float]
    faults: tuple[str, ...]
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        verdict = f"{len(self.faults)} FAULTS" if self.faults else "every promise was kept"
        lines = [
            f"{self.what}, seed {self.seed}: {verdict}",
            f"  {self.seconds:.0f} seconds, {self.kills} kills, {self.restarts} falls of the database, {self.freezes} freezes",
            *(f"  {name}: {number:g}" for name, number in self.counts.items()),
            *(f"  ! {fault}" for fault in self.faults[:40]),
            *(f"  | {word}" for word in self.words),
        ]
        return "\n".join(lines)
