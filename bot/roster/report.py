"""What an import says of itself: the file it refused, the rows it left out, and what it changed."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bot.errors import PresenteError


class FileRefused(PresenteError):
    """A broken or dangerous file: the message names it, the fact and the way out. Nothing was changed."""


@dataclass(frozen=True, order=True)
class Problem:
    """A line of a file that a person should look at. `reason` never holds a name or a full phone number.

    `column`, `value` and `mend` are for the report file: where to look, what stands there (never a
    password; of a number the last four digits), and what to do about it.
    """

    file: str
    line: int
    reason: str
    column: str = field(default="", compare=False)
    value: str = field(default="", compare=False)
    mend: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}"


@dataclass(frozen=True)
class Change:
    """How many rows of one table an import added (or revived), changed and removed (or made inactive)."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        return f"{self.added} added, {self.changed} changed, {self.removed} removed"


@dataclass(frozen=True)
class Coverage:
    """How many active students have at least one guardian who can be texted (OR-10)."""

    students: int
    reachable: int

    def __str__(self) -> str:
        share = f" ({self.reachable / self.students:.1%})" if self.students else ""
        return f"{self.reachable} of {self.students} students{share} have a guardian who can be texted"


@dataclass
class Report:
    """What one import read, changed and left out. `figures` are counts for a person, by their name."""

    kind: str
    file_name: str
    rows_read: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    coverage: Coverage | None = None

    @property
    def changed_nothing(self) -> bool:
        return not any(self.changes.values())

    def lines(self) -> list[str]:
        """The report as the command line prints it."""
        written = [f"{self.file_name}: {self.rows_read} rows read"]
        if self.changed_nothing:
            written.append("nothing changed")
        else:
            written += [
                f"{table.replace('_', ' ')}: {change}" for table, change in self.changes.items() if change
            ]
        written += [f"{name}: {count}" for name, count in self.figures.items()]
        if self.coverage:
            written.append(str(self.coverage))
        if self.problems:
            written.append(f"{len(self.problems)} lines need a person's eye:")
            written += [f"  {problem}" for problem in sorted(self.problems)]
        return written

    def as_csv(self) -> str:
        """Every problem on a line of its own, for a spreadsheet that takes none of it for a formula (OR-14)."""
        page = io.StringIO(newline="")
        writer = csv.writer(page)
        writer.writerow(("file", "line", "column", "value", "what is wrong", "what to do"))
        for one in sorted(self.problems):
            row = (one.file, str(one.line), one.column, one.value, one.reason, one.mend)
            writer.writerow([_no_formula(cell) for cell in row])
        return page.getvalue()


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


# A file that is wrong on every line says so a thousand times, and then how many more.
_MOST_KEPT = 1000


def summary(report: Report, rows_read: int, problems: Iterable[Problem]) -> dict[str, Any]:
    """What the imports table keeps of one file: its own rows and problems, and what the import changed."""
    told = [str(problem) for problem in problems]
    if len(told) > _MOST_KEPT:
        told[_MOST_KEPT:] = [f"and {len(told) - _MOST_KEPT} more"]
    return {
        "rows_read": rows_read,
        "changes": {table: vars(change) for table, change in report.changes.items()},
        "problems": told,
    }
