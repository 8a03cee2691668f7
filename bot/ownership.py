"""Whose a family is: handed on to a colleague, put back into the queue, and back by the clock when nobody acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from bot import access, answering, audit, handoffs, looking
from bot.access import Act
from bot.advance import Script
from bot.answering import NotPossible
from bot.handoffs import OfficeHours
from bot.policy import Policy
from bot.store.session import Database
from bot.store.tables import (
    AuditLine,
    Conversation,
    ConversationStudent,
    Guardian,
    Handoff,
    HandoffState,
    PassedOn,
    Phone,
    Staff,
    StaffSchool,
)
from bot.vocabulary import Owner, Queue, Role, Urgency

_log = structlog.get_logger(__name__)

LONGEST_NOTE = 500


@dataclass(frozen=True)
class Colleague:
    id: int
    name: str


def colleagues(session: Session, conversation_id: int, but: int) -> list[Colleague]:
    """Who may be handed this family: everybody who works the desk for its school, but the one who asks."""
    school = session.get_one(Conversation, conversation_id).school_id
    return [Colleague(each.id, each.name) for each in _who_may_have(session, school) if each.id != but]


def whose(session: Session, conversation_id: int) -> str:
    """The family's name as the desk calls it."""
    talk = session.get_one(Conversation, conversation_id)
    guardian = session.get(Guardian, talk.guardian_id) if talk.guardian_id is not None else None
    if guardian is None:
        return f"Number …{session.get_one(Phone, talk.phone_id).number[-4:]}"
    return f"{guardian.given_name} {guardian.family_name}"


def transfer(
    session: Session,
    conversation_id: int,
    staff_id: int,
    to: int,
    note: str,
    *,
    script: Script,
    leads: bool = False,
    now: datetime,
) -> None:
    """Hand a family on to a colleague of its school, with what they must know.

    Whoever has it may, anybody while nobody has it, and a leader (*leads*) in any case. Raises NotPossible.
    """
    conversation = _locked(session, conversation_id)
    note = _written(note)
    if not note:
        raise NotPossible("Say in a few words what your colleague must know, then hand the family on.")
    before = _may_pass_on(session, conversation, staff_id, leads=leads)
    receiver = next((each for each in _who_may_have(session, conversation.school_id) if each.id == to), None)
    if receiver is None:
        raise NotPossible("This person does not work the desk for the family's school; choose somebody else.")
    if conversation.staff_id == to:
        raise NotPossible(f"{receiver.name} has this family already.")
    if not handoffs.is_open(session, conversation_id):
        # Without a line nobody would find it in the colleague's list.
        handoffs.open_one(
            session,
            conversation_id=conversation_id,
            school_id=conversation.school_id,
            queue=Queue.ENGAGEMENT,
            urgency=Urgency.P2,
            why="transferred",
            due_at=handoffs.due(session, Urgency.P2, conversation.school_id, script.policy, now),
            now=now,
        )
    # A person has it from the first moment on; the program's own texts that wait do not leave.
    _give_up(session, conversation, now)
    answering.take(session, conversation_id, to, script=script, now=now, announced=False)
    handoffs.passed_on(
        session, conversation_id, PassedOn.TRANSFERRED, by=staff_id, from_=before, to=to, note=note, now=now
    )
    audit.note(
        session,
        staff_id,
        "transfer",
        conversation_id=conversation_id,
        detail=note,
        before=_name(session, before),
        after=receiver.name,
        now=now,
    )


def release(
    session: Session, conversation_id: int, staff_id: int, note: str, *, leads: bool = False, now: datetime
) -> None:
    """Put a family back into the queue, without giving it to the program, which stays silent.

    Raises NotPossible when nobody has it, or somebody else.
    """
    conversation = _locked(session, conversation_id)
    if conversation.owner is not Owner.STAFF and not _taken_by(session, conversation_id):
        raise NotPossible("Nobody has this family, so there is nothing to put back: it waits in the queue.")
    before = _may_pass_on(session, conversation, staff_id, leads=leads)
    _give_up(session, conversation, now, of=before)
    handoffs.passed_on(
        session,
        conversation_id,
        PassedOn.RELEASED,
        by=staff_id,
        from_=before,
        to=None,
        note=_written(note),
        now=now,
    )
    audit.note(
        session,
        staff_id,
        "release",
        conversation_id=conversation_id,
        detail=_written(note),
        before=_name(session, before),
        now=now,
    )


# --- back by the clock ------------------------------------------------------------------------------------------


def come_back(database: Database, *, policy: Policy, now: datetime) -> int:
    """Put back what its taker has let lie; returns how many families came back.

    A family that waits beyond its time, a taker who has done nothing for days or whose account is
    closed: nobody else would look, because the case is somebody's.
    """
    with database.begin() as session:
        looking.forget_old(session, now)
        left = _let_lie(session, policy, now)
    came = 0
    for conversation_id, taker in left:
        with database.begin() as session:
            came += _take_away(session, conversation_id, taker, policy, now)
    if came:
        _log.info("families came back to the queue", families=came)
    return came


def _take_away(session: Session, conversation_id: int, taker: int, policy: Policy, now: datetime) -> bool:
    conversation = _locked(session, conversation_id)
    if (conversation_id, taker) not in _let_lie(session, policy, now, conversation_id):
        return False  # they have written, or given it back, a moment ago
    _give_up(session, conversation, now, of=taker)
    handoffs.passed_on(
        session, conversation_id, PassedOn.CAME_BACK, by=None, from_=taker, to=None, note="", now=now
    )
    return True


