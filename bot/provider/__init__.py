"""What we ask of whoever carries the texts, and the short tree of what can go wrong.

SendFailed
├── Refused   the provider said no to this text; its `meaning` says what that is for text, phone and sender
├── Passing   nothing was sent, and it may be tried later: too many requests at once, nobody listened
└── Unknown   perhaps sent: a time-out, a reset, an answer nobody can read; never blindly sent again
NotTold       a question to the provider (its list, a line's type) was not answered
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from bot.errors import PresenteError


class TextFate(StrEnum):
    """What becomes of a text that an error code came for."""

    GONE = "gone"  # it will never arrive: a person calls instead
    AGAIN = "again"  # once more today, a little later (TW-70)
    NEXT_DAY = "next_day"  # not before the carriers' next day, which for an attendance text is too late
    WAITS = "waits"  # untouched: it waits until the sender is well again


class PhoneFate(StrEnum):
    """What becomes of the number that an error code came for."""

    UNTOUCHED = "untouched"
    OPTED_OUT = "opted_out"
    LANDLINE = "landline"
    DEAD = "dead"
    OUT_OF_REACH = "out_of_reach"  # counted: off, no signal, or sometimes a landline


class SenderFate(StrEnum):
    """What becomes of our own sender. A family's number is never marked for one of these (TW-71)."""

    WELL = "well"
    SLOWER = "slower"  # fewer at once, and a pause
    CLOSED = "closed"  # a fault of ours: enough of them open the breaker


@dataclass(frozen=True)
class Meaning:
    """One line of errors.toml: a provider's code, in words, and what it does to text, phone and sender."""

    code: str
    means: str
    text: TextFate
    phone: PhoneFate
    sender: SenderFate


class SendFailed(PresenteError):
    """A text was not, or perhaps not, handed over. `code` is the provider's own word, if any."""

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class Refused(SendFailed):
    """The provider said no to this text."""

    def __init__(self, meaning: Meaning) -> None:
        super().__init__(f"{meaning.means} (error {meaning.code})", meaning.code)
        self.meaning = meaning


class Passing(SendFailed):
    """The provider said not now, or was never reached; the text was not processed."""


class Unknown(SendFailed):
    """Nobody knows whether the provider has it; only a receipt or the provider's list can tell."""


class NotTold(PresenteError):
    """The provider did not answer a question; nothing may be concluded from it."""


@dataclass(frozen=True)
class Outgoing:
    """One text to hand over. `token` is ours and opaque: the receipt's address carries it (TW-44)."""

    token: str
    to: str
    body: str
    valid_seconds: int  # how long the provider may keep it before it is too late (TW-45)


@dataclass(frozen=True)
class Accepted:
    sid: str
    status: str


@dataclass(frozen=True)
class ReceiptHeld:
    """A word on delivery that waits to be fetched, for providers that do not post it to us."""

    token: str
    sid: str
    status: str
    error_code: str = ""


@dataclass(frozen=True)
class Listed:
    """A text of ours as the provider's own list has it (TW-60)."""

    sid: str
    body: str
    status: str
    error_code: str
    created_at: datetime


@dataclass(frozen=True)
class Arrived:
    """A family's text as the provider's own list has it, for those whose webhook was lost (TW-61)."""

    sid: str
    sender: str
    words: str
    media_count: int
    at: datetime


class Line(StrEnum):
    """What a number is, as far as the provider's lookup knows."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    OTHER = "other"


class Provider(Protocol):
    """Whoever carries the texts. `sender` names the number or service they leave by."""

    sender: str

    def send(self, text: Outgoing) -> Accepted:
        """Hand one text over. Raises Refused, Passing or Unknown."""

    def receipts(self) -> Iterable[ReceiptHeld]:
        """Receipts to fetch now; a provider that posts them to our webhook has none here."""

    def sent_to(self, number: str, since: datetime) -> list[Listed]:
        """Every text of ours to *number* that was created at or after *since*: the whole list, or NotTold."""

    def arrived(self, since: datetime) -> list[Arrived]:
        """Every text that reached our numbers at or after *since*, oldest first: all, or NotTold."""

    def line(self, number: str) -> Line:
        """What kind of line *number* is. Raises NotTold."""

    def deactivated(self, day: date) -> Iterable[str]:
        """The US numbers (E.164) that the carriers gave up on *day*. Raises NotTold."""

    def redact(self, sid: str) -> None:
        """Empty the provider's own copy of a text. Raises NotTold; one that is gone already is no error."""

    def trouble(self) -> list[str]:
        """What keeps texts from leaving or coming in with the present settings, a sentence each."""
