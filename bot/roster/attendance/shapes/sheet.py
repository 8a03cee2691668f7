"""Rows of text under the names of a header: what every format becomes before anybody asks what it means.

Nothing is given a type here: a code T stays T and 007 stays 007 (AT-3).
"""

from collections.abc import Iterable
from dataclasses import dataclass


class OfNumber(str):
    """A value that a workbook holds as a number: its zeros in front are gone, if it had any (OR-14)."""

    __slots__ = ()


class OfDate(str):
    """A value that a workbook holds as a date, written as 2021-08-23."""

    __slots__ = ()


@dataclass(frozen=True)
class Sheet:
    """A file's header and its rows with their true lines. Rows may be read only once, and may be broken."""

    header: tuple[str, ...]
    rows: Iterable[tuple[int, list[str]]]


def same_name(name: str) -> str:
    """A column's name as it is compared: neither case nor blanks tell two columns apart."""
    return "".join(name.split()).casefold()
