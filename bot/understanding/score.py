"""Scores any labelled file of texts, per language and per label, and cross-validates what was trained.

`presente understand --file FILE.csv [--predictions OUT.csv] [--folds 5]` prints it.
"""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.language import Language
from bot.understanding.identify import Identifier
from bot.understanding.keywords import Keywords
from bot.understanding.phrases import Phrase
from bot.understanding.reader import DATA, Lexica, Understanding, all_phrases
from bot.understanding.reading import Reading
from bot.understanding.train import language_model, meaning_model
from bot.vocabulary import Barrier, Intent

COLUMNS = ("id", "lang", "text", "intent", "barriers", "crisis")


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text of a file with the columns id, lang, text, intent, barriers, crisis."""

    id: str
    language: Language
    text: str
    intent: Intent
    barriers: frozenset[Barrier]
    danger: bool


@dataclass(slots=True)
class Tally:
    """What was right and wrong over some rows."""

    rows: int = 0
    language: int = 0
    intent: int = 0
    danger: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # found, missed, false, harmless
    opt_out: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    wrong_number: list[int] = field(default_factory=lambda: [0, 0])  # found, missed
    barriers: list[int] = field(default_factory=lambda: [0, 0, 0])  # found, false, missed

    def add(self, row: Row, reading: Reading, language: Language) -> None:
        self.rows += 1
        self.language += language is row.language
        self.intent += reading.intent is row.intent
        _count(self.danger, row.danger, reading.danger is not None)
        _count(self.opt_out, row.intent is Intent.OPT_OUT, reading.intent is Intent.OPT_OUT)
        if row.intent is Intent.WRONG_NUMBER:
            self.wrong_number[reading.intent is not Intent.WRONG_NUMBER] += 1
        found = {one.barrier for one in reading.barriers}
        self.barriers[0] += len(found & row.barriers)
        self.barriers[1] += len(found - row.barriers)
        self.barriers[2] += len(row.barriers - found)


@dataclass(slots=True)
class Report:
    """The tallies of a file: over all, per language, per intent and per barrier, and the confusions."""

    whole: Tally = field(default_factory=Tally)
    languages: dict[Language, Tally] = field(default_factory=lambda: defaultdict(Tally))
    intents: dict[Intent, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    barriers: dict[Barrier, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    confusions: Counter[tuple[Intent, Intent]] = field(default_factory=Counter)

    def add(self, row: Row, reading: Reading, language: Language) -> None:
        self.whole.add(row, reading, language)
        self.languages[row.language].add(row, reading, language)
        if reading.intent is row.intent:
            self.intents[row.intent][0] += 1
        else:
            self.intents[reading.intent][1] += 1
            self.intents[row.intent][2] += 1
            self.confusions[row.intent, reading.intent] += 1
        found = {one.barrier for one in reading.barriers}
        for barrier in Barrier:
            told, read = barrier in row.barriers, barrier in found
            if told or read:
                self.barriers[barrier][0 if told and read else 1 if read else 2] += 1

    def __str__(self) -> str:
        return "\n".join([*self._languages(), "", *self._labels(), "", *self._confusions()])

    def _languages(self) -> list[str]:
        heading = "language   texts  language  intent  danger found  flagged  removals  false  wrong no.  barriers F1"
        lines = [
            _line(language.value, self.languages[language])
            for language in Language
            if language in self.languages
        ]
        return [heading, *lines, _line("all", self.whole)]

    def _labels(self) -> list[str]:
        lines = ["label                 texts  precision  recall    F1"]
        lines += [
            _label_line(intent.value, self.intents[intent]) for intent in Intent if intent in self.intents
        ]
        lines.append("")
        lines += [
            _label_line(barrier.value, self.barriers[barrier])
            for barrier in Barrier
            if barrier in self.barriers
        ]
        return lines

    def _confusions(self) -> list[str]:
        lines = ["said -> read instead"]
        common = self.confusions.most_common(20)
        return lines + [f"{count:4}  {told} -> {read}" for (told, read), count in common]


def _count(counts: list[int], told: bool, read: bool) -> None:
    if told:
        counts[0 if read else 1] += 1
    else:
        counts[2] += read
        counts[3] += 1


def _share(part: int, whole: int) -> str:
    return f"{part / whole:6.1%}" if whole else "     -"


def _line(name: str, tally: Tally) -> str:
    danger, opt_out, wrong, barriers = tally.danger, tally.opt_out, tally.wrong_number, tally.barriers
    return (
        f"{name:9}  {tally.rows:5}    {_share(tally.language, tally.rows)}  {_share(tally.intent, tally.rows)}"
        f"        {_share(danger[0], danger[0] + danger[1])}   {_share(danger[2], danger[3])}"
        f"    {_share(opt_out[0], opt_out[0] + opt_out[1])} {_share(opt_out[2], opt_out[3])}"
        f"     {_share(wrong[0], sum(wrong))}       {f1(barriers):.3f}"
    )


def f1(counts: Sequence[int]) -> float:
    """The balance of precision and recall of [found, false, missed]; 1 when there was nothing to find."""
    found, false, missed = counts
    return 2 * found / (2 * found + false + missed) if found + false + missed else 1.0


def _label_line(name: str, counts: list[int]) -> str:
    found, false, missed = counts
    return (
        f"{name:20}  {found + missed:5}     {_share(found, found + false)}  {_share(found, found + missed)}"
        f"  {f1(counts):.2f}"
    )


def read_rows(path: Path) -> list[Row]:
    """Read a labelled file; raises ValueError that names the line and the label it does not know."""
    rows = []
    with path.open(encoding="utf-8", newline="") as lines:
        for number, record in enumerate(csv.DictReader(lines), start=2):
            try:
                rows.append(
                    Row(
                        record["id"],
                        Language(record["lang"]),
                        record["text"],
                        Intent(record["intent"]),
                        frozenset(Barrier(code) for code in record["barriers"].split("|") if code),
                        record["crisis"] == "1",
                    )
                )
            except (KeyError, ValueError, AttributeError) as error:
                raise ValueError(
                    f"{path.name} line {number}: {error}; expected the columns {', '.join(COLUMNS)}"
                ) from None
    return rows


def score(rows: Iterable[Row], understanding: Understanding | None = None) -> Report:
    """Read every row, without telling the reader its language, and compare."""
    understanding = understanding or Understanding.load()
    report = Report()
    for row in rows:
        report.add(row, understanding.read(row.text), understanding.likeliest_language(row.text))
    return report


def write_predictions(rows: Iterable[Row], path: Path, understanding: Understanding | None = None) -> None:
    """Write the program's own reading of each row, in the columns of the file.

    A text without evidence of a language ("ok", an emoji) gets the likeliest one all the same: the
    column has no empty value.
    """
    understanding = understanding or Understanding.load()
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            reading = understanding.read(row.text)
            barriers = "|".join(found.barrier.value for found in reading.barriers)
            language = understanding.likeliest_language(row.text)
            danger = int(reading.danger is not None)
            writer.writerow([row.id, language.value, row.text, reading.intent.value, barriers, danger])


def fold_of(row_id: str, folds: int) -> int:
    """Which fold a row is in: by its id alone, so that no run can choose a luckier split."""
    return int(hashlib.sha256(row_id.encode()).hexdigest(), 16) % folds


def cross_validate(
    rows: Sequence[Row], folds: int = 5, on_miss: Callable[[Row, Reading, Understanding], None] | None = None
) -> Report:
    """Score each fold by models trained on the phrase files and the other folds.

    The lexicons are fixed; what this tells honestly is how far the models reach.
    """
    report = Report()
    own = [phrase for phrase in all_phrases() if phrase.text not in {row.text for row in rows}]
    for fold in range(folds):
        others = [as_phrase(row) for row in rows if fold_of(row.id, folds) != fold]
        understanding = trained_on([*own, *others])
        for row in rows:
            if fold_of(row.id, folds) == fold:
                reading = understanding.read(row.text)
                report.add(row, reading, understanding.likeliest_language(row.text))
                if on_miss is not None:
                    on_miss(row, reading, understanding)
    return report


def trained_on(phrases: Sequence[Phrase]) -> Understanding:
    """An understanding whose models have seen *phrases* and nothing else."""
    lexica = Lexica.load()
    lexica.learn_words(phrases)
    return Understanding(
        Keywords.from_file(DATA / "keywords.txt"),
        lexica,
        Identifier(language_model(phrases)),
        meaning_model(phrases, lexica),
    )


def as_phrase(row: Row) -> Phrase:
    return Phrase(row.language, row.text, row.intent, row.barriers, row.danger)
