"""No school today, a late opening, an early dismissal: what was queued stays, the ledger sums, a mistake is undone."""

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import attendance, closings, ladder, ledger, measures, outreach
from bot.advance import Script
from bot.cli.closing import close_command, delay_command, dismiss_command
from bot.closings import Change, ClosingRefused, Who
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    AttendanceMark,
    AuditLine,
    CalendarDay,
    DayChange,
    Excuse,
    Handoff,
    HandoffState,
    LadderStep,
    MarkStatus,
    OutboundText,
    Outreach,
    School,
    SchoolDayChanged,
    Student,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Purpose, Step
from tests.builders import (
    FRIDAY,
    NOW,
    a_file,
    a_guardian,
    a_school,
    a_staff_member,
    a_student,
    absent,
    number_of,
)
from tests.town import Town

OFFICE = Who("Ms. Santos")


class Morning(Town):
    """A town whose schools ask by themselves, and whose ladder climbs, as the scheduler lets them."""

    def tick(self, *, sends: bool = True) -> None:
        outreach.run_due(self.database, script=self.script, now=self.now)
        ladder.climb(self.database, script=self.script, now=self.now)
        if sends:
            self.work()

    def until(self, minutes: int) -> None:
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            self.now = min(end, self.now + timedelta(minutes=15))
            outreach.take_silences(self.database, script=self.script, now=self.now)
            self.tick()

    def close(self, *schools: int, day: date = FRIDAY, who: Who = OFFICE) -> list[str]:
        with self.database.begin() as session:
            return closings.close(session, schools, day, reason="snow", who=who, now=self.now)

    def late(self, at: time, *schools: int, day: date = FRIDAY) -> list[str]:
        with self.database.begin() as session:
            return closings.open_late(session, schools, day, at, reason="ice", who=OFFICE, now=self.now)

    def early(self, at: time, *schools: int, day: date = FRIDAY) -> list[str]:
        with self.database.begin() as session:
            return closings.end_early(session, schools, day, at, reason="storm", who=OFFICE, now=self.now)

    def said(self) -> list[Change]:
        with self.database.begin() as session:
            schools = list(session.scalars(select(School.id)))
            return closings.changes(session, schools, date(2021, 1, 1), date(2022, 12, 31))

    def withdraw(self) -> None:
        newest = next(change for change in self.said() if change.withdrawn_at is None)
        with self.database.begin() as session:
            closings.withdraw(session, newest.id, schools=[newest.school_id], who=OFFICE, now=self.now)

    def sums(self, day: date = FRIDAY) -> tuple[int, int]:
        counts = self.ledger(day)
        return counts.absent, sum(counts.outcomes.values())

    def count(self, what: object) -> int:
        with self.database.begin() as session:
            return session.scalar(select(func.count()).select_from(what)) or 0  # type: ignore[arg-type]


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Morning:
    return Morning(database, script, understanding)


def a_family(session: Session, school: School, name: str = "Maya", *others: Student) -> tuple[Student, str]:
    student = a_student(session, school, name)
    mother = a_guardian(session, student, *others)
    absent(session, student)
    return student, number_of(session, mother)


def one_school(town: Morning) -> tuple[int, str]:
    with town.database.begin() as session:
        school = a_school(session)
        _, mother = a_family(session, school)
        return school.id, mother


# --- no school today ------------------------------------------------------------------------------------------


def test_ct_4_what_is_queued_when_the_school_closes_does_not_leave(town: Morning) -> None:
    school, mother = one_school(town)
    town.tick(sends=False)
    assert len(town.waiting_texts()) == 1
    assert town.close(school) == ["Burns School"]
    town.until(600)
    assert town.texts_to(mother) == []
    assert town.handoffs() == []


def test_ct_4_a_text_that_was_queued_behind_the_closings_back_is_refused_at_the_door(town: Morning) -> None:
    school, mother = one_school(town)
    town.close(school)
    with town.database.begin() as session:
        plan = outreach.plan(session, FRIDAY, script=town.script, now=town.now)
        assert plan.households == ()
    # As if the morning's transaction had begun before the closing was committed.
    with town.database.begin() as session:
        change = session.scalars(select(SchoolDayChanged)).one()
        change.withdrawn_at, change.withdrawn_by = town.now, "nobody"
        session.flush()
        town_schools = list(session.scalars(select(School.id)))
        planned = outreach.plan(session, FRIDAY, script=town.script, now=town.now, schools=town_schools)
        outreach.run(session, planned, script=town.script, now=town.now)
        change.withdrawn_at = change.withdrawn_by = None
    town.work()
    assert town.texts_to(mother) == []
    with town.database.begin() as session:
        text = session.scalars(select(OutboundText)).one()
        assert (text.state, text.why_not) == (TextState.NOT_SENT, "not_a_school_day")
    assert town.handoffs() == []  # nobody is missing: no person need call


