"""The ladder: every absent student ends the day explained, with a person, or with a call task."""

import csv
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot import (
    answering,
    arrivals,
    attendance,
    consent,
    counters,
    delivery,
    handoffs,
    ladder,
    ledger,
    outreach,
    stopping,
)
from bot.advance import Script
from bot.cli.repairing import repair_command
from bot.conversation.ladder import OPEN, Ladder, Standing, next_steps
from bot.conversation.load import FlowError, load
from bot.store.session import Database, connect
from bot.store.tables import (
    Absence,
    AttendanceMark,
    Conversation,
    ConversationStudent,
    Excuse,
    Handoff,
    Import,
    JobRun,
    LadderStep,
    OutboundText,
    Outreach,
    Phone,
    PhoneState,
    School,
    Student,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import NotContacted, Outcome, Purpose, Step, Urgency
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
from tests.conftest import ROOT
from tests.town import Town

THURSDAY, WEDNESDAY = FRIDAY - timedelta(days=1), FRIDAY - timedelta(days=2)


class Climbing(Town):
    """A town whose worker runs the ladder too, as the scheduler does."""

    def climb(self) -> int:
        done = ladder.climb(self.database, script=self.script, now=self.now)
        self.work()
        return done

    def later(self, minutes: int) -> None:
        """Time passes in steps of a quarter of an hour; the ladder and the silences are looked at in each."""
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            self.now = min(end, self.now + timedelta(minutes=15))
            self.climb()
            super().later(0)
            self.climb()

    def steps(self, step: Step, day: date = FRIDAY) -> list[LadderStep]:
        with self.database.begin() as session:
            return list(
                session.scalars(
                    select(LadderStep)
                    .where(LadderStep.step == step, LadderStep.day == day)
                    .order_by(LadderStep.student_id)
                )
            )

    def calls(self) -> list[Handoff]:
        return [one for one in self.handoffs() if one.why in ("call_task", "no_answer", "undelivered")]


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Climbing:
    return Climbing(database, script, understanding)


def a_family(
    town: Climbing, *, grade: str = "05", second: bool = True, name: str = "Maya"
) -> tuple[str, str]:
    """An absent student with a mother, and a father who comes second; their numbers."""
    with town.database.begin() as session:
        school = session.scalars(select(School)).first() or a_school(session)
        student = a_student(session, school, name)
        student.grade = grade
        mother = number_of(session, a_guardian(session, student))
        father = number_of(session, a_guardian(session, student, order=2, name="Luis")) if second else ""
        absent(session, student)
    return mother, father


# --- the second guardian ---------------------------------------------------------------------------------


def test_the_second_guardian_is_asked_once_and_only_when_the_first_has_not_answered(town: Climbing) -> None:
    mother, father = a_family(town)
    town.morning()

    town.later(119)
    assert not town.texts_to(father)
    town.later(16)
    town.later(240)

    assert len(town.texts_to(mother)) == 2  # the check-in and the reminder
    assert len(town.texts_to(father)) == 1
    with town.database.begin() as session:
        asked = session.execute(select(Outreach.guardian_id, Outreach.purpose)).all()
    assert len(asked) == 2
    assert {purpose for _, purpose in asked} == {Purpose.CHECK_IN}


def test_the_second_guardian_reads_nothing_of_the_first(town: Climbing) -> None:
    """Never what another guardian said (conversation.md, Tone)."""
    mother, father = a_family(town)
    town.morning()
    town.later(135)

    (text,) = town.texts_to(father)

    assert "Maya" in text
    assert "Ana" not in text
    assert "Rivera" not in text
    assert mother[-4:] not in text
    assert town.texts_to(mother)[0].startswith("Hello")


def test_an_answer_of_the_first_keeps_the_second_from_being_asked(town: Climbing) -> None:
    mother, father = a_family(town)
    town.morning()
    town.later(30)
    town.family_writes(mother, "1")

    town.later(400)

    assert not town.texts_to(father)
    assert not town.steps(Step.CALL_TASK)


def test_an_answer_of_the_second_ends_what_the_first_would_still_hear(town: Climbing) -> None:
    mother, father = a_family(town)
    town.morning()
    town.later(135)
    town.family_writes(father, "She has a fever")
    texts = len(town.texts_to(mother))

    town.later(300)

    assert len(town.texts_to(mother)) == texts
    assert not town.calls()
    assert town.ledger().outcomes == {Outcome.EXPLAINED: 1}


def test_a_text_that_has_not_had_its_turn_yet_is_an_answer_all_the_same(town: Climbing) -> None:
    mother, father = a_family(town)
    town.morning()
    town.now += timedelta(minutes=125)
    with town.database.begin() as session:
        arrivals.receive(session, provider_sid="SM" + "1" * 32, sender=mother, words="1", now=town.now)

    ladder.climb(town.database, script=town.script, now=town.now)
    town.work()

    assert not town.texts_to(father)


@pytest.mark.parametrize(
    "who",
    ["court_order", "no_texts", "opted_out", "no_phone"],
)
def test_a_second_guardian_who_may_not_be_texted_is_not(town: Climbing, who: str) -> None:
    """LAW-43."""
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
        a_guardian(
            session,
            student,
            order=2,
            court_order=who == "court_order",
            may_receive_texts=who != "no_texts",
            opted_out=who == "opted_out",
            has_phone=who != "no_phone",
        )
        absent(session, student)
    town.morning()

    town.later(400)

    assert {text.to for text in town.provider.book} == {town.provider.book[0].to}
    assert len(town.calls()) == 1


def test_a_lost_text_jumps_to_the_next_guardian_at_once(town: Climbing) -> None:
    mother, father = a_family(town)
    town.morning()
    with town.database.begin() as session:
        session.execute(update(Phone).where(Phone.number == mother).values(state=PhoneState.DEAD))
        ledger.record(
            session,
            session.scalars(select(Student.id)),
            FRIDAY,
            Outcome.UNREACHABLE,
            town.now,
            instead_of=(Outcome.ATTEMPTED,),
        )
    town.now += timedelta(minutes=1)

    town.climb()

    assert len(town.texts_to(father)) == 1
    assert len(town.calls()) == 1


def test_brothers_and_sisters_share_one_text_to_the_second_guardian(town: Climbing) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        maya, leo = a_student(session, school, "Maya"), a_student(session, school, "Leo")
        a_guardian(session, maya, leo)
        father = number_of(session, a_guardian(session, maya, leo, order=2))
        absent(session, maya, leo)
    town.morning()

    town.later(400)

    (text,) = town.texts_to(father)
    assert "Maya" in text
    assert "Leo" in text
    assert len(town.calls()) == 1


# --- the call ------------------------------------------------------------------------------------------------


def test_a_family_that_never_answers_is_called_once_and_before_dismissal(town: Climbing) -> None:
    a_family(town)
    town.morning()

    town.later(185)
    (call,) = town.calls()
    town.later(600)

    assert [one.id for one in town.calls()] == [call.id]
    assert call.urgency is Urgency.P1
    assert call.due_at == datetime(2021, 10, 22, 18, 30, tzinfo=UTC)  # 14:30 in Hartford
    (step,) = town.steps(Step.CALL_TASK)
    assert (step.handoff_id, step.due_at) == (call.id, call.due_at)


@pytest.mark.parametrize("obstacle", ["opted_out", "no_texts", "landline", "dead"])
def test_a_family_nobody_can_text_is_called_at_once(town: Climbing, obstacle: str) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        guardian = a_guardian(
            session, student, opted_out=obstacle == "opted_out", may_receive_texts=obstacle != "no_texts"
        )
        number = number_of(session, guardian)
        if obstacle in ("landline", "dead"):
            session.execute(update(Phone).where(Phone.number == number).values(state=PhoneState(obstacle)))
        absent(session, student)
    town.morning()

    town.climb()
    town.climb()

    (call,) = town.handoffs()
    assert call.why == "call_task"
    assert not town.provider.book
    with town.database.begin() as session:
        (waiting,) = handoffs.waiting(session, list(session.scalars(select(School.id))))
    assert waiting.students == ("Maya Rivera",)


@pytest.mark.parametrize("obstacle", ["court_order", "no_phone", "wrong_number", "nobody"])
def test_where_no_number_may_be_called_the_task_is_kept_without_one(town: Climbing, obstacle: str) -> None:
    """A call to such a number would tell a stranger, or a parent a court keeps away, of the child."""
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        if obstacle != "nobody":
            guardian = a_guardian(
                session,
                student,
                court_order=obstacle == "court_order",
                has_phone=obstacle != "no_phone",
            )
            if obstacle == "wrong_number":
                session.execute(update(Phone).values(state=PhoneState.WRONG_NUMBER))
            assert guardian.id
        absent(session, student)
    town.morning()

    town.climb()

    (step,) = town.steps(Step.CALL_TASK)
    assert step.handoff_id is None
    assert step.due_at is not None
    assert not town.handoffs()
    with town.database.begin() as session:
        assert ladder.repairs(session)


def test_an_excused_student_is_nobodys_task(town: Climbing) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student, opted_out=True)
        absent(session, student, excuse=Excuse.EXCUSED)
    town.morning()

    town.later(400)

    assert not town.handoffs()
    assert not town.steps(Step.CALL_TASK)


