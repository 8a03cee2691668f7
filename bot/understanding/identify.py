"""Which of the ten languages a text is in: by its script where that settles it, else by a small model."""

from dataclasses import dataclass
from pathlib import Path

from bot.language import Language
from bot.understanding.features import language_features
from bot.understanding.linear import Linear
from bot.understanding.text import Word, words_of

_SCRIPTS = (
    (Language.ARABIC, "\u0600", "\u06ff"),
    (Language.UKRAINIAN, "\u0400", "\u04ff"),
    (Language.CHINESE, "\u3400", "\u9fff"),
)

# Words every family types, whatever it speaks: no evidence of a language.
_EVERYWHERE = frozenset(
    word
    for line in (
        "ok okay okey k kk okk lol haha hahaha hahahaha jaja hmm hm mm oh ah eh uh xd bye hi hello stop start",
        "help info no wifi chromebook covid iphone email sms tv gps ice",
    )
    for word in line.split()
)

_SURE_ENOUGH = 0.55

# A name and a greeting are no evidence of the language somebody writes in; a page of words adds none.
_WORDS_THAT_TELL = 3
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Guess:
    """The likelihood of each language, likeliest first, and whether the text is evidence at all."""

    ranked: tuple[tuple[Language, float], ...]
    evidence: bool

    @property
    def best(self) -> Language:
        return self.ranked[0][0]

    @property
    def language(self) -> Language | None:
        return self.best if self.evidence and self.ranked[0][1] >= _SURE_ENOUGH else None


class Identifier:
    """Tells languages apart; loaded once."""

    def __init__(self, model: Linear) -> None:
        self.model = model

    @classmethod
    def from_file(cls, path: Path) -> "Identifier":
        return cls(Linear.load(path))

    def guess(self, words: list[Word], expected: Language | None = None) -> Guess:
        """Rank the languages of *words*; *expected* decides only between what the text leaves open."""
        script = by_script(words)
        if script is not None:
            return Guess(((script, 1.0),), evidence=True)
        scores = self.model.score(language_features(words)).exclusive
        weighed = {
            Language(code): chance * (4.0 if expected is not None and code == expected.value else 1.0)
            for code, chance in scores.items()
        }
        whole = sum(weighed.values())
        ranked = sorted(
            ((language, chance / whole) for language, chance in weighed.items()), key=lambda one: -one[1]
        )
        telling = [word for word in words if word.form.isalpha() or "'" in word.form]
        evidence = any(word.form not in _EVERYWHERE for word in telling)
        return Guess(tuple(ranked), evidence)


def written_in(identifier: Identifier, words: str, expected: Language) -> Language | None:
    """The language somebody at the desk writes in; None where the words say too little.

    *expected* has the benefit of the doubt.
    """
    found = words_of(words[:_LONGEST])
    return identifier.guess(found, expected).language if len(found) >= _WORDS_THAT_TELL else None


def by_script(words: list[Word]) -> Language | None:
    """The language whose script a third of the letters are in; a Latin wifi or two does not hide it."""
    letters = [character for word in words for character in word.form if character.isalpha()]
    if not letters:
        return None
    for language, first, last in _SCRIPTS:
        inside = sum(first <= letter <= last for letter in letters)
        share = inside * (3 if language is Language.CHINESE else 1)  # a Chinese character is a word
        if share >= len(letters) * 0.34:
            return language
    return None
