"""The morning: who is asked, in which words, and why each other family is not."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from bot import answering, counters, ledger, outreach
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Excuse,
    Guardian,
    Mute,
    OutboundText,
    Outreach,
    Phone,
    School,
    SenderState,
)
from bot.understanding import Understanding
from bot.vocabulary import NotContacted, Outcome, Purpose
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
    town.work()  # the family is told who is here
    town.now = NOW
    texts = len(town.texts_to(number))

    town.morning()

    assert len(town.texts_to(number)) == texts
    assert the_plan(town).not_contacted[0][1] is NotContacted.TALKING_NOW


# --- whom nobody may ask -----------------------------------------------------------------------------------


def test_a_guardian_who_muted_check_ins_about_one_child_is_asked_about_the_other(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        maya, luis = a_student(session, school, "Maya"), a_student(session, school, "Luis")
        mother = a_guardian(session, maya, luis)
        absent(session, maya, luis)
        session.add_all(
            Mute(guardian_id=mother.id, student_id=student.id, purpose=purpose, at=NOW)
            for student, purpose in ((maya, Purpose.CHECK_IN), (luis, Purpose.REMINDER))
        )

    planned = the_plan(town)

    assert [[student.first_name for student in each.students] for each in planned.households] == [["Luis"]]
    assert [(student.first_name, why) for student, why in planned.not_contacted] == [
        ("Maya", NotContacted.OPTED_OUT)
    ]


def test_the_other_guardian_is_asked_where_one_muted_the_child(town: Town) -> None:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        mother, father = a_guardian(session, student), a_guardian(session, student, order=2, name="Omar")
        absent(session, student)
        session.add(Mute(guardian_id=mother.id, student_id=student.id, purpose=Purpose.CHECK_IN, at=NOW))
        session.flush()
        father_id = father.id

    assert [household.guardian_id for household in the_plan(town).households] == [father_id]


def test_a_number_that_the_carrier_gave_up_is_not_texted(town: Town) -> None:
    """TW-72: somebody else may hold it next."""
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
        absent(session, student)
        session.execute(update(Phone).values(suspended=True))

    assert [why for _, why in the_plan(town).not_contacted] == [NotContacted.NO_NUMBER]


# --- a morning too long for its window (TW-85) -----------------------------------------------------------


LAST_SECONDS = NOW.replace(hour=21, minute=59, second=50)  # ten seconds before six in the evening in Hartford


def two_schools(town: Town) -> int:
    """Five families at one school and one at another; returns the segments of a text, alike for all six."""
    with town.database.begin() as session:
        for school, many in ((a_school(session, "Burns School"), 5), (a_school(session, "Hooker School"), 1)):
            for n in range(many):
                student = a_student(session, school, f"Maya{n}")
                a_guardian(session, student)
                absent(session, student)
    (segments,) = {household.question.segments for household in the_plan(town).households}
    return segments


def paced(town: Town, **choices: Any) -> None:
    town.script = replace(town.script, policy=replace(town.script.policy, **choices))


def test_texts_that_cannot_leave_in_time_are_held_and_every_school_has_its_turn(town: Town) -> None:
    segments = two_schools(town)
    town.now = LAST_SECONDS
    paced(town, segments_per_second=3 * segments / 10)

    planned = the_plan(town)

    assert len(planned.households) == 3
    assert len({household.school_id for household in planned.households}) == 2
    assert (planned.cannot_finish, planned.takes) == (3, timedelta(seconds=10))
    assert {why for _, why in planned.held} == {
        "3 texts cannot leave before the window closes: call these families"
    }
    town.morning()
    assert town.ledger().outcomes == {Outcome.HELD: 3, Outcome.ATTEMPTED: 3}
    with town.database.begin() as session:
        asked = set(session.scalars(select(Outreach.student_id)))
    assert asked == {student.id for household in planned.households for student in household.students}


def test_a_little_slower_and_one_text_less_fits(town: Town) -> None:
    segments = two_schools(town)
    town.now = LAST_SECONDS
    paced(town, segments_per_second=(3 * segments - 1) / 10)

    assert the_plan(town).cannot_finish == 4


def test_before_the_window_opens_the_whole_window_counts(town: Town) -> None:
    segments = two_schools(town)
    town.now = NOW.replace(hour=10)  # six in the morning in Hartford: ten hours from eight to six
    paced(town, segments_per_second=6 * segments / (10 * 3600))

    assert the_plan(town).cannot_finish == 0
    paced(town, segments_per_second=5.9 * segments / (10 * 3600))
    assert the_plan(town).cannot_finish == 1


def test_a_long_run_is_refused_whole_where_the_district_wants_it_so(town: Town) -> None:
    segments = two_schools(town)
    town.now = LAST_SECONDS
    paced(town, segments_per_second=3 * segments / 10, long_run="refuse")

    planned = the_plan(town)

    assert not planned.households
    assert (planned.cannot_finish, len(planned.held), planned.takes) == (3, 6, None)
    paced(town, segments_per_second=6 * segments / 10)
    assert len(the_plan(town).households) == 6


def test_what_waits_in_the_outbox_and_what_left_today_takes_its_part(town: Town) -> None:
    """The cap is the carriers' day's and the brand's (TW-81): it counts what left by every number of ours."""
    segments = two_schools(town)
    with town.database.begin() as session:
        schools = sorted(session.scalars(select(School.id)))
        session.add_all(
            SenderState(
                key=key, room=0, filled_at=NOW, day=day, segments_today=used, closed_until=None, closed_why=""
            )
            for key, day, used in (
                ("one", FRIDAY, segments),
                ("two", FRIDAY, segments),
                ("three", FRIDAY - timedelta(days=1), 900),
            )
        )
        planned = outreach.plan(session, FRIDAY, script=town.script, now=town.now, schools=schools[1:])
        outreach.run(session, planned, script=town.script, now=town.now)
    paced(town, segments_a_day=5 * segments)

    planned = the_plan(town)

    assert (len(planned.households), planned.cannot_finish) == (2, 3)
    assert planned.takes is None


