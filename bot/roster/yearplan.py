"""A calendar file that comes alone, or by its address: it decides the days ahead, and opens none of today."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.clock import school_day
from bot.roster import rows, undo
from bot.roster.apply import Approval
from bot.roster.calendar import read_closures
from bot.roster.compare import Difference, Values, compare
from bot.roster.records import Closures
from bot.roster.report import FileRefused, Problem, Report, summary
from bot.store.tables import Import, School

# A calendar that closes or opens more of what is ahead than this is more likely another year's, or cut.
_MOST_CLOSED = 0.20
_MOST_OPENED = 0.50
_A_FEW = 5  # days of one school


@dataclass(frozen=True)
class Turn:
    """One date on which a calendar file changes something; `closes` with the event's title, else school again."""

    day: date
    closes: bool
    title: str


@dataclass
class Foreseen:
    """What a calendar file would change, before it does: the report, and each date once."""

    report: Report
    turns: list[Turn] = field(default_factory=list)
    doubt: str = ""  # why a person must look first


def foresee_calendar(session: Session, name: str, raw: bytes, *, now: datetime) -> Foreseen:
    """Read the file and compare it with the days ahead; nothing is changed. Raises FileRefused."""
    read = _read(session, name, raw, now)
    return Foreseen(read.report, read.turns, read.doubt)


def import_calendar(
    session: Session, name: str, raw: bytes, *, now: datetime, approval: Approval | None = None
) -> Report:
    """Bring the days ahead to what the file says; today may be closed by it, and opened only by a person.

    Raises FileRefused for a broken file, one of another year, and, without *approval*, one that would
    close or open too much: the last good calendar stays (CT-8).
    """
    read = _read(session, name, raw, now)
    if read.doubt and approval is None:
        raise FileRefused(read.doubt)
    report = read.report
    if report.changed_nothing:
        return report
    nothing: Difference[str] = Difference()
    pairs: Difference[tuple[str, str]] = Difference()
    plan = rows.Plan(nothing, read.difference, nothing, nothing, pairs, pairs)
    changes = undo.recorded(plan, rows.Known({}, dict(read.known), {}, {}, {}, {}))
    rows.write_days(
        session, read.difference, dict(session.execute(select(School.sourced_id, School.id)).all())
    )
    note = summary(report, read.closures.rows_read, report.problems)
    if approval is not None and read.doubt:
        note |= {"approved": {"by": approval.by, "reason": approval.reason, "brake": read.doubt}}
    imported = session.scalar(
        insert(Import)
        .values(
            kind="calendar",
            file_name=name,
            sha256=sha256(raw).hexdigest(),
            applied_at=now,
            summary=note,
        )
        .returning(Import.id)
    )
    assert imported is not None  # noqa: S101 - an insert returns its row
    undo.keep(session, imported, changes)
    session.expire_all()
    return report


@dataclass
class _Read:
    closures: Closures
    known: Mapping[rows.SchoolDay, Values]
    difference: Difference[rows.SchoolDay]
    report: Report
    turns: list[Turn]
    doubt: str


def _read(session: Session, name: str, raw: bytes, now: datetime) -> _Read:
    zones = {
        sourced_id: ZoneInfo(zone)
        for sourced_id, zone in session.execute(select(School.sourced_id, School.zone).where(School.active))
    }
    if not zones:
        raise FileRefused(f"{name}: there is no school yet; import a roster first; nothing was changed")
    today = {school: school_day(now, zone) for school, zone in zones.items()}
    known = {
        key: row
        for key, row in rows.load_days(session, min(today.values())).items()
        if key[0] in today and key[1] >= today[key[0]]
    }
    problems: list[Problem] = []
    ahead = {day for _, day in known}
    closures = read_closures(name, raw, next(iter(zones.values())), ahead, problems)
    if closures.days and not closures.days.keys() & ahead:
        raise FileRefused(
            f"{name}: none of its closed days is a day ahead in a term of the roster; "
            "the last good calendar is kept; nothing was changed"
        )
    wanted = {key: _wanted(key[1], today[key[0]], closures) for key in known}
    difference = compare(known, wanted)
    report = Report("calendar", name, closures.rows_read, problems=problems)
    report.changes = {"calendar_days": difference.change}
    turns = {
        day: Turn(day, not values["instructional"], str(values["summary"]))
        for (_, day), values in sorted(difference.changed.items(), key=lambda each: each[0][1])
        if values and values["instructional"] is not known[_, day]["instructional"]
    }
    return _Read(closures, known, difference, report, list(turns.values()), _doubt(name, known, difference))


def _wanted(day: date, today: date, closures: Closures) -> Values:
    if day in closures.days:
        return {"instructional": False, "summary": closures.days[day]}
    return {"instructional": True, "summary": ""} if closures.complete and day > today else {}


def _doubt(name: str, known: Mapping[rows.SchoolDay, Values], difference: Difference[rows.SchoolDay]) -> str:
    """Why a person must look before this file counts; empty when nothing speaks against it."""
    schools = len({school for school, _ in known})
    taught = sum(row["instructional"] for row in known.values())
    closes = sum(
        values.get("instructional") is False and known[key]["instructional"]
        for key, values in difference.changed.items()
    )
    opens = sum(
        values.get("instructional") is True and not known[key]["instructional"]
        for key, values in difference.changed.items()
    )
    if closes > _A_FEW * schools and closes > _MOST_CLOSED * taught:
        what = f"would close {closes // schools} of {taught // schools} school days ahead"
    elif opens > _A_FEW * schools and opens > _MOST_OPENED * (len(known) - taught):
        what = f"would open {opens // schools} of {(len(known) - taught) // schools} closed days ahead"
    else:
        return ""
    return f"{name} {what}: a person must look first; the last good calendar is kept; nothing was changed"
