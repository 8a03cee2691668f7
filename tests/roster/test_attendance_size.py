"""A morning of a whole district: the work grows with the file, the questions to the database do not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from bot.roster import Change, import_attendance
from bot.store.session import Database

from .morning import a_district, a_morning

NOW = datetime(2021, 9, 1, 13, 0, tzinfo=UTC)


def _statements(database: Database, file: Path) -> tuple[int, Change]:
    """How many times the database was asked or told something to import *file*."""
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        said.append(statement)

    event.listen(database.engine, "before_cursor_execute", hear)
    with database.begin() as session:
        report = import_attendance(session, file, through=None, now=NOW)
    event.remove(database.engine, "before_cursor_execute", hear)
    assert report.problems == []
    return len(said), report.changes["attendance_marks"]


@pytest.mark.parametrize("students", [240, 4800])
def test_no_student_has_a_question_of_its_own(sqlite: Database, tmp_path: Path, students: int) -> None:
    with sqlite.begin() as session:
        a_district(session, students)
    asked, change = _statements(sqlite, a_morning(tmp_path / "morning.csv", students, absent_every=2))
    assert change.added >= students / 2
    assert asked <= 12
    asked, change = _statements(sqlite, a_morning(tmp_path / "later.csv", students, absent_every=4))
    assert change.changed >= students / 8
    assert asked <= 20
