"""One line of the table, and how a figure is taken: contestants in turn, the middle of the rounds."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_HEADINGS = ("what", "database", "ours", "limit", "ratio", "wanted", "holds")


@dataclass(frozen=True)
class Row:
    """What was measured beside what. `ratio` is ours to the limit, both from the same run."""

    what: str
    database: str
    ours: str
    limit: str
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool | None:
        """None where nothing is wanted: a figure to know, not to keep."""
        if self.ratio is None or (self.at_least is None and self.at_most is None):
            return None
        enough = self.at_least is None or self.ratio >= self.at_least
        return enough and (self.at_most is None or self.ratio <= self.at_most)

    def cells(self) -> tuple[str, ...]:
        wanted = ""
        if self.at_least is not None:
            wanted = f">= {self.at_least:g}"
        elif self.at_most is not None:
            wanted = f"<= {self.at_most:g}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        holds = {None: "", True: "yes", False: "no"}[self.holds]
        return self.what, self.database, self.ours, self.limit, ratio, wanted, holds


def plain(rows: list[Row]) -> str:
    """The table for a terminal."""
    table = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(cells[n]) for cells in table) for n in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    )


def markdown(rows: list[Row]) -> str:
    """The table for docs/benchmarks.md."""
    lines = ["| " + " | ".join(_HEADINGS) + " |", "|---|---|--:|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines)


def in_turn(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Each contestant once a round, and the middle of its rounds: the machine's own speed moves."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            taken[name].append(measure())
    return {name: statistics.median(figures) for name, figures in taken.items()}


def seconds(work: Callable[[], object]) -> Callable[[], float]:
    """*work* as a contestant that says how long it took."""

    def measure() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return measure
