"""What must stop a morning until a person has looked: facts about a file and its schools, no database (AT-8)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from statistics import median

LARGEST_SHARE = 0.25
MOST_TIMES_THE_MEDIAN = 3
DAYS_OF_THE_MEDIAN = 20
# Three absent students of a kindergarten are three times its median of one, or half of it, and no reason to stop.
_FEWEST_ABSENT = 10


class Reason(StrEnum):
    NOT_TODAYS = "not_todays"
    STALE = "stale"
    NO_SCHOOL_DAY = "no_school_day"
    NEARLY_ALL_ABSENT = "nearly_all_absent"
    MORE_THAN_USUAL = "more_than_usual"
    SCHOOL_MISSING = "school_missing"


@dataclass(frozen=True)
class SchoolMorning:
    """One school on the day of the file. `usual` are its absences of the school days before, newest first."""

    id: int
    name: str
    enrolled: int
    absent: int
    teaches: bool
    in_file: bool
    usual: tuple[int, ...] = ()


@dataclass(frozen=True)
class Facts:
    """A file about to be acted on. `made_at`: when it was written; `last_made_at`: the last one applied for today.

    With `now` and `stale_after` a file that was written longer ago than that is stale as well.
    """

    file: str
    today: date
    days: Collection[date]
    made_at: datetime
    last_made_at: datetime | None
    schools: tuple[SchoolMorning, ...]
    now: datetime | None = None
    stale_after: timedelta | None = None


@dataclass(frozen=True)
class Brake:
    """Why nobody is texted yet: the whole district, or one school. The sentence is for staff."""

    reason: Reason
    sentence: str
    school_id: int | None = None


def brakes(facts: Facts) -> list[Brake]:
    """Every reason to wait, the whole file's first; an empty list means go on."""
    found = _of_the_file(facts)
    for school in facts.schools:
        found += _of_a_school(facts, school)
    return found


def _of_the_file(facts: Facts) -> list[Brake]:
    found = []
    if facts.today not in facts.days:
        newest = f"its newest day is {max(facts.days)}" if facts.days else "it names no day"
        sentence = (
            f"{facts.file} has no row for today, {facts.today}; {newest}. "
            "Export today's file, or approve that nobody is absent."
        )
        found.append(Brake(Reason.NOT_TODAYS, sentence))
    if facts.last_made_at is not None and facts.made_at < facts.last_made_at:
        sentence = (
            f"{facts.file} was written at {facts.made_at:%H:%M} UTC, before the last file of today, written at "
            f"{facts.last_made_at:%H:%M} UTC. Export it again, or approve the older one."
        )
        found.append(Brake(Reason.STALE, sentence))
    elif facts.now is not None and facts.stale_after is not None:
        age = facts.now - facts.made_at
        if age > facts.stale_after:
            limit = facts.stale_after // timedelta(minutes=1)
            sentence = (
                f"{facts.file} was written at {facts.made_at:%Y-%m-%d %H:%M} UTC, more than {limit} minutes ago; "
                "somebody may have come since. Export it again, or approve the old one."
            )
            found.append(Brake(Reason.STALE, sentence))
    return found


def _of_a_school(facts: Facts, school: SchoolMorning) -> list[Brake]:
    if not school.teaches:
        if not school.absent:
            return []
        sentence = (
            f"{school.name} has {school.absent} absent students on {facts.today}, which is no school day there. "
            "Correct the calendar or the file."
        )
        return [Brake(Reason.NO_SCHOOL_DAY, sentence, school.id)]
    if not school.in_file and school.enrolled:
        sentence = (
            f"{school.name} has {school.enrolled} students and no row in {facts.file}. "
            "Export it with that school, or approve that nobody is absent there."
        )
        return [Brake(Reason.SCHOOL_MISSING, sentence, school.id)]
    brake = _too_many(school)
    return [brake] if brake else []


def _too_many(school: SchoolMorning) -> Brake | None:
    """A substitute who took no attendance, or a closed school, looks like everyone absent."""
    way_out = "Ask the school whether attendance was taken, then approve or send a new file."
    a_handful = school.enrolled and school.absent < _FEWEST_ABSENT
    if school.absent > LARGEST_SHARE * school.enrolled and not a_handful:
        share = f"{school.absent / school.enrolled:.0%}" if school.enrolled else "all"
        sentence = (
            f"{school.name} has {school.absent} of {school.enrolled} students absent ({share}); "
            f"more than {LARGEST_SHARE:.0%} is rarely true. {way_out}"
        )
        return Brake(Reason.NEARLY_ALL_ABSENT, sentence, school.id)
    usual = school.usual[:DAYS_OF_THE_MEDIAN]
    if usual and school.absent >= _FEWEST_ABSENT and school.absent > MOST_TIMES_THE_MEDIAN * median(usual):
        sentence = (
            f"{school.name} has {school.absent} students absent; on its last {len(usual)} school days the middle "
            f"was {median(usual):g}. More than {MOST_TIMES_THE_MEDIAN} times that is rarely true. {way_out}"
        )
        return Brake(Reason.MORE_THAN_USUAL, sentence, school.id)
    return None
