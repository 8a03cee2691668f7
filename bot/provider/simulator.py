"""Phones on this machine: every text is delivered at once, and nothing leaves."""

import threading
from collections.abc import Iterable

from bot.phone import PhoneNumber, PhoneRefused
from bot.provider import Accepted, Fault, Outgoing, ReceiptHeld, Refused

# The numbers with which Twilio lets a program rehearse its errors (TW-109).
_MAGIC = {
    "+15005550001": ("21211", Fault.DEAD, "the number does not exist"),
    "+15005550002": ("21612", Fault.DEAD, "the number cannot be reached"),
    "+15005550003": ("21408", Fault.SENDER, "texts to that country are switched off"),
    "+15005550004": ("21610", Fault.OPTED_OUT, "the family opted out"),
    "+15005550009": ("21614", Fault.LANDLINE, "the number cannot receive texts"),
}


class Simulator:
    """Keeps a book of what reached which phone; tests and the demo read it."""

    def __init__(self) -> None:
        self.book: list[Outgoing] = []
        self._held: list[ReceiptHeld] = []
        self._lock = threading.Lock()

    def send(self, text: Outgoing) -> Accepted:
        try:
            PhoneNumber.parse(text.to)
        except PhoneRefused:
            if text.to not in _MAGIC:
                raise Refused("the number is not valid", "21211", Fault.DEAD) from None
        if text.to in _MAGIC:
            code, fault, sentence = _MAGIC[text.to]
            raise Refused(sentence, code, fault)
        with self._lock:
            self.book.append(text)
            sid = f"SIM{text.token}"
            self._held.append(ReceiptHeld(text.token, sid, "delivered"))
        return Accepted(sid, "queued")

    def receipts(self) -> Iterable[ReceiptHeld]:
        with self._lock:
            held, self._held = self._held, []
        return held

    def trouble(self) -> str:
        return ""
