"""Days enrolled and absent so far: rates, chronic absence, tiers, streaks, and Connecticut's truancy marks.

A school day is one that the calendar of the student's school teaches on (CT-4); a school year begins on
1 July (OR-8). Everything here is for staff. None of it belongs in a family's text (promise 9).
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, or_, select, true
from sqlalchemy.orm import Session

from bot.store.session import insert_unless_there
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Excuse,
    MarkStatus,
    School,
    Student,
    Threshold,
    ThresholdRaised,
)

# Connecticut's marks: unexcused absences in one calendar month, and in one school year (LAW-52).
_IN_A_MONTH = 4
_IN_A_YEAR = 10
_MEETING_WITHIN = 10  # school days after either mark
_IN_A_ROW = 3

# One absence in the first week is a rate of twenty percent. Until so many days nobody is sent for.
_DAYS_BEFORE_A_RATE_SPEAKS = 20


class Tier(StrEnum):
    """How much of school a student misses, in Attendance Works' words."""

    SATISFACTORY = "satisfactory"
    AT_RISK = "at_risk"
    MODERATE = "moderate"
    SEVERE = "severe"

    @property
    def label(self) -> str:
        """As staff read it: "at risk"."""
        return self.value.replace("_", " ")


# From which percent of the days enrolled so far; whole numbers, so that a tenth is exactly a tenth.
_FROM_PERCENT = {Tier.SEVERE: 20, Tier.MODERATE: 10, Tier.AT_RISK: 5}
_TIERS = list(Tier)

# Rising to a tier is told once a year; who has reached a higher one is past the lower ones too.
_RUNGS = {Tier.AT_RISK: Threshold.AT_RISK, Tier.MODERATE: Threshold.CHRONIC, Tier.SEVERE: Threshold.SEVERE}


def tier(absent: int, enrolled: int) -> Tier:
    """The tier of so many days absent of so many days enrolled; without an absence it is the first."""
    for found, percent in _FROM_PERCENT.items():
        if absent and absent * 100 >= percent * enrolled:
            return found
    return Tier.SATISFACTORY


def in_tier(
    wanted: Tier, absent: SQLColumnExpression[int], enrolled: SQLColumnExpression[int]
) -> ColumnElement[bool]:
    """The same as a condition, for those who were enrolled at all."""
    above = [
        percent for found, percent in _FROM_PERCENT.items() if _TIERS.index(found) > _TIERS.index(wanted)
    ]
    below = and_(true(), *(or_(absent == 0, absent * 100 < percent * enrolled) for percent in above))
    if wanted is Tier.SATISFACTORY:
        return and_(enrolled > 0, below)
    return and_(enrolled > 0, absent > 0, absent * 100 >= _FROM_PERCENT[wanted] * enrolled, below)


@dataclass(frozen=True, slots=True)
class TruancyMark:
    """Four unexcused absences in a month or ten in a year, and by when the school meets the parent.

    `meeting_by` is the tenth school day after; None when the calendar ends before it.
    """

    threshold: Threshold
    reached_on: date
    meeting_by: date | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one student stands in a school year, up to and including `day`; everything in school days.

    Only an absence of the whole day counts: who came late or left early was in attendance, and an exempt
    absence is none. An absence that nobody has explained yet is unexcused (LAW-52).

    The truancy marks are a count, not a finding: the law speaks of ages 5 to 18, which staff know.
    """

    student_id: int
    school_id: int
    day: date
    enrolled: int
    excused: int
    unexcused: int
    disciplinary: int
    streak: int  # absent so many school days in a row, the last of them the newest one up to `day`
    unexcused_in_month: int
    truancy: tuple[TruancyMark, ...]  # in the order in which they were reached, all of the year

    @property
    def absent(self) -> int:
        return self.excused + self.unexcused + self.disciplinary

    @property
    def rate(self) -> float:
        """The part of the days enrolled so far that was missed, 0 to 1."""
        return self.absent / self.enrolled if self.enrolled else 0.0

    @property
    def tier(self) -> Tier:
        return tier(self.absent, self.enrolled)

    @property
    def chronic(self) -> bool:
        """Whether a tenth or more of the days enrolled so far was missed, for any reason (LAW-52)."""
        return self.tier in (Tier.MODERATE, Tier.SEVERE)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A student has come to a threshold on a school day. `period` is in what it is told only once.

    That is the school year ("2022"), the month ("2021-10") or the first day of the streak.
    """

    student_id: int
    school_id: int
    threshold: Threshold
    period: str
    reached_on: date
    meeting_by: date | None = None

    @property
    def key(self) -> tuple[int, Threshold, str]:
        return self.student_id, self.threshold, self.period


