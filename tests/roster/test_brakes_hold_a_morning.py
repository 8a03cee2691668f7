"""A file whose brakes have sounded: it is kept, or its schools wait, and nothing leaves until somebody decides (AT-8)."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import func, select

from bot import delivery, holds, ledger, outreach
from bot.advance import Script
from bot.holds import HoldRefused
from bot.roster import Approval
from bot.roster.incoming import Coming, DecisionRefused, Office, Received, approve, receive, reject
from bot.roster.sources import Source
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    FileState,
    FileWay,
    HoldState,
    OutboundText,
    SchoolHold,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Role
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent
from tests.town import Town

OFFICE = Office("America/New_York", time(9, 30))
HEADER = "date,school_id,student_id,att_code,description,status,excuse"


class Morning:
    """Two schools of twenty, each student with a mother, and the attendance files of a Friday."""

    def __init__(self, town: Town) -> None:
        self.town, self.database = town, town.database
        with town.database.begin() as session:
            self.schools = [a_school(session, name) for name in ("Burns School", "Elm School")]
            self.students = {
                school.id: [a_student(session, school, f"Given{n}") for n in range(20)]
                for school in self.schools
            }
            for students in self.students.values():
                for student in students:
                    a_guardian(session, student)
            self.leader = a_staff_member(session, *self.schools, name="Ms. Ortiz", role=Role.SUPERVISOR)

    def raw(self, *counts: int, day: date = FRIDAY) -> bytes:
        rows = [
            f"{day},{school.sourced_id},{student.number},AU,,A,U"
            for school, count in zip(self.schools, counts, strict=False)
            for student in self.students[school.id][:count]
        ]
        return "\r\n".join([HEADER, *rows, ""]).encode()

    def file(
        self,
        *counts: int,
        day: date = FRIDAY,
        made_at: datetime | None = None,
        approval: Approval | None = None,
        name: str = "today.csv",
    ) -> Received:
        self.town.now += timedelta(seconds=1)
        coming = Coming(
            FileWay.PUSH,
            "sis",
            Source("", name, self.raw(*counts, day=day)),
            kind="attendance",
            made_at=made_at,
        )
        return receive(self.database, coming, office=OFFICE, now=self.town.now, approval=approval)

    def run(self) -> list[int]:
        """What the scheduler does at each tick."""
        return outreach.run_due(self.database, script=self.town.script, now=self.town.now)

    def outcomes(self) -> dict[Outcome, int]:
        counts = self.town.ledger()
        assert sum(counts.outcomes.values()) == counts.absent  # promise 1
        return counts.outcomes

    def queued(self) -> int:
        return len(self.town.waiting_texts())

    def states(self) -> list[HoldState]:
        with self.database.begin() as session:
            return list(session.scalars(select(SchoolHold.state).order_by(SchoolHold.school_id)))

    def release(self, at: int = 0, because: str = "flu, the nurse says") -> int:
        with self.database.begin() as session:
            return holds.decide(
                session,
                self.schools[at].id,
                FRIDAY,
                release=True,
                by="Ms. Ortiz",
                staff_id=self.leader.id,
                because=because,
                now=self.town.now,
            )

    def approve(self, file: int, because: str = "I have asked the school") -> Received:
        return approve(
            self.database,
            file,
            by="Ms. Ortiz",
            staff_id=self.leader.id,
            because=because,
            office=OFFICE,
            now=self.town.now,
        )


@pytest.fixture
def morning(database: Database, script: Script, understanding: Understanding) -> Morning:
    return Morning(Town(database, script, understanding))


@pytest.fixture
def simple(sqlite: Database, script: Script, understanding: Understanding) -> Morning:
    return Morning(Town(sqlite, script, understanding))


def marks(morning: Morning) -> int:
    with morning.database.begin() as session:
        return session.scalar(select(func.count()).select_from(AttendanceMark)) or 0


def test_an_ordinary_file_is_applied_and_the_morning_runs(morning: Morning) -> None:
    assert morning.file(3, 2).state is FileState.APPLIED
    assert len(morning.run()) == 2
    assert morning.queued() == 5
    assert morning.outcomes() == {Outcome.ATTEMPTED: 5}


def test_a_file_without_today_is_kept_and_nothing_of_it_is_applied(simple: Morning) -> None:
    received = simple.file(3, day=FRIDAY - timedelta(days=1))

    assert received.state is FileState.HELD
    assert "has no row for today, 2021-10-22" in received.sentences[0]
    assert marks(simple) == 0
    assert simple.run() == []
    assert simple.approve(received.id).state is FileState.APPLIED
    assert marks(simple) == 3


def test_a_file_of_hours_ago_is_kept(simple: Morning) -> None:
    old = simple.file(3, made_at=NOW - timedelta(minutes=50))
    assert old.state is FileState.HELD
    assert "more than 45 minutes ago" in old.sentences[0]
    assert simple.file(3, made_at=NOW - timedelta(minutes=40), name="fresh.csv").state is FileState.APPLIED


def test_a_file_older_than_the_last_one_is_kept(simple: Morning) -> None:
    simple.file(3, made_at=NOW - timedelta(minutes=10))

    received = simple.file(2, made_at=NOW - timedelta(minutes=20), name="older.csv")
    assert received.state is FileState.HELD
    assert "before the last file of today" in received.sentences[0]


def test_a_file_of_a_day_without_school_at_any_of_its_schools_is_kept(simple: Morning) -> None:
    saturday = FRIDAY + timedelta(days=1)
    simple.town.now = datetime(2021, 10, 23, 13, 30, tzinfo=UTC)

    received = simple.file(3, day=saturday)
    assert received.state is FileState.HELD
    assert "which is no school day there" in received.sentences[0]


def test_marks_of_the_days_before_may_be_corrected_on_a_saturday(simple: Morning) -> None:
    simple.town.now = datetime(2021, 10, 23, 13, 30, tzinfo=UTC)

    assert simple.file(3, day=FRIDAY).state is FileState.APPLIED


def test_a_school_that_looks_wholly_absent_waits_and_the_other_goes_on(morning: Morning) -> None:
    received = morning.file(12, 2)

    assert received.state is FileState.APPLIED
    assert "Burns School has 12 of 20 students absent (60%)" in received.sentences[0]
    morning.run()
    assert morning.queued() == 2
    assert morning.outcomes() == {Outcome.HELD: 12, Outcome.ATTEMPTED: 2}
    morning.town.now += timedelta(minutes=1)
    assert morning.run() == []

    assert morning.release() == 1
    assert morning.run() == [morning.schools[0].id]
    assert morning.queued() == 14
    assert morning.outcomes() == {Outcome.ATTEMPTED: 14}


def test_a_kept_school_is_texted_by_nobody_and_may_be_released_later(simple: Morning) -> None:
    simple.file(12, 2)
    with simple.database.begin() as session:
        for _ in range(2):
            holds.decide(
                session,
                simple.schools[0].id,
                FRIDAY,
                release=False,
                by="Ms. Ortiz",
                staff_id=simple.leader.id,
                because="staff call",
                now=simple.town.now,
            )
    simple.run()
    assert simple.queued() == 2
    assert simple.file(12, 2, name="again.csv").state is FileState.APPLIED
    assert simple.states() == [HoldState.KEPT]
    assert simple.release() == 1


def test_a_better_file_lifts_the_hold_and_the_families_are_asked(morning: Morning) -> None:
    morning.file(12, 2)
    morning.run()
    assert morning.file(4, 2).sentences == ()
    assert morning.states() == [HoldState.LIFTED]
    morning.run()
    assert morning.queued() == 6
    assert morning.outcomes() == {Outcome.ATTEMPTED: 6, Outcome.PRESENT_CORRECTED: 8}


def test_a_newer_file_that_looks_wrong_keeps_what_was_queued_from_leaving(morning: Morning) -> None:
    """Promise 1 holds all the while, and what was released leaves."""
    morning.file(3, 2)
    morning.run()
    morning.file(12, 2)
    morning.run()

    delivery.send_due(
        morning.database, morning.town.provider, script=morning.town.script, clock=morning.town.clock
    )
    assert len(morning.town.provider.book) == 2
    assert morning.outcomes() == {Outcome.ATTEMPTED: 5, Outcome.HELD: 9}
    morning.town.now += timedelta(minutes=1)
    morning.release()
    morning.town.now += timedelta(minutes=2)
    morning.run()
    morning.town.work()
    assert len(morning.town.provider.book) == 14
    assert morning.outcomes() == {Outcome.ATTEMPTED: 14}


def test_a_correction_of_yesterday_frees_no_school_of_today(simple: Morning) -> None:
    simple.file(12, 2)
    word = Approval("ortiz", "Thursday, corrected")
    assert simple.file(3, 2, day=FRIDAY - timedelta(days=1), approval=word).state is FileState.APPLIED
    assert simple.states() == [HoldState.RAISED]


def test_a_file_that_somebody_looks_at_first_is_applied_as_it_was_checked(morning: Morning) -> None:
    coming = Coming(FileWay.PAGE, "Ms. Ortiz", Source("", "today.csv", morning.raw(3, 2)), key="2" * 64)
    for again in (False, True):
        looked = receive(morning.database, coming, office=OFFICE, now=NOW, look_first=True)
        assert (looked.state, looked.again) == (FileState.CHECKED, again)
    assert marks(morning) == 0
    assert morning.approve(looked.id, because="").state is FileState.APPLIED
    assert marks(morning) == 5


def test_what_is_still_held_when_the_window_closes_is_never_sent(simple: Morning) -> None:
    simple.file(3, 2)
    simple.run()
    simple.file(12, 2)
    simple.town.now = datetime(2021, 10, 22, 22, 30, tzinfo=UTC)  # 18:30 in Hartford
    simple.town.work()

    with simple.database.begin() as session:
        states = session.scalars(select(OutboundText.state)).all()
    assert set(states) == {TextState.NOT_SENT}
    assert simple.town.provider.book == []
    simple.outcomes()


def test_what_was_approved_is_not_held_again_until_it_has_grown(simple: Morning) -> None:
    simple.file(12, 2)
    simple.release()

    assert simple.file(13, 2, name="b.csv").state is FileState.APPLIED
    assert simple.states() == [HoldState.RELEASED]
    simple.file(16, 2, name="c.csv")
    assert simple.states() == [HoldState.RAISED]


def test_three_times_the_usual_holds_a_school(simple: Morning) -> None:
    """The median of its last school days, with those on which nobody was absent."""
    with simple.database.begin() as session:
        school = simple.schools[0]
        simple.students[school.id] += [a_student(session, school, f"More{n}") for n in range(60)]
        for back in (1, 2, 3, 4):
            absent(session, *simple.students[school.id][:3], day=FRIDAY - timedelta(days=back))

    received = simple.file(11, 2)
    assert "the middle was 3" in received.sentences[0]
    assert simple.states() == [HoldState.RAISED]


def test_a_school_that_the_file_leaves_out_is_said_and_held(simple: Morning) -> None:
    received = simple.file(3)

    assert "Elm School has 20 students and no row in today.csv" in received.sentences[0]
    assert simple.states() == [HoldState.RAISED]
    # One file for each school is ordinary too: its own file lifts it, and the first school is not missed in it.
    simple.schools.reverse()
    assert simple.file(2, name="elm.csv").sentences == ()
    assert simple.states() == [HoldState.LIFTED]


def test_a_day_without_school_is_released_by_the_calendar_alone(simple: Morning) -> None:
    with simple.database.begin() as session:
        elm = a_school(session, "Oak School", first=date(2021, 11, 1))
        oak = [a_student(session, elm, f"Oak{n}") for n in range(3)]
    raw = simple.raw(3, 2) + b"".join(
        f"{FRIDAY},{elm.sourced_id},{student.number},AU,,A,U\r\n".encode() for student in oak
    )
    coming = Coming(FileWay.PUSH, "sis", Source("", "today.csv", raw))
    assert receive(simple.database, coming, office=OFFICE, now=NOW).state is FileState.APPLIED
    simple.schools.append(elm)
    with pytest.raises(HoldRefused, match="The calendar has no school"):
        simple.release(at=2)


def test_a_reason_is_needed_to_release(simple: Morning) -> None:
    simple.file(12, 2)
    with pytest.raises(HoldRefused, match="A reason is missing"):
        simple.release(because="  ")


def test_two_who_approve_one_file_apply_it_once(simple: Morning) -> None:
    held = simple.file(3, day=FRIDAY - timedelta(days=1))
    simple.approve(held.id)
    with pytest.raises(DecisionRefused, match="it is applied by"):
        simple.approve(held.id)
    with pytest.raises(DecisionRefused, match="it is applied"):
        reject(simple.database, held.id, by="x", staff_id=simple.leader.id, because="", now=simple.town.now)


def test_somebody_at_the_command_line_may_approve_at_once(simple: Morning) -> None:
    word = Approval("ortiz", "Thursday, corrected")
    received = simple.file(3, day=FRIDAY - timedelta(days=1), approval=word)
    assert received.state is FileState.APPLIED


def test_the_same_file_pushed_again_is_not_taken_in_again_until_another_has_come(simple: Morning) -> None:
    assert not simple.file(3, 2).again
    assert simple.file(3, 2).again
    assert not simple.file(2, 2).again
    back = simple.file(3, 2)
    assert not back.again
    with simple.database.begin() as session:
        assert ledger.count(session, FRIDAY).absent == 5
        current = (
            select(func.count()).select_from(AttendanceMark).where(AttendanceMark.superseded_at.is_(None))
        )
        assert session.scalar(current) == 5


def test_many_processes_that_receive_one_file_apply_it_once(morning: Morning) -> None:
    from concurrent.futures import ThreadPoolExecutor

    coming = Coming(
        FileWay.PUSH, "sis", Source("", "today.csv", morning.raw(3, 2)), key="1" * 64, kind="attendance"
    )
    with ThreadPoolExecutor(4) as pool:
        came = list(
            pool.map(lambda _: receive(morning.database, replace(coming), office=OFFICE, now=NOW), range(4))
        )
    assert {one.id for one in came} == {came[0].id}
    assert sum(not one.again for one in came) == 1
    assert marks(morning) == 5
