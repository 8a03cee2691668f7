"""No school that day, a late opening, an early dismissal: said by a person, at once true, and withdrawn again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit, handoffs, ladder, ledger, outreach
from bot.clock import instant, school_day
from bot.errors import PresenteError
from bot.store.tables import CalendarDay, DayChange, School, SchoolDayChanged

_log = structlog.get_logger(__name__)

LONGEST_REASON = 500


class ClosingRefused(PresenteError):
    """A day cannot be changed so: no reason, no such school day, or a time that has passed."""


@dataclass(frozen=True)
class Change:
    """What a person has said of a school's day, as the calendar page shows it."""

    id: int
    school_id: int
    school: str
    day: date
    kind: DayChange
    at_time: time | None
    reason: str
    by: str
    at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str


@dataclass(frozen=True)
class Who:
    """Who says so: a name, and the staff member where it is one at the desk."""

    name: str
    staff_id: int | None = None


def close(
    session: Session, schools: Collection[int], day: date, *, reason: str, who: Who, now: datetime
) -> list[str]:
    """No school on *day*: nothing of that day leaves any more, and nobody is absent. Returns the schools' names.

    What is queued is taken back, the day's ledger is kept for a mistake, and calls that nobody has
    taken are closed. A school that is closed already stays as it was. Raises ClosingRefused.
    """
    reason = _reason(reason)
    changed = []
    for school in _teaching(session, schools, day):
        _say(session, school, day, DayChange.CLOSED, None, reason, who, now)
        again = outreach.take_back(session, school.id, day, now) - {school.id}
        outreach.ask_anew(session, again, day)
        change = _holding(session, school.id, day, DayChange.CLOSED)
        assert change is not None  # noqa: S101 - just written
        lines = ledger.close_day(session, school.id, day)
        change.taken_back = {"lines": lines, "calls": _close_calls(session, school.id, day, reason, who, now)}
        changed.append(school.name)
    return changed


def open_late(
    session: Session, schools: Collection[int], day: date, at: time, *, reason: str, who: Who, now: datetime
) -> list[str]:
    """On *day* families are asked at *at*, not earlier; what is queued waits until then. Raises ClosingRefused."""
    reason = _reason(reason)
    changed = []
    for school in _teaching(session, schools, day):
        if at <= school.morning_at:
            raise ClosingRefused(
                f"{school.name} asks families at {school.morning_at:%H:%M} on other days; "
                "a late opening is later than that"
            )
        _not_past(school, day, at, now)
        _say(session, school, day, DayChange.OPENS_LATE, at, reason, who, now)
        again = outreach.take_back(session, school.id, day, now)
        outreach.ask_anew(session, again, day)
        changed.append(school.name)
    return changed


def end_early(
    session: Session, schools: Collection[int], day: date, at: time, *, reason: str, who: Who, now: datetime
) -> list[str]:
    """On *day* the students go home at *at*: calls are due by then, and no family is asked after. Raises ClosingRefused."""
    reason = _reason(reason)
    changed = []
    for school in _teaching(session, schools, day):
        if day < school_day(now, ZoneInfo(school.zone)):
            raise ClosingRefused(f"{day} is over; an early dismissal is said of today or a day to come")
        _say(session, school, day, DayChange.ENDS_EARLY, at, reason, who, now)
        changed.append(school.name)
    return changed


def withdraw(
    session: Session, change_id: int, *, schools: Collection[int], who: Who, now: datetime
) -> Change:
    """It was a mistake: the day is as if nobody had said so, and a morning that is still due runs.

    Raises ClosingRefused where there is no such change at these *schools*.
    """
    change = session.get(SchoolDayChanged, change_id, with_for_update=True)
    if change is None or change.school_id not in schools:
        raise ClosingRefused("there is no such change at your schools; open the calendar anew")
    if change.withdrawn_at is None:
        change.withdrawn_at, change.withdrawn_by = now, who.name
        session.flush()
        if change.kind is DayChange.CLOSED:
            kept = change.taken_back or {}
            ledger.reopen_day(session, change.day, kept.get("lines", []), now)
            handoffs.reopen(session, kept.get("calls", []), now)
        if change.kind is not DayChange.ENDS_EARLY:
            outreach.ask_anew(session, [change.school_id], change.day)
        _note(session, change, f"withdraw_{change.kind.value}", who, now)
    return next(
        one for one in changes(session, [change.school_id], change.day, change.day) if one.id == change.id
    )


