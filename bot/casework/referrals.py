"""Referrals: a family is pointed to a partner, and somebody follows until it is known what became of it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import attendance, audit
from bot.casework import colleagues, students, tasks
from bot.casework.written import CaseworkRefused, written
from bot.clock import school_day
from bot.store.tables import (
    Partner,
    Referral,
    ReferralOutcome,
    ReferralState,
    ReferralStep,
    School,
    Staff,
    Student,
)
from bot.vocabulary import Service, TaskKind

# Only one referral of five became a service where nobody followed it up (field.md, B, referral
# follow-through): two school weeks without an outcome, and it comes back to a person.
SCHOOL_DAYS = 10

# Forward only. A closed referral stays closed: what begins anew is another referral.
NEXT: Mapping[ReferralState, tuple[ReferralState, ...]] = {
    ReferralState.OFFERED: (ReferralState.ACCEPTED, ReferralState.DECLINED),
    ReferralState.ACCEPTED: (ReferralState.SENT, ReferralState.DECLINED),
    ReferralState.SENT: (ReferralState.RECEIVED, ReferralState.NOT_RECEIVED, ReferralState.DECLINED),
    ReferralState.RECEIVED: (ReferralState.CLOSED,),
    ReferralState.NOT_RECEIVED: (ReferralState.CLOSED,),
    ReferralState.DECLINED: (ReferralState.CLOSED,),
    ReferralState.CLOSED: (),
}
_OUTCOMES = {
    ReferralState.RECEIVED: ReferralOutcome.RECEIVED,
    ReferralState.NOT_RECEIVED: ReferralOutcome.NOT_RECEIVED,
    ReferralState.DECLINED: ReferralOutcome.DECLINED,
}


def open_one(
    session: Session,
    student_id: int,
    staff_id: int,
    *,
    partner_id: int,
    service: Service,
    agreed: str,
    form_key: str,
    now: datetime,
    accepted: bool = False,
    barrier_id: int | None = None,
    owner_id: int | None = None,
    note: str = "",
    status_asked: bool = False,
) -> int:
    """Open a referral and return its id; the same form sent twice opens one.

    *agreed* is what the family said yes to; without it nothing is opened. *accepted*: it has already
    said that it wants it. Raises CaseworkRefused, also as StatusMentioned.
    """
    there = session.scalar(select(Referral.id).where(Referral.form_key == form_key))
    if there is not None:
        return there
    said = written(agreed, "What the family agreed to", needed=True, status_asked=status_asked)
    noted = written(note, "The note", status_asked=status_asked)
    partner = session.get(Partner, partner_id)
    if partner is None or not partner.active:
        raise CaseworkRefused("This partner is not in the directory any more; choose another one.")
    student = session.get_one(Student, student_id)
    school = session.get_one(School, student.school_id)
    owner = staff_id if owner_id is None else owner_id
    if owner not in {each.id for each in colleagues.at_school(session, school.id)}:
        raise CaseworkRefused(
            "Whoever follows it up must work at the student's school; choose somebody else."
        )
    due = _ten_days_on(session, school.id, school_day(now, ZoneInfo(school.zone)))
    barrier = students.barrier_of(session, student_id, barrier_id)
    referral = Referral(
        student_id=student_id,
        partner_id=partner_id,
        service=service,
        barrier_id=barrier.id if barrier else None,
        owner_id=owner,
        agreed=said,
        note=noted,
        state=ReferralState.OFFERED,
        outcome=None,
        opened_at=now,
        due_on=due,
        comes_back_on=due,
        closed_at=None,
        form_key=form_key,
    )
    session.add(referral)
    session.flush()
    _take(session, referral, ReferralState.OFFERED, staff_id, "", now)
    if accepted:
        _take(session, referral, ReferralState.ACCEPTED, staff_id, "", now)
    return referral.id


def step(
    session: Session,
    referral_id: int,
    staff_id: int,
    state: ReferralState,
    *,
    note: str = "",
    now: datetime,
    status_asked: bool = False,
) -> bool:
    """Move a referral one step on; False when it stands there already, as after a second click.

    Raises CaseworkRefused when it has gone on meanwhile, or cannot go there.
    """
    referral = _locked(session, referral_id)
    said = written(note, "The note", status_asked=status_asked)
    if referral.state is state:
        return False
    if state not in NEXT[referral.state]:
        raise CaseworkRefused(
            "Somebody has moved this referral on meanwhile. Read what happened, then choose the next step again."
        )
    _take(session, referral, state, staff_id, said, now)
    return True


def close(
    session: Session,
    referral_id: int,
    staff_id: int,
    outcome: ReferralOutcome,
    *,
    note: str = "",
    barrier_removed: bool = False,
    now: datetime,
    status_asked: bool = False,
) -> bool:
    """Close a referral with what became of it, from wherever it stands; False when it was closed so already.

    *barrier_removed*: the help took the barrier out of the way that the referral answers.
    Raises CaseworkRefused when it has ended otherwise.
    """
    referral = _locked(session, referral_id)
    said = written(note, "The note", status_asked=status_asked)
    if referral.outcome not in (None, outcome):
        raise CaseworkRefused(
            "This referral has another outcome already. Read what happened before you go on."
        )
    if referral.state is ReferralState.CLOSED:
        return False
    if referral.outcome is None:
        _take(session, referral, ReferralState(outcome.value), staff_id, said, now)
        said = ""
    _take(session, referral, ReferralState.CLOSED, staff_id, said, now)
    if barrier_removed and outcome is ReferralOutcome.RECEIVED:
        students.barrier_removed(session, referral.barrier_id, now)
    return True


def bring_back(session: Session, now: datetime) -> int:
    """Raise a task for every referral whose ten school days are over without an outcome; how many.

    The first time it is the owner's, from then on, every ten school days, the supervisor's.
    """
    # A day ahead of UTC there is no school of ours; which day it is at each school is asked below.
    rows = session.execute(
        select(Referral, Student, School, Partner.name, Staff.active)
        .join(Student, Student.id == Referral.student_id)
        .join(School, School.id == Student.school_id)
        .join(Partner, Partner.id == Referral.partner_id)
        .join(Staff, Staff.id == Referral.owner_id)
        .where(Referral.outcome.is_(None), Referral.comes_back_on <= now.date() + timedelta(days=1))
        .order_by(Referral.id)
        .with_for_update(of=Referral, skip_locked=True)
    ).all()
    brought = 0
    for referral, student, school, partner, owner_works in rows:
        today = school_day(now, ZoneInfo(school.zone))
        if referral.comes_back_on > today:
            continue
        first = referral.came_back == 0
        owner = referral.owner_id if first and owner_works else colleagues.supervisor(session, school.id)
        referral.came_back += 1
        referral.comes_back_on = _ten_days_on(session, school.id, today)
        since = "ten school days" if first else f"{SCHOOL_DAYS * referral.came_back} school days"
        tasks.raise_once(
            session,
            key=f"{_key(referral.id)}{referral.came_back}",
            student_id=student.id,
            what=f"Find out what became of the referral to {partner}: {since} without an outcome.",
            kind=TaskKind.REFERRAL,
            owner_id=owner,
            due_on=next(iter(attendance.next_school_days(session, school.id, today, 1)), today),
            now=now,
        )
        session.add(
            ReferralStep(
                referral_id=referral.id,
                state=referral.state,
                staff_id=None,
                note=f"Came back: {since} without an outcome.",
                at=now,
            )
        )
        brought += 1
    session.flush()
    return brought


def _take(
    session: Session, referral: Referral, state: ReferralState, staff_id: int, note: str, now: datetime
) -> None:
    before = referral.state
    referral.state = state
    if state in _OUTCOMES:
        referral.outcome = _OUTCOMES[state]
        for number in range(1, referral.came_back + 1):
            tasks.cancel(session, f"{_key(referral.id)}{number}", "the outcome is known", now)
    if state is ReferralState.CLOSED:
        referral.closed_at = now
    session.add(ReferralStep(referral_id=referral.id, state=state, staff_id=staff_id, note=note, at=now))
    session.flush()
    audit.note(
        session,
        staff_id,
        "referral_step" if state is not ReferralState.OFFERED else "referral_opened",
        now=now,
        student_id=referral.student_id,
        detail=f"referral {referral.id}",
        before=before.value if before is not state else "",
        after=state.value,
    )


def _ten_days_on(session: Session, school_id: int, today: date) -> date:
    """The tenth school day after today; where the calendar ends before it, two weeks from today."""
    ahead = attendance.next_school_days(session, school_id, today, SCHOOL_DAYS)
    return ahead[-1] if len(ahead) == SCHOOL_DAYS else today + timedelta(weeks=2)


def _key(referral_id: int) -> str:
    return f"referral:{referral_id}:came back:"


def _locked(session: Session, referral_id: int) -> Referral:
    found = session.get(Referral, referral_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise CaseworkRefused("There is no such referral any more.")
    return found
