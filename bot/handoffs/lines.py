"""The queue as it is read: who waits, in which order, how many there are, and whether anything changed."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from bot.handoffs.by_when import zone_of
from bot.handoffs.cases import UNRESOLVED, URGENCY_ORDER
from bot.language import Language
from bot.store.tables import (
    BarrierFound,
    Conversation,
    ConversationStudent,
    Guardian,
    Handoff,
    HandoffState,
    InboundText,
    PassedOn,
    Phone,
    School,
    Staff,
    Student,
    Transfer,
)
from bot.vocabulary import Barrier, Queue, Urgency


@dataclass(frozen=True)
class Asked:
    """Which lines somebody wants to see; what is None is not asked. `mine` is a staff member's id."""

    mine: int | None = None
    school: int | None = None
    queue: Queue | None = None
    language: Language | None = None
    barrier: Barrier | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.mine is not None:
            found.append(_taken_by(self.mine))
        if self.school is not None:
            found.append(Handoff.school_id == self.school)
        if self.queue is not None:
            found.append(Handoff.queue == self.queue)
        if self.language is not None:
            found.append(Conversation.language == self.language)
        if self.barrier is not None:
            found.append(
                exists().where(
                    BarrierFound.conversation_id == Handoff.conversation_id,
                    BarrierFound.code == self.barrier,
                    BarrierFound.resolved_at.is_(None),
                    BarrierFound.withdrawn_at.is_(None),
                )
            )
        return found


_EVERYTHING = Asked()


@dataclass(frozen=True)
class Handed:
    """How the family came to where it is: from whom, and what they left for the next person to know."""

    kind: PassedOn
    from_name: str
    by_name: str
    note: str
    at: datetime


@dataclass(frozen=True)
class WaitingFamily:
    """One line of the queue. `last_words` is what the family wrote last, as it wrote it."""

    handoff_id: int
    conversation_id: int
    family: str
    students: tuple[str, ...]
    school_id: int | None
    school: str
    queue: Queue
    urgency: Urgency
    why: str
    state: HandoffState
    taken_by: str
    taken_by_id: int | None
    waiting_since: datetime | None
    due_at: datetime
    seen_by: str
    zone: ZoneInfo
    language: Language
    last_words: str
    handed: Handed | None


