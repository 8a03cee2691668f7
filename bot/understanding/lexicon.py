"""One language's lexicon: its words and patterns read from a file, and what of them a text shows."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from rapidfuzz import process
from rapidfuzz.distance import OSA

from bot.language import Language
from bot.understanding.patterns import Compiler, Literal, Pattern, PatternError, Spelling
from bot.understanding.text import Word, shorten_runs, toned, words_of

# Conjunctions, prepositions and the article, which Arabic writes together with the next word.
_ARABIC_GLUED = ("وال", "بال", "فال", "كال", "هال", "عال", "لل", "ال", "و", "ف", "ب", "ل", "ك", "ه", "ع")

# A word is only mended to one it differs from by a single slip, and short words are left alone:
# "bad" and "bus" are one letter from too many others.
_MENDED_FROM = 5

# Before the section of a sign that a guard cancelled ("not sick"): the model may not bring it back.
DENIED = "not "

_HEADING = re.compile(r"\[([a-z_]+)(?: ([a-z_]+))?\]")


class LexiconError(ValueError):
    """A lexicon file with a mistake: the file, the line, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A pattern that a text shows: its section, the line, and the place of the words in the text."""

    section: str
    line: str
    start: int
    end: int
    first: int  # index of the first word matched
    last: int  # index after the last word matched
    sure: bool
    also: str = ""


@dataclass(slots=True)
class Rule:
    """One line of a section and what it is for: a sign, a sure sign, or a guard against signs.

    *also* is a barrier that the line shows at the same time: [danger mental_health] is both.
    """

    section: str
    role: str  # "sign", "sure", "not", "unless"
    pattern: Pattern
    also: str = ""


@dataclass(slots=True)
class Spelled:
    """A text in one language's spelling: a line of folded words, and where each stood in the text."""

    forms: list[str]
    places: list[tuple[int, int]]
    line: str = ""
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = 1
        for form in self.forms:
            self.starts.append(at)
            at += len(form) + 1
        self.line = " " + "".join(form + " " for form in self.forms)


