"""The months of the calendar page: which days share a line."""

from datetime import date

from bot.attendance import PlannedDay
from bot.web.desk.months import months


def _closed(*days: int) -> list[PlannedDay]:
    closed = {date(2021, 9, day) for day in days}
    every = [day for day in (date(2021, 9, number) for number in range(1, 31)) if day.weekday() < 5]
    return [PlannedDay(1, day, day not in closed, "No school" if day in closed else "") for day in every]


def test_days_off_with_school_between_them_are_not_said_as_one_stretch() -> None:
    (month,) = months(_closed(6, 10, 27), [], date(2021, 9, 1))
    assert month.reasons == ["6: No school", "10: No school", "27: No school"]


def test_days_off_in_a_row_are_one_line_over_a_weekend_too() -> None:
    (month,) = months(_closed(9, 10, 13, 14), [], date(2021, 9, 1))
    assert month.reasons == ["9 to 14: No school"]
