"""A morning asks the database as often for a small district as for a large one."""

import pytest
from sqlalchemy import func, select, update

from benchmarks import morning
from bot import attendance, consent, ledger, outreach
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import Absence, CalendarDay, OutboundText, School
from bot.vocabulary import Outcome


@pytest.fixture
def district(database: Database) -> Database:
    """3,600 students of eight schools, about 500 of them absent."""
    morning.build(database, 3600)
    return database


def statements_for(district: Database, script: Script, schools: int) -> tuple[int, int]:
    """How many statements the morning of so many schools takes, and how many texts it queues; it is undone."""
    with district.begin(undo=True) as session, morning.statements() as asked:
        planned = outreach.plan(
            session, morning.DAY, script=script, now=morning.NOW, schools=range(1, schools + 1)
        )
        outreach.run(session, planned, script=script, now=morning.NOW)
    return asked.total(), len(planned.households)


def test_no_statement_is_for_one_student_one_household_or_one_school(
    district: Database, script: Script
) -> None:
    few, few_texts = statements_for(district, script, 4)
    many, many_texts = statements_for(district, script, 8)

    assert many_texts > 1.8 * few_texts > 200
    assert many <= few < 40


def test_a_second_run_asks_nobody_again_in_as_few_statements(district: Database, script: Script) -> None:
    """Promise 2, and a ledger in which every student stands already."""
    morning.morning(district, script)

    with morning.statements() as asked:
        assert morning.morning(district, script) == 0

    assert asked.total() < 40


def test_held_schools_are_released_together(district: Database, script: Script) -> None:
    """AT-8: the calendar was wrong for everybody; when it is mended every family is asked, in few statements."""
    with district.begin() as session:
        session.execute(update(CalendarDay).where(CalendarDay.day == morning.DAY).values(instructional=False))
    assert morning.morning(district, script) == 0
    with district.begin() as session:
        held = ledger.count(session, morning.DAY).outcomes[Outcome.HELD]
        session.execute(update(CalendarDay).values(instructional=True))

    with morning.statements() as asked:
        texts = morning.morning(district, script)

    with district.begin() as session:
        counts = ledger.count(session, morning.DAY)
        assert session.scalar(select(func.count()).select_from(OutboundText)) == texts
        absent = attendance.absent_anywhere(morning.DAY)
        tired = consent.asked_enough(session, morning.DAY, absent, script.flows.ladder.bot_days_a_week)
    assert held > texts > 300
    assert counts.outcomes.get(Outcome.HELD, 0) <= len(tired) < 20
    assert sum(counts.outcomes.values()) == counts.absent
    assert asked.total() < 40


def test_the_scheduler_looks_at_every_school_in_one_go(district: Database, script: Script) -> None:
    with morning.statements() as first:
        ran = outreach.run_due(district, script=script, now=morning.NOW)
    with morning.statements() as again:
        assert outreach.run_due(district, script=script, now=morning.NOW) == []

    with district.begin() as session:
        assert ran == list(session.scalars(select(School.id).order_by(School.id)))
        assert len(session.scalars(select(Absence.student_id)).all()) > 400
    assert first.total() < 50
    assert again.total() < 8
