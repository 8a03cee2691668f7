"""A report's table from its numbers: its sums, what a small group hides, and the list behind each number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from flask import url_for

from bot.reports.answers import Waits
from bot.reports.happened import Kind
from bot.reports.hiding import Place, hide
from bot.reports.span import Span
from bot.reports.whole import Whole
from bot.web.desk.report_shapes import HIDDEN, Cell, Table


@dataclass(frozen=True)
class Summing:
    """Makes single tables of one span; `show_all` shows groups of fewer than ten as well."""

    span: Span
    whole: Whole
    show_all: bool

    def happened(self, kind: Kind, caption: str, labels: Mapping[str, str]) -> Table:
        found = self.whole.happened[kind].by_school
        keys = [key for key in labels if any(each == key for each, _ in found)]
        schools = [school for school in self.span.schools if any(of == school.id for _, of in found)]
        return self.summed(
            f"{kind.value}s",
            caption,
            ("Outcome", *(school.name for school in schools), "All"),
            [labels[key] for key in keys],
            [[found.get((key, school.id), 0) for school in schools] for key in keys],
            lambda row, column: self.behind(
                kind.value, keys[row], school=schools[column].id if column < len(schools) else None
            ),
            total="All",
        )

    def summed(
        self,
        name: str,
        caption: str,
        head: tuple[str, ...],
        labels: Sequence[str],
        parts: Sequence[Sequence[int]],
        link: Callable[[int, int], str] = lambda _row, _column: "",
        *,
        total: str = "",
        hidden: frozenset[Place] | None = None,
        across: bool = True,
        summed_down: bool = True,
        newest_first: bool = False,
    ) -> Table:
        """A table with its sums; without any row it is empty, and the page says so."""
        if not parts:
            return Table(name, caption, head, ())
        if hidden is None:
            hidden = self.hidden(parts, down=summed_down)
        cells = _with_sums(parts)
        rows = []
        for row, line in enumerate(cells):
            last = row == len(parts)
            shown = [
                Cell(HIDDEN, secret=True)
                if (row, column) in hidden
                else Cell(f"{n:,}", n, link(row, column) if n and not last else "")
                for column, n in enumerate(line)
            ]
            if not across:
                shown = shown[:-1]
            rows.append((total if last else labels[row], tuple(shown)))
        body, foot = rows[:-1], rows[-1:] if summed_down else []
        return Table(
            name, caption, head, (*(body[::-1] if newest_first else body), *foot), summed=summed_down
        )

    def hidden(
        self, parts: Sequence[Sequence[int]], also: frozenset[Place] = frozenset(), *, down: bool = True
    ) -> frozenset[Place]:
        if self.show_all or not parts:
            return frozenset()
        if down:
            return hide(_with_sums(parts), also)
        # Where the rows are the same students week after week, no sum of a column is shown or means anything.
        found: set[Place] = set()
        for row, line in enumerate(parts):
            found |= {
                (row, column) for at, column in hide([[*line, sum(line)], [*line, sum(line)]]) if at == 0
            }
        return frozenset(found)

    def behind(self, what: str, key: str, *, school: int | None = None, week: date | None = None) -> str:
        asked = {
            "what": what,
            "key": key,
            "school": school,
            "week": week,
            "from": self.span.first,
            "to": self.span.last,
        }
        if school is None and len(self.span.schools) == 1:
            asked["school"] = self.span.schools[0].id
        return f"{url_for('desk.report_list')}?{urlencode({name: value for name, value in asked.items() if value})}"

    def waited(self, language: str, wait: Waits) -> tuple[Cell, ...]:
        cases = wait.answered + wait.waiting
        if 0 < cases < 10 and not self.show_all:
            return (Cell(HIDDEN, secret=True),) * 6
        lengths = (wait.median_office, wait.most_office, wait.median_wall, wait.most_wall)
        some = 0 < wait.waiting < 10 and not self.show_all
        if 0 < wait.answered < 10 and not self.show_all:
            lengths, some = (None, None, None, None), True
        return (
            Cell(str(cases), cases, self.behind("wait", language)),
            Cell(HIDDEN, secret=True) if some else Cell(str(wait.waiting), wait.waiting),
            *(Cell(_hours(length), _minutes(length)) for length in lengths),
        )


def _with_sums(parts: Sequence[Sequence[int]]) -> list[list[int]]:
    rows = [[*row, sum(row)] for row in parts]
    return [*rows, [sum(column) for column in zip(*rows, strict=True)]]


def sums_hidden(hidden: frozenset[Place], parts: Sequence[Sequence[int]]) -> set[int]:
    """The rows whose sum is hidden, the last row's among them."""
    width = len(parts[0]) if parts else 0
    return {row for row, column in hidden if column == width}


def _hours(length: timedelta | None) -> str:
    """Never in days: a day of office time is no day by the clock."""
    if length is None:
        return ""
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _minutes(length: timedelta | None) -> int | None:
    return None if length is None else round(length.total_seconds() / 60)
