"""A morning from marks to queued texts, beside the bare cost of reading, formatting and inserting the same rows.

`python -m benchmarks.morning --students 513000 --database postgresql` measures one size on one database.
"""

import argparse
import itertools
import json
import random
import resource
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time, timedelta
from types import FrameType
from typing import Any, cast
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Session

from benchmarks.children import ROOT
from benchmarks.databases import NAMES, kinds, scratch
from benchmarks.measured import Row, in_turn, plain, seconds
from bot import outreach
from bot.advance import Script
from bot.clock import instant
from bot.conversation.load import load
from bot.language import Language
from bot.policy import Policy
from bot.store.session import Database, connect
from bot.store.tables import (
    Absence,
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
    Outreach,
    Phone,
    PhoneState,
    School,
    Student,
)
from bot.texts import Texts
from bot.vocabulary import Owner, Purpose

DAY = date(2021, 10, 22)
ZONE = ZoneInfo("America/New_York")
NOW = instant(DAY, time(9, 30), ZONE)

_SCHOOL_OF = 500
_ABSENT = 0.139  # the sample district's own share of a day
_EARLIER_DAYS = 3  # the families of these days have been texted before

# Of a hundred families, how many read what; and what stands in the way of a text.
_LANGUAGES = {
    Language.ENGLISH: 52,
    Language.SPANISH: 26,
    Language.PORTUGUESE: 5,
    Language.HAITIAN_CREOLE: 3,
    Language.ARABIC: 3,
    Language.POLISH: 3,
    Language.ALBANIAN: 2,
    Language.VIETNAMESE: 2,
    Language.UKRAINIAN: 2,
    Language.CHINESE: 2,
}
_SIBLINGS, _TWO_GUARDIANS = 0.25, 0.7
_OPTED_OUT, _LANDLINE, _COURT_ORDER, _NO_TEXTS, _EXCUSED = 0.03, 0.05, 0.01, 0.02, 0.08

_NAMES = (
    "Maya", "Luis", "Aisha", "Noah", "Mei", "José", "Zofia", "Amina", "Liam", "Camila", "Andrés", "Thiago",
    "Widline", "Omar", "Kasia", "Arben", "Linh", "Oksana", "Wei", "Ana", "Lucía", "Mateo", "Emma", "Irene",
)  # fmt: skip

# The tables a morning writes, in the order in which their keys allow it.
_WRITTEN: tuple[type[DeclarativeBase], ...] = (
    Absence,
    Conversation,
    ConversationStudent,
    Outreach,
    OutboundText,
)


def the_script() -> Script:
    return Script(load(ROOT / "flows"), Texts.load(ROOT / "locales"), Policy(district_name="Grand Bend ISD"))


# --- a district of any size --------------------------------------------------------------------------------


def build(database: Database, students: int, *, seed: int = 1) -> None:
    """Write a district into empty tables, its marks of DAY last. The same seed writes the same one.

    What the database knows of its own tables is what it knew before today's file, as on any morning.
    """
    district = _District(students, random.Random(seed))
    with database.begin() as session:
        for table, rows in district.tables():
            for some in _batched(rows):
                session.execute(insert(table), some)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    with database.begin() as session:
        for some in _batched(district.marks(DAY)):
            session.execute(insert(AttendanceMark), some)