def test_a_household_has_one_call_however_many_children_it_has(town: Climbing) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        children = [a_student(session, school, name) for name in ("Maya", "Leo", "Ana")]
        a_guardian(session, *children, opted_out=True)
        absent(session, *children)
    town.morning()

    town.climb()

    (call,) = town.handoffs()
    assert {step.handoff_id for step in town.steps(Step.CALL_TASK)} == {call.id}
    with town.database.begin() as session:
        (waiting,) = handoffs.waiting(session, list(session.scalars(select(School.id))))
    assert len(waiting.students) == 3


def test_a_case_that_was_closed_at_the_desk_is_not_opened_again_the_same_day(town: Climbing) -> None:
    a_family(town, second=False)
    town.morning()
    with town.database.begin() as session:
        member = a_staff_member(session, session.scalars(select(School)).one())
    town.later(185)
    (call,) = town.calls()
    with town.database.begin() as session:
        answering.resolve(
            session, call.conversation_id, member.id, "seen through", accounted_for=False, now=town.now
        )

    town.later(300)

    assert not town.handoffs()


def test_a_family_that_began_to_talk_without_a_reason_is_not_forgotten(town: Climbing) -> None:
    mother, _ = a_family(town, second=False)
    town.morning()
    town.later(15)
    town.family_writes(mother, "ok")

    town.later(400)

    assert len(town.handoffs()) == 1


