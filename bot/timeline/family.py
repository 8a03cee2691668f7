"""One family as a staff member sees it: who they are, who waits for whom, and all that happened."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from bot.language import Language
from bot.staff import StaffMember
from bot.store.tables import (
    Conversation,
    ConversationStudent,
    Guardian,
    Guardianship,
    Handoff,
    HandoffState,
    InboundText,
    Phone,
    School,
    Staff,
    Student,
)
from bot.timeline import cursor, story
from bot.timeline.entries import Entry, in_order
from bot.timeline.window import Whose, window
from bot.vocabulary import Owner, Queue, Urgency


@dataclass(frozen=True)
class StudentAbout:
    name: str
    grade: str
    id: int = 0
    first_name: str = ""


@dataclass(frozen=True)
class Waits:
    """The handoff that is not resolved yet."""

    queue: Queue
    urgency: Urgency
    why: str
    state: HandoffState
    taken_by: str
    waiting_since: datetime | None
    due_at: datetime


@dataclass(frozen=True)
class Family:
    """One conversation with its family, and beside it what happened with them, oldest first.

    `guardian` and `school` are empty for a number nobody knows, `zone` with them. `entries` are of
    every conversation with this guardian on this phone that the reader may see, from `since` on (None:
    from the beginning). `version` changes whenever the newest part of the page would.
    """

    conversation_id: int
    newest_id: int
    guardian_id: int | None
    guardian: str
    relation: str
    students: tuple[StudentAbout, ...]
    household: tuple[int, ...]
    school: str
    zone: str
    language: Language
    phone: str
    day: date
    opened_at: datetime
    owner: Owner
    staff_id: int | None
    staff_name: str
    waits: Waits | None
    entries: tuple[Entry, ...]
    since: datetime | None
    version: str


def family(
    session: Session,
    conversation_id: int,
    schools: Collection[int],
    *,
    reader: StaffMember | None = None,
    before: datetime | None = None,
    since: datetime | None = None,
) -> Family | None:
    """The family of a conversation, as someone of these *schools* may see it; None when they may not.

    The newest part of its story, the part *before* an instant, or all of it *since* one. Without a
    *reader* the parts that only some may read are left out.
    """
    found = _whose(session, conversation_id, schools)
    if found is None:
        return None
    talk, theirs = found
    # Taken before the story is read: what comes meanwhile is shown, and at worst shown anew.
    mark = cursor.mark(session, theirs, talk.id)
    school, guardian = session.execute(
        select(School, Guardian)
        .select_from(Conversation)
        .outerjoin(School, School.id == Conversation.school_id)
        .outerjoin(Guardian, Guardian.id == Conversation.guardian_id)
        .where(Conversation.id == talk.id)
    ).one()
    names = {id_: name for id_, name in session.execute(select(Staff.id, Staff.name))}
    seen = window(session, theirs, before=before, since=since)
    students, relation = _students(session, talk)
    return Family(
        conversation_id=talk.id,
        newest_id=theirs.talks[-1],
        guardian_id=talk.guardian_id,
        guardian=f"{guardian.given_name} {guardian.family_name}" if guardian else "",
        relation=relation,
        students=students,
        household=tuple(theirs.students),
        school=school.name if school else "",
        zone=school.zone if school else "",
        language=talk.language,
        phone=f"…{theirs.number[-4:]}",
        day=talk.day,
        opened_at=talk.opened_at,
        owner=talk.owner,
        staff_id=talk.staff_id,
        staff_name=names.get(talk.staff_id or 0, ""),
        waits=_waits(session, talk.id, names),
        entries=in_order(story.entries(session, theirs, seen, names, reader)),
        since=seen.since,
        version=mark,
    )


def version(session: Session, conversation_id: int, schools: Collection[int]) -> str | None:
    """The family's `version` alone: what a page asks every few seconds."""
    found = _whose(session, conversation_id, schools)
    return cursor.mark(session, found[1], conversation_id) if found else None


def title(session: Session, conversation_id: int) -> str:
    """How a page names this family: the guardian, or the end of a number nobody knows."""
    talk = session.get_one(Conversation, conversation_id)
    guardian = session.get(Guardian, talk.guardian_id) if talk.guardian_id else None
    if guardian is not None:
        return f"{guardian.given_name} {guardian.family_name}"
    return f"Number …{session.get_one(Phone, talk.phone_id).number[-4:]}"


