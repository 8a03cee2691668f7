"""Flow files become Flows, or a FlowError that names file, line, node and the mend."""

import hashlib
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.reader import ReaderError

from bot.conversation.flow import (
    ALWAYS,
    EVERYWHERE,
    MORNING,
    OPENINGS,
    PLACEHOLDERS,
    BarrierRule,
    Concerns,
    Flow,
    Flows,
    HandOffTo,
    Node,
)
from bot.conversation.ladder import After, Ladder, Task
from bot.conversation.replies import PLACEHOLDERS as IN_REPLIES
from bot.conversation.replies import Reply
from bot.errors import PresenteError
from bot.vocabulary import Barrier, Outcome, Purpose, Queue, Step, Urgency

# The carriers act on these words before we see them: as a menu answer, YES would be a new consent
# and CANCEL would unsubscribe the family (TW-90, TW-92).
CARRIER_WORDS = frozenset(
    [
        "stop",
        "unsubscribe",
        "end",
        "quit",
        "stopall",
        "revoke",
        "optout",
        "cancel",
        "start",
        "yes",
        "unstop",
        "help",
        "info",
    ]
)

ANSWERS = frozenset({"affirm", "deny", "words", "returns", "unclear", "silence"})
_NODE_KEYS = frozenset(
    {
        "say",
        "purpose",
        "listen",
        "go",
        "wait",
        "record",
        "outcome",
        "then",
        "hand_off",
        "urgency",
        "why",
        "close",
    }
)
# These files of the folder hold something else than a conversation.
_NO_FLOWS = ("barriers", "ladder", "replies")
_WAYS_OUT = ("go", "then", "hand_off", "close")

Closed = TypeVar("Closed", bound=StrEnum)


class FlowError(PresenteError):
    """A flow file is wrong. `file:line: node: what is wrong; the mend`."""

    def __init__(self, file: str, line: int, node: str, fact: str) -> None:
        super().__init__(f"{file}:{line}: {node + ': ' if node else ''}{fact}")
        self.file, self.line, self.node = file, line, node


def load(folder: Path) -> Flows:
    """Read every flow of *folder*, with barriers.yaml, everywhere.yaml and ladder.yaml; refuse the first mistake.

    Raises FlowError.
    """
    flows = {}
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise FlowError(
            str(folder), 0, "", "there is no flow file here; expected absence_check.yaml and others"
        )
    for path in files:
        if path.stem not in _NO_FLOWS:
            flow = _read_flow(path)
            flows[flow.name] = flow
    barriers = _read_barriers(folder / "barriers.yaml", flows)
    loaded = Flows(flows, barriers)
    _check_everywhere(folder, loaded)
    for flow in flows.values():
        _check_targets(f"{flow.name}.yaml", flow, loaded)
    _check_reached(loaded)
    _check_circles(loaded)
    return replace(loaded, ladder=_read_ladder(folder / "ladder.yaml", loaded))


# --- YAML as a tree of text: every scalar stays what was written, every entry knows its line -------


def _entries(file: str, node: object, where: str) -> Iterator[tuple[str, object, int]]:
    """The entries of a mapping as (key, value node, line). A repeated key is refused, not dropped."""
    if not isinstance(node, MappingNode):
        line = getattr(getattr(node, "start_mark", None), "line", 0) + 1
        raise FlowError(file, line, where, "expected entries of the form `name: value`")
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = str(key.value)
        if name in seen:
            raise FlowError(file, line, where, f"`{name}` stands here twice; keep one")
        seen.add(name)
        yield name, value, line


def _text(file: str, node: object, line: int, where: str, key: str) -> str:
    if not isinstance(node, ScalarNode):
        raise FlowError(file, line, where, f"`{key}` must be one line of text")
    return str(node.value)


