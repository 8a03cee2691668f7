"""The book: every text that reached a phone. It judges whether a family got one text, two or none."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One text of ours, as it was accepted. `sender` is a number or a Messaging Service."""

    sid: str
    to: str
    body: str
    sender: str
    status_callback: str
    at: datetime

    def line(self) -> str:
        return json.dumps({**asdict(self), "at": self.at.isoformat()}, ensure_ascii=False)


class Book:
    """Entries in the order in which they were accepted; appended to *file* too, while it is open."""

    def __init__(self, file: Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._file = file
        self._writer: TextIOWrapper | None = None

    def open(self) -> None:
        if self._file:
            self._writer = self._file.open("a", encoding="utf-8")

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self._writer = None

    def write(self, entry: Entry) -> None:
        self._entries.append(entry)
        if self._writer:
            # Flushed at once: the book outlives whatever is killed beside it.
            self._writer.write(entry.line() + "\n")
            self._writer.flush()

    def entries(self) -> list[Entry]:
        return list(self._entries)


def read_book(file: Path) -> list[Entry]:
    """The book as a file holds it; a last line that was never finished does not count."""
    lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
    found = [json.loads(line) for line in lines]
    return [Entry(**{**line, "at": datetime.fromisoformat(line["at"])}) for line in found]
