"""A family waits for a person: open, take, answer, return, resolve; and by when."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, case, func, insert, or_, select, update
from sqlalchemy.orm import Session

from bot import attendance
from bot.clock import school_day
from bot.language import Language
from bot.policy import Policy
from bot.store.prepared import Change, Query
from bot.store.tables import (
    Conversation,
    ConversationStudent,
    Guardian,
    Handoff,
    HandoffState,
    InboundText,
    Instant,
    Phone,
    School,
    Staff,
    Student,
)
from bot.vocabulary import Queue, Urgency

# Why a family waits, as the desk says it.
WHY = {
    "danger": "Possible danger",
    "whereabouts": "The family thought the student was at school",
    "tonight": "No safe place tonight",
    "asked_for_person": "Asked for a person",
    "barrier": "Told us what is hard",
    "question": "Asked a question",
    "at_school": "Says the student is at school",
    "not_understood": "We did not understand",
    "call_me": "Please call",
    "picture": "Sent a photo",
    "no_answer": "No answer to two texts: please call",
    "call_task": "Nobody could be reached by text: please call",
    "home_visit": "Absent for days, and not reached: please visit",
    "team_review": "Many absences in a row: for the team",
    "left_open": "Began to answer and stopped",
    "wrong_number": "Wrong number: find the right one",
    "stopped_texts": "Wants no more texts: please call",
    "may_mean_stop": "May want no more texts: please read",
    "wants_texts_again": "Wrote START, but told us otherwise to stop: please call",
    "unknown_number": "A number we do not know",
    "wrote_again": "Wrote again",
    "wrote_after_stop": "Wrote after asking us to stop",
    "undelivered": "The text did not arrive: please call",
    "unknown_outcome": "Nobody knows whether the text arrived: please call",
    "flow_changed": "The conversation could not go on",
    "no_translation": "No text in the family's language: please call",
    "incomplete": "Part of the text was lost: please ask",
    "loop": "Texts are going back and forth by themselves: please read",
    "program_error": "The program could not read this text",
}

_UNRESOLVED = (HandoffState.OPEN, HandoffState.TAKEN)
_URGENCY_ORDER = case({urgency: rank for rank, urgency in enumerate(Urgency)}, value=Handoff.urgency)


# --- by when ---------------------------------------------------------------------------------------------


def due(session: Session, urgency: Urgency, school_id: int | None, policy: Policy, now: datetime) -> datetime:
    """By when a person must have answered (conversation.md): P0 seen in five minutes, P1 within two
    office hours, P2 by noon of the next school day, P3 within five school days.

    Rounded up to the half hour a family is promised, except for P0.
    """
    if urgency is Urgency.P0:
        return now + timedelta(minutes=5)
    zone = zone_of(session, school_id)
    office = policy.office(zone)
    if urgency is Urgency.P1:
        start = _office_moment(session, school_id, policy, zone, now)
        _, closes = office.on(school_day(start, zone))
        moment = start + timedelta(hours=2)
        if moment <= closes:
            return half_hour(moment)
        left = moment - closes
        opens = _next_office_opening(session, school_id, policy, zone, start)
        return half_hour(opens + left)
    days = 1 if urgency is Urgency.P2 else 5
    today = school_day(now, zone)
    ahead = attendance.next_school_days(session, school_id, today, days) if school_id is not None else []
    day = ahead[-1] if ahead else today + timedelta(days=days)
    opens, closes = office.on(day)
    return half_hour(min(opens + timedelta(hours=4), closes))


def zone_of(session: Session, school_id: int | None) -> ZoneInfo:
    """The school's zone; without a school, that of any school of the district."""
    if school_id is None:
        return _ANY_ZONE.first(session) or ZoneInfo("UTC")
    return _ZONE.first(session, id=school_id) or ZoneInfo("UTC")


_ZONE = Query(select(School.zone).where(School.id == bindparam("id")), ZoneInfo)
_ANY_ZONE = Query(select(School.zone).order_by(School.id).limit(1), ZoneInfo)


def _office_moment(
    session: Session, school_id: int | None, policy: Policy, zone: ZoneInfo, now: datetime
) -> datetime:
    """*now* when staff are at work, else the next moment at which they are."""
    today = school_day(now, zone)
    opens, closes = policy.office(zone).on(today)
    works_today = school_id is None or attendance.is_school_day(session, school_id, today)
    if works_today and now < closes:
        return max(now, opens)
    return _next_office_opening(session, school_id, policy, zone, now)