def _tree(path: Path) -> object:
    try:
        written = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FlowError(path.name, 0, "", "the file is missing") from None
    except UnicodeDecodeError:
        raise FlowError(path.name, 0, "", "the file is not UTF-8; save it as UTF-8") from None
    except OSError as wrong:
        raise FlowError(path.name, 0, "", f"the file cannot be read: {wrong.strerror}") from None
    try:
        tree = YAML(typ="safe", pure=True).compose(written)
    except MarkedYAMLError as wrong:
        line = wrong.problem_mark.line + 1 if wrong.problem_mark else 0
        raise FlowError(path.name, line, "", f"this is not YAML: {wrong.problem}") from None
    except ReaderError as wrong:
        line = written.count("\n", 0, wrong.position) + 1
        raise FlowError(path.name, line, "", "a character stands here that no text may hold") from None
    except Exception as wrong:  # noqa: BLE001 - the reader stumbles in its own ways: KeyError, RecursionError
        raise FlowError(path.name, 1, "", f"this is not YAML: {type(wrong).__name__}") from None
    if tree is None:
        raise FlowError(path.name, 1, "", "the file is empty")
    return tree


def _member(kind: type[Closed], written: str, file: str, line: int, where: str, key: str) -> Closed:
    try:
        return kind(written)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise FlowError(file, line, where, f"`{key}: {written}` is unknown; one of: {known}") from None


# --- one flow -------------------------------------------------------------------------------------


def _read_flow(path: Path) -> Flow:
    file = path.name
    start, nodes, start_line = "", None, 1
    for key, value, line in _entries(file, _tree(path), ""):
        match key:
            case "flow":
                name = _text(file, value, line, "", key)
                if name != path.stem:
                    raise FlowError(
                        file, line, "", f"`flow: {name}` must be the file's own name, {path.stem}"
                    )
            case "start":
                start, start_line = _text(file, value, line, "", key), line
            case "nodes":
                nodes = value
            case _:
                raise FlowError(file, line, "", f"`{key}` is unknown here; a file has flow, start and nodes")
    if nodes is None:
        raise FlowError(file, 1, "", "the file has no `nodes:`")
    written = path.read_text(encoding="utf-8").splitlines()
    read = {
        name: _read_node(file, path.stem, name, value, line, written)
        for name, value, line in _entries(file, nodes, "")
    }
    if path.stem != EVERYWHERE and start not in read:
        raise FlowError(
            file, start_line, "", f"`start: {start}` is no node of this file; name one of its nodes"
        )
    version = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return Flow(path.stem, version, start, read)


def _comment_above(written: list[str], line: int) -> str:
    """The lines of comment right above a line (counted from 1), as one sentence."""
    found: list[str] = []
    for text in reversed(written[: line - 1]):
        if not text.strip().startswith("#"):
            break
        found.insert(0, text.strip().lstrip("# "))
    return " ".join(found)


def _read_node(file: str, flow: str, name: str, tree: object, line: int, written: list[str]) -> Node:
    given = {key: (value, at) for key, value, at in _entries(file, tree, name)}
    for key, (_, at) in given.items():
        if key not in _NODE_KEYS:
            raise FlowError(file, at, name, f"`{key}` is unknown; a node has {', '.join(sorted(_NODE_KEYS))}")
    ways = [key for key in _WAYS_OUT if key in given]
    if len(ways) != 1:
        found = " and ".join(f"`{way}`" for way in ways) or "none"
        raise FlowError(
            file, line, name, f"a node ends in exactly one of go, then, hand_off, close; found {found}"
        )
    node = Node(name, line)
    for key, (value, at) in given.items():
        if key == "go":
            node = replace(node, go=_read_go(file, flow, name, value, at))
        else:
            node = replace(node, **_read_entry(file, flow, name, key, _text(file, value, at, name, key), at))
    if node.say:
        node = replace(node, comment=_comment_above(written, given["say"][1]))
    asks = "go" in given
    if asks and ("listen" not in given or not node.say or not node.wait):
        raise FlowError(file, line, name, "a question needs `say`, `listen: choice` and `wait`")
    for key, beside in (("listen", "go"), ("wait", "go"), ("urgency", "hand_off"), ("why", "hand_off")):
        if key in given and beside not in given:
            raise FlowError(
                file, given[key][1], name, f"`{key}` does nothing without `{beside}`; add it or remove this"
            )
    return node


