"""The attendance file: every row checked, the newest file's word kept, what it replaced kept as history."""

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from bot.ledger import absence_withdrawn
from bot.roster.files import Columns, Row, open_file, read_rows
from bot.roster.oneroster import iso_date
from bot.roster.report import Change, Problem, Report, summary
from bot.store.tables import AttendanceMark, CalendarDay, Excuse, Import, MarkStatus, School, Student

# No `description`: free text of the school's system is never kept (LAW-45).
_COLUMNS = Columns(
    filled=("date", "school_id", "student_id", "status"), present=("excuse",), optional=("att_code",)
)
_STATUSES = {"A": MarkStatus.ABSENT, "T": MarkStatus.TARDY, "P": MarkStatus.PARTIAL}
_EXCUSES = {"E": Excuse.EXCUSED, "U": Excuse.UNEXCUSED}
_LONGEST_CODE = 40

# A student's id and a day.
StudentDay = tuple[int, date]


@dataclass(frozen=True)
class _Mark:
    school_id: int
    status: MarkStatus
    excuse: Excuse
    code: str

    @property
    def came(self) -> bool:
        return self.status is not MarkStatus.ABSENT


@dataclass(frozen=True)
class _Enrolled:
    id: int
    school_id: int
    active: bool


@dataclass
class _Reading:
    """One file against what the database knows. What it says cannot be read of `unread` and `unsure`."""

    file: str
    schools: dict[str, int]
    students: dict[str, list[_Enrolled]]
    school_days: dict[int, set[date]]
    problems: list[Problem]
    marks: dict[StudentDay, _Mark] = field(default_factory=dict)
    unread: set[StudentDay] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    covered_schools: set[int] = field(default_factory=set)
    covered_days: set[date] = field(default_factory=set)
    later_rows: int = 0
    unknown_students: set[str] = field(default_factory=set)
    schools_without_calendar: set[int] = field(default_factory=set)

    def note(self, row: Row, reason: str) -> None:
        self.problems.append(Problem(self.file, row.line, reason))


def import_attendance(session: Session, file: Path, *, through: date | None, now: datetime) -> Report:
    """Make this file's marks the current ones, for each school and day that it speaks of.

    Who had a mark there and has no row any more was present. Later days than *through* are left
    alone. Everything is read before the first row is written: a FileRefused has changed nothing.
    """
    raw = open_file(file)
    problems: list[Problem] = []
    rows = read_rows(file.name, raw, _COLUMNS, problems)
    session.flush()
    reading = _begin(session, file.name, problems)
    for row in rows:
        _read_row(reading, row, through)
    report = Report("attendance", file.name, len(rows), problems=problems)
    report.figures = {"students of the file who are not in the roster": len(reading.unknown_students)}
    if through:
        report.figures[f"rows after {through}, left alone"] = reading.later_rows
    _apply(session, reading, report, hashlib.sha256(raw).hexdigest(), now)
    return report


def _begin(session: Session, file: str, problems: list[Problem]) -> _Reading:
    students: dict[str, list[_Enrolled]] = {}
    for number, id_, school, active in session.execute(
        select(Student.number, Student.id, Student.school_id, Student.active)
    ):
        students.setdefault(number, []).append(_Enrolled(id_, school, active))
    school_days: dict[int, set[date]] = {}
    for school, day, teaches in session.execute(
        select(CalendarDay.school_id, CalendarDay.day, CalendarDay.instructional)
    ):
        days = school_days.setdefault(school, set())
        if teaches:
            days.add(day)
    schools = dict(session.execute(select(School.sourced_id, School.id)).all())
    return _Reading(file, schools, students, school_days, problems)


# --- one row ------------------------------------------------------------------------------------------------


def _read_row(reading: _Reading, row: Row, through: date | None) -> None:
    day, school = iso_date(row["date"]), reading.schools.get(row["school_id"])
    if day is None or school is None:
        _leave_out(
            reading, row, "a date such as 2021-08-23" if day is None else "a school of the roster", day
        )
        return
    if through and day > through:
        reading.later_rows += 1
        return
    reading.covered_schools.add(school)
    reading.covered_days.add(day)
    student = _student(reading, row, school)
    if student is None:
        return
    mark = None if row.spoiled else _mark(reading, row, school)
    if mark is None:
        reading.unread.add((student, day))
        return
    _note_no_school_day(reading, row, school, day)
    _keep(reading, row, (student, day), mark)


def _leave_out(reading: _Reading, row: Row, expected: str, day: date | None) -> None:
    """A row that could be about any day, or any school, withdraws nothing from the student it names."""
    if not row.spoiled:
        column = "date" if day is None else "school_id"
        reading.note(row, f"{column} {row[column]!r} is not {expected}; the row was left out")
    reading.unsure |= {student.id for student in reading.students.get(row["student_id"], [])}


def _student(reading: _Reading, row: Row, school: int) -> int | None:
    """The one active student with this number; nobody is created out of an attendance file (AT-9)."""
    number = row["student_id"]
    found = reading.students.get(number, [])
    active = [student for student in found if student.active]
    if len(active) > 1:
        here = [student for student in active if student.school_id == school]
        active = here if len(here) == 1 else active
    if len(active) == 1:
        return active[0].id
    if not row.spoiled:
        fault = "belongs to more than one student" if active else "is of nobody in the roster"
        reading.note(row, f"student_id {number!r} {fault}; the row was left out")
        reading.unknown_students.add(number)
    # Nor is a mark withdrawn because the file's word on it cannot be taken.
    reading.unsure |= {student.id for student in found}
    return None


