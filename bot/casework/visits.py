"""Home visits (field.md C4): planned by a pair, moved or cancelled with a reason, made, and followed up."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit, handoffs
from bot.casework import colleagues, tasks
from bot.casework.written import LONGEST_LINE, CaseworkRefused, written
from bot.clock import school_day
from bot.store.tables import (
    Guardianship,
    Handoff,
    HandoffState,
    HomeVisit,
    HomeVisitChange,
    LadderStep,
    School,
    Staff,
    Student,
    VisitState,
)
from bot.vocabulary import PartOfDay, Step

# Eight places must fit on the printed list of an afternoon.
LONGEST_PLACE = 120

# Plans further ahead are wishes.
_FURTHEST_AHEAD = timedelta(days=90)


@dataclass(frozen=True)
class Plan:
    """When a pair goes where, to whom, with what. `safety`: what both must know before they knock."""

    day: date
    part: PartOfDay
    lead_id: int
    pair_id: int
    place: str
    guardian_id: int | None = None
    bring: str = ""
    safety: str = ""
    status_asked: bool = False


# --- prepare --------------------------------------------------------------------------------------------


def plan(
    session: Session,
    student_id: int,
    staff_id: int,
    wanted: Plan,
    *,
    key: str,
    follows_id: int | None = None,
    now: datetime,
) -> int:
    """Plan a visit, and return its id; the same form sent twice is one visit.

    What the ladder asked for is taken by whoever leads. Raises CaseworkRefused.
    """
    # Two clicks at the same moment come one after the other here, so that the second finds the first's visit.
    session.get(Student, student_id, with_for_update={"key_share": True}, populate_existing=True)
    known = session.scalar(select(HomeVisit.id).where(HomeVisit.key == key))
    if known is not None:
        return known
    wanted = _checked(session, student_id, wanted, now)
    if follows_id is not None:
        first = session.get(HomeVisit, follows_id)
        if first is None or first.student_id != student_id:
            raise CaseworkRefused(
                "The first visit was to another family; plan this one from the student's page."
            )
    visit = HomeVisit(
        key=key,
        student_id=student_id,
        guardian_id=wanted.guardian_id,
        follows_id=follows_id,
        state=VisitState.PLANNED,
        day=wanted.day,
        part=wanted.part,
        lead_id=wanted.lead_id,
        pair_id=wanted.pair_id,
        place=wanted.place,
        bring=wanted.bring,
        safety=wanted.safety,
        planned_by=staff_id,
        planned_at=now,
    )
    session.add(visit)
    session.flush()
    handoffs.take_these(session, asked_for(session, student_id), wanted.lead_id, now)
    if follows_id is not None:
        tasks.cancel(session, f"visit:{follows_id}:second", "A second visit is planned.", now)
    keep(session, visit, staff_id, "visit_planned", "", plan_said(session, visit), now)
    return visit.id


def change(session: Session, visit_id: int, staff_id: int, wanted: Plan, *, seen: int, now: datetime) -> None:
    """Another day, place or pair. *seen*: how many changes the form had shown, so that none is overwritten unread.

    Raises CaseworkRefused.
    """
    visit = locked(session, visit_id)
    wanted = _checked(session, visit.student_id, wanted, now, same_day_as=visit.day)
    fields = ("day", "part", "lead_id", "pair_id", "place", "guardian_id", "bring", "safety")
    if all(getattr(visit, field) == getattr(wanted, field) for field in fields):
        return
    must_be_planned(session, visit)
    if seen != len(history(session, visit_id)):
        raise CaseworkRefused(
            "Somebody has changed this visit while you were writing. It is shown as it is now; change it again if needed."
        )
    before = plan_said(session, visit)
    for field in fields:
        setattr(visit, field, getattr(wanted, field))
    session.flush()
    handoffs.take_these(session, asked_for(session, visit.student_id), visit.lead_id, now)
    keep(session, visit, staff_id, "visit_changed", before, plan_said(session, visit), now)


def cancel(session: Session, visit_id: int, staff_id: int, why: str, *, now: datetime) -> None:
    """Nobody goes. What the ladder had asked for waits for a plan again. Raises CaseworkRefused."""
    visit = locked(session, visit_id)
    reason = written(why, "The reason", longest=LONGEST_LINE, needed=True)
    if visit.state is VisitState.CANCELLED and visit.cancelled_why == reason:
        return
    must_be_planned(session, visit)
    visit.state, visit.cancelled_why = VisitState.CANCELLED, reason
    keep(session, visit, staff_id, "visit_cancelled", plan_said(session, visit), reason, now)


# --- follow up ------------------------------------------------------------------------------------------


def thanked(session: Session, visit_id: int, staff_id: int, how: str, *, now: datetime) -> bool:
    """The family was thanked, by text or in another way; False when that was settled before."""
    visit = locked(session, visit_id)
    if visit.state is not VisitState.DONE:
        raise CaseworkRefused("Nobody has been there yet; log the visit first.")
    if visit.thanked_at is not None:
        return False
    said = written(how, "How they were thanked", longest=LONGEST_LINE)
    visit.thanked_at = now
    tasks.done_by_key(session, f"visit:{visit_id}:thanks", staff_id, now, ended_as=said)
    keep(session, visit, staff_id, "visit_thanked", "", said, now)
    return True


@dataclass(frozen=True)
class Done:
    """One line of a visit's history, with who did it."""

    at: datetime
    by: str
    act: str
    before: str
    after: str