def test_a_school_that_looks_wholly_absent_gets_no_hundred_calls(town: Climbing) -> None:
    """AT-8: a person looks at the file first."""
    with town.database.begin() as session:
        school = a_school(session)
        students = [a_student(session, school, f"S{n}") for n in range(20)]
        for student in students:
            a_guardian(session, student)
        absent(session, *students[:12])
    town.morning()

    town.later(600)

    assert not town.handoffs()
    assert not town.provider.book


def test_a_newer_file_brings_the_child_of_a_shared_phone_to_a_person_and_leaves_the_talk_alone(
    town: Climbing,
) -> None:
    """The family's next text belongs to the talk that asked it, whatever thread a call needs besides."""
    with town.database.begin() as session:
        school = a_school(session)
        for name in ("Maya", "Luis"):
            student = a_student(session, school, name)
            a_guardian(session, student, number="+12035550150", name=f"Mother of {name}")
            absent(session, student)
    town.morning()
    town.later(10)
    town.family_writes("+12035550150", "1")

    town.later(400)

    assert town.ledger().outcomes == {Outcome.NOT_CONTACTED: 1, Outcome.EXPLAINED: 1}
    (call,) = town.handoffs()
    with town.database.begin() as session:
        (waiting,) = handoffs.waiting(session, list(session.scalars(select(School.id))))
    assert (call.why, waiting.students) == ("call_task", ("Luis Rivera",))
    town.family_writes("+12035550150", "thank you")
    with town.database.begin() as session:
        newest = session.scalars(select(Conversation).order_by(Conversation.opened_at.desc())).first()
        assert newest is not None
        assert newest.id != call.conversation_id


# --- what ends it ----------------------------------------------------------------------------------------------


def test_a_student_who_is_marked_present_ends_every_step(town: Climbing) -> None:
    """Promise 8: facts change."""
    mother, father = a_family(town)
    town.morning()
    town.later(30)
    with town.database.begin() as session:
        mark = session.scalars(select(AttendanceMark)).one()
        mark.superseded_at = town.now
        ledger.absence_withdrawn(session, [(mark.student_id, FRIDAY)], town.now)

    town.later(600)

    assert len(town.texts_to(mother)) == 1
    assert not town.texts_to(father)
    assert not town.handoffs()


def test_an_excuse_that_comes_later_ends_every_step(town: Climbing) -> None:
    mother, father = a_family(town)
    town.morning()
    town.later(30)
    with town.database.begin() as session:
        session.execute(update(AttendanceMark).values(excuse=Excuse.EXCUSED))

    town.later(600)

    assert len(town.texts_to(mother)) == 1
    assert not town.texts_to(father)
    assert not town.handoffs()


def test_while_a_person_has_the_conversation_the_ladder_is_silent(town: Climbing) -> None:
    """Promise 3: one owner."""
    _, father = a_family(town)
    town.morning()
    conversation = town.conversation().id
    with town.database.begin() as session:
        member = a_staff_member(session, session.scalars(select(School)).one())
        answering.take(session, conversation, member.id, script=town.script, now=town.now)

    town.later(400)

    assert not town.texts_to(father)
    assert not town.steps(Step.CALL_TASK)


def test_the_stop_button_stops_texts_and_leaves_the_calls(town: Climbing) -> None:
    _, father = a_family(town)
    town.morning()
    with town.database.begin() as session:
        stopping.stop(session, by="clerk", reason="a wrong file", now=town.now)

    town.later(300)

    assert not town.texts_to(father)
    assert len(town.calls()) == 1


