"""The turn of a text that came in: whose turn it is, what goes to a person instead, and what nobody answers."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from bot import answering, arrivals, counters, inbound
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import (
    BarrierFound,
    ConsentEvent,
    ConsentKind,
    Conversation,
    InboundText,
    Phone,
    School,
)
from bot.understanding import Reading, Understanding
from bot.vocabulary import Barrier, Outcome, Owner, Urgency
from tests.builders import NOW, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.town import Town


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


def asked(town: Town, *names: str) -> list[str]:
    """Families who have been asked this morning, one for each student; their numbers."""
    with town.database.begin() as session:
        school = a_school(session)
        students = [a_student(session, school, name) for name in names]
        numbers = [number_of(session, a_guardian(session, student)) for student in students]
        absent(session, *students)
    town.morning()
    return numbers


def arrive(town: Town, number: str, *texts: str, **columns: Any) -> None:
    """Texts that are stored, and whose turn has not come."""
    with town.database.begin() as session:
        for words in texts:
            arrivals.receive(
                session,
                provider_sid=f"SM{next(town._sids):032d}",
                sender=number,
                words=words,
                now=town.now,
                **columns,
            )


def take(town: Town, understanding: Understanding | None = None) -> int:
    return inbound.take_turns(
        town.database, script=town.script, understanding=understanding or town.understanding, now=town.now
    )


class Listening(Understanding):
    """Reads as the real one does, and lets a test look on, wait or fail in the middle of a turn."""

    def __init__(self, real: Understanding, before: Callable[[str], None]) -> None:
        self._real, self._before = real, before
        self.heard: list[str] = []

    def read(self, words: str, **known: Any) -> Reading:
        self.heard.append(words)
        self._before(words)
        return self._real.read(words, **known)


# --- whose turn it is ---------------------------------------------------------------------------------------


def test_of_each_family_only_the_first_text_is_next(town: Town) -> None:
    maya, noor = asked(town, "Maya", "Noor")
    arrive(town, maya, "she is sick", "monday")
    arrive(town, noor, "can a person call me")

    heard = Listening(town.understanding, lambda _words: None)
    assert take(town, heard) == 2
    assert heard.heard == ["she is sick", "can a person call me"]
    assert take(town, heard) == 1
    assert heard.heard[2:] == ["monday"]
    assert take(town) == 0


def test_an_opt_out_is_taken_before_the_texts_of_other_families_and_after_its_own(town: Town) -> None:
    maya, noor, luis = asked(town, "Maya", "Noor", "Luis")
    arrive(town, maya, "she is sick")
    arrive(town, noor, "STOP", opt_out_type="STOP")
    arrive(town, luis, "can a person call me")
    arrive(town, luis, "STOP", opt_out_type="STOP")

    heard = Listening(town.understanding, lambda _words: None)
    take(town, heard)
    take(town, heard)

    assert heard.heard == ["STOP", "she is sick", "can a person call me", "STOP"]


def test_a_familys_second_text_is_never_taken_before_or_beside_its_first(town: Town) -> None:
    """Two workers, one family: while the first text is in hand, its second one waits; others need not."""
    maya, noor = asked(town, "Maya", "Noor")
    arrive(town, maya, "she is sick", "monday")
    arrive(town, noor, "can a person call me")
    in_hand, go_on = threading.Event(), threading.Event()

    def slowly(words: str) -> None:
        if words == "she is sick":
            in_hand.set()
            assert go_on.wait(20)

    heard = Listening(town.understanding, slowly)

    def work() -> None:
        while take(town, heard):
            continue

    first, second = threading.Thread(target=work), threading.Thread(target=work)
    first.start()
    assert in_hand.wait(20)
    second.start()
    second.join(0.5)
    meanwhile = list(heard.heard)
    go_on.set()
    first.join(20)
    second.join(20)
    take(town, heard)

    # SQLite has one writer: there the other worker waits as well.
    others = ["can a person call me"] if town.database.engine.dialect.name == "postgresql" else []
    assert meanwhile == ["she is sick", *others]
    assert sorted(heard.heard) == ["can a person call me", "monday", "she is sick"]
    assert heard.heard.index("she is sick") < heard.heard.index("monday")
    assert town.unhandled() == 0
    with town.database.begin() as session:
        illness = select(BarrierFound.returns_on).where(BarrierFound.code == Barrier.ILLNESS)
        assert session.scalars(illness).one() is not None


# --- what fails ---------------------------------------------------------------------------------------------


def test_a_text_whose_turn_fails_goes_to_a_person_and_the_others_go_on(town: Town) -> None:
    maya, noor = asked(town, "Maya", "Noor")
    arrive(town, maya, "she is sick")
    arrive(town, noor, "can a person call me")

    def fail(words: str) -> None:
        if words == "she is sick":
            raise ValueError(words)

    assert take(town, Listening(town.understanding, fail)) == 2
    assert [handoff.why for handoff in town.handoffs()] == ["program_error", "asked_for_person"]


def test_a_text_that_not_even_a_person_can_get_waits_and_holds_up_nobody(
    sqlite: Database, script: Script, understanding: Understanding
) -> None:
    """The oldest texts are looked at first: fifty that fail must not hide all the others behind them."""
    town = Town(sqlite, script, understanding)
    maya, noor = asked(town, "Maya", "Noor")
    arrive(town, maya, "she is sick")
    arrive(town, noor, "can a person call me")
    with sqlite.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER trouble BEFORE INSERT ON handoffs WHEN NEW.why = 'program_error' "
                "BEGIN SELECT RAISE(ABORT, 'trouble'); END"
            )
        )

    def fail(words: str) -> None:
        if words == "she is sick":
            raise ValueError(words)

    taken = inbound.take_turns(
        sqlite, script=script, understanding=Listening(understanding, fail), now=NOW, most=1
    )
    assert taken == 1
    assert [handoff.why for handoff in town.handoffs()] == ["asked_for_person"]
    assert town.unhandled() == 1

    assert take(town) == 1
    assert town.unhandled() == 0


def away(_words: str) -> None:
    raise OperationalError("SELECT 1", None, OSError("the server went away"))


def test_an_outage_hands_nothing_to_a_person_and_is_the_callers_to_wait_out(town: Town) -> None:
    numbers = asked(town, "Maya", "Noor", "Luis")
    for number in numbers:
        arrive(town, number, "she is sick")

    heard = Listening(town.understanding, away)
    with pytest.raises(OperationalError):
        take(town, heard)

    assert len(heard.heard) == 2  # the second failure in a row says that it is no text's own trouble
    assert town.handoffs() == []
    assert take(town) == 3
    assert town.handoffs() == []


def test_an_outage_is_told_even_when_only_one_text_waits(town: Town) -> None:
    (maya,) = asked(town, "Maya")
    arrive(town, maya, "she is sick")

    with pytest.raises(OperationalError):
        take(town, Listening(town.understanding, away))
    assert town.unhandled() == 1


def test_a_text_that_lost_a_race_for_a_lock_is_taken_at_the_next_look(town: Town) -> None:
    maya, noor = asked(town, "Maya", "Noor")
    arrive(town, maya, "she is sick")
    arrive(town, noor, "can a person call me")

    def lose(words: str) -> None:
        if words == "she is sick":
            away(words)

    assert take(town, Listening(town.understanding, lose)) == 1
    assert take(town) == 1
    assert [handoff.why for handoff in town.handoffs()] == ["asked_for_person"]


def test_a_connection_that_is_lost_in_a_turn_loses_no_text(town: Town) -> None:
    """The server ends our connection in the middle of a turn: the turn is undone, and taken later."""
    if town.database.engine.dialect.name != "postgresql":
        return  # SQLite has no server that could go away
    (maya,) = asked(town, "Maya")
    arrive(town, maya, "she is sick")

    def end_them(_words: str) -> None:
        with town.database.engine.connect() as other:
            other.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    with pytest.raises(OperationalError):
        take(town, Listening(town.understanding, end_them))
    assert town.unhandled() == 1
    assert take(town) == 1
    assert town.handoffs() == []


# --- a part was lost (TW-6) ---------------------------------------------------------------------------------


def test_an_incomplete_text_is_not_classified_and_goes_to_a_person(town: Town) -> None:
    """TW-6: "he is sick" may be the end of "I do not think that he is sick"."""
    (maya,) = asked(town, "Maya")
    before = len(town.texts_to(maya))
    arrive(town, maya, "she is sick", incomplete=True)
    town.work()

    (handoff,) = town.handoffs()
    assert (handoff.why, handoff.urgency) == ("incomplete", Urgency.P1)
    assert len(town.texts_to(maya)) == before
    talk = town.conversation()
    assert (talk.owner, talk.silence_at) == (Owner.NOBODY, None)
    with town.database.begin() as session:
        assert session.scalars(select(BarrierFound)).all() == []
        kept = session.scalars(select(InboundText)).one()
        assert (kept.reading, kept.conversation_id) == (None, talk.id)
    assert town.ledger().outcomes == {Outcome.WITH_A_PERSON: 1}


def test_danger_in_what_is_left_of_a_text_still_acts(town: Town) -> None:
    """Promise 7 and TW-6."""
    (maya,) = asked(town, "Maya")
    arrive(town, maya, "says he wants to kill himself", incomplete=True)
    town.work()

    assert [handoff.urgency for handoff in town.handoffs()] == [Urgency.P0]
    assert "988" in town.texts_to(maya)[-1]


def test_what_the_provider_has_matched_is_whole(town: Town) -> None:
    (maya,) = asked(town, "Maya")
    arrive(town, maya, "STOP", incomplete=True, opt_out_type="STOP")
    town.work()

    assert [handoff.why for handoff in town.handoffs()] == ["stopped_texts"]


# --- machines (TW-15) ---------------------------------------------------------------------------------------


def test_texts_that_go_back_and_forth_end_with_one_case_and_silence(town: Town) -> None:
    """TW-15: a machine that answers every answer of ours is answered eight times, and no more."""
    (maya,) = asked(town, "Maya")
    for _ in range(12):
        town.family_writes(maya, "HELP")

    assert len(town.texts_to(maya)) == 1 + 8
    assert [handoff.why for handoff in town.handoffs()] == ["loop"]


def test_seven_answers_in_ten_minutes_are_no_loop_and_neither_are_eight_in_an_hour(town: Town) -> None:
    (maya,) = asked(town, "Maya")
    for _ in range(8):
        town.family_writes(maya, "HELP")
    town.later(11)
    town.family_writes(maya, "she is sick")

    assert "feels better" in town.texts_to(maya)[-1]
    assert town.handoffs() == []


def test_in_a_loop_consent_and_danger_are_heard_all_the_same(town: Town) -> None:
    (maya,) = asked(town, "Maya")
    for _ in range(9):
        town.family_writes(maya, "HELP")
    silent = len(town.texts_to(maya))
    town.family_writes(maya, "please stop texting me")
    assert len(town.texts_to(maya)) == silent
    with town.database.begin() as session:
        assert session.scalars(select(Phone.opted_out)).all() == [True]
        last = session.scalars(select(ConsentEvent.kind).order_by(ConsentEvent.id.desc())).first()
        assert last is ConsentKind.OPT_OUT
    town.family_writes(maya, "START")
    town.family_writes(maya, "she says she wants to kill herself")

    assert Urgency.P0 in [handoff.urgency for handoff in town.handoffs()]
    assert "988" in town.texts_to(maya)[-1]
    assert len(town.texts_to(maya)) == silent + 1


def test_a_person_who_has_the_talk_is_not_troubled_with_the_word_loop(town: Town) -> None:
    (maya,) = asked(town, "Maya")
    for _ in range(8):
        town.family_writes(maya, "HELP")
    with town.database.begin() as session:
        talk = session.scalars(select(Conversation)).one()
        member = a_staff_member(session, session.scalars(select(School)).one())
        answering.take(session, talk.id, member.id, script=town.script, now=town.now)
    town.family_writes(maya, "hello?")

    assert [handoff.why for handoff in town.handoffs()] == ["wrote_again"]
    assert town.conversation().owner is Owner.STAFF


@pytest.mark.parametrize("sender", ["26262", "262966"])
def test_what_comes_from_a_short_code_is_stored_counted_and_not_answered(town: Town, sender: str) -> None:
    asked(town, "Maya")
    arrive(town, sender, "Your code is 123456. Reply HELP for help, STOP to cancel.")
    town.work()

    assert town.unhandled() == 0
    assert town.handoffs() == []
    assert town.texts_to(sender) == []
    with town.database.begin() as session:
        assert session.scalars(select(Phone).where(Phone.number == sender)).all() == []
        assert counters.totals(session) == {"inbound_short_code": 1}


@pytest.mark.parametrize(
    "words",
    [
        "I'm driving with Focus turned on. I'll see your message when I get where I'm going.",
        "(I’m not receiving notifications. If this is urgent, reply “urgent” to send a notification through.)",
        "I'm driving right now.",
        "Auto-Reply: I am out until Monday",
        "This is an automated response.",
    ],
)
def test_what_a_phone_answers_by_itself_is_kept_and_not_answered(town: Town, words: str) -> None:
    """The question stays open: the family has not spoken yet."""
    (maya,) = asked(town, "Maya")
    before = town.conversation()
    arrive(town, maya, words)
    town.work()

    after = town.conversation()
    assert len(town.texts_to(maya)) == 1
    assert town.handoffs() == []
    assert (after.state, after.silence_at, after.owner) == (before.state, before.silence_at, before.owner)
    with town.database.begin() as session:
        assert session.scalars(select(InboundText.conversation_id)).all() == [after.id]
        assert counters.totals(session) == {"inbound_by_itself": 1}


def test_a_mother_who_writes_that_she_is_driving_is_answered(town: Town) -> None:
    (maya,) = asked(town, "Maya")
    town.family_writes(maya, "I'm driving her to the doctor, she has a fever")

    assert "appointment" in town.texts_to(maya)[-1]


# --- who else looks at the same rows ------------------------------------------------------------------------


def test_a_look_for_the_next_texts_waits_for_no_writer(town: Town) -> None:
    """On SQLite a worker that only looks must not stand in line for the one writer's lock."""
    with town.database.begin() as session:
        a_school(session)

        assert take(town) == 0
