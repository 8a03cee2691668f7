"""A district at noon of a school day, and what is found out about some of its families before and while texts leave."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.orm import DeclarativeBase, Session

from benchmarks.district import number_of
from bot import consent, ledger
from bot.advance import Script
from bot.clock import school_day
from bot.conversation.load import load
from bot.language import Language
from bot.policy import Policy
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Excuse,
    Guardian,
    GuardianPhone,
    Guardianship,
    Import,
    MarkStatus,
    Phone,
    PhoneState,
    School,
    Student,
)
from bot.texts import Texts
from bot.vocabulary import NotContacted, Purpose
from tests.conftest import ROOT

_ABSENT_A_SCHOOL = 100
# So that no school looks as if it had forgotten to take attendance (AT-8): one absent in five.
_STUDENTS_A_SCHOOL = 5 * _ABSENT_A_SCHOOL
_LANGUAGES = (Language.ENGLISH, Language.SPANISH, Language.ENGLISH, Language.ARABIC, Language.POLISH)


@cache
def the_script() -> Script:
    """What an installation says whose settings are those of `fleet.settings_of`."""
    return Script(load(ROOT / "flows"), Texts.load(ROOT / "locales"), Policy())


def fill(database: Database, families: int, *, zone: ZoneInfo, now: datetime) -> None:
    """So many families with one absent student each, marked in a file of this moment; nobody was asked yet.

    The tables must be empty: family n has the nth guardian and phone, and the student of `student_of`.
    """
    day = school_day(now, zone)
    schools = range(1, school_of(families) + 1)
    numbers = range(1, families + 1)
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
        _write(
            session,
            Student,
            (
                {
                    "sourced_id": f"ST{n}",
                    "number": str(600_000 + n),
                    "given_name": ("Maya", "Luis", "Aisha", "Noah", "Mei")[n % 5],
                    "family_name": "Rivera",
                    "school_id": (n - 1) // _STUDENTS_A_SCHOOL + 1,
                }
                for n in range(1, len(schools) * _STUDENTS_A_SCHOOL + 1)
            ),
        )
        _write_guardians(session, numbers)
        session.add(_a_file(now))
        session.flush()
        _write(session, AttendanceMark, (_mark(n, day, MarkStatus.ABSENT, 1, now) for n in numbers))


def school_of(family: int) -> int:
    return (family - 1) // _ABSENT_A_SCHOOL + 1


def student_of(family: int) -> int:
    """The absent student's id: the first hundred of each school's five hundred."""
    school, place = divmod(family - 1, _ABSENT_A_SCHOOL)
    return school * _STUDENTS_A_SCHOOL + place + 1


def _write_guardians(session: Session, numbers: range) -> None:
    _write(
        session,
        Guardian,
        (
            {
                "sourced_id": f"G{n}",
                "given_name": "Ana",
                "family_name": "Rivera",
                "language": _LANGUAGES[n % len(_LANGUAGES)],
            }
            for n in numbers
        ),
    )
    _write(
        session,
        Guardianship,
        (
            {
                "student_id": student_of(n),
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


def _mark(family: int, day: date, status: MarkStatus, file: int, now: datetime) -> dict[str, Any]:
    return {
        "student_id": student_of(family),
        "school_id": school_of(family),
        "day": day,
        "status": status,
        "excuse": Excuse.UNEXCUSED,
        "code": "AU" if status is MarkStatus.ABSENT else "P",
        "import_id": file,
        "marked_at": now,
    }


def _a_file(now: datetime) -> Import:
    return Import(kind="attendance", file_name="today.csv", sha256="0" * 64, applied_at=now, summary={})


def _write(session: Session, table: type[DeclarativeBase], rows: Iterable[Mapping[str, Any]]) -> None:
    session.execute(insert(table), [dict(row) for row in rows])


# --- what is found out ------------------------------------------------------------------------------------


class Fact(StrEnum):
    """Why a family may not be texted. Each is the program's own step, as the desk or a file would take it."""

    OPTED_OUT = "opted_out"
    HELD = "held"
    MUTED = "muted"
    WRONG_NUMBER = "wrong_number"
    SUSPENDED = "suspended"
    LANDLINE = "landline"
    COURT_ORDER = "court_order"
    NUMBER_GONE = "number_gone"
    PRESENT = "present"
    STOPPED = "stopped"  # the family itself wrote so; the driver posts it, see outbound.py