class Lexicon:
    """The patterns of one language, ready to be looked for."""

    def __init__(
        self, language: Language | None, source: str, name: str, *, with_tones: bool = False
    ) -> None:
        self.language = language
        self.name = name
        self.with_tones = with_tones
        self.mends = language not in {Language.VIETNAMESE, Language.CHINESE}
        self.respell: dict[str, list[str]] = {}
        self.vocabulary: set[str] = set()
        self.settings: dict[str, dict[str, str]] = defaultdict(dict)
        self.rules: list[Rule] = []
        self._whole: dict[str, list[int]] = defaultdict(list)
        self._begins: dict[str, list[int]] = defaultdict(list)
        self._inside: list[tuple[str, int]] = []
        self._unmended: list[str] = []
        self._read(source)
        self._index()

    @classmethod
    def from_file(cls, path: Path, language: Language | None, *, with_tones: bool = False) -> "Lexicon":
        return cls(language, path.read_text(encoding="utf-8"), path.name, with_tones=with_tones)

    # Reading the file

    def _read(self, source: str) -> None:
        classes: dict[str, list[str]] = {}
        spelling = Spelling(self.forms_of, self._glued())
        compiler = Compiler(spelling)
        section = label = ""
        for number, raw in enumerate(source.splitlines(), start=1):
            line = raw.split(" #")[0].strip() if not raw.startswith("#") else ""
            if not line:
                continue
            heading = _HEADING.fullmatch(line)
            try:
                if heading:
                    if section == "class":
                        compiler = Compiler(spelling, classes)
                    section, label = heading.group(1), heading.group(2) or ""
                elif section == "class":
                    classes.setdefault(label, []).append(line)
                elif section in {"respell", "dates"}:
                    self._read_setting(section, line)
                else:
                    self._read_rule(section, label, line, compiler)
            except PatternError as error:
                raise LexiconError(f"{self.name} line {number}: {error}") from None

    def _read_setting(self, section: str, line: str) -> None:
        left, equals, right = (part.strip() for part in line.partition("="))
        if not equals or not left or not right:
            raise PatternError(f"{line!r} should read 'as written = as meant'")
        for alternative in left.split("|"):
            if section == "respell":
                written = words_of(alternative)
                if len(written) != 1:
                    raise PatternError(f"{alternative!r}: only one word at a time can be respelled")
                self.respell[self._bare(written[0])] = [self._bare(word) for word in words_of(right)]
            else:
                self.settings[section][" ".join(self.forms_of(alternative))] = right

    def _read_rule(self, section: str, label: str, line: str, compiler: Compiler) -> None:
        if not section:
            raise PatternError("a section in square brackets must come first")
        if section != "danger":
            section, label = f"{section} {label}".strip(), ""
        role = "sign"
        for mark, meaning in (("!", "sure"), ("not:", "not"), ("unless:", "unless")):
            if line.startswith(mark):
                role, line = meaning, line.removeprefix(mark).strip()
        self.rules.append(Rule(section, role, compiler.compile(line), label))

    def _glued(self) -> str:
        if self.language is Language.ARABIC:
            return "(?:" + "|".join(_ARABIC_GLUED) + ")?"
        return "han" if self.language is Language.CHINESE else ""

    def _index(self) -> None:
        """Find each rule by its rarest demanded words, so that a text meets few of the thousands of lines."""
        commonness: dict[str, int] = defaultdict(int)
        for rule in self.rules:
            for slot in rule.pattern.slots:
                for literal in slot.literals or ():
                    commonness[literal.word] += 1
                    if not literal.opens and not literal.closes:
                        self.vocabulary.add(literal.word)
        for number, rule in enumerate(self.rules):
            needed = [slot.literals for slot in rule.pattern.slots if slot.literals and not slot.optional]
            rule.pattern.anchor = min(needed, key=lambda words: sum(commonness[one.word] for one in words))
            for literal in rule.pattern.anchor:
                self._file(literal, number)

    def _file(self, literal: Literal, number: int) -> None:
        if literal.opens:
            self._inside.append((literal.word, number))
        elif literal.closes:
            self._begins[literal.word].append(number)
        else:
            self._whole[literal.word].append(number)

    def learn_words(self, phrases: Iterable[str]) -> None:
        """Take the words of *phrases* as correctly spelled: they are neither mended nor mended away."""
        self.know(form for phrase in phrases for form in self.forms_of(phrase))

    def know(self, words: Iterable[str]) -> None:
        """Take *words* as correctly spelled."""
        self.vocabulary.update(words)
        self._unmended = sorted(word for word in self.vocabulary if len(word) >= _MENDED_FROM)

    # Spelling

    def forms_of(self, words: str) -> list[str]:
        """The folded, respelled words of a line of the lexicon."""
        return [form for word in words_of(words) for form in self._forms(word)]

    def _forms(self, word: Word) -> list[str]:
        if self.language is Language.HAITIAN_CREOLE and "'" in word.form:
            # m'ap, l'ap, p'ap: Haitian writes the short pronouns apart as often as together.
            parts = [part for part in word.form.split("'") if part]
            return [form for part in parts for form in self.respell.get(part, [part])]
        form = self._bare(word)
        return self.respell.get(form, [form])

    def _bare(self, word: Word) -> str:
        return (toned(word.exact) if self.with_tones else word.form).replace("'", "")

    def spell(self, words: Sequence[Word], *, mend: bool = True) -> Spelled:
        """Put a text in this language's spelling: abbreviations written out, slips of the thumb mended.

        Without *mend* where the text is in another language: "pistola" is no misspelled English pistol.
        """
        forms: list[str] = []
        places: list[tuple[int, int]] = []
        for word in words:
            for form in self._forms(word):
                final = self._final(form, mend=mend)
                forms += final
                places += [(word.start, word.end)] * len(final)
        return Spelled(forms, places)

    def _final(self, form: str, *, mend: bool) -> list[str]:
        short = shorten_runs(form, self.vocabulary.__contains__)
        if short != form:
            return self.respell.get(short, [short])
        return [self._mended(form) if mend else form]

    def _mended(self, form: str) -> str:
        if not self.mends or len(form) < _MENDED_FROM - 1 or form in self.vocabulary or not form.isalpha():
            return form
        return _nearest(form, self)

    # Looking for patterns

    def hits(self, spelled: Spelled) -> list[Hit]:
        """Every sign the text shows, in file order; those that a guard cancels are in the section "not ..."."""
        signs: list[Hit] = []
        guards: list[Hit] = []
        unless: set[str] = set()
        for number in sorted(self._candidates(spelled.forms)):
            rule = self.rules[number]
            for match in rule.pattern.expression().finditer(spelled.line):
                hit = self._hit(rule, match, spelled)
                if rule.role == "unless":
                    unless.add(rule.section)
                elif rule.role == "not":
                    guards.append(hit)
                else:
                    signs.append(hit)
        standing: list[Hit] = []
        denied: list[Hit] = []
        for hit in signs:
            stands = hit.sure or (
                hit.section not in unless and not any(_overlap(hit, guard) for guard in guards)
            )
            (standing if stands else denied).append(hit)
        standing += [replace(hit, section=hit.also, also="") for hit in standing if hit.also]
        return standing + [replace(hit, section=f"{DENIED}{hit.section}") for hit in denied]

    def _hit(self, rule: Rule, match: re.Match[str], spelled: Spelled) -> Hit:
        first = max(bisect_right(spelled.starts, match.start()) - 1, 0)
        if match.group().startswith(" "):
            first = 0
        last = max(bisect_right(spelled.starts, match.end() - 1), first + 1)
        start, end = spelled.places[first][0], spelled.places[last - 1][1]
        return Hit(rule.section, rule.pattern.line, start, end, first, last, rule.role == "sure", rule.also)

    def _candidates(self, forms: Sequence[str]) -> set[int]:
        found: set[int] = set()
        for form in set(forms):
            for key in self._keys(form):
                found.update(self._whole.get(key, ()))
                for length in range(2, len(key) + 1):
                    numbers = self._begins.get(key[:length])
                    if numbers:
                        found.update(numbers)
            for inside, number in self._inside:
                if inside in form:
                    found.add(number)
        return found

    def _keys(self, form: str) -> list[str]:
        if self.language is not Language.ARABIC:
            return [form]
        return [form] + [form[len(glued) :] for glued in _ARABIC_GLUED if form.startswith(glued)]


@lru_cache(maxsize=20_000)
def _nearest(form: str, lexicon: Lexicon) -> str:
    """The one known word a slip away from *form* (a letter missing, extra, wrong or swapped), else *form*."""
    best = process.extract(form, lexicon._unmended, scorer=OSA.distance, score_cutoff=1, limit=2)  # noqa: SLF001
    first_letter = [word for word, _, _ in best if word[0] == form[0]]
    return first_letter[0] if first_letter else form


def _overlap(hit: Hit, guard: Hit) -> bool:
    """A guard cancels what it overlaps in its own section; a figure of speech is no alarm either."""
    same = hit.section == guard.section or (hit.section == "alarm" and guard.section == "danger")
    return same and hit.first < guard.last and guard.first < hit.last
