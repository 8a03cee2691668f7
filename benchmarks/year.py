"""A district with a school year behind it, written by few statements: what its desk has to find its way in."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, case, cast, func, insert, literal, select, text, update
from sqlalchemy.orm import DeclarativeBase, Session

from benchmarks.district import _STUDENTS_A_SCHOOL, _write, _write_people
from bot import staff
from bot.clock import instant
from bot.language import Language
from bot.reports import kept
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    AttendanceMark,
    BarrierFound,
    CalendarDay,
    CallOutcome,
    ContactMade,
    Conversation,
    ConversationStudent,
    Delivery,
    Excuse,
    Guardian,
    Handoff,
    HandoffState,
    Import,
    InboundText,
    MarkStatus,
    OutboundText,
    Outreach,
    Phone,
    School,
    Student,
    TextState,
)
from bot.vocabulary import Barrier, Outcome, Owner, Purpose, Queue, Role, Urgency

ZONE = ZoneInfo("America/New_York")
TODAY = date(2022, 3, 18)  # a Friday, 135 school days after the first
NOW = datetime(2022, 3, 18, 15, 0, tzinfo=UTC)  # eleven in Hartford
SCHOOL_DAYS = 135
_TEXTS_A_TALK = 10
_ONE_WAITS_OF = 60  # students: 300 of 18,000

_LANGUAGES = (Language.SPANISH, Language.PORTUGUESE, Language.ARABIC)


def build(database: Database, students: int, *, days: int = SCHOOL_DAYS) -> int:
    """Fill empty tables: *students* of whom two in a hundred are talked about each day, for so many days.

    Today is the same however many days are behind it. Of 18,000 and 135 days come some 50,000 talks,
    500,000 texts of ours, 100,000 of families and 16,000 cases, 300 of which wait. Returns the id of a
    specialist who sees every school.
    """
    numbers = range(1, students + 1)
    taught = _school_days(SCHOOL_DAYS)
    with database.begin() as session:
        schools = range(1, (students - 1) // _STUDENTS_A_SCHOOL + 2)
        _write(session, School, (_a_school(n) for n in schools))
        _write(
            session,
            CalendarDay,
            ({"school_id": n, "day": day, "instructional": True} for n in schools for day in taught),
        )
        _write_people(session, numbers)
        for n, language in enumerate(_LANGUAGES):
            session.execute(update(Guardian).where(Guardian.id % 5 == n).values(language=language))
        session.execute(update(Student).values(grade=func.substr(cast(100 + Student.id % 12, String), 2)))
        _write(session, Import, [_a_file()])
        member = staff.add(
            session,
            email="rivera@example.org",
            name="Ms. Rivera",
            role=Role.SUPERVISOR,
            schools=schools,
            password="four unrelated words",  # noqa: S106
            now=NOW,
        )
        for place, day in list(enumerate(taught))[-days:]:
            _write_day(session, place, day)
        _write_talks(session, member)
        if database.engine.dialect.name == "postgresql":
            session.execute(text("ANALYZE"))
    with database.begin() as session:
        kept.keep_up(session, NOW)
        if database.engine.dialect.name == "postgresql":
            session.execute(text("ANALYZE student_measures"))
    return member


def _school_days(most: int) -> list[date]:
    days = (TODAY - timedelta(days=n) for n in range(most * 2))
    return sorted([day for day in days if day.weekday() < 5][:most])


def _a_school(n: int) -> dict[str, Any]:
    return {
        "sourced_id": f"S{n}",
        "name": f"Burns School {n}",
        "district": "Grand Bend ISD",
        "zone": ZONE.key,
        "morning_at": time(9, 30),
    }


def _a_file() -> dict[str, Any]:
    return {
        "kind": "attendance",
        "file_name": "year.csv",
        "sha256": "0" * 64,
        "applied_at": NOW - timedelta(hours=2),
        "summary": {},
    }


def _copy(
    session: Session, table: type[DeclarativeBase], values: dict[str, Any], *where: Any, source: Any
) -> None:
    """One INSERT of as many rows as *source* has; every column without a value takes its default."""
    query = select(
        *(
            value
            if isinstance(value, ColumnElement) or hasattr(value, "__clause_element__")
            else literal(value, getattr(table, name).type)
            for name, value in values.items()
        )
    )
    session.execute(insert(table).from_select(list(values), query.select_from(source).where(*where)))


def _write_day(session: Session, place: int, day: date) -> None:
    """Seven in a hundred are away, some often and most seldom; two in a hundred are talked about."""
    asked = instant(day, time(9, 30), ZONE)
    chance = ((Student.id % 9973) * ((place + 17) * 7919 % 997) + Student.id * 31) % 10_007 % 100
    often = case((Student.id % 20 == 0, 25), (Student.id % 10 == 0, 14), else_=6)
    away = chance < often
    _copy(
        session,
        AttendanceMark,
        {
            "student_id": Student.id,
            "school_id": Student.school_id,
            "day": day,
            "status": MarkStatus.ABSENT,
            "excuse": case(
                (Student.id % 4 == 0, literal(Excuse.EXCUSED, AttendanceMark.excuse.type)),
                else_=literal(Excuse.UNEXCUSED, AttendanceMark.excuse.type),
            ),
            "code": "A",
            "import_id": 1,
            "marked_at": asked,
        },
        away,
        source=Student,
    )
    outcome = Absence.outcome.type
    explained = chance % 3 > 0
    _copy(
        session,
        Absence,
        {
            "student_id": Student.id,
            "day": day,
            "school_id": Student.school_id,
            "outcome": case(
                (explained, literal(Outcome.EXPLAINED, outcome)), else_=literal(Outcome.ATTEMPTED, outcome)
            ),
            "changed_at": asked,
            "accounted_at": case(
                (
                    explained & (Student.id % 2 == 0),
                    literal(asked + timedelta(minutes=20), Absence.changed_at.type),
                ),
                (explained, literal(asked + timedelta(hours=2), Absence.changed_at.type)),
            ),
        },
        away,
        source=Student,
    )
    _copy(
        session,
        Conversation,
        {
            "phone_id": Student.id,
            "guardian_id": Student.id,
            "school_id": Student.school_id,
            "day": day,
            "flow": "absence_check",
            "flow_version": "1",
            "language": Guardian.language,
            "state": {"kind": "Ended", "how": "closed", "about": []},
            "owner": Owner.NOBODY,
            "opened_at": asked,
            "touched_at": asked + timedelta(minutes=20),
        },
        away,
        (Student.id + place) % 10 < 3,
        Guardian.id == Student.id,
        source=Student.__table__.join(Guardian.__table__, literal(True)),
    )


def _write_talks(session: Session, member: int) -> None:
    """What belongs to each talk: its student, texts both ways, a case, barriers, calls."""
    talk = Conversation
    _copy(
        session,
        ConversationStudent,
        {"conversation_id": talk.id, "student_id": talk.guardian_id},
        source=talk,
    )
    _copy(
        session,
        Outreach,
        {
            "student_id": talk.guardian_id,
            "day": talk.day,
            "purpose": Purpose.CHECK_IN,
            "guardian_id": talk.guardian_id,
            "conversation_id": talk.id,
            "at": talk.opened_at,
        },
        source=talk,
    )
    nth = _numbers(_TEXTS_A_TALK)
    each = talk.__table__.join(nth, literal(True))
    _copy(
        session,
        OutboundText,
        {
            "token": _named("t", talk.id, nth.c.n),
            "conversation_id": talk.id,
            "phone_id": talk.phone_id,
            "purpose": case(
                (nth.c.n == 1, literal(Purpose.CHECK_IN, OutboundText.purpose.type)),
                else_=literal(Purpose.REPLY, OutboundText.purpose.type),
            ),
            "staff_id": case((nth.c.n > 6, member)),
            "key": "absence_check.check_in",
            "body": "Burns School: we missed Maya today. Is everything OK? Answer in your own words, or 1 sick.",
            "english": "Burns School: we missed Maya today. Is everything OK? Answer in your own words.",
            "language": talk.language,
            "segments": 1,
            "state": TextState.SENT,
            "not_before": talk.opened_at,
            "not_after": talk.opened_at,
            "queued_at": talk.touched_at,
            "sent_at": talk.touched_at,
            "provider_sid": _named("SM", talk.id, nth.c.n),
            "delivery": Delivery.DELIVERED,
        },
        source=each,
    )
    _copy(
        session,
        InboundText,
        {
            "provider_sid": _named("SI", talk.id, nth.c.n),
            "sender": Phone.number,
            "words": "no tenemos carro hoy, perdón",
            "received_at": talk.touched_at,
            "handled_at": talk.touched_at,
            "conversation_id": talk.id,
            "language": talk.language,
        },
        nth.c.n <= talk.id % 5,
        Phone.id == talk.phone_id,
        source=each.join(Phone.__table__, literal(True)),
    )
    newest = session.scalar(select(func.max(Conversation.id))) or 0
    opened = {
        "conversation_id": talk.id,
        "school_id": talk.school_id,
        "queue": Queue.ENGAGEMENT,
        "urgency": case(
            (talk.id % 11 == 0, literal(Urgency.P2, Handoff.urgency.type)),
            else_=literal(Urgency.P1, Handoff.urgency.type),
        ),
        "why": "asked_for_person",
        "opened_at": talk.opened_at,
        "due_at": talk.touched_at,
        "resolution": "",
    }
    waits = newest - talk.id < max(1, (session.scalar(select(func.count(Student.id))) or 0) // _ONE_WAITS_OF)
    _copy(
        session,
        Handoff,
        opened | {"state": HandoffState.OPEN, "waiting_since": talk.touched_at},
        waits,
        source=talk,
    )
    _copy(
        session,
        Handoff,
        opened
        | {
            "state": HandoffState.RESOLVED,
            "taken_by": member,
            "taken_at": talk.touched_at,
            "resolved_by": member,
            "resolved_at": talk.touched_at,
        },
        ~waits,
        talk.id % 3 == 0,
        source=talk,
    )
    code = BarrierFound.code.type
    _copy(
        session,
        BarrierFound,
        {
            "student_id": talk.guardian_id,
            "conversation_id": talk.id,
            "guardian_id": talk.guardian_id,
            "code": case(
                (talk.id % 12 < 5, literal(Barrier.ILLNESS, code)),
                (talk.id % 12 < 9, literal(Barrier.TRANSPORTATION, code)),
                else_=literal(Barrier.INTERNET, code),
            ),
            "words": "no tenemos carro",
            "opened_at": talk.touched_at,
            "resolved_at": case((talk.id % 8 > 0, talk.touched_at)),
        },
        talk.id % 2 == 0,
        source=talk,
    )
    outcome = ContactMade.outcome.type
    _copy(
        session,
        ContactMade,
        {
            "conversation_id": talk.id,
            "staff_id": member,
            "outcome": case(
                (talk.id % 2 == 0, literal(CallOutcome.REACHED, outcome)),
                else_=literal(CallOutcome.NO_ANSWER, outcome),
            ),
            "note": "",
            "at": talk.touched_at,
        },
        talk.id % 7 == 0,
        source=talk,
    )


def _numbers(most: int) -> Any:
    first = select(literal(1).label("n")).cte("numbers", recursive=True)
    return first.union_all(select(first.c.n + 1).where(first.c.n < most))


def _named(kind: str, *numbers: Any) -> ColumnElement[str]:
    name: ColumnElement[str] = literal(kind)
    for number in numbers:
        name = name + cast(number, String) + "-"
    return name
