"""From a mark in a file to a family's answer and a person, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot import answering, consent, outreach
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import Excuse, OutboundText, PhoneState, School
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Queue, Urgency
from tests.builders import (
    a_guardian,
    a_phone,
    a_school,
    a_staff_member,
    a_student,
    absent,
    number_of,
)
from tests.town import Town


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


def a_family(town: Town, speaks: str = "en", *names: str) -> str:
    with town.database.begin() as session:
        school = a_school(session)
        students = [a_student(session, school, name) for name in names or ("Maya",)]
        guardian = a_guardian(session, *students, speaks=speaks)
        absent(session, *students)
        return number_of(session, guardian)


def test_a_mother_is_asked_once_about_all_her_absent_children(town: Town) -> None:
    number = a_family(town, "en", "Maya", "Luis")

    town.morning()
    town.morning()

    (text,) = town.texts_to(number)
    assert "Maya and Luis" in text
    assert "Burns School" in text
    assert "Rivera" not in text


def test_an_illness_is_thanked_recorded_and_accounted_for(town: Town) -> None:
    number = a_family(town, "en")
    town.morning()

    town.family_writes(number, "she has a fever and a cough")

    assert "feels better" in town.texts_to(number)[-1]
    assert town.ledger().outcomes == {Outcome.EXPLAINED: 1}
    assert town.ledger().accounted_for == 1


def test_a_digit_answers_as_well_as_words(town: Town) -> None:
    number = a_family(town, "en")
    town.morning()

    town.family_writes(number, "2")
    town.family_writes(number, "1")

    (handoff,) = town.handoffs()
    assert (handoff.queue, handoff.urgency) == (Queue.TRANSPORTATION, Urgency.P1)
    assert town.ledger().outcomes == {Outcome.EXPLAINED_NEEDS_HELP: 1}


def test_two_unclear_answers_go_to_a_person(town: Town) -> None:
    number = a_family(town, "en")
    town.morning()

    town.family_writes(number, "asdfgh")
    assert not town.handoffs()
    town.family_writes(number, "qwerty zzz")

    (handoff,) = town.handoffs()
    assert handoff.why == "not_understood"


def test_danger_opens_an_urgent_handoff_says_one_fixed_text_and_then_the_bot_is_silent(town: Town) -> None:
    number = a_family(town, "en")
    town.morning()

    town.family_writes(number, "she said she wants to kill herself")
    town.family_writes(number, "hello?")
    town.family_writes(number, "1")

    texts = town.texts_to(number)
    assert len(texts) == 2
    assert "911" in texts[1]
    assert "988" in texts[1]
    assert [h.urgency for h in town.handoffs()] == [Urgency.P0]


def test_stop_is_confirmed_once_and_a_person_is_told_to_call(town: Town) -> None:
    number = a_family(town, "en")
    town.morning()

    town.family_writes(number, "Stop.")
    town.family_writes(number, "she is sick")

    assert len(town.texts_to(number)) == 2
    assert "no more texts" in town.texts_to(number)[-1]
    assert any(h.why == "stopped_texts" for h in town.handoffs())


def test_stop_that_the_provider_answered_itself_is_not_answered_again(town: Town) -> None:
    """TW-94."""
    number = a_family(town, "en")
    town.morning()

    town.family_writes(number, "STOP", opt_out_type="STOP")

    assert len(town.texts_to(number)) == 1


def test_start_gives_back_what_stop_took_but_not_a_wrong_number(town: Town) -> None:
    """LAW-16."""
    number = a_family(town, "en")
    town.morning()
    town.family_writes(number, "wrong number")
    town.family_writes(number, "STOP")
    town.family_writes(number, "START")

    with town.database.begin() as session:
        phone = a_phone(session, number)
        assert phone.state is PhoneState.WRONG_NUMBER
        assert not phone.opted_out


def test_help_is_answered_at_every_point(town: Town) -> None:
    """LAW-32."""
    number = a_family(town, "en")
    town.morning()
    for words in ("HELP", "asdf", "help", "please have someone call me", "Help!"):
        town.family_writes(number, words)

    answers = [text for text in town.texts_to(number) if "attendance texts" in text]
    assert len(answers) == 3


def test_silence_brings_one_reminder_and_then_a_person_who_calls(town: Town) -> None:
    number = a_family(town, "en")
    town.morning()

    town.later(91)
    town.later(91)
    town.later(200)

    assert len(town.texts_to(number)) == 2
    assert [h.why for h in town.handoffs()] == ["no_answer"]
    assert town.ledger().outcomes == {Outcome.ATTEMPTED: 1}


def test_the_bot_is_silent_while_a_person_talks_and_the_family_gets_the_person(town: Town) -> None:
    """Promise 3."""
    number = a_family(town, "en")
    town.morning()
    town.family_writes(number, "can somebody call me please")
    conversation = town.conversation().id
    with town.database.begin() as session:
        member = a_staff_member(session, session.query(School).one())
        answering.reply(
            session,
            conversation,
            member.id,
            "Hi, this is Ms. Rivera. I can call at noon.",
            script=town.script,
            now=town.now,
        )
    town.work()
    before = len(town.texts_to(number))

    town.family_writes(number, "she is sick")
    town.family_writes(number, "2")
    town.later(300)

    assert town.texts_to(number)[before - 1].startswith("Hi, this is Ms. Rivera")
    assert len(town.texts_to(number)) == before


def test_a_guardian_with_a_court_order_is_never_asked(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        father = a_guardian(session, student, court_order=True, order=1, name="Luis")
        mother = a_guardian(session, student, order=2, name="Ana")
        absent(session, student)
        his, hers = number_of(session, father), number_of(session, mother)

    town.morning()

    assert not town.texts_to(his)
    assert len(town.texts_to(hers)) == 1


def test_a_family_that_opted_out_is_counted_and_not_texted(town: Town) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student, opted_out=True))
        absent(session, student)

    town.morning()

    assert not town.texts_to(number)
    assert town.ledger().outcomes == {Outcome.NOT_CONTACTED: 1}


def test_an_opt_out_between_queue_and_claim_keeps_the_text_here(town: Town) -> None:
    """Promise 4: consent is asked where a text leaves, not only where it is queued."""
    number = a_family(town, "en")
    with town.database.begin() as session:
        planned = outreach.plan(session, town.now.date(), script=town.script, now=town.now)
        outreach.run(session, planned, script=town.script, now=town.now)
        consent.opt_out(session, a_phone(session, number).id, "staff", town.now)

    town.work()

    assert not town.texts_to(number)
    assert town.ledger().outcomes == {Outcome.NOT_CONTACTED: 1}


def test_a_repeated_webhook_changes_nothing(town: Town) -> None:
    """Promise 6."""
    number = a_family(town, "en")
    town.morning()
    for _ in range(5):
        town.family_writes(number, "no ride today", sid="SM" + "a" * 32)

    assert len(town.texts_to(number)) == 2


def test_a_reply_from_a_number_nobody_knows_is_kept_and_shown_to_a_person(town: Town) -> None:
    town.family_writes("+12035550177", "who is this?")

    (handoff,) = town.handoffs()
    assert handoff.why == "unknown_number"
    assert not town.texts_to("+12035550177")


def test_an_excused_absence_is_not_asked_about_and_is_accounted_for(town: Town) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
        absent(session, student, excuse=Excuse.EXCUSED)

    town.morning()

    assert not town.provider.book
    counts = town.ledger()
    assert (counts.absent, counts.accounted_for) == (1, 1)


def test_a_held_number_is_released_when_a_person_has_read_the_doubt_but_an_opt_out_stays(town: Town) -> None:
    """LAW-12: the doubt is put before a person, and that person's word ends it."""
    number = a_family(town, "en")
    town.morning()
    conversation = town.conversation().id
    with town.database.begin() as session:
        phone = a_phone(session, number).id
        consent.hold(session, phone, town.now)
        consent.opt_out(session, phone, "family", town.now)
        member = a_staff_member(session, session.query(School).one())
        answering.take(session, conversation, member.id, script=town.script, now=town.now)
        answering.return_to_bot(session, conversation, member.id, script=town.script, now=town.now)

    with town.database.begin() as session:
        read = a_phone(session, number)
        assert not read.held
        assert read.opted_out


def test_a_stop_is_confirmed_within_five_minutes_or_not_at_all_and_help_is_answered_later_too(
    town: Town,
) -> None:
    """LAW-13, LAW-32."""
    with town.database.begin() as session:
        number = number_of(session, a_guardian(session, a_student(session, a_school(session))))
    leaves: dict[str, timedelta] = {}
    for word in ("HELP", "STOP"):
        town.family_writes(number, word)
        with town.database.begin() as session:
            text = session.scalars(select(OutboundText).order_by(OutboundText.id.desc()).limit(1)).one()
            leaves[word] = text.not_after - text.queued_at

    assert leaves == {"HELP": timedelta(minutes=30), "STOP": timedelta(minutes=5)}
