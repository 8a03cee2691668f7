"""Statements compiled once: the same values and the same errors as by way of a session, on both databases."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, NoResultFound, OperationalError
from sqlalchemy.orm import Session

from bot import talks
from bot.advance import Script, advance, begin, open_conversation
from bot.conversation.state import Silence
from bot.language import Language
from bot.store.prepared import Change, Query
from bot.store.session import Database
from bot.store.tables import Channel, Conversation, Phone, PhoneState, School
from bot.vocabulary import Owner
from tests.builders import FRIDAY, NOW, a_guardian, a_phone, a_school, a_student

WRITE = Query(
    insert(Conversation).returning(Conversation.id),
    int,
    columns=[column.name for column in Conversation.__table__.columns if column.name != "id"],
)
READ = Query(
    select(*Conversation.__table__.columns).where(Conversation.id == bindparam("id")), lambda *row: row
)
RENAME = Change(update(School).where(School.id == bindparam("which")), columns=("name",))


def a_talk(session: Session, **other: Any) -> dict[str, Any]:
    return {
        "phone_id": a_phone(session, "+12035550101").id,
        "guardian_id": None,
        "school_id": None,
        "day": FRIDAY,
        "flow": "absence_check",
        "flow_version": "1",
        "language": Language.HAITIAN_CREOLE,
        "state": {"kind": "Ended", "how": "closed", "about": [{"id": 1, "name": "Noël"}]},
        "owner": Owner.NOBODY,
        "staff_id": None,
        "channel": Channel.CHAT,
        "silence_at": None,
        "opened_at": NOW,
        "touched_at": NOW,
        **other,
    }


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        datetime(2021, 11, 7, 5, 59, 59, 999999, tzinfo=UTC),
        datetime(2021, 3, 14, 1, 30, tzinfo=timezone(-timedelta(hours=5))),
    ],
)
def test_what_is_written_is_what_a_session_reads_and_the_other_way_round(
    database: Database, moment: datetime
) -> None:
    with database.begin() as session:
        values = a_talk(session, opened_at=moment, silence_at=moment)
        id_ = WRITE.one(session, **values)
        (row,) = READ.all(session, id=id_)
    with database.begin() as session:
        stored = session.get_one(Conversation, id_)
        seen = [getattr(stored, column.name) for column in Conversation.__table__.columns]

    assert list(row) == seen
    assert {name: getattr(stored, name) for name in values} == values
    assert stored.opened_at.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused_here_too(database: Database) -> None:
    with database.begin() as session, pytest.raises(ValueError, match="without a zone"):
        WRITE.one(session, **a_talk(session, opened_at=datetime(2021, 10, 22)))  # noqa: DTZ001


def test_a_change_says_how_many_rows_it_touched(database: Database) -> None:
    with database.begin() as session:
        schools = [a_school(session).id for _ in range(2)]

        assert RENAME.run(session, which=schools[0], name="Fox School") == 1
        assert RENAME.run(session, which=-1, name="Fox School") == 0
        RENAME.run_all(session, [{"which": id_, "name": f"School {id_}"} for id_ in schools])
        RENAME.run_all(session, [])

        assert session.scalars(select(School.name).order_by(School.id)).all() == [
            f"School {id_}" for id_ in schools
        ]


def test_a_row_that_must_be_there_and_is_not(database: Database) -> None:
    with database.begin() as session:
        assert READ.first(session, id=-1) is None
        with pytest.raises(NoResultFound):
            READ.one(session, id=-1)


def test_what_the_database_refuses_is_told_as_sqlalchemy_tells_it_and_without_the_values(
    database: Database,
) -> None:
    add = Change(insert(Phone), columns=("number", "line_type", "state", "opted_out", "held"))
    phone = {
        "number": "+12035550142",
        "line_type": "mobile",
        "state": PhoneState.TEXTABLE,
        "opted_out": False,
        "held": False,
    }

    def twice() -> None:
        with database.begin() as session:
            add.run(session, **phone)
            add.run(session, **phone)

    with pytest.raises(IntegrityError) as refused:
        twice()

    assert refused.value.params is None
    with database.begin() as session:
        assert session.scalars(select(Phone)).all() == []  # the first is undone with the second


def test_a_column_that_is_not_given_has_its_default_as_by_way_of_a_session(database: Database) -> None:
    add = Query(insert(Phone).returning(Phone.id), int, columns=("number",))

    with database.begin() as session:
        id_ = add.one(session, number="+12035550101")
        phone = session.get_one(Phone, id_)

        assert (phone.state, phone.opted_out, phone.failures) == (PhoneState.TEXTABLE, False, 0)
        assert phone.looked_up_at is None


def test_a_statement_that_takes_a_list_is_refused_when_it_is_first_run(database: Database) -> None:
    listed = Query(select(School.id).where(School.id.in_(bindparam("ids", expanding=True))), int)

    with database.begin() as session, pytest.raises(TypeError, match="no list"):
        listed.all(session, ids=[1, 2])


# --- one short transaction after the other --------------------------------------------------------------------


def test_each_transaction_of_a_row_is_kept_or_undone_by_itself(database: Database) -> None:
    def fail(session: Session) -> None:
        session.add(Phone(number="+12035550102"))
        session.flush()
        raise LookupError

    with database.in_a_row() as transaction:
        with transaction() as session:
            session.add(Phone(number="+12035550101"))
        with pytest.raises(LookupError), transaction() as session:
            fail(session)
        with transaction() as session:
            session.add(Phone(number="+12035550103"))
            session.flush()

    with database.begin() as session:
        kept = session.scalars(select(Phone.number).order_by(Phone.number)).all()
    assert kept == ["+12035550101", "+12035550103"]


def test_a_row_of_transactions_goes_on_after_its_connection_was_lost(database: Database) -> None:
    if database.engine.dialect.name != "postgresql":
        return  # SQLite has no server that could go away
    with database.begin() as session:
        school = a_school(session).id

    with database.in_a_row() as transaction:
        with transaction() as session:
            connection = session.connection().connection.driver_connection
        assert connection is not None
        connection.close()
        with pytest.raises(OperationalError), transaction() as session:
            RENAME.run(session, which=school, name="lost")
        with transaction() as session:
            RENAME.run(session, which=school, name="kept")

    with database.begin() as session:
        assert session.get_one(School, school).name == "kept"


# --- beside the objects of a session --------------------------------------------------------------------------


def test_whoever_holds_a_conversation_sees_what_its_turn_changed(database: Database, script: Script) -> None:
    """The desk has it as an object, locks it, and lets a turn be taken in the same transaction."""
    with database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        guardian = a_guardian(session, student, number="+12035550107")
        phone = session.scalars(select(Phone)).one()
        opened = open_conversation(
            session,
            phone_id=phone.id,
            guardian_id=guardian.id,
            school_id=school.id,
            students=[student.id],
            day=date(2021, 10, 22),
            language=Language.ENGLISH,
            script=script,
            now=NOW,
        )
        held = session.get_one(Conversation, opened)
        held.channel = Channel.CHAT  # not yet written: the turn must not lose it

        begin(session, opened, script=script, now=NOW)
        assert (held.owner, held.channel) == (Owner.BOT, Channel.CHAT)
        assert held.silence_at == NOW + timedelta(minutes=90)

        advance(session, opened, Silence(), script=script, now=NOW + timedelta(minutes=91))
        assert held.state["node"] == "remind"
        assert [each.name for each in talks.about(session, opened)] == ["Maya"]


def test_a_turn_of_a_conversation_that_is_not_there_is_told(database: Database, script: Script) -> None:
    with database.begin() as session, pytest.raises(NoResultFound):
        advance(session, 17, Silence(), script=script, now=NOW)
