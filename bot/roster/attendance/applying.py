"""The one place that writes marks: the newest file's word kept, what it replaced kept as history."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from bot.ledger import absence_withdrawn
from bot.reports import kept
from bot.roster.attendance.comparing import Prepared, prepare_attendance
from bot.roster.attendance.mapping import Saved
from bot.roster.attendance.rows import DayMark, StudentDay
from bot.roster.report import Report, summary
from bot.roster.sources import Source
from bot.store.tables import AttendanceMark, Import


def import_attendance(
    session: Session,
    file: Path | Source,
    *,
    through: date | None,
    now: datetime,
    mapping: str = "",
    mappings: Path | None = None,
    saved: Saved | None = None,
) -> Report:
    """Make this file's marks the current ones, for each school and day that it speaks of.

    Who had a mark there and has no row any more was present, unless the mapping says that every student
    has a row. Later days than *through* are left alone. *mapping* is a name or a file's path; without it
    the one that fits is found, among the ready ones, those of the folder *mappings* and the *saved* ones.
    Everything is read before the first row is written: a FileRefused has changed nothing.
    """
    prepared = prepare_attendance(
        session, file, through=through, now=now, mapping=mapping, mappings=mappings, saved=saved
    )
    apply_attendance(session, prepared, now=now)
    return prepared.report


def apply_attendance(session: Session, prepared: Prepared, *, now: datetime) -> int | None:
    """Replace the marks that differ, withdraw those without a row, and tell the ledger (promise 8).

    In the transaction that prepared it; returns the import's id, None when nothing changed.
    """
    report, reading, known_marks = prepared.report, prepared.reading, prepared.known_marks
    if report.changed_nothing:
        return None
    replaced = [key for key in prepared.differing if key in known_marks]
    import_id = _note_import(session, report, prepared.sha256, reading.mapping.name, now)
    _supersede(session, [known_marks[key][0] for key in (*replaced, *prepared.gone)], now)
    _insert(session, prepared.differing, import_id, now)
    session.expire_all()
    withdrawn = [
        key
        for key in (*replaced, *prepared.gone)
        if not known_marks[key][1].came and (key not in reading.marks or reading.marks[key].came)
    ]
    if withdrawn:
        absence_withdrawn(session, sorted(withdrawn), now)
        report.figures["absences withdrawn"] = len(withdrawn)
    kept.refresh(session, now, reading.covered_schools)
    return import_id


def _note_import(session: Session, report: Report, sha256: str, mapping: str, now: datetime) -> int:
    row = Import(
        kind="attendance",
        file_name=report.file_name,
        sha256=sha256,
        applied_at=now,
        summary=summary(report, report.rows_read, report.problems) | {"mapping": mapping},
    )
    session.add(row)
    session.flush()
    return row.id


def _supersede(session: Session, marks: list[int], now: datetime) -> None:
    """History is kept: a replaced mark stays, with the time at which it was replaced."""
    if marks:
        session.execute(update(AttendanceMark), [{"id": mark, "superseded_at": now} for mark in marks])


def _insert(session: Session, marks: dict[StudentDay, DayMark], import_id: int, now: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {"student_id": student, "day": day, "import_id": import_id, "marked_at": now, **vars(mark)}
        for (student, day), mark in marks.items()
    ]
    if rows:
        session.execute(insert(AttendanceMark), rows)