def history(session: Session, visit_id: int) -> list[Done]:
    """What was done with this visit, oldest first."""
    rows = session.execute(
        select(HomeVisitChange, Staff.name)
        .join(Staff, Staff.id == HomeVisitChange.staff_id)
        .where(HomeVisitChange.visit_id == visit_id)
        .order_by(HomeVisitChange.id)
    )
    return [Done(change.at, by, change.act, change.before, change.after) for change, by in rows]


# --- what the acts share -----------------------------------------------------------------------------


def locked(session: Session, visit_id: int) -> HomeVisit:
    found = session.get(HomeVisit, visit_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise CaseworkRefused("There is no such visit any more.")
    return found


def must_be_planned(session: Session, visit: HomeVisit) -> None:
    """A visit goes forward only: what was made or cancelled stays so."""
    if visit.state is VisitState.DONE:
        name = session.get_one(Staff, visit.logged_by).name
        raise CaseworkRefused(f"{name} has logged this visit already; write a note if something is missing.")
    if visit.state is VisitState.CANCELLED:
        raise CaseworkRefused("This visit was cancelled; plan a new one from the student's page.")


def _checked(
    session: Session, student_id: int, wanted: Plan, now: datetime, *, same_day_as: date | None = None
) -> Plan:
    today = school_day(now, zone_of(session, student_id))
    if wanted.day < today and wanted.day != same_day_as:
        raise CaseworkRefused(
            "That day is over. Plan it for today, and say when you were there as you log the visit."
        )
    if wanted.day - today > _FURTHEST_AHEAD:
        raise CaseworkRefused(f"That day is more than {_FURTHEST_AHEAD.days} days away; choose a nearer one.")
    names = visitors(session, student_id)
    if wanted.lead_id == wanted.pair_id:
        raise CaseworkRefused("A home visit is made by two people; choose a second person beside who leads.")
    if wanted.lead_id not in names or wanted.pair_id not in names:
        raise CaseworkRefused("Both visitors must work with the student's school; choose them from the list.")
    if wanted.guardian_id is not None and not session.get(Guardianship, (student_id, wanted.guardian_id)):
        raise CaseworkRefused(
            "This person is no guardian of the student in the school's list; choose another."
        )
    asked = wanted.status_asked
    return replace(
        wanted,
        place=written(wanted.place, "The place", longest=LONGEST_PLACE, needed=True, status_asked=asked),
        bring=written(wanted.bring, "What to bring", longest=LONGEST_LINE, status_asked=asked),
        safety=written(wanted.safety, "The safety note", status_asked=asked),
    )


def visitors(session: Session, student_id: int) -> dict[int, str]:
    """Who may go on a visit for the student's school. An auditor helps no family."""
    school = session.get_one(Student, student_id).school_id
    return {colleague.id: colleague.name for colleague in colleagues.at_school(session, school)}


def zone_of(session: Session, student_id: int) -> ZoneInfo:
    return ZoneInfo(
        session.scalars(
            select(School.zone).join(Student, Student.school_id == School.id).where(Student.id == student_id)
        ).one()
    )


def asked_for(session: Session, student_id: int) -> Collection[int]:
    """The lines of the desk in which the ladder asked for a visit to this student, and that wait still."""
    return session.scalars(
        select(Handoff.id)
        .join(LadderStep, LadderStep.handoff_id == Handoff.id)
        .where(
            LadderStep.student_id == student_id,
            LadderStep.step == Step.HOME_VISIT,
            Handoff.state != HandoffState.RESOLVED,
        )
        .distinct()
    ).all()


def plan_said(session: Session, visit: HomeVisit) -> str:
    """The plan in one line, as the history keeps it."""
    names = dict(
        session.execute(
            select(Staff.id, Staff.name).where(Staff.id.in_([visit.lead_id, visit.pair_id]))
        ).all()
    )
    return (
        f"{visit.day:%A}, {visit.day:%B} {visit.day.day}, {visit.part.value}: {names.get(visit.lead_id, '')} and "
        f"{names.get(visit.pair_id, '')}, at {visit.place}"
    )


def keep(
    session: Session, visit: HomeVisit, staff_id: int, act: str, before: str, after: str, now: datetime
) -> None:
    session.add(
        HomeVisitChange(visit_id=visit.id, staff_id=staff_id, act=act, before=before, after=after, at=now)
    )
    audit.note(
        session,
        staff_id,
        act,
        student_id=visit.student_id,
        detail=f"visit {visit.id}",
        before=before,
        after=after,
        now=now,
    )