def _next_office_opening(
    session: Session, school_id: int | None, policy: Policy, zone: ZoneInfo, now: datetime
) -> datetime:
    today = school_day(now, zone)
    ahead = attendance.next_school_days(session, school_id, today, 1) if school_id is not None else []
    return policy.office(zone).on(ahead[0] if ahead else today + timedelta(days=1))[0]


def half_hour(moment: datetime) -> datetime:
    """The next full or half hour: what a family is promised must be easy to remember."""
    past = timedelta(minutes=moment.minute % 30, seconds=moment.second, microseconds=moment.microsecond)
    return moment if not past else moment - past + timedelta(minutes=30)


# --- open, take, answer, return, resolve -----------------------------------------------------------------------


class _Waiting(NamedTuple):
    """A case that is not resolved, as far as another reason to wait can change it."""

    id: int
    queue: Queue
    urgency: Urgency
    why: str
    taken_by: int | None
    waiting_since: datetime | None
    due_at: datetime


_THEIRS = (Handoff.conversation_id == bindparam("conversation_id"), Handoff.state != HandoffState.RESOLVED)
_FIRST_WAITING = Query(
    select(*(getattr(Handoff, name) for name in _Waiting._fields))
    .where(*_THEIRS)
    .order_by(_URGENCY_ORDER, Handoff.id)
    .limit(1)
    .with_for_update(),
    _Waiting,
)
_OPEN = Query(
    insert(Handoff).returning(Handoff.id),
    int,
    columns=(
        "conversation_id",
        "school_id",
        "queue",
        "urgency",
        "why",
        "state",
        "opened_at",
        "waiting_since",
        "due_at",
        "resolution",
    ),
)
_CHANGE = Change(
    update(Handoff).where(Handoff.id == bindparam("which")),
    columns=("queue", "urgency", "why", "waiting_since", "due_at"),
)
_WAIT_AGAIN = Change(
    update(Handoff)
    .where(*_THEIRS)
    .values(waiting_since=func.coalesce(Handoff.waiting_since, bindparam("since", type_=Instant())))
)


def open_one(
    session: Session,
    *,
    conversation_id: int,
    school_id: int | None,
    queue: Queue,
    urgency: Urgency,
    why: str,
    due_at: datetime,
    now: datetime,
    beside: bool = False,
) -> int:
    """A family waits from now on. One that waits already is made more urgent, never doubled.

    Danger heard while a person has the case opens a second, urgent one: it must be seen anew. *beside*:
    so does a task of its own, such as a home visit, which must not be lost in a call that is due today.
    """
    session.flush()
    waiting = None if beside else _FIRST_WAITING.first(session, conversation_id=conversation_id)
    if waiting is None or (
        urgency is Urgency.P0 and waiting.urgency is not Urgency.P0 and waiting.taken_by is not None
    ):
        return _OPEN.one(
            session,
            conversation_id=conversation_id,
            school_id=school_id,
            queue=queue,
            urgency=urgency,
            why=why,
            state=HandoffState.OPEN,
            opened_at=now,
            waiting_since=now,
            due_at=due_at,
            resolution="",
        )
    more_urgent = urgency < waiting.urgency
    _CHANGE.run(
        session,
        which=waiting.id,
        urgency=urgency if more_urgent else waiting.urgency,
        queue=queue if more_urgent else waiting.queue,
        why=why if more_urgent else waiting.why,
        waiting_since=waiting.waiting_since or now,
        due_at=min(waiting.due_at, due_at),
    )
    return waiting.id


def is_open(session: Session, conversation_id: int) -> bool:
    """Whether a person has or awaits this conversation."""
    return _FIRST_WAITING.first(session, conversation_id=conversation_id) is not None


def family_wrote(session: Session, conversation_id: int, now: datetime) -> bool:
    """The family waits for an answer again; False when nobody has or awaits the conversation."""
    return _WAIT_AGAIN.run(session, conversation_id=conversation_id, since=now) > 0


def take(session: Session, conversation_id: int, staff_id: int, now: datetime) -> None:
    """Every handoff of the conversation is this person's from now on."""
    session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state.in_(_UNRESOLVED))
        .values(state=HandoffState.TAKEN, taken_by=staff_id, taken_at=now),
        execution_options={"synchronize_session": "fetch"},
    )


def answered(session: Session, conversation_id: int) -> None:
    """A reply or a call: the family no longer waits for us; the case goes on."""
    session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state.in_(_UNRESOLVED))
        .values(waiting_since=None),
        execution_options={"synchronize_session": "fetch"},
    )


