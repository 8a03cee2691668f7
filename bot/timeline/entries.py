"""What can have happened with a family: the closed list of a timeline's entries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.language import Language
from bot.store.tables import CallOutcome, Channel, ConsentKind, Delivery, TextState
from bot.vocabulary import Barrier, Queue, Urgency


@dataclass(frozen=True)
class FamilyWrote:
    at: datetime
    words: str
    language: Language | None
    pictures: int
    understood: bool  # False for the moment between its arrival and the turn
    channel: Channel = Channel.SMS
    kept: tuple[int, ...] = ()  # the pictures that can be looked at


@dataclass(frozen=True)
class WeWrote:
    """A text to the family; `by` is the staff member's name, empty when the program wrote it."""

    at: datetime
    body: str
    english: str
    language: Language
    by: str
    state: TextState
    delivery: Delivery
    why_not: str
    error_code: str
    channel: Channel = Channel.SMS


@dataclass(frozen=True)
class BarrierShown:
    """A reason the program heard, with the family's words that showed it."""

    at: datetime
    barrier: Barrier
    words: str
    students: tuple[str, ...]


@dataclass(frozen=True)
class HandedOff:
    """The family began to wait for a person; `why` is the flow's word for it."""

    at: datetime
    queue: Queue
    urgency: Urgency
    why: str


@dataclass(frozen=True)
class Taken:
    at: datetime
    by: str


@dataclass(frozen=True)
class Returned:
    at: datetime
    by: str


@dataclass(frozen=True)
class Resolved:
    at: datetime
    by: str
    agreed: str


@dataclass(frozen=True)
class Called:
    at: datetime
    by: str
    outcome: CallOutcome
    note: str


@dataclass(frozen=True)
class ConsentChanged:
    """`words`: what staff took down; a family's own stand in its text."""

    at: datetime
    kind: ConsentKind
    source: str
    words: str = ""


Entry = (
    FamilyWrote | WeWrote | BarrierShown | HandedOff | Taken | Returned | Resolved | Called | ConsentChanged
)

# Things of one instant stand in the order in which they led to each other.
_LED_TO = (FamilyWrote, ConsentChanged, BarrierShown, Returned, HandedOff, Taken, WeWrote, Called, Resolved)


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Oldest first."""
    return tuple(sorted(entries, key=lambda entry: (entry.at, _LED_TO.index(type(entry)))))
