"""What the files say against what the database holds, and when too much would go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bot.roster.report import Change, FileRefused

Key = TypeVar("Key")
Values = dict[str, Any]


@dataclass
class Difference(Generic[Key]):
    """Rows of one table by the school's own key. `removed` ones become inactive; their history stays."""

    added: dict[Key, Values] = field(default_factory=dict)
    changed: dict[Key, Values] = field(default_factory=dict)
    removed: list[Key] = field(default_factory=list)
    revived: int = 0

    @property
    def change(self) -> Change:
        """As an office counts: a row that comes back is an added one."""
        return Change(len(self.added) + self.revived, len(self.changed) - self.revived, len(self.removed))


def compare(
    known: Mapping[Key, Values],
    wanted: Mapping[Key, Values],
    *,
    stays: Callable[[Key], bool] = lambda _: False,
) -> Difference[Key]:
    """Compare by the columns that *wanted* names. A known row that is not wanted goes, unless it *stays*."""
    difference: Difference[Key] = Difference()
    for key, values in wanted.items():
        row = known.get(key)
        if row is None:
            difference.added[key] = values
        elif not row["active"]:
            difference.changed[key] = values
            difference.revived += 1
        elif any(row[column] != value for column, value in values.items()):
            difference.changed[key] = values
    difference.removed = [
        key for key, row in known.items() if row["active"] and key not in wanted and not stays(key)
    ]
    return difference


def refuse_mass_removal(
    file: str,
    what: str,
    known: Mapping[Key, Values],
    difference: Difference[Key],
    share: float,
    least: int = 0,
) -> None:
    """A half-written file looks like everybody leaving at once (OR-5).

    Raises FileRefused when more than *share* of the active rows, and more than *least* of them, would go.
    """
    active = sum(row["active"] for row in known.values())
    going = len(difference.removed)
    if going > least and going > active * share:
        raise FileRefused(
            f"{file}: {going} of {active} {what} are not in it any more, more than {share:.0%}; "
            "check that the export is whole; a person may approve the removal; nothing was changed"
        )
