"""The kept measures are counted once and not for each student, on a database without figures of its tables."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import event

from bot.reports import kept
from bot.store.session import Database

pytestmark = pytest.mark.postgres  # SQLite plans by rule, and has no such plan to show


@pytest.fixture
def fresh(_postgres: Database) -> Database:
    return _postgres


def test_absences_and_school_days_are_each_counted_once_for_all_students(fresh: Database) -> None:
    """Folded into the join, they took twenty seconds inside the first import of a fresh database."""
    plan: list[str] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if "student_measures" in statement:
            cursor.execute(f"EXPLAIN {statement}", parameters)
            plan.extend(line for (line,) in cursor.fetchall())

    now = datetime(2026, 3, 2, 15, tzinfo=UTC)
    with fresh.begin(undo=True) as session:
        event.listen(fresh.engine, "before_cursor_execute", explain)
        try:
            kept._write(session, kept._measured(date(2025, 7, 1), date(2026, 3, 2), [1], now))
        finally:
            event.remove(fresh.engine, "before_cursor_execute", explain)

    counted_once = {line.strip() for line in plan if line.strip().startswith("CTE ")}
    assert counted_once == {"CTE counts", "CTE taught"}, "\n".join(plan)