def test_the_students_of_a_closed_day_are_no_absences_and_the_ledger_sums(town: Morning) -> None:
    school, _ = one_school(town)
    with town.database.begin() as session:
        other = a_school(session, "Wolcott School")
        a_family(session, other, "Luis")
    town.tick()
    assert town.sums() == (2, 2)
    town.close(school)
    assert town.sums() == (1, 1)
    with town.database.begin() as session:
        assert {line.school for line in ledger.lines(session, FRIDAY, [1, 2, school, other.id])} == {
            "Wolcott School"
        }
    town.until(300)
    assert town.sums() == (1, 1)


def test_no_measure_counts_a_day_that_a_person_has_closed(town: Morning) -> None:
    school, _ = one_school(town)
    with town.database.begin() as session:
        before = measures.standings(session, FRIDAY)[0]
    town.close(school)
    with town.database.begin() as session:
        after = measures.standings(session, FRIDAY)[0]
    assert (before.enrolled - after.enrolled, before.absent, after.absent) == (1, 1, 0)


def test_a_question_that_has_left_gets_no_reminder_no_second_guardian_and_no_call(town: Morning) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        student, mother = a_family(session, school)
        father = number_of(session, a_guardian(session, student, order=2, name="Luis"))
    town.tick()
    assert len(town.texts_to(mother)) == 1
    town.close(school.id)
    town.until(600)
    assert (len(town.texts_to(mother)), town.texts_to(father), town.handoffs()) == (1, [], [])


def test_a_family_that_answers_on_a_closed_day_is_heard_all_the_same(town: Morning) -> None:
    school, mother = one_school(town)
    town.tick()
    town.close(school)
    town.tick()
    town.family_writes(mother, "we have no food at home today, can someone help us?")
    assert town.unhandled() == 0
    assert town.handoffs()


def test_calls_that_nobody_has_taken_are_closed_with_the_school(town: Morning) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        a_guardian(session, student, may_receive_texts=False)
        absent(session, student)
        santos = a_staff_member(session, school, name="Ms. Santos")
    town.tick()
    assert [one.why for one in town.handoffs()] == ["call_task"]
    town.close(school.id, who=Who("Ms. Santos", santos.id))
    assert town.handoffs() == []
    with town.database.begin() as session:
        line = session.scalars(select(Handoff)).one()
        assert (line.state, line.resolved_by) == (HandoffState.RESOLVED, santos.id)
        assert "snow" in line.resolution
        noted = session.scalars(select(AuditLine).where(AuditLine.act == "day_closed")).one()
        assert (noted.staff_id, noted.school_id) == (santos.id, school.id)
    town.withdraw()
    town.tick()
    assert [one.why for one in town.handoffs()] == ["call_task"]


def test_brothers_and_sisters_at_two_schools_are_asked_anew_about_the_one_whose_school_is_open(
    town: Morning,
) -> None:
    with town.database.begin() as session:
        burns, wolcott = a_school(session), a_school(session, "Wolcott School")
        maya, luis = a_student(session, burns, "Maya"), a_student(session, wolcott, "Luis")
        mother = number_of(session, a_guardian(session, maya, luis))
        absent(session, maya, luis)
    town.tick(sends=False)
    town.close(burns.id)
    town.now += timedelta(seconds=20)
    town.tick()
    (text,) = town.texts_to(mother)
    assert "Luis" in text
    assert "Maya" not in text
    assert town.sums() == (1, 1)


# --- a mistake ------------------------------------------------------------------------------------------------


def test_a_closing_that_was_a_mistake_lets_the_morning_run(town: Morning) -> None:
    school, mother = one_school(town)
    town.tick(sends=False)
    town.close(school)
    town.until(30)
    assert town.texts_to(mother) == []
    town.withdraw()
    town.tick()
    assert len(town.texts_to(mother)) == 1
    assert town.sums() == (1, 1)


def test_after_a_mistake_nobody_who_was_asked_is_asked_again_and_a_call_still_comes(town: Morning) -> None:
    school, mother = one_school(town)
    town.tick()
    town.close(school)
    town.until(15)
    town.withdraw()
    town.until(15)
    assert len(town.texts_to(mother)) == 1
    assert town.ledger().outcomes == {Outcome.ATTEMPTED: 1}
    town.until(240)
    assert [one.why for one in town.handoffs()] == ["call_task"]


