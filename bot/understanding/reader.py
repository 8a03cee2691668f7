"""Reads one family text: lexicon, model and order of acting brought together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from bot.language import Language
from bot.understanding.children import named_in
from bot.understanding.dates import named_day, slashed_day
from bot.understanding.features import meaning_features, word_features
from bot.understanding.identify import Guess, Identifier
from bot.understanding.keywords import Keywords
from bot.understanding.lexicon import DENIED, Hit, Lexicon, Spelled
from bot.understanding.linear import Linear, Scores
from bot.understanding.phrases import Phrase, read_phrases, read_replies
from bot.understanding.reading import Found, Reading
from bot.understanding.text import Word, is_toned, words_of
from bot.vocabulary import Barrier, Intent, Keyword

DATA = Path(__file__).parent / "data"
DANGER = "danger"

_LONGEST = 2_000  # characters read; ten segments are 1,600

# Measured by cross-validation (score.py): the chance from which the model alone is believed.
_DAY_ALONE = 4  # words: a text this short that names a day answers "when?"
_DANGER_FROM = 0.3
_DANGER_FROM_DENIED = 0.6  # where the lexicon knows a figure of speech or a toy
_BARRIER_FROM = 0.5
_SIGN_HOLDS_FROM = 0.01  # below this the model is sure that a sign of the lexicon misleads
_OPT_OUT_FROM = 0.45
_DOUBT_FROM = 0.15

_KEYWORD_INTENT = {
    Keyword.STOP: Intent.OPT_OUT,
    Keyword.START: Intent.OPT_IN,
    Keyword.HELP: Intent.HELP_KEYWORD,
}
_SHORT_ANSWERS = ("affirm", "deny", "thanks", "filler")
# Read in the main language alone: short words that mean something else next door, or nothing.
_MAIN_ONLY = frozenset({*_SHORT_ANSWERS, "returns"})
_BARRIERS = {barrier.value for barrier in Barrier}
# In a text of danger other words of trouble are its scene (a bus, a daycare), not a reason of absence.
_TOLD_WITH_DANGER = frozenset(
    {
        Barrier.MENTAL_HEALTH,
        Barrier.SAFETY_BULLYING,
        Barrier.HOUSING,
        Barrier.FOOD_BASIC_NEEDS,
        Barrier.LEGAL_IMMIGRATION,
    }
)
# What may be the message of a text that also shows danger; everything else yields to it.
_BESIDE_DANGER = (Intent.CRISIS, Intent.OPT_OUT, Intent.CHILD_IS_AT_SCHOOL)


@dataclass(slots=True)
class Lexica:
    """The lexicon of each language, Vietnamese with and without tones, and what all share."""

    by_language: dict[Language, Lexicon]
    toneless: Lexicon
    common: Lexicon

    @classmethod
    def load(cls, folder: Path = DATA / "lexicon") -> "Lexica":
        by_language = {
            language: Lexicon.from_file(
                folder / f"{language.value}.txt", language, with_tones=language is Language.VIETNAMESE
            )
            for language in Language
        }
        toneless = Lexicon.from_file(folder / "vi.txt", Language.VIETNAMESE)
        return cls(by_language, toneless, Lexicon.from_file(folder / "common.txt", None))

    def of(self, language: Language, words: Sequence[Word]) -> Lexicon:
        if language is Language.VIETNAMESE and not _typed_with_tones(words):
            return self.toneless
        return self.by_language[language]

    def load_words(self, path: Path) -> None:
        """Take the words of the training phrases as correctly spelled, from the list kept beside the models."""
        for line in path.read_text(encoding="utf-8").splitlines():
            code, _, words = line.partition(": ")
            self.by_language[Language(code)].know(words.split())

    def save_words(self, path: Path) -> None:
        lines = [
            f"{code.value}: {' '.join(sorted(one.vocabulary))}" for code, one in self.by_language.items()
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def learn_words(self, phrases: Sequence[Phrase]) -> None:
        for language, lexicon in self.by_language.items():
            lexicon.learn_words(phrase.text for phrase in phrases if phrase.language is language)


def _typed_with_tones(words: Sequence[Word]) -> bool:
    letters = [word for word in words if word.form.isalpha()]
    return sum(is_toned(word.exact) for word in letters) * 3 >= len(letters)


@dataclass
class Seen:
    """One text as the lexicon sees it: its spelling in its main language, and every sign found."""

    text: str
    words: list[Word]
    language: Language
    spelled: Spelled
    hits: list[Hit]

    @cached_property
    def sections(self) -> frozenset[str]:
        return frozenset(hit.section for hit in self.hits)

    def first(self, section: str) -> Hit | None:
        return next((hit for hit in self.hits if hit.section == section), None)

    def words_at(self, hit: Hit) -> str:
        return self.text[hit.start : hit.end]

    @cached_property
    def only(self) -> str | None:
        """ "affirm", "deny" or "thanks" when the text is made of nothing else."""
        covered = [False] * len(self.spelled.forms)
        for hit in self.hits:
            if hit.section in _SHORT_ANSWERS and hit.last <= len(covered):
                covered[hit.first : hit.last] = [True] * (hit.last - hit.first)
        if not covered or not all(covered):
            return None
        return next((answer for answer in ("deny", "affirm", "thanks") if answer in self.sections), None)


def look(text: str, words: list[Word], languages: Sequence[Language], lexica: Lexica) -> Seen:
    """Look *text* up in the lexicon of its main language (the first), of the others, and the common one."""
    main = languages[0]
    lexicon = lexica.of(main, words)
    spelled = lexicon.spell(words)
    hits = lexicon.hits(spelled)
    shared = lexica.common.hits(lexica.common.spell(words, mend=False))
    aligned = len(spelled.forms) == len(words)
    hits += [hit for hit in shared if aligned or hit.section not in _MAIN_ONLY]
    for language in languages[1:]:
        other = lexica.of(language, words)
        hits += [hit for hit in other.hits(other.spell(words, mend=False)) if hit.section not in _MAIN_ONLY]
    return Seen(text, words, main, spelled, hits)


def features_of(seen: Seen) -> dict[str, float]:
    only = (seen.only,) if seen.only else ()
    return meaning_features(seen.spelled, seen.hits, only, seen.text, seen.language.value)


def languages_to_look_in(guess: Guess, expected: Language | None) -> list[Language]:
    """The likeliest language, any other that may be mixed in, the expected one, and English."""
    chosen = [guess.best]
    chosen += [language for language, chance in guess.ranked[1:3] if chance >= 0.08]
    if expected is not None:
        chosen.append(expected)
    chosen.append(Language.ENGLISH)
    return list(dict.fromkeys(chosen))


class Understanding:
    """Reads family texts in ten languages, offline. Load once; reading keeps no state."""

    def __init__(self, keywords: Keywords, lexica: Lexica, identifier: Identifier, model: Linear) -> None:
        self._keywords = keywords
        self._lexica = lexica
        self._identifier = identifier
        self._model = model

    @classmethod
    def load(cls) -> "Understanding":
        """Read the package's own data files; nothing else is opened, now or later."""
        lexica = Lexica.load()
        lexica.load_words(DATA / "model" / "words.txt")
        return cls(
            Keywords.from_file(DATA / "keywords.txt"),
            lexica,
            Identifier.from_file(DATA / "model" / "language.json"),
            Linear.load(DATA / "model" / "meaning.json"),
        )

    def read(
        self,
        words: str,
        *,
        expected: Language | None = None,
        names: Sequence[str] = (),
        today: date | None = None,
    ) -> Reading:
        """Read one text. Total: any string gives a Reading.

        *expected* is the language the guardian is known to use; *names* are first names that the
        text may speak of; without *today* no return date is resolved.
        """
        text = words[:_LONGEST]
        cut = words_of(text)
        guess = self._identifier.guess(cut, expected)
        seen = look(text, cut, languages_to_look_in(guess, expected), self._lexica)
        keyword = self._keywords.keyword(text)
        choice = None if keyword else self._keywords.choice(text, expected)
        scores = self._model.score(features_of(seen))
        asks_for_person = self._keywords.asks_for_person(text)
        if keyword is not None or choice is not None or asks_for_person or not cut:
            intent = _KEYWORD_INTENT[keyword] if keyword else Intent.UNCLEAR
            if asks_for_person:
                intent = Intent.ASK_FOR_PERSON
            danger, barriers = None, tuple[Found, ...]()
        else:
            danger = self._danger(seen, scores)
            intent = _intent(seen, scores, in_danger=danger is not None)
            barriers = self._barriers(seen, scores, intent)
        return Reading(
            language=guess.language,
            keyword=keyword,
            choice=choice,
            intent=intent,
            barriers=barriers,
            danger=danger,
            whereabouts=_words(seen, "whereabouts"),
            wants_person=intent is Intent.ASK_FOR_PERSON or "person" in seen.sections,
            may_mean_stop=keyword is None
            and choice is None
            and not asks_for_person
            and _may_mean_stop(seen, scores, intent),
            wants_language=_wanted_language(seen, expected) if intent is Intent.CHANGE_LANGUAGE else None,
            returns_on=self._returns_on(seen, today) if today is not None else None,
            named=named_in(cut, names),
            everyone="everyone" in seen.sections,
        )

    def likeliest_language(self, words: str) -> Language:
        """The best guess even where a text is no evidence ("ok"); `read` leaves such a language open."""
        return self._identifier.guess(words_of(words[:_LONGEST])).best

    def _danger(self, seen: Seen, scores: Scores) -> str | None:
        """The words that show danger. The lexicon decides; the model may add, never take away."""
        hit = seen.first(DANGER) or seen.first("whereabouts")
        if hit is not None:
            return seen.words_at(hit)
        needed = _DANGER_FROM_DENIED if f"{DENIED}{DANGER}" in seen.sections else _DANGER_FROM
        return self._telling_words(seen, DANGER) if scores.free[DANGER] >= needed else None

    def _barriers(self, seen: Seen, scores: Scores, intent: Intent) -> tuple[Found, ...]:
        found = []
        for barrier in Barrier:
            if intent is Intent.CRISIS and barrier not in _TOLD_WITH_DANGER:
                continue
            hit = seen.first(barrier.value)
            if hit is None and f"{DENIED}{barrier.value}" in seen.sections:
                continue
            if scores.free.get(barrier.value, 0.0) < (_SIGN_HOLDS_FROM if hit else _BARRIER_FROM):
                continue
            shown = seen.words_at(hit) if hit else self._telling_words(seen, barrier.value)
            found.append(Found(barrier, shown))
        return tuple(found)

    def _telling_words(self, seen: Seen, label: str) -> str:
        """The stretch of the text that speaks most for *label*, by the weights of the model."""
        forms = seen.spelled.forms
        prefix = seen.language.value
        pulls = [
            sum(self._model.pull(feature, label) for feature in word_features(forms, index, prefix))
            for index in range(len(forms))
        ]
        if not pulls:
            return seen.text.strip()
        first, last = _heaviest_stretch(pulls)
        return seen.text[seen.spelled.places[first][0] : seen.spelled.places[last][1]]

    def _returns_on(self, seen: Seen, today: date) -> date | None:
        lexicon = self._lexica.of(seen.language, seen.words)
        returns = [(hit.first, hit.last) for hit in seen.hits if hit.section == "returns"]
        forms = seen.spelled.forms
        # "Monday hopefully", to our "write a day": the whole text is the day. "Sick today" says why.
        alone = not returns and 0 < len(forms) <= _DAY_ALONE and not seen.sections & _BARRIERS
        if alone:
            returns = [(0, len(forms) - 1)]
        if not returns:
            return None
        day = slashed_day(seen.text, seen.language, today) or named_day(
            forms, returns, lexicon.settings["dates"], today
        )
        return None if alone and day == today else day

    def explain(
        self,
        words: str,
        *,
        expected: Language | None = None,
        names: Sequence[str] = (),
        today: date | None = None,
    ) -> str:
        """What was read and why, for a staff member's eyes: each sign of the lexicon with its line."""
        text = words[:_LONGEST]
        cut = words_of(text)
        guess = self._identifier.guess(cut, expected)
        seen = look(text, cut, languages_to_look_in(guess, expected), self._lexica)
        scores = self._model.score(features_of(seen))
        reading = self.read(words, expected=expected, names=names, today=today)
        return _explanation(reading, guess, seen, scores)


