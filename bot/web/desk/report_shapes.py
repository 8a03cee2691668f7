"""What a report is made of on the page, on paper and in a file: sections, tables, cells, charts."""

from dataclasses import dataclass

from bot.export import Cell as FileCell

# One word for both kinds: a number of any size may be hidden because it would give a small one away.
HIDDEN = "hidden"


@dataclass(frozen=True)
class Cell:
    """One number as it is read. A secret one has neither its value nor a list."""

    shown: str
    value: FileCell = None
    link: str = ""
    secret: bool = False


@dataclass(frozen=True)
class Table:
    """*name* is its place in an address and in a workbook; the last row of *rows* is the sum where `summed`."""

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    summed: bool = False

    @property
    def for_file(self) -> list[list[FileCell]]:
        return [
            [label, *(HIDDEN if cell.secret else cell.value for cell in cells)] for label, cells in self.rows
        ]


@dataclass(frozen=True)
class Bar:
    """One bar of a chart: which part of the whole it is, 0 to 1; None where the number is hidden."""

    label: str
    part: float | None
    said: str


@dataclass(frozen=True)
class Stack:
    """One week of a chart: the parts of the tiers, in order; none where a number is hidden."""

    label: str
    parts: tuple[tuple[str, float], ...]
    said: str


@dataclass(frozen=True)
class Report:
    """One section. `means` says what is counted, beside the numbers."""

    name: str
    title: str
    means: str
    tables: tuple[Table, ...]
    bars: tuple[Bar, ...] = ()
    bars_title: str = ""
    stacks: tuple[Stack, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(table.rows for table in self.tables)