def test_nothing_leaves_outside_the_window_and_the_call_comes_all_the_same(town: Climbing) -> None:
    """LAW-21."""
    _, father = a_family(town)
    early = replace(town.script.policy, window_closes=time(11, 0))
    town.script = replace(town.script, policy=early)
    town.morning()

    town.later(400)

    assert not town.texts_to(father)
    assert len(town.calls()) == 1
    closes = datetime(2021, 10, 22, 15, tzinfo=UTC)
    with town.database.begin() as session:
        left = session.scalars(select(OutboundText.claimed_at).where(OutboundText.state == TextState.SENT))
        assert all(at is not None and at < closes for at in left)


# --- the young -----------------------------------------------------------------------------------------------


def test_the_young_are_asked_after_sooner(town: Climbing) -> None:
    mother, father = a_family(town, grade="KG")
    town.morning()

    town.later(30)
    assert len(town.texts_to(mother)) == 1
    town.later(15)
    assert len(town.texts_to(mother)) == 2
    assert not town.texts_to(father)
    town.later(30)
    assert len(town.texts_to(father)) == 1
    town.later(400)

    assert len(town.texts_to(mother)) == 2
    assert len(town.texts_to(father)) == 1
    assert len(town.calls()) == 1


# --- days ------------------------------------------------------------------------------------------------------


def absent_days(town: Climbing, student: Student, *days: date) -> None:
    with town.database.begin() as session:
        for day in days:
            absent(session, student, day=day, now=NOW - (FRIDAY - day))


def test_the_third_day_in_a_row_asks_for_a_visit_within_two_school_days(town: Climbing) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
    absent_days(town, student, WEDNESDAY, THURSDAY, FRIDAY)
    town.morning()

    town.later(400)
    town.later(100)

    (visit,) = [one for one in town.handoffs() if one.why == "home_visit"]
    assert visit.due_at == datetime(2021, 10, 26, 20, tzinfo=UTC)  # Tuesday, when the office closes
    assert len(town.calls()) == 1


def test_two_days_in_a_row_or_a_gap_ask_for_no_visit(town: Climbing) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
    absent_days(town, student, FRIDAY - timedelta(days=3), THURSDAY, FRIDAY)
    town.morning()

    town.later(400)

    assert not [one for one in town.handoffs() if one.why == "home_visit"]


def test_three_check_ins_that_nobody_answered_ask_for_a_visit(town: Climbing) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
    monday = FRIDAY - timedelta(days=4)
    for day in (monday - timedelta(days=4), monday, FRIDAY):
        town.now = NOW - (FRIDAY - day)
        with town.database.begin() as session:
            absent(session, student, day=day, now=town.now)
        town.morning(day)
        town.later(400)

    assert [one.why for one in town.handoffs() if one.why == "home_visit"]


def test_an_explained_student_is_not_visited(town: Climbing) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
    absent_days(town, student, WEDNESDAY, THURSDAY, FRIDAY)
    town.morning()
    town.family_writes(number, "1")

    town.later(400)

    assert not [one for one in town.handoffs() if one.why == "home_visit"]


def test_five_days_in_a_row_come_before_the_team(town: Climbing) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
    absent_days(town, student, *(FRIDAY - timedelta(days=n) for n in range(5)))
    town.morning()

    town.later(400)

    assert {one.why for one in town.handoffs()} == {"call_task", "home_visit", "team_review"}


def test_after_three_bot_days_in_a_week_a_person_calls_at_once(town: Climbing) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        father = number_of(session, a_guardian(session, student, order=2))
        a_guardian(session, student)
    for back in (4, 3, 2):
        day = FRIDAY - timedelta(days=back)
        town.now = NOW - timedelta(days=back)
        with town.database.begin() as session:
            absent(session, student, day=day, now=town.now)
        town.morning(day)
    texts = len(town.texts_to(father))
    town.now = NOW - timedelta(days=1)
    with town.database.begin() as session:
        absent(session, student, day=THURSDAY, now=town.now)
        ledger.fill_gaps(session, THURSDAY, town.now)  # the morning asks nobody a fourth time

    town.climb()

    assert town.steps(Step.CALL_TASK, THURSDAY)
    assert len(town.texts_to(father)) == texts


def a_day_back(town: Climbing) -> str:
    """A student who was absent and asked about on Thursday, and is here on Friday."""
    with town.database.begin() as session:
        school = a_school(session)
        student, other = a_student(session, school), a_student(session, school, "Leo")
        number = number_of(session, a_guardian(session, student))
        a_guardian(session, other, opted_out=True)
        absent(session, student, day=THURSDAY, now=NOW - timedelta(days=1))
    town.now = NOW - timedelta(days=1)
    town.morning(THURSDAY)
    town.now = NOW
    with town.database.begin() as session:
        absent(session, other)
    return number


def test_on_the_day_back_whom_we_asked_is_thanked_once(town: Climbing) -> None:
    number = a_day_back(town)
    before = len(town.texts_to(number))

    town.later(315)
    assert len(town.texts_to(number)) == before
    town.later(60)

    (text,) = town.texts_to(number)[before:]
    assert text.startswith("It was good to have Maya back at Burns School today. Thank you!")