def school_year(day: date) -> int:
    """The school year of *day*, by the year in which it ends (OR-8)."""
    return day.year + (day.month >= 7)


def standings(
    session: Session,
    day: date,
    *,
    schools: Collection[int] | None = None,
    students: Collection[int] | None = None,
    first_days: Mapping[int, date] | None = None,
) -> list[Standing]:
    """Where every active student stands on *day*, by id; of *schools* or *students* only, if given.

    A student is enrolled from *first_days*, else since the roster says, else from the school's first day
    of the year. The calendar
    of the school where the student goes now is the measure: a mark on a day it does not teach, such as
    those on a weekend (ED-3), counts nowhere, so that nobody is absent more days than enrolled.
    """
    return [_standing(year, day) for year in _years(session, day, schools, students, first_days or {})]


def tiers_by_week(
    session: Session, day: date, through: Mapping[int, date | None]
) -> dict[tuple[int, date], Counter[Tier]]:
    """How many students stood in each tier, by school and the last school day of each week of the year.

    No week goes beyond the school's day of *through*, the last one whose marks are in. Who was not
    enrolled yet is counted nowhere.
    """
    found: dict[tuple[int, date], Counter[Tier]] = {}
    ends: dict[int, list[tuple[int, Counter[Tier]]]] = {}
    for year in _years(session, day, None, None, {}):
        last = through.get(year.school_id)
        if last is None:
            continue
        if year.school_id not in ends:
            by_week = {
                taught.isocalendar()[:2]: place for place, taught in enumerate(year.days) if taught <= last
            }
            ends[year.school_id] = [
                (place, found.setdefault((year.school_id, year.days[place]), Counter()))
                for place in by_week.values()
            ]
        absences = sorted(year.absences)
        for place, counts in ends[year.school_id]:
            if place >= year.first:
                counts[tier(bisect_right(absences, place), year.enrolled(place + 1))] += 1
    return found


def crossed(
    session: Session,
    day: date,
    *,
    since: date | None = None,
    schools: Collection[int] | None = None,
    first_days: Mapping[int, date] | None = None,
) -> list[Crossing]:
    """What students have come to on *day*, or on any day from *since* on, as the marks stand now.

    A mark corrected on Thursday may make Tuesday the day: ask for some days back, and let raise_once
    drop what was told. A rate crosses only upward, to the highest tier it reaches, and speaks from the
    twentieth day enrolled on; on that day everybody above a tier comes to it.
    """
    return [
        crossing
        for year in _years(session, day, schools, None, first_days or {})
        for crossing in sorted(_crossings(year, since or day), key=lambda crossing: crossing.reached_on)
    ]


def raise_once(session: Session, crossings: Collection[Crossing], now: datetime) -> list[Crossing]:
    """Keep that these were told, and return those that were not before: the key decides among processes.

    What was told stays told when a mark is corrected later. A tier is told no more in a year in which a
    higher one was.
    """
    reached: dict[tuple[int, Threshold, str], date] = {}
    for crossing in crossings:
        for threshold in _up_to(crossing.threshold):
            reached.setdefault((crossing.student_id, threshold, crossing.period), crossing.reached_on)
    if not reached:
        return []
    insertion = insert_unless_there(session, ThresholdRaised, ("student_id", "threshold", "period"), {})
    rows = session.execute(
        insertion.returning(ThresholdRaised.student_id, ThresholdRaised.threshold, ThresholdRaised.period),
        [
            {
                "student_id": student,
                "threshold": threshold,
                "period": period,
                "reached_on": reached[student, threshold, period],
                "raised_at": now,
            }
            # In one order everywhere, so that two processes wait for each other and never in a circle.
            for student, threshold, period in sorted(reached)
        ],
    )
    new = {(student, threshold, period) for student, threshold, period in rows}
    told = []
    for crossing in crossings:
        if crossing.key in new:
            new.remove(crossing.key)
            told.append(crossing)
    return told


