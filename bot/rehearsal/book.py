"""A provider whose book is a file: what left stands in it whoever is killed, with the moment at which it left."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from bot.clock import Clock
from bot.provider import Accepted, Arrived, Line, Listed, Outgoing, ReceiptHeld


@dataclass(frozen=True)
class Left:
    """One text that reached a phone."""

    token: str
    to: str
    body: str
    at: datetime

    @property
    def sid(self) -> str:
        return f"SIM{self.token}"


class Book:
    """Takes every text and says that it was delivered. `told`: whose receipt has been fetched."""

    sender = "simulator"

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self.told = 0

    def send(self, text: Outgoing) -> Accepted:
        left = Left(text.token, text.to, text.body, self._clock())
        line = json.dumps([left.token, left.to, left.body, left.at.isoformat()]) + "\n"
        # One write to a file that only grows: a process that is killed has written all of the line or nothing.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
        return Accepted(left.sid, "queued")

    @property
    def book(self) -> list[Left]:
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return [
            Left(token, to, body, datetime.fromisoformat(at))
            for token, to, body, at in map(json.loads, lines)
        ]

    def receipts(self) -> Iterable[ReceiptHeld]:
        held = self.book[self.told :]
        self.told += len(held)
        return [ReceiptHeld(left.token, left.sid, "delivered") for left in held]

    def sent_to(self, number: str, since: datetime) -> list[Listed]:
        return [
            Listed(left.sid, left.body, "delivered", "", left.at)
            for left in self.book
            if left.to == number and left.at >= since
        ]

    def arrived(self, since: datetime) -> list[Arrived]:  # noqa: ARG002 - every text comes as a webhook
        return []

    def line(self, number: str) -> Line:  # noqa: ARG002 - invented numbers have no line
        return Line.OTHER

    def deactivated(self, day: date) -> Iterable[str]:  # noqa: ARG002 - nor does a carrier give them up
        return ()

    def redact(self, sid: str) -> None:
        """Keep the text: the book is the judge's."""

    def trouble(self) -> list[str]:
        return []