def all_phrases(folder: Path = DATA / "phrases") -> list[Phrase]:
    """Every training phrase of the package: the lists per language, then the labelled replies."""
    listed = [
        phrase for language in Language for phrase in read_phrases(folder / f"{language.value}.txt", language)
    ]
    return listed + read_replies(folder / "replies.csv")


def _heaviest_stretch(pulls: Sequence[float]) -> tuple[int, int]:
    """First and last index of the stretch with the largest sum."""
    best = (pulls[0], 0, 0)
    total, first = 0.0, 0
    for index, pull in enumerate(pulls):
        if total <= 0:
            total, first = 0.0, index
        total += pull
        if total > best[0]:
            best = (total, first, index)
    return best[1], best[2]


def _words(seen: Seen, section: str) -> str | None:
    hit = seen.first(section)
    return seen.words_at(hit) if hit else None


def _intent(seen: Seen, scores: Scores, *, in_danger: bool) -> Intent:
    """The one intent, in the order of conversation.md."""
    chances = {Intent(label): chance for label, chance in scores.exclusive.items()}
    signed = "opt_out" in seen.sections and chances[Intent.OPT_OUT] >= _SIGN_HOLDS_FROM
    if signed or chances[Intent.OPT_OUT] >= _OPT_OUT_FROM:
        return Intent.OPT_OUT
    if in_danger:
        return max(_BESIDE_DANGER, key=lambda intent: chances[intent])
    if seen.only:
        return Intent(seen.only)
    return max(
        (intent for intent in chances if intent is not Intent.CRISIS), key=lambda intent: chances[intent]
    )


