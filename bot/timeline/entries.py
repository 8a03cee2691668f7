"""What can have happened with a family: the closed list of a timeline's entries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from bot.language import Language
from bot.store.tables import (
    CallOutcome,
    Channel,
    ConsentKind,
    Delivery,
    DeviceKind,
    DeviceState,
    PassedOn,
    ReferralState,
    TextState,
)
from bot.vocabulary import Barrier, Queue, Service, Urgency, VisitOutcome


@dataclass(frozen=True)
class FamilyWrote:
    at: datetime
    words: str
    language: Language | None
    pictures: int
    understood: bool  # False for the moment between its arrival and the turn
    channel: Channel = Channel.SMS
    kept: tuple[int, ...] = ()  # the pictures that can be looked at
    id: int = 0
    by_machine: str = ""  # a machine's English of it, once somebody has asked for it


@dataclass(frozen=True)
class WeWrote:
    """A text to the family; `by` is the staff member's name, empty when the program wrote it.

    `machine_translated`: a person sent what a machine made of `english`.
    """

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
    machine_translated: bool = False


@dataclass(frozen=True)
class BarrierShown:
    """A reason the program heard, with the family's words that showed it.

    `barrier` is what it counts as today; `withdrawn`: a person has said that it was heard wrongly.
    """

    at: datetime
    barrier: Barrier
    words: str
    students: tuple[str, ...]
    id: int = 0
    withdrawn: bool = False


@dataclass(frozen=True)
class BarrierCorrected:
    """A person changed, removed or added a barrier: `before` is empty for an added one, `after` for a removed."""

    at: datetime
    by: str
    before: Barrier | None
    after: Barrier | None
    because: str
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
class HandedOn:
    """The family left somebody's hands: to a colleague, back to the queue, or back by the clock (`by` empty)."""

    at: datetime
    kind: PassedOn
    by: str
    from_: str
    to: str
    note: str


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
class VisitPlanned:
    """Two people will visit; `pair` are their names, the one who leads first."""

    at: datetime
    by: str
    visit_id: int
    student: str
    day: date
    pair: tuple[str, str]
    cancelled: bool


@dataclass(frozen=True)
class VisitMade:
    at: datetime
    by: str
    visit_id: int
    student: str
    outcome: VisitOutcome
    heard: str


@dataclass(frozen=True)
class ConsentChanged:
    """`words`: what staff took down; a family's own stand in its text."""

    at: datetime
    kind: ConsentKind
    source: str
    words: str = ""


@dataclass(frozen=True)
class ReferralMoved:
    """A step of a referral; `by` is empty when it came back by itself, for want of an outcome."""

    at: datetime
    by: str
    referral_id: int
    partner: str
    service: Service
    state: ReferralState
    note: str
    student: str


@dataclass(frozen=True)
class DeviceIssued:
    at: datetime
    by: str
    kind: DeviceKind
    tag: str
    student: str
    note: str


@dataclass(frozen=True)
class DeviceReturned:
    at: datetime
    by: str
    kind: DeviceKind
    tag: str
    student: str
    condition: DeviceState
    note: str


@dataclass(frozen=True)
class NoteWritten:
    """`words` are empty for a restricted note: its readers open it. `student` is empty for the whole family."""

    at: datetime
    by: str
    note_id: int
    restricted: bool
    words: str
    student: str


Entry = (
    FamilyWrote
    | WeWrote
    | BarrierShown
    | BarrierCorrected
    | HandedOff
    | Taken
    | HandedOn
    | Returned
    | Resolved
    | Called
    | VisitPlanned
    | VisitMade
    | ConsentChanged
    | ReferralMoved
    | DeviceIssued
    | DeviceReturned
    | NoteWritten
)

# Things of one instant stand in the order in which they led to each other.
_LED_TO = (
    FamilyWrote,
    ConsentChanged,
    BarrierShown,
    BarrierCorrected,
    Returned,
    HandedOff,
    Taken,
    HandedOn,
    WeWrote,
    Called,
    VisitPlanned,
    VisitMade,
    ReferralMoved,
    DeviceIssued,
    DeviceReturned,
    NoteWritten,
    Resolved,
)


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Oldest first."""
    return tuple(sorted(entries, key=lambda entry: (entry.at, _LED_TO.index(type(entry)))))
