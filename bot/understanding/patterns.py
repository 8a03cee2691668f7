"""The small pattern language of the lexicon files, and its translation to regular expressions.

A pattern is a line of words as a family would write them, case and accents aside:

    my husband hit me            these words, one after the other
    vomit*                       any word that begins so; *word and *word* likewise
    no heat|power is off         either of these
    (did not|never) come home    one of the groups in brackets, then the rest
    @kin                         one of the words of the class [class kin]
    ..                           up to five words in between (Chinese: up to eight characters)
    [my|the]                     one of these, or nothing
    ^  $                         beginning, end of the text
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.understanding.text import is_han

GAP = 5
HAN_GAP = 8

_PIECE = re.compile(r"\.\.|[\[\]()|^$]|@\w+|(?:(?!\.\.)[^\s\[\]()|^$])+")


class PatternError(ValueError):
    """A line of a lexicon file that cannot be read as a pattern."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A word of a pattern: exact, or with anything before or after it."""

    word: str
    opens: bool = False
    closes: bool = False


@dataclass(slots=True)
class Slot:
    """What must stand at one place: its regular expression, and the words one of which must occur."""

    source: str
    literals: list[Literal] | None  # None when the slot demands no particular word
    optional: bool = False


@dataclass(slots=True)
class Pattern:
    """A compiled line; *anchor* are words one of which any matching text contains."""

    line: str
    source: str
    slots: list[Slot]
    anchor: list[Literal] = field(default_factory=list)
    compiled: re.Pattern[str] | None = None

    def expression(self) -> re.Pattern[str]:
        """The regular expression, compiled when first needed: most lines never are."""
        if self.compiled is None:
            self.compiled = re.compile(self.source)
        return self.compiled


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a language's patterns are spelled: its word forms, and the particles that may be glued before a word."""

    forms: Callable[[str], list[str]]
    glued: str = ""


class Compiler:
    """Translates lines to patterns, with the classes of one lexicon."""

    def __init__(self, spelling: Spelling, classes: Mapping[str, list[str]] | None = None) -> None:
        self.spelling = spelling
        self.classes: dict[str, Slot] = {}
        self._words: dict[str, list[Slot]] = {}
        for name, lines in (classes or {}).items():
            self.classes[name] = self._one_of([self._sequence(line) for line in lines])

    def compile(self, line: str) -> Pattern:
        slots = self._sequence(line)
        source = "".join(slot.source for slot in slots)
        if not any(slot.literals for slot in slots if not slot.optional):
            raise PatternError(f"{line!r} names no word that must occur; every text would match")
        if not source.startswith("^"):
            source = "(?<= )" + source
        return Pattern(line, source, slots)

    def _sequence(self, line: str) -> list[Slot]:
        pieces = _PIECE.findall(line)
        choices, rest = self._choices(pieces, 0, None, line)
        if rest != len(pieces):
            raise PatternError(f"{line!r}: a bracket closes that was never opened")
        return choices[0] if len(choices) == 1 else [self._one_of(choices)]

    def _choices(
        self, pieces: list[str], at: int, closing: str | None, line: str
    ) -> tuple[list[list[Slot]], int]:
        """Read the alternatives that `|` parts, up to *closing*."""
        choices: list[list[Slot]] = [[]]
        while at < len(pieces) and pieces[at] != closing:
            if pieces[at] == "|":
                choices.append([])
                at += 1
                continue
            if pieces[at] in {")", "]"}:
                break
            slots, at = self._unit(pieces, at, line)
            choices[-1] += slots
        if closing is not None and (at >= len(pieces) or pieces[at] != closing):
            raise PatternError(f"{line!r}: {closing!r} is missing")
        if not all(choices):
            raise PatternError(f"{line!r}: '|' needs words before and after it")
        return choices, at

    def _unit(self, pieces: list[str], at: int, line: str) -> tuple[list[Slot], int]:
        piece = pieces[at]
        if piece == "..":
            return [Slot(f"(?:[^ ]+ ){{0,{self._gap()}}}?", None, optional=True)], at + 1
        if piece == "^":
            return [Slot("^ ", None)], at + 1
        if piece == "$":
            return [Slot("$", None)], at + 1
        if piece in {"(", "["}:
            group, at = self._group(pieces, at, line)
            if piece == "[":
                group = Slot(f"{group.source}?", None, optional=True)
            return [group], at
        if piece.startswith("@"):
            if piece[1:] not in self.classes:
                raise PatternError(f"{line!r}: there is no class {piece[1:]!r} above this line")
            return [self.classes[piece[1:]]], at + 1
        if piece not in self._words:  # thousands of lines share a few thousand words
            self._words[piece] = [self._word(form, piece, line) for form in self._forms(piece, line)]
        return self._words[piece], at + 1

    def _group(self, pieces: list[str], at: int, line: str) -> tuple[Slot, int]:
        closing = ")" if pieces[at] == "(" else "]"
        choices, at = self._choices(pieces, at + 1, closing, line)
        return self._one_of(choices), at + 1

    def _gap(self) -> int:
        return HAN_GAP if self.spelling.glued == "han" else GAP

    def _forms(self, piece: str, line: str) -> list[str]:
        forms = self.spelling.forms(piece.strip("*"))
        if not forms:
            raise PatternError(f"{line!r}: {piece!r} holds no letter")
        if "*" in piece and (len(forms) > 1 or is_han(forms[0])):
            raise PatternError(f"{line!r}: a star needs one whole word, not {piece!r}")
        return forms

    def _word(self, form: str, piece: str, line: str) -> Slot:
        opens, closes = piece.startswith("*"), piece.endswith("*")
        if (opens or closes) and len(form) < 2:
            raise PatternError(f"{line!r}: {piece!r} would match nearly every word")
        before = "[^ ]*" if opens else self._glued()
        source = f"{before}{re.escape(form)}{'[^ ]*' if closes else ''} "
        return Slot(source, [Literal(form, opens, closes)])

    def _glued(self) -> str:
        return self.spelling.glued if self.spelling.glued != "han" else ""

    def _one_of(self, alternatives: list[list[Slot]]) -> Slot:
        sources = ["".join(slot.source for slot in slots) for slots in alternatives]
        literals: list[Literal] | None = []
        for slots in alternatives:
            needed: list[list[Literal]] = [
                slot.literals for slot in slots if slot.literals and not slot.optional
            ]
            if not needed:
                literals = None
                break
            assert literals is not None  # noqa: S101 - only the branch above clears it, and it leaves
            fewest: list[Literal] = min(needed, key=len)
            literals += fewest
        return Slot("(?:" + "|".join(sources) + ")", literals)