def _read_entry(file: str, flow: str, name: str, key: str, value: str, at: int) -> dict[str, Any]:
    """What one entry of a node says, as the fields of Node it sets."""
    match key:
        case "say":
            return {"say": _line(file, at, name, value)}
        case "purpose":
            return {"purpose": _member(Purpose, value, file, at, name, key)}
        case "listen":
            if value != "choice":
                raise FlowError(file, at, name, f"`listen: {value}` must be `listen: choice`")
            return {}
        case "wait":
            if not re.fullmatch("[0-9]{1,4}", value) or not 1 <= int(value) <= 24 * 60:
                raise FlowError(file, at, name, f"`wait: {value}` must be minutes, from 1 to 1440")
            return {"wait": int(value)}
        case "record":
            return {"record": _member(Barrier, value, file, at, name, key)}
        case "outcome":
            return {"outcome": _member(Outcome, value, file, at, name, key)}
        case "hand_off":
            if value == HandOffTo.BARRIER:
                return {"hand_off": HandOffTo.BARRIER}
            return {"hand_off": _member(Queue, value, file, at, name, key)}
        case "urgency":
            return {"urgency": _member(Urgency, value, file, at, name, key)}
        case "then" | "why":
            return {key: _target(flow, value) if key == "then" else value}
        case _:  # "close": the keys were checked above
            if value != "kindly":
                raise FlowError(file, at, name, f"`close: {value}` must be `close: kindly`")
            return {"close": True}


def _read_go(file: str, flow: str, name: str, tree: object, line: int) -> Mapping[str, str]:
    go = {}
    for answer, value, at in _entries(file, tree, name):
        if answer.casefold() in CARRIER_WORDS:
            raise FlowError(file, at, name, f"{answer} is the carriers' word (TW-92); use a digit")
        if answer not in ANSWERS and not re.fullmatch("[1-9]", answer):
            raise FlowError(
                file, at, name, f"the answer `{answer}` is unknown; use 1 to 9, {', '.join(sorted(ANSWERS))}"
            )
        go[answer] = _target(flow, _text(file, value, at, name, answer))
    for needed in ("unclear", "silence"):
        if needed not in go:
            raise FlowError(file, line, name, f"a question must say where `{needed}` leads")
    return go


def _line(file: str, line: int, name: str, say: str) -> str:
    """A text: one line, with only the placeholders that a family's text may hold."""
    try:
        parts = list(string.Formatter().parse(say))
    except ValueError:
        raise FlowError(file, line, name, "a brace in `say` is not closed") from None
    for said, field, shape, conversion in parts:
        if "{" in said or "}" in said or shape or conversion:
            raise FlowError(
                file, line, name, "braces in `say` hold the name of a placeholder and nothing else"
            )
        if field is None:
            continue
        if field not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in sorted(PLACEHOLDERS))
            raise FlowError(file, line, name, f"{{{field}}} is unknown; a text may hold {known}")
    return " ".join(say.split())


def _target(flow: str, written: str) -> str:
    return written if "." in written else f"{flow}.{written}"


# --- barriers.yaml ----------------------------------------------------------------------------------


def _read_barriers(path: Path, flows: Mapping[str, Flow]) -> Mapping[Barrier, BarrierRule]:
    file = path.name
    rules: dict[Barrier, BarrierRule] = {}
    for code, tree, line in _entries(file, _tree(path), ""):
        barrier = _member(Barrier, code, file, line, code, "barrier")
        given = {
            key: (_text(file, value, at, code, key), at) for key, value, at in _entries(file, tree, code)
        }
        wanted = {"root", "reason", "urgency", "goes_to", "flow", "concerns"}
        if set(given) != wanted:
            odd = ", ".join(sorted(set(given) ^ wanted))
            raise FlowError(
                file,
                line,
                code,
                f"a barrier has root, reason, urgency, goes_to, flow and concerns; see: {odd}",
            )
        flow, at = given["flow"]
        if flow not in flows or flow == EVERYWHERE:
            raise FlowError(
                file,
                at,
                code,
                f"`flow: {flow}` is no flow file; one of: {', '.join(sorted(set(flows) - {EVERYWHERE}))}",
            )
        rules[barrier] = BarrierRule(
            root=given["root"][0],
            reason=given["reason"][0],
            urgency=_member(Urgency, *_swap(given["urgency"], file), code, "urgency"),
            goes_to=_member(Queue, *_swap(given["goes_to"], file), code, "goes_to"),
            flow=flow,
            concerns=_member(Concerns, *_swap(given["concerns"], file), code, "concerns"),
        )
    missing = [barrier.value for barrier in Barrier if barrier not in rules]
    if missing:
        raise FlowError(file, 1, "", f"these barriers have no entry: {', '.join(missing)}")
    return rules


