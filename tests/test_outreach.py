"""The morning: who is asked, in which words, and why each other family is not."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update

from bot import answering, ledger, outreach
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import AttendanceMark, CalendarDay, Excuse, Guardian, OutboundText, Outreach
from bot.understanding import Understanding
from bot.vocabulary import NotContacted, Outcome
from tests.builders import (
    FRIDAY,
    NOW,
    a_guardian,
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


def the_plan(town: Town, day: date = FRIDAY) -> outreach.Plan:
    with town.database.begin() as session:
        return outreach.plan(session, day, script=town.script, now=town.now)


def test_the_dry_run_and_the_run_agree_and_a_second_run_changes_nothing(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        for n in range(6):
            student = a_student(session, school, f"Student{n}")
            a_guardian(session, student, opted_out=n == 0, court_order=n == 1, has_phone=n != 2)
            absent(session, student)
    planned = the_plan(town)

    town.morning()
    with town.database.begin() as session:
        before = session.scalar(select(func.count()).select_from(OutboundText))
    town.morning()

    with town.database.begin() as session:
        assert session.scalar(select(func.count()).select_from(OutboundText)) == before
        asked = set(session.scalars(select(Outreach.student_id)))
    assert asked == {student.id for household in planned.households for student in household.students}
    assert {why for _, why in planned.not_contacted} == {
        NotContacted.OPTED_OUT,
        NotContacted.NO_CONTACT_ALLOWED,
        NotContacted.NO_NUMBER,
    }
    assert sum(town.ledger().outcomes.values()) == 6


def test_a_weekend_or_a_closure_holds_everyone_and_asks_nobody(town: Town) -> None:
    """AT-8."""
    with town.database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        a_guardian(session, student)
        absent(session, student)
        session.execute(update(CalendarDay).where(CalendarDay.day == FRIDAY).values(instructional=False))

    town.morning()

    assert not town.provider.book
    assert town.ledger().outcomes == {Outcome.HELD: 1}


def test_a_school_that_looks_wholly_absent_is_held_for_a_person(town: Town) -> None:
    """AT-8: 717 families were once told by mistake that their child was missing."""
    with town.database.begin() as session:
        school = a_school(session)
        students = [a_student(session, school, f"S{n}") for n in range(20)]
        for student in students:
            a_guardian(session, student)
        absent(session, *students[:12])

    town.morning()

    assert not town.provider.book
    assert town.ledger().outcomes == {Outcome.HELD: 12}


def test_the_share_of_absent_is_of_the_school_and_not_of_the_district(town: Town) -> None:
    with town.database.begin() as session:
        full, empty = a_school(session, "Full"), a_school(session, "Empty")
        for n in range(100):
            a_student(session, full, f"F{n}")
        students = [a_student(session, empty, f"S{n}") for n in range(20)]
        absent(session, *students[:12])
    assert len(the_plan(town).held) == 12


def test_two_guardians_who_share_a_phone_are_not_both_asked_on_it(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        for name in ("Maya", "Luis"):
            student = a_student(session, school, name)
            a_guardian(session, student, number="+18605550150", name=f"Mother of {name}")
            absent(session, student)

    town.morning()

    assert len(town.texts_to("+18605550150")) == 1
    assert town.ledger().outcomes == {Outcome.NOT_CONTACTED: 1, Outcome.ATTEMPTED: 1}


def test_a_family_that_wrote_before_it_was_asked_is_thanked_and_not_asked_again(town: Town) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
    town.now = NOW - timedelta(minutes=60)
    town.family_writes(number, "Maya has a fever and stays home today")
    with town.database.begin() as session:
        absent(session, student)
    town.now = NOW

    town.morning()

    assert len(town.texts_to(number)) == 1
    assert town.ledger().outcomes == {Outcome.EXPLAINED: 1}


def test_the_first_text_to_a_family_says_who_writes_why_and_how_to_stop(town: Town) -> None:
    """LAW-31."""
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
        absent(session, student)

    town.morning()

    (text,) = town.texts_to(number)
    assert text.startswith("Hello from Burns School. We text when a student is absent.")
    assert "STOP" in text


def test_the_second_day_says_something_new_and_offers_a_call(town: Town) -> None:
    thursday = FRIDAY - timedelta(days=1)
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
        absent(session, student, day=thursday, now=NOW - timedelta(days=1))
    town.now = NOW - timedelta(days=1)
    town.morning(thursday)
    town.later(300)
    town.now = NOW
    with town.database.begin() as session:
        absent(session, student)

    town.morning()

    assert "again today" in town.texts_to(number)[-1]
    town.family_writes(number, "2")
    assert any(handoff.why == "call_me" for handoff in town.handoffs())


def test_no_file_of_today_means_nobody_is_asked_by_the_scheduler(town: Town) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
        absent(session, student, day=FRIDAY - timedelta(days=1), now=NOW - timedelta(days=1))

    assert outreach.run_due(town.database, script=town.script, now=town.now) == []


def test_the_scheduler_runs_a_school_at_its_time_once_and_again_only_for_a_newer_file(town: Town) -> None:
    """CT-10."""
    with town.database.begin() as session:
        school = a_school(session)
        first, second = a_student(session, school, "Maya"), a_student(session, school, "Luis")
        a_guardian(session, first)
        a_guardian(session, second)
        absent(session, first, now=NOW - timedelta(minutes=20))
        session.flush()
        school_id = school.id
    early = NOW - timedelta(minutes=1)

    assert outreach.run_due(town.database, script=town.script, now=early) == []
    assert outreach.run_due(town.database, script=town.script, now=town.now) == [school_id]
    assert outreach.run_due(town.database, script=town.script, now=town.now) == []
    town.now += timedelta(minutes=30)
    with town.database.begin() as session:
        absent(session, second, now=town.now - timedelta(minutes=1))
    assert outreach.run_due(town.database, script=town.script, now=town.now) == [school_id]
    town.work()

    assert len(town.provider.book) == 2


def test_a_student_called_absent_again_is_back_in_the_count_of_those_to_reach(town: Town) -> None:
    """Promise 8 both ways: the newest file is the truth."""
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
        absent(session, student)
    town.morning()
    with town.database.begin() as session:
        session.scalars(select(AttendanceMark)).one().superseded_at = town.now
        ledger.absence_withdrawn(session, [(student.id, FRIDAY)], town.now)
    assert town.ledger().outcomes == {Outcome.PRESENT_CORRECTED: 1}
    with town.database.begin() as session:
        absent(session, student, now=town.now)

    town.morning()

    assert town.ledger().outcomes == {Outcome.ATTEMPTED: 1}


def test_an_excuse_that_arrives_before_the_text_leaves_keeps_it_here(town: Town) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
        absent(session, student)
        outreach.run(
            session,
            outreach.plan(session, FRIDAY, script=town.script, now=town.now),
            script=town.script,
            now=town.now,
        )
        session.scalars(select(AttendanceMark)).one().excuse = Excuse.EXCUSED
    town.work()

    assert not town.texts_to(number)
    assert town.ledger().outcomes == {Outcome.NOT_CONTACTED: 1}


def test_each_guardian_reads_their_own_language(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        number = number_of(session, a_guardian(session, student, speaks="es"))
        absent(session, student)

    town.morning()

    assert "STOP" in town.texts_to(number)[0]
    assert "we missed" not in town.texts_to(number)[0]
    town.family_writes(number, "English please")
    with town.database.begin() as session:
        guardian = session.scalars(select(Guardian)).one()
        assert (guardian.language.value, guardian.language_chosen_by_family) == ("en", True)
    assert "we missed" in " ".join(town.texts_to(number)).lower()


def test_a_family_a_person_is_talking_with_is_left_to_that_person(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        number = number_of(session, a_guardian(session, student))
        member = a_staff_member(session, school)
    town.now = NOW - timedelta(hours=1)
    town.family_writes(number, "can a person call me")
    conversation = town.conversation().id
    with town.database.begin() as session:
        answering.take(session, conversation, member.id, script=town.script, now=town.now)
        absent(session, student)
    town.now = NOW
    texts = len(town.texts_to(number))

    town.morning()

    assert len(town.texts_to(number)) == texts
    assert the_plan(town).not_contacted[0][1] is NotContacted.TALKING_NOW
