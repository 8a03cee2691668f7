"""Thresholds become tasks once; the ledger knows that the first guardian was asked when the second could not be."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from bot import ladder
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import (
    Conversation,
    LadderStep,
    OutboundText,
    Task,
)
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Purpose, Step, TaskKind
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_student, absent
from tests.test_ladder import Climbing

# The provider refuses it as a landline (TW-109).
_NO_MOBILE = "+15005550009"
_EVENING = timedelta(hours=7)  # half past four in Hartford


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Climbing:
    return Climbing(database, script, understanding, at=NOW + _EVENING)


def missed(town: Climbing, *days: date) -> int:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        for day in days:
            absent(session, student, day=day)
        return student.id


def told(town: Climbing) -> list[tuple[str, TaskKind]]:
    with town.database.begin() as session:
        rows = session.execute(select(Task.what, Task.kind).order_by(Task.id))
        return [(what, kind) for what, kind in rows]


def run(town: Climbing) -> int:
    return ladder.raise_thresholds(town.database, script=town.script, now=town.now)


def last_school_days(number: int) -> list[date]:
    days = [FRIDAY - timedelta(days=n) for n in range(60)]
    return [day for day in days if day.weekday() < 5][:number]


def test_law_52_four_absences_in_a_month_are_a_task_with_the_day_of_the_meeting(town: Climbing) -> None:
    missed(town, *last_school_days(9)[::2][:4])
    run(town)
    said = (
        "Four absences in one month that nobody has excused, since October 22. "
        "Connecticut asks for a meeting with the parent by November 5."
    )
    assert [each for each in told(town) if "month" in each[0]] == [(said, TaskKind.THRESHOLD)]


def test_a_threshold_is_told_once_whoever_asks_and_however_often(town: Climbing) -> None:
    missed(town, *last_school_days(3))
    assert run(town) == len(told(town)) > 0
    before = told(town)
    assert run(town) == 0
    town.now += timedelta(days=3)
    assert run(town) == 0
    assert told(town) == before


def test_three_days_in_a_row_are_no_second_task_beside_the_home_visit(town: Climbing) -> None:
    student = missed(town, *last_school_days(3))
    with town.database.begin() as session:
        session.add(LadderStep(student_id=student, day=FRIDAY, step=Step.HOME_VISIT, at=town.now))
    run(town)
    assert not [what for what, _ in told(town) if "in a row" in what]


def test_before_the_office_closes_nobody_is_told_of_a_threshold(town: Climbing) -> None:
    missed(town, *last_school_days(4))
    town.now = NOW + timedelta(hours=2)
    assert run(town) == 0


def test_nothing_of_a_threshold_is_said_to_a_family(town: Climbing) -> None:
    missed(town, *last_school_days(5))
    run(town)
    assert town.waiting_texts() == []


# --- the first guardian was asked ------------------------------------------------------------------------------


@pytest.fixture
def morning(database: Database, script: Script, understanding: Understanding) -> Climbing:
    return Climbing(database, script, understanding)


@pytest.mark.parametrize("fails", ["at the door", "on the way"])
def test_a_second_guardian_who_cannot_be_reached_does_not_undo_that_the_first_was_asked(
    morning: Climbing, fails: str
) -> None:
    with morning.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student)
        number = _NO_MOBILE if fails == "on the way" else None
        a_guardian(session, student, order=2, name="Luis", number=number)
        absent(session, student)
    morning.morning()
    morning.now += timedelta(minutes=130)
    # The second question is written, and has not left.
    ladder.climb(morning.database, script=morning.script, now=morning.now)
    with morning.database.begin() as session:
        text = session.scalars(
            select(OutboundText)
            .join(Conversation, Conversation.id == OutboundText.conversation_id)
            .where(OutboundText.purpose == Purpose.CHECK_IN)
            .order_by(OutboundText.id.desc())
        ).first()
        assert text
        if fails == "at the door":
            text.not_after = morning.now
    morning.work()
    assert morning.ledger().outcomes == {Outcome.ATTEMPTED: 1}


def test_when_every_question_failed_nobody_was_asked(morning: Climbing) -> None:
    with morning.database.begin() as session:
        student = a_student(session, a_school(session))
        a_guardian(session, student, number=_NO_MOBILE)
        absent(session, student)
    morning.morning()
    assert morning.ledger().outcomes == {Outcome.UNREACHABLE: 1}
