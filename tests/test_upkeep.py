"""What is asked of the provider on a timetable: lost texts, kinds of lines, numbers given up, its own copies."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from bot import ticks, upkeep
from bot.advance import Script
from bot.provider import Accepted, Arrived, Line, NotTold, Outgoing
from bot.provider.simulator import Simulator
from bot.store.session import Database
from bot.store.tables import ConsentEvent, ConsentKind, InboundText, OutboundText, Phone, PhoneState
from bot.understanding import Understanding
from tests.builders import NOW, a_guardian, a_phone, a_school, a_student, absent, number_of
from tests.town import Town


class Asked(Simulator):
    """A provider that answers questions from what a test put there, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[Arrived] = []
        self.lines: dict[str, Line] = {}
        self.given_up: list[str] = []
        self.redacted: list[str] = []
        self.asked_since: list[datetime] = []
        self.tells = True

    def _answer(self) -> None:
        if not self.tells:
            raise NotTold("no answer")

    def arrived(self, since: datetime) -> list[Arrived]:
        self._answer()
        self.asked_since.append(since)
        return [text for text in self.texts if text.at >= since]

    def line(self, number: str) -> Line:
        self._answer()
        return self.lines.get(number, Line.MOBILE)

    def deactivated(self, day: date) -> Iterable[str]:
        self._answer()
        return self.given_up

    def redact(self, sid: str) -> None:
        self._answer()
        self.redacted.append(sid)

    def send(self, text: Outgoing) -> Accepted:
        super().send(text)
        return Accepted(f"SM{text.token}", "queued")


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


def a_family(town: Town) -> str:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
        absent(session, student)
    return number


def written(number: str, words: str, at: datetime, n: int) -> Arrived:
    return Arrived(f"SM{n:032x}", number, words, 0, at)


def test_a_text_whose_webhook_was_lost_is_found_and_answered_once(town: Town) -> None:
    """TW-61, TW-21: a restart longer than fifteen seconds loses webhooks for good."""
    number = a_family(town)
    town.morning()
    provider = Asked()
    provider.texts = [written(number, "she has a fever", town.now + timedelta(minutes=1), 1)]

    town.now += timedelta(minutes=2)
    assert upkeep.fetch_lost_texts(town.database, provider, town.now) == 1
    town.work()
    answered = len(town.texts_to(number))
    assert answered == 2

    town.now += timedelta(minutes=2)
    assert upkeep.fetch_lost_texts(town.database, provider, town.now) == 0
    town.family_writes(number, "she has a fever", sid=f"SM{1:032x}")  # and then its webhook came after all
    assert len(town.texts_to(number)) == answered
    assert provider.asked_since[1] == town.now - timedelta(minutes=2) - timedelta(minutes=10)


def test_a_lost_stop_takes_effect_before_any_answer_to_what_was_written_before_it(town: Town) -> None:
    """TW-61: all of them are stored in one transaction, and the STOP acts with it."""
    number = a_family(town)
    town.morning()
    provider = Asked()
    provider.texts = [
        written(number, "STOP", town.now + timedelta(minutes=2), 2),
        written(number, "who is this?", town.now + timedelta(minutes=1), 1),
    ]

    town.now += timedelta(minutes=5)
    upkeep.fetch_lost_texts(town.database, provider, town.now)
    town.work()

    with town.database.begin() as session:
        phone = session.scalars(select(Phone).where(Phone.number == number)).one()
        assert phone.opted_out
        order = session.scalars(select(InboundText.words).order_by(InboundText.id)).all()
        keys = session.scalars(
            select(OutboundText.key).where(OutboundText.sent_at.is_not(None)).order_by(OutboundText.id)
        ).all()
    assert order == ["who is this?", "STOP"]
    assert not [key for key in keys[1:] if "stop" not in key and "opt" not in key], keys


def test_a_list_that_does_not_answer_is_read_from_the_same_point_the_next_time(town: Town) -> None:
    provider = Asked()
    upkeep.fetch_lost_texts(town.database, provider, town.now)
    provider.tells = False
    assert upkeep.fetch_lost_texts(town.database, provider, town.now + timedelta(hours=1)) == 0
    provider.tells = True
    upkeep.fetch_lost_texts(town.database, provider, town.now + timedelta(hours=2))

    assert provider.asked_since[-1] == town.now - timedelta(minutes=10)


