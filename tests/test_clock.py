"""School days, wall times and windows, on ordinary days and on the two odd ones (CT-1 to CT-3)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot import clock
from bot.clock import Window, instant, narrower, school_day, starting_at

HARTFORD = ZoneInfo("America/New_York")
ZONES = [
    HARTFORD,
    *map(ZoneInfo, ("America/Puerto_Rico", "America/Phoenix", "Pacific/Honolulu", "Asia/Kolkata")),
]
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
# From 3:00 on: the hour before may be missing, and no district's window lies in it.
walls = st.times(time(3)).map(lambda wall: wall.replace(microsecond=0))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    opens, closes = sorted(draw(st.tuples(walls, walls).filter(lambda pair: pair[0] != pair[1])))
    return Window(opens, closes, draw(st.sampled_from(ZONES)))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_now_is_aware_and_in_utc() -> None:
    """CT-1."""
    assert clock.now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("America/New_York", utc(2021, 10, 23, 0, 30), date(2021, 10, 22)),
        ("America/New_York", utc(2021, 10, 23, 3, 59), date(2021, 10, 22)),
        ("America/New_York", utc(2021, 10, 23, 4, 0), date(2021, 10, 23)),
        ("America/New_York", utc(2021, 12, 23, 4, 59), date(2021, 12, 22)),
        ("America/Puerto_Rico", utc(2021, 12, 23, 4, 0), date(2021, 12, 23)),
        ("Pacific/Honolulu", utc(2021, 10, 23, 9, 59), date(2021, 10, 22)),
    ],
)
def test_today_is_the_schools_date(zone: str, moment: datetime, day: date) -> None:
    """CT-3: at 20:30 in Hartford it is already tomorrow in UTC."""
    assert school_day(moment, ZoneInfo(zone)) == day


def test_a_moment_of_any_zone_has_the_schools_date() -> None:
    tokyo = datetime(2021, 10, 23, 10, 0, tzinfo=ZoneInfo("Asia/Tokyo"))

    assert school_day(tokyo, HARTFORD) == date(2021, 10, 22)


@pytest.mark.parametrize(
    ("day", "wall", "moment"),
    [
        (date(2026, 1, 15), time(9, 30), utc(2026, 1, 15, 14, 30)),
        (date(2026, 7, 15), time(9, 30), utc(2026, 7, 15, 13, 30)),
        (SPRING, time(1, 59), utc(2026, 3, 8, 6, 59)),
        (SPRING, time(2, 30), utc(2026, 3, 8, 7, 30)),  # does not exist: the later, 3:30
        (SPRING, time(3, 0), utc(2026, 3, 8, 7, 0)),
        (SPRING, time(8, 0), utc(2026, 3, 8, 12, 0)),
        (AUTUMN, time(0, 59), utc(2026, 11, 1, 4, 59)),
        (AUTUMN, time(1, 30), utc(2026, 11, 1, 5, 30)),  # happens twice: the first
        (AUTUMN, time(1, 30, fold=1), utc(2026, 11, 1, 5, 30)),
        (AUTUMN, time(2, 0), utc(2026, 11, 1, 7, 0)),
        (AUTUMN, time(8, 0), utc(2026, 11, 1, 13, 0)),
    ],
)
def test_a_wall_time_is_the_instant_of_its_own_day(day: date, wall: time, moment: datetime) -> None:
    """CT-2: a missing time moves to the later one, a doubled one means its first occurrence."""
    found = instant(day, wall, HARTFORD)

    assert found == moment
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2026, 5, 4), 24)])
def test_a_day_is_as_long_as_it_is(day: date, hours: int) -> None:
    """CT-2: never twelve hours added to a wall time."""
    start, end = instant(day, time(0), HARTFORD), instant(day + timedelta(days=1), time(0), HARTFORD)

    assert end - start == timedelta(hours=hours)


@pytest.mark.parametrize("day", [SPRING, AUTUMN, date(2026, 5, 4)])
def test_a_window_opens_and_closes_by_the_schools_clock_on_every_day(day: date) -> None:
    window = Window(time(8), time(18), HARTFORD)
    opens, closes = window.on(day)

    for moment, inside in (
        (opens - timedelta(microseconds=1), False),
        (opens, True),
        (closes - timedelta(microseconds=1), True),
        (closes, False),
    ):
        assert window.contains(moment) is inside
    assert opens.astimezone(HARTFORD).time() == time(8)
    assert closes.astimezone(HARTFORD).time() == time(18)


def test_a_window_around_the_doubled_hour_closes_once() -> None:
    window = Window(time(1), time(2), HARTFORD)

    first, second = utc(2026, 11, 1, 5, 30), utc(2026, 11, 1, 6, 30)  # both are 1:30 in Hartford

    assert window.contains(first)
    assert window.contains(second)
    assert not window.contains(utc(2026, 11, 1, 7, 0))


def test_an_evening_in_hartford_waits_for_the_next_morning_there() -> None:
    window = Window(time(8), time(18), HARTFORD)

    assert window.next_opening(utc(2021, 10, 22, 22, 0)) == utc(2021, 10, 23, 12, 0)
    assert window.next_opening(utc(2021, 10, 23, 2, 0)) == utc(2021, 10, 23, 12, 0)
    assert window.next_opening(utc(2021, 10, 22, 11, 59)) == utc(2021, 10, 22, 12, 0)
    assert window.next_opening(utc(2021, 10, 22, 15, 0)) == utc(2021, 10, 22, 15, 0)
    assert window.next_opening(utc(2026, 3, 7, 23, 30)) == utc(2026, 3, 8, 12, 0)  # summer time by then
    assert window.next_opening(utc(2026, 10, 31, 22, 30)) == utc(2026, 11, 1, 13, 0)


@given(window=windows(), moment=moments)
@example(Window(time(8), time(18), HARTFORD), utc(2026, 3, 8, 6, 59))
@example(Window(time(3), time(23, 59), HARTFORD), utc(2026, 11, 1, 4, 30))
def test_a_text_that_waits_for_the_window_finds_it_open(window: Window, moment: datetime) -> None:
    """Promise 4: whatever the day, the next opening is now or later, and the window is open then."""
    opening = window.next_opening(moment)

    assert opening >= moment
    assert opening - moment < timedelta(days=2)
    assert window.contains(opening)
    assert window.contains(moment) is (opening == moment)


@given(first=windows(), second=windows(), moment=moments)
def test_the_narrower_window_is_open_when_both_are(first: Window, second: Window, moment: datetime) -> None:
    second = Window(second.opens, second.closes, first.zone)

    both = narrower(first, second)

    assert both.contains(moment) is (first.contains(moment) and second.contains(moment))


def test_a_clock_that_starts_elsewhere_runs_on_at_the_same_pace() -> None:
    morning = datetime(2021, 10, 22, 9, 30, tzinfo=HARTFORD)

    demo = starting_at(morning)
    before, at, after = clock.now(), demo(), clock.now()

    assert at.utcoffset() == timedelta(0)
    assert timedelta(0) <= at - morning < timedelta(seconds=5)
    assert timedelta(0) <= (demo() - at) <= clock.now() - before
    assert before <= after
