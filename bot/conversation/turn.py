"""The turn: (state, message, flows) -> (state, effects). Pure, total, deterministic."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import assert_never

from bot.conversation.effects import (
    DropQueued,
    Effect,
    HandOff,
    HoldTexting,
    MarkWrongNumber,
    RecordBarrier,
    RecordOutcome,
    RecordReturn,
    ResumeTexting,
    Say,
    SpeakLanguage,
    StopTexting,
    TellStaff,
)
from bot.conversation.flow import EVERYWHERE, Concerns, Flows, HandOffTo, Node
from bot.conversation.state import (
    Begin,
    Child,
    End,
    Ended,
    Heard,
    Message,
    Silence,
    StaffReturned,
    StaffTook,
    State,
    Waiting,
    WithStaff,
    asked_about,
    narrowed_to,
)
from bot.language import Language
from bot.vocabulary import Barrier, Intent, Keyword, Outcome, Purpose, Queue, Urgency

# A flow has far fewer steps between two questions; more means a file that changed under a talk.
_MOST_STEPS = 20
# These do not say where a student is or why: the record is disputed, and somebody must look.
_DOES_NOT_EXPLAIN = frozenset({Barrier.ATTENDANCE_ERROR})
# Two answers in a row that nobody can read, and a person takes over: a third menu helps no one.
_MOST_UNCLEAR = 2


def turn(state: State, message: Message, flows: Flows) -> tuple[State, tuple[Effect, ...]]:
    """Move one conversation by one message.

    Total: every state answers every message, so no family meets an error. What the flows do not
    foresee, such as a node that was removed meanwhile, ends in a handoff.
    """
    match message:
        case Begin():
            return _Talk(flows, Waiting(message.flow, "", message.about), unasked=True).begin(message)
        case Heard():
            return _heard(state, message, flows)
        case Silence():
            return _silence(state, flows)
        case StaffTook():
            before = state.before if isinstance(state, WithStaff) else state
            return WithStaff(before), (DropQueued(),)
        case StaffReturned():
            return _returned(state, flows)
        case _:
            assert_never(message)


# --- what the family wrote -------------------------------------------------------------------------


def _heard(state: State, heard: Heard, flows: Flows) -> tuple[State, tuple[Effect, ...]]:
    """Act in the order of conversation.md: danger, removal, wrong number, at school, a person, the rest."""
    if heard.danger or heard.intent is Intent.CRISIS:
        return _danger(state, heard, flows)
    if isinstance(state, WithStaff):
        return _heard_by_staff(state, heard)
    talk = _Talk(flows, _as_waiting(state))
    if _never_speaks_again(state):
        return _kept_for_staff(state, heard)
    if heard.keyword is Keyword.STOP or heard.intent is Intent.OPT_OUT:
        return talk.stop(heard)
    # Only the word itself gives consent back; "you text me too much" is no wish for more (LAW-16).
    if heard.keyword is Keyword.START:
        return talk.restart(state, heard)
    if heard.keyword is Keyword.HELP:
        return talk.help(state, heard)
    if heard.may_mean_stop:
        return talk.hold(heard)
    if heard.intent is Intent.WRONG_NUMBER:
        return talk.wrong_number()
    if isinstance(state, Ended) and state.how in (End.STOPPED, End.WRONG_NUMBER):
        return state, (HandOff(Queue.ENGAGEMENT, Urgency.P2, "wrote_after_stop"), TellStaff())
    if heard.intent is Intent.CHANGE_LANGUAGE and heard.wants_language:
        return talk.change_language(state, heard.wants_language)
    if isinstance(state, Ended) and state.how is End.WITH_A_PERSON:
        return _kept_for_staff(state, heard)
    return talk.answer(state, heard)


def _never_speaks_again(state: State) -> bool:
    """After danger was heard the bot is silent in this conversation (conversation.md, Safety text)."""
    return isinstance(state, Ended) and state.how is End.DANGER


def _danger(state: State, heard: Heard, flows: Flows) -> tuple[State, tuple[Effect, ...]]:
    """Promise 7: the fixed text once, an urgent handoff always, whatever the state and whatever else is said."""
    about = asked_about(state)
    ids = _ids(about)
    effects: list[Effect] = [DropQueued(), *_barriers(heard, _ids(_spoken_of(about, heard)))]
    wants_stop = heard.keyword is Keyword.STOP or heard.intent is Intent.OPT_OUT
    spoken_before = isinstance(state, Ended) and state.how in (End.DANGER, End.STOPPED)
    if not spoken_before and not _danger_under_staff(state):
        node = flows.node(f"{EVERYWHERE}.danger")
        if node:
            effects.append(Say(f"{EVERYWHERE}.danger", node.say, ids, node.purpose))
    effects.append(HandOff(Queue.SAFETY, Urgency.P0, "danger"))
    effects.append(RecordOutcome(Outcome.WITH_A_PERSON, ids))
    if wants_stop:
        effects.append(StopTexting())
    after = Ended(End.DANGER, about)
    return (WithStaff(after) if isinstance(state, WithStaff) else after), tuple(effects)


def _danger_under_staff(state: State) -> bool:
    """Whether the safety text already went out earlier in a talk that a person now owns."""
    return isinstance(state, WithStaff) and isinstance(state.before, Ended) and state.before.how is End.DANGER


def _heard_by_staff(state: WithStaff, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
    """A person owns the talk: the bot says nothing (promise 3), but consent and barriers are still heard."""
    effects: list[Effect] = [TellStaff(), *_told(state, heard)]
    if heard.keyword is Keyword.STOP or heard.intent is Intent.OPT_OUT:
        effects.append(StopTexting())
    elif heard.keyword is Keyword.START:
        effects.append(ResumeTexting())
    elif heard.may_mean_stop:
        effects.append(HoldTexting())
    elif heard.intent is Intent.WRONG_NUMBER:
        effects.append(MarkWrongNumber())
    elif heard.intent is Intent.CHANGE_LANGUAGE and heard.wants_language:
        effects.append(SpeakLanguage(heard.wants_language))
    if heard.whereabouts:
        effects.append(HandOff(Queue.ATTENDANCE_OFFICE, Urgency.P0, "whereabouts"))
    return state, tuple(effects)


def _kept_for_staff(state: State, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
    """A person is awaited: what the family adds goes to the thread, and no menu answers it."""
    effects: list[Effect] = [TellStaff(), *_told(state, heard)]
    if heard.keyword is Keyword.STOP or heard.intent is Intent.OPT_OUT:
        effects.append(StopTexting())
    elif heard.keyword is Keyword.START:
        effects.append(ResumeTexting())
    if heard.whereabouts:
        effects.append(HandOff(Queue.ATTENDANCE_OFFICE, Urgency.P0, "whereabouts"))
    return state, tuple(effects)


def _silence(state: State, flows: Flows) -> tuple[State, tuple[Effect, ...]]:
    if not isinstance(state, Waiting):
        return state, ()
    node = flows.node(f"{state.flow}.{state.node}")
    talk = _Talk(flows, state, unasked=True)
    if node is None or node.go is None:
        return talk.to_a_person(None, "flow_changed")
    return talk.go_to(node.go["silence"])


def _returned(state: State, flows: Flows) -> tuple[State, tuple[Effect, ...]]:
    """A person gives the talk back: a question is asked again, anything else stays as it was."""
    before = state.before if isinstance(state, WithStaff) else state
    if not isinstance(before, Waiting):
        if isinstance(before, Ended) and before.how is End.WITH_A_PERSON:
            return Ended(End.CLOSED, before.about), ()
        return before, ()
    return _Talk(flows, replace(before, unclear=0)).go_to(f"{before.flow}.{before.node}")


def _as_waiting(state: State) -> Waiting:
    """A talk to go on from, whatever the state: a family may write before or after any question."""
    return state if isinstance(state, Waiting) else Waiting(EVERYWHERE, "noted", asked_about(state))


def _ids(children: tuple[Child, ...]) -> tuple[int, ...]:
    return tuple(child.id for child in children)


def _spoken_of(about: tuple[Child, ...], heard: Heard) -> tuple[Child, ...]:
    """The children a text names; all of them when it names none."""
    return tuple(child for child in about if child.name in heard.named) or about


def _as_said(heard: Heard) -> tuple[tuple[Barrier, str], ...]:
    """The reasons in the order in which the family gave them: among equally urgent ones the first leads."""

    def place(found: tuple[Barrier, str]) -> int:
        at = heard.words.find(found[1])
        return at if at >= 0 else len(heard.words)

    return tuple(sorted(heard.barriers, key=place))


def _barriers(heard: Heard, about: tuple[int, ...]) -> list[Effect]:
    return [RecordBarrier(code, words, about) for code, words in heard.barriers]


def _explains(codes: Iterable[Barrier]) -> bool:
    return any(code not in _DOES_NOT_EXPLAIN for code in codes)


def _told(state: State, heard: Heard) -> list[Effect]:
    """Barriers heard while a person has or awaits the talk: kept, and the ledger knows why."""
    ids = _ids(_spoken_of(asked_about(state), heard))
    effects = _barriers(heard, ids)
    if _explains(code for code, _ in heard.barriers):
        effects.append(RecordOutcome(Outcome.EXPLAINED_NEEDS_HELP, ids))
    return effects


# --- one turn of a talk the bot owns ------------------------------------------------------------------


@dataclass
class _Talk:
    """Collects the effects of one turn while it walks from node to node."""

    flows: Flows
    at: Waiting
    effects: list[Effect] = field(default_factory=list)
    day: date | None = None  # the return date this turn heard
    unasked: bool = False  # the family has not just written: what is said now is a text of ours

    def begin(self, how: Begin) -> tuple[State, tuple[Effect, ...]]:
        opening = f"{how.flow}.{how.node}"
        if self.flows.node(opening) is not None:
            return self.go_to(opening)
        if how.flow not in self.flows.flows:
            return self.to_a_person(None, "flow_changed")
        return self.go_to(self.flows.start_of(how.flow))

    # Walking

    def go_to(self, target: str) -> tuple[State, tuple[Effect, ...]]:
        """Enter *target* and go on until a node listens, hands off or closes."""
        for _ in range(_MOST_STEPS):
            node = self.flows.node(target)
            if node is None:
                return self.to_a_person(None, "flow_changed")
            self._enter(target, node)
            if node.go is not None:
                flow, _, name = target.partition(".")
                return self._done(replace(self.at, flow=flow, node=name))
            if node.hand_off is not None:
                return self._hand_off(node)
            if node.close:
                if self.at.later:
                    self.at = replace(self.at, about=self.at.later, later=(), barriers=(), unclear=0)
                    target = f"{EVERYWHERE}.ask_other"
                    continue
                return self._done(Ended(End.CLOSED, self.at.about))
            target = node.then
        return self.to_a_person(None, "flow_changed")

    def _enter(self, target: str, node: Node) -> None:
        ids = _ids(self.at.about)
        if node.record and node.record not in self.at.barriers:
            self.effects.append(RecordBarrier(node.record, "", ids))
            if _explains([node.record]):
                self.effects.append(RecordOutcome(Outcome.EXPLAINED, ids))
            self.at = replace(self.at, barriers=(*self.at.barriers, node.record))
        if node.outcome:
            self.effects.append(RecordOutcome(node.outcome, ids))
        if node.say:
            urgency = self._urgency(node) if node.hand_off is not None else None
            # A question that is put again to a family that just wrote is an answer to it.
            is_ours = self.unasked or node.purpose not in (Purpose.CHECK_IN, Purpose.REMINDER)
            purpose = node.purpose if is_ours else Purpose.REPLY
            self.effects.append(Say(target, node.say, ids, purpose, self.day, urgency))

    def _urgency(self, node: Node) -> Urgency:
        if node.urgency:
            return node.urgency
        if self.at.barriers:
            return self.flows.barriers[self.flows.leading(self.at.barriers)].urgency
        return Urgency.P2

    def _hand_off(self, node: Node) -> tuple[State, tuple[Effect, ...]]:
        everyone = asked_about(self.at)
        queue = Queue.ENGAGEMENT
        if isinstance(node.hand_off, Queue):
            queue = node.hand_off
        elif node.hand_off is HandOffTo.BARRIER and self.at.barriers:
            queue = self.flows.barriers[self.flows.leading(self.at.barriers)].goes_to
        told = _explains(self.at.barriers)
        outcome = Outcome.EXPLAINED_NEEDS_HELP if told else Outcome.WITH_A_PERSON
        # Whoever was not reached is not yet with a person: the desk must still try to reach the family.
        if node.why != "no_answer":
            self.effects.append(RecordOutcome(outcome, _ids(self.at.about)))
            if self.at.later:
                self.effects.append(RecordOutcome(Outcome.WITH_A_PERSON, _ids(self.at.later)))
        why = node.why or ("barrier" if self.at.barriers else "asked_for_person")
        self.effects.append(HandOff(queue, self._urgency(node), why))
        return self._done(Ended(End.WITH_A_PERSON, everyone))

    def _done(self, state: State) -> tuple[State, tuple[Effect, ...]]:
        return state, tuple(self.effects)

    # The things that can be said at every point

    def stop(self, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
        everyone = asked_about(self.at)
        self.effects += [DropQueued(), *_barriers(heard, _ids(everyone))]
        if _explains(code for code, _ in heard.barriers):
            self.effects.append(RecordOutcome(Outcome.EXPLAINED, _ids(everyone)))
        # One confirmation, and none when the provider has already sent its own (LAW-13, TW-94).
        if not heard.provider_answered:
            self._say("stopped_person" if heard.wants_person else "stopped", everyone)
        self.effects.append(StopTexting())
        # STOP ends texts, not care: calls and visits go on, and a person must know (field.md, D6).
        why, urgency = (
            ("asked_for_person", Urgency.P1) if heard.wants_person else ("stopped_texts", Urgency.P2)
        )
        if everyone or heard.wants_person:
            self.effects.append(HandOff(Queue.ENGAGEMENT, urgency, why))
        return self._done(Ended(End.STOPPED, everyone))

    def hold(self, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
        """Perhaps they want no more texts: nothing automatic, not even thanks, until a person has read it."""
        self.effects += [DropQueued(), HoldTexting()]
        self._hear_barriers(heard)
        self.effects.append(HandOff(Queue.ENGAGEMENT, Urgency.P1, "may_mean_stop"))
        return self._done(Ended(End.WITH_A_PERSON, asked_about(self.at)))

    def restart(self, state: State, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
        self.effects.append(ResumeTexting())
        if not heard.provider_answered:
            self._say("restarted", self.at.about)
        if isinstance(state, Ended) and state.how is End.STOPPED:
            return self._done(Ended(End.CLOSED, state.about))
        return self._done(state)

    def help(self, state: State, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
        if not heard.provider_answered:
            self._say("help", self.at.about)
        return self._done(state)

    def wrong_number(self) -> tuple[State, tuple[Effect, ...]]:
        everyone = asked_about(self.at)
        self.effects.append(DropQueued())
        # Said before the number is marked, and without any name: it is a stranger's phone (LAW-12).
        self._say("wrong_number", ())
        self.effects.append(MarkWrongNumber())
        self.effects.append(RecordOutcome(Outcome.UNREACHABLE, _ids(everyone)))
        self.effects.append(HandOff(Queue.ATTENDANCE_OFFICE, Urgency.P1, "wrong_number"))
        return self._done(Ended(End.WRONG_NUMBER, everyone))

    def change_language(self, state: State, language: Language) -> tuple[State, tuple[Effect, ...]]:
        self.effects.append(SpeakLanguage(language))
        self._say("language", self.at.about)
        if isinstance(state, Waiting):
            return self.go_to(f"{state.flow}.{state.node}")
        return self._done(state)

    def to_a_person(self, heard: Heard | None, why: str) -> tuple[State, tuple[Effect, ...]]:
        """Hand off with the text that says who will write and by when."""
        if heard:
            self._hear_barriers(heard)
        name = "after_hours" if heard and heard.after_hours else "person"
        node = self.flows.node(f"{EVERYWHERE}.{name}")
        if node is None:
            self.effects.append(HandOff(Queue.ENGAGEMENT, Urgency.P1, why))
            return self._done(Ended(End.WITH_A_PERSON, asked_about(self.at)))
        self._enter(f"{EVERYWHERE}.{name}", node)
        return self._hand_off(replace(node, why=why))

    def _say(self, node_name: str, about: tuple[Child, ...]) -> None:
        node = self.flows.node(f"{EVERYWHERE}.{node_name}")
        if node and node.say:
            self.effects.append(Say(f"{EVERYWHERE}.{node_name}", node.say, _ids(about), node.purpose))

    # An answer to the question, or words out of the blue

    def answer(self, state: State, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
        if isinstance(state, Waiting) and not heard.everyone:
            self.at = narrowed_to(self.at, heard.named)
        if heard.whereabouts:
            self._hear_barriers(heard)
            return self.go_to(f"{EVERYWHERE}.whereabouts")
        if heard.intent is Intent.CHILD_IS_AT_SCHOOL:
            self._hear_barriers(heard)
            return self.go_to(f"{EVERYWHERE}.at_school")
        if heard.wants_person or heard.intent is Intent.ASK_FOR_PERSON:
            return self.to_a_person(heard, "asked_for_person")
        if heard.intent is Intent.QUESTION:
            self._hear_barriers(heard)
            return self.go_to(f"{EVERYWHERE}.question")
        if heard.has_picture and not heard.words.strip():
            return self.go_to(f"{EVERYWHERE}.picture")
        if isinstance(state, Waiting):
            return self._answer_to(state, heard)
        return self._out_of_the_blue(state, heard)

    def _answer_to(self, state: Waiting, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
        node = self.flows.node(f"{state.flow}.{state.node}")
        if node is None or node.go is None:
            return self.to_a_person(heard, "flow_changed")
        if state.pending:
            return self._whose(state, heard, node)
        if heard.choice and heard.choice in node.go:
            return self._clearly(node.go[heard.choice])
        if self._must_ask_whose(heard):
            self.at = replace(self.at, pending=heard.barriers, unclear=0)
            return self.go_to(f"{EVERYWHERE}.which_child")
        fresh = tuple(code for code, _ in heard.barriers if code not in self.at.barriers)
        self._hear_barriers(heard)
        if self.day is not None and "returns" in node.go:
            return self._clearly(node.go["returns"])
        if fresh:
            return self._clearly(self._leads_to(fresh, node))
        for answer, intents in (("affirm", (Intent.AFFIRM,)), ("deny", (Intent.DENY,))):
            if heard.intent in intents and answer in node.go:
                self._reached()
                return self._clearly(node.go[answer])
        if "words" in node.go and (heard.barriers or heard.intent is Intent.GIVE_REASON or heard.has_picture):
            return self._clearly(node.go["words"])
        if heard.intent is Intent.THANKS:
            self._reached()
            return self._done(state)
        return self._unclear(state, node)

    def _must_ask_whose(self, heard: Heard) -> bool:
        """Two daughters are absent and "she is sick": whose reason is it?"""
        if len(self.at.about) < 2 or heard.named or heard.everyone:
            return False
        return any(
            self.flows.barriers[code].concerns is Concerns.STUDENT and code not in self.at.barriers
            for code, _ in heard.barriers
        )

    def _whose(self, state: Waiting, heard: Heard, node: Node) -> tuple[State, tuple[Effect, ...]]:
        """The answer to "who is it about?": the reasons that waited now find their children."""
        if not (heard.named or heard.everyone or heard.choice == "1"):
            return self._unclear(state, node)
        told = replace(heard, barriers=(*state.pending, *heard.barriers))
        self.at = replace(self.at, pending=(), unclear=0)
        self._hear_barriers(told)
        return self.go_to(self._leads_to(self.at.barriers, node))

    def _leads_to(self, fresh: tuple[Barrier, ...], node: Node) -> str:
        """Where a new reason leads: to its flow, unless this question already belongs to that flow."""
        flow = self.flows.barriers[self.flows.leading(self.at.barriers or fresh)].flow
        if flow == self.at.flow and node.go and "words" in node.go:
            return node.go["words"]
        start = self.flows.start_of(flow)
        asks = self.flows.node(start)
        # The day came with the reason ("fever, back Monday"): it is read back, not asked for.
        if self.day is not None and asks and asks.go and "returns" in asks.go:
            return asks.go["returns"]
        return start

    def _clearly(self, target: str) -> tuple[State, tuple[Effect, ...]]:
        self.at = replace(self.at, unclear=0)
        return self.go_to(target)

    def _unclear(self, state: Waiting, node: Node) -> tuple[State, tuple[Effect, ...]]:
        unclear = state.unclear + 1
        self.at = replace(self.at, unclear=unclear)
        if unclear >= _MOST_UNCLEAR or node.go is None:
            return self.go_to(f"{EVERYWHERE}.not_understood")
        return self.go_to(node.go["unclear"])

    def _out_of_the_blue(self, state: State, heard: Heard) -> tuple[State, tuple[Effect, ...]]:
        """Nothing was asked, or the talk is over, and the family writes."""
        if heard.intent in (Intent.THANKS, Intent.AFFIRM, Intent.DENY):
            return self._done(state)
        self._hear_barriers(heard)
        if self.at.barriers:
            rule = self.flows.barriers[self.flows.leading(self.at.barriers)]
            if rule.urgency is Urgency.P3:
                return self.go_to(f"{EVERYWHERE}.noted")
            return self.to_a_person(None, "barrier")
        if heard.returns_on is not None and isinstance(state, Ended):
            # "If that changes, just write": a day named afterwards is kept.
            self._hear_return(heard.returns_on)
            return self.go_to(f"{EVERYWHERE}.noted")
        return self.to_a_person(heard, "wrote_again")

    def _hear_barriers(self, heard: Heard) -> None:
        ids = _ids(self.at.about)
        self.effects += _barriers(heard, ids)
        if heard.barriers:
            if _explains(code for code, _ in heard.barriers):
                self.effects.append(RecordOutcome(Outcome.EXPLAINED, ids))
            fresh = tuple(code for code, _ in _as_said(heard) if code not in self.at.barriers)
            self.at = replace(self.at, barriers=(*self.at.barriers, *fresh))
        # Without a reason a day says nothing about a return ("what time does school end today?").
        if heard.returns_on is not None and self.at.barriers:
            self._hear_return(heard.returns_on)

    def _hear_return(self, day: date) -> None:
        self.day = day
        self.effects.append(RecordReturn(day, _ids(self.at.about)))

    def _reached(self) -> None:
        if not _explains(self.at.barriers):
            self.effects.append(RecordOutcome(Outcome.REACHED_NO_REASON, _ids(self.at.about)))
