"""What a file would change, and which brakes stand against it; nothing is written."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import attendance as days
from bot import holds
from bot.clock import school_day
from bot.roster import attendance as marks
from bot.roster import brakes as braking
from bot.roster.apply import Prepared as Roster
from bot.roster.apply import prepare_roster
from bot.roster.brakes import Facts, Reason, SchoolMorning
from bot.roster.columns import columns_of
from bot.roster.incoming import saved
from bot.roster.incoming.coming import Coming
from bot.roster.report import Problem, Report
from bot.roster.table import open_table
from bot.store.tables import AttendanceMark, FileState, HoldReason, MarkStatus, School, SchoolFile

# A file that is wrong on every line says so a thousand times; the rest is counted.
_MOST_PROBLEMS = 1000
# In a school of a handful it is ordinary that nobody is absent, and the file then has no row of it.
_A_HANDFUL = 10
_REMOVAL = "removal"


@dataclass(frozen=True)
class Office:
    """How this installation takes files in: its zone and hour, its own mappings, and when a file is too old."""

    zone: str
    morning_at: time
    stale_after: timedelta = timedelta(minutes=45)
    mappings: Path | None = None


@dataclass
class Check:
    """A file that was read and compared in this transaction, ready to be applied in it.

    `against` are the brakes of the whole file, reason and sentence: a named person must let it pass.
    `schools` are those that must wait by themselves, whatever becomes of the file.
    """

    kind: str
    prepared: "Roster | marks.Prepared"
    today: date
    against: list[tuple[str, str]] = field(default_factory=list)
    schools: list[holds.Brake] = field(default_factory=list)
    mornings: list[SchoolMorning] = field(default_factory=list)

    @property
    def report(self) -> Report:
        return self.prepared.report

    def foreseen(self, session: Session) -> dict[str, Any]:
        """What the page shows of a file that waits, as JSON; the digest tells whether it is still true later."""
        if isinstance(self.prepared, Roster):
            self.prepared.foresee(session)
        return self.found() | {"digest": self.prepared.digest}

    def found(self) -> dict[str, Any]:
        """What the page and the report show of it, as JSON."""
        found = written(self.report) | {
            "against": [list(each) for each in self.against],
            "school_brakes": [
                {"school": one.school_id, "reason": one.reason.value, "sentence": one.sentence}
                for one in self.schools
            ],
        }
        if isinstance(self.prepared, marks.Prepared):
            covered = self.prepared.schools
            found |= {
                "mapping": self.prepared.mapping.name,
                "unmapped": [
                    [which, said, count] for (which, said), count in sorted(self.prepared.unmapped.items())
                ],
                "days": [str(day) for day in sorted(self.prepared.days)[-5:]],
                "schools": [
                    {"id": one.id, "name": one.name, "absent": one.absent, "enrolled": one.enrolled}
                    for one in self.mornings
                    if one.id in covered
                ],
            }
        return found


def written(report: Report) -> dict[str, Any]:
    """A report as JSON, but for the lines at fault."""
    return {
        "rows_read": report.rows_read,
        "changes": {table: vars(change) for table, change in report.changes.items() if change},
        "figures": report.figures,
        "coverage": str(report.coverage) if report.coverage else "",
        "problem_count": len(report.problems),
    }


def problems_of(report: Report) -> list[list[Any]]:
    """The lines at fault as JSON."""
    return [
        [one.file, one.line, one.column, one.value, one.reason, one.mend]
        for one in sorted(report.problems)[:_MOST_PROBLEMS]
    ]


def report_of(file: SchoolFile) -> Report:
    """The problems of a file as a report again, for its CSV."""
    problems = [
        Problem(name, line, reason, column, value, mend)
        for name, line, column, value, reason, mend in file.problems
    ]
    return Report(file.kind, file.file_name, file.found.get("rows_read", 0), problems=problems)


def check(session: Session, coming: Coming, office: Office, now: datetime) -> Check:
    """Read and compare the file, and look for what speaks against it.

    Raises FileRefused for a file that cannot be imported, one of its kinds for one that a person must
    explain first: NotUtf8, NoMappingFits, ColumnsUnknown.
    """
    known = saved.load(session)
    coming = coming.recognised(known, marks.known(office.mappings, known.attendance.own))
    zone = coming.options.zone or office.zone
    today = school_day(now, ZoneInfo(zone))
    if coming.kind == "roster":
        options = coming.options
        columns = columns_of(coming.file.name, options.columns) if options.columns else None
        roster = prepare_roster(
            session,
            coming.file,
            contacts=coming.contacts,
            calendar=coming.calendar,
            zone=zone,
            morning_at=options.morning_at or office.morning_at,
            now=now,
            columns=columns or _columns_known(coming, known),
            encoding=options.encoding,
        )
        return Check("roster", roster, today, [(_REMOVAL, roster.danger)] if roster.danger else [])
    prepared = marks.prepare_attendance(
        session,
        coming.file,
        through=coming.options.through,
        now=now,
        mapping=coming.options.mapping,
        mappings=office.mappings,
        saved=known.attendance,
    )
    found = Check("attendance", prepared, today)
    _brake(session, coming, office, found, prepared, now)
    return found


def _columns_known(coming: Coming, known: saved.Known) -> Any:
    """What somebody has pointed out for a list with these very columns; None for an export or a new list."""
    file = coming.file
    if not known.lists or file.parts or not file.looks_like_a_list:
        return None
    return known.columns_for(open_table(file.name, file.raw, [], "windows-1252").header)


def _brake(
    session: Session,
    coming: Coming,
    office: Office,
    found: Check,
    prepared: marks.Prepared,
    now: datetime,
) -> None:
    today = found.today
    teaching = days.teaching(session, today)
    found.mornings = _mornings(session, prepared, today, teaching)
    facts = Facts(
        file=prepared.report.file_name,
        today=today,
        days=prepared.days,
        made_at=coming.made_at or now,
        last_made_at=_last_made_at(session, prepared.schools, today, ZoneInfo(office.zone), now),
        schools=tuple(found.mornings),
        now=now,
        stale_after=office.stale_after if coming.made_at else None,
    )
    teaches_here = teaching & (prepared.schools or teaching)
    for brake in braking.brakes(facts):
        if brake.school_id is None:
            # On a day without school nobody is texted, and a file may well correct the days before.
            if teaching:
                found.against.append((brake.reason.value, brake.sentence))
        elif brake.reason is Reason.NO_SCHOOL_DAY and not teaches_here:
            found.against.append((brake.reason.value, brake.sentence))
        elif today in prepared.days:
            absent = next(one.absent for one in found.mornings if one.id == brake.school_id)
            reason = HoldReason(brake.reason.value)
            found.schools.append(holds.Brake(brake.school_id, reason, brake.sentence, absent))


def _mornings(
    session: Session, prepared: marks.Prepared, today: date, teaching: Collection[int]
) -> list[SchoolMorning]:
    absent, enrolled = prepared.absent(), days.enrolled(session)
    usual, spoken_of = _usual(session, today)
    schools = session.execute(select(School.id, School.name).where(School.active).order_by(School.name))
    return [
        SchoolMorning(
            id=id_,
            name=name,
            enrolled=enrolled.get(id_, 0),
            absent=absent.get(id_, 0),
            teaches=id_ in teaching,
            in_file=id_ in prepared.schools or id_ in spoken_of or enrolled.get(id_, 0) < _A_HANDFUL,
            usual=usual.get(id_, ()),
        )
        for id_, name in schools
    ]


def _usual(session: Session, today: date) -> tuple[dict[int, tuple[int, ...]], set[int]]:
    """Each school's absences of the school days before, newest first; and who is spoken of today already."""
    first = today - timedelta(days=braking.DAYS_OF_THE_MEDIAN * 2 + 5)
    counts: dict[date, dict[int, int]] = {}
    rows = session.execute(
        select(AttendanceMark.day, AttendanceMark.school_id, func.count())
        .where(
            AttendanceMark.day.between(first, today),
            AttendanceMark.superseded_at.is_(None),
            AttendanceMark.status == MarkStatus.ABSENT,
        )
        .group_by(AttendanceMark.day, AttendanceMark.school_id)
    )
    for day, school, count in rows:
        counts.setdefault(day, {})[school] = count
    spoken_of = set(counts.pop(today, {}))
    schools = {school for by_school in counts.values() for school in by_school}
    newest = sorted(counts, reverse=True)[: braking.DAYS_OF_THE_MEDIAN]
    return {school: tuple(counts[day].get(school, 0) for day in newest) for school in schools}, spoken_of


def _last_made_at(
    session: Session, schools: Collection[int], today: date, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """When the newest file was written that was applied today and speaks of one of these schools."""
    rows = session.execute(
        select(SchoolFile.made_at, SchoolFile.received_at, SchoolFile.found).where(
            SchoolFile.kind == "attendance",
            SchoolFile.state == FileState.APPLIED,
            SchoolFile.made_at.is_not(None),
            SchoolFile.received_at > now - timedelta(days=1),
        )
    )
    found = [
        made_at
        for made_at, received_at, said in rows
        if school_day(received_at, zone) == today
        and any(one["id"] in schools for one in said.get("schools", []))
    ]
    return max(found, default=None)
