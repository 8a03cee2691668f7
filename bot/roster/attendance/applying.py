"""The one place that writes marks: the newest file's word kept, what it replaced kept as history."""

import hashlib
import json
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from bot.clock import school_day
from bot.ledger import absence_withdrawn
from bot.reports import kept
from bot.roster.attendance.choosing import named, open_sheet
from bot.roster.attendance.mapping import Mapping, Saved, known
from bot.roster.attendance.marks import Held, Mark
from bot.roster.attendance.reading import read
from bot.roster.files import open_file
from bot.roster.report import Change, Problem, Report, summary
from bot.roster.sources import Source
from bot.store.tables import AttendanceMark, CalendarDay, Excuse, Import, MarkStatus, School, Student

# A student's id and a day.
StudentDay = tuple[int, date]

# From the best to the worst, for a system that gives several events a day (ED-2).
_STATES = (
    MarkStatus.PRESENT,
    MarkStatus.TARDY,
    MarkStatus.EARLY_DEPARTURE,
    MarkStatus.PARTIAL,
    MarkStatus.ABSENT,
)
_EXCUSES = (Excuse.EXEMPT, Excuse.EXCUSED, Excuse.DISCIPLINARY, Excuse.UNKNOWN, Excuse.UNEXCUSED)


@dataclass(frozen=True)
class _Mark:
    school_id: int
    status: MarkStatus
    excuse: Excuse
    code: str

    @property
    def came(self) -> bool:
        return self.status is not MarkStatus.ABSENT

    @property
    def badness(self) -> tuple[int, int]:
        return _STATES.index(self.status), _EXCUSES.index(self.excuse)


@dataclass(frozen=True)
class _Enrolled:
    id: int
    school_id: int
    active: bool


@dataclass(frozen=True)
class _School:
    id: int
    today: date


@dataclass
class _Reading:
    """One file against what the database knows. What it says cannot be read of `unread` and `unsure`."""

    file: str
    mapping: Mapping
    schools: dict[str, _School]
    students: dict[str, list[_Enrolled]]
    school_days: dict[int, set[date]]
    problems: list[Problem]
    through: date | None
    marks: dict[StudentDay, _Mark] = field(default_factory=dict)
    unread: set[StudentDay] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    covered_schools: set[int] = field(default_factory=set)
    covered_days: set[date] = field(default_factory=set)
    later_rows: int = 0
    future_rows: int = 0
    several: int = 0
    unknown_students: set[str] = field(default_factory=set)
    left_students: set[str] = field(default_factory=set)
    schools_without_calendar: set[int] = field(default_factory=set)
    today: dict[int, date] = field(default_factory=dict)

    def note(self, line: int, reason: str, name: str = "", value: str = "", mend: str = "") -> None:
        column = self.mapping.columns[name][0] if name else ""
        self.problems.append(Problem(self.file, line, reason, column, value[:40], mend))

    def column(self, name: str) -> str:
        return self.mapping.columns[name][0]


@dataclass
class Prepared:
    """A file of marks that was read against the database; not a mark of it is written."""

    report: Report
    sha256: str
    reading: _Reading
    unmapped: dict[tuple[str, str], int]
    known_marks: dict[StudentDay, tuple[int, _Mark]]
    differing: dict[StudentDay, _Mark]
    gone: list[StudentDay]

    @property
    def digest(self) -> str:
        """What it would change, as a fingerprint: the same one later means that the base is the same."""
        written = [*sorted((key, vars(mark)) for key, mark in self.differing.items()), sorted(self.gone)]
        return hashlib.sha256(json.dumps(written, default=str).encode()).hexdigest()

    @property
    def mapping(self) -> Mapping:
        return self.reading.mapping

    @property
    def days(self) -> set[date]:
        """The days that the file speaks of."""
        return self.reading.covered_days

    @property
    def schools(self) -> set[int]:
        """The schools that the file speaks of."""
        return self.reading.covered_schools

    @property
    def today(self) -> dict[int, date]:
        """Each school's today."""
        return self.reading.today

    def teaches(self, school: int, day: date) -> bool:
        return day in self.reading.school_days.get(school, ())

    def absent(self) -> dict[int, int]:
        """How many students of each school are absent on its own today, as this file has it."""
        counted: dict[int, int] = {}
        for (_, day), mark in self.reading.marks.items():
            if not mark.came and day == self.reading.today.get(mark.school_id):
                counted[mark.school_id] = counted.get(mark.school_id, 0) + 1
        return counted


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


