"""What a waiting family is told about people: who is here now, and when nobody can be before tomorrow.

Neither is said where danger was heard: after the safety text the program is silent (conversation.md).
"""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import chat_links, consent, handoffs, outbox
from bot.clock import school_day
from bot.conversation.state import End, Ended, WithStaff, from_json
from bot.policy import Policy
from bot.store.tables import (
    Conversation,
    ConversationStudent,
    Handoff,
    HandoffState,
    InboundText,
    OutboundText,
    Phone,
    School,
    Staff,
    Student,
)
from bot.texts import PHRASES, Texts, Values
from bot.vocabulary import Purpose, Urgency

HERE, TOMORROW = "desk.here", "desk.tomorrow"

# Who has just been written to knows that somebody is there; and a case passed around is no news each time.
_JUST_WRITTEN = timedelta(minutes=10)
_HARDLY_OFTENER = timedelta(hours=2)
# The turn that opened the wait came a little after the family's words.
_BEFORE_THE_WAIT = timedelta(hours=1)
# How long after the office closed it still makes sense to say so.
_AFTER_CLOSING = timedelta(hours=1)
# From the next opening on a person needs a while to come to everybody.
_FROM_OPENING = timedelta(hours=2)
_SILENT = (End.DANGER, End.STOPPED, End.WRONG_NUMBER)


def say_who_is_here(
    session: Session,
    conversation: Conversation,
    staff_id: int,
    *,
    texts: Texts,
    policy: Policy,
    now: datetime,
) -> bool:
    """Tell a waiting family that this person has its thread now; True when it is told.

    Not in the night, not twice in two hours, and not to who was written to a moment ago.
    """
    since = _waits_since(session, conversation.id)
    if since is None or not _may_be_told(session, conversation, since):
        return False
    if not policy.replies(handoffs.zone_of(session, conversation.school_id)).contains(now):
        return False
    if _written_lately(session, conversation.id, now):
        return False
    taker = session.get_one(Staff, staff_id).name
    return _tell(session, conversation, HERE, Values(staff=taker), since, staff_id, texts, policy, now)


def say_not_before_tomorrow(session: Session, *, texts: Texts, policy: Policy, now: datetime) -> int:
    """The office has closed on families that were promised an answer today: tell each once, and when.

    Returns how many are told. Who wrote after hours has read it already, in the program's answer.
    """
    rows = session.execute(
        select(Handoff.conversation_id, Handoff.school_id, Handoff.taken_by, func.min(Handoff.waiting_since))
        .where(
            Handoff.state.in_([HandoffState.OPEN, HandoffState.TAKEN]),
            Handoff.waiting_since.is_not(None),
            Handoff.due_at <= now,
        )
        .group_by(Handoff.conversation_id, Handoff.school_id, Handoff.taken_by)
    ).all()
    if not rows:
        return 0
    schools = {school for _, school, _, _ in rows if school is not None}
    hours = handoffs.office_hours(session, schools, now, policy, now)
    told = 0
    for conversation_id, school_id, taken_by, since in rows:
        if since is None:
            continue
        zone = handoffs.zone_of(session, school_id)
        today = school_day(now, zone)
        _, closes = policy.office(zone).on(today)
        just_closed = closes <= now < closes + _AFTER_CLOSING and hours.works(school_id, today)
        if not just_closed or since >= closes or not policy.replies(zone).contains(now):
            continue
        conversation = session.get_one(
            Conversation, conversation_id, with_for_update=True, populate_existing=True
        )
        if not _may_be_told(session, conversation, since):
            continue
        opens = handoffs.next_opening(session, school_id, policy, zone, now)
        values = Values(by=handoffs.half_hour(opens + _FROM_OPENING), now=now, zone=zone)
        # Whoever has the talk speaks in it; the program by itself would be turned back at the door.
        told += _tell(session, conversation, TOMORROW, values, since, taken_by, texts, policy, now)
    return told


def _waits_since(session: Session, conversation_id: int) -> datetime | None:
    """Since when the family waits; None when it does not, or when it is in danger."""
    rows = session.execute(
        select(Handoff.urgency, Handoff.waiting_since).where(
            Handoff.conversation_id == conversation_id, Handoff.state != HandoffState.RESOLVED
        )
    ).all()
    if any(urgency is Urgency.P0 for urgency, _ in rows):
        return None
    return min((since for _, since in rows if since is not None), default=None)


def _may_be_told(session: Session, conversation: Conversation, since: datetime) -> bool:
    """Whether the family itself began to wait, and a text can reach it that nobody has asked us to withhold."""
    state = from_json(conversation.state)
    ended = state.before if isinstance(state, WithStaff) else state
    if isinstance(ended, Ended) and ended.how in _SILENT:
        return False
    if _waits_since(session, conversation.id) is None:
        return False
    wrote = session.scalar(
        select(InboundText.id)
        .where(
            InboundText.conversation_id == conversation.id,
            InboundText.received_at >= since - _BEFORE_THE_WAIT,
        )
        .limit(1)
    )
    if wrote is None or session.get_one(Phone, conversation.phone_id).held:
        return False
    return consent.number_closed(session, conversation.phone_id) is None and not consent.barred(
        session, conversation
    )


def _written_lately(session: Session, conversation_id: int, now: datetime) -> bool:
    """Whether a person has just written to the family, or somebody was announced to it a while ago."""
    rows = session.execute(
        select(OutboundText.key, OutboundText.queued_at).where(
            OutboundText.conversation_id == conversation_id,
            OutboundText.staff_id.is_not(None),
            OutboundText.queued_at > now - _HARDLY_OFTENER,
        )
    )
    return any(key == HERE or at > now - _JUST_WRITTEN for key, at in rows)


def _tell(
    session: Session,
    conversation: Conversation,
    key: str,
    values: Values,
    since: datetime,
    staff_id: int | None,
    texts: Texts,
    policy: Policy,
    now: datetime,
) -> bool:
    # The wait is part of the token: the outbox itself keeps the line from being said twice in it.
    what = f"{key}:{conversation.id}:{staff_id if key == HERE else ''}:{since.isoformat()}"
    token = hashlib.sha256(what.encode()).hexdigest()[:32]
    if session.scalar(select(OutboundText.id).where(OutboundText.token == token)) is not None:
        return False
    schools = session.scalars(
        select(School.name)
        .join(Student, Student.school_id == School.id)
        .join(ConversationStudent, ConversationStudent.student_id == Student.id)
        .where(ConversationStudent.conversation_id == conversation.id)
        .distinct()
        .order_by(School.name)
    ).all()
    named = Values(
        schools=list(schools) or [policy.district_name or "School"],
        staff=values.staff,
        by=values.by,
        now=values.now,
        zone=values.zone,
    )
    window = policy.replies(handoffs.zone_of(session, conversation.school_id))
    outbox.queue(
        session,
        texts.render(key, PHRASES[key], named, conversation.language),
        conversation_id=conversation.id,
        phone_id=conversation.phone_id,
        purpose=Purpose.REPLY,
        law=policy.law(Purpose.REPLY),
        not_before=now,
        not_after=window.on(school_day(now, window.zone))[1],
        now=now,
        key=key,
        staff_id=staff_id,
        token=token,
        channel=chat_links.channel_to(session, conversation, now),
    )
    return True