def _mark(reading: _Reading, row: Row, school: int) -> _Mark | None:
    status = _STATUSES.get(row["status"])
    if status is None:
        reading.note(
            row, f"status {row['status'][:20]!r} is none of {', '.join(_STATUSES)}; the row was left out"
        )
        return None
    if len(row["att_code"]) > _LONGEST_CODE:
        reading.note(row, f"att_code has {len(row['att_code'])} characters; the row was left out")
        return None
    return _Mark(school, status, _EXCUSES.get(row["excuse"], Excuse.UNKNOWN), row["att_code"])


def _keep(reading: _Reading, row: Row, key: StudentDay, mark: _Mark) -> None:
    """Of two rows for one student and day the one that says the student came wins, else the later one."""
    other = reading.marks.get(key)
    if other is None or other == mark:
        reading.marks[key] = mark
        return
    kept = other if other.came and not mark.came else mark
    reading.marks[key] = kept
    which = "earlier" if kept is other else "later"
    reading.note(
        row,
        f"student_id {row['student_id']!r} has two rows for this day; the {which} one counts ({kept.status})",
    )


def _note_no_school_day(reading: _Reading, row: Row, school: int, day: date) -> None:
    """Kept as history: a day without school leads to no text anyway (AT-8)."""
    if school not in reading.school_days:
        if school not in reading.schools_without_calendar:
            reading.schools_without_calendar.add(school)
            reading.note(
                row, f"school_id {row['school_id']!r} has no calendar yet, so none of its days is checked"
            )
    elif day not in reading.school_days[school]:
        reading.note(row, f"{day} is no school day at school {row['school_id']}; the row was kept as history")


# --- all rows ----------------------------------------------------------------------------------------------


def _apply(session: Session, reading: _Reading, report: Report, sha256: str, now: datetime) -> None:
    """Replace the marks that differ, withdraw those without a row, and tell the ledger (promise 8)."""
    known = _current(session, reading)
    # Files often leave out who has left school; that says nothing about the days before.
    enrolled = {student.id for some in reading.students.values() for student in some if student.active}
    gone = [
        key
        for key, (_, mark) in known.items()
        if key not in reading.marks
        and key not in reading.unread
        and key[0] not in reading.unsure
        and key[0] in enrolled
        and mark.school_id in reading.covered_schools
        and key[1] in reading.covered_days
    ]
    differing = {
        key: mark for key, mark in reading.marks.items() if key not in known or known[key][1] != mark
    }
    replaced = [key for key in differing if key in known]
    report.changes = {
        "attendance_marks": Change(len(differing) - len(replaced), len(replaced), len(gone)),
    }
    if report.changed_nothing:
        return
    import_id = _note_import(session, report, sha256, now)
    _supersede(session, [known[key][0] for key in (*replaced, *gone)], now)
    _insert(session, differing, import_id, now)
    session.expire_all()
    withdrawn = [
        key
        for key in (*replaced, *gone)
        if not known[key][1].came and (key not in reading.marks or reading.marks[key].came)
    ]
    if withdrawn:
        absence_withdrawn(session, sorted(withdrawn), now)
        report.figures["absences withdrawn"] = len(withdrawn)


def _current(session: Session, reading: _Reading) -> dict[StudentDay, tuple[int, _Mark]]:
    """The current marks of the days that the file speaks of, with their ids."""
    if not reading.covered_days:
        return {}
    rows = session.execute(
        select(
            AttendanceMark.student_id,
            AttendanceMark.day,
            AttendanceMark.id,
            AttendanceMark.school_id,
            AttendanceMark.status,
            AttendanceMark.excuse,
            AttendanceMark.code,
        ).where(
            AttendanceMark.superseded_at.is_(None),
            AttendanceMark.day.between(min(reading.covered_days), max(reading.covered_days)),
        )
    )
    return {
        (student, day): (id_, _Mark(school, status, excuse, code))
        for student, day, id_, school, status, excuse, code in rows
    }


def _note_import(session: Session, report: Report, sha256: str, now: datetime) -> int:
    row = Import(
        kind="attendance",
        file_name=report.file_name,
        sha256=sha256,
        applied_at=now,
        summary=summary(report, report.rows_read, report.problems),
    )
    session.add(row)
    session.flush()
    return row.id


def _supersede(session: Session, marks: list[int], now: datetime) -> None:
    """History is kept: a replaced mark stays, with the time at which it was replaced."""
    if marks:
        session.execute(update(AttendanceMark), [{"id": mark, "superseded_at": now} for mark in marks])


def _insert(session: Session, marks: dict[StudentDay, _Mark], import_id: int, now: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {"student_id": student, "day": day, "import_id": import_id, "marked_at": now, **vars(mark)}
        for (student, day), mark in marks.items()
    ]
    if rows:
        session.execute(insert(AttendanceMark), rows)
