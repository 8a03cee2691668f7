"""One family's story in order; and the threads of the simulated phones."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot import answering
from bot.advance import Script
from bot.language import Language
from bot.store.session import Database
from bot.store.tables import CallOutcome, Conversation, OutboundText, Phone
from bot.timeline.entries import (
    BarrierShown,
    Called,
    ConsentChanged,
    Entry,
    FamilyWrote,
    HandedOff,
    Resolved,
    Returned,
    Taken,
    WeWrote,
)
from bot.timeline.family import Family, family, may_open
from bot.timeline.phones import last_morning, phones, thread
from bot.understanding import Understanding
from bot.vocabulary import Barrier, Owner
from tests.builders import FRIDAY, a_guardian, a_school, a_student, absent
from tests.town import Town
from tests.web import a_family


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


def seen(town: Town, *, schools: set[int] | None = None) -> Family | None:
    with town.database.begin() as session:
        talk = session.scalars(select(Conversation).order_by(Conversation.id.desc())).first()
        assert talk
        return family(session, talk.id, {talk.school_id} if schools is None else schools)  # type: ignore[arg-type]


def story(town: Town) -> tuple[Entry, ...]:
    found = seen(town)
    assert found
    return found.entries


def test_a_whole_case_is_one_list_from_the_first_text_to_what_was_agreed(town: Town) -> None:
    number, rivera = a_family(town, "Maya", "Luis")
    town.morning()
    town.now += timedelta(minutes=8)
    town.family_writes(number, "no tenemos carro hoy")
    town.now += timedelta(minutes=1)
    town.family_writes(number, "quiero hablar con una persona")
    talk = town.conversation().id
    script = town.script
    with town.database.begin() as session:
        answering.take(session, talk, rivera.id, script=script, now=town.now)
        answering.take(session, talk, rivera.id, script=script, now=town.now)
    town.now += timedelta(minutes=1)
    with town.database.begin() as session:
        answering.reply(session, talk, rivera.id, "Le llamo ahora", script=script, now=town.now)
    town.work()
    town.now += timedelta(minutes=1)
    with town.database.begin() as session:
        answering.log_call(session, talk, rivera.id, CallOutcome.REACHED, "bus at 10", now=town.now)
    town.now += timedelta(minutes=1)
    with town.database.begin() as session:
        answering.resolve(session, talk, rivera.id, "A ride at 10", now=town.now)

    kinds = [type(entry) for entry in story(town)]

    for kind in (WeWrote, FamilyWrote, BarrierShown, HandedOff, Taken, Called, Resolved):
        assert kind in kinds, kind
    assert kinds.index(FamilyWrote) < kinds.index(BarrierShown) < kinds.index(HandedOff) < kinds.index(Taken)
    assert kinds.count(Taken) == 1, "taking twice is one event"
    assert kinds[-1] is Resolved
    assert [entry.at for entry in story(town)] == sorted(entry.at for entry in story(town))
    (barrier,) = [
        e for e in story(town) if isinstance(e, BarrierShown) and e.barrier is Barrier.TRANSPORTATION
    ]
    assert barrier.students == ("Maya", "Luis")
    ours = [entry for entry in story(town) if isinstance(entry, WeWrote) and entry.by]
    assert (ours[-1].by, ours[-1].body) == ("Ms. Rivera", "Le llamo ahora")


def test_the_head_of_the_page_says_who_they_are_and_who_talks(town: Town) -> None:
    number, rivera = a_family(town, "Maya")
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")

    found = seen(town)
    assert found
    assert (found.guardian, found.relation, found.school) == ("Rosa Rivera", "Mother", "Burns School")
    assert [student.name for student in found.students] == ["Maya Rivera"]
    assert found.phone == f"…{number[-4:]}"
    assert found.owner is Owner.NOBODY
    assert found.waits
    assert found.waits.why == "asked_for_person"

    with town.database.begin() as session:
        answering.take(session, found.conversation_id, rivera.id, script=town.script, now=town.now)
    found = seen(town)
    assert found
    assert (found.owner, found.staff_name) == (Owner.STAFF, "Ms. Rivera")
    with town.database.begin() as session:
        answering.return_to_bot(session, found.conversation_id, rivera.id, script=town.script, now=town.now)
    assert any(isinstance(entry, Returned) for entry in story(town))


def test_yesterdays_talk_stands_before_todays(town: Town) -> None:
    number, _ = a_family(town, "Maya")
    town.now -= timedelta(days=1)
    town.family_writes(number, "Maya va al dentista mañana")
    yesterday = town.conversation().id
    town.now += timedelta(days=1)
    town.morning()

    found = seen(town)

    assert found
    assert found.conversation_id != yesterday
    first = found.entries[0]
    assert isinstance(first, FamilyWrote)
    assert first.at < found.opened_at
    theirs = _schools(town)
    with town.database.begin() as session:
        old = family(session, yesterday, theirs)
    assert old
    assert old.newest_id == found.conversation_id


def _schools(town: Town) -> set[int]:
    with town.database.begin() as session:
        return {id_ for id_ in session.scalars(select(Conversation.school_id)) if id_ is not None}


def test_a_family_of_another_school_is_not_there(town: Town) -> None:
    a_family(town)
    town.morning()
    talk, theirs = town.conversation().id, _schools(town)

    assert seen(town, schools={999}) is None
    with town.database.begin() as session:
        assert not may_open(session, talk, {999})
        assert may_open(session, talk, theirs)
        assert not may_open(session, 12345, theirs)


def test_a_number_nobody_knows_is_shown_to_everyone_without_any_student(town: Town) -> None:
    a_family(town)
    town.family_writes("+12035559876", "who is this?")

    found = seen(town, schools=set())

    assert found
    assert (found.guardian, found.students, found.school, found.zone) == ("", (), "", "")


def test_a_text_that_just_arrived_is_there_before_anybody_understood_it(town: Town) -> None:
    number, _ = a_family(town)
    town.morning()
    town.now += timedelta(minutes=1)
    work, town.work = town.work, lambda: None  # type: ignore[method-assign]
    town.family_writes(number, "hola")

    arrived = story(town)[-1]
    assert isinstance(arrived, FamilyWrote)
    assert (arrived.words, arrived.understood) == ("hola", False)
    town.work = work  # type: ignore[method-assign]


def test_an_opt_out_is_part_of_the_story(town: Town) -> None:
    number, _ = a_family(town)
    town.morning()
    town.family_writes(number, "STOP")

    assert [e.source for e in story(town) if isinstance(e, ConsentChanged)] == ["family"]


def test_the_version_changes_with_what_a_reader_sees_and_with_nothing_else(town: Town) -> None:
    number, _ = a_family(town)
    town.morning()
    before = seen(town)
    again = seen(town)
    assert before
    assert again
    assert before.version == again.version

    town.family_writes(number, "gracias")
    after = seen(town)
    assert after
    assert after.version != before.version


# --- the simulated phones --------------------------------------------------------------------------------


def test_one_phone_of_each_language_comes_before_the_second_of_any(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        for speaks in ("en", "en", "ar", "es", "es", "pl"):
            student = a_student(session, school)
            a_guardian(session, student, speaks=speaks)
            absent(session, student)
    town.morning()

    with town.database.begin() as session:
        found = phones(session, FRIDAY)

    assert [phone.language.value for phone in found] == ["es", "en", "ar", "pl", "es", "en"]


def test_a_phone_shows_what_reached_it_and_what_its_holder_wrote(town: Town) -> None:
    number, rivera = a_family(town)
    town.morning()
    town.now += timedelta(minutes=1)
    town.family_writes(number, "quiero hablar con una persona")
    town.now += timedelta(minutes=1)
    with town.database.begin() as session:
        answering.reply(
            session, town.conversation().id, rivera.id, "Buenos días", script=town.script, now=town.now
        )
        phone = session.scalars(select(Phone.id).where(Phone.number == number)).one()
        before = [bubble.words for bubble in thread(session, phone)]
    assert "Buenos días" not in before, "queued is not yet on the phone"

    town.work()
    with town.database.begin() as session:
        bubbles = thread(session, phone)
    assert [bubble.by_family for bubble in bubbles[:2]] == [False, True]
    assert (bubbles[-1].words, bubbles[-1].by) == ("Buenos días", "Ms. Rivera")
    assert bubbles[0].english


def test_a_text_that_did_not_arrive_is_on_no_phone(town: Town) -> None:
    a_family(town)
    town.morning()
    with town.database.begin() as session:
        text = session.scalars(select(OutboundText)).one()
        text.delivery = type(text.delivery)("failed")
        phone = text.phone_id
        session.flush()
        assert thread(session, phone) == []
        assert phones(session, FRIDAY) == []
        assert thread(session, 4711) == []


def test_the_newest_morning_is_the_one_that_is_shown(town: Town) -> None:
    with town.database.begin() as session:
        assert last_morning(session) is None
    a_family(town)
    town.morning()
    with town.database.begin() as session:
        assert last_morning(session) == FRIDAY
        (phone,) = phones(session, FRIDAY, only=[1])
        assert (phone.language, phone.students) == (Language.SPANISH, ("Maya",))
