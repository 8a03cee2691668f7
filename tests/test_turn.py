"""The turn, pure: every state answers every message, and the promises hold whatever a family writes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bot.conversation.effects import (
    HandOff,
    HoldTexting,
    MarkWrongNumber,
    RecordBarrier,
    RecordOutcome,
    ResumeTexting,
    Say,
    StopTexting,
    TellStaff,
)
from bot.conversation.flow import Flows
from bot.conversation.load import load
from bot.conversation.state import (
    Begin,
    Child,
    End,
    Ended,
    Heard,
    Message,
    NotStarted,
    Silence,
    StaffReturned,
    StaffTook,
    State,
    Waiting,
    WithStaff,
    asked_about,
    from_json,
    to_json,
)
from bot.conversation.turn import turn
from bot.language import Language
from bot.vocabulary import Barrier, Intent, Keyword, Outcome, Purpose, Queue, Urgency
from tests.conftest import ROOT

FLOWS = load(ROOT / "flows")
MAYA, LUIS = Child(1, "Maya"), Child(2, "Luis")
ASKED = Waiting("absence_check", "check_in", (MAYA, LUIS))

children = st.lists(st.sampled_from([MAYA, LUIS]), unique=True, max_size=2).map(tuple)
waiting = st.builds(
    Waiting,
    flow=st.sampled_from([*FLOWS.flows, "gone"]),
    node=st.sampled_from(
        [name for flow in FLOWS.flows.values() for name, node in flow.nodes.items() if node.go] + ["gone"]
    ),
    about=children,
    later=st.just(()),
    barriers=st.lists(st.sampled_from(Barrier), max_size=2, unique=True).map(tuple),
    unclear=st.integers(0, 3),
)
resting = st.one_of(
    st.builds(NotStarted, children), waiting, st.builds(Ended, st.sampled_from(End), children)
)
states: st.SearchStrategy[State] = st.one_of(resting, st.builds(WithStaff, resting))
heards = st.builds(
    Heard,
    words=st.text(max_size=40),
    intent=st.sampled_from(Intent),
    keyword=st.none() | st.sampled_from(Keyword),
    choice=st.none() | st.sampled_from("123456789"),
    barriers=st.lists(st.tuples(st.sampled_from(Barrier), st.text(max_size=10)), max_size=3).map(tuple),
    danger=st.booleans(),
    whereabouts=st.booleans(),
    wants_person=st.booleans(),
    may_mean_stop=st.booleans(),
    wants_language=st.none() | st.sampled_from(Language),
    named=st.lists(st.sampled_from(["Maya", "Luis"]), unique=True).map(tuple),
    everyone=st.booleans(),
    has_picture=st.booleans(),
    provider_answered=st.booleans(),
)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Begin, children), heards, st.just(Silence()), st.just(StaffTook()), st.just(StaffReturned())
)


@given(states, messages)
def test_every_state_answers_every_message_and_survives_storage(state: State, message: Message) -> None:
    after, _ = turn(state, message, FLOWS)

    assert from_json(to_json(after)) == after


@given(states, messages)
def test_the_same_message_in_the_same_state_does_the_same(state: State, message: Message) -> None:
    assert turn(state, message, FLOWS) == turn(state, message, FLOWS)


@given(states, heards)
def test_danger_opens_an_urgent_handoff_in_every_state(state: State, heard: Heard) -> None:
    """Promise 7."""
    _, effects = turn(state, replace(heard, danger=True), FLOWS)

    assert HandOff(Queue.SAFETY, Urgency.P0, "danger") in effects


@given(states, heards)
def test_stop_takes_effect_in_every_state_and_with_everything_else_a_text_may_say(
    state: State, heard: Heard
) -> None:
    """LAW-10, LAW-11: a removal request beats everything but danger, and even then it is heard."""
    _, effects = turn(state, replace(heard, keyword=Keyword.STOP), FLOWS)

    assert StopTexting() in effects
    assert ResumeTexting() not in effects


@given(states, messages)
def test_the_bot_says_nothing_but_the_safety_text_while_a_person_owns_the_talk(
    state: State, message: Message
) -> None:
    """Promise 3."""
    owned = state if isinstance(state, WithStaff) else WithStaff(state)
    if isinstance(message, Begin | StaffReturned):
        return

    after, effects = turn(owned, message, FLOWS)

    assert isinstance(after, WithStaff)
    assert all(effect.purpose is Purpose.SAFETY for effect in effects if isinstance(effect, Say))


@given(states, heards)
def test_nothing_a_family_writes_is_left_in_silence_and_unseen(state: State, heard: Heard) -> None:
    """Promise 6: words lead to a text, to a person, or are a bare thanks or yes."""
    _, effects = turn(state, heard, FLOWS)

    seen = (Say, HandOff, TellStaff, StopTexting, ResumeTexting, HoldTexting, MarkWrongNumber)
    bare = (
        heard.intent in (Intent.THANKS, Intent.AFFIRM, Intent.DENY)
        or heard.keyword in (Keyword.HELP, Keyword.START)
        or heard.provider_answered
    )
    assert any(isinstance(effect, seen) for effect in effects) or bare


@given(states, heards)
def test_at_most_three_texts_answer_one(state: State, heard: Heard) -> None:
    _, effects = turn(state, heard, FLOWS)

    assert sum(isinstance(effect, Say) for effect in effects) <= 3


@given(states, heards)
def test_a_wrong_number_is_told_no_name(state: State, heard: Heard) -> None:
    """LAW-12."""
    heard = replace(
        heard, danger=False, intent=Intent.WRONG_NUMBER, keyword=None, may_mean_stop=False, has_picture=False
    )

    _, effects = turn(state, heard, FLOWS)

    said = [effect for effect in effects if isinstance(effect, Say)]
    assert all(not effect.about for effect in said if MarkWrongNumber() in effects)


def test_the_check_in_names_every_child_and_waits() -> None:
    state, effects = turn(NotStarted((MAYA, LUIS)), Begin((MAYA, LUIS)), FLOWS)

    (say,) = effects
    assert isinstance(say, Say)
    assert (say.purpose, say.about) == (Purpose.CHECK_IN, (1, 2))
    assert state == ASKED


def test_several_reasons_are_all_kept_and_the_most_urgent_leads() -> None:
    heard = Heard(
        "car broke and he has a cold",
        Intent.GIVE_REASON,
        barriers=((Barrier.ILLNESS, "cold"), (Barrier.TRANSPORTATION, "car broke")),
    )

    state, effects = turn(replace(ASKED, about=(LUIS,)), heard, FLOWS)

    recorded = [effect.code for effect in effects if isinstance(effect, RecordBarrier)]
    assert recorded == [Barrier.ILLNESS, Barrier.TRANSPORTATION]
    assert isinstance(state, Waiting)
    assert state.flow == "transportation"


def test_an_answer_about_one_child_is_kept_for_her_and_the_other_is_asked_about() -> None:
    state, effects = turn(
        ASKED,
        Heard("Maya is sick", Intent.GIVE_REASON, barriers=((Barrier.ILLNESS, "sick"),), named=("Maya",)),
        FLOWS,
    )
    assert RecordBarrier(Barrier.ILLNESS, "sick", (1,)) in effects

    state, effects = turn(state, Heard("1", choice="1"), FLOWS)

    assert isinstance(state, Waiting)
    assert state.about == (LUIS,)
    assert any(isinstance(effect, Say) and effect.about == (2,) for effect in effects)


def test_my_child_is_there_does_not_count_as_knowing_where_the_child_is() -> None:
    """The record and the family disagree: until somebody has looked, nobody knows."""
    heard = Heard(
        "she is there", Intent.CHILD_IS_AT_SCHOOL, barriers=((Barrier.ATTENDANCE_ERROR, "she is there"),)
    )

    _, effects = turn(ASKED, heard, FLOWS)

    outcomes = [effect.outcome for effect in effects if isinstance(effect, RecordOutcome)]
    assert Outcome.WITH_A_PERSON in outcomes
    assert Outcome.EXPLAINED not in outcomes
    assert Outcome.EXPLAINED_NEEDS_HELP not in outcomes


def test_i_thought_she_was_at_school_pages_a_person_now() -> None:
    _, effects = turn(ASKED, Heard("what? I dropped her off", whereabouts=True), FLOWS)

    assert HandOff(Queue.ATTENDANCE_OFFICE, Urgency.P0, "whereabouts") in effects


def test_stop_with_a_wish_for_a_person_is_both() -> None:
    _, effects = turn(
        ASKED,
        Heard("stop these robot texts and have a person call", Intent.OPT_OUT, wants_person=True),
        FLOWS,
    )

    assert StopTexting() in effects
    assert HandOff(Queue.ENGAGEMENT, Urgency.P1, "asked_for_person") in effects


def test_doubt_about_stop_holds_automatic_texts_and_asks_a_person_without_another_text() -> None:
    """LAW-12."""
    _, effects = turn(ASKED, Heard("enough of this", may_mean_stop=True), FLOWS)

    assert HoldTexting() in effects
    assert HandOff(Queue.ENGAGEMENT, Urgency.P1, "may_mean_stop") in effects
    assert not any(isinstance(effect, Say) for effect in effects)


def test_a_question_put_again_in_another_language_is_an_answer_and_no_second_check_in() -> None:
    """One check-in per household and day, whatever the family asks for."""
    _, effects = turn(
        ASKED, Heard("espanol por favor", Intent.CHANGE_LANGUAGE, wants_language=Language.SPANISH), FLOWS
    )

    assert [effect.purpose for effect in effects if isinstance(effect, Say)] == [Purpose.REPLY, Purpose.REPLY]


def test_a_node_that_was_removed_meanwhile_ends_with_a_person() -> None:
    state, effects = turn(Waiting("gone", "gone", (MAYA,)), Heard("1", choice="1"), FLOWS)

    assert isinstance(state, Ended)
    assert any(isinstance(effect, HandOff) and effect.why == "flow_changed" for effect in effects)


def test_a_polite_thanks_gets_no_menu() -> None:
    state, effects = turn(ASKED, Heard("thank you", Intent.THANKS), FLOWS)

    assert state == ASKED
    assert not any(isinstance(effect, Say) for effect in effects)


def test_returning_to_the_bot_asks_the_open_question_again() -> None:
    taken, _ = turn(ASKED, StaffTook(), FLOWS)
    state, effects = turn(taken, StaffReturned(), FLOWS)

    assert state == ASKED
    assert any(isinstance(effect, Say) for effect in effects)


class AnyTalk(RuleBasedStateMachine):
    """A talk of any length, in any order: what was promised stays true all the way."""

    def __init__(self) -> None:
        super().__init__()
        self.flows: Flows = FLOWS
        self.state: State = NotStarted((MAYA, LUIS))
        self.safety_texts = 0
        self.spoke_after_danger = False

    def take(self, message: Message) -> None:
        was_danger = isinstance(self.state, Ended) and self.state.how is End.DANGER
        self.state, effects = turn(from_json(to_json(self.state)), message, self.flows)
        said = [effect for effect in effects if isinstance(effect, Say)]
        self.safety_texts += sum(effect.purpose is Purpose.SAFETY for effect in said)
        if was_danger and said and not isinstance(message, Begin):
            self.spoke_after_danger = True

    @rule(heard=heards)
    def family_writes(self, heard: Heard) -> None:
        self.take(heard)

    @rule()
    def time_passes(self) -> None:
        self.take(Silence())

    @rule()
    def a_person_takes_it(self) -> None:
        self.take(StaffTook())

    @rule()
    def a_person_returns_it(self) -> None:
        self.take(StaffReturned())

    @rule()
    def the_morning_comes(self) -> None:
        if isinstance(self.state, NotStarted):
            self.take(Begin((MAYA, LUIS)))

    @invariant()
    def both_children_stay_in_it(self) -> None:
        assert set(asked_about(self.state)) == {MAYA, LUIS}

    @invariant()
    def the_safety_text_is_said_once_and_then_there_is_silence(self) -> None:
        assert self.safety_texts <= 1
        assert not self.spoke_after_danger


TestAnyTalk = AnyTalk.TestCase