def test_without_a_file_of_today_nobody_is_thanked(town: Climbing) -> None:
    number = a_day_back(town)
    with town.database.begin() as session:
        session.execute(update(AttendanceMark).where(AttendanceMark.day == FRIDAY).values(day=THURSDAY))
        session.execute(update(Import).values(applied_at=NOW - timedelta(days=1)))
    before = len(town.texts_to(number))

    town.later(400)

    assert len(town.texts_to(number)) == before


# --- the ledger at work ----------------------------------------------------------------------------------------


def test_a_student_whom_the_morning_missed_is_entered_and_counted(town: Climbing) -> None:
    """Promise 1."""
    with town.database.begin() as session:
        school = a_school(session)
        student, missed = a_student(session, school), a_student(session, school, "Leo")
        a_guardian(session, student)
        a_guardian(session, missed)
        absent(session, student, missed, now=NOW - timedelta(minutes=5))
    assert outreach.run_due(town.database, script=town.script, now=town.now)
    with town.database.begin() as session:
        row = session.scalars(select(Absence).where(Absence.student_id == missed.id)).one()
        session.delete(row)

    town.climb()

    with town.database.begin() as session:
        assert counters.totals(session)["ledger_repaired"] == 1
        assert session.scalar(select(func.count()).select_from(Absence)) == 2


def test_before_a_schools_morning_nobody_is_missing(town: Climbing) -> None:
    a_family(town)
    town.now = NOW - timedelta(minutes=30)

    town.climb()

    with town.database.begin() as session:
        assert not counters.totals(session)
        assert not session.scalar(select(func.count()).select_from(JobRun))


# --- the file a district edits ---------------------------------------------------------------------------

MISTAKES = [
    ("  reminder: {after: 90, young: 45}", "  nudge: {after: 90}", "step: nudge` is unknown"),
    ("  reminder: {after: 90, young: 45}", "  reminder: {young: 45}", "`after` is missing"),
    ("  reminder: {after: 90, young: 45}", "  reminder: {after: soon, young: 45}", "must be a number from 1"),
    ("  reminder: {after: 90, young: 45}", "  reminder: {after: 0, young: 45}", "must be a number from 1"),
    ("  reminder: {after: 90, young: 45}", "  reminder: {after: 90, young: 91}", "later than `after`"),
    ("  reminder: {after: 90, young: 45}", "  reminder: {after: 60, young: 45}", "write the same in both"),
    ("  reminder: {after: 90, young: 45}", "  reminder: {skip: true}", "cannot be skipped here"),
    ("after: 120, young: 75", "after: 90, young: 75", "comes before reminder, or with it"),
    ("after: 120, young: 75", "after: 120, young: 45", "comes before reminder, or with it"),
    ("after: 180, done_by", "after: 100, done_by", "comes before second_guardian, or with it"),
    ("say: second_guardian}", "say: third_guardian}", "no text `absence_check.third_guardian`"),
    ("say: second_guardian}", "say: remind}", "must be an opening of absence_check"),
    ("say: second_guardian}", "say: second_guardian, loud: true}", "`loud` is unknown"),
    ("say: welcome_back.thanks}", "say: welcome_back.hello}", "no text `welcome_back.hello`"),
    ("say: welcome_back.thanks}", "say: check_in}", "must be a text that ends in `close: kindly`"),
    ("say: day_two}", "say: nobody_answered}", "no text `absence_check.nobody_answered`"),
    ("email: {after: 200}", "email: {after: 180}", "it comes before call_task, or with it"),
    ("email: {after: 200}", "email: {skip: false}", "`skip: true` stands alone"),
    ('"14:30"', '"2:30 pm"', "must be the school's time, such as 14:30"),
    ("goes_to: administration", "goes_to: somebody", "`goes_to: somebody` is unknown; one of: safety"),
    ("in_a_row: 5", "in_a_row: 99", "must be a number from 1 to 20"),
    ("bot_days_a_week: 3", "bot_days_a_week: 7", "must be a number from 1 to 5"),
    ("bot_days_a_week: 3", "bot_weeks: 3", "`bot_weeks` is unknown"),
    ("young_grades: PK TK KG 01 02 03\n", "", "`young_grades` is missing"),
    ("  team_review: {in_a_row: 5, within: 5, goes_to: administration}\n", "", "this step is missing"),
    (
        "  email: {after: 200}\n",
        "  email: {after: 200}\n  call_task: {skip: true}\n",
        "`call_task` stands here twice",
    ),
]


def a_ladder(folder: Path, before: str = "", after: str = "") -> Path:
    flows = folder / "flows"
    shutil.copytree(ROOT / "flows", flows, ignore=shutil.ignore_patterns("drawings"))
    path = flows / "ladder.yaml"
    written = path.read_text(encoding="utf-8")
    assert before in written
    path.write_text(written.replace(before, after, 1), encoding="utf-8")
    return flows


