"""Keywords and menu answers: texts whose whole cleaned length is one of a few words (LAW-12, TW-90, TW-92)."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from bot.language import Language
from bot.understanding.text import words_of
from bot.vocabulary import Keyword

_DIGIT = re.compile(r"[1-9]")
_HEADING = re.compile(r"\[(.+)\]")


def cleaned(text: str) -> str:
    """The words of *text* alone: folded, without punctuation, emoji and invisible characters."""
    return " ".join(word.form.replace("'", "") for word in words_of(text) if word.form[0].isalnum())


@dataclass(slots=True)
class Keywords:
    """The accepted words of all ten languages."""

    keywords: dict[str, Keyword] = field(default_factory=dict)
    numbers: dict[Language, dict[str, str]] = field(default_factory=dict)
    openers: set[str] = field(default_factory=set)
    persons: set[str] = field(default_factory=set)

    @classmethod
    def from_file(cls, path: Path) -> "Keywords":
        found = cls()
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            heading = _HEADING.fullmatch(line.strip())
            if heading:
                section = heading.group(1)
            elif line and not line.startswith("#"):
                code, _, listed = line.partition(":")
                found._add(section, Language(code), [cleaned(word) for word in listed.split(",")])
        return found

    def _add(self, section: str, language: Language, words: list[str]) -> None:
        if section.startswith("number "):
            digit = section.removeprefix("number ")
            self.numbers.setdefault(language, {}).update(dict.fromkeys(words, digit))
        elif section == "before a number":
            self.openers.update(words)
        elif section == "person":
            self.persons.update(words)
        else:
            self.keywords.update(dict.fromkeys(words, Keyword(section)))

    def keyword(self, text: str) -> Keyword | None:
        """STOP, START or HELP when the whole text is one; never a prefix ("stop please" is not)."""
        return self.keywords.get(cleaned(text))

    def asks_for_person(self, text: str) -> bool:
        """Whether the whole text is the word by which our HELP answer says a person is reached."""
        return cleaned(text) in self.persons

    def choice(self, text: str, expected: Language | None = None) -> str | None:
        """The digit of a menu answer: "1", "#2", "2️⃣", "٣", "option 2", or a number word alone.

        A number word counts in the expected language and English, or in any when none is expected:
        "um" is one in Portuguese and nothing in English.
        """
        words = cleaned(text).split()
        if len(words) == 2 and words[0] in self.openers:
            words = words[1:]
        if len(words) != 1:
            return None
        if _DIGIT.fullmatch(words[0]):
            return words[0]
        languages = (expected, Language.ENGLISH) if expected else tuple(Language)
        for language in languages:
            if words[0] in self.numbers.get(language, {}):
                return self.numbers[language][words[0]]
        return None
