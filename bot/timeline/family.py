"""One family as a staff member sees it: who they are, who waits for whom, and all that happened."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from bot.language import Language
from bot.store.tables import (
    AuditLine,
    BarrierFound,
    ConsentEvent,
    ContactMade,
    Conversation,
    ConversationStudent,
    Guardian,
    Guardianship,
    Handoff,
    HandoffState,
    InboundText,
    OutboundText,
    Phone,
    Picture,
    School,
    Staff,
    Student,
)
from bot.timeline.entries import (
    BarrierShown,
    Called,
    ConsentChanged,
    Entry,
    FamilyWrote,
    HandedOff,
    Resolved,
    Returned,
    Taken,
    WeWrote,
    in_order,
)
from bot.vocabulary import Barrier, Owner, Purpose, Queue, Urgency

# Of the audit log, what belongs into a family's story; the rest has rows of its own.
_TOLD_BY_AUDIT: Mapping[str, type[Taken | Returned]] = {"take": Taken, "return_to_bot": Returned}


@dataclass(frozen=True)
class StudentAbout:
    name: str
    grade: str


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
    """One conversation with its family, and beside it everything that ever happened with them.

    `guardian` and `school` are empty for a number nobody knows, `zone` with them. `entries` are of
    every conversation with this guardian on this phone that the reader may see.
    """

    conversation_id: int
    newest_id: int
    guardian: str
    relation: str
    students: tuple[StudentAbout, ...]
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

    @property
    def version(self) -> str:
        """Changes whenever anything that a reader would see has changed."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def family(session: Session, conversation_id: int, schools: Collection[int]) -> Family | None:
    """The family of a conversation, as someone of these *schools* may see it; None when they may not."""
    talk = session.scalar(_seen_by(schools).where(Conversation.id == conversation_id))
    if talk is None:
        return None
    talks = session.scalars(
        _seen_by(schools)
        .where(
            Conversation.phone_id == talk.phone_id,
            Conversation.guardian_id.is_not_distinct_from(talk.guardian_id),
        )
        .order_by(Conversation.opened_at, Conversation.id)
    ).all()
    phone = session.get_one(Phone, talk.phone_id)
    school = session.get(School, talk.school_id) if talk.school_id else None
    guardian = session.get(Guardian, talk.guardian_id) if talk.guardian_id else None
    names = dict(session.execute(select(Staff.id, Staff.name)).all())
    return Family(
        conversation_id=talk.id,
        newest_id=talks[-1].id,
        guardian=f"{guardian.given_name} {guardian.family_name}" if guardian else "",
        relation=_relation(session, talk),
        students=_students(session, talk.id),
        school=school.name if school else "",
        zone=school.zone if school else "",
        language=talk.language,
        phone=f"…{phone.number[-4:]}",
        day=talk.day,
        opened_at=talk.opened_at,
        owner=talk.owner,
        staff_id=talk.staff_id,
        staff_name=names.get(talk.staff_id or 0, ""),
        waits=_waits(session, talk.id, names),
        entries=in_order(_entries(session, [each.id for each in talks], phone, names)),
    )


def may_open(session: Session, conversation_id: int, schools: Collection[int]) -> bool:
    """Whether someone of these *schools* may see this conversation at all."""
    return session.scalar(_seen_by(schools).where(Conversation.id == conversation_id)) is not None


def _seen_by(schools: Collection[int]) -> Select[Conversation]:
    """Conversations of these schools, and those of numbers that belong to no school yet."""
    return select(Conversation).where(
        or_(Conversation.school_id.in_(schools), Conversation.school_id.is_(None))
    )


# --- who they are ----------------------------------------------------------------------------------------


def _students(session: Session, conversation_id: int) -> tuple[StudentAbout, ...]:
    found = session.scalars(
        select(Student)
        .join(ConversationStudent, ConversationStudent.student_id == Student.id)
        .where(ConversationStudent.conversation_id == conversation_id)
        .order_by(Student.given_name, Student.id)
    )
    return tuple(StudentAbout(f"{each.first_name} {each.family_name}", each.grade) for each in found)


def _relation(session: Session, talk: Conversation) -> str:
    """How the guardian is related to the students, when one word says it for all of them."""
    relations = session.scalars(
        select(Guardianship.relation)
        .join(ConversationStudent, ConversationStudent.student_id == Guardianship.student_id)
        .where(
            ConversationStudent.conversation_id == talk.id,
            Guardianship.guardian_id == talk.guardian_id,
        )
        .distinct()
    ).all()
    return relations[0] if len(relations) == 1 else ""


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