def _swap(given: tuple[str, int], file: str) -> tuple[str, str, int]:
    written, line = given
    return written, file, line


# --- replies.yaml -----------------------------------------------------------------------------------


def load_replies(folder: Path) -> tuple[Reply, ...]:
    """Read replies.yaml, in the file's order. Raises FlowError for the first mistake."""
    path = folder / "replies.yaml"
    return tuple(
        _read_reply(path.name, key, tree, line) for key, tree, line in _entries(path.name, _tree(path), "")
    )


def _read_reply(file: str, key: str, tree: object, line: int) -> Reply:
    given = {name: _text(file, value, at, key, name) for name, value, at in _entries(file, tree, key)}
    if set(given) != {"say", "when", "about"}:
        odd = ", ".join(sorted(set(given) ^ {"say", "when", "about"}))
        raise FlowError(file, line, key, f"a reply has say, when and about; see: {odd}")
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(given["say"]) if name is not None}
    except ValueError:
        raise FlowError(file, line, key, "a brace is not closed; write {school}") from None
    if named - IN_REPLIES:
        raise FlowError(
            file,
            line,
            key,
            f"{{{min(named - IN_REPLIES)}}} is unknown in a reply; one of: {', '.join(sorted(IN_REPLIES))}",
        )
    codes = [] if given["about"] == "anything" else [code.strip() for code in given["about"].split(",")]
    about = frozenset(_member(Barrier, code, file, line, key, "about") for code in codes)
    return Reply(key, given["say"], given["when"], about)


# --- ladder.yaml ------------------------------------------------------------------------------------

# What each step of the ladder says of itself; `skip: true` instead leaves it out.
_STEP_KEYS = {
    Step.REMINDER: ("after", "young"),
    Step.SECOND_GUARDIAN: ("after", "young", "say"),
    Step.CALL_TASK: ("after", "done_by", "goes_to"),
    Step.EMAIL: ("after",),
    Step.DAY_TWO: ("say",),
    Step.HOME_VISIT: ("in_a_row", "unanswered", "of_days", "within", "goes_to"),
    Step.TEAM_REVIEW: ("in_a_row", "within", "goes_to"),
    Step.RETURN_TEXT: ("after", "say"),
}
assert list(_STEP_KEYS) == list(Step)  # noqa: S101 - a new step needs to be read
# The flow itself reminds, and the morning itself has other words for the second day.
_NEVER_SKIPPED = (Step.REMINDER, Step.DAY_TWO)
_Given = Mapping[str, tuple[str, int]]


def _read_ladder(path: Path, flows: Flows) -> Ladder:
    file = path.name
    given = {key: (value, line) for key, value, line in _entries(file, _tree(path), "")}
    wanted = ("young_grades", "bot_days_a_week", "steps")
    for key, (_, line) in given.items():
        if key not in wanted:
            raise FlowError(file, line, "", f"`{key}` is unknown; a ladder has {', '.join(wanted)}")
    for key in wanted:
        if key not in given:
            raise FlowError(file, 1, "", f"`{key}` is missing")
    grades = _text(file, *given["young_grades"], "", "young_grades").upper().split()
    days = _text(file, *given["bot_days_a_week"], "", "bot_days_a_week")
    steps = _read_steps(file, *given["steps"])
    ladder = Ladder(
        young_grades=frozenset(grades),
        bot_days_a_week=_number(file, days, given["bot_days_a_week"][1], "", "bot_days_a_week", most=5),
        reminder=_after(file, steps[Step.REMINDER], Step.REMINDER),
        second_guardian=_after_or_none(file, steps, Step.SECOND_GUARDIAN),
        second_guardian_says=_wording(file, steps, Step.SECOND_GUARDIAN, flows),
        call_task=_after_or_none(file, steps, Step.CALL_TASK),
        email=_after_or_none(file, steps, Step.EMAIL),
        home_visit=_task(file, steps, Step.HOME_VISIT),
        team_review=_task(file, steps, Step.TEAM_REVIEW),
        return_text=_after_or_none(file, steps, Step.RETURN_TEXT),
        return_says=_wording(file, steps, Step.RETURN_TEXT, flows),
    )
    if ladder.call_task is not None:
        call = steps[Step.CALL_TASK]
        ladder = replace(
            ladder, call_done_by=_wall_time(file, *call["done_by"]), call_goes_to=_goes_to(file, call)
        )
    _wording(file, steps, Step.DAY_TWO, flows)
    _check_times_rise(file, steps, ladder)
    _check_the_flow_waits(file, steps, ladder, flows)
    return ladder