def test_new_numbers_are_looked_up_once_and_a_landline_is_never_texted(town: Town) -> None:
    """TW-73."""
    number = a_family(town)
    provider = Asked()
    provider.lines = {number: Line.LANDLINE}

    assert upkeep.look_up_lines(town.database, provider, town.now) == 1
    assert upkeep.look_up_lines(town.database, provider, town.now) == 0
    town.morning()

    assert not town.texts_to(number)
    with town.database.begin() as session:
        assert session.scalars(select(Phone.state)).all() == [PhoneState.LANDLINE]


def test_a_lookup_that_is_not_answered_is_asked_again(town: Town) -> None:
    a_family(town)
    provider = Asked()
    provider.tells = False
    assert upkeep.look_up_lines(town.database, provider, town.now) == 0
    provider.tells = True
    assert upkeep.look_up_lines(town.database, provider, town.now) == 1


def test_a_number_the_carrier_gave_up_is_suspended_once_a_day_until_staff_confirm_it(town: Town) -> None:
    """TW-72: the next holder may be a stranger."""
    number = a_family(town)
    provider = Asked()
    provider.given_up = ["+12025550111", number, "not a number"]

    assert upkeep.suspend_deactivated(town.database, provider, town.now) == 1
    assert upkeep.suspend_deactivated(town.database, provider, town.now + timedelta(hours=1)) == 0
    town.morning()

    assert not town.texts_to(number)
    with town.database.begin() as session:
        assert session.scalars(select(ConsentEvent.kind)).all() == [ConsentKind.SUSPEND]


def test_a_list_of_numbers_that_broke_off_is_read_again(town: Town) -> None:
    provider = Asked()
    provider.tells = False
    upkeep.suspend_deactivated(town.database, provider, town.now)
    provider.tells = True
    provider.given_up = [a_family(town)]

    assert upkeep.suspend_deactivated(town.database, provider, town.now + timedelta(hours=1)) == 1


def test_the_providers_copies_are_emptied_after_their_time_and_each_once(town: Town) -> None:
    """TW-47."""
    number = a_family(town)
    provider = Asked()
    town.provider = provider
    town.morning()
    town.family_writes(number, "she has a fever", sid="SM" + "e" * 32)

    assert upkeep.redact_old(town.database, provider, town.now - timedelta(days=1), town.now) == 0
    town.now += timedelta(days=8)
    assert upkeep.redact_old(town.database, provider, town.now - timedelta(days=7), town.now) == 3
    assert upkeep.redact_old(town.database, provider, town.now - timedelta(days=7), town.now) == 0
    assert len(set(provider.redacted)) == len(provider.redacted) == 3
    assert "SM" + "e" * 32 in provider.redacted


def test_a_family_may_ask_that_the_provider_forgets_its_texts(town: Town) -> None:
    """TW-47: on request, and nobody else's."""
    number, other = a_family(town), a_family(town)
    provider = Asked()
    town.provider = provider
    town.morning()
    town.family_writes(number, "she has a fever")
    town.family_writes(other, "no ride today")

    assert upkeep.redact_number(town.database, provider, number, town.now) == 3
    with town.database.begin() as session:
        left = session.scalar(select(func.count()).where(OutboundText.redacted_at.is_(None)))
        assert left == 2
        assert session.scalar(select(InboundText.redacted_at).where(InboundText.sender == other)) is None


def test_a_copy_that_cannot_be_emptied_now_is_tried_the_next_time(town: Town) -> None:
    a_family(town)
    provider = Asked()
    town.provider = provider
    town.morning()
    provider.tells = False
    later = town.now + timedelta(days=9)
    assert upkeep.redact_old(town.database, provider, later, later) == 0
    provider.tells = True
    assert upkeep.redact_old(town.database, provider, later, later) == 1


def test_of_all_workers_one_does_a_job_each_time(database: Database) -> None:
    every = timedelta(minutes=2)
    with database.begin() as session:
        assert ticks.mine(session, "settle", every, NOW)
        assert not ticks.mine(session, "settle", every, NOW)
        assert not ticks.mine(session, "settle", every, NOW + timedelta(minutes=1))
        assert ticks.mine(session, "settle", every, NOW + timedelta(minutes=2))
        assert ticks.last(session, "settle") == NOW + timedelta(minutes=2)
    with database.begin() as session:
        a_phone(session, "+12035550142")
        ticks.done(session, "worker", NOW)
        ticks.done(session, "worker", NOW - timedelta(minutes=1))
        assert ticks.last(session, "worker") == NOW