def heard(
    session: Session, conversation_id: int, text_id: int, schools: Collection[int]
) -> tuple[str, Language | None] | None:
    """The words of one text of this family, and their language; None when they are not there to be read."""
    found = _whose(session, conversation_id, schools)
    if found is None:
        return None
    text = session.get(InboundText, text_id)
    if text is None or not (text.conversation_id in found[1].talks or text.sender == found[1].number):
        return None
    return text.words, text.language


def may_open(session: Session, conversation_id: int, schools: Collection[int]) -> bool:
    """Whether someone of these *schools* may see this conversation at all."""
    return session.scalar(_seen_by(schools).where(Conversation.id == conversation_id)) is not None


def _seen_by(schools: Collection[int]) -> Select[Conversation]:
    """Conversations of these schools, and those of numbers that belong to no school yet."""
    return select(Conversation).where(
        or_(Conversation.school_id.in_(schools), Conversation.school_id.is_(None))
    )


def _whose(
    session: Session, conversation_id: int, schools: Collection[int]
) -> tuple[Conversation, Whose] | None:
    """The conversation, and whose story it is part of."""
    found = session.execute(
        _seen_by(schools)
        .add_columns(Phone.number)
        .join(Phone, Phone.id == Conversation.phone_id)
        .where(Conversation.id == conversation_id)
    ).first()
    if found is None:
        return None
    talk, number = found
    talks = session.scalars(
        _seen_by(schools)
        .with_only_columns(Conversation.id)
        .where(
            Conversation.phone_id == talk.phone_id,
            Conversation.guardian_id.is_not_distinct_from(talk.guardian_id),
        )
        .order_by(Conversation.opened_at, Conversation.id)
    ).all()
    return talk, Whose(talks, talk.phone_id, number, _household(session, talk, schools))


def _household(session: Session, talk: Conversation, schools: Collection[int]) -> Sequence[int]:
    """The students of this talk, and the others of its guardian, at these schools."""
    theirs = select(ConversationStudent.student_id).where(ConversationStudent.conversation_id == talk.id)
    wards = select(Guardianship.student_id).where(
        Guardianship.guardian_id == talk.guardian_id, Guardianship.active
    )
    return session.scalars(
        select(Student.id)
        .where(
            Student.school_id.in_(schools),
            or_(Student.id.in_(theirs), Student.id.in_(wards) & Student.active),
        )
        .order_by(Student.id)
    ).all()


# --- who they are ----------------------------------------------------------------------------------------


def _students(session: Session, talk: Conversation) -> tuple[tuple[StudentAbout, ...], str]:
    """The students of the talk, and how the guardian is related to them: when one word says it for all."""
    found: dict[int, StudentAbout] = {}
    relations = set()
    for each, guardianship in session.execute(
        select(Student, Guardianship)
        .join(ConversationStudent, ConversationStudent.student_id == Student.id)
        .outerjoin(
            Guardianship,
            and_(Guardianship.student_id == Student.id, Guardianship.guardian_id == talk.guardian_id),
        )
        .where(ConversationStudent.conversation_id == talk.id)
        .order_by(Student.given_name, Student.id)
    ):
        name = f"{each.first_name} {each.family_name}"
        found[each.id] = StudentAbout(name, each.grade, each.id, each.first_name)
        if guardianship is not None:
            relations.add(guardianship.relation)
    return tuple(found.values()), relations.pop() if len(relations) == 1 else ""


def _waits(session: Session, conversation_id: int, names: Mapping[int, str]) -> Waits | None:
    """The most urgent handoff of the conversation that nobody has resolved."""
    found = session.scalar(
        select(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.state != HandoffState.RESOLVED)
        .order_by(Handoff.urgency, Handoff.id)
        .limit(1)
    )
    if found is None:
        return None
    return Waits(
        queue=found.queue,
        urgency=found.urgency,
        why=found.why,
        state=found.state,
        taken_by=names.get(found.taken_by or 0, ""),
        waiting_since=found.waiting_since,
        due_at=found.due_at,
    )
