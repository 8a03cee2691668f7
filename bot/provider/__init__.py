"""What we ask of whoever carries the texts, and the short tree of what can go wrong.

SendFailed
├── Refused   never again: a landline, a number that opted out, a sender that may not send
├── Passing   nothing was sent and it may be tried later: too many requests at once
└── Unknown   perhaps sent: a time-out, a reset, an answer nobody can read; never blindly sent again
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.errors import PresenteError


class Fault(StrEnum):
    """What a refusal means for the phone or for the sender."""

    OPTED_OUT = "opted_out"
    LANDLINE = "landline"
    DEAD = "dead"
    CONTENT = "content"
    SENDER = "sender"  # ours, not the family's: nobody's number may be marked for it (TW-71)


class SendFailed(PresenteError):
    """A text was not, or perhaps not, handed over. `code` is the provider's own word, if any."""

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class Refused(SendFailed):
    """The provider said no and will say no again."""

    def __init__(self, sentence: str, code: str, fault: Fault) -> None:
        super().__init__(sentence, code)
        self.fault = fault


class Passing(SendFailed):
    """The provider said not now; the text was never processed."""


class Unknown(SendFailed):
    """Nobody knows whether the provider has it; only a receipt or the provider's list can tell."""


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


class Provider(Protocol):
    def send(self, text: Outgoing) -> Accepted:
        """Hand one text over. Raises Refused, Passing or Unknown."""

    def receipts(self) -> Iterable[ReceiptHeld]:
        """Receipts to fetch now; a provider that posts them to our webhook has none here."""

    def trouble(self) -> str:
        """Why nothing can be sent with the present settings, as one sentence; "" when all is well."""
