"""Phones on this machine: every text is delivered at once, and nothing leaves."""

import threading
from collections.abc import Iterable
from datetime import date, datetime

from bot.phone import PhoneNumber, PhoneRefused
from bot.provider import Accepted, Arrived, Line, Listed, Outgoing, ReceiptHeld, Refused, meaning

# The numbers with which Twilio lets a program rehearse its errors (TW-109).
_MAGIC = {
    "+15005550001": "21211",
    "+15005550002": "21612",
    "+15005550003": "21408",
    "+15005550004": "21610",
    "+15005550009": "21614",
}


class Simulator:
    """Keeps a book of what reached which phone; tests and the demo read it."""

    sender = "simulator"

    def __init__(self) -> None:
        self.book: list[Outgoing] = []
        self._held: list[ReceiptHeld] = []
        self._lock = threading.Lock()

    def send(self, text: Outgoing) -> Accepted:
        if text.to in _MAGIC:
            raise Refused(meaning.of(_MAGIC[text.to]))
        try:
            PhoneNumber.parse(text.to)
        except PhoneRefused:
            raise Refused(meaning.of("21211")) from None
        with self._lock:
            self.book.append(text)
            self._held.append(ReceiptHeld(text.token, _sid(text), "delivered"))
        return Accepted(_sid(text), "queued")

    def receipts(self) -> Iterable[ReceiptHeld]:
        with self._lock:
            held, self._held = self._held, []
        return held

    def sent_to(self, number: str, since: datetime) -> list[Listed]:
        """Every text to that number: the book keeps no times, so each is said to be of *since*."""
        with self._lock:
            return [
                Listed(_sid(text), text.body, "delivered", "", since)
                for text in self.book
                if text.to == number
            ]

    def arrived(self, since: datetime) -> list[Arrived]:  # noqa: ARG002 - the page of phones posts each at once
        return []

    def line(self, number: str) -> Line:  # noqa: ARG002 - invented numbers have no line
        return Line.OTHER

    def deactivated(self, day: date) -> Iterable[str]:  # noqa: ARG002 - nor does a carrier give them up
        return ()

    def redact(self, sid: str) -> None:
        """Keep the text: the book is the phones' memory, not a provider's copy."""

    def trouble(self) -> list[str]:
        return []


def _sid(text: Outgoing) -> str:
    return f"SIM{text.token}"
