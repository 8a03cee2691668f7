"""The training phrases: files a bilingual staff member can read and add to.

[give_reason illness]              the intent, then any barriers; `danger` where a person must be alerted
{he|she} {has|got} a fever         braces give alternatives: each is heard at least once
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from bot.language import Language
from bot.vocabulary import Barrier, Intent

_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST_VARIANTS = 4


class PhraseError(ValueError):
    """A phrase file with a mistake: the file, the line, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text with what a careful reader would say of it."""

    language: Language
    text: str
    intent: Intent
    barriers: frozenset[Barrier]
    danger: bool


def read_phrases(path: Path, language: Language) -> list[Phrase]:
    """Read one file; raises PhraseError naming the line of an unknown label or a phrase without heading."""
    phrases: list[Phrase] = []
    label: tuple[Intent, frozenset[Barrier], bool] | None = None
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("# "):
            continue
        if line.startswith("[") and line.endswith("]"):
            label = _label(line[1:-1].split(), f"{path.name} line {number}")
        elif label is None:
            raise PhraseError(
                f"{path.name} line {number}: a heading such as [give_reason illness] must come first"
            )
        else:
            phrases += [Phrase(language, text, *label) for text in variants(line)]
    return phrases


def read_replies(path: Path) -> list[Phrase]:
    """Read labelled replies, one a row: id, lang, text, intent, barriers joined by |, crisis 0 or 1."""
    replies = []
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            names = [row["intent"], *(code for code in row["barriers"].split("|") if code)]
            intent, barriers, _ = _label(names, f"{path.name} line {number}")
            replies.append(Phrase(Language(row["lang"]), row["text"], intent, barriers, row["crisis"] == "1"))
    return replies


def _label(names: list[str], place: str) -> tuple[Intent, frozenset[Barrier], bool]:
    try:
        intent = Intent(names[0])
        barriers = frozenset(Barrier(name) for name in names[1:] if name != "danger")
    except (ValueError, IndexError):
        raise PhraseError(
            f"{place}: [{' '.join(names)}] should be an intent, then barriers, then perhaps danger"
        ) from None
    return intent, barriers, intent is Intent.CRISIS or "danger" in names


def variants(line: str) -> list[str]:
    """A few readings of a line with braces: enough that each alternative occurs, at most four."""
    groups = _BRACES.findall(line)
    if not groups:
        return [line]
    count = min(max(group.count("|") + 1 for group in groups), _MOST_VARIANTS)
    texts = []
    for turn in range(count):
        place = iter(range(len(groups)))

        def pick(match: re.Match[str], turn: int = turn, place: "object" = place) -> str:
            choices = match.group(1).split("|")
            shift = next(place)  # type: ignore[call-overload]
            return str(choices[(turn + shift * 2) % len(choices)])

        texts.append(" ".join(_BRACES.sub(pick, line).split()))
    return list(dict.fromkeys(texts))
