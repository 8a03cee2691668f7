"""What is read from one family text: the Reading and its parts."""

from dataclasses import dataclass
from datetime import date

from bot.language import Language
from bot.vocabulary import Barrier, Intent, Keyword


@dataclass(frozen=True)
class Found:
    """A barrier and the family's own words that show it (a substring of the text)."""

    barrier: Barrier
    words: str


@dataclass(frozen=True)
class Reading:
    """Everything one text says. Danger stands beside the intent and is acted on first.

    intent is CRISIS when danger is the message; a text that also withdraws consent ("stop texting
    this phone, he goes through it") keeps OPT_OUT, and one that insists the child was taken to
    school keeps CHILD_IS_AT_SCHOOL, so that nothing said is lost.
    """

    language: Language | None
    keyword: Keyword | None
    choice: str | None
    intent: Intent
    barriers: tuple[Found, ...]
    danger: str | None
    whereabouts: str | None
    wants_person: bool
    may_mean_stop: bool
    wants_language: Language | None
    returns_on: date | None
    named: tuple[str, ...]
    everyone: bool
