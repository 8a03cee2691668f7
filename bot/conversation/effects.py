"""What must now happen: the closed list that `advance` applies, one by one, in one transaction."""

from dataclasses import dataclass
from datetime import date

from bot.language import Language
from bot.vocabulary import Barrier, Outcome, Purpose, Queue, Urgency


@dataclass(frozen=True)
class Say:
    """Text the family. `key` is flow.node, `line` the English sentence; `texts` alone renders it."""

    key: str
    line: str
    about: tuple[int, ...]
    purpose: Purpose = Purpose.REPLY
    day: date | None = None  # the return date that is read back ({day} in the line)
    # The answer is promised by a moment that depends on how urgent the handoff is ({by} in the line).
    urgency: Urgency | None = None


@dataclass(frozen=True)
class RecordBarrier:
    """Keep why these students could not come, with the words that showed it."""

    code: Barrier
    words: str
    about: tuple[int, ...]


@dataclass(frozen=True)
class RecordReturn:
    """The family named the day on which these students come back."""

    day: date
    about: tuple[int, ...]


@dataclass(frozen=True)
class RecordOutcome:
    """Move the ledger of these students; it never falls back to a weaker outcome."""

    outcome: Outcome
    about: tuple[int, ...]


@dataclass(frozen=True)
class HandOff:
    """A family waits for a person. `why` is a word the desk has a sentence for."""

    queue: Queue
    urgency: Urgency
    why: str


@dataclass(frozen=True)
class TellStaff:
    """The family wrote again while a person owns or awaits the conversation: the waiting clock runs."""


@dataclass(frozen=True)
class StopTexting:
    """The family withdrew consent for this number."""


@dataclass(frozen=True)
class ResumeTexting:
    """The family gave back the consent that STOP ended, and only that (LAW-16)."""


@dataclass(frozen=True)
class HoldTexting:
    """Perhaps consent was withdrawn: no automatic text until a person has read it (LAW-12)."""


@dataclass(frozen=True)
class MarkWrongNumber:
    """The number belongs to somebody else."""


@dataclass(frozen=True)
class SpeakLanguage:
    """The family asked for this language; it is the guardian's from now on."""

    language: Language


@dataclass(frozen=True)
class DropQueued:
    """The bot's own texts of this conversation that have not left must not leave."""


Effect = (
    Say
    | RecordBarrier
    | RecordReturn
    | RecordOutcome
    | HandOff
    | TellStaff
    | StopTexting
    | ResumeTexting
    | HoldTexting
    | MarkWrongNumber
    | SpeakLanguage
    | DropQueued
)
