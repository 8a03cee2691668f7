"""A sheet and its mapping become marks: what the mapping does not know is held, never guessed (AT-6)."""

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from bot.roster.attendance.mapping import Looks, Mapping, Meaning
from bot.roster.attendance.marks import Held, Mark, Marks
from bot.roster.attendance.shapes import OfDate, OfNumber, Sheet, same_name
from bot.roster.report import Problem
from bot.store.tables import Excuse, MarkStatus

LONGEST_CODE = 40
_LONGEST_VALUE = 255  # OR-2
_NEVER_EMPTY = ("day", "school", "student", "state")


# One row's cells by the mapping's own names of the columns.
Cells = dict[str, str]


class _Unread(Exception):
    """A row that cannot be read: the column, the value in it, what is wrong, and the way out."""

    def __init__(self, fact: str, *, column: str = "", value: str | None = None, mend: str = "") -> None:
        named = f"{column} " if value is None else f"{column} {str(value)[:40]!r} "
        super().__init__(f"{named if column else ''}{fact}{'; ' if mend else ''}{mend}")
        self.column = column
        self.value = (value or "")[:40]
        self.mend = mend or "correct the row and import the file again"
        # Which of code, state or excuse the mapping does not know, and what stands there.
        self.unmapped: tuple[str, str] | None = None


def read(file: str, sheet: Sheet, mapping: Mapping, problems: list[Problem]) -> Marks:
    """Every row of *sheet* as a mark, or held and named in the problems. Raises FileRefused for broken text."""
    reader = _Reader(mapping, sheet.header)
    marks = Marks(file, mapping.name, problems=problems)
    for line, values in sheet.rows:
        marks.rows_read += 1
        cells = reader.named(values)
        reason = reader.why_skipped(cells)
        if reason:
            marks.skip(reason)
            continue
        try:
            _refuse_too_long(values, len(sheet.header))
            marks.rows.append(reader.mark(line, cells))
        except _Unread as fault:
            said = f"{fault}; the row was left out"
            problems.append(Problem(file, line, said, fault.column, fault.value, fault.mend))
            if fault.unmapped:
                marks.unmapped[fault.unmapped] = marks.unmapped.get(fault.unmapped, 0) + 1
            marks.rows.append(reader.held(line, cells))
    return marks


def _short(code: str) -> str:
    """A code as it is kept: of an address such as uri://ed-fi.org/...#Tardy only its end (ED-1)."""
    return code.rpartition("#")[2] if "://" in code else str(code)


def _refuse_too_long(values: Sequence[str], width: int) -> None:
    if len(values) > width:
        raise _Unread(f"it has {len(values)} values where the header has {width}")