def _read_steps(file: str, tree: object, line: int) -> dict[Step, _Given]:
    """The entries of each step, in the ladder's order; `skip` alone where a step is left out."""
    steps: dict[Step, _Given] = {}
    for name, entries, at in _entries(file, tree, "steps"):
        step = _member(Step, name, file, at, "steps", "step")
        if steps and list(Step).index(step) < list(Step).index(next(reversed(steps))):
            order = ", ".join(each.value for each in Step)
            raise FlowError(file, at, name, f"the steps stand in the ladder's order: {order}")
        given = {
            key: (_text(file, value, where, name, key), where)
            for key, value, where in _entries(file, entries, name)
        }
        _check_step(file, at, step, given)
        steps[step] = given
    for step in Step:
        if step not in steps:
            raise FlowError(
                file, line, step, "this step is missing; write `skip: true` in it to do without it"
            )
    return steps


def _check_step(file: str, line: int, step: Step, given: _Given) -> None:
    if "skip" in given:
        value, at = given["skip"]
        if value != "true" or len(given) > 1:
            raise FlowError(file, at, step, "`skip: true` stands alone; remove it to take the step")
        if step in _NEVER_SKIPPED:
            raise FlowError(file, at, step, "this step is part of the flow and cannot be skipped here")
        return
    keys = _STEP_KEYS[step]
    for key, (_, at) in given.items():
        if key not in keys:
            raise FlowError(file, at, step, f"`{key}` is unknown; this step has {', '.join(keys)}")
    for key in keys:
        if key not in given:
            raise FlowError(file, line, step, f"`{key}` is missing; this step has {', '.join(keys)}")


def _number(file: str, value: str, line: int, where: str, key: str, *, most: int) -> int:
    if not re.fullmatch("[0-9]{1,4}", value) or not 1 <= int(value) <= most:
        raise FlowError(file, line, where, f"`{key}: {value}` must be a number from 1 to {most}")
    return int(value)


def _after(file: str, given: _Given, step: Step) -> After:
    def minutes(key: str) -> timedelta:
        return timedelta(minutes=_number(file, *given[key], step, key, most=12 * 60))

    older = minutes("after")
    return After(older, minutes("young") if "young" in given else older)


def _after_or_none(file: str, steps: Mapping[Step, _Given], step: Step) -> After | None:
    return None if "skip" in steps[step] else _after(file, steps[step], step)


def _task(file: str, steps: Mapping[Step, _Given], step: Step) -> Task | None:
    given = steps[step]
    if "skip" in given:
        return None
    numbers = {
        key: _number(file, *entry, step, key, most=20) for key, entry in given.items() if key != "goes_to"
    }
    return Task(goes_to=_goes_to(file, given, step), **numbers)


def _goes_to(file: str, given: _Given, step: Step = Step.CALL_TASK) -> Queue:
    value, line = given["goes_to"]
    return _member(Queue, value, file, line, step, "goes_to")


def _wall_time(file: str, value: str, line: int) -> time:
    if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise FlowError(
            file, line, Step.CALL_TASK, f"`done_by: {value}` must be the school's time, such as 14:30"
        )
    return time.fromisoformat(value)


def _wording(file: str, steps: Mapping[Step, _Given], step: Step, flows: Flows) -> str:
    """The node a step's text stands in, as flow.node; empty where the step is skipped."""
    if "skip" in steps[step]:
        return ""
    value, line = steps[step]["say"]
    target = _target(MORNING, value)
    node = flows.node(target)
    if node is None or not node.say:
        raise FlowError(file, line, step, f"`say: {value}`: the flows have no text `{target}`; name one")
    is_question = node.go is not None and node.purpose is Purpose.CHECK_IN
    if step is Step.RETURN_TEXT and not node.close:
        raise FlowError(file, line, step, f"`say: {value}` must be a text that ends in `close: kindly`")
    if step is not Step.RETURN_TEXT and (not is_question or target.partition(".")[2] not in OPENINGS):
        raise FlowError(
            file, line, step, f"`say: {value}` must be an opening of {MORNING}: {', '.join(OPENINGS)}"
        )
    return target