def _up_to(threshold: Threshold) -> list[Threshold]:
    rungs = list(_RUNGS.values())
    return rungs[: rungs.index(threshold) + 1] if threshold in rungs else [threshold]


# --- one student's year -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Year:
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


def _years(
    session: Session,
    day: date,
    schools: Collection[int] | None,
    students: Collection[int] | None,
    first_days: Mapping[int, date],
) -> Iterator[_Year]:
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
        student: _Year(
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


def _standing(year: _Year, day: date) -> Standing:
    excuses = Counter(year.absences.values())
    unexcused = year.unexcused
    return Standing(
        student_id=year.student_id,
        school_id=year.school_id,
        day=day,
        enrolled=year.enrolled(year.through),
        excused=excuses[Excuse.EXCUSED],
        unexcused=len(unexcused),
        disciplinary=excuses[Excuse.DISCIPLINARY],
        streak=_streak(year, year.through - 1),
        unexcused_in_month=sum(year.days[place].month == day.month for place in unexcused),
        truancy=tuple(
            TruancyMark(threshold, year.days[place], year.meeting_by(place))
            for threshold, place in _truancy(year, unexcused)
        ),
    )


def _streak(year: _Year, last: int) -> int:
    """How many school days in a row up to the place *last* the student was absent: no weekend ends it."""
    place = last
    while place in year.absences:
        place -= 1
    return last - place


def _truancy(year: _Year, unexcused: list[int]) -> Iterator[tuple[Threshold, int]]:
    """The marks of the year and the places at which they were reached, in order."""
    months: Counter[int] = Counter()  # a school year has each month once
    for count, place in enumerate(unexcused, 1):
        month = year.days[place].month
        months[month] += 1
        if months[month] == _IN_A_MONTH:
            yield Threshold.FOUR_IN_A_MONTH, place
        if count == _IN_A_YEAR:
            yield Threshold.TEN_IN_A_YEAR, place


def _crossings(year: _Year, since: date) -> Iterator[Crossing]:
    opens = max(year.first, bisect_left(year.days, since))

    def crossing(threshold: Threshold, place: int, period: str, meeting_by: date | None = None) -> Crossing:
        return Crossing(year.student_id, year.school_id, threshold, period, year.days[place], meeting_by)

    for threshold, place in _truancy(year, year.unexcused):
        if place >= opens:
            day = year.days[place]
            period = f"{day:%Y-%m}" if threshold is Threshold.FOUR_IN_A_MONTH else str(school_year(day))
            yield crossing(threshold, place, period, year.meeting_by(place))
    for place in year.absences:
        if place >= opens and _streak(year, place) == _IN_A_ROW:
            yield crossing(Threshold.THREE_IN_A_ROW, place, year.days[place - _IN_A_ROW + 1].isoformat())
    for place, risen in _rises(year, opens):
        yield crossing(_RUNGS[risen], place, str(school_year(year.days[place])))


def _rises(year: _Year, opens: int) -> Iterator[tuple[int, Tier]]:
    """Each place from *opens* on at which the student's rate came to a higher tier, and to which."""
    if not year.absences:
        return
    absences = sorted(year.absences)
    speaks = year.first + _DAYS_BEFORE_A_RATE_SPEAKS - 1
    # A rate rises on a day of absence only, or is heard for the first time.
    for place in sorted({*year.absences, speaks}):
        if not max(opens, speaks) <= place < year.through:
            continue
        absent = bisect_right(absences, place)
        found = tier(absent, year.enrolled(place + 1))
        before = tier(absent - (place in year.absences), year.enrolled(place))
        if place == speaks:
            before = Tier.SATISFACTORY
        if _TIERS.index(found) > _TIERS.index(before):
            yield place, found
