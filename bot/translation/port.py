"""What is asked of a translation server, and the two answers it may give."""

from dataclasses import dataclass
from typing import Protocol

from bot.language import Language


@dataclass(frozen=True)
class Translated:
    words: str


@dataclass(frozen=True)
class Unavailable:
    """No translation came. `why` is a sentence for the desk; it never quotes the text."""

    why: str


class Translator(Protocol):
    """Never raises, and answers within seconds. Nothing about danger or understanding may depend on it."""

    def translate(self, text: str, source: Language | None, target: Language) -> Translated | Unavailable:
        """Put *text* into *target*; without *source* the server finds out the language itself."""
        ...