def changes(session: Session, schools: Collection[int], first: date, last: date) -> list[Change]:
    """Every change of these schools' days, the withdrawn ones too: the newest day first."""
    rows = session.execute(
        select(SchoolDayChanged, School.name)
        .join(School, School.id == SchoolDayChanged.school_id)
        .where(SchoolDayChanged.school_id.in_(schools), SchoolDayChanged.day.between(first, last))
        .order_by(SchoolDayChanged.day.desc(), School.name, SchoolDayChanged.id.desc())
    )
    return [
        Change(
            id=one.id,
            school_id=one.school_id,
            school=name,
            day=one.day,
            kind=one.kind,
            at_time=one.at_time,
            reason=one.reason,
            by=one.by,
            at=one.at,
            withdrawn_at=one.withdrawn_at,
            withdrawn_by=one.withdrawn_by or "",
        )
        for one, name in rows
    ]


# --- what may be said ----------------------------------------------------------------------------------------


def _reason(written: str) -> str:
    reason = " ".join(written.replace("\x00", "").split())[:LONGEST_REASON]
    if not reason:
        raise ClosingRefused("Say why in a few words: the office and whoever comes next read it.")
    return reason


def _teaching(session: Session, schools: Collection[int], day: date) -> Sequence[School]:
    """Those of *schools* whose calendar has school on *day*, each locked: two who change a day follow one another."""
    found = session.scalars(
        select(School)
        .join(CalendarDay, CalendarDay.school_id == School.id)
        .where(School.id.in_(schools), CalendarDay.day == day, CalendarDay.teaches)
        .order_by(School.id)
        .with_for_update(of=School, key_share=True)
    ).all()
    if not found:
        raise ClosingRefused(f"The calendar has no school on {day} anyway; nothing was changed.")
    return found


def _not_past(school: School, day: date, at: time, now: datetime) -> None:
    if instant(day, at, ZoneInfo(school.zone)) <= now:
        raise ClosingRefused(
            f"{at:%H:%M} on {day} has passed at {school.name}; say a time that is still to come"
        )


def _say(
    session: Session,
    school: School,
    day: date,
    kind: DayChange,
    at_time: time | None,
    reason: str,
    who: Who,
    now: datetime,
) -> None:
    before = _holding(session, school.id, day, kind)
    if before is not None:  # said anew, with another time: the newer word counts
        before.withdrawn_at, before.withdrawn_by = now, who.name
        session.flush()
    change = SchoolDayChanged(
        school_id=school.id,
        day=day,
        kind=kind,
        at_time=at_time,
        reason=reason,
        by=who.name,
        staff_id=who.staff_id,
        at=now,
    )
    session.add(change)
    session.flush()
    _note(session, change, kind.value, who, now)


def _close_calls(
    session: Session, school_id: int, day: date, reason: str, who: Who, now: datetime
) -> list[int]:
    """Whoever closes a school has seen its calls through; without a name at the desk they stay there."""
    if who.staff_id is None:
        return []
    calls = ladder.calls_of(session, school_id, day)
    return handoffs.resolve_untaken(session, calls, who.staff_id, f"No school that day: {reason}", now)


def _note(session: Session, change: SchoolDayChanged, act: str, who: Who, now: datetime) -> None:
    at = f" {change.at_time:%H:%M}" if change.at_time else ""
    detail = f"{change.day}{at} by {who.name}: {change.reason}"
    audit.note(session, who.staff_id, f"day_{act}", now=now, school_id=change.school_id, detail=detail)
    _log.info("school day changed", act=act, school=change.school_id, day=str(change.day))


def _holding(session: Session, school_id: int, day: date, kind: DayChange) -> SchoolDayChanged | None:
    return session.scalar(
        select(SchoolDayChanged).where(
            SchoolDayChanged.school_id == school_id,
            SchoolDayChanged.day == day,
            SchoolDayChanged.kind == kind,
            SchoolDayChanged.withdrawn_at.is_(None),
        )
    )
