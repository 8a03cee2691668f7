"""A student's school year as a strip of small squares: a column for each week, a row for each weekday."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bot.casework.year import DaySeen

_STEP = 14
_TOP = 16
_NAME = 26  # what a month's name needs

SAID = {
    DaySeen.PRESENT: "at school",
    DaySeen.EXCUSED: "absent, excused",
    DaySeen.UNEXCUSED: "absent, not excused",
    DaySeen.DISCIPLINARY: "absent, disciplinary",
    DaySeen.NOT_ENROLLED: "not enrolled yet",
}


@dataclass(frozen=True)
class Cell:
    """One school day: its place in the drawing, what it was, and the sentence for who points at it."""

    x: int
    y: int
    kind: str
    title: str


@dataclass(frozen=True)
class Strip:
    """`absences` say by month what the squares show, for everybody who does not look at them."""

    width: int
    height: int
    cells: Sequence[Cell]
    months: Sequence[tuple[int, str]]
    absences: Sequence[tuple[str, Sequence[str]]]


def drawn(days: Sequence[tuple[date, DaySeen]]) -> Strip:
    """The strip of these days, which are in order."""
    if not days:
        return Strip(0, 0, (), (), ())
    first = days[0][0] - timedelta(days=days[0][0].weekday())
    cells: list[Cell] = []
    months: list[tuple[int, str]] = []
    for day, kind in days:
        x = (day - first).days // 7 * _STEP
        if not months or months[-1][1] != f"{day:%b}":
            if months and x - months[-1][0] < _NAME:
                months.pop()  # a month of a week or two has no room for its name
            months.append((x, f"{day:%b}"))
        cells.append(
            Cell(x, _TOP + day.weekday() * _STEP, kind.value, f"{day:%a}, {day:%b} {day.day}: {SAID[kind]}")
        )
    rows = max(day.weekday() for day, _ in days) + 1
    width = max(cell.x for cell in cells) + _STEP
    return Strip(width, _TOP + rows * _STEP, cells, months, _absences(days))


def _absences(days: Iterable[tuple[date, DaySeen]]) -> list[tuple[str, list[str]]]:
    by_month: dict[str, list[str]] = {}
    for day, kind in days:
        if kind not in (DaySeen.PRESENT, DaySeen.NOT_ENROLLED):
            by_month.setdefault(f"{day:%B} {day.year}", []).append(
                f"{day:%a} {day.day} ({SAID[kind].removeprefix('absent, ')})"
            )
    return list(by_month.items())
