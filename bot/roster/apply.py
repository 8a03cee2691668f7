"""One roster import: read every file, compare, refuse what looks half-written, then write all of it."""

import gc
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot import consent
from bot.clock import school_day
from bot.roster import rows, undo
from bot.roster.calendar import read_closures
from bot.roster.columns import ColumnMapping
from bot.roster.contacts import read_contacts
from bot.roster.encodings import UTF_8
from bot.roster.numbers import guardians_numbers
from bot.roster.records import Closures, Roster
from bot.roster.report import Coverage, FileRefused, Problem, Report, summary
from bot.roster.sources import Source, read_roster
from bot.roster.wanted import Files, first_day, make_plan, refuse_dangerous, teaching_days
from bot.store.tables import Import, Student

# Databases bound the number of values in one question.
_AT_ONCE = 5_000


@dataclass(frozen=True)
class Approval:
    """A person's word that what looks like a cut file is true: who says so, and why (OR-5)."""

    by: str
    reason: str


@dataclass
class Prepared:
    """A roster that was read and compared; not a row of it is written.

    `danger` is why nobody may apply it without a person's word (OR-5); empty for most.
    """

    report: Report
    sources: list[Source]
    rows_read: dict[str, int]
    files: Files
    known: rows.Known
    plan: rows.Plan
    danger: str

    def foresee(self, session: Session) -> None:
        """Say in the report what would change; writing it says so by itself."""
        self.report.changes = rows.foreseen(session, self.plan)

    @property
    def digest(self) -> str:
        """What it would change, as a fingerprint: the same one later means that the base is the same."""
        written = json.dumps(undo.recorded(self.plan, self.known), sort_keys=True)
        return hashlib.sha256(written.encode()).hexdigest()


def import_roster(
    session: Session,
    archive: Path | Source,
    *,
    contacts: Path | Source | None,
    calendar: Path | Source | None,
    zone: str,
    morning_at: time,
    now: datetime,
    approval: Approval | None = None,
    columns: ColumnMapping | None = None,
    encoding: str = UTF_8,
) -> Report:
    """Bring schools, calendar, students, guardians, links and numbers to what these files say.

    *archive* is a OneRoster zip, an export of School Data Sync, or an office's own list, explained by
    *columns*. A complete one means that who is missing becomes inactive, and revives on returning.
    Everything is read and compared before the first row is written, so a FileRefused has changed
    nothing; rows that cannot be read are in the report, and what they speak of stays as it was.
    *approval* lets as many people leave as the files say; *encoding* is what a person has said of files
    that are not UTF-8.
    """
    prepared = prepare_roster(
        session,
        archive,
        contacts=contacts,
        calendar=calendar,
        zone=zone,
        morning_at=morning_at,
        now=now,
        columns=columns,
        encoding=encoding,
    )
    apply_roster(session, prepared, now=now, approval=approval)
    return prepared.report


def prepare_roster(
    session: Session,
    archive: Path | Source,
    *,
    contacts: Path | Source | None,
    calendar: Path | Source | None,
    zone: str,
    morning_at: time,
    now: datetime,
    columns: ColumnMapping | None = None,
    encoding: str = UTF_8,
) -> Prepared:
    """Read and compare, as `import_roster` does; the report says what would change."""
    with _undisturbed():
        sources = [
            replace(file, kind=kind) if isinstance(file, Source) else Source.open(kind, file)
            for kind, file in (("roster", archive), ("contacts", contacts), ("calendar", calendar))
            if file
        ]
        problems: list[Problem] = []
        session.flush()
        files, rows_read = _read(session, sources, zone, morning_at, now, problems, columns, encoding)
        known = rows.load(session, first_day(files.roster))
        plan = make_plan(files, known, contacts_decide=_contacts_decide(session, files))
        report = Report("roster", archive.name, sum(rows_read.values()), problems=problems)
        report.figures = _figures(files, plan, known)
        return Prepared(report, sources, rows_read, files, known, plan, _danger(archive.name, known, plan))


def apply_roster(
    session: Session, prepared: Prepared, *, now: datetime, approval: Approval | None = None
) -> int | None:
    """Write what was prepared in this very transaction; returns the import's id, None when nothing changed.

    Raises FileRefused for a removal that nobody has approved.
    """
    if prepared.danger and approval is None:
        raise FileRefused(prepared.danger)
    overruled = {}
    if prepared.danger and approval is not None:
        overruled = {"by": approval.by, "reason": approval.reason, "brake": prepared.danger}
    with _undisturbed():
        report, first = prepared.report, None
        changes = undo.recorded(prepared.plan, prepared.known)
        report.changes = rows.write(session, prepared.plan)
        if not report.changed_nothing:
            first = _note_imports(session, prepared.sources, report, prepared.rows_read, now, overruled)
            undo.keep(session, first, changes)
        session.expire_all()
        report.coverage = coverage(session)
        return first


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without Python's search for circles of objects: a district's rows make none, and millions are searched.

    It took two of the four seconds of an import; the memory at its highest stayed the same.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _danger(file: str, known: rows.Known, plan: rows.Plan) -> str:
    """Why no file may make this removal alone; empty when it may."""
    try:
        refuse_dangerous(file, known, plan)
    except FileRefused as refused:
        return str(refused)
    return ""


def _read(
    session: Session,
    sources: list[Source],
    zone: str,
    morning_at: time,
    now: datetime,
    problems: list[Problem],
    columns: ColumnMapping | None,
    encoding: str,
) -> tuple[Files, dict[str, int]]:
    """Read the files in the order in which they build on each other, and how many rows each has."""
    here = ZoneInfo(zone)
    by_kind = {source.kind: source for source in sources}
    archive = by_kind["roster"]
    roster, contacts = read_roster(
        archive,
        columns,
        school_day(now, here),
        problems,
        encoding=encoding,
        earlier=lambda: rows.load_earlier(session),
    )
    rows_read = {"roster": roster.rows_read}
    closures = None
    if source := by_kind.get("contacts"):
        if roster.delta or contacts:
            what = "holds only what changed" if roster.delta else "has its contacts in it"
            raise FileRefused(
                f"{archive.name} {what}, so {source.name} cannot go with it; "
                "import it alone, or with a full OneRoster export; nothing was changed"
            )
        contacts = read_contacts(source.name, source.raw, roster, problems, encoding)
        rows_read["contacts"] = contacts.rows_read
    if source := by_kind.get("calendar"):
        closures = _closures(source, roster, here, problems)
        rows_read["calendar"] = closures.rows_read if closures else 0
    numbers = guardians_numbers(roster, contacts, problems)
    return Files(roster, contacts, closures, numbers, zone, morning_at), rows_read


def _closures(source: Source, roster: Roster, zone: ZoneInfo, problems: list[Problem]) -> Closures | None:
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


def _note_imports(
    session: Session,
    sources: list[Source],
    report: Report,
    rows_read: dict[str, int],
    now: datetime,
    overruled: dict[str, str],
) -> int:
    """One row per file that was applied, with its own problems; returns the id of the roster's."""
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
                "sha256": source.sha256,
                "applied_at": now,
                "summary": summary(report, rows_read[source.kind], theirs)
                | ({"approved": overruled} if overruled else {}),
            }
        )
    return (
        session.execute(insert(Import).returning(Import.id, sort_by_parameter_order=True), notes)
        .scalars()
        .all()[0]
    )


def _figures(files: Files, plan: rows.Plan, known: rows.Known) -> dict[str, int]:
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
