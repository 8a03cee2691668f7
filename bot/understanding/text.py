"""Text as families type it, cut into folded words that remember where they stood."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

# Letters that Unicode does not take apart, and the many apostrophes of telephones.
_SPECIAL = {
    "ł": "l",
    "đ": "d",
    "ø": "o",
    "ı": "i",
    "ґ": "г",
    "ة": "ه",
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "ء": "",
    "ـ": "",
    "’": "'",
    "‘": "'",
    "ʼ": "'",
    "`": "'",
    "´": "'",
    "′": "'",
    "＇": "'",
    "？": "?",
    "؟": "?",
    "！": "!",
}

_HAN = "\u3400-\u9fff"
_EMOJI = "\U0001f000-\U0001faff\u2600-\u27bf"
_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:'[^\W_{_HAN}]+)*|[#{_EMOJI}]")
_HAN_WORD = re.compile(rf"[{_HAN}]")
_LONG_RUN = re.compile(r"([^\W\d])\1{2,}")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its folded form, its exact form (accents kept, lower case), and its place in the text."""

    form: str
    exact: str
    start: int
    end: int


@cache
def fold_character(character: str) -> str:
    """Lower case without accents; nothing for marks and invisible characters; plain digits."""
    if character in _SPECIAL:
        return _SPECIAL[character]
    digit = unicodedata.digit(character, None)
    if digit is not None and unicodedata.category(character) != "So":
        return str(digit)
    parts: list[str] = []
    for part in unicodedata.normalize("NFKD", character):
        if unicodedata.category(part) in {"Mn", "Me", "Cf"}:
            continue
        parts.extend(_SPECIAL.get(low, low) for low in part.casefold())
    return "".join(parts)


def fold(text: str) -> str:
    return "".join(fold_character(character) for character in text)


def words_of(text: str) -> list[Word]:
    """Cut *text* into words; a Chinese character, an emoji and a hash sign are a word each."""
    pieces = [fold_character(character) for character in text]
    folded = "".join(pieces)
    if len(folded) == len(text) and all(len(piece) == 1 for piece in pieces):
        places = range(len(text))
    else:
        places = [index for index, piece in enumerate(pieces) for _ in piece]  # type: ignore[assignment]
    found = []
    for match in _WORD.finditer(folded):
        start, end = places[match.start()], places[match.end() - 1] + 1
        while end < len(text) and not pieces[end] and unicodedata.category(text[end]) in {"Mn", "Me"}:
            end += 1  # a mark belongs to the letter before it
        found.append(Word(match.group(), _exact(text[start:end]), start, end))
    return found


def _exact(words: str) -> str:
    return "".join(
        character
        for character in unicodedata.normalize("NFC", words.casefold())
        if unicodedata.category(character) != "Cf"
    )


def is_han(word: str) -> bool:
    return bool(_HAN_WORD.match(word))


def shorten_runs(form: str, known: Callable[[str], bool]) -> str:
    """Undo drawn-out spelling ("pleaaase", "nooo"): two of the letter if that is a known word, else one."""
    if not _LONG_RUN.search(form):
        return form
    double = _LONG_RUN.sub(r"\1\1", form)
    return double if known(double) else _LONG_RUN.sub(r"\1", form)


_TONES = {"\u0300": "2", "\u0301": "1", "\u0303": "4", "\u0309": "3", "\u0323": "5"}


def toned(exact: str) -> str:
    """A Vietnamese syllable with its tone written as a final digit, so that hòa and hoà are one form.

    >>> toned("hòa"), toned("hoà"), toned("mất")
    ('hoa2', 'hoa2', 'mât1')
    """
    letters, tone = [], ""
    for character in unicodedata.normalize("NFD", exact):
        if character in _TONES:
            tone = _TONES[character]
        else:
            letters.append(character)
    return unicodedata.normalize("NFC", "".join(letters)) + tone


def is_toned(exact: str) -> bool:
    return not exact.isascii()