def _let_lie(
    session: Session, policy: Policy, now: datetime, conversation_id: int | None = None
) -> Sequence[tuple[int, int]]:
    """(conversation, taker) of each taken case that must come back; of one conversation where it is given."""
    query = (
        select(Handoff, Staff)
        .join(Staff, Staff.id == Handoff.taken_by)
        .where(Handoff.state == HandoffState.TAKEN)
        .order_by(Handoff.id)
        .execution_options(populate_existing=True)
    )
    if conversation_id is not None:
        query = query.where(Handoff.conversation_id == conversation_id)
    taken = session.execute(query).all()
    if not taken:
        return []
    schools = {each.school_id for each, _ in taken if each.school_id is not None}
    oldest = min(min(each.due_at, each.acted_at or now) for each, _ in taken)
    hours = handoffs.office_hours(session, schools, oldest, policy, now)
    sees = {(row.staff_id, row.school_id) for row in session.scalars(select(StaffSchool))}
    found = dict.fromkeys(
        (each.conversation_id, taker.id)
        for each, taker in taken
        if not _works_for(taker, each.school_id, sees) or _is_late(session, each, hours, policy, now)
    )
    return list(found)


def _works_for(taker: Staff, school_id: int | None, sees: set[tuple[int, int]]) -> bool:
    anywhere = school_id is None or taker.role is Role.DISTRICT_ADMINISTRATOR
    return (
        taker.active
        and access.can(taker.role, (), Act.HELP)
        and (anywhere or (taker.id, school_id or 0) in sees)
    )


def _is_late(session: Session, case: Handoff, hours: OfficeHours, policy: Policy, now: datetime) -> bool:
    acted = case.acted_at or case.taken_at or case.opened_at
    if case.waiting_since is not None and case.urgency is Urgency.P0:
        # Danger keeps no office hours.
        late = now - max(case.waiting_since, acted) > policy.claim_urgent
        return late and not _did_something(session, case, now - policy.claim_urgent)
    zone = handoffs.zone_of(session, case.school_id)
    if case.waiting_since is not None and case.due_at < now:
        beyond = hours.lasted(case.school_id, zone, max(case.due_at, acted), now)
        if beyond > policy.claim_late and not _did_something(session, case, max(case.due_at, acted)):
            return True
    if hours.lasted(case.school_id, zone, acted, now) <= policy.claim_idle:
        return False
    since = now - timedelta(days=1)
    while hours.lasted(case.school_id, zone, since, now) < policy.claim_idle:
        since -= timedelta(days=1)
    return not _did_something(session, case, since)


def _did_something(session: Session, case: Handoff, since: datetime) -> bool:
    """Whether the taker has done anything for this family since then: a visit, a referral, a note."""
    students = select(ConversationStudent.student_id).where(
        ConversationStudent.conversation_id == case.conversation_id
    )
    return bool(
        session.scalar(
            select(
                exists().where(
                    AuditLine.staff_id == case.taken_by,
                    AuditLine.at > since,
                    or_(
                        AuditLine.conversation_id == case.conversation_id,
                        AuditLine.student_id.in_(students),
                    ),
                )
            )
        )
    )


# --- whose it is ------------------------------------------------------------------------------------------------


def _locked(session: Session, conversation_id: int) -> Conversation:
    return session.get_one(Conversation, conversation_id, with_for_update=True, populate_existing=True)


def _written(note: str) -> str:
    return " ".join(note.replace("\x00", "").split())[:LONGEST_NOTE]


def _taken_by(session: Session, conversation_id: int) -> int | None:
    return session.scalar(
        select(Handoff.taken_by)
        .where(Handoff.conversation_id == conversation_id, Handoff.state == HandoffState.TAKEN)
        .order_by(Handoff.id)
        .limit(1)
    )


def _may_pass_on(session: Session, conversation: Conversation, staff_id: int, *, leads: bool) -> int | None:
    """Who has the family now. Raises NotPossible when it is somebody else's to decide."""
    has = conversation.staff_id or _taken_by(session, conversation.id)
    if has is not None and has != staff_id and not leads and session.get_one(Staff, has).active:
        raise NotPossible(
            f"{_name(session, has)} has this family. They can hand it on, or a supervisor of the school."
        )
    return has


def _give_up(session: Session, conversation: Conversation, now: datetime, *, of: int | None = None) -> None:
    """Nobody has it any more, or not this person. The talk stays as they left it: the program is silent in it."""
    if conversation.owner is Owner.STAFF and of in (None, conversation.staff_id):
        conversation.owner, conversation.staff_id = Owner.NOBODY, None
    conversation.touched_at = now
    session.flush()
    handoffs.put_back(session, conversation.id, now, taken_by=of)


def _who_may_have(session: Session, school_id: int | None) -> list[Staff]:
    """Everybody who works the desk for this school; for a number of no school, everybody who works the desk."""
    query = select(Staff).where(Staff.active).order_by(Staff.name, Staff.id)
    if school_id is not None:
        theirs = exists().where(StaffSchool.staff_id == Staff.id, StaffSchool.school_id == school_id)
        query = query.where(or_(theirs, Staff.role == Role.DISTRICT_ADMINISTRATOR))
    return [each for each in session.scalars(query) if access.can(each.role, (), Act.HELP)]


def _name(session: Session, staff_id: int | None) -> str:
    return session.get_one(Staff, staff_id).name if staff_id is not None else ""
