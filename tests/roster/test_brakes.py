"""The brakes before a morning: each stops just beyond its limit, and its sentence names thing, fact and way out (AT-8)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from bot.roster.brakes import Facts, Reason, SchoolMorning, brakes

TODAY = date(2021, 9, 1)
MADE = datetime(2021, 9, 1, 12, 40, tzinfo=UTC)
NORTH = SchoolMorning(
    1, "North School", enrolled=400, absent=20, teaches=True, in_file=True, usual=(18, 20, 22)
)
CALM = Facts(
    "attendance.csv",
    TODAY,
    {TODAY},
    MADE,
    MADE - timedelta(hours=1),
    (NORTH, replace(NORTH, id=2, name="South School")),
)


def of(facts: Facts) -> list[tuple[Reason, int | None]]:
    return [(brake.reason, brake.school_id) for brake in brakes(facts)]


def north(**changed: object) -> Facts:
    school = SchoolMorning(**{**vars(NORTH), **changed})
    return replace(CALM, schools=(school, *CALM.schools[1:]))


def test_an_ordinary_morning_goes_on() -> None:
    assert brakes(CALM) == []
    assert brakes(replace(CALM, last_made_at=None)) == []


@pytest.mark.parametrize("days", [set(), {TODAY - timedelta(days=1)}, {TODAY + timedelta(days=1)}])
def test_a_file_without_today_is_not_todays(days: set[date]) -> None:
    [brake] = brakes(replace(CALM, days=days))
    assert brake.reason is Reason.NOT_TODAYS
    assert brake.school_id is None
    assert brake.sentence.startswith("attendance.csv has no row for today, 2021-09-01; ")
    assert brake.sentence.endswith("Export today's file, or approve that nobody is absent.")
    assert brakes(replace(CALM, days={*days, TODAY})) == []


def test_a_file_written_before_the_last_one_is_stale() -> None:
    assert of(replace(CALM, last_made_at=MADE)) == []
    [brake] = brakes(replace(CALM, last_made_at=MADE + timedelta(seconds=60)))
    assert brake.reason is Reason.STALE
    assert brake.sentence == (
        "attendance.csv was written at 12:40 UTC, before the last file of today, written at 12:41 UTC. "
        "Export it again, or approve the older one."
    )


def test_absences_on_a_day_without_school_stop_that_school() -> None:
    assert of(north(teaches=False)) == [(Reason.NO_SCHOOL_DAY, 1)]
    assert of(north(teaches=False, absent=0, in_file=False)) == []


@pytest.mark.parametrize(("absent", "stops"), [(100, False), (101, True)])
def test_more_than_a_quarter_absent_stops_a_school(absent: int, stops: bool) -> None:
    found = brakes(north(absent=absent, usual=()))
    assert [brake.reason for brake in found] == [Reason.NEARLY_ALL_ABSENT] * stops
    if stops:
        assert "North School has 101 of 400 students absent (25%)" in found[0].sentence


def test_a_school_without_students_that_has_absences_stops() -> None:
    assert of(north(enrolled=0, absent=1)) == [(Reason.NEARLY_ALL_ABSENT, 1)]


@pytest.mark.parametrize(("absent", "stops"), [(60, False), (61, True)])
def test_more_than_three_times_the_usual_stops_a_school(absent: int, stops: bool) -> None:
    found = brakes(north(absent=absent))
    assert [brake.reason for brake in found] == [Reason.MORE_THAN_USUAL] * stops
    if stops:
        assert "the middle was 20. More than 3 times that is rarely true. Ask the school" in found[0].sentence


def test_only_the_last_twenty_school_days_are_usual() -> None:
    assert of(north(absent=61, usual=(20,) * 20 + (60,) * 40)) == [(Reason.MORE_THAN_USUAL, 1)]


@pytest.mark.parametrize(("absent", "stops"), [(9, False), (10, True)])
def test_a_small_school_is_not_stopped_for_a_handful(absent: int, stops: bool) -> None:
    assert of(north(absent=absent, usual=(1, 1, 0))) == [(Reason.MORE_THAN_USUAL, 1)] * stops


def test_a_school_that_the_file_does_not_name_stops() -> None:
    [brake] = brakes(north(in_file=False, absent=0))
    assert brake.reason is Reason.SCHOOL_MISSING
    assert "North School has 400 students and no row in attendance.csv." in brake.sentence
    assert of(north(in_file=False, absent=0, enrolled=0)) == []


def test_the_files_brakes_come_first_and_every_schools_own_follow() -> None:
    facts = replace(CALM, days=(), schools=tuple(replace(some, absent=300) for some in CALM.schools))
    assert of(facts) == [
        (Reason.NOT_TODAYS, None),
        (Reason.NEARLY_ALL_ABSENT, 1),
        (Reason.NEARLY_ALL_ABSENT, 2),
    ]
