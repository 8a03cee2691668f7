"""Repeating calendar events: the plain daily, weekly and yearly rules, followed up to a bound (CT-7)."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_READ = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"}
_MOST_STEPS = 20_000


class RuleNotRead(ValueError):
    """A rule that is not one of the plain ones; the message names the part that is not understood."""


def repeated(first: date, rule: Mapping[str, Any], before: date) -> Iterator[date]:
    """The days on which an event that begins on *first* begins again, earlier than *before*.

    Raises RuleNotRead rather than following half of a rule.
    """
    unknown = {str(part).upper() for part in rule} - _READ
    if unknown:
        raise RuleNotRead(f"its repetition rule has {', '.join(sorted(unknown))}, which is not read")
    last = _until(rule)
    most = _number(rule, "COUNT")
    for index, day in enumerate(_steps(first, rule)):
        if day >= before or (last and day > last) or (most and index >= most) or index >= _MOST_STEPS:
            return
        yield day


def _steps(first: date, rule: Mapping[str, Any]) -> Iterator[date]:
    frequency = str(_only(rule, "FREQ") or "").upper()
    interval = _number(rule, "INTERVAL") or 1
    weekdays = [str(weekday).upper() for weekday in rule.get("BYDAY", [])]
    if weekdays and frequency != "WEEKLY":
        raise RuleNotRead("its repetition rule names weekdays outside of weeks, which is not read")
    if frequency == "DAILY":
        return (first + timedelta(days=step * interval) for step in count())
    if frequency == "WEEKLY":
        return _weekly(first, interval, weekdays)
    if frequency == "YEARLY":
        return _yearly(first, interval)
    raise RuleNotRead(f"it repeats {frequency[:20] or 'without saying how often'}, which is not read")


def _weekly(first: date, interval: int, weekdays: list[str]) -> Iterator[date]:
    if not set(weekdays) <= set(_WEEKDAYS):
        raise RuleNotRead("its repetition rule counts weekdays, which is not read")
    at = sorted(_WEEKDAYS.index(weekday) for weekday in set(weekdays)) or [first.weekday()]
    monday = first - timedelta(days=first.weekday())
    days = (monday + timedelta(weeks=step * interval, days=weekday) for step in count() for weekday in at)
    return (day for day in days if day >= first)


def _yearly(first: date, interval: int) -> Iterator[date]:
    for year in range(first.year, date.max.year, interval):
        # 29 February is a day only every fourth year.
        if first.month != 2 or first.day != 29 or _is_leap(year):
            yield first.replace(year=year)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _only(rule: Mapping[str, Any], part: str) -> Any:
    values = rule.get(part, [])
    return values[0] if values else None


def _number(rule: Mapping[str, Any], part: str) -> int:
    value = _only(rule, part)
    if value is None:
        return 0
    if not isinstance(value, int) or not 0 < value <= _MOST_STEPS:
        raise RuleNotRead(f"its repetition rule has a {part} that cannot be")
    return value


def _until(rule: Mapping[str, Any]) -> date | None:
    last = _only(rule, "UNTIL")
    if last is None or isinstance(last, date):
        return last.date() if isinstance(last, datetime) else last
    raise RuleNotRead("its repetition rule ends on no date")
