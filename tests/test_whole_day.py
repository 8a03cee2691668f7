"""The demo, as a test: Grand Bend's files, its morning of 2021-10-22, an answer in Spanish, a person, the count."""

from dataclasses import replace
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot import answering, clock, outreach, rehearsal
from bot.advance import Script
from bot.language import Language
from bot.roster import import_attendance, import_roster
from bot.store.session import Database
from bot.store.tables import Conversation, HandoffState, OutboundText, Phone, School
from bot.understanding import Understanding
from bot.vocabulary import Outcome
from tests.builders import FRIDAY, a_staff_member
from tests.conftest import ROOT
from tests.town import Town

SAMPLE = ROOT / "sample" / "grandbend"
HARTFORD = ZoneInfo("America/New_York")
MORNING = clock.instant(FRIDAY, time(9, 30), HARTFORD)
YEAR = rehearsal.Year(
    roster=SAMPLE / "oneroster.zip",
    contacts=SAMPLE / "contacts.csv",
    calendar=SAMPLE / "calendar.ics",
    attendance=SAMPLE / "attendance-2021-2022.csv",
    replies=ROOT / "sample" / "family_replies_dev.csv",
)


@pytest.fixture
def grand_bend(database: Database, script: Script, understanding: Understanding) -> Town:
    town = Town(database, script, understanding, at=MORNING)
    with database.begin() as session:
        import_roster(
            session,
            YEAR.roster,
            contacts=YEAR.contacts,
            calendar=YEAR.calendar,
            zone="America/New_York",
            morning_at=time(9, 30),
            now=MORNING - timedelta(hours=1),
        )
        import_attendance(session, YEAR.attendance, through=FRIDAY, now=MORNING - timedelta(minutes=5))
    return town


def spanish_speaker(town: Town) -> tuple[str, int]:
    with town.database.begin() as session:
        row = session.execute(
            select(Phone.number, Conversation.id)
            .join(Conversation, Conversation.phone_id == Phone.id)
            .where(Conversation.language == Language.SPANISH)
            .order_by(Conversation.id)
        ).first()
    assert row is not None
    return row[0], row[1]


def test_a_mothers_answer_becomes_a_barrier_a_handoff_an_answer_and_a_count(grand_bend: Town) -> None:
    town = grand_bend
    assert len(outreach.run_due(town.database, script=town.script, now=town.now)) == 3
    town.work()
    number, conversation = spanish_speaker(town)

    town.family_writes(number, "no tenemos carro hoy y el bus nunca llegó")
    town.family_writes(number, "1")

    (handoff,) = [each for each in town.handoffs() if each.conversation_id == conversation]
    assert handoff.queue.value == "transportation"
    assert "le van a escribir aquí" in town.texts_to(number)[-1] or "escrib" in town.texts_to(number)[-1]
    with town.database.begin() as session:
        member = a_staff_member(session, *session.scalars(select(School)))
        answering.reply(
            session, conversation, member.id, "Hola, soy la Sra. Rivera.", script=town.script, now=town.now
        )
    town.work()
    assert town.texts_to(number)[-1] == "Hola, soy la Sra. Rivera."
    with town.database.begin() as session:
        answering.resolve(session, conversation, member.id, "Autobús desde mañana", now=town.now)
    assert not [
        each
        for each in town.handoffs()
        if each.conversation_id == conversation and each.state is not HandoffState.RESOLVED
    ]
    counts = town.ledger()
    assert counts.absent == 33
    assert sum(counts.outcomes.values()) == 33
    assert counts.outcomes[Outcome.EXPLAINED_NEEDS_HELP] == 1


def test_every_absent_student_is_in_the_ledger_once_and_a_second_run_counts_the_same(
    grand_bend: Town,
) -> None:
    town = grand_bend
    with town.database.begin() as session:
        planned = outreach.plan(session, FRIDAY, script=town.script, now=town.now)
    town.morning()
    first = town.ledger()
    texts = len(town.provider.book)
    town.morning()

    assert town.ledger() == first
    assert len(town.provider.book) == texts == len(planned.households)
    assert first.absent == sum(first.outcomes.values()) == 33
    assert first.outcomes[Outcome.ATTEMPTED] == sum(len(each.students) for each in planned.households)


def test_a_fortnight_of_mornings_keeps_every_promise(
    sqlite: Database, script: Script, understanding: Understanding
) -> None:
    """The whole year is `presente replay`; these two weeks hold its fullest morning and a closure."""
    said: list[str] = []

    summary = rehearsal.replay(
        sqlite,
        YEAR,
        date(2021, 10, 11),
        date(2021, 10, 22),
        script=script,
        understanding=understanding,
        zone="America/New_York",
        morning_at=time(9, 30),
        seed=7,
        say=said.append,
    )

    assert summary.broken == []
    assert summary.days == len(said) - 1
    assert sum(summary.outcomes.values()) == summary.absent


def test_a_replay_names_the_day_on_which_a_promise_broke(
    sqlite: Database, script: Script, understanding: Understanding
) -> None:
    """A judge that cannot say no proves nothing: with a window that is closed at the check-in's time, it must."""
    shut = Script(
        script.flows, script.texts, replace(script.policy, window_opens=time(8), window_closes=time(9))
    )
    day = rehearsal.replay(
        sqlite,
        YEAR,
        FRIDAY,
        FRIDAY,
        script=script,
        understanding=understanding,
        zone="America/New_York",
        morning_at=time(9, 30),
        seed=1,
        say=lambda _: None,
    )
    assert day.broken == []

    with sqlite.begin() as session:
        sent = list(session.scalars(select(OutboundText)))

    assert list(rehearsal.within_hours(sent, shut, HARTFORD, FRIDAY))
    assert list(rehearsal.one_text_once(sent + sent))
