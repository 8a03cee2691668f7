"""Dates as school systems write them: read where they can mean one day only, else not at all."""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

_WITH_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


def iso_date(written: str) -> date | None:
    """Read 2021-08-23 and nothing else: 1/05/2023 could be two days (OR-13)."""
    try:
        return date.fromisoformat(written) if len(written) == 10 else None
    except ValueError:
        return None


def day_first(column: Iterable[str]) -> bool | None:
    """Whether a column of slashed dates writes the day first: told by one such as 15/06/2023.

    None when no date tells, or when two of them tell different things.
    """
    told = set()
    for written in column:
        if "/" in written and (match := _SLASHED.fullmatch(written)):
            first, second = int(match[1]), int(match[2])
            if (first > 12) != (second > 12):
                told.add(first > 12)
    return told.pop() if len(told) == 1 else None


@lru_cache(maxsize=4096)
def read_date(written: str, day_first: bool | None = None) -> date | None:
    """Read 2021-08-23, 2017-05-06 08:01:05, or 15/06/2023.

    1/05/2023 is read only when its column has told whether the day comes first. None for anything else.
    """
    if match := _WITH_TIME.fullmatch(written):
        written = match[1]
    if match := _SLASHED.fullmatch(written):
        first, second, year = int(match[1]), int(match[2]), int(match[3])
        if day_first is None:
            if first <= 12 and second <= 12 and first != second:
                return None
            day_first = first > 12
        day, month = (first, second) if day_first else (second, first)
        try:
            return date(year, month, day)
        except ValueError:
            return None
    return iso_date(written)
