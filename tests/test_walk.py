"""The walk over every path: our own flows are clean, and each kind of mistake is found."""

import shutil
from pathlib import Path

import pytest

from bot import drawing, walk
from bot.conversation.flow import Flows
from bot.conversation.load import load
from bot.texts import Line, Texts
from tests.conftest import ROOT


def lines_of(flows: Flows) -> list[Line]:
    return [
        Line(f"{flow.name}.{node.name}", node.say)
        for flow in flows.flows.values()
        for node in flow.nodes.values()
        if node.say
    ]


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "flows", tmp_path / "flows")
    return tmp_path / "flows"


def change(folder: Path, file: str, before: str, after: str) -> Flows:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    return load(folder)


def test_our_own_conversations_have_no_fault_in_any_language(flows: Flows, texts: Texts) -> None:
    assert [str(fault) for fault in walk.faults(flows, texts, lines_of(flows))] == []


def test_a_text_above_grade_five_is_named(changed: Path, texts: Texts) -> None:
    flows = change(
        changed,
        "weather.yaml",
        "Thank you for telling us.",
        "Notwithstanding unfavourable meteorological circumstances, educational participation continues.",
    )

    assert any(
        fault.where == "weather.thanks" and "grade" in fault.what
        for fault in walk.faults(flows, texts, lines_of(flows))
    )


def test_a_text_with_too_many_parts_is_named(changed: Path, texts: Texts) -> None:
    flows = change(changed, "weather.yaml", "Thank you for telling us.", "Thank you for telling us. " * 14)

    assert any("segments" in fault.what for fault in walk.faults(flows, texts, lines_of(flows)))


def test_a_reason_that_would_be_met_with_silence_is_named(changed: Path, texts: Texts) -> None:
    flows = change(changed, "overslept.yaml", "words: everywhere.noted", "words: told")

    found = [str(fault) for fault in walk.faults(flows, texts, lines_of(flows))]

    assert any("overslept told here is met with silence" in fault for fault in found)


@pytest.mark.parametrize(
    ("line", "grade"),
    [
        ("We missed Maya today. Is everything OK?", 5.0),
        ("Thank you for telling us.", 3.0),
    ],
)
def test_plain_sentences_read_at_a_low_grade(line: str, grade: float) -> None:
    assert walk.grade(line) <= grade


def test_an_office_letter_reads_at_a_high_grade() -> None:
    letter = (
        "Pursuant to state attendance regulations, your child's unexcused absences necessitate "
        "an immediate conference with administrative personnel."
    )

    assert walk.grade(letter) > 12


def test_every_flow_is_drawn_and_the_drawing_is_up_to_date(flows: Flows) -> None:
    for flow in flows.flows.values():
        drawn = drawing.draw(flow)
        assert drawn.startswith("<svg")
        assert (ROOT / "flows" / "drawings" / f"{flow.name}.svg").read_text(encoding="utf-8") == drawn
