"""A family that was told wrongly hears so once, where the district wants it (promise 8)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from bot import outreach
from bot.advance import Script
from bot.ledger import absence_withdrawn
from bot.store.session import Database
from bot.store.tables import AttendanceMark, Conversation, OutboundText, Student, TextState
from bot.understanding import Understanding
from bot.vocabulary import Owner
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.town import Town


class Wrong:
    """A mother who was asked about her two children this morning, and a file that takes one absence back."""

    def __init__(self, town: Town) -> None:
        self.town = town
        with town.database.begin() as session:
            school = a_school(session)
            self.children = [a_student(session, school, name) for name in ("Maya", "Leo")]
            mother = a_guardian(session, *self.children, speaks="es")
            absent(session, *self.children)
            self.number = number_of(session, mother)
            self.specialist = a_staff_member(session, school)

    def take_back(self, *children: Student) -> None:
        ids = [child.id for child in children]
        with self.town.database.begin() as session:
            session.execute(
                update(AttendanceMark)
                .where(AttendanceMark.student_id.in_(ids))
                .values(superseded_at=self.town.now)
            )
            absence_withdrawn(session, [(child, FRIDAY) for child in ids], self.town.now)

    def correct(self) -> int:
        done = outreach.correct(self.town.database, script=self.town.script, now=self.town.now)
        self.town.work()
        return done


def wanted(script: Script, *, yes: bool = True) -> Script:
    return replace(script, policy=replace(script.policy, correction_texts=yes))


@pytest.fixture
def wrong(database: Database, script: Script, understanding: Understanding) -> Wrong:
    return Wrong(Town(database, wanted(script), understanding))


@pytest.fixture
def simple(sqlite: Database, script: Script, understanding: Understanding) -> Wrong:
    return Wrong(Town(sqlite, wanted(script), understanding))


def test_a_family_that_was_told_wrongly_hears_so_once_in_its_language(wrong: Wrong) -> None:
    wrong.town.morning()
    assert wrong.correct() == 0
    wrong.take_back(wrong.children[0])
    wrong.town.now += timedelta(minutes=10)

    assert wrong.correct() == 1
    assert wrong.correct() == 0
    told = wrong.town.texts_to(wrong.number)[-1]
    assert told == "Corrección de Burns School: hoy en la escuela: Maya. Perdón por nuestro error."
    assert sum(wrong.town.ledger().outcomes.values()) == 2


def test_a_question_that_has_not_left_is_taken_back_without_a_word(simple: Wrong) -> None:
    with simple.town.database.begin() as session:
        planned = outreach.plan(session, FRIDAY, script=simple.town.script, now=NOW)
        outreach.run(session, planned, script=simple.town.script, now=NOW)
    simple.take_back(*simple.children)

    assert simple.correct() == 0
    assert simple.town.texts_to(simple.number) == []
    with simple.town.database.begin() as session:
        assert set(session.scalars(select(OutboundText.state))) == {TextState.NOT_SENT}


def test_a_district_that_does_not_want_it_sends_none(simple: Wrong) -> None:
    simple.town.script = wanted(simple.town.script, yes=False)
    simple.town.morning()
    simple.take_back(simple.children[0])
    assert simple.correct() == 0


def test_whoever_is_talking_with_the_family_tells_it_themselves(simple: Wrong) -> None:
    simple.town.morning()
    with simple.town.database.begin() as session:
        session.execute(update(Conversation).values(owner=Owner.STAFF, staff_id=simple.specialist.id))
    simple.take_back(simple.children[0])
    assert simple.correct() == 0


def test_after_the_window_nobody_is_woken_by_a_correction(simple: Wrong) -> None:
    simple.town.morning()
    simple.take_back(simple.children[0])
    simple.town.now = datetime(2021, 10, 22, 22, 30, tzinfo=UTC)  # 18:30 in Hartford
    assert simple.correct() == 0
    simple.town.now = datetime(2021, 10, 23, 14, 0, tzinfo=UTC)
    assert simple.correct() == 0


def test_two_workers_correct_once(wrong: Wrong) -> None:
    from concurrent.futures import ThreadPoolExecutor

    wrong.town.morning()
    wrong.take_back(*wrong.children)
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(
                lambda _: outreach.correct(wrong.town.database, script=wrong.town.script, now=NOW), range(4)
            )
        )
    assert sum(done) == 1
