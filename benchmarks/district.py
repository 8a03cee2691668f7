"""A district on a morning, written in bulk: every family may be texted, and its check-in is queued or answered for."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Session

from bot import outbox
from bot.advance import Script
from bot.clock import school_day
from bot.conversation.state import Begin, Child, NotStarted, Waiting, to_json
from bot.conversation.turn import turn
from bot.language import Language
from bot.phone import PhoneNumber, PhoneRefused
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Conversation,
    ConversationStudent,
    Excuse,
    Guardian,
    GuardianPhone,
    Guardianship,
    Import,
    MarkStatus,
    OutboundText,
    Phone,
    School,
    Student,
    TextState,
)
from bot.texts import Rendered
from bot.vocabulary import Owner, Purpose

_STUDENTS_A_SCHOOL = 500


def number_of(family: int) -> str:
    """A fictional number (555-0100 to 555-0199) for a family, counted from 1; there are enough for 30,000."""
    area, last = divmod(family, 100)
    return f"+1{_area_codes()[area]}55501{last:02d}"


@cache
def _area_codes() -> list[int]:
    """Those that exist: a text from anywhere else would be no family's."""
    found = []
    for code in range(201, 990):
        with suppress(PhoneRefused):
            PhoneNumber.parse(f"+1{code}5550100")
            found.append(code)
    return found


def fill(database: Database, families: int, *, zone: ZoneInfo, script: Script, now: datetime) -> None:
    """So many families with one absent student each, whose check-in waits for an answer.

    The tables must be empty: the nth row of each belongs to the nth family. No text is queued.
    PostgreSQL is told at once what it would otherwise find out by itself within a minute.
    """
    day = school_day(now, zone)
    numbers = range(1, families + 1)
    schools = range(1, (families - 1) // _STUDENTS_A_SCHOOL + 2)
    with database.begin() as session:
        _write(
            session,
            School,
            (
                {
                    "sourced_id": f"S{n}",
                    "name": f"Burns School {n}",
                    "district": "Grand Bend ISD",
                    "zone": zone.key,
                    "morning_at": time(9, 30),
                }
                for n in schools
            ),
        )
        _write(session, CalendarDay, ({"school_id": n, "day": day, "instructional": True} for n in schools))
        _write_people(session, numbers)
        _write_absences(session, numbers, script=script, day=day, now=now)
        if database.engine.dialect.name == "postgresql":
            session.execute(text("ANALYZE"))


def noon_zone(now: datetime) -> ZoneInfo:
    """A zone where it is about noon, so that every window is open whenever this runs."""
    ahead = 12 - now.hour
    return ZoneInfo(f"Etc/GMT{-ahead:+d}") if ahead else ZoneInfo("Etc/GMT")


def _write_people(session: Session, numbers: range) -> None:
    _write(
        session,
        Student,
        (
            {
                "sourced_id": f"ST{n}",
                "number": str(600000 + n),
                "given_name": _name(n),
                "family_name": "Rivera",
                "school_id": _school(n),
            }
            for n in numbers
        ),
    )
    _write(
        session,
        Guardian,
        (
            {
                "sourced_id": f"G{n}",
                "given_name": "Ana",
                "family_name": "Rivera",
                "language": Language.ENGLISH,
            }
            for n in numbers
        ),
    )
    _write(
        session,
        Guardianship,
        (
            {
                "student_id": n,
                "guardian_id": n,
                "relation": "Mother",
                "contact_order": 1,
                "lives_with": True,
                "may_receive_texts": True,
                "court_order": False,
            }
            for n in numbers
        ),
    )
    _write(session, Phone, ({"number": number_of(n)} for n in numbers))
    _write(
        session,
        GuardianPhone,
        (
            {"guardian_id": n, "phone_id": n, "kind": "mobile", "position": 1, "given_by": "roster"}
            for n in numbers
        ),
    )


def _write_absences(session: Session, numbers: range, *, script: Script, day: date, now: datetime) -> None:
    _write(
        session,
        Import,
        [
            {
                "kind": "attendance",
                "file_name": "today.csv",
                "sha256": "0" * 64,
                "applied_at": now,
                "summary": {},
            }
        ],
    )
    _write(
        session,
        AttendanceMark,
        (
            {
                "student_id": n,
                "school_id": _school(n),
                "day": day,
                "status": MarkStatus.ABSENT,
                "excuse": Excuse.UNEXCUSED,
                "code": "AU",
                "import_id": 1,
                "marked_at": now,
            }
            for n in numbers
        ),
    )
    _write(
        session,
        Conversation,
        (
            {
                "phone_id": n,
                "guardian_id": n,
                "school_id": _school(n),
                "day": day,
                "flow": "absence_check",
                "flow_version": script.flows.flows["absence_check"].version,
                "language": Language.ENGLISH,
                "state": to_json(_asked(n, script)),
                "owner": Owner.BOT,
                "silence_at": now + timedelta(hours=3),
                "opened_at": now,
                "touched_at": now,
            }
            for n in numbers
        ),
    )
    _write(session, ConversationStudent, ({"conversation_id": n, "student_id": n} for n in numbers))


def queue_check_ins(database: Database, families: range, *, script: Script, now: datetime) -> None:
    """Empty the outbox, and queue the check-in of each of these families."""
    with database.begin() as session:
        session.execute(delete(OutboundText))
        outbox.queue_all(session, (_check_in(n, script, now) for n in families))


def _check_in(family: int, script: Script, now: datetime) -> dict[str, Any]:
    body = (
        f"Burns School: we missed {_name(family)} today. Is everything OK? "
        "Answer in your own words, or 1 sick, 2 no ride, 3 something else. STOP ends texts."
    )
    return outbox.row(
        Rendered(body, body, Language.ENGLISH, 1),
        conversation_id=family,
        phone_id=family,
        purpose=Purpose.CHECK_IN,
        law=script.policy.law(Purpose.CHECK_IN),
        not_before=now,
        not_after=now + timedelta(hours=4),
        now=now,
        key="absence_check.check_in",
    )


def states(database: Database) -> dict[str, int]:
    """How many texts of the outbox are in each state."""
    with database.begin() as session:
        rows = session.execute(select(OutboundText.state, func.count()).group_by(OutboundText.state))
        return {TextState(state).value: count for state, count in rows}


def _asked(family: int, script: Script) -> Waiting:
    maya = (Child(family, _name(family)),)
    state, _ = turn(NotStarted(maya), Begin(maya), script.flows)
    assert isinstance(state, Waiting)
    return state


def _school(family: int) -> int:
    return (family - 1) // _STUDENTS_A_SCHOOL + 1


def _name(family: int) -> str:
    return ("Maya", "Luis", "Aisha", "Noah", "Mei")[family % 5]


def _write(session: Session, table: type[DeclarativeBase], rows: Iterable[Mapping[str, Any]]) -> None:
    session.execute(insert(table), [dict(row) for row in rows])
