"""Every absent student of a day has exactly one outcome, and the outcomes add up to the absent."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Column, Date, Table, bindparam, delete, func, insert, null, or_, select, update
from sqlalchemy.orm import Session

from bot import attendance
from bot.store.prepared import Change
from bot.store.tables import Absence, Instant, School, Student
from bot.vocabulary import NotContacted, Outcome

# From knowing least to knowing most. What a family has told us is never forgotten because a later
# step of the ladder knows less; only a person or the school's file may set an outcome back.
_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}

# Today an authorised adult or staff member has confirmed where the student is, or why.
_ACCOUNTED = frozenset({Outcome.EXPLAINED, Outcome.EXPLAINED_NEEDS_HELP, Outcome.PRESENT_CORRECTED})


@dataclass(frozen=True)
class Counts:
    """One day's ledger. `absent` comes from the school's files, `outcomes` from the ledger."""

    day: date
    absent: int
    accounted_for: int
    outcomes: dict[Outcome, int]


@dataclass(frozen=True)
class Line:
    """One absent student of a day, for the list behind a number."""

    student_id: int
    student: str
    school: str
    outcome: Outcome
    not_contacted: NotContacted | None


def record(
    session: Session,
    students: Iterable[int],
    day: date,
    outcome: Outcome,
    now: datetime,
    *,
    not_contacted: NotContacted | None = None,
    instead_of: Collection[Outcome] = (),
) -> None:
    """Move these students' outcome of *day*; a weaker outcome than the present one changes nothing.

    A student who is not in that day's ledger is left out: a family may speak of a child who was not
    marked absent. `instead_of` names the outcomes to replace where a later fact knows less: a text
    that did not arrive was no attempt.
    """
    rows = [
        {
            "student": student,
            "on": day,
            "outcome": outcome,
            "not_contacted": not_contacted,
            "changed_at": now,
            "at": now,
        }
        for student in students
    ]
    if not rows:
        return
    session.flush()
    replaced = frozenset(instead_of) or _weaker_or_equal(outcome)
    _moving(replaced, _is_accounted_for(outcome, not_contacted)).run_all(session, rows)


def _is_accounted_for(outcome: Outcome, not_contacted: NotContacted | None) -> bool:
    """An excuse on file is an adult's word of why, given before we could ask."""
    return outcome in _ACCOUNTED or not_contacted is NotContacted.ALREADY_EXCUSED


def _weaker_or_equal(outcome: Outcome) -> frozenset[Outcome]:
    return frozenset(each for each in Outcome if _RANK[each] <= _RANK[outcome])


@cache
def _moving(replaced: frozenset[Outcome], accounted: bool) -> Change:
    """The statement that moves one student's outcome of a day, where it is one of these.

    The hour at which a student was first accounted for stays, whatever else is learned of the reason.
    """
    first = func.coalesce(Absence.accounted_at, bindparam("at", type_=Instant()))
    return Change(
        update(Absence)
        .values(accounted_at=first if accounted else null())
        .where(
            Absence.student_id == bindparam("student"),
            Absence.day == bindparam("on"),
            or_(*(Absence.outcome == each for each in sorted(replaced))),
        ),
        columns=("outcome", "not_contacted", "changed_at"),
    )


def enter(
    session: Session,
    entries: Iterable[tuple[int, int, Outcome, NotContacted | None]],
    day: date,
    now: datetime,
) -> None:
    """Put students into the day's ledger: (student, school, outcome, why not contacted)."""
    rows = [
        {
            "student_id": student,
            "school_id": school,
            "day": day,
            "outcome": outcome,
            "not_contacted": why,
            "changed_at": now,
            "accounted_at": now if _is_accounted_for(outcome, why) else None,
        }
        for student, school, outcome, why in entries
    ]
    if rows:
        session.flush()
        # By the connection it is one statement; a session makes a new one where a reason follows none.
        session.connection().execute(insert(Absence), rows)


def entered(session: Session, day: date) -> dict[int, Outcome]:
    """Who is in the day's ledger already, and how."""
    rows = session.execute(select(Absence.student_id, Absence.outcome).where(Absence.day == day))
    return {student: outcome for student, outcome in rows}


