"""A school year as months of weekdays: which have school, and why another has none."""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time

from bot.attendance import PlannedDay
from bot.closings import Change
from bot.store.tables import DayChange

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri")


@dataclass(frozen=True)
class Cell:
    """One weekday of a month. `mark` is its class on the page, `said` what a reader hears of it."""

    day: date | None
    mark: str = ""
    said: str = ""
    is_today: bool = False


@dataclass(frozen=True)
class Month:
    name: str
    weeks: Sequence[Sequence[Cell]]
    reasons: Sequence[str]
    taught: int


def months(planned: Sequence[PlannedDay], said: Sequence[Change], today: date) -> list[Month]:
    """The months that have school days, each with its weeks and why a day is not like the others."""
    by_month: dict[tuple[int, int], list[PlannedDay]] = defaultdict(list)
    for one in planned:
        by_month[one.day.year, one.day.month].append(one)
    holding: dict[date, list[Change]] = defaultdict(list)
    for change in said:
        if change.withdrawn_at is None:
            holding[change.day].append(change)
    return [_month(year, month, days, holding, today) for (year, month), days in sorted(by_month.items())]


def _month(
    year: int,
    month: int,
    planned: Sequence[PlannedDay],
    holding: dict[date, list[Change]],
    today: date,
) -> Month:
    known = {one.day: one for one in planned}
    cells: dict[date, Cell] = {}
    reasons: list[tuple[date, str]] = []
    for number in range(1, monthrange(year, month)[1] + 1):
        day = date(year, month, number)
        mark, why = _mark(known.get(day), holding.get(day, []))
        cells[day] = Cell(day, mark, why or _SAID[mark], day == today)
        if why:
            reasons.append((day, why))
    weekdays = [day for day in cells if day.weekday() < len(WEEKDAYS)]
    weeks: list[list[Cell]] = []
    for day in weekdays:
        if not weeks or day.weekday() == 0:
            weeks.append([Cell(None)] * (day.weekday() if not weeks else 0))
        weeks[-1].append(cells[day])
    taught = sum(cell.mark in _TAUGHT for cell in cells.values())
    return Month(f"{date(year, month, 1):%B %Y}", weeks, _joined(reasons), taught)


_TAUGHT = frozenset({"taught", "late", "early"})
_SAID = {
    "taught": "school",
    "late": "",
    "early": "",
    "closed": "no school",
    "none": "not in a term",
    "person": "",
}


def _mark(planned: PlannedDay | None, said: Sequence[Change]) -> tuple[str, str]:
    if planned is None:
        return "none", ""
    if not planned.instructional:
        return "closed", planned.summary or "no school"
    by_kind = {change.kind: change for change in said}
    if closed := by_kind.get(DayChange.CLOSED):
        return "person", f"no school ({closed.reason})"
    if late := by_kind.get(DayChange.OPENS_LATE):
        return "late", f"opens late, families asked at {wall(late.at_time)} ({late.reason})"
    if early := by_kind.get(DayChange.ENDS_EARLY):
        return "early", f"ends at {wall(early.at_time)} ({early.reason})"
    return "taught", ""


def _joined(reasons: Sequence[tuple[date, str]]) -> list[str]:
    """Weekdays in a row with one reason are one line: "22 to 26: Thanksgiving"."""
    lines: list[tuple[date, date, str]] = []
    for day, why in reasons:
        if lines and lines[-1][2] == why and not _weekday_between(lines[-1][1], day):
            lines[-1] = (lines[-1][0], day, why)
        else:
            lines.append((day, day, why))
    return [
        f"{first.day} to {last.day}: {why}" if first != last else f"{first.day}: {why}"
        for first, last, why in lines
    ]


def _weekday_between(first: date, last: date) -> bool:
    gap = range(first.toordinal() + 1, last.toordinal())
    return any(date.fromordinal(day).weekday() < len(WEEKDAYS) for day in gap)


def wall(at: time | None) -> str:
    """A wall time as people say it: 11:30 AM."""
    return f"{at.hour % 12 or 12}:{at:%M} {'AM' if at.hour < 12 else 'PM'}" if at else ""
