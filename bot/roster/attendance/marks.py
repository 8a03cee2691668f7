"""The one form that every attendance file turns into, in the school's own ids (AT-6)."""

from dataclasses import dataclass, field
from datetime import date

from bot.roster.report import Problem
from bot.store.tables import Excuse, MarkStatus


@dataclass(frozen=True, slots=True)
class Mark:
    """What one row says of one student on one day.

    `student` and `school` are the file's own words, zeros kept; an empty school means that the file
    names none. `portion` is the missed part of the day, 0 to 1, or None where the file is silent.
    """

    line: int
    student: str
    school: str
    day: date
    state: MarkStatus
    excuse: Excuse
    portion: float | None
    code: str


@dataclass(frozen=True, slots=True)
class Held:
    """A row that nobody may guess at: what was known of this student stays, on `day` or on every day."""

    line: int
    student: str
    school: str
    day: date | None


@dataclass
class Marks:
    """A whole file, read. `skipped` counts rows that are left alone on purpose, by the reason.

    `unmapped` counts the rows whose code, state or excuse the mapping does not know: (which, as written).
    """

    file: str
    mapping: str
    rows: list[Mark | Held] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    unmapped: dict[tuple[str, str], int] = field(default_factory=dict)
    rows_read: int = 0

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