# What a text that may not leave says of it, and what the ledger says of its student.
WHY_NOT = {
    Fact.OPTED_OUT: ("opted_out", NotContacted.OPTED_OUT),
    Fact.HELD: ("held", NotContacted.OPTED_OUT),
    Fact.MUTED: ("muted", NotContacted.OPTED_OUT),
    Fact.WRONG_NUMBER: ("wrong_number", NotContacted.WRONG_NUMBER),
    Fact.SUSPENDED: ("suspended", NotContacted.NO_NUMBER),
    Fact.LANDLINE: ("landline", NotContacted.NO_NUMBER),
    Fact.COURT_ORDER: ("no_contact", NotContacted.NO_CONTACT_ALLOWED),
    Fact.NUMBER_GONE: ("not_on_file", NotContacted.NO_NUMBER),
    Fact.PRESENT: ("not_absent", None),
    Fact.STOPPED: ("opted_out", NotContacted.OPTED_OUT),
}
# A newer file may take a student back only while texts leave: before that nobody would be absent.
FOUND_OUT_LATER = tuple(Fact)
FOUND_OUT_BEFORE = tuple(fact for fact in Fact if fact not in (Fact.PRESENT, Fact.STOPPED))


def learn(session: Session, family: int, fact: Fact, *, day: date, now: datetime) -> None:
    """Write *fact* down; a second time changes nothing that matters."""
    _LEARN[fact](session, family, day, now)


def _opted_out(session: Session, family: int, _day: date, now: datetime) -> None:
    consent.opt_out(session, family, "provider", now)


def _held(session: Session, family: int, _day: date, now: datetime) -> None:
    consent.hold(session, family, now)


def _muted(session: Session, family: int, _day: date, now: datetime) -> None:
    consent.mute(session, family, student_of(family), Purpose.CHECK_IN, now)


def _wrong_number(session: Session, family: int, _day: date, now: datetime) -> None:
    consent.mark_wrong_number(session, family, "family", now)


def _suspended(session: Session, family: int, _day: date, now: datetime) -> None:
    consent.suspend(session, family, now)


def _landline(session: Session, family: int, _day: date, _now: datetime) -> None:
    consent.mark_line(session, family, PhoneState.LANDLINE)


def _court_order(session: Session, family: int, _day: date, _now: datetime) -> None:
    session.execute(update(Guardianship).where(Guardianship.guardian_id == family).values(court_order=True))


def _number_gone(session: Session, family: int, _day: date, _now: datetime) -> None:
    session.execute(update(GuardianPhone).where(GuardianPhone.phone_id == family).values(active=False))


def _present(session: Session, family: int, day: date, now: datetime) -> None:
    """A newer file: the old mark is kept as replaced, and every school's morning is due once more."""
    student = student_of(family)
    current = session.scalars(
        select(AttendanceMark).where(
            AttendanceMark.student_id == student,
            AttendanceMark.day == day,
            AttendanceMark.superseded_at.is_(None),
        )
    ).one()
    if current.status is MarkStatus.PRESENT:
        return
    current.superseded_at = now
    file = _a_file(now)
    session.add(file)
    session.flush()
    _write(session, AttendanceMark, [_mark(family, day, MarkStatus.PRESENT, file.id, now)])
    ledger.absence_withdrawn(session, [(student, day)], now)


_LEARN: dict[Fact, Callable[[Session, int, date, datetime], None]] = {
    Fact.OPTED_OUT: _opted_out,
    Fact.HELD: _held,
    Fact.MUTED: _muted,
    Fact.WRONG_NUMBER: _wrong_number,
    Fact.SUSPENDED: _suspended,
    Fact.LANDLINE: _landline,
    Fact.COURT_ORDER: _court_order,
    Fact.NUMBER_GONE: _number_gone,
    Fact.PRESENT: _present,
}