def prepare_attendance(
    session: Session,
    file: Path | Source,
    *,
    through: date | None,
    now: datetime,
    mapping: str = "",
    mappings: Path | None = None,
    saved: Saved | None = None,
) -> Prepared:
    """Read and compare, as `import_attendance` does; the report says what would change."""
    source = file if isinstance(file, Source) else Source("attendance", file.name, open_file(file))
    problems: list[Problem] = []
    saved = saved or Saved()
    candidates = saved.with_codes(known(mappings, saved.own))
    asked = None
    if mapping:
        asked = saved.with_codes([named(mapping, candidates)])[0]
    chosen, sheet = open_sheet(source.name, source.raw, asked, candidates, problems, saved.headers)
    marks = read(source.name, sheet, chosen, problems)
    session.flush()
    reading = _begin(session, source.name, chosen, problems, through, now)
    for row in marks.rows:
        _read_row(reading, row)
    _hold(reading)
    report = Report("attendance", source.name, marks.rows_read, problems=problems)
    report.figures = {f"rows read by mapping {chosen.name}": marks.rows_read}
    report.figures |= _figures(reading, marks.skipped)
    known_marks = _current(session, reading)
    gone = _gone(reading, known_marks) if chosen.exceptions else []
    # Being present is only worth a row where it corrects one: a day of 18,000 has few of those.
    differing = {
        key: mark
        for key, mark in reading.marks.items()
        if (known_marks[key][1] != mark if key in known_marks else mark.status is not MarkStatus.PRESENT)
    }
    replaced = sum(key in known_marks for key in differing)
    report.changes = {"attendance_marks": Change(len(differing) - replaced, replaced, len(gone))}
    return Prepared(report, source.sha256, reading, marks.unmapped, known_marks, differing, gone)


def _begin(
    session: Session,
    file: str,
    mapping: Mapping,
    problems: list[Problem],
    through: date | None,
    now: datetime,
) -> _Reading:
    students: dict[str, list[_Enrolled]] = {}
    name = Student.sourced_id if mapping.by_sourced_id else Student.number
    for number, id_, school, active in session.execute(
        select(name, Student.id, Student.school_id, Student.active)
    ):
        students.setdefault(number, []).append(_Enrolled(id_, school, active))
    school_days: dict[int, set[date]] = {}
    for school, day, teaches in session.execute(
        select(CalendarDay.school_id, CalendarDay.day, CalendarDay.instructional)
    ):
        days = school_days.setdefault(school, set())
        if teaches:
            days.add(day)
    schools = {
        sourced_id: _School(id_, school_day(now, ZoneInfo(zone)))
        for sourced_id, id_, zone in session.execute(select(School.sourced_id, School.id, School.zone))
    }
    reading = _Reading(file, mapping, schools, students, school_days, problems, through)
    reading.today = {school.id: school.today for school in schools.values()}
    return reading


def _figures(reading: _Reading, skipped: AnyMapping[str, int]) -> dict[str, int]:
    figures = {"students of the file who are not in the roster": len(reading.unknown_students)}
    if reading.through:
        figures[f"rows after {reading.through}, left alone"] = reading.later_rows
    others = {
        "students of the file who have left": len(reading.left_students),
        "rows of days to come, left alone": reading.future_rows,
        "students with several marks for a day, the worst counts": reading.several,
        **skipped,
    }
    return figures | {name: count for name, count in others.items() if count}


# --- one row ------------------------------------------------------------------------------------------------


def _read_row(reading: _Reading, row: Mark | Held) -> None:
    school = None
    if row.school or "school" in reading.mapping.columns:
        school = _school(reading, row)
        if school is None:
            return
    if row.day is None:
        # A row that could be about any day, or any school, withdraws nothing from the student it names.
        _unsure(reading, row)
        return
    if reading.through and row.day > reading.through:
        reading.later_rows += 1
        return
    if school is not None and _to_come(reading, school, row.day):
        return
    if school is not None:
        _cover(reading, school, row.day)
    student = _student(reading, row, school)
    if student is None:
        return
    if school is None:
        school = student.school_id
        if _to_come(reading, school, row.day):
            return
        _cover(reading, school, row.day)
    if isinstance(row, Held):
        reading.unread.add((student.id, row.day))
        return
    _note_no_school_day(reading, row, school, row.day)
    _keep(reading, row, (student.id, row.day), _Mark(school, row.state, row.excuse, row.code))


def _school(reading: _Reading, row: Mark | Held) -> int | None:
    """The row's school; without one the row withdraws nothing from the student it names."""
    found = reading.schools.get(row.school)
    if found is None:
        if isinstance(row, Mark):
            said = f"{reading.column('school')} {row.school[:40]!r} is not a school of the roster"
            mend = f"say in [schools] of mapping {reading.mapping.name} which sourcedId it is"
            reading.note(row.line, f"{said}; the row was left out", "school", row.school, mend)
        _unsure(reading, row)
        return None
    return found.id


def _unsure(reading: _Reading, row: Mark | Held) -> None:
    reading.unsure |= {student.id for student in reading.students.get(row.student, [])}