def _may_mean_stop(seen: Seen, scores: Scores, intent: Intent) -> bool:
    """In doubt whether consent is withdrawn (LAW-12): hold automatic texts and ask a person."""
    if intent is Intent.OPT_OUT:
        return False
    # A sign of removal that the model is sure means something else is still a doubt: a person reads it.
    signs = {"doubt", "opt_out"}
    return bool(signs & seen.sections) or scores.exclusive[Intent.OPT_OUT.value] >= _DOUBT_FROM


def _wanted_language(seen: Seen, expected: Language | None) -> Language | None:
    """The language asked for by name, else the one written in when it is not the expected one."""
    for hit in seen.hits:
        if hit.section.startswith("language "):
            return Language(hit.section.removeprefix("language "))
    return seen.language if expected is not None and seen.language is not expected else None


def _explanation(reading: Reading, guess: Guess, seen: Seen, scores: Scores) -> str:
    likely = ", ".join(f"{language.value} {chance:.0%}" for language, chance in guess.ranked[:3])
    lines = [
        f"language      {reading.language.english_name if reading.language else 'no evidence'} ({likely})",
        f"keyword       {reading.keyword or '-'}    choice {reading.choice or '-'}",
        f"intent        {reading.intent} ({_top(scores.exclusive)})",
        f"danger        {reading.danger or '-'} (model {scores.free[DANGER]:.0%})",
        *(f"barrier       {found.barrier}: {found.words!r}" for found in reading.barriers),
        f"whereabouts   {reading.whereabouts or '-'}",
        f"wants         person {_yes(reading.wants_person)}, language {reading.wants_language or '-'}",
        f"may mean stop {_yes(reading.may_mean_stop)}",
        f"returns on    {reading.returns_on or '-'}",
        f"children      {', '.join(reading.named) or '-'}; everyone {_yes(reading.everyone)}",
        f"read as       {seen.spelled.line.strip()}",
        *(
            f"sign          [{hit.section}] {seen.words_at(hit)!r} by the line {hit.line[:70]!r}"
            for hit in seen.hits
            if hit.section != "filler"
        ),
    ]
    return "\n".join(lines)


def _top(chances: dict[str, float]) -> str:
    best = sorted(chances.items(), key=lambda one: -one[1])[:3]
    return ", ".join(f"{label} {chance:.0%}" for label, chance in best)


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