def test_a_mark_that_was_corrected_while_the_school_seemed_closed_counts_after_the_mistake(
    town: Morning,
) -> None:
    school, _ = one_school(town)
    town.tick()
    town.close(school)
    with town.database.begin() as session:
        mark = session.scalars(select(AttendanceMark)).one()
        mark.superseded_at = town.now
        session.flush()
        session.add(
            AttendanceMark(
                student_id=mark.student_id,
                school_id=mark.school_id,
                day=mark.day,
                status=MarkStatus.PRESENT,
                excuse=Excuse.UNKNOWN,
                code="P",
                import_id=a_file(session).id,
                marked_at=town.now,
            )
        )
    town.withdraw()
    assert town.ledger().outcomes == {Outcome.PRESENT_CORRECTED: 1}
    assert town.sums() == (1, 1)


def test_a_closing_is_kept_with_who_said_it_and_who_took_it_back(town: Morning) -> None:
    school, _ = one_school(town)
    town.close(school)
    town.withdraw()
    town.close(school)
    newest, older = town.said()
    assert (newest.kind, newest.reason, newest.by, newest.withdrawn_at) == (
        DayChange.CLOSED,
        "snow",
        "Ms. Santos",
        None,
    )
    assert older.withdrawn_by == "Ms. Santos"


@pytest.mark.parametrize(
    ("day", "reason"),
    [(date(2021, 10, 23), "snow"), (date(2030, 1, 7), "snow"), (FRIDAY, "  ")],
    ids=["Saturday", "beyond the calendar", "no reason"],
)
def test_a_day_without_school_or_a_closing_without_a_reason_is_refused(
    town: Morning, day: date, reason: str
) -> None:
    school, _ = one_school(town)
    with town.database.begin() as session, pytest.raises(ClosingRefused):
        closings.close(session, [school], day, reason=reason, who=OFFICE, now=town.now)
    assert town.said() == []


def test_closing_a_school_twice_is_refused_and_changes_nothing(town: Morning) -> None:
    school, _ = one_school(town)
    town.close(school)
    with pytest.raises(ClosingRefused):
        town.close(school)
    assert len(town.said()) == 1


def test_a_closing_survives_the_next_roster_and_calendar_import(town: Morning) -> None:
    """The file's word and a person's stand apart: neither overwrites the other."""
    school, _ = one_school(town)
    town.close(school)
    with town.database.begin() as session:
        session.get_one(CalendarDay, (school, FRIDAY)).instructional = True
    with town.database.begin() as session:
        assert not attendance.is_school_day(session, school, FRIDAY)


# --- a late opening -------------------------------------------------------------------------------------------


def test_ct_5_on_a_late_opening_families_are_asked_at_its_time(town: Morning) -> None:
    school, mother = one_school(town)
    town.now = NOW - timedelta(hours=2)
    town.late(time(11, 30), school)
    town.now = NOW
    town.until(105)
    assert town.texts_to(mother) == []
    town.until(30)
    assert len(town.texts_to(mother)) == 1


def test_ct_5_a_late_opening_told_after_the_morning_holds_what_has_not_left(town: Morning) -> None:
    school, mother = one_school(town)
    town.tick(sends=False)
    town.late(time(11, 30), school)
    town.until(105)
    assert town.texts_to(mother) == []
    town.until(30)
    assert len(town.texts_to(mother)) == 1
    assert town.sums() == (1, 1)


def test_ct_5_reminder_and_call_count_from_the_late_question(town: Morning) -> None:
    school, mother = one_school(town)
    town.late(time(11, 0), school)
    town.until(90)
    assert len(town.texts_to(mother)) == 1  # at 11:00
    town.until(75)
    assert len(town.texts_to(mother)) == 1
    town.until(30)
    assert len(town.texts_to(mother)) == 2  # the reminder, after 12:30
    with town.database.begin() as session:
        reminder = session.scalars(select(OutboundText).where(OutboundText.purpose == Purpose.REMINDER)).one()
    assert reminder.queued_at >= NOW + timedelta(minutes=180)


def test_a_late_opening_earlier_than_the_usual_time_or_already_past_is_refused(town: Morning) -> None:
    school, _ = one_school(town)
    for at in (time(9, 0), time(9, 30)):
        with pytest.raises(ClosingRefused):
            town.late(at, school)
    town.now = NOW + timedelta(hours=3)
    with pytest.raises(ClosingRefused):
        town.late(time(11, 0), school)


def test_a_late_opening_said_anew_has_the_newer_time(town: Morning) -> None:
    school, mother = one_school(town)
    town.late(time(11, 0), school)
    town.late(time(12, 0), school)
    town.until(135)
    assert town.texts_to(mother) == []
    town.until(30)
    assert len(town.texts_to(mother)) == 1
    assert [change.withdrawn_at is None for change in town.said()] == [True, False]


# --- an early dismissal ---------------------------------------------------------------------------------------