def test_the_families_left_over_are_not_the_same_every_day(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        for n in range(12):
            student = a_student(session, school, f"Maya{n}")
            a_guardian(session, student)
            for day in (FRIDAY - timedelta(days=1), FRIDAY):
                absent(session, student, day=day)
        for n in range(60):
            a_student(session, school, f"Luis{n}")
    paced(town, segments_a_day=6 * the_plan(town).households[0].question.segments)

    asked = []
    for day in (FRIDAY - timedelta(days=1), FRIDAY):
        town.now = NOW - (FRIDAY - day)
        asked.append({household.guardian_id for household in the_plan(town, day).households})

    assert [len(guardians) for guardians in asked] == [6, 6]
    assert asked[0] != asked[1]


# --- two schedulers -------------------------------------------------------------------------------------------


def test_two_schedulers_at_the_same_moment_ask_every_family_once(town: Town) -> None:
    """CT-10, promise 2."""
    with town.database.begin() as session:
        for n in range(8):
            school = a_school(session, f"School {n}")
            student = a_student(session, school)
            a_guardian(session, student)
            absent(session, student)

    def tick() -> list[int]:
        return outreach.run_due(town.database, script=town.script, now=town.now)

    with ThreadPoolExecutor(2) as both:
        ran = [future.result() for future in [both.submit(tick), both.submit(tick)]]

    assert sorted(len(schools) for schools in ran) == [0, 8]
    town.work()
    assert len(town.provider.book) == len({text.to for text in town.provider.book}) == 8


# --- one school's trouble ------------------------------------------------------------------------------------


def test_a_school_whose_morning_fails_does_not_keep_the_others_from_theirs(
    sqlite: Database, script: Script, understanding: Understanding
) -> None:
    town = Town(sqlite, script, understanding)
    with sqlite.begin() as session:
        schools = [a_school(session, f"School {n}") for n in range(3)]
        for school in schools:
            student = a_student(session, school)
            a_guardian(session, student)
            absent(session, student)
        first, broken, last = (school.id for school in schools)
        session.execute(
            text(
                "CREATE TRIGGER no_morning BEFORE INSERT ON conversations WHEN NEW.school_id = "
                f"{broken} BEGIN SELECT RAISE(ABORT, 'this school fails'); END"
            )
        )

    assert outreach.run_due(sqlite, script=script, now=town.now) == [first, last]
    town.work()

    assert len(town.provider.book) == 2
    with sqlite.begin() as session:
        assert counters.totals(session)["morning_failed"] == 1
        session.execute(text("DROP TRIGGER no_morning"))
    assert outreach.run_due(sqlite, script=script, now=town.now) == [broken]
    town.work()
    assert town.ledger().outcomes == {Outcome.ATTEMPTED: 3}


def test_schools_that_begin_at_different_times_leave_each_student_with_the_right_outcome(town: Town) -> None:
    """The first school's run enters the others' absent students as held; their own morning says what they are."""
    with town.database.begin() as session:
        early, late = a_school(session, "Early"), a_school(session, "Late")
        late.morning_at = time(10)
        for school in (early, late):
            for n, opted_out in enumerate((False, True)):
                student = a_student(session, school, f"Maya{n}")
                a_guardian(session, student, opted_out=opted_out)
                absent(session, student, now=NOW - timedelta(minutes=5))
        session.flush()
        ids = [early.id, late.id]

    assert outreach.run_due(town.database, script=town.script, now=NOW) == ids[:1]
    assert town.ledger().outcomes == {Outcome.NOT_CONTACTED: 1, Outcome.HELD: 2, Outcome.ATTEMPTED: 1}
    town.now = NOW + timedelta(minutes=30)
    assert outreach.run_due(town.database, script=town.script, now=town.now) == ids[1:]
    assert town.ledger().outcomes == {Outcome.NOT_CONTACTED: 2, Outcome.ATTEMPTED: 2}


def test_after_three_days_of_texts_in_a_week_a_person_takes_over_and_monday_begins_anew(town: Town) -> None:
    """The caps of conversation.md: nobody is asked by text a fourth time in a week."""
    monday = date(2021, 10, 18)
    days = [monday + timedelta(days=n) for n in (0, 1, 2, 3, 7)]
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
        for day in days:
            absent(session, student, day=day)

    asked = []
    for day in days:
        town.now = NOW.replace(month=day.month, day=day.day)
        before = len(town.texts_to(number))
        held = [why for _, why in the_plan(town, day).held]
        town.morning(day)
        asked.append(len(town.texts_to(number)) - before)
        assert bool(held) == (day == days[3]), held

    assert asked == [1, 1, 1, 0, 1]
    assert town.ledger(days[3]).outcomes == {Outcome.HELD: 1}