def waiting(
    session: Session,
    schools: Collection[int],
    asked: Asked = _EVERYTHING,
    *,
    most: int | None = None,
    after: int = 0,
) -> list[WaitingFamily]:
    """Who waits at these schools: most urgent first, then longest waiting; answered cases last.

    Unknown numbers belong to no school and are shown to everyone, so that nobody misses them. At most
    *most* lines, beginning after the first *after*.
    """
    taker, looker = aliased(Staff), aliased(Staff)
    rows = session.execute(
        select(
            Handoff,
            Conversation.language,
            Guardian,
            Phone.number,
            School.name,
            School.zone,
            taker.name,
            looker.name,
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .join(Phone, Phone.id == Conversation.phone_id)
        .outerjoin(Guardian, Guardian.id == Conversation.guardian_id)
        .outerjoin(School, School.id == Handoff.school_id)
        .outerjoin(taker, taker.id == Handoff.taken_by)
        .outerjoin(looker, looker.id == Handoff.seen_by)
        .where(*_of(schools), *asked.conditions())
        .order_by(
            URGENCY_ORDER,
            Handoff.waiting_since.is_(None),
            Handoff.waiting_since,
            Handoff.id,
        )
        .limit(most)
        .offset(after or None)
    ).all()
    conversations = [handoff.conversation_id for handoff, *_ in rows]
    students, words = _students_of(session, conversations), _last_words(session, conversations)
    handed = _handed(session, conversations)
    anywhere = zone_of(session, None) if any(zone is None for *_, zone, _, _ in rows) else ZoneInfo("UTC")
    return [
        WaitingFamily(
            handoff_id=handoff.id,
            conversation_id=handoff.conversation_id,
            family=f"{guardian.given_name} {guardian.family_name}" if guardian else f"Number …{number[-4:]}",
            students=students.get(handoff.conversation_id, ()),
            school_id=handoff.school_id,
            school=school or "",
            queue=handoff.queue,
            urgency=handoff.urgency,
            why=handoff.why,
            state=handoff.state,
            taken_by=taken_by or "",
            taken_by_id=handoff.taken_by,
            waiting_since=handoff.waiting_since,
            due_at=handoff.due_at,
            seen_by=seen_by or "",
            zone=ZoneInfo(zone) if zone else anywhere,
            language=language,
            last_words=words.get(handoff.conversation_id, ""),
            handed=handed.get(handoff.conversation_id),
        )
        for handoff, language, guardian, number, school, zone, taken_by, seen_by in rows
    ]


@dataclass(frozen=True)
class Tally:
    """How many lines there are. `urgent` need help now and nobody has taken them; `shown` were asked for."""

    waiting: int
    urgent: int
    mine: int
    shown: int


def tally(session: Session, schools: Collection[int], staff_id: int, asked: Asked = _EVERYTHING) -> Tally:
    """Count the open lines of these schools: as many rows are read as cases are open, however old the district."""
    counted = select(
        func.count(),
        func.count().filter(Handoff.urgency == Urgency.P0, Handoff.state == HandoffState.OPEN),
        func.count().filter(_taken_by(staff_id)),
        func.count().filter(and_(True, *asked.conditions())),
    ).where(*_of(schools))
    if asked.language is not None:
        # Only then does it matter what they read; every open page of the desk counts every few seconds.
        counted = counted.join(Conversation, Conversation.id == Handoff.conversation_id)
    row = session.execute(counted.select_from(Handoff)).one()
    return Tally(*row)


def pulse(session: Session, schools: Collection[int]) -> str:
    """A cheap mark that changes whenever the queue of these schools does."""
    number, newest, soonest, touched, taken = session.execute(
        select(
            func.count(),
            func.max(Handoff.id),
            func.min(Handoff.due_at),
            func.max(Conversation.touched_at),
            func.max(Handoff.acted_at),
        )
        .select_from(Handoff)
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(*_of(schools))
    ).one()
    return f"{number}-{newest}-{soonest}-{touched}-{taken}"


def _of(schools: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    return (
        Handoff.state.in_(UNRESOLVED),
        or_(Handoff.school_id.in_(schools), Handoff.school_id.is_(None)),
    )


def _taken_by(staff_id: int) -> ColumnElement[bool]:
    return and_(Handoff.state == HandoffState.TAKEN, Handoff.taken_by == staff_id)


def _students_of(session: Session, conversations: Collection[int]) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    rows = session.execute(
        select(
            ConversationStudent.conversation_id,
            Student.preferred_name,
            Student.given_name,
            Student.family_name,
        )
        .join(Student, Student.id == ConversationStudent.student_id)
        .where(ConversationStudent.conversation_id.in_(conversations))
        .order_by(Student.id)
    )
    for conversation, preferred, given, family in rows:
        found[conversation].append(f"{preferred or given} {family}")
    return {conversation: tuple(names) for conversation, names in found.items()}


def _last_words(session: Session, conversations: Collection[int]) -> Mapping[int, str]:
    newest = (
        select(func.max(InboundText.id))
        .where(InboundText.conversation_id.in_(conversations))
        .group_by(InboundText.conversation_id)
    )
    rows = session.execute(
        select(InboundText.conversation_id, InboundText.words).where(InboundText.id.in_(newest))
    )
    return {conversation: words for conversation, words in rows if conversation is not None}


def _handed(session: Session, conversations: Collection[int]) -> Mapping[int, Handed]:
    """How each of these families last left somebody's hands."""
    newest = (
        select(func.max(Transfer.id))
        .where(Transfer.conversation_id.in_(conversations))
        .group_by(Transfer.conversation_id)
    )
    giver, doer = aliased(Staff), aliased(Staff)
    rows = session.execute(
        select(Transfer.conversation_id, Transfer.kind, giver.name, doer.name, Transfer.note, Transfer.at)
        .outerjoin(giver, giver.id == Transfer.from_staff_id)
        .outerjoin(doer, doer.id == Transfer.by_staff_id)
        .where(Transfer.id.in_(newest))
    )
    return {
        conversation: Handed(kind, giver_name or "", doer_name or "", note, at)
        for conversation, kind, giver_name, doer_name, note, at in rows
    }