# --- what happened ---------------------------------------------------------------------------------------


def _entries(
    session: Session, talks: Sequence[int], phone: Phone, names: Mapping[int, str]
) -> Iterator[Entry]:
    yield from _texts_from_them(session, talks, phone)
    yield from _texts_to_them(session, talks, names)
    yield from _barriers(session, talks)
    yield from _desk_work(session, talks, names)
    for event in session.scalars(select(ConsentEvent).where(ConsentEvent.phone_id == phone.id)):
        if event.purpose != Purpose.REMINDER:  # muted with its check-in, and told with it
            yield ConsentChanged(event.at, event.kind, event.source, event.words if event.staff_id else "")


def _texts_from_them(session: Session, talks: Sequence[int], phone: Phone) -> Iterator[FamilyWrote]:
    kept = _pictures(session, talks)
    just_arrived = InboundText.conversation_id.is_(None) & (InboundText.sender == phone.number)
    for text in session.scalars(
        select(InboundText)
        .where(or_(InboundText.conversation_id.in_(talks), just_arrived))
        .order_by(InboundText.id)
    ):
        yield FamilyWrote(
            at=text.received_at,
            words=text.words,
            language=text.language,
            pictures=text.media_count,
            understood=text.handled_at is not None,
            channel=text.channel,
            kept=kept[text.id],
        )


def _pictures(session: Session, talks: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
    """The pictures of each inbound text; their content stays where it is."""
    kept: dict[int, tuple[int, ...]] = defaultdict(tuple)
    for text, picture in session.execute(
        select(Picture.inbound_text_id, Picture.id)
        .join(InboundText, InboundText.id == Picture.inbound_text_id)
        .where(InboundText.conversation_id.in_(talks))
        .order_by(Picture.id)
    ):
        kept[text] += (picture,)
    return kept


def _texts_to_them(session: Session, talks: Sequence[int], names: Mapping[int, str]) -> Iterator[WeWrote]:
    for text in session.scalars(
        select(OutboundText).where(OutboundText.conversation_id.in_(talks)).order_by(OutboundText.id)
    ):
        yield WeWrote(
            at=text.sent_at or text.queued_at,
            body=text.body,
            english=text.english,
            language=text.language,
            by=names.get(text.staff_id or 0, ""),
            state=text.state,
            delivery=text.delivery,
            why_not=text.why_not,
            error_code=text.error_code,
            channel=text.channel,
        )


def _barriers(session: Session, talks: Sequence[int]) -> Iterator[BarrierShown]:
    """One entry for a barrier that was heard once for several students of a household."""
    shown: dict[tuple[datetime, Barrier, str], list[str]] = {}
    for found, student in session.execute(
        select(BarrierFound, Student)
        .join(Student, Student.id == BarrierFound.student_id)
        .where(BarrierFound.conversation_id.in_(talks))
        .order_by(BarrierFound.id)
    ):
        shown.setdefault((found.opened_at, found.code, found.words), []).append(student.first_name)
    for (at, code, words), students in shown.items():
        yield BarrierShown(at, code, words, tuple(students))


def _desk_work(session: Session, talks: Sequence[int], names: Mapping[int, str]) -> Iterator[Entry]:
    for handoff in session.scalars(
        select(Handoff).where(Handoff.conversation_id.in_(talks)).order_by(Handoff.id)
    ):
        yield HandedOff(handoff.opened_at, handoff.queue, handoff.urgency, handoff.why)
        if handoff.resolved_at:
            yield Resolved(handoff.resolved_at, names.get(handoff.resolved_by or 0, ""), handoff.resolution)
    for call in session.scalars(
        select(ContactMade).where(ContactMade.conversation_id.in_(talks)).order_by(ContactMade.id)
    ):
        yield Called(call.at, names.get(call.staff_id, ""), call.outcome, call.note)
    had_it = ""
    for line in session.scalars(
        select(AuditLine)
        .where(AuditLine.conversation_id.in_(talks), AuditLine.act.in_([*_TOLD_BY_AUDIT, "resolve"]))
        .order_by(AuditLine.id)
    ):
        by = names.get(line.staff_id, "")
        if line.act == "take" and by == had_it:
            continue  # taken twice, by a second click or by the next reply
        had_it = by if line.act == "take" else ""
        if line.act in _TOLD_BY_AUDIT:
            yield _TOLD_BY_AUDIT[line.act](line.at, by)