@pytest.mark.parametrize(("before", "after", "fact"), MISTAKES, ids=[fact for _, _, fact in MISTAKES])
def test_a_mistake_in_the_ladder_is_refused_with_file_line_and_mend(
    tmp_path: Path, before: str, after: str, fact: str
) -> None:
    flows = a_ladder(tmp_path, before, after)

    with pytest.raises(FlowError) as refused:
        load(flows)

    assert fact in str(refused.value)
    assert refused.value.file == "ladder.yaml"
    assert refused.value.line > 0


def test_the_steps_stand_in_the_ladders_order(tmp_path: Path) -> None:
    reminder = "  reminder: {after: 90, young: 45}\n"
    flows = a_ladder(tmp_path, reminder)
    path = flows / "ladder.yaml"
    path.write_text(path.read_text(encoding="utf-8") + reminder, encoding="utf-8")

    with pytest.raises(FlowError, match="the steps stand in the ladder's order: reminder, second_guardian"):
        load(flows)


@pytest.mark.parametrize("step", ["second_guardian", "call_task", "home_visit", "team_review", "return_text"])
def test_a_district_may_do_without_a_step(tmp_path: Path, step: str) -> None:
    written = (ROOT / "flows" / "ladder.yaml").read_text(encoding="utf-8")
    line = next(line for line in written.splitlines() if line.startswith(f"  {step}: "))

    found = load(a_ladder(tmp_path, line, f"  {step}: {{skip: true}}")).ladder

    assert getattr(found, step) is None


def test_the_file_says_what_the_program_does_without_one() -> None:
    assert load(ROOT / "flows").ladder == Ladder()


# --- which step is next: pure ------------------------------------------------------------------------------

_STANDINGS = st.builds(
    Standing,
    outcome=st.sampled_from(Outcome),
    since=st.integers(0, 500).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    call_by=st.integers(0, 500).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    not_contacted=st.none() | st.sampled_from(NotContacted),
    young=st.booleans(),
    answered=st.booleans(),
    lost=st.booleans(),
    in_talk=st.booleans(),
    awaited=st.booleans(),
    with_staff=st.booleans(),
    tired=st.booleans(),
    may_text=st.booleans(),
    taken=st.frozensets(st.sampled_from(Step)),
)


@given(_STANDINGS, st.integers(0, 900))
def test_no_step_is_taken_twice_nor_for_whom_nobody_need_ask(standing: Standing, minutes: int) -> None:
    due = next_steps(standing, Ladder(), NOW + timedelta(minutes=minutes))

    assert not set(due) & standing.taken
    assert list(due) == sorted(due, key=list(Step).index)
    if standing.with_staff or standing.outcome not in OPEN:
        assert not due
    if not standing.may_text or standing.awaited:
        assert set(due) <= {Step.CALL_TASK}
    if standing.answered and not standing.lost:
        assert set(due) <= {Step.CALL_TASK}


@given(_STANDINGS, st.integers(0, 400), st.integers(0, 400))
def test_what_is_due_stays_due_while_nothing_happens(standing: Standing, first: int, then: int) -> None:
    early = next_steps(standing, Ladder(), NOW + timedelta(minutes=first))
    late = next_steps(standing, Ladder(), NOW + timedelta(minutes=first + then))

    assert set(early) <= set(late)


@given(_STANDINGS)
def test_whoever_nobody_has_accounted_for_is_called_in_the_end(standing: Standing) -> None:
    due = next_steps(standing, Ladder(), NOW + timedelta(days=1))

    somebody_has_it = standing.with_staff or standing.in_talk or Step.CALL_TASK in standing.taken
    assert (Step.CALL_TASK in due) is (standing.outcome in OPEN and not somebody_has_it)


# --- what the office must mend -------------------------------------------------------------------------------


def test_the_repair_list_names_bad_numbers_and_whom_nobody_can_text(town: Climbing) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        well = a_student(session, school, "Well")
        a_guardian(session, well)
        for name in ("Landline", "Dead", "Wrong", "Suspended"):
            student = a_student(session, school, name)
            number = number_of(session, a_guardian(session, student))
            phone = session.scalars(select(Phone).where(Phone.number == number)).one()
            match name:
                case "Landline":
                    phone.state, phone.looked_up_at = PhoneState.LANDLINE, NOW
                case "Dead":
                    phone.state = PhoneState.DEAD
                case "Wrong":
                    consent.mark_wrong_number(session, phone.id, "staff", NOW)
                case _:
                    consent.suspend(session, phone.id, NOW)
        a_guardian(session, a_student(session, school, "Opted"), opted_out=True)
        a_guardian(session, a_student(session, school, "Phoneless"), has_phone=False)
        a_student(session, school, "Alone")

    with town.database.look() as session:
        lines = ladder.repairs(session)

    numbers = {line.student.split()[0]: line for line in lines if line.phone}
    assert set(numbers) == {"Landline", "Dead", "Wrong", "Suspended"}
    assert numbers["Landline"].since == numbers["Wrong"].since == numbers["Suspended"].since == "2021-10-22"
    assert "not in service" in numbers["Dead"].what_is_wrong
    unreached = {line.student.split()[0] for line in lines if not line.phone}
    assert unreached == {"Landline", "Dead", "Wrong", "Suspended", "Phoneless", "Alone"}


