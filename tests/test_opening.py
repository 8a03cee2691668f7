"""Many talks begun at once are, row for row, the talks that `advance` begins one by one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks import morning
from bot import attendance, clock, outreach
from bot.advance import Script, begin, open_conversation
from bot.conversation.flow import Flows
from bot.outreach.run import enter_ledger
from bot.policy import Policy
from bot.roster import import_attendance, import_roster
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    Conversation,
    ConversationStudent,
    Guardian,
    Handoff,
    OutboundText,
    Outreach,
)
from bot.texts import Texts
from bot.vocabulary import Outcome, Owner, Purpose
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_student, absent
from tests.test_whole_day import HARTFORD, YEAR

Rows = dict[str, list[dict[str, Any]]]
Way = Callable[[Session, outreach.Plan, Script, datetime], None]


def at_once(session: Session, planned: outreach.Plan, script: Script, now: datetime) -> None:
    outreach.run(session, planned, script=script, now=now)


def one_by_one(session: Session, planned: outreach.Plan, script: Script, now: datetime) -> None:
    """The same morning, as slowly as a family's own turn: what is right for one talk is right for all."""
    enter_ledger(session, planned, now)
    for household in planned.households:
        conversation = open_conversation(
            session,
            phone_id=household.phone_id,
            guardian_id=household.guardian_id,
            school_id=household.school_id,
            students=[student.id for student in household.students],
            day=planned.day,
            language=household.language,
            script=script,
            now=now,
        )
        session.add_all(
            Outreach(
                student_id=student.id,
                day=planned.day,
                purpose=Purpose.CHECK_IN,
                guardian_id=household.guardian_id,
                conversation_id=conversation,
                at=now,
            )
            for student in household.students
        )
        session.flush()
        begin(session, conversation, opening=household.question.node, script=script, now=now)


def written(database: Database, way: Way, day: date, script: Script, now: datetime) -> Rows:
    """What a morning writes in this way; it is undone again. What chance or a sequence dealt out is left aside."""
    with database.begin(undo=True) as session:
        last = session.scalar(select(func.max(Conversation.id))) or 0
        way(session, outreach.plan(session, day, script=script, now=now), script, now)
        session.flush()
        ids = session.scalars(select(Conversation.id).where(Conversation.id > last).order_by(Conversation.id))
        number = {id_: n for n, id_ in enumerate(ids)}
        conditions = {
            Conversation: Conversation.id > last,
            ConversationStudent: ConversationStudent.conversation_id > last,
            Outreach: Outreach.conversation_id > last,
            OutboundText: OutboundText.conversation_id > last,
            Handoff: Handoff.conversation_id > last,
            Absence: Absence.day == day,
        }
        found: Rows = {}
        for table, condition in conditions.items():
            rows = [
                dict(row)
                for row in session.execute(select(*table.__table__.columns).where(condition)).mappings()
            ]
            for row in rows:
                row.pop("id", None)
                row.pop("token", None)
                if "conversation_id" in row:
                    row["conversation_id"] = number[row["conversation_id"]]
            found[table.__tablename__] = sorted(rows, key=str)
    return found


def test_the_sample_districts_mornings_are_written_as_if_begun_one_by_one(
    database: Database, script: Script
) -> None:
    """A whole school week, with the first text to a family, the second day's other words, and the plain question."""
    with database.begin() as session:
        import_roster(
            session,
            YEAR.roster,
            contacts=YEAR.contacts,
            calendar=YEAR.calendar,
            zone="America/New_York",
            morning_at=time(9, 30),
            now=clock.instant(FRIDAY - timedelta(days=7), time(6), HARTFORD),
        )
        days = attendance.school_days(session, FRIDAY - timedelta(days=4), FRIDAY)
    openings = set()
    for day in days:
        now = clock.instant(day, time(9, 30), HARTFORD)
        with database.begin() as session:
            import_attendance(session, YEAR.attendance, through=day, now=now - timedelta(minutes=5))

        fast, slow = (written(database, way, day, script, now) for way in (at_once, one_by_one))

        assert fast == slow
        with database.begin() as session:
            planned = outreach.plan(session, day, script=script, now=now)
            outreach.run(session, planned, script=script, now=now)
        openings |= {household.question.node for household in planned.households}
    assert openings == {"first_check_in", "day_two", ""}


def test_ten_languages_siblings_and_flags_are_written_as_if_begun_one_by_one(
    sqlite: Database, script: Script
) -> None:
    morning.build(sqlite, 900)

    fast, slow = (written(sqlite, way, morning.DAY, script, morning.NOW) for way in (at_once, one_by_one))

    assert fast == slow
    assert len({row["language"] for row in fast["outbound_texts"]}) > 5


@pytest.fixture
def two_families(database: Database) -> Database:
    with database.begin() as session:
        school = a_school(session)
        for name, language in (("Maya", "en"), ("Luis", "es")):
            student = a_student(session, school, name)
            a_guardian(session, student, speaks=language)
            absent(session, student)
    return database


def test_a_question_that_does_more_than_ask_is_begun_by_itself_and_no_family_is_lost(
    two_families: Database, flows: Flows, texts: Texts
) -> None:
    check_in = flows.flows["absence_check"]
    node = replace(check_in.nodes["first_check_in"], outcome=Outcome.REACHED_NO_REASON)
    changed = replace(check_in, nodes={**check_in.nodes, "first_check_in": node})
    script = Script(replace(flows, flows={**flows.flows, "absence_check": changed}), texts, Policy())

    fast, slow = (written(two_families, way, FRIDAY, script, NOW) for way in (at_once, one_by_one))

    assert fast == slow
    assert [row["outcome"] for row in fast["absences"]] == [Outcome.REACHED_NO_REASON] * 2
    assert [row["owner"] for row in fast["conversations"]] == [Owner.BOT] * 2
    assert len(fast["outbound_texts"]) == 2


def test_a_family_whose_language_has_no_text_goes_to_a_person_and_the_others_are_asked(
    two_families: Database, flows: Flows
) -> None:
    script = Script(flows, Texts({}), Policy(hold_untranslated=True))

    fast, slow = (written(two_families, way, FRIDAY, script, NOW) for way in (at_once, one_by_one))

    assert fast == slow
    assert [row["why"] for row in fast["handoffs"]] == ["no_translation"]
    assert [row["language"].value for row in fast["outbound_texts"]] == ["en"]


def test_a_school_name_is_said_once_and_every_school_of_a_household_is_named(
    database: Database, script: Script
) -> None:
    with database.begin() as session:
        students = [
            a_student(session, a_school(session, name), child)
            for name, child in (("North", "Maya"), ("South", "Luis"))
        ]
        a_guardian(session, *students)
        absent(session, *students)
        for name in ("Omar", "Noor"):
            student = a_student(session, a_school(session, "East"), name)
            a_guardian(session, student)
            absent(session, student)

    fast, slow = (written(database, way, FRIDAY, script, NOW) for way in (at_once, one_by_one))

    assert fast == slow
    assert any("North and South" in row["body"] for row in fast["outbound_texts"])
    with database.begin() as session:
        assert len(session.scalars(select(Guardian.id)).all()) == 3
