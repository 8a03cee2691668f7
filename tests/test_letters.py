"""The ladder's e-mail: who is written to, in which words, once, and not when the facts have changed."""

from dataclasses import replace
from datetime import time, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot import closings, ladder, stopping
from bot.advance import Script
from bot.closings import Who
from bot.mail import Posted, Simulator
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    Conversation,
    Email,
    Guardian,
    Guardianship,
    Mute,
    Phone,
    School,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import Owner, Purpose
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.test_ladder import Climbing


class Writing(Climbing):
    """A town with a mail server; whatever it answers, its book has what it was given."""

    def __init__(self, database: Database, script: Script, understanding: Understanding) -> None:
        super().__init__(database, replace(script, policy=replace(script.policy, emails=True)), understanding)
        self.mail = Simulator()

    def write(self) -> int:
        return ladder.write_letters(self.database, script=self.script, now=self.now)

    def send(self) -> int:
        return ladder.send_letters(self.database, self.mail, script=self.script, now=self.now)

    def noon(self) -> None:
        """The time of the letters has come: two hundred minutes after the question."""
        self.morning()
        self.now = NOW + timedelta(minutes=201)

    def states(self) -> list[tuple[TextState, str]]:
        with self.database.begin() as session:
            return [(one.state, one.why_not) for one in session.scalars(select(Email).order_by(Email.id))]


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Writing:
    return Writing(database, script, understanding)


def a_family(town: Writing, *names: str, speaks: str = "es") -> str:
    with town.database.begin() as session:
        school = session.scalars(select(School)).first() or a_school(session)
        students = [a_student(session, school, name) for name in names or ("Maya",)]
        mother = a_guardian(session, *students, speaks=speaks)
        mother.email = "ana.rivera@example.org"
        absent(session, *students)
        return number_of(session, mother)


def test_a_family_that_has_not_answered_gets_one_letter_in_its_language(town: Writing) -> None:
    a_family(town, "Maya", "Luis")
    town.noon()
    assert town.write() == 1
    assert town.send() == 1
    (letter,) = town.mail.book
    assert letter.to == "ana.rivera@example.org"
    assert letter.subject == "Un mensaje de Burns School"
    assert "hoy extrañamos a Maya y Luis en clase" in letter.body
    assert "Rivera" not in letter.subject + letter.body
    for _ in range(3):
        town.now += timedelta(minutes=10)
        town.write()
        town.send()
    assert len(town.mail.book) == 1


def test_before_its_time_and_without_a_mail_server_no_letter_is_written(
    town: Writing, script: Script
) -> None:
    a_family(town)
    town.morning()
    town.now = NOW + timedelta(minutes=199)
    assert town.write() == 0
    town.now = NOW + timedelta(minutes=201)
    town.script = script
    assert town.write() == 0


def test_a_family_that_has_answered_gets_none(town: Writing) -> None:
    mother = a_family(town)
    town.morning()
    town.family_writes(mother, "está enferma")
    town.now = NOW + timedelta(minutes=201)
    assert town.write() == 0


def test_stop_ends_texts_and_not_the_letter(town: Writing) -> None:
    """STOP is said to the number. Who wants no contact at all has said so at the school."""
    a_family(town)
    with town.database.begin() as session:
        session.execute(update(Phone).values(opted_out=True))
    town.noon()
    town.write()
    assert town.send() == 1


@pytest.mark.parametrize("why", ["no-text flag", "court order", "mute", "inactive", "no address"])
def test_who_may_not_be_told_gets_no_letter(town: Writing, why: str) -> None:
    a_family(town)
    town.noon()
    with town.database.begin() as session:
        _forbid(session, why)
    town.write()
    assert town.send() == 0
    assert town.mail.book == []


@pytest.mark.parametrize(
    "why", ["no-text flag", "court order", "mute", "inactive", "no address", "present", "staff", "closed"]
)
def test_what_has_changed_since_it_was_written_is_asked_again_before_it_leaves(
    town: Writing, why: str
) -> None:
    a_family(town)
    town.noon()
    assert town.write() == 1
    with town.database.begin() as session:
        _forbid(session, why)
    assert town.send() == 0
    assert town.mail.book == []
    ((state, reason),) = town.states()
    assert state is TextState.NOT_SENT
    assert reason


def _forbid(session: Session, why: str) -> None:
    mother = session.scalars(select(Guardian)).one()
    link = session.scalars(select(Guardianship)).one()
    match why:
        case "no-text flag":
            link.may_receive_texts = False
        case "court order":
            link.court_order = True
        case "mute":
            session.add(
                Mute(guardian_id=mother.id, student_id=link.student_id, purpose=Purpose.CHECK_IN, at=NOW)
            )
        case "inactive":
            mother.active = False
        case "no address":
            mother.email = ""
        case "present":
            session.execute(update(AttendanceMark).values(superseded_at=NOW))
        case "staff":
            school = session.scalars(select(School)).one()
            talk = session.scalars(select(Conversation)).one()
            talk.owner, talk.staff_id = Owner.STAFF, a_staff_member(session, school).id
        case _:
            school = session.scalars(select(School)).one()
            closings.close(session, [school.id], FRIDAY, reason="snow", who=Who("the office"), now=NOW)


def test_the_stop_button_holds_letters_too(town: Writing) -> None:
    a_family(town)
    town.noon()
    town.write()
    with town.database.begin() as session:
        stopping.stop(session, by="Ms. Santos", reason="wrong roster", now=town.now)
    assert town.send() == 0
    with town.database.begin() as session:
        stopping.go(session, by="Ms. Santos", reason="mended", now=town.now)
    assert town.send() == 1


def test_no_letter_leaves_after_an_early_dismissal(town: Writing) -> None:
    a_family(town)
    town.noon()
    town.write()
    with town.database.begin() as session:
        school = session.scalars(select(School)).one()
        closings.end_early(
            session, [school.id], FRIDAY, time(12, 50), reason="heat", who=Who("x"), now=town.now
        )
    assert town.send() == 0


class Broken(Simulator):
    """A mail server that takes the letter, or not, and does not tell."""

    answer = Posted.UNKNOWN

    def send(self, to: str, subject: str, body: str, *, key: str = "") -> Posted:
        super().send(to, subject, body, key=key)
        return self.answer


def test_a_letter_of_which_nobody_knows_whether_it_left_is_never_sent_again(town: Writing) -> None:
    a_family(town)
    town.noon()
    town.write()
    town.mail = Broken()
    town.send()
    town.now += timedelta(minutes=30)
    town.send()
    assert len(town.mail.book) == 1
    assert town.states() == [(TextState.UNKNOWN, "")]


def test_a_worker_that_died_with_a_letter_in_its_hand_leaves_it_in_doubt(town: Writing) -> None:
    a_family(town)
    town.noon()
    town.write()
    with town.database.begin() as session:
        session.execute(update(Email).values(state=TextState.CLAIMED, claimed_at=town.now))
    town.now += timedelta(minutes=10)
    assert town.send() == 0
    assert town.states() == [(TextState.UNKNOWN, "")]
    assert town.mail.book == []


def test_a_server_that_is_away_for_a_moment_gets_the_letter_later(town: Writing) -> None:
    a_family(town)
    town.noon()
    town.write()
    town.mail = Broken()
    town.mail.answer = Posted.PASSING
    town.send()
    town.mail = Simulator()
    town.now += timedelta(minutes=1)
    assert town.send() == 1
