"""Walks every path of every flow in every language, and names whatever a family must never meet."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from bot.conversation.effects import HandOff, Say, StopTexting
from bot.conversation.flow import EVERYWHERE, Flows, Node
from bot.conversation.state import (
    Child,
    Ended,
    Heard,
    Silence,
    State,
    Waiting,
)
from bot.conversation.turn import turn
from bot.language import Language
from bot.texts import Line, Texts, Values, is_gsm7, placeholders
from bot.vocabulary import Barrier, Intent, Keyword, Urgency

# The longest that the sample district has: a first name of eleven letters, a school of 28. Siblings
# and longer schools cost a part more; a text that is too long is still sent.
_LONGEST_NAME, _LONGEST_SCHOOL = "Christopher", "Grand Bend Elementary School"
_NOON = datetime(2021, 10, 27, 16, 30, tzinfo=UTC)
_VALUES = Values(
    students=[_LONGEST_NAME],
    schools=[_LONGEST_SCHOOL],
    by=_NOON,
    now=datetime(2021, 10, 22, 13, 30, tzinfo=UTC),
    zone=ZoneInfo("America/New_York"),
    district="Grand Bend ISD",
    office_phone="860-555-0100",
    day=date(2021, 10, 27),
    staff="Ms. Christopherson",
    at=time(14, 30),
)
# One or two segments; three in scripts that need UCS-2 (conversation.md, Tone).
_MOST_GSM7, _MOST_UCS2 = 2, 3
HIGHEST_GRADE = 5.0
# Deeper than any path of the flows; a walk that is longer goes in circles without an end.
_DEEPEST = 12


@dataclass(frozen=True)
class Fault:
    """Where something is wrong, and what: `everywhere.person (pl): 4 segments, at most 3`."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def faults(flows: Flows, texts: Texts, lines: Iterable[Line]) -> list[Fault]:
    """Everything that is wrong with the conversations, in the order of the files; empty when nothing is."""
    return [*_paths(flows), *_wordings(texts, lines)]


# --- every path ------------------------------------------------------------------------------------------


def _questions(flows: Flows) -> Iterator[tuple[str, Node]]:
    for flow in flows.flows.values():
        for node in flow.nodes.values():
            if node.go is not None:
                yield f"{flow.name}.{node.name}", node


def _paths(flows: Flows) -> Iterator[Fault]:
    for where, node in _questions(flows):
        flow, _, name = where.partition(".")
        asked = Waiting(flow, name, (Child(1, "Maya"),))
        yield from _always_works(where, asked, flows)
        for answer in node.go or {}:
            yield from _leads_somewhere(f"{where} [{answer}]", asked, answer, flows)
        yield from _ends(where, asked, flows)


def _message(answer: str) -> Heard | Silence:
    match answer:
        case "silence":
            return Silence()
        case "affirm":
            return Heard("ok", Intent.AFFIRM)
        case "deny":
            return Heard("no", Intent.DENY)
        case "words":
            return Heard("so it is", Intent.GIVE_REASON)
        case "returns":
            return Heard("on Wednesday", Intent.GIVE_REASON, returns_on=date(2021, 10, 27))
        case "unclear":
            return Heard("qwx")
        case _:
            return Heard(answer, choice=answer)


def _leads_somewhere(where: str, asked: Waiting, answer: str, flows: Flows) -> Iterator[Fault]:
    after, effects = turn(asked, _message(answer), flows)
    if any(isinstance(effect, HandOff) and effect.why == "flow_changed" for effect in effects):
        yield Fault(where, "this answer leads nowhere")
    if isinstance(after, Waiting) and not any(isinstance(effect, Say) for effect in effects):
        yield Fault(where, "a question is open and nothing was said")
    if isinstance(after, Ended) and not effects:
        yield Fault(where, "the talk ends without a word, a person or a record")