def test_no_cell_of_the_repair_list_is_a_formula() -> None:
    """OR-14: a number in its international form is itself such a cell."""
    line = ladder.Repair("=1+1", "-7", "@Maya", "\tAna", "+12035550150", "+what", "2021-10-22")

    written = ladder.as_csv([line]).splitlines()

    assert written[0] == "school,student number,student,guardian,phone,what is wrong,since"
    assert next(csv.reader(written[1:])) == [
        "'=1+1",
        "'-7",
        "'@Maya",
        "'\tAna",
        "'+12035550150",
        "'+what",
        "2021-10-22",
    ]


def test_the_command_writes_the_list_for_a_spreadsheet(town: Climbing, tmp_path: Path) -> None:
    with town.database.begin() as session:
        a_guardian(session, a_student(session, a_school(session)), has_phone=False)
    file = tmp_path / "repair.csv"

    said = CliRunner().invoke(
        repair_command, ["--csv", str(file)], obj=SimpleNamespace(database=town.database)
    )

    assert said.exit_code == 0
    assert "1 lines to mend" in said.output
    assert file.read_bytes().startswith(b"\xef\xbb\xbfschool,student number,")
    assert "no guardian has a number that can be texted" in file.read_text(encoding="utf-8-sig")


# --- any order of ticks and events -----------------------------------------------------------------------------

_WORDS = ("1", "ok", "stop", "help", "I need a person", "she has a fever", "wrong number", "3", "qwx")
_EVENTS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from((1, 20, 45, 60, 90))),
    st.tuples(st.just("climb"), st.just(0)),
    st.tuples(st.just("silences"), st.just(0)),
    st.tuples(st.just("morning"), st.just(0)),
    st.tuples(st.just("present"), st.integers(0, 5)),
    st.tuples(st.just("excused"), st.integers(0, 5)),
    st.tuples(st.just("take"), st.just(0)),
    st.tuples(st.just("resolve"), st.just(0)),
    st.tuples(st.just("lost"), st.integers(0, 7)),
    st.tuples(st.sampled_from(_WORDS), st.integers(0, 7)),
)


