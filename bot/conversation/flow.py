"""What a flow file may say, once it has been read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.conversation.ladder import Ladder
from bot.vocabulary import Barrier, Outcome, Purpose, Queue, Urgency

# The nodes of everywhere.yaml that the turn enters by itself, at whatever point the family is.
EVERYWHERE = "everywhere"
ALWAYS = (
    "danger",
    "stopped",
    "stopped_person",
    "restarted",
    "help",
    "wrong_number",
    "at_school",
    "whereabouts",
    "person",
    "after_hours",
    "help_coming",
    "question",
    "language",
    "not_understood",
    "noted",
    "picture",
    "which_child",
    "ask_other",
)

# Other openings of the morning's question than the flow's start; the ladder enters them by name.
MORNING = "absence_check"
OPENINGS = ("first_check_in", "second_guardian", "day_two")

# What a text of a flow may be filled with; everything else about a student stays out (promise 9).
PLACEHOLDERS = frozenset({"students", "school", "by", "district", "office_phone", "day"})


class Concerns(StrEnum):
    """Whose a barrier is: with several absent children, a student's own must be asked for by name."""

    STUDENT = "student"
    HOUSEHOLD = "household"


class HandOffTo(StrEnum):
    """A handoff that does not name a queue goes to the owner of the leading barrier."""

    BARRIER = "barrier"


@dataclass(frozen=True)
class Node:
    """One step. It ends in exactly one of: `go` (wait for the family), `then`, `hand_off`, `close`.

    `go` maps an answer to the node it leads to, as flow.node. Answers are digits, `affirm`, `deny`,
    `words` (anything said in the family's own words that was understood), `returns` (a day was named),
    `unclear` and `silence`.
    `wait` is the minutes until silence counts as the answer.
    """

    name: str
    line: int
    say: str = ""
    purpose: Purpose = Purpose.REPLY
    comment: str = ""  # what stands above `say` in the file, for translators
    go: Mapping[str, str] | None = None
    wait: int = 0
    record: Barrier | None = None
    outcome: Outcome | None = None
    then: str = ""
    hand_off: Queue | HandOffTo | None = None
    urgency: Urgency | None = None
    why: str = ""
    close: bool = False


@dataclass(frozen=True)
class Flow:
    """A script. `version` is the hash of its file, so that a talk knows which wording it began with."""

    name: str
    version: str
    start: str
    nodes: Mapping[str, Node]


@dataclass(frozen=True)
class BarrierRule:
    """What one barrier leads to (flows/barriers.yaml).

    `reason` is the CEDS absence category reported back to the school's records; "" reports none.
    """

    root: str
    reason: str
    urgency: Urgency
    goes_to: Queue
    flow: str
    concerns: Concerns


@dataclass(frozen=True)
class Flows:
    flows: Mapping[str, Flow]
    barriers: Mapping[Barrier, BarrierRule]
    ladder: Ladder = field(default_factory=Ladder)

    def node(self, target: str) -> Node | None:
        """The node that "flow.node" names; None when no such node exists any more."""
        flow, _, name = target.partition(".")
        found = self.flows.get(flow)
        return found.nodes.get(name) if found else None

    def start_of(self, flow: str) -> str:
        return f"{flow}.{self.flows[flow].start}"

    def leading(self, barriers: tuple[Barrier, ...]) -> Barrier:
        """The most urgent of several barriers; among equals the one that was said first."""
        return min(barriers, key=lambda barrier: self.barriers[barrier].urgency)