def _always_works(where: str, asked: Waiting, flows: Flows) -> Iterator[Fault]:
    """Danger, STOP and HELP at this very question (promise 7, LAW-10, LAW-32)."""
    _, effects = turn(asked, Heard("danger", danger=True), flows)
    if not any(isinstance(effect, HandOff) and effect.urgency is Urgency.P0 for effect in effects):
        yield Fault(where, "danger does not reach a person here")
    _, effects = turn(asked, Heard("stop", keyword=Keyword.STOP), flows)
    if StopTexting() not in effects:
        yield Fault(where, "STOP does not work here")
    after, effects = turn(asked, Heard("help", keyword=Keyword.HELP), flows)
    if after != asked or not any(isinstance(effect, Say) for effect in effects):
        yield Fault(where, "HELP is not answered here, or it loses the question")
    for barrier in Barrier:
        after, effects = turn(asked, Heard("why", Intent.GIVE_REASON, barriers=((barrier, "why"),)), flows)
        if not any(isinstance(effect, Say | HandOff) for effect in effects):
            yield Fault(where, f"{barrier.value} told here is met with silence")


def _ends(where: str, asked: Waiting, flows: Flows) -> Iterator[Fault]:
    """However the family goes on, every path comes to an end: a close or a person."""
    ahead: list[tuple[State, int]] = [(asked, 0)]
    seen: set[State] = set()
    while ahead:
        state, depth = ahead.pop()
        if state in seen or not isinstance(state, Waiting):
            continue
        seen.add(state)
        if depth > _DEEPEST:
            yield Fault(where, "from here a talk can go on without an end")
            return
        node = flows.node(f"{state.flow}.{state.node}")
        answers = (node.go or {}) if node else {}
        ahead += [(turn(state, _message(answer), flows)[0], depth + 1) for answer in answers]


# --- every wording -----------------------------------------------------------------------------------------


def _wordings(texts: Texts, lines: Iterable[Line]) -> Iterator[Fault]:
    for line in lines:
        if line.key.startswith("when."):
            continue
        measured = grade(line.english)
        if measured > HIGHEST_GRADE:
            yield Fault(line.key, f"reads at grade {measured:.1f}, at most {HIGHEST_GRADE:g}: {line.english}")
        if line.key == f"{EVERYWHERE}.wrong_number" and "students" in placeholders(line.english):
            yield Fault(line.key, "a stranger must not read a name (LAW-12)")
        for language in Language:
            if texts.translation(line.key, line.english, language) is None:
                continue
            rendered = texts.render(line.key, line.english, _VALUES, language)
            most = _MOST_GSM7 if is_gsm7(rendered.body) else _MOST_UCS2
            if rendered.segments > most:
                yield Fault(
                    f"{line.key} ({language.value})",
                    f"{rendered.segments} segments with the longest names, at most {most}",
                )
            if "{" in rendered.body:
                yield Fault(f"{line.key} ({language.value})", "a placeholder is left in the text")


def grade(line: str) -> float:
    """The reading grade of an English line: Flesch and Kincaid's formula.

    0.39 x words per sentence + 11.8 x syllables per word - 15.59, over the sentence as a family reads
    it: names stand for placeholders, each choice of a menu counts as a sentence, and numbers of help
    lines are not words.
    """
    text = re.sub(r"\{students?\}", "Maya", line)
    text = re.sub(r"\{(school|district)\}", "Burns School", text)
    text = re.sub(r"\{staff\}", "Ms Rivera", text)
    text = re.sub(r"\{[a-z_]+\}", "by two today", text)
    sentences = [part for part in re.split(r"[.?!:]+|,? ?\b\d\b ?", text) if re.search(r"[A-Za-z]", part)]
    words = re.findall(r"[A-Za-z']+", text)
    if not words or not sentences:
        return 0.0
    per_sentence = len(words) / len(sentences)
    per_word = sum(_syllables(word) for word in words) / len(words)
    return max(0.0, 0.39 * per_sentence + 11.8 * per_word - 15.59)


def _syllables(word: str) -> int:
    """Count the groups of vowels, without a silent e at the end. Close enough for a sentence."""
    word = word.casefold().replace("'", "")
    groups = len(re.findall(r"[aeiouy]+", word))
    silent = word.endswith("e") and not word.endswith(("le", "ee", "ye")) and groups > 1
    past = word.endswith("ed") and not word.endswith(("ted", "ded")) and groups > 1
    return max(1, groups - silent - past)