def test_ct_5_calls_are_due_before_an_early_dismissal(town: Morning) -> None:
    school, _ = one_school(town)
    town.early(time(12, 30), school)
    town.until(150)  # to noon: three hours after the question would be half past twelve
    with town.database.begin() as session:
        step = session.scalars(select(LadderStep).where(LadderStep.step == Step.CALL_TASK)).one()
    assert step.due_at == datetime(2021, 10, 22, 16, 30, tzinfo=UTC)


def test_ct_5_no_question_and_no_reminder_leaves_after_an_early_dismissal(town: Morning) -> None:
    school, mother = one_school(town)
    town.early(time(10, 30), school)
    town.tick()
    town.until(300)
    assert len(town.texts_to(mother)) == 1
    with town.database.begin() as session:
        student = a_student(session, session.get_one(School, school), "Late")
        number = number_of(session, a_guardian(session, student))
        absent(session, student, now=town.now)
    town.tick()
    assert town.texts_to(number) == []
    assert town.sums() == (2, 2)


# --- the two days of the clock change --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "asked"),
    [
        # The Mondays after the change, and a Sunday that a school teaches on, on which it happens (CT-2).
        (date(2026, 3, 9), datetime(2026, 3, 9, 15, 0, tzinfo=UTC)),
        (date(2026, 11, 2), datetime(2026, 11, 2, 16, 0, tzinfo=UTC)),
        (date(2026, 3, 8), datetime(2026, 3, 8, 15, 0, tzinfo=UTC)),
        (date(2026, 11, 1), datetime(2026, 11, 1, 16, 0, tzinfo=UTC)),
    ],
    ids=str,
)
def test_ct_2_a_late_opening_keeps_the_wall_time_of_its_day(
    town: Morning, day: date, asked: datetime
) -> None:
    with town.database.begin() as session:
        school = a_school(session, first=day - timedelta(days=14))
        if session.get(CalendarDay, (school.id, day)) is None:
            session.add(CalendarDay(school_id=school.id, day=day, instructional=True))
        student = a_student(session, school)
        mother = number_of(session, a_guardian(session, student))
        absent(session, student, day=day, now=asked - timedelta(hours=2))
    town.now = asked - timedelta(hours=20)
    town.late(time(11, 0), school.id, day=day)
    town.early(time(12, 0), school.id, day=day)
    town.now = asked - timedelta(minutes=1)
    town.tick()
    assert town.texts_to(mother) == []
    town.now = asked
    town.tick()
    assert len(town.texts_to(mother)) == 1
    town.until(240)
    assert len(town.texts_to(mother)) == 1  # dismissed before the reminder
    with town.database.begin() as session:
        calls = session.scalars(select(LadderStep).where(LadderStep.step == Step.CALL_TASK)).all()
        assert [call.due_at for call in calls] == [asked + timedelta(hours=1)]
        assert session.scalar(select(func.count()).select_from(Outreach)) == 1
        assert session.scalar(select(func.count()).select_from(Absence)) == 1


# --- by hand ----------------------------------------------------------------------------------------------------


def by_hand(town: Morning, command: click.Command, *words: str) -> Result:
    program = SimpleNamespace(
        database=town.database, clock=town.clock, settings=SimpleNamespace(zone="America/New_York")
    )
    return CliRunner().invoke(command, list(words), obj=program)


def test_whoever_is_at_the_machine_closes_delays_and_dismisses_by_the_same_door(town: Morning) -> None:
    one_school(town)
    closed = by_hand(town, close_command, "--because", "snow")
    assert "2021-10-22: no school at Burns School." in closed.output
    undone = by_hand(town, close_command, "--undo", "--because", "it was a rumour")
    assert "as on other days again: Burns School (closed)" in undone.output
    assert by_hand(town, delay_command, "--minutes", "90", "--because", "ice").exit_code == 0
    assert by_hand(town, dismiss_command, "--at", "12:30", "--because", "heat").exit_code == 0
    said = [(change.kind, change.at_time) for change in town.said() if change.withdrawn_at is None]
    assert sorted(said) == [(DayChange.ENDS_EARLY, time(12, 30)), (DayChange.OPENS_LATE, time(11, 0))]


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        (close_command, ["--school", "Nowhere", "--because", "x"], "no school is called 'Nowhere'"),
        (delay_command, ["--because", "x"], "say either --at 11:30 or --minutes 120"),
        (delay_command, ["--minutes", "480", "--at", "11:30", "--because", "x"], "say either"),
        (dismiss_command, ["--because", "x"], "--at"),
    ],
)
def test_what_is_said_wrongly_at_the_machine_changes_nothing(
    town: Morning, command: click.Command, words: list[str], sentence: str
) -> None:
    one_school(town)
    refused = by_hand(town, command, *words)
    assert refused.exit_code != 0
    assert sentence in refused.output
    assert town.said() == []
