"""Where a conversation stands, and what can reach it: the closed lists of both."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, assert_never

from bot.language import Language
from bot.vocabulary import Barrier, Intent, Keyword


@dataclass(frozen=True)
class Child:
    """A student this conversation is about, by the only name that a text may hold."""

    id: int
    name: str


class End(StrEnum):
    """How the bot's part of a conversation ended."""

    CLOSED = "closed"  # the family told us, nobody waits
    WITH_A_PERSON = "with_a_person"  # a handoff is open
    DANGER = "danger"  # as above, and the bot never speaks here again
    STOPPED = "stopped"  # the family wants no more texts
    WRONG_NUMBER = "wrong_number"  # the number is somebody else's


@dataclass(frozen=True)
class NotStarted:
    """Nothing was asked yet: a family that writes first is met here too."""

    about: tuple[Child, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """The bot asked `flow`.`node` about some children and waits for words or for silence."""

    flow: str
    node: str
    about: tuple[Child, ...]
    later: tuple[Child, ...] = ()  # asked about together, not answered yet
    barriers: tuple[Barrier, ...] = ()
    unclear: int = 0  # answers in a row that nobody could read
    pending: tuple[tuple[Barrier, str], ...] = ()  # reasons told, while we ask whose they are


@dataclass(frozen=True)
class WithStaff:
    """A person speaks; the bot is silent. `before` is where it goes on when the person gives it back."""

    before: "NotStarted | Waiting | Ended"


@dataclass(frozen=True)
class Ended:
    how: End
    about: tuple[Child, ...] = ()


State = NotStarted | Waiting | WithStaff | Ended


# --- what reaches a conversation ----------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """The morning asks a guardian about these children."""

    about: tuple[Child, ...]
    flow: str = "absence_check"
    node: str = ""  # another opening than the flow's own: the first text, the second guardian, the second day


@dataclass(frozen=True)
class Heard:
    """The family wrote; `understanding` has read the words before the turn, which never guesses."""

    words: str
    intent: Intent = Intent.UNCLEAR
    keyword: Keyword | None = None
    choice: str | None = None
    barriers: tuple[tuple[Barrier, str], ...] = ()  # with the words that show each
    danger: bool = False
    whereabouts: bool = False  # "I thought she was at school"
    wants_person: bool = False
    may_mean_stop: bool = False
    wants_language: Language | None = None
    named: tuple[str, ...] = ()
    everyone: bool = False
    returns_on: date | None = None
    after_hours: bool = False  # nobody is at work to read it now
    has_picture: bool = False
    provider_answered: bool = False  # the provider has sent the STOP, START or HELP answer itself (TW-94)


@dataclass(frozen=True)
class Silence:
    """The family did not answer in the time the question allows."""


@dataclass(frozen=True)
class StaffTook:
    """A staff member speaks from now on."""


@dataclass(frozen=True)
class StaffReturned:
    """The staff member gives the conversation back."""


Message = Begin | Heard | Silence | StaffTook | StaffReturned


# --- a state is kept as JSON between turns --------------------------------------------------------


def to_json(state: State) -> dict[str, Any]:
    match state:
        case NotStarted(about=about):
            return {"kind": "NotStarted", "about": _kept(about)}
        case Waiting():
            return {
                "kind": "Waiting",
                "flow": state.flow,
                "node": state.node,
                "about": _kept(state.about),
                "later": _kept(state.later),
                "barriers": list(state.barriers),
                "unclear": state.unclear,
                "pending": [[code, words] for code, words in state.pending],
            }
        case WithStaff(before=before):
            return {"kind": "WithStaff", "before": to_json(before)}
        case Ended(how=how, about=about):
            return {"kind": "Ended", "how": how, "about": _kept(about)}
        case _:
            assert_never(state)


def _kept(children: tuple[Child, ...]) -> list[dict[str, Any]]:
    return [{"id": child.id, "name": child.name} for child in children]


def from_json(kept: dict[str, Any]) -> State:
    """The state that `to_json` wrote. A state nobody can read any more is an ended one, never an error."""
    match kept:
        case {"kind": "NotStarted"}:
            return NotStarted(_children(kept.get("about", [])))
        case {"kind": "Waiting", "flow": str(flow), "node": str(node)}:
            return Waiting(
                flow,
                node,
                about=_children(kept.get("about", [])),
                later=_children(kept.get("later", [])),
                barriers=tuple(_BARRIERS[code] for code in kept.get("barriers", []) if code in _BARRIERS),
                unclear=int(kept.get("unclear", 0)),
                pending=tuple(
                    (_BARRIERS[code], str(words))
                    for code, words in kept.get("pending", [])
                    if code in _BARRIERS
                ),
            )
        case {"kind": "WithStaff", "before": dict(before)}:
            inner = from_json(before)
            return WithStaff(inner.before if isinstance(inner, WithStaff) else inner)
        case {"kind": "Ended", "how": str(how)} if how in _ENDS:
            return Ended(_ENDS[how], _children(kept.get("about", [])))
        case _:
            return Ended(End.CLOSED)


def _children(kept: list[dict[str, Any]]) -> tuple[Child, ...]:
    return tuple(Child(int(child["id"]), str(child["name"])) for child in kept)


_BARRIERS = {barrier.value: barrier for barrier in Barrier}
_ENDS = {end.value: end for end in End}


def asked_about(state: State) -> tuple[Child, ...]:
    """Every child the conversation is about, answered for or not."""
    match state:
        case Waiting(about=about, later=later):
            return about + later
        case WithStaff(before=before):
            return asked_about(before)
        case NotStarted(about=about) | Ended(about=about):
            return about


def narrowed_to(state: Waiting, named: tuple[str, ...]) -> Waiting:
    """The same question, about the named children only; the others are asked about later."""
    about = tuple(child for child in state.about if child.name in named)
    if not about or about == state.about:
        return state
    rest = tuple(child for child in state.about if child.name not in named)
    return replace(state, about=about, later=rest + state.later)
