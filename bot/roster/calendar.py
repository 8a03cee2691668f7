"""The calendar file: which days the school is closed, out of iCalendar events (RFC 5545, CT-7 to CT-9)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar

from bot.roster.encodings import decode
from bot.roster.records import Closures
from bot.roster.recurrence import RuleNotRead, repeated
from bot.roster.report import FileRefused, Problem

_LONGEST_CLOSURE = 200

# What a title must say so that an event of some hours closes a school, and what keeps one from it (CT-9).
_CLOSING = re.compile(
    r"\bno (school|classes)\b|\bclosed\b|\bholiday|\brecess\b|\bvacation\b|\bbreak\b", re.IGNORECASE
)
_FOR_SOME = re.compile(
    r"1/2|½|\b(half|early|delay(ed)?|dismissal|dismissed|grades?|make-?up|late (start|opening|arrival))\b",
    re.IGNORECASE,
)
_NO_CLOSURE = re.compile(
    r"\b(night|evening|concert|picture|spirit|fair|game|practice|exams?|tests?|testing|report cards?|"
    r"registration|orientation|field trip|assembly|first day|last day|begins?|starts?|resumes?|ends?)\b",
    re.IGNORECASE,
)

# The parts of an event that decide on which days it falls; a fault in another does no harm.
_DECIDING = {"DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RECURRENCE-ID", "STATUS", "SEQUENCE"}


class _EventNotRead(ValueError):
    """Why nobody can say on which days an event falls."""


@dataclass(frozen=True)
class _Event:
    """One VEVENT, and the line of the file on which it begins."""

    line: int
    source: Any

    @property
    def uid(self) -> str:
        """Events without an id are each their own."""
        return str(self.source.get("UID", f"none, {id(self.source)}"))

    @property
    def title(self) -> str:
        return " ".join(str(self.source.get("SUMMARY", "")).split())

    @property
    def cancelled(self) -> bool:
        return str(self.source.get("STATUS", "")).upper() == "CANCELLED"

    @property
    def sequence(self) -> int:
        written = str(self.source.get("SEQUENCE", "0"))
        return int(written) if written.isascii() and written.isdigit() else 0

    def closes(self, *, whole_days: bool) -> bool:
        """Whether an event of this title closes the school; a whole-day one does unless it says otherwise."""
        if _FOR_SOME.search(self.title):
            return False
        return bool(_CLOSING.search(self.title)) or (whole_days and not _NO_CLOSURE.search(self.title))


def read_closures(
    name: str, raw: bytes, zone: ZoneInfo, teaching: set[date], problems: list[Problem]
) -> Closures:
    """The days without school in a calendar file; *teaching* are the weekdays of all terms.

    Raises FileRefused for a file that does not parse or holds no event: a broken file must never
    become "no closures" (CT-8).
    """
    events = _parse(name, decode(name, raw, problems))
    closures = Closures(rows_read=len(events))
    events, moved = _newest(events, zone)
    before = max(teaching, default=date.min) + timedelta(days=1)
    for event in events:
        if event.cancelled:
            continue
        try:
            days, whole_days = _days(event, zone, before, moved.get(event.uid, set()))
        except (_EventNotRead, RuleNotRead, OverflowError) as fault:
            closures.complete = False
            reason = f"{fault}; the event was left out, and no day that was closed is opened by this file"
            problems.append(Problem(name, event.line, reason))
            continue
        if event.closes(whole_days=whole_days):
            for day in days:
                closures.days.setdefault(day, event.title)
        elif not teaching.isdisjoint(days):
            reason = (
                f'"{event.title[:60]}" may not close the school for everyone all day; it stays a school day'
            )
            problems.append(Problem(name, event.line, reason))
    return closures


def _parse(name: str, text: str) -> list[_Event]:
    try:
        sources = Calendar.from_ical(text).walk("VEVENT")
    except Exception as fault:  # noqa: BLE001 - the parser lets anything through, AttributeError too (CT-8)
        raise FileRefused(
            f"{name} cannot be read as a calendar ({type(fault).__name__}); export it again; "
            "the last good calendar is kept; nothing was changed"
        ) from None
    if not sources:
        raise FileRefused(f"{name} holds no event; the last good calendar is kept; nothing was changed")
    lines = re.split(r"\r\n|\r|\n", text)
    begins = [number for number, line in enumerate(lines, 1) if line.strip().upper() == "BEGIN:VEVENT"]
    if len(begins) != len(sources):  # a folded BEGIN: rather the file's first line than another event's
        begins = [1] * len(sources)
    return [_Event(line, source) for line, source in zip(begins, sources, strict=True)]


def _newest(events: list[_Event], zone: ZoneInfo) -> tuple[list[_Event], dict[str, set[date]]]:
    """Each event in its highest SEQUENCE, and the days of repeating ones that got an event of their own."""
    newest: dict[tuple[str, date | None], _Event] = {}
    moved: dict[str, set[date]] = {}
    for event in events:
        instead_of = _moment(event.source.get("RECURRENCE-ID"), zone)
        day = instead_of.date() if isinstance(instead_of, datetime) else instead_of
        if day:
            moved.setdefault(event.uid, set()).add(day)
        other = newest.get((event.uid, day))
        if other is None or event.sequence >= other.sequence:
            newest[event.uid, day] = event
    return list(newest.values()), moved


def _days(event: _Event, zone: ZoneInfo, before: date, moved: set[date]) -> tuple[list[date], bool]:
    """The days on which an event falls, and whether it takes whole days."""
    broken = sorted({str(part) for part, _ in event.source.errors} & _DECIDING)
    if broken:
        raise _EventNotRead(f"{', '.join(broken)} cannot be read")
    first, length, whole_days = _span(event, zone)
    if not whole_days and not _CLOSING.search(event.title):
        return [], False  # a meeting or a game: however it repeats, it closes nothing
    if not 0 < length <= _LONGEST_CLOSURE:
        raise _EventNotRead(f"it lasts {length} days")
    rule = event.source.get("RRULE")
    if isinstance(rule, list) or event.source.get("RDATE") is not None:
        raise _EventNotRead("it repeats by more than one rule or by a list of dates, which is not read")
    left_out = moved | set(_left_out(event, zone))
    starts = (
        [first] if rule is None else [day for day in repeated(first, rule, before) if day not in left_out]
    )
    return [start + timedelta(days=n) for start in starts for n in range(length)], whole_days


def _span(event: _Event, zone: ZoneInfo) -> tuple[date, int, bool]:
    """First day, number of days, and whether they are whole: an end is exclusive, none is one day (CT-7)."""
    start = _moment(event.source.get("DTSTART"), zone)
    if start is None:
        raise _EventNotRead("it has no readable beginning")
    end = _moment(event.source.get("DTEND"), zone)
    duration = getattr(event.source.get("DURATION"), "dt", None)
    if end is None and isinstance(duration, timedelta):
        end = start + duration
    if not isinstance(start, datetime):
        end = end.date() if isinstance(end, datetime) else end
        # Some programs write a one-day event as ending on the day on which it begins.
        return start, (end - start).days if end and end != start else 1, True
    end = end if isinstance(end, datetime) else start
    last = end - timedelta(microseconds=1) if end > start else end
    whole_days = start.time() == time.min == end.time() and end > start
    return start.date(), (last.date() - start.date()).days + 1, whole_days


def _left_out(event: _Event, zone: ZoneInfo) -> Iterator[date]:
    lists = event.source.get("EXDATE", [])
    for one in lists if isinstance(lists, list) else [lists]:
        for written in getattr(one, "dts", []):
            moment = _moment(written, zone)
            if moment:
                yield moment.date() if isinstance(moment, datetime) else moment


def _moment(written: Any, zone: ZoneInfo) -> date | datetime | None:
    """A date as it is; a time as the school's wall time, which a time without a zone already is (CT-7)."""
    value = getattr(written, "dt", None)
    if not isinstance(value, datetime):
        return value if isinstance(value, date) else None
    if value.tzinfo is not None:
        try:
            value = value.astimezone(zone)
        except OverflowError:
            return None
    return value.replace(tzinfo=None)
