"""Days as offices write their format: "MM/DD/YYYY" rather than a program's signs."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Longest first: MON before MM before M.
_PARTS = {
    "YYYY": r"(?P<year>[0-9]{4})",
    "MON": r"(?P<name>[A-Za-z]{3})",
    "MM": r"(?P<month>[0-9]{2})",
    "M": r"(?P<month>[0-9]{1,2})",
    "DD": r"(?P<day>[0-9]{2})",
    "D": r"(?P<day>[0-9]{1,2})",
    "hh": r"[0-9]{2}",
    "mm": r"[0-9]{2}",
    "ss": r"[0-9]{2}(?:\.[0-9]{1,9})?",
}
_EXAMPLE = {"YYYY": "2021", "MON": "AUG", "MM": "08", "M": "8", "DD": "23", "D": "23"}
_SPLIT = re.compile("|".join(_PARTS))


@dataclass(frozen=True)
class DayFormat:
    """One way to write a day: YYYY, MM or M or MON, DD or D; hh, mm and ss are read and left alone."""

    words: str

    def __post_init__(self) -> None:
        groups = self._pattern.groupindex.keys()
        if not {"year", "day"} <= groups or not groups & {"month", "name"}:
            raise ValueError(f"{self.words!r} is not a day such as YYYY-MM-DD or M/D/YYYY")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self._with(_PARTS, re.escape))
        except re.error:
            raise ValueError(f"{self.words!r} names a part of the day twice") from None

    def _with(self, parts: dict[str, str], keep: Callable[[str], str]) -> str:
        written, at = "", 0
        for found in _SPLIT.finditer(self.words):
            written += keep(self.words[at : found.start()]) + parts.get(found[0], "00")
            at = found.end()
        return written + keep(self.words[at:])

    @property
    def example(self) -> str:
        return self._with(_EXAMPLE, str)

    def read(self, written: str) -> date | None:
        found = self._pattern.fullmatch(written)
        if found is None:
            return None
        parts = found.groupdict()
        try:
            month = int(parts["month"]) if parts.get("month") else _MONTHS.index(parts["name"].lower()) + 1
            return date(int(parts["year"]), month, int(parts["day"]))
        except ValueError:
            return None