def _to_come(reading: _Reading, school: int, day: date) -> bool:
    """Whether *day* is still to come at that school: some systems write such rows ahead (AT-2)."""
    if not reading.mapping.skips_future or day <= reading.today[school]:
        return False
    reading.future_rows += 1
    return True


def _cover(reading: _Reading, school: int, day: date) -> None:
    reading.covered_schools.add(school)
    reading.covered_days.add(day)


def _student(reading: _Reading, row: Mark | Held, school: int | None) -> _Enrolled | None:
    """The one active student with this number; nobody is created out of an attendance file (AT-9)."""
    found = reading.students.get(row.student, [])
    active = [student for student in found if student.active]
    if len(active) > 1:
        here = [student for student in active if student.school_id == school]
        active = here if len(here) == 1 else active
    if len(active) == 1:
        return active[0]
    if active:
        fault, mend = "belongs to more than one student", "give each student a number of its own"
    elif found:
        fault, mend = "is of a student who has left", "nothing, if that is so; else import the roster"
        reading.left_students.add(row.student)
    else:
        fault, mend = _nobody(row.student)
        reading.unknown_students.add(row.student)
    if isinstance(row, Mark):
        said = f"{reading.column('student')} {row.student[:40]!r} {fault}; the row was left out"
        reading.note(row.line, said, "student", row.student, mend)
    # Nor is a mark withdrawn because the file's word on it cannot be taken.
    reading.unsure |= {student.id for student in found}
    return None


def _nobody(written: str) -> tuple[str, str]:
    """Say whether a spreadsheet has spoiled the number; looked at last, since 1E5 may be a true one (OR-14)."""
    if not written.strip("#"):
        return "is a column too narrow, not a number", "save the file again with that column wider"
    mantissa, sign, exponent = written.upper().partition("E")
    if sign and exponent.lstrip("+").isdigit() and mantissa.replace(".", "", 1).isdigit():
        return "is of nobody in the roster, perhaps a number cut short by a spreadsheet", "export it as text"
    return "is of nobody in the roster", "import the roster with that student, or correct the number"


def _keep(reading: _Reading, row: Mark, key: StudentDay, mark: _Mark) -> None:
    """Of two rows for one student and day the one that says the student came wins, else the later one.

    Where the system gives an event for each thing of a day, the worst of them is the day's mark (ED-2).
    """
    other = reading.marks.get(key)
    if other is None or other == mark:
        reading.marks[key] = mark
        return
    if not reading.mapping.came_wins:
        reading.several += 1
        reading.marks[key] = max(other, mark, key=lambda some: some.badness)
        return
    kept = other if other.came and not mark.came else mark
    reading.marks[key] = kept
    which = "earlier" if kept is other else "later"
    said = f"{reading.column('student')} {row.student[:40]!r} has two rows for this day"
    reading.note(
        row.line,
        f"{said}; the {which} one counts ({kept.status})",
        "student",
        row.student,
        "take the wrong row out",
    )


def _hold(reading: _Reading) -> None:
    """Call nobody absent of whom another row of that day could not be read: it may say that the student came."""
    for key in reading.unread:
        if key in reading.marks and not reading.marks[key].came:
            del reading.marks[key]


def _note_no_school_day(reading: _Reading, row: Mark, school: int, day: date) -> None:
    """Kept as history: a day without school leads to no text anyway (AT-8)."""
    said = f"school {row.school}" if row.school else "the student's school"
    if school not in reading.school_days:
        if school not in reading.schools_without_calendar:
            reading.schools_without_calendar.add(school)
            mend = "import the school's calendar"
            reading.note(row.line, f"{said} has no calendar yet, so none of its days is checked", mend=mend)
    elif day not in reading.school_days[school]:
        reason = f"{day} is no school day at {said}; the row was kept as history"
        reading.note(row.line, reason, "day", str(day), "correct the day or the calendar")


# --- all rows ----------------------------------------------------------------------------------------------


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


def _gone(reading: _Reading, known_marks: AnyMapping[StudentDay, tuple[int, _Mark]]) -> list[StudentDay]:
    """The marks of the file's schools and days that it no longer repeats: those students were present."""
    # Files often leave out who has left school; that says nothing about the days before.
    enrolled = {student.id for some in reading.students.values() for student in some if student.active}
    return [
        key
        for key, (_, mark) in known_marks.items()
        if key not in reading.marks
        and key not in reading.unread
        and key[0] not in reading.unsure
        and key[0] in enrolled
        and mark.school_id in reading.covered_schools
        and key[1] in reading.covered_days
    ]


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


def _insert(session: Session, marks: dict[StudentDay, _Mark], import_id: int, now: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {"student_id": student, "day": day, "import_id": import_id, "marked_at": now, **vars(mark)}
        for (student, day), mark in marks.items()
    ]
    if rows:
        session.execute(insert(AttendanceMark), rows)
