"""Where students stand: days enrolled and absent so far, rate, tier, streak, and truancy marks."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from bot.measures.tiers import Tier, tier
from bot.measures.years import Year, streak, truancy, years
from bot.store.tables import Excuse, Threshold


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
    return [_standing(year, day) for year in years(session, day, schools, students, first_days or {})]


def tiers_by_week(
    session: Session, day: date, through: Mapping[int, date | None]
) -> dict[tuple[int, date], Counter[Tier]]:
    """How many students stood in each tier, by school and the last school day of each week of the year.

    No week goes beyond the school's day of *through*, the last one whose marks are in. Who was not
    enrolled yet is counted nowhere.
    """
    found: dict[tuple[int, date], Counter[Tier]] = {}
    ends: dict[int, list[tuple[int, Counter[Tier]]]] = {}
    for year in years(session, day, None, None, {}):
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


def _standing(year: Year, day: date) -> Standing:
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
        streak=streak(year, year.through - 1),
        unexcused_in_month=sum(year.days[place].month == day.month for place in unexcused),
        truancy=tuple(
            TruancyMark(threshold, year.days[place], year.meeting_by(place))
            for threshold, place in truancy(year, unexcused)
        ),
    )
