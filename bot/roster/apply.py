"""One roster import: read every file, compare, refuse what looks half-written, then write all of it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot import consent
from bot.clock import school_day
from bot.roster import rows
from bot.roster.calendar import read_closures
from bot.roster.contacts import read_contacts
from bot.roster.files import open_file
from bot.roster.numbers import guardians_numbers
from bot.roster.oneroster import read_archive
from bot.roster.records import Closures, Roster
from bot.roster.report import Change, Coverage, Problem, Report, summary
from bot.roster.wanted import Files, Plan, first_day, make_plan, refuse_dangerous, teaching_days
from bot.store.tables import Import, Student

# Databases bound the number of values in one question.
_AT_ONCE = 5_000


@dataclass(frozen=True)
class _Source:
    """A file as it came; one row of the imports table once it is applied."""

    kind: str
    name: str
    raw: bytes

    @classmethod
    def open(cls, kind: str, path: Path) -> "_Source":
        return cls(kind, path.name, open_file(path))


def import_roster(
    session: Session,
    archive: Path,
    *,
    contacts: Path | None,
    calendar: Path | None,
    zone: str,
    morning_at: time,
    now: datetime,
    approve_removals: bool = False,
) -> Report:
    """Bring schools, calendar, students, guardians, links and numbers to what these files say.

    The archive is complete: who is missing from it becomes inactive, and revives on returning.
    Everything is read and compared before the first row is written, so a FileRefused has changed
    nothing; rows that cannot be read are in the report, and what they speak of stays as it was.
    *approve_removals* is a person's word that as many people have left as the files say (OR-5).
    """
    sources = [
        _Source.open(kind, path)
        for kind, path in (("roster", archive), ("contacts", contacts), ("calendar", calendar))
        if path
    ]
    problems: list[Problem] = []
    files, rows_read = _read(sources, zone, morning_at, now, problems)
    session.flush()
    known = rows.load(session, first_day(files.roster))
    plan = make_plan(files, known, contacts_decide=_contacts_decide(session, files))
    if not approve_removals:
        refuse_dangerous(archive.name, known, plan)
    report = Report("roster", archive.name, sum(rows_read.values()), problems=problems)
    report.changes = _write(session, plan)
    if not report.changed_nothing:
        _note_imports(session, sources, report, rows_read, now)
    session.expire_all()
    report.figures = _figures(files, plan, known)
    report.coverage = coverage(session)
    return report


def _read(
    sources: list[_Source], zone: str, morning_at: time, now: datetime, problems: list[Problem]
) -> tuple[Files, dict[str, int]]:
    """Read the files in the order in which they build on each other, and how many rows each has."""
    here = ZoneInfo(zone)
    by_kind = {source.kind: source for source in sources}
    archive = by_kind["roster"]
    roster = read_archive(archive.name, archive.raw, school_day(now, here), problems)
    rows_read = {"roster": roster.rows_read}
    contacts, closures = None, None
    if source := by_kind.get("contacts"):
        contacts = read_contacts(source.name, source.raw, roster, problems)
        rows_read["contacts"] = contacts.rows_read
    if source := by_kind.get("calendar"):
        closures = _closures(source, roster, here, problems)
        rows_read["calendar"] = closures.rows_read if closures else 0
    numbers = guardians_numbers(roster, contacts, problems)
    return Files(roster, contacts, closures, numbers, zone, morning_at), rows_read


def _closures(source: _Source, roster: Roster, zone: ZoneInfo, problems: list[Problem]) -> Closures | None:
    """The calendar file's closed days; None when it speaks of another year, so that the last one is kept."""
    days = teaching_days(roster)
    closures = read_closures(source.name, source.raw, zone, days, problems)
    if closures.days and not closures.days.keys() & days:
        reason = "none of its closed days is in a term of the roster; the last calendar is kept"
        problems.append(Problem(source.name, 1, reason))
        return None
    return closures


def _contacts_decide(session: Session, files: Files) -> bool:
    """Once a district has sent a contacts file, only such a file lets a new contact be texted."""
    if files.contacts:
        return True
    return session.scalar(select(Import.id).where(Import.kind == "contacts").limit(1)) is not None


def _write(session: Session, plan: Plan) -> dict[str, Change]:
    schools = rows.write_schools(session, plan.schools)
    rows.write_days(session, plan.days, schools)
    students = rows.write_students(session, plan.students, schools)
    guardians = rows.write_guardians(session, plan.guardians)
    rows.write_links(session, plan.links, students, guardians)
    new_phones = rows.write_numbers(session, plan.numbers, guardians)
    return {
        "schools": plan.schools.change,
        "calendar_days": plan.days.change,
        "students": plan.students.change,
        "guardians": plan.guardians.change,
        "guardianships": plan.links.change,
        "phones": Change(added=new_phones),
        "guardian_phones": plan.numbers.change,
    }


def _note_imports(
    session: Session, sources: list[_Source], report: Report, rows_read: dict[str, int], now: datetime
) -> None:
    """One row per file that was applied, with its own problems."""
    others = {source.name for source in sources if source.kind != "roster"}
    notes = []
    for source in sources:
        theirs = [
            problem
            for problem in report.problems
            if problem.file == source.name or (source.kind == "roster" and problem.file not in others)
        ]
        notes.append(
            {
                "kind": source.kind,
                "file_name": source.name,
                "sha256": hashlib.sha256(source.raw).hexdigest(),
                "applied_at": now,
                "summary": summary(report, rows_read[source.kind], theirs),
            }
        )
    session.execute(insert(Import), notes)


def _figures(files: Files, plan: Plan, known: rows.Known) -> dict[str, int]:
    """School days for each school, as a person can check them against the printed calendar."""
    values = {day: row for day, row in known.days.items() if day not in set(plan.days.removed)}
    for written in (plan.days.added, plan.days.changed):
        values |= {day: values.get(day, {}) | row for day, row in written.items()}
    counts = {f"school days at {school.name}": 0 for school in files.roster.schools.values()}
    for (sourced_id, _), row in values.items():
        if row["instructional"] and sourced_id in files.roster.schools:
            counts[f"school days at {files.roster.schools[sourced_id].name}"] += 1
    return counts


def coverage(session: Session) -> Coverage:
    """Count the active students whom at least one guardian's phone stands for (OR-10)."""
    students = list(session.scalars(select(Student.id).where(Student.active).order_by(Student.id)))
    reachable = 0
    for start in range(0, len(students), _AT_ONCE):
        found = consent.reachable(session, students[start : start + _AT_ONCE])
        reachable += sum(isinstance(guardians, list) for guardians in found.values())
    return Coverage(len(students), reachable)