def resolve(session: Session, conversation_id: int, staff_id: int, resolution: str, now: datetime) -> int:
    """The case is seen through; returns how many handoffs that closed."""
    done = session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state.in_(_UNRESOLVED))
        .values(
            state=HandoffState.RESOLVED,
            resolved_by=staff_id,
            resolved_at=now,
            resolution=resolution,
            waiting_since=None,
        ),
        execution_options={"synchronize_session": "fetch"},
    )
    return int(getattr(done, "rowcount", 0))


# --- the queue ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WaitingFamily:
    """One line of the queue. `last_words` is what the family wrote last, as it wrote it."""

    handoff_id: int
    conversation_id: int
    family: str
    students: tuple[str, ...]
    school: str
    queue: Queue
    urgency: Urgency
    why: str
    state: HandoffState
    taken_by: str
    taken_by_id: int | None
    waiting_since: datetime | None
    due_at: datetime
    zone: ZoneInfo
    language: Language
    last_words: str


def waiting(session: Session, schools: Collection[int]) -> list[WaitingFamily]:
    """Who waits at these schools: most urgent first, then longest waiting; answered cases last.

    Unknown numbers belong to no school and are shown to everyone, so that nobody misses them.
    """
    rows = session.execute(
        select(Handoff, Conversation.language, Guardian, Phone.number, School.name, School.zone, Staff.name)
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .join(Phone, Phone.id == Conversation.phone_id)
        .outerjoin(Guardian, Guardian.id == Conversation.guardian_id)
        .outerjoin(School, School.id == Handoff.school_id)
        .outerjoin(Staff, Staff.id == Handoff.taken_by)
        .where(
            Handoff.state.in_(_UNRESOLVED),
            or_(Handoff.school_id.in_(schools), Handoff.school_id.is_(None)),
        )
        .order_by(
            _URGENCY_ORDER,
            Handoff.waiting_since.is_(None),
            Handoff.waiting_since,
            Handoff.id,
        )
    ).all()
    conversations = [handoff.conversation_id for handoff, *_ in rows]
    students, words = _students_of(session, conversations), _last_words(session, conversations)
    anywhere = zone_of(session, None)
    return [
        WaitingFamily(
            handoff_id=handoff.id,
            conversation_id=handoff.conversation_id,
            family=f"{guardian.given_name} {guardian.family_name}" if guardian else f"Number …{number[-4:]}",
            students=students.get(handoff.conversation_id, ()),
            school=school or "",
            queue=handoff.queue,
            urgency=handoff.urgency,
            why=handoff.why,
            state=handoff.state,
            taken_by=taken_by or "",
            taken_by_id=handoff.taken_by,
            waiting_since=handoff.waiting_since,
            due_at=handoff.due_at,
            zone=ZoneInfo(zone) if zone else anywhere,
            language=language,
            last_words=words.get(handoff.conversation_id, ""),
        )
        for handoff, language, guardian, number, school, zone, taken_by in rows
    ]


def _students_of(session: Session, conversations: Collection[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    rows = session.execute(
        select(ConversationStudent.conversation_id, Student)
        .join(Student, Student.id == ConversationStudent.student_id)
        .where(ConversationStudent.conversation_id.in_(conversations))
        .order_by(Student.id)
    )
    for conversation, student in rows:
        found[conversation].append(f"{student.first_name} {student.family_name}")
    return {conversation: tuple(names) for conversation, names in found.items()}


def _last_words(session: Session, conversations: Collection[int]) -> dict[int, str]:
    newest = (
        select(func.max(InboundText.id))
        .where(InboundText.conversation_id.in_(conversations))
        .group_by(InboundText.conversation_id)
    )
    rows = session.execute(
        select(InboundText.conversation_id, InboundText.words).where(InboundText.id.in_(newest))
    )
    return {conversation: words for conversation, words in rows if conversation is not None}


def pulse(session: Session, schools: Collection[int]) -> str:
    """A cheap mark that changes whenever the queue of these schools does."""
    number, newest, soonest, touched = session.execute(
        select(
            func.count(),
            func.max(Handoff.id),
            func.min(Handoff.due_at),
            func.max(Conversation.touched_at),
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(
            Handoff.state.in_(_UNRESOLVED),
            or_(Handoff.school_id.in_(schools), Handoff.school_id.is_(None)),
        )
    ).one()
    return f"{number}-{newest}-{soonest}-{touched}"
