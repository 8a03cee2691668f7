"""One student's school year by places: which days were missed, streaks, and when a truancy mark was reached."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from bot.store.tables import AttendanceMark, CalendarDay, Excuse, MarkStatus, School, Student, Threshold

# Connecticut's marks: unexcused absences in one calendar month, and in one school year (LAW-52).
_IN_A_MONTH = 4
_IN_A_YEAR = 10
_MEETING_WITHIN = 10  # school days after either mark


def school_year(day: date) -> int:
    """The school year of *day*, by the year in which it ends (OR-8)."""
    return day.year + (day.month >= 7)


@dataclass(frozen=True, slots=True)
class Year:
    """A student's school year by places: 0 is the school's first day, `first` the student's own.

    `through` is how many school days there were up to the day asked for; `absences` are before it.
    """

    student_id: int
    school_id: int
    days: list[date]
    first: int
    through: int
    absences: dict[int, Excuse]

    @property
    def unexcused(self) -> list[int]:
        """The places of the absences that the office has not excused, in order."""
        return sorted(place for place, excuse in self.absences.items() if excuse in _UNEXCUSED)

    def enrolled(self, through: int) -> int:
        return max(0, through - self.first)

    def meeting_by(self, place: int) -> date | None:
        by = place + _MEETING_WITHIN
        return self.days[by] if by < len(self.days) else None


# Nobody has explained it to the office: until somebody does it is as good as unexcused.
_UNEXCUSED = frozenset({Excuse.UNEXCUSED, Excuse.UNKNOWN})


def years(
    session: Session,
    day: date,
    schools: Collection[int] | None,
    students: Collection[int] | None,
    first_days: Mapping[int, date],
) -> Iterator[Year]:
    """The year of every student up to *day*, by three queries whatever the size of the district."""
    begins, ends = date(school_year(day) - 1, 7, 1), date(school_year(day), 6, 30)
    wanted: list[ColumnElement[bool]] = [Student.active.is_(True), School.active.is_(True)]
    if schools is not None:
        wanted.append(Student.school_id.in_(schools))
    if students is not None:
        wanted.append(Student.id.in_(students))
    days: dict[int, list[date]] = {}
    for school, taught in session.execute(
        select(CalendarDay.school_id, CalendarDay.day)
        .where(CalendarDay.day.between(begins, ends), CalendarDay.teaches)
        .order_by(CalendarDay.day)
    ):
        days.setdefault(school, []).append(taught)
    places = {school: {taught: place for place, taught in enumerate(some)} for school, some in days.items()}
    through = {school: bisect_right(some, day) for school, some in days.items()}
    years = {
        student: Year(
            student,
            school,
            days.get(school, []),
            bisect_left(days.get(school, []), first_days.get(student) or enrolled_from or begins),
            through.get(school, 0),
            {},
        )
        for student, school, enrolled_from in session.execute(
            select(Student.id, Student.school_id, Student.enrolled_from)
            .join(School, School.id == Student.school_id)
            .where(*wanted)
            .order_by(Student.id)
        )
    }
    for student, marked, excuse in session.execute(
        select(AttendanceMark.student_id, AttendanceMark.day, AttendanceMark.excuse)
        .join(Student, Student.id == AttendanceMark.student_id)
        .join(School, School.id == Student.school_id)
        .where(
            *wanted,
            AttendanceMark.day.between(begins, day),
            AttendanceMark.superseded_at.is_(None),
            AttendanceMark.status == MarkStatus.ABSENT,
            AttendanceMark.excuse != Excuse.EXEMPT,
        )
    ):
        year = years[student]
        place = places.get(year.school_id, {}).get(marked)
        if place is not None and place >= year.first:
            year.absences[place] = excuse
    yield from years.values()


def streak(year: Year, last: int) -> int:
    """How many school days in a row up to the place *last* the student was absent: no weekend ends it."""
    place = last
    while place in year.absences:
        place -= 1
    return last - place


def truancy(year: Year, unexcused: list[int]) -> Iterator[tuple[Threshold, int]]:
    """The marks of the year and the places at which they were reached, in order."""
    months: Counter[int] = Counter()  # a school year has each month once
    for count, place in enumerate(unexcused, 1):
        month = year.days[place].month
        months[month] += 1
        if months[month] == _IN_A_MONTH:
            yield Threshold.FOUR_IN_A_MONTH, place
        if count == _IN_A_YEAR:
            yield Threshold.TEN_IN_A_YEAR, place
