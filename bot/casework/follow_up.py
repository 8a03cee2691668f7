"""What follows from a home visit: thanks within a day, the next steps, a look at two and four weeks, a second visit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot import attendance
from bot.casework import tasks
from bot.clock import school_day
from bot.store.tables import HomeVisit, Student
from bot.vocabulary import TaskKind, VisitOutcome

# Field guide, home visits: attendance is looked at after two and four weeks, and a second visit is planned.
_LOOKS = (2, 4)
_SECOND_VISIT_AFTER = timedelta(weeks=4)

_MET = frozenset({VisitOutcome.MET_GUARDIAN, VisitOutcome.MET_OTHER_ADULT})
_TALKED = _MET | {VisitOutcome.REFUSED}

# What must be done where nobody was met: (kind, what, within so many school days).
_INSTEAD = {
    VisitOutcome.CARD_LEFT: (TaskKind.SECOND_VISIT, "Try the visit again, at another time of day", 3),
    VisitOutcome.RESCHEDULED: (TaskKind.SECOND_VISIT, "Plan the visit for the day the family asked for", 1),
    VisitOutcome.ADDRESS_WRONG: (
        TaskKind.NUMBER,
        "Find out where the family lives now: the office, the other guardian, relatives on file",
        2,
    ),
    VisitOutcome.UNSAFE: (
        TaskKind.OTHER,
        "Tell your supervisor about the visit, and agree how to reach the family safely",
        1,
    ),
}


@dataclass(frozen=True)
class NextStep:
    """One thing that was agreed, with who does it and by when. Without an owner the school's team does."""

    what: str
    owner_id: int | None
    due_on: date


def follow_up(
    session: Session,
    visit: HomeVisit,
    steps: Sequence[NextStep],
    staff_id: int,
    *,
    zone: ZoneInfo,
    now: datetime,
) -> None:
    """Raise every task that follows from a visit which was just logged. Each has a key: a second time is harmless."""
    if visit.outcome is None or visit.visited_at is None:
        return
    school = session.get_one(Student, visit.student_id).school_id
    visited = school_day(visit.visited_at, zone)

    def raise_one(
        name: str, kind: TaskKind, what: str, due_on: date, owner_id: int | None = visit.lead_id
    ) -> None:
        tasks.raise_once(
            session,
            key=f"visit:{visit.id}:{name}",
            student_id=visit.student_id,
            what=what,
            kind=kind,
            owner_id=owner_id,
            due_on=due_on,
            visit_id=visit.id,
            raised_by=staff_id,
            now=now,
        )

    for position, step in enumerate(steps, 1):
        raise_one(f"step:{position}", TaskKind.NEXT_STEP, step.what, step.due_on, step.owner_id)
    if visit.outcome in _MET:
        raise_one(
            "thanks",
            TaskKind.THANK_YOU,
            "Thank the family for the visit, in their language",
            visited + timedelta(days=1),
        )
    if visit.outcome in _TALKED:
        for weeks in _LOOKS:
            raise_one(
                f"look:{weeks}",
                TaskKind.CHECK_ATTENDANCE,
                f"Look at attendance {weeks} weeks after the visit",
                _on_or_after(session, school, visited + timedelta(weeks=weeks)),
            )
        raise_one(
            "second",
            TaskKind.SECOND_VISIT,
            "Plan a second visit: most families need more than one",
            _on_or_after(session, school, visited + _SECOND_VISIT_AFTER),
        )
    if visit.outcome in _INSTEAD:
        kind, what, within = _INSTEAD[visit.outcome]
        ahead = attendance.next_school_days(session, school, visited, within)
        due_on = ahead[-1] if ahead else visited + timedelta(days=within)
        raise_one("second" if kind is TaskKind.SECOND_VISIT else "instead", kind, what, due_on)


def _on_or_after(session: Session, school_id: int, day: date) -> date:
    """The school day on or after *day*; *day* itself where the calendar ends before it."""
    found = attendance.next_school_days(session, school_id, day - timedelta(days=1), 1)
    return found[0] if found else day
