"""How badly the stand-in behaves, and the dice that decide it: one seed, the same decisions in the same order."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeVar

Member = TypeVar("Member")


class Answer(StrEnum):
    """What becomes of the answer to a request."""

    GIVEN = "given"
    HANGS = "hangs"  # accepted, and answered when nobody listens any more
    RESET = "reset"  # accepted, and the connection is cut instead of an answer
    RESET_BEFORE = "reset_before"  # cut before the request was read: not accepted
    BUSY = "busy"  # 429: never accepted (20429)
    FAILED_INSIDE = "failed_inside"  # 500 or 503, accepted or not
    HTML = "html"  # accepted; 200 and somebody's web page
    NONSENSE = "nonsense"  # accepted; 201 and JSON that says nothing


# Which chance leads to which answer, in the order in which the die is read.
_CHANCES = {
    "time_out_after_accepting": Answer.HANGS,
    "reset_after_accepting": Answer.RESET,
    "reset_before_reading": Answer.RESET_BEFORE,
    "busy": Answer.BUSY,
    "failed_inside": Answer.FAILED_INSIDE,
    "html_with_200": Answer.HTML,
    "nonsense_json": Answer.NONSENSE,
}
# How a question about something that is there already (a list, a lookup) can go wrong.
_QUESTIONS_GO_WRONG = (Answer.BUSY, Answer.FAILED_INSIDE, Answer.RESET_BEFORE, Answer.HTML)
_AFTER_ACCEPTING = (30003, 30005, 30006, 30007, 30008)


@dataclass(frozen=True)
class Trouble:
    """Chances between 0 and 1, and durations in seconds; the plain Trouble() is a provider on its best day.

    Raises ValueError for a chance that is none, and for answers that leave no room for a plain one.
    """

    latency: tuple[float, float] = (0.0, 0.0)
    long_latency: float = 0.0
    long_seconds: float = 1.0

    # One of these at most befalls a create.
    time_out_after_accepting: float = 0.0
    reset_after_accepting: float = 0.0
    reset_before_reading: float = 0.0
    busy: float = 0.0
    failed_inside: float = 0.0  # in half of them the text was accepted
    html_with_200: float = 0.0
    nonsense_json: float = 0.0
    hang_seconds: float = 30.0  # longer than any client waits
    most_at_once: int = 0  # more creates than this at the same time are busy; 0: any number

    delivery_fails: float = 0.0
    status_pause: tuple[float, float] = (0.01, 0.05)  # from one status of a text to its next
    receipt_before_answer: float = 0.0
    receipts_lost: float = 0.0  # each by itself
    receipts_repeated: float = 0.0  # each by itself
    receipts_reordered: float = 0.0  # the last word first
    receipts_delayed: float = 0.0
    delay_seconds: tuple[float, float] = (0.5, 2.0)

    questions_fail: float = 0.0  # lists, lookups and changes, each by itself
    webhooks_lost: float = 0.0  # a family's text of which we are never told (TW-61)
    webhooks_repeated: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and not field.name.endswith("_seconds") and not 0 <= value <= 1:
                raise ValueError(f"{field.name} is {value}; a chance lies between 0 and 1")
        if sum(getattr(self, name) for name in _CHANCES) > 1 + 1e-9:
            raise ValueError(f"the chances of {', '.join(_CHANCES)} come to more than 1")


NONE = Trouble()
MILD = Trouble(
    latency=(0.03, 0.15),
    long_latency=0.01,
    time_out_after_accepting=0.005,
    reset_after_accepting=0.005,
    reset_before_reading=0.005,
    busy=0.02,
    failed_inside=0.005,
    html_with_200=0.002,
    nonsense_json=0.002,
    delivery_fails=0.03,
    receipt_before_answer=0.05,
    receipts_lost=0.01,
    receipts_repeated=0.05,
    receipts_reordered=0.05,
    receipts_delayed=0.05,
    questions_fail=0.01,
    webhooks_lost=0.005,
    webhooks_repeated=0.02,
)
WILD = Trouble(
    latency=(0.01, 0.3),
    long_latency=0.05,
    long_seconds=2.0,
    time_out_after_accepting=0.05,
    reset_after_accepting=0.05,
    reset_before_reading=0.05,
    busy=0.1,
    failed_inside=0.06,
    html_with_200=0.03,
    nonsense_json=0.03,
    delivery_fails=0.1,
    receipt_before_answer=0.2,
    receipts_lost=0.1,
    receipts_repeated=0.2,
    receipts_reordered=0.2,
    receipts_delayed=0.2,
    questions_fail=0.1,
    webhooks_lost=0.05,
    webhooks_repeated=0.1,
)
PRESETS = {"none": NONE, "mild": MILD, "wild": WILD}


@dataclass(frozen=True)
class Fate:
    """All that was decided about one create when it arrived."""

    answer: Answer
    accepted: bool  # what the answer leaves open; a text may still be refused for what it says
    latency: float
    status: int  # of a failure inside
    nonsense: float
    error_code: int  # 0: the text reaches the phone
    fails_before_carrier: bool  # "failed" rather than "undelivered" (TW-55)
    early: bool  # the first receipt comes before the answer
    pauses: tuple[float, ...]
    lost: tuple[bool, ...]
    repeated: tuple[bool, ...]
    reordered: bool
    delay: float


@dataclass(frozen=True)
class Mood:
    """What was decided about one question."""

    answer: Answer
    latency: float


class Dice:
    """Decisions from one seed. Creates, questions and families' texts each have a die of their own.

    So a list that is asked for in between changes no create's fate; and since every create throws
    as often as any other, neither does another Trouble: it only reads the same throws differently.
    """

    def __init__(self, seed: int) -> None:
        self._creates, self._questions, self._webhooks = (
            random.Random(f"{seed}/{name}") for name in ("creates", "questions", "webhooks")
        )

    def fate(self, trouble: Trouble) -> Fate:
        throws = iter([self._creates.random() for _ in range(20)])

        def happens(chance: float) -> bool:
            return next(throws) < chance

        answer = _answer(next(throws), trouble)
        coin = happens(0.5)
        return Fate(
            answer=answer,
            accepted=coin
            if answer is Answer.FAILED_INSIDE
            else answer not in (Answer.BUSY, Answer.RESET_BEFORE),
            latency=_latency(throws, trouble),
            status=500 if happens(0.5) else 503,
            nonsense=next(throws),
            error_code=_one_of(_AFTER_ACCEPTING, next(throws)) * happens(trouble.delivery_fails),
            fails_before_carrier=happens(0.2),
            early=happens(trouble.receipt_before_answer),
            pauses=(_between(trouble.status_pause, next(throws)),) * 3,
            lost=tuple(happens(trouble.receipts_lost) for _ in range(3)),
            repeated=tuple(happens(trouble.receipts_repeated) for _ in range(3)),
            reordered=happens(trouble.receipts_reordered),
            delay=_between(trouble.delay_seconds, next(throws)) * happens(trouble.receipts_delayed),
        )

    def mood(self, trouble: Trouble) -> Mood:
        throws = iter([self._questions.random() for _ in range(4)])
        goes_wrong = next(throws) < trouble.questions_fail
        how = _one_of(_QUESTIONS_GO_WRONG, next(throws))
        return Mood(how if goes_wrong else Answer.GIVEN, _latency(throws, trouble))

    def webhook(self, trouble: Trouble) -> tuple[bool, bool]:
        """Whether a family's text is never told to us, and whether we are told twice."""
        lost, repeated = self._webhooks.random(), self._webhooks.random()
        return lost < trouble.webhooks_lost, repeated < trouble.webhooks_repeated


def _answer(throw: float, trouble: Trouble) -> Answer:
    for name, answer in _CHANCES.items():
        throw -= getattr(trouble, name)
        if throw < 0:
            return answer
    return Answer.GIVEN


def _latency(throws: Iterator[float], trouble: Trouble) -> float:
    usual = _between(trouble.latency, next(throws))
    return trouble.long_seconds if next(throws) < trouble.long_latency else usual


def _between(ends: tuple[float, float], throw: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * throw


def _one_of(members: tuple[Member, ...], throw: float) -> Member:
    return members[int(throw * len(members))]