class AnyDay(Climbing):
    """Five families: two guardians; nobody to text; two children, one of them young; one guardian; no number."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.numbers: list[str] = []
        with self.database.begin() as session:
            school = a_school(session)
            self.member = a_staff_member(session, school).id
            maya, leo, zoe, kim, ana, sam = self.students = [
                a_student(session, school, name) for name in ("Maya", "Leo", "Zoe", "Kim", "Ana", "Sam")
            ]
            zoe.grade = "01"
            families = [
                a_guardian(session, maya),
                a_guardian(session, maya, order=2),
                a_guardian(session, leo, opted_out=True),
                a_guardian(session, zoe, kim),
                a_guardian(session, zoe, kim, order=2),
                a_guardian(session, ana),
                a_guardian(session, kim, order=3),
                a_guardian(session, ana, order=2, may_receive_texts=False),
            ]
            a_guardian(session, sam, has_phone=False)
            self.numbers = [number_of(session, guardian) for guardian in families]
            absent(session, *self.students)
            self.households = ({maya.id}, {leo.id}, {zoe.id, kim.id}, {ana.id}, {sam.id})

    def happens(self, what: str, which: int) -> None:
        match what:
            case "wait":
                self.now += timedelta(minutes=which)
            case "climb":
                self.climb()
            case "silences":
                Town.later(self, 0)
            case "morning":
                self.morning()
            case "present" | "excused":
                self._corrected(self.students[which].id, present=what == "present")
            case "take" | "resolve":
                self._staff(what)
            case "lost":
                self._lost(self.numbers[which])
            case _:
                self.family_writes(self.numbers[which], what)

    def _corrected(self, student: int, *, present: bool) -> None:
        with self.database.begin() as session:
            mark = session.scalars(
                select(AttendanceMark).where(
                    AttendanceMark.student_id == student, AttendanceMark.superseded_at.is_(None)
                )
            ).first()
            if mark is None:
                return
            if present:
                mark.superseded_at = self.now
                ledger.absence_withdrawn(session, [(student, FRIDAY)], self.now)
            else:
                mark.excuse = Excuse.EXCUSED

    def _staff(self, what: str) -> None:
        waiting = self.handoffs()
        if not waiting:
            return
        with self.database.begin() as session:
            if what == "take":
                answering.take(
                    session, waiting[0].conversation_id, self.member, script=self.script, now=self.now
                )
            else:
                answering.resolve(
                    session,
                    waiting[0].conversation_id,
                    self.member,
                    "seen through",
                    accounted_for=False,
                    now=self.now,
                )

    def _lost(self, number: str) -> None:
        """The carrier's word on the last text to a number: it will never arrive."""
        with self.database.begin() as session:
            last = session.scalars(
                select(OutboundText)
                .join(Phone, Phone.id == OutboundText.phone_id)
                .where(Phone.number == number, OutboundText.state == TextState.SENT)
                .order_by(OutboundText.id.desc())
            ).first()
            if last is not None:
                delivery.receipt(
                    session,
                    token=last.token,
                    status="undelivered",
                    error_code="30006",
                    provider_sid=None,
                    script=self.script,
                    now=self.now,
                )

    def faults(self) -> Iterator[str]:
        with self.database.begin() as session:
            yield from self._too_many(session)
            yield from self._too_late(session)
            yield from self._forgotten(session)

    def _too_many(self, session: Session) -> Iterator[str]:
        left = session.execute(
            select(OutboundText.phone_id, OutboundText.purpose).where(
                OutboundText.claimed_at.is_not(None), OutboundText.purpose.in_(consent.AUTOMATED)
            )
        ).all()
        for phone, many in Counter(phone for phone, _ in left).items():
            if many > 2:
                yield f"{many} automated texts to phone {phone}"
        for (phone, purpose), many in Counter((phone, purpose) for phone, purpose in left).items():
            if many > 1:
                yield f"{many} texts of purpose {purpose} to phone {phone}"
        asked = Counter(session.scalars(select(Outreach.student_id)))
        if asked and max(asked.values()) > 2:
            yield f"more than two guardians were asked: {asked}"
        calls = session.execute(
            select(LadderStep.student_id, Handoff.id)
            .join(Handoff, Handoff.id == LadderStep.handoff_id)
            .where(LadderStep.step == Step.CALL_TASK, Handoff.why == "call_task")
        ).all()
        for household in self.households:
            ours = {handoff for student, handoff in calls if student in household}
            if len(ours) > 1:
                yield f"household {household} has calls {ours}"

    def _too_late(self, session: Session) -> Iterator[str]:
        opens, closes = datetime(2021, 10, 22, 12, tzinfo=UTC), datetime(2021, 10, 22, 22, tzinfo=UTC)
        for at in session.scalars(
            select(OutboundText.claimed_at).where(OutboundText.purpose.in_(consent.AUTOMATED))
        ):
            if at is not None and not opens <= at < closes:
                yield f"an automated text left at {at}"

    def _forgotten(self, session: Session) -> Iterator[str]:
        accounted = {Outcome.EXPLAINED, Outcome.EXPLAINED_NEEDS_HELP, Outcome.PRESENT_CORRECTED}
        for student in session.scalars(
            select(AttendanceMark.student_id).where(*attendance.UNEXPLAINED, AttendanceMark.day == FRIDAY)
        ):
            outcome = session.scalar(select(Absence.outcome).where(Absence.student_id == student))
            called = session.get(LadderStep, (student, FRIDAY, Step.CALL_TASK))
            person = session.scalar(
                select(Handoff.id)
                .join(ConversationStudent, ConversationStudent.conversation_id == Handoff.conversation_id)
                .where(ConversationStudent.student_id == student)
            )
            if outcome not in accounted and called is None and person is None:
                yield f"nobody looks after student {student}: {outcome}"


@settings(max_examples=15)
@example([("wait", 90), ("climb", 0), ("lost", 0), ("wait", 60), ("climb", 0)])
@example([("stop", 0), ("climb", 0), ("resolve", 0), ("wait", 90), ("morning", 0)])
@given(st.lists(_EVENTS, max_size=12))
def test_whatever_happens_nobody_is_texted_too_often_and_nobody_is_forgotten(
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: bytes,
    script: Script,
    understanding: Understanding,
    events: list[tuple[str, int]],
) -> None:
    """One check-in per household and guardian, two automated texts per number and day; promise 1."""
    path = tmp_path_factory.mktemp("any") / "day.db"
    path.write_bytes(sqlite_template)
    database = Database(connect(f"sqlite:///{path}"))
    try:
        town = AnyDay(database, script, understanding)
        town.morning()
        for what, which in events:
            town.happens(what, which)
        for _ in range(12):
            town.now += timedelta(minutes=60)
            town.climb()
            Town.later(town, 0)
        town.climb()

        assert list(town.faults()) == []
    finally:
        database.close()