@dataclass
class _Reader:
    """One mapping laid over one header. A column that the file lacks reads as empty."""

    mapping: Mapping
    header: tuple[str, ...]
    at: dict[str, int] = field(init=False)
    days: dict[str, date | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = {same_name(column): index for index, column in reversed(list(enumerate(self.header)))}
        columns = {column for named in self.mapping.columns.values() for column in named}
        columns |= {*self.mapping.only, *self.mapping.only_filled, *self.mapping.unless_filled}
        self.at = {column: places[same_name(column)] for column in columns if same_name(column) in places}

    # --- cells

    def _column(self, name: str) -> str:
        """The file's column for one of the mapping's fields."""
        return self.mapping.columns[name][0] if name in self.mapping.columns else ""

    def named(self, cells: Sequence[str]) -> Cells:
        """The cells that the mapping speaks of, by column; inner line breaks and doubled blanks are gone."""
        row: Cells = {}
        for column, at in self.at.items():
            value = cells[at] if at < len(cells) else ""
            if type(value) is str:
                value = " ".join(value.split())
                value = "" if value in self.mapping.nulls else value
            row[column] = value
        return row

    def _field(self, cells: Cells, name: str) -> str:
        return cells.get(self._column(name), "")

    def why_skipped(self, cells: Cells) -> str:
        """Why this row is none of ours, such as a period's mark among the days' (AT-3, ED-4)."""
        for column, values in self.mapping.only.items():
            if cells.get(column, "") not in values:
                return f"rows of another {column}, left alone"
        if any(not cells.get(column, "") for column in self.mapping.only_filled):
            return "rows without a mark for the whole day, left alone"
        if any(cells.get(column, "") for column in self.mapping.unless_filled):
            return "rows of one period or section, left alone"
        if self.mapping.skips_no_day and not self._field(cells, "day"):
            return "rows without a day, left alone"
        return ""

    # --- one row

    def mark(self, line: int, cells: Cells) -> Mark:
        self._refuse_spoiled(cells)
        day = self._day(cells)
        student = self._id(cells, "student", self.mapping.student_looks)
        school = self._school(self._id(cells, "school", self.mapping.school_looks))
        code = _short(self._field(cells, "code"))
        if len(code) > LONGEST_CODE:
            raise _Unread(
                f"has {len(code)} characters; expected at most {LONGEST_CODE}", column=self._column("code")
            )
        portion = self._portion(cells)
        state, excuse = self._said(cells, school, day, portion)
        return Mark(line, student, school, day, state, excuse, portion, code)

    def held(self, line: int, cells: Cells) -> Held:
        """Whom and which day an unreadable row is about, as far as it can be told."""
        day, school = None, ""
        try:
            day = self._day(cells)
            school = self._school(self._id(cells, "school", self.mapping.school_looks))
        except _Unread:
            day = None
        try:
            student = self._id(cells, "student", self.mapping.student_looks)
        except _Unread:
            student = self._field(cells, "student")
        return Held(line, student, school, day)

    def _refuse_spoiled(self, cells: Cells) -> None:
        for name in _NEVER_EMPTY:
            if name in self.mapping.columns and not self._field(cells, name) and self._must_be_filled(name):
                raise _Unread("is empty", column=self._column(name))
        for column, value in cells.items():
            if len(value) > _LONGEST_VALUE:
                raise _Unread(
                    f"has {len(value)} characters; expected at most {_LONGEST_VALUE}", column=column
                )

    def _must_be_filled(self, name: str) -> bool:
        return not (name == "state" and "" in self.mapping.states)

    def _day(self, cells: Cells) -> date:
        written = self._field(cells, "day")
        if isinstance(written, OfDate):
            return date.fromisoformat(written)
        if written not in self.days:
            # Kept, so that a year's file reads each of its days once. Two answers are none: 1/05 (OR-13).
            read = {form.read(written) for form in self.mapping.days} - {None}
            self.days[written] = read.pop() if len(read) == 1 else None
        day = self.days[written]
        if day is None:
            raise _Unread(
                f"is not a date such as {self.mapping.days[0].example}",
                column=self._column("day"),
                value=written,
            )
        return day

    def _id(self, cells: Cells, name: str, looks: Looks) -> str:
        """An id as text. A workbook's number becomes one only where the mapping says how it looks (OR-14)."""
        written = self._field(cells, name)
        if looks.width and written.isascii() and written.isdigit():
            if len(written) > looks.width:
                fact = f"has {len(written)} digits; expected {looks.width}"
                raise _Unread(fact, column=self._column(name), value=written)
            return str(written.zfill(looks.width))
        counts = isinstance(written, OfNumber) and looks.digits and written.isdigit()
        if isinstance(written, (OfNumber, OfDate)) and not counts:
            raise _Unread(
                "is a number or date in the workbook, which loses zeros in front",
                column=self._column(name),
                value=written,
                mend=f"make that column text, or say {name}.width or {name}.digits in mapping {self.mapping.name}",
            )
        return str(written)

    def _school(self, written: str) -> str:
        return self.mapping.schools.get(written, written)

    def _portion(self, cells: Cells) -> float | None:
        written = self._field(cells, "portion")
        if not written:
            return None
        try:
            portion = float(written)
        except ValueError:
            portion = -1.0
        if not 0 <= portion <= 1:
            raise _Unread("is not a part of a day from 0 to 1", column=self._column("portion"), value=written)
        return portion

    # --- what it says

    def _said(self, cells: Cells, school: str, day: date, portion: float | None) -> tuple[MarkStatus, Excuse]:
        mapping, columns = self.mapping, self.mapping.columns
        excuse: Excuse | None = None
        if "absent" in columns:
            state, excuse = self._flags(cells)
        elif "state" in columns and mapping.states:
            state = self._state(cells)
        else:
            meaning = self._meaning(cells, school, day)
            state, excuse = meaning.state, meaning.excuse
        if excuse is None:
            excuse = self._excuse(cells)
        if state is MarkStatus.ABSENT and portion is not None and 0 < portion < mapping.full_day_from:
            state = MarkStatus.PARTIAL
        return state, excuse

    def _state(self, cells: Cells) -> MarkStatus:
        written = self._field(cells, "state")
        states = self.mapping.states
        if written not in states:
            raise self._unmapped("state", written, list(states))
        return states[written]

    def _excuse(self, cells: Cells) -> Excuse:
        if not self.mapping.excuses or "excuse" not in self.mapping.columns:
            return Excuse.UNKNOWN
        written = self._field(cells, "excuse")
        found = self.mapping.excuses.get(written, self.mapping.excuse_otherwise)
        if found is None:
            raise self._unmapped("excuse", written, list(self.mapping.excuses))
        return found

    def _meaning(self, cells: Cells, school: str, day: date) -> Meaning:
        written = self._field(cells, "code")
        codes = self._codes(school, day)
        if written not in codes:
            raise self._unmapped("code", written, list(codes))
        return codes[written]

    def _codes(self, school: str, day: date) -> AnyMapping[str, Meaning]:
        """The school's own list for that day, else the general one: a code may differ by school and year."""
        lists = [some for some in self.mapping.codes_at if some.first <= day <= some.last]
        for owner in (school, ""):
            for some in lists:
                if some.school == owner:
                    return some.codes
        return self.mapping.codes

    def _flags(self, cells: Cells) -> tuple[MarkStatus, Excuse | None]:
        """Yes and no in columns of their own, for the day or for each half of it."""
        absent = self._flag(cells, "absent")
        excused = self._flag(cells, "excused") if "excused" in self.mapping.columns else ()
        excuse = None
        if excused:
            # A missed half that nobody has explained leaves the day unexplained.
            missed = [half for half, flag in enumerate(absent) if flag] or [0]
            explained = all(excused[half] for half in missed if half < len(excused))
            excuse = Excuse.EXCUSED if explained else Excuse.UNEXCUSED
        if any(absent):
            # Who missed the second half alone was there in the morning.
            return (MarkStatus.ABSENT if absent[0] else MarkStatus.PARTIAL), excuse
        if any(self._flag(cells, "tardy")):
            return MarkStatus.TARDY, excuse
        if any(self._flag(cells, "left_early")):
            return MarkStatus.EARLY_DEPARTURE, excuse
        return MarkStatus.PRESENT, Excuse.UNKNOWN

    def _flag(self, cells: Cells, name: str) -> tuple[bool, ...]:
        read = []
        for column in self.mapping.columns.get(name, ()):
            written = cells.get(column, "")
            if written not in self.mapping.true and written not in self.mapping.false:
                spelt = ", ".join(
                    value or "(empty)" for value in sorted({*self.mapping.true, *self.mapping.false})
                )
                raise _Unread(
                    f"is none of {spelt}",
                    column=column,
                    value=written,
                    mend=f"add it to mapping {self.mapping.name}",
                )
            read.append(written in self.mapping.true)
        return tuple(read)

    def _unmapped(self, name: str, written: str, known: list[str]) -> _Unread:
        listed = (
            ", ".join(code or "(empty)" for code in known[:12]) or "the codes it knows, for it has none yet"
        )
        fault = _Unread(
            f"is none of {listed}",
            column=self._column(name),
            value=written,
            mend=f"say in mapping {self.mapping.name} what it means",
        )
        if len(written) <= LONGEST_CODE:
            fault.unmapped = (name, str(written))
        return fault
