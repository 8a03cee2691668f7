"""What students have come to on a day: a higher tier, a truancy mark, three days in a row; told once."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from bot.measures.tiers import TIERS, Tier, tier
from bot.measures.years import Year, school_year, streak, truancy, years
from bot.store.session import insert_unless_there
from bot.store.tables import Threshold, ThresholdRaised

_IN_A_ROW = 3

# One absence in the first week is a rate of twenty percent. Until so many days nobody is sent for.
_DAYS_BEFORE_A_RATE_SPEAKS = 20

# Rising to a tier is told once a year; who has reached a higher one is past the lower ones too.
_RUNGS = {Tier.AT_RISK: Threshold.AT_RISK, Tier.MODERATE: Threshold.CHRONIC, Tier.SEVERE: Threshold.SEVERE}


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
        for year in years(session, day, schools, None, first_days or {})
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


def _crossings(year: Year, since: date) -> Iterator[Crossing]:
    opens = max(year.first, bisect_left(year.days, since))

    def crossing(threshold: Threshold, place: int, period: str, meeting_by: date | None = None) -> Crossing:
        return Crossing(year.student_id, year.school_id, threshold, period, year.days[place], meeting_by)

    for threshold, place in truancy(year, year.unexcused):
        if place >= opens:
            day = year.days[place]
            period = f"{day:%Y-%m}" if threshold is Threshold.FOUR_IN_A_MONTH else str(school_year(day))
            yield crossing(threshold, place, period, year.meeting_by(place))
    for place in year.absences:
        if place >= opens and streak(year, place) == _IN_A_ROW:
            yield crossing(Threshold.THREE_IN_A_ROW, place, year.days[place - _IN_A_ROW + 1].isoformat())
    for place, risen in _rises(year, opens):
        yield crossing(_RUNGS[risen], place, str(school_year(year.days[place])))


def _rises(year: Year, opens: int) -> Iterator[tuple[int, Tier]]:
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
        if TIERS.index(found) > TIERS.index(before):
            yield place, found
