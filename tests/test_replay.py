"""A storm over some days of the sample year, on each database, and the eyes of its judge."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot import ledger
from bot.rehearsal import judge, weather
from bot.rehearsal.book import Book, Left
from bot.rehearsal.weather import Day, Kind, Row, Step
from bot.store.session import Database
from bot.store.tables import Absence, Student
from bot.vocabulary import Outcome
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_student, absent
from tests.conftest import POSTGRES, ROOT
from tests.town import Town

HARTFORD = ZoneInfo("America/New_York")
SEED = 7 if os.environ.get("CI") else random.randrange(1_000_000)


@pytest.mark.parametrize(
    "place", ["", pytest.param(POSTGRES, marks=pytest.mark.postgres)], ids=["sqlite", "postgresql"]
)
def test_a_storm_with_killed_processes_keeps_every_promise(
    place: str, request: pytest.FixtureRequest
) -> None:
    if place:
        request.getfixturevalue("_postgres")  # it knows whether a server is here
    command = [
        str(Path(sys.executable).parent / "presente"),
        "replay",
        "--from",
        "2021-10-21",
        "--to",
        "2021-10-22",
    ]
    command += ["--storm", str(SEED), *(["--postgres", place] if place else [])]
    played = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    assert played.returncode == 0, f"storm {SEED}\n{played.stdout}\n{played.stderr[-3000:]}"
    assert "every promise held" in played.stdout


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_the_same_seed_makes_the_same_day_and_every_file_speaks_of_every_school(seed: int) -> None:
    marked = [Row("N", "1", "AU"), Row("N", "2", "AE"), Row("S", "9", "AU")]
    students = {"N": ["1", "2", "3", "4"], "S": ["8", "9"]}

    made = weather.storm(FRIDAY, marked, students, seed, 3)

    assert made == weather.storm(FRIDAY, marked, students, seed, 3)
    assert all({row.school for row in rows} == {"N", "S"} for rows in made.files.values())
    assert [step.minute for step in made.steps] == sorted(step.minute for step in made.steps)
    assert 1 <= len(made.kills) <= 3


def test_the_book_knows_what_left_after_its_process_is_gone(tmp_path: Path) -> None:
    from bot.provider import Outgoing

    first = Book(tmp_path / "book", lambda: NOW)
    first.send(Outgoing("a", "+18605550101", "Hello \n there", 60))
    second = Book(tmp_path / "book", lambda: NOW + timedelta(minutes=1))
    second.send(Outgoing("b", "+18605550101", "¿Todo bien?", 60))
    assert [left.body for left in Book(tmp_path / "book", lambda: NOW).book] == [
        "Hello \n there",
        "¿Todo bien?",
    ]
    assert [held.token for held in second.receipts()] == ["a", "b"]
    assert list(second.receipts()) == []
    assert [one.sid for one in first.sent_to("+18605550101", NOW + timedelta(seconds=1))] == ["SIMb"]


# --- a judge that cannot say no proves nothing --------------------------------------------------------------


class Morning(Town):
    """A morning of two absent students, whose texts have left; and the storm's plan that would be true of it."""

    def played(self) -> tuple[Day, list[Left]]:
        with self.database.begin() as session:
            school = a_school(session)
            maya, luis = a_student(session, school, "Maya"), a_student(session, school, "Luis")
            a_guardian(session, maya)
            a_guardian(session, luis)
            absent(session, maya, luis)
            rows = tuple(Row(school.sourced_id, one.number, "AU") for one in (maya, luis))
            schools = (school.sourced_id,)
        self.morning()
        book = [Left(text.token, text.to, text.body, self.now) for text in self.provider.book]
        steps = (Step(0, Kind.FILE, "first.csv"), Step(4, Kind.LOOK))
        self.schools = schools
        return Day(FRIDAY, steps, {"first.csv": rows}), book

    def judged(self, plan: Day, book: list[Left]) -> list[str]:
        with self.database.begin() as session:
            counts = ledger.count(session, FRIDAY)
            return judge.faults(session, plan, book, counts, opens=NOW, zone=HARTFORD)


@pytest.fixture
def morning(sqlite: Database, script: object, understanding: object) -> Morning:
    return Morning(sqlite, script, understanding)  # type: ignore[arg-type]


def test_the_judge_finds_nothing_where_nothing_is_wrong(morning: Morning) -> None:
    plan, book = morning.played()
    assert len(book) == 2
    assert morning.judged(plan, book) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda plan, book: (plan, [*book, book[0]]), "left 2 times"),
        (lambda plan, book: (plan, [*book, replace(book[0], token="stray")]), "nobody had written it"),
        (lambda plan, book: (plan, [replace(each, at=NOW.replace(hour=3)) for each in book]), "23 o'clock"),
        (
            lambda plan, book: (
                replace(
                    plan,
                    files={"first.csv": tuple(replace(row, code="T") for row in plan.files["first.csv"])},
                ),
                book,
            ),
            "nobody was missing",
        ),
    ],
)
def test_the_judge_sees_a_second_text_a_stray_one_the_night_and_one_about_nobody(
    morning: Morning, wrong: Callable[[Day, list[Left]], tuple[Day, list[Left]]], said: str
) -> None:
    plan, book = morning.played()
    assert any(said in line for line in morning.judged(*wrong(plan, book)))


def test_the_judge_sees_a_text_of_a_closed_a_late_and_a_short_day(morning: Morning) -> None:
    plan, book = morning.played()
    for step in (
        Step(-10, Kind.CLOSE, schools=morning.schools, change="closing"),
        Step(-10, Kind.LATE, schools=morning.schools, at_minute=90),
        Step(-10, Kind.EARLY, schools=morning.schools, at_minute=0),
    ):
        found = morning.judged(replace(plan, steps=(step, *plan.steps)), book)
        assert any("nobody was missing" in line for line in found), step


def test_the_judge_sees_a_ledger_that_is_not_the_files(morning: Morning) -> None:
    plan, book = morning.played()

    def with_change(change: Callable[[Session], object]) -> list[str]:
        with morning.database.begin(undo=True) as session:
            change(session)
            counts = ledger.count(session, FRIDAY)
            return judge.faults(session, plan, book, counts, opens=NOW, zone=HARTFORD)

    one = select(Student.id).limit(1).scalar_subquery()
    lost = with_change(lambda session: session.execute(delete(Absence).where(Absence.student_id == one)))
    assert any("have no line" in line for line in lost)
    wrong = with_change(
        lambda session: session.execute(
            update(Absence).where(Absence.student_id == one).values(outcome=Outcome.PRESENT_CORRECTED)
        )
    )
    assert any("the last file says absent" in line for line in wrong)
    fewer = replace(plan, files={"first.csv": plan.files["first.csv"][:1]})
    assert any("were never absent" in line for line in morning.judged(fewer, book))
