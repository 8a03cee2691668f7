"""The day a student is said to return: a few words a language, and numeric dates, from *today*.

Kept small on purpose: the day is read back to the family ("Back on Thursday 26 Nov?"), so a rare
form may be missed, but no form may be taken for a date that is none.
"""

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bot.language import Language

_NEAR = 7  # words between "back" and the day
_ORDINAL = re.compile(r"(\d{1,2})(st|nd|rd|th|go|ego|o|a|ro|er|to|he|го|числа)")
_SLASHED = re.compile(r"\b(\d{1,2})\s?[/.\-]\s?(\d{1,2})(?:\s?[/.\-]\s?(\d{4}|\d{2}))?\b")
_CHINESE_DAY = re.compile(r"(?:(\d{1,2})月)?(\d{1,2})[号日]")


@dataclass(frozen=True, slots=True)
class _Named:
    """A day named by the words from *first* to before *last*."""

    day: date
    first: int
    last: int


def named_day(
    forms: Sequence[str],
    returns: Sequence[tuple[int, int]],
    words: Mapping[str, str],
    today: date,
) -> date | None:
    """The day nearest after words of returning (else before them); None when neither is there.

    *returns* are the places of the words of returning; *words* maps a language's date words to
    `day N`, `weekday N`, `next weekday N`, `week N`, `month N`, `the` (a word before a bare number).
    """
    if not returns:
        return None
    days = _days(forms, words, today) + _ordinals(forms, today)
    best: tuple[int, date] | None = None
    for first, last in returns:
        for named in days:
            distance = named.first - last if named.first >= first else (first - named.last) + _NEAR // 2
            if -_NEAR <= distance <= _NEAR and named.day >= today and (best is None or distance < best[0]):
                best = (distance, named.day)
    return best[1] if best else None


def _days(forms: Sequence[str], words: Mapping[str, str], today: date) -> list[_Named]:
    found: list[_Named] = []
    longest = max((len(key.split()) for key in words), default=0)
    at = 0
    while at < len(forms):
        for size in range(min(longest, len(forms) - at), 0, -1):
            meaning = words.get(" ".join(forms[at : at + size]))
            if meaning is None:
                continue
            day, used = _meant(meaning, forms, at, size, words, today)
            if day is not None:
                found.append(_Named(day, at - used, at + size + used))
            at += size - 1
            break
        at += 1
    return found


def _meant(
    meaning: str, forms: Sequence[str], at: int, size: int, words: Mapping[str, str], today: date
) -> tuple[date | None, int]:
    kind, _, number = meaning.rpartition(" ")
    if kind == "day":
        return today + timedelta(days=int(number)), 0
    if kind == "weekday":
        return _weekday(int(number), today), 0
    if kind == "next weekday":
        monday = today - timedelta(days=today.weekday())
        return monday + timedelta(days=7 + int(number)), 0
    if kind == "week":
        monday = today - timedelta(days=today.weekday())
        return monday + timedelta(days=7 * int(number)), 0
    if kind == "month":
        for place in (at + size, at - 1, at - 2, at + size + 1):
            day = _number(forms[place]) if 0 <= place < len(forms) else None
            if day:
                return _on(int(number), day, today), 1
        return None, 0
    if meaning == "the" and at + size < len(forms):
        after = forms[at + size]
        following = [words.get(form, "") for form in forms[at + size + 1 : at + size + 3]]
        told_apart = any(one == "hour" or one.startswith("month ") for one in following)
        if (day := _number(after)) and not told_apart:
            return _of_month(day, today), 1
    return None, 0


def _ordinals(forms: Sequence[str], today: date) -> list[_Named]:
    found: list[_Named] = []
    for at, form in enumerate(forms):
        ordinal = _ORDINAL.fullmatch(form)
        if ordinal and (day := _of_month(int(ordinal.group(1)), today)):
            found.append(_Named(day, at, at + 1))
    return found


def slashed_day(text: str, language: Language | None, today: date) -> date | None:
    """A date in figures: "12/3", "8.01", "1月8日", "8号"; month first in English, day first elsewhere.

    Families of US schools write both orders in any language: a number over 12 settles it.
    """
    if chinese := _CHINESE_DAY.search(text):
        month, day = chinese.groups()
        return _on(int(month), int(day), today) if month else _of_month(int(day), today)
    match = _SLASHED.search(text)
    if not match:
        return None
    first, second = int(match.group(1)), int(match.group(2))
    month_first = language in {Language.ENGLISH, None}
    orders = [(first, second), (second, first)] if month_first else [(second, first), (first, second)]
    for month, day in orders:
        if 1 <= month <= 12 and (found := _on(month, day, today)):
            return found
    return None


def _weekday(number: int, today: date) -> date:
    return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)


def _number(form: str) -> int | None:
    digits = _ORDINAL.fullmatch(form)
    form = digits.group(1) if digits else form
    return int(form) if form.isdecimal() and len(form) <= 2 and 1 <= int(form) <= 31 else None


def _on(month: int, day: int, today: date) -> date | None:
    """That day of this year, or of the next when it is past."""
    for year in (today.year, today.year + 1):
        if 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]:
            found = date(year, month, day)
            if found >= today:
                return found
    return None


def _of_month(day: int, today: date) -> date | None:
    """The next day of that number: this month's, else the next month's that has it."""
    year, month = today.year, today.month
    for _ in range(3):
        if 1 <= day <= monthrange(year, month)[1] and date(year, month, day) > today:
            return date(year, month, day)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return None