def _batched(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while some := list(itertools.islice(rows, 20_000)):
        yield some


class _District:
    """Who lives there, as the rows of each table; the nth row of a table has the id n."""

    def __init__(self, students: int, chance: random.Random) -> None:
        self.chance = chance
        self.schools = -(-students // _SCHOOL_OF)
        self.households: list[range] = []
        first = 1
        while first <= students:
            siblings = chance.choice((2, 2, 3)) if chance.random() < _SIBLINGS else 1
            self.households.append(range(first, min(first + siblings, students + 1)))
            first += siblings
        self.students = students
        self.guardians: list[tuple[int, int]] = []  # which household, and which of its guardians
        for household in range(len(self.households)):
            self.guardians += [
                (household, order) for order in range(1, 2 + (chance.random() < _TWO_GUARDIANS))
            ]

    def school_of(self, student: int) -> int:
        """Brothers and sisters are of different ages: every second one goes to the next school."""
        return (student // _SCHOOL_OF + student % 2) % self.schools + 1

    def tables(self) -> Iterator[tuple[type[DeclarativeBase], Iterator[dict[str, Any]]]]:
        days = [DAY - timedelta(days=n) for n in range(30) if (DAY - timedelta(days=n)).weekday() < 5]
        yield (
            School,
            (
                {
                    "sourced_id": f"S{n}",
                    "name": f"Burns School {n}",
                    "district": "Grand Bend ISD",
                    "zone": ZONE.key,
                    "morning_at": time(9, 30),
                }
                for n in range(1, self.schools + 1)
            ),
        )
        yield (
            CalendarDay,
            (
                {"school_id": n, "day": day, "instructional": True}
                for n in range(1, self.schools + 1)
                for day in days
            ),
        )
        yield (
            Student,
            (
                {
                    "sourced_id": f"ST{n}",
                    "number": str(600000 + n),
                    "given_name": self.chance.choice(_NAMES),
                    "family_name": "Rivera",
                    "school_id": self.school_of(n),
                }
                for n in range(1, self.students + 1)
            ),
        )
        yield Guardian, self._guardians()
        yield Guardianship, self._guardianships()
        yield Phone, self._phones()
        yield (
            GuardianPhone,
            (
                {
                    "guardian_id": n,
                    "phone_id": n,
                    "kind": "home" if self.chance.random() < _LANDLINE else "mobile",
                    "position": 1,
                    "given_by": "roster",
                }
                for n in range(1, len(self.guardians) + 1)
            ),
        )
        yield (
            Import,
            iter(
                [
                    {
                        "kind": "attendance",
                        "file_name": "today.csv",
                        "sha256": "0" * 64,
                        "applied_at": NOW - timedelta(minutes=5),
                        "summary": {},
                    }
                ]
            ),
        )
        earlier = days[1 : 1 + _EARLIER_DAYS]
        for day in earlier:
            yield AttendanceMark, self.marks(day)
        yield from self._asked_on(earlier)

    def _guardians(self) -> Iterator[dict[str, Any]]:
        languages, weights = list(_LANGUAGES), list(_LANGUAGES.values())
        spoken = self.chance.choices(languages, weights, k=len(self.households))
        for n, (household, _) in enumerate(self.guardians, start=1):
            yield {
                "sourced_id": f"G{n}",
                "given_name": self.chance.choice(_NAMES),
                "family_name": "Rivera",
                "language": spoken[household],
            }

    def _guardianships(self) -> Iterator[dict[str, Any]]:
        for n, (household, order) in enumerate(self.guardians, start=1):
            for student in self.households[household]:
                yield {
                    "student_id": student,
                    "guardian_id": n,
                    "relation": "Parent",
                    "contact_order": order,
                    "lives_with": True,
                    "may_receive_texts": self.chance.random() >= _NO_TEXTS,
                    "court_order": self.chance.random() < _COURT_ORDER,
                }

    def _phones(self) -> Iterator[dict[str, Any]]:
        for n in range(1, len(self.guardians) + 1):
            area, last = divmod(n, 100)
            yield {
                # 555-01xx, and longer than a number can be where a state has too many for those.
                "number": f"+1{201 + area % 789}55501{last:02d}" + (str(area // 789) if area >= 789 else ""),
                "state": PhoneState.LANDLINE if self.chance.random() < _LANDLINE else PhoneState.TEXTABLE,
                "opted_out": self.chance.random() < _OPTED_OUT,
            }

    def marks(self, day: date) -> Iterator[dict[str, Any]]:
        for student in range(1, self.students + 1):
            if self.chance.random() < _ABSENT:
                yield {
                    "student_id": student,
                    "school_id": self.school_of(student),
                    "day": day,
                    "status": MarkStatus.ABSENT,
                    "excuse": Excuse.EXCUSED if self.chance.random() < _EXCUSED else Excuse.UNEXCUSED,
                    "code": "A",
                    "import_id": 1,
                    "marked_at": NOW,
                }

    def _asked_on(
        self, days: Sequence[date]
    ) -> Iterator[tuple[type[DeclarativeBase], Iterator[dict[str, Any]]]]:
        """Some families of earlier days were asked then: today's text is not their first."""
        first = {household: n for n, (household, order) in enumerate(self.guardians, start=1) if order == 1}
        asked = [
            (day, household, first[household])
            for day in days
            for household in range(len(self.households))
            if self.chance.random() < _ABSENT
        ]
        yield (
            Conversation,
            (
                {
                    "phone_id": guardian,
                    "guardian_id": guardian,
                    "school_id": self.school_of(self.households[household][0]),
                    "day": day,
                    "flow": "absence_check",
                    "flow_version": "1",
                    "language": Language.ENGLISH,
                    "state": {"kind": "Ended", "how": "closed", "about": []},
                    "owner": Owner.NOBODY,
                    "silence_at": None,
                    "opened_at": NOW,
                    "touched_at": NOW,
                }
                for day, household, guardian in asked
            ),
        )
        yield (
            Outreach,
            (
                {
                    "student_id": self.households[household][0],
                    "day": day,
                    "purpose": Purpose.CHECK_IN,
                    "guardian_id": guardian,
                    "conversation_id": n,
                    "at": NOW,
                }
                for n, (day, household, guardian) in enumerate(asked, start=1)
            ),
        )


# --- ours ---------------------------------------------------------------------------------------------------


def morning(database: Database, script: Script) -> int:
    """Plan the morning and run it, in one transaction; returns how many texts it queued."""
    with database.begin() as session:
        planned = outreach.plan(session, DAY, script=script, now=NOW)
        outreach.run(session, planned, script=script, now=NOW)
    return len(planned.households)


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """How often the database is asked meanwhile; a statement that carries many rows is one.

    Counted at the driver, by its functions' names, because some of ours go past SQLAlchemy.
    """
    asked: Counter[str] = Counter()
    of_psycopg = {psycopg.Cursor.execute.__code__, psycopg.Cursor.executemany.__code__}

    def note(frame: FrameType, what: str, function: Any) -> None:
        of_sqlite = what == "c_call" and isinstance(getattr(function, "__self__", None), sqlite3.Cursor)
        if of_sqlite and function.__name__.startswith("execute"):
            asked[function.__name__] += 1
        elif what == "call" and frame.f_code in of_psycopg:
            asked[frame.f_code.co_name] += 1

    sys.setprofile(note)
    try:
        yield asked
    finally:
        sys.setprofile(None)


class _Cleaner:
    """Takes away again what a morning has written."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.begin() as session:
            self.last = session.scalar(select(func.max(Conversation.id))) or 0
            self.last_text = session.scalar(select(func.max(OutboundText.id))) or 0
            self.last_outreach = session.scalar(select(func.max(Outreach.id))) or 0

    def conditions(self) -> Mapping[type[DeclarativeBase], Any]:
        return {
            Absence: Absence.day == DAY,
            Conversation: Conversation.id > self.last,
            ConversationStudent: ConversationStudent.conversation_id > self.last,
            Outreach: Outreach.id > self.last_outreach,
            OutboundText: OutboundText.id > self.last_text,
        }

    def clean(self) -> None:
        conditions = self.conditions()
        with self.database.begin() as session:
            for table in reversed(_WRITTEN):
                session.execute(
                    table.__table__.delete().where(conditions[table])  # type: ignore[attr-defined]
                )
        if self.database.engine.dialect.name == "postgresql":
            with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for table in _WRITTEN:
                    connection.execute(text(f"VACUUM {table.__tablename__}"))


# --- the floor: the same rows, by hand ----------------------------------------------------------------------

_ABSENT_ROWS = """
SELECT s.id, m.school_id, s.preferred_name, s.given_name, s.family_name, m.excuse, c.name
FROM attendance_marks m JOIN students s ON s.id = m.student_id JOIN schools c ON c.id = s.school_id
WHERE m.day = '{day}' AND m.superseded_at IS NULL AND m.status = 'absent' ORDER BY s.id
"""
_GUARDIAN_ROWS = """
SELECT l.student_id, l.guardian_id, l.may_receive_texts, l.court_order, g.given_name, g.family_name, g.language,
       p.id, p.state, p.opted_out, p.held, p.suspended
FROM guardianships l JOIN guardians g ON g.id = l.guardian_id
LEFT JOIN guardian_phones gp ON gp.guardian_id = g.id AND gp.active AND gp.kind = 'mobile'
LEFT JOIN phones p ON p.id = gp.phone_id
WHERE l.active AND g.active AND l.student_id IN (
  SELECT student_id FROM attendance_marks WHERE day = '{day}' AND superseded_at IS NULL AND status = 'absent')
ORDER BY l.student_id, l.contact_order, l.guardian_id, gp.position, p.id
"""


@dataclass(frozen=True)
class _Insert:
    """One table's rows as its driver takes them, without the words of a text."""

    sql: str
    rows: list[tuple[Any, ...]]


class Floor:
    """Selects what a morning must know, formats its texts with str.format, and inserts its rows with executemany.

    The rows are those that our own morning has written: nothing is decided, looked up or counted.
    """

    def __init__(self, database: Database, script: Script, cleaner: _Cleaner) -> None:
        self.database = database
        mark = "?" if database.engine.dialect.name == "sqlite" else "%s"
        conditions = cleaner.conditions()
        self.inserts: list[_Insert] = []
        with database.begin() as session:
            for table in _WRITTEN:
                columns = [column.name for column in table.__table__.columns]
                if table is OutboundText:
                    columns = [name for name in columns if name not in ("body", "english")] + [
                        "body",
                        "english",
                    ]
                cells = ", ".join("CAST(state AS TEXT)" if c == "state" else c for c in columns)
                wanted = conditions[table].compile(session.get_bind(), compile_kwargs={"literal_binds": True})
                sql = f"SELECT {cells} FROM {table.__tablename__} WHERE {wanted}"  # noqa: S608
                rows = [tuple(row) for row in session.connection().exec_driver_sql(sql)]
                marks = ", ".join([mark] * len(columns))
                self.inserts.append(
                    _Insert(
                        f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
                        [row[:-2] for row in rows] if table is OutboundText else rows,
                    )
                )
            self.texts = list(self._texts(session, script, cleaner))

    def _texts(
        self, session: Session, script: Script, cleaner: _Cleaner
    ) -> Iterator[tuple[str, str, list[int]]]:
        """Of each text its line in the family's language, the English one, and the students it is about."""
        about: dict[int, list[int]] = {}
        for conversation, student in session.execute(
            select(ConversationStudent.conversation_id, ConversationStudent.student_id).where(
                ConversationStudent.conversation_id > cleaner.last
            )
        ):
            about.setdefault(conversation, []).append(student)
        for talk, key, language in session.execute(
            select(OutboundText.conversation_id, OutboundText.key, OutboundText.language).where(
                OutboundText.id > cleaner.last_text
            )
        ):
            node = script.flows.node(key)
            assert node is not None
            line = script.texts.translation(key, node.say, language)
            yield line or node.say, node.say, about[talk or 0]

    def __call__(self) -> None:
        connection = self.database.engine.raw_connection()
        try:
            cursor = connection.cursor()
            if self.database.engine.dialect.name == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            cursor.execute(_ABSENT_ROWS.format(day=DAY))
            known = {row[0]: (row[2] or row[3], row[6]) for row in cursor.fetchall()}
            cursor.execute(_GUARDIAN_ROWS.format(day=DAY))
            cursor.fetchall()
            words = [self._words(line, english, students, known) for line, english, students in self.texts]
            for each in self.inserts[:-1]:
                cursor.executemany(each.sql, each.rows)
            last = self.inserts[-1]
            cursor.executemany(last.sql, [(*row, *said) for row, said in zip(last.rows, words, strict=True)])
            cursor.execute("COMMIT")
        finally:
            connection.close()

    @staticmethod
    def _words(
        line: str, english: str, students: list[int], known: Mapping[int, tuple[str, str]]
    ) -> tuple[str, str]:
        names = ", ".join(known[student][0] for student in students)
        school = known[students[0]][1]
        return line.format(students=names, school=school), english.format(students=names, school=school)


# --- the figures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """Seconds of ours and of the floor (medians), texts queued, statements sent, and a whole process's peak in MB."""

    ours: float
    floor: float
    texts: int
    statements: int
    peak: float


def figures(kind: str, students: int, *, rounds: int = 3) -> Figures:
    script = the_script()
    with scratch(kind) as (database, address):
        build(database, students)
        cleaner = _Cleaner(database)
        with statements() as asked:
            texts = morning(database, script)
        floor = Floor(database, script, cleaner)

        def after_cleaning(work: Callable[[], object]) -> Callable[[], float]:
            def measure() -> float:
                cleaner.clean()
                return seconds(work)()

            return measure

        took = in_turn(
            rounds,
            {"ours": after_cleaning(lambda: morning(database, script)), "floor": after_cleaning(floor)},
        )
        cleaner.clean()
        return Figures(took["ours"], took["floor"], texts, asked.total(), _peak(address))


def _peak(address: str) -> float:
    """The peak memory of a process that runs this morning and nothing else, in MB."""
    command = [sys.executable, "-m", "benchmarks.morning", "--run-on", address]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return cast("float", json.loads(done.stdout)["peak"])


def _run_on(address: str) -> None:
    """What the other process does."""
    database = Database(connect(address))
    morning(database, the_script())
    database.close()
    print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def measure(
    *, students: int = 18_000, on: Sequence[str] | None = None, rounds: int = 3, memory: float = 250
) -> list[Row]:
    """A morning for so many students on each database; *memory* is the peak wanted, in MB."""
    rows = []
    for kind in on or kinds():
        found = figures(kind, students, rounds=rounds)
        what = f"a morning: {students:,} students, {found.texts:,} texts"
        rows += [
            Row(
                f"{what}, beside bare SQL",
                NAMES[kind],
                f"{found.ours:.2f} s",
                f"{found.floor:.2f} s",
                found.ours / found.floor,
                at_most=4,
            ),
            Row(
                f"{what}, peak memory",
                NAMES[kind],
                f"{found.peak:.0f} MB",
                f"{memory:.0f} MB",
                found.peak / memory,
                at_most=1,
            ),
            Row(f"{what}, statements", NAMES[kind], str(found.statements), ""),
        ]
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.morning", description=__doc__)
    arguments.add_argument("--students", type=int, default=18_000)
    arguments.add_argument("--database", choices=sorted(NAMES))
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--run-on", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.run_on:
        _run_on(asked.run_on)
        return
    memory = 250.0 if asked.students <= 18_000 else 1024.0
    on = [asked.database] if asked.database else None
    print(plain(measure(students=asked.students, on=on, rounds=asked.rounds, memory=memory)))


if __name__ == "__main__":
    main()
