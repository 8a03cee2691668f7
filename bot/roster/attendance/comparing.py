"""A file of marks against those that stand: what would be new, replaced or withdrawn. Nothing is written."""

import hashlib
import json
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.clock import school_day
from bot.roster.attendance.choosing import named, open_sheet
from bot.roster.attendance.mapping import Mapping, Saved, known
from bot.roster.attendance.reading import read
from bot.roster.attendance.rows import (
    DayMark,
    Enrolled,
    Reading,
    SchoolToday,
    StudentDay,
    hold_back,
    read_row,
)
from bot.roster.files import open_file
from bot.roster.report import Change, Problem, Report
from bot.roster.sources import Source
from bot.store.tables import AttendanceMark, CalendarDay, MarkStatus, School, Student


@dataclass
class Prepared:
    """A file of marks that was read against the database; not a mark of it is written."""

    report: Report
    sha256: str
    reading: Reading
    unmapped: dict[tuple[str, str], int]
    known_marks: dict[StudentDay, tuple[int, DayMark]]
    differing: dict[StudentDay, DayMark]
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
        read_row(reading, row)
    hold_back(reading)
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
) -> Reading:
    students: dict[str, list[Enrolled]] = {}
    name = Student.sourced_id if mapping.by_sourced_id else Student.number
    for number, id_, school, active in session.execute(
        select(name, Student.id, Student.school_id, Student.active)
    ):
        students.setdefault(number, []).append(Enrolled(id_, school, active))
    school_days: dict[int, set[date]] = {}
    for school, day, teaches in session.execute(
        select(CalendarDay.school_id, CalendarDay.day, CalendarDay.instructional)
    ):
        days = school_days.setdefault(school, set())
        if teaches:
            days.add(day)
    schools = {
        sourced_id: SchoolToday(id_, school_day(now, ZoneInfo(zone)))
        for sourced_id, id_, zone in session.execute(select(School.sourced_id, School.id, School.zone))
    }
    reading = Reading(file, mapping, schools, students, school_days, problems, through)
    reading.today = {school.id: school.today for school in schools.values()}
    return reading


def _figures(reading: Reading, skipped: AnyMapping[str, int]) -> dict[str, int]:
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


def _gone(reading: Reading, known_marks: AnyMapping[StudentDay, tuple[int, DayMark]]) -> list[StudentDay]:
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


def _current(session: Session, reading: Reading) -> dict[StudentDay, tuple[int, DayMark]]:
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
        (student, day): (id_, DayMark(school, status, excuse, code))
        for student, day, id_, school, status, excuse, code in rows
    }
