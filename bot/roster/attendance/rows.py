"""Each row of the file against what the database knows: whose it is, of which school and day, or why not."""

from dataclasses import dataclass, field
from datetime import date

from bot.roster.attendance.mapping import Mapping
from bot.roster.attendance.marks import Held, Mark
from bot.roster.report import Problem
from bot.store.tables import Excuse, MarkStatus

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
class DayMark:
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
class Enrolled:
    id: int
    school_id: int
    active: bool


@dataclass(frozen=True)
class SchoolToday:
    id: int
    today: date


@dataclass
class Reading:
    """One file against what the database knows. What it says cannot be read of `unread` and `unsure`."""

    file: str
    mapping: Mapping
    schools: dict[str, SchoolToday]
    students: dict[str, list[Enrolled]]
    school_days: dict[int, set[date]]
    problems: list[Problem]
    through: date | None
    marks: dict[StudentDay, DayMark] = field(default_factory=dict)
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


# --- one row ------------------------------------------------------------------------------------------------


def read_row(reading: Reading, row: Mark | Held) -> None:
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
    _keep(reading, row, (student.id, row.day), DayMark(school, row.state, row.excuse, row.code))


def _school(reading: Reading, row: Mark | Held) -> int | None:
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


def _unsure(reading: Reading, row: Mark | Held) -> None:
    reading.unsure |= {student.id for student in reading.students.get(row.student, [])}


def _to_come(reading: Reading, school: int, day: date) -> bool:
    """Whether *day* is still to come at that school: some systems write such rows ahead (AT-2)."""
    if not reading.mapping.skips_future or day <= reading.today[school]:
        return False
    reading.future_rows += 1
    return True


def _cover(reading: Reading, school: int, day: date) -> None:
    reading.covered_schools.add(school)
    reading.covered_days.add(day)


def _student(reading: Reading, row: Mark | Held, school: int | None) -> Enrolled | None:
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


def _keep(reading: Reading, row: Mark, key: StudentDay, mark: DayMark) -> None:
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


def hold_back(reading: Reading) -> None:
    """Call nobody absent of whom another row of that day could not be read: it may say that the student came."""
    for key in reading.unread:
        if key in reading.marks and not reading.marks[key].came:
            del reading.marks[key]


def _note_no_school_day(reading: Reading, row: Mark, school: int, day: date) -> None:
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