def fill_gaps(session: Session, day: date, now: datetime) -> int:
    """Enter every absent student who has no outcome yet, and return how many there were (promise 1).

    Without a morning run nobody was asked: such a student is held, which somebody must release.
    """
    known = entered(session, day)
    missing: list[tuple[int, int, Outcome, NotContacted | None]] = []
    for student, (school, absent_now, excused) in attendance.ever_absent(session, day).items():
        if student in known:
            continue
        if not absent_now:
            missing.append((student, school, Outcome.PRESENT_CORRECTED, None))
        elif excused:
            missing.append((student, school, Outcome.NOT_CONTACTED, NotContacted.ALREADY_EXCUSED))
        else:
            missing.append((student, school, Outcome.HELD, None))
    enter(session, missing, day, now)
    return len(missing)


def forget(session: Session, students: Collection[int], day: date) -> None:
    """These students leave the day's ledger, as if nobody had been asked: their morning comes anew."""
    session.flush()
    session.execute(
        delete(Absence).where(Absence.day == day, Absence.student_id.in_(students)),
        execution_options={"synchronize_session": False},
    )


def close_day(session: Session, school_id: int, day: date) -> list[dict[str, Any]]:
    """A closed day has no absences: its lines are taken out, and returned as they stood, for `reopen_day`."""
    session.flush()
    rows = session.execute(
        delete(_LINES).where(_LINES.c.school_id == school_id, _LINES.c.day == day).returning(*_LINES.c)
    ).mappings()
    return [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
        for row in rows
    ]


def reopen_day(session: Session, day: date, lines: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """The closing was a mistake: every line is as it was, but for whom the files have corrected meanwhile."""
    kept = [
        {name: _read(_LINES.c[name], value) for name, value in line.items() if name in _LINES.c}
        for line in lines
    ]
    if not kept:
        return
    there = entered(session, day)
    rows = [row for row in kept if row["student_id"] not in there]
    if rows:
        session.connection().execute(insert(_LINES), rows)
    absent_now = {student for student, (_, now_, _) in attendance.ever_absent(session, day).items() if now_}
    present = [row["student_id"] for row in rows if row["student_id"] not in absent_now]
    record(session, present, day, Outcome.PRESENT_CORRECTED, now)


_LINES = cast("Table", Absence.__table__)


def _read(column: Column[Any], written: Any) -> Any:
    if isinstance(written, str) and isinstance(column.type, Instant):
        return datetime.fromisoformat(written)
    return date.fromisoformat(written) if isinstance(column.type, Date) else written


def absence_withdrawn(session: Session, student_days: Iterable[tuple[int, date]], now: datetime) -> None:
    """A newer file no longer calls these students absent (promise 8: facts change)."""
    by_day: dict[date, list[int]] = {}
    for student, day in student_days:
        by_day.setdefault(day, []).append(student)
    for day, students in by_day.items():
        record(session, students, day, Outcome.PRESENT_CORRECTED, now)


def count(session: Session, day: date, schools: Collection[int] | None = None) -> Counts:
    """Count the day, for all schools or for some. After `fill_gaps` the outcomes add up to `absent`."""
    query = select(Absence.outcome, Absence.not_contacted, func.count()).where(Absence.day == day)
    if schools is not None:
        query = query.where(Absence.school_id.in_(schools))
    outcomes: dict[Outcome, int] = {}
    accounted = 0
    for outcome, why, number in session.execute(query.group_by(Absence.outcome, Absence.not_contacted)):
        outcomes[outcome] = outcomes.get(outcome, 0) + number
        if _is_accounted_for(outcome, why):
            accounted += number
    absent = len(attendance.ever_absent(session, day, schools))
    ordered = {outcome: outcomes[outcome] for outcome in Outcome if outcome in outcomes}
    return Counts(day, absent, accounted, ordered)


def lines(
    session: Session, day: date, schools: Collection[int], outcome: Outcome | None = None
) -> list[Line]:
    """The students behind a number, by school and name."""
    query = (
        select(
            Student.id,
            Student.preferred_name,
            Student.given_name,
            Student.family_name,
            School.name,
            Absence.outcome,
            Absence.not_contacted,
        )
        .join(Student, Student.id == Absence.student_id)
        .join(School, School.id == Absence.school_id)
        .where(Absence.day == day, Absence.school_id.in_(schools))
        .order_by(School.name, Student.family_name, Student.given_name, Student.id)
    )
    if outcome is not None:
        query = query.where(Absence.outcome == outcome)
    return [
        Line(id_, f"{preferred or given} {family}", school, found, why)
        for id_, preferred, given, family, school, found, why in session.execute(query)
    ]