def _check_times_rise(file: str, steps: Mapping[Step, _Given], ladder: Ladder) -> None:
    timed = (
        (Step.REMINDER, ladder.reminder),
        (Step.SECOND_GUARDIAN, ladder.second_guardian),
        (Step.CALL_TASK, ladder.call_task),
        (Step.EMAIL, ladder.email),
    )
    before: tuple[Step, After] | None = None
    for step, after in timed:
        if after is None:
            continue
        line = steps[step]["after"][1]
        if after.young > after.older:
            raise FlowError(file, line, step, "`young` is later than `after`; the young are told sooner")
        if before and (after.older <= before[1].older or after.young <= before[1].young):
            raise FlowError(
                file, line, step, f"it comes before {before[0].value}, or with it; give it a later time"
            )
        before = step, after


def _check_the_flow_waits(file: str, steps: Mapping[Step, _Given], ladder: Ladder, flows: Flows) -> None:
    """The flow's own `wait` brings the reminder; a ladder that says another time would not be true."""
    morning = flows.flows[MORNING]
    line = steps[Step.REMINDER]["after"][1]
    for name in (morning.start, "first_check_in"):
        node = morning.nodes[name]
        if timedelta(minutes=node.wait) != ladder.reminder.older:
            raise FlowError(
                file,
                line,
                Step.REMINDER,
                f"{MORNING}.yaml reminds after `wait: {node.wait}` minutes ({name}); write the same in both",
            )


# --- the whole set ------------------------------------------------------------------------------------


def _check_everywhere(folder: Path, flows: Flows) -> None:
    everywhere, morning = flows.flows.get(EVERYWHERE), flows.flows.get(MORNING)
    if everywhere is None:
        raise FlowError(str(folder), 0, "", f"{EVERYWHERE}.yaml is missing: it answers danger, STOP and HELP")
    if morning is None:
        raise FlowError(str(folder), 0, "", f"{MORNING}.yaml is missing: it asks the morning's question")
    for name in ALWAYS:
        if name not in everywhere.nodes:
            raise FlowError(
                f"{EVERYWHERE}.yaml", 1, name, "this node is missing; the bot needs it at every point"
            )
    for name in OPENINGS:
        if name not in morning.nodes:
            raise FlowError(f"{MORNING}.yaml", 1, name, "this node is missing; the morning begins with it")


def _targets(node: Node) -> Iterator[str]:
    if node.go:
        yield from node.go.values()
    if node.then:
        yield node.then


def _check_targets(file: str, flow: Flow, flows: Flows) -> None:
    for node in flow.nodes.values():
        for target in _targets(node):
            if flows.node(target) is None:
                raise FlowError(file, node.line, node.name, f"it leads to `{target}`, which is no node")


def _check_reached(flows: Flows) -> None:
    """Every node must be reached from a start, from a barrier or from everywhere."""
    reached: set[str] = set()
    ahead = [flows.start_of(name) for name in flows.flows if name != EVERYWHERE]
    ahead += [f"{EVERYWHERE}.{name}" for name in ALWAYS]
    ahead += [f"{MORNING}.{name}" for name in OPENINGS]
    while ahead:
        target = ahead.pop()
        node = flows.node(target)
        if target in reached or node is None:
            continue
        reached.add(target)
        ahead.extend(_targets(node))
    for flow in flows.flows.values():
        for node in flow.nodes.values():
            if f"{flow.name}.{node.name}" not in reached:
                raise FlowError(
                    f"{flow.name}.yaml",
                    node.line,
                    node.name,
                    "nothing leads to this node; remove it or lead to it",
                )


def _check_circles(flows: Flows) -> None:
    """A circle of `then` would speak for ever without listening."""
    for flow in flows.flows.values():
        for node in flow.nodes.values():
            itself = f"{flow.name}.{node.name}"
            seen: set[str] = set()
            step: Node | None = node
            while step and step.then and step.then not in seen:
                if step.then == itself:
                    raise FlowError(
                        f"{flow.name}.yaml",
                        node.line,
                        node.name,
                        "this circle never listens; end it with a question",
                    )
                seen.add(step.then)
                step = flows.node(step.then)
