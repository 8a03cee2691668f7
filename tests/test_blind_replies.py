"""Replies written by somebody who had seen neither the lexicons nor the training phrases: the targets hold."""

from pathlib import Path

import pytest

from bot.understanding import Understanding
from bot.understanding.score import Report, read_rows, score

BLIND = Path(__file__).parent / "data" / "blind_replies.csv"


@pytest.fixture(scope="module")
def report() -> Report:
    return score(read_rows(BLIND), Understanding.load())


def the_figures(report: Report) -> list[float]:
    """The line over all languages: language, intent, danger found and flagged, removals found and false, ..."""
    line = next(line for line in str(report).splitlines() if line.startswith("all "))
    return [float(word.rstrip("%")) for word in line.split()[2:]]


def test_the_targets_hold_on_texts_nobody_tuned_on(report: Report) -> None:
    language, intent, found, flagged, removals, false, wrong_number, barriers = the_figures(report)

    assert language >= 96
    assert intent >= 88
    assert found >= 95
    assert flagged <= 4
    assert removals >= 97
    assert false <= 1.0
    assert wrong_number >= 90
    assert barriers >= 0.82


def test_the_blind_set_speaks_all_ten_languages() -> None:
    rows = read_rows(BLIND)

    assert len({row.language for row in rows}) == 10
    assert len(rows) == 330
