"""The families' phones of the simulator: whose they are, and what each shows on its screen."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from bot.language import Language
from bot.store.tables import (
    Channel,
    Conversation,
    ConversationStudent,
    Delivery,
    Guardian,
    InboundText,
    OutboundText,
    Outreach,
    Phone,
    School,
    Staff,
    Student,
    TextState,
)

# A phone shows the end of its thread; the desk shows all of it.
_ON_SCREEN = 40


@dataclass(frozen=True)
class PhoneOnPage:
    """A family's phone: whose it is, and which students it is texted about."""

    id: int
    number: str
    guardian: str
    language: Language
    students: tuple[str, ...]
    school: str
    zone: str


@dataclass(frozen=True)
class Bubble:
    """One text on a phone's screen; `by` is the staff member who wrote it, if a person did."""

    at: datetime
    words: str
    english: str
    language: Language | None
    by_family: bool
    by: str = ""


def last_morning(session: Session) -> date | None:
    """The newest school day on which families were texted."""
    return session.scalar(select(func.max(Outreach.day)))


def phones(session: Session, day: date, only: Collection[int] | None = None) -> list[PhoneOnPage]:
    """The phones that a text about this day reached: one of each language first, then the others."""
    reached = _arrived().where(OutboundText.conversation_id == Conversation.id).exists()
    query = (
        select(Conversation, Phone, Guardian, School)
        .join(Phone, Phone.id == Conversation.phone_id)
        .join(Guardian, Guardian.id == Conversation.guardian_id)
        .join(School, School.id == Conversation.school_id)
        .where(Conversation.day == day, reached)
        .order_by(Conversation.id)
    )
    if only is not None:
        query = query.where(Phone.id.in_(only))
    students = _first_names(session, day)
    found: dict[int, PhoneOnPage] = {}
    for talk, phone, guardian, school in session.execute(query):
        page = PhoneOnPage(
            id=phone.id,
            number=phone.number,
            guardian=f"{guardian.given_name} {guardian.family_name}",
            language=talk.language,
            students=students[talk.id],
            school=school.name,
            zone=school.zone,
        )
        found.setdefault(phone.id, page)
    return _several_languages_first(found.values())


def thread(session: Session, phone_id: int) -> list[Bubble]:
    """What one phone shows, oldest first: the texts that reached it and what its holder wrote."""
    phone = session.get(Phone, phone_id)
    if phone is None:
        return []
    names = dict(session.execute(select(Staff.id, Staff.name)).all())
    sent = session.scalars(
        _arrived()
        .where(OutboundText.phone_id == phone_id, OutboundText.channel == Channel.SMS)
        .order_by(OutboundText.sent_at.desc(), OutboundText.id.desc())
        .limit(_ON_SCREEN)
    )
    written = session.scalars(
        select(InboundText)
        .where(InboundText.sender == phone.number, InboundText.channel == Channel.SMS)
        .order_by(InboundText.id.desc())
        .limit(_ON_SCREEN)
    )
    bubbles = [
        Bubble(
            text.sent_at or text.queued_at,
            text.body,
            text.english,
            text.language,
            by_family=False,
            by=names.get(text.staff_id or 0, ""),
        )
        for text in reversed(sent.all())
    ]
    bubbles += [
        Bubble(text.received_at, text.words, "", text.language, by_family=True)
        for text in reversed(written.all())
    ]
    return sorted(bubbles, key=lambda bubble: (bubble.at, not bubble.by_family))[-_ON_SCREEN:]


def number_of(session: Session, phone_id: int) -> str | None:
    """The number a phone writes from; None when there is no such phone."""
    return session.scalar(select(Phone.number).where(Phone.id == phone_id))


def _arrived() -> Select[OutboundText]:
    """Texts a phone has: they left, and nobody said that they did not get there."""
    return select(OutboundText).where(
        OutboundText.state == TextState.SENT,
        OutboundText.delivery.not_in([Delivery.UNDELIVERED, Delivery.FAILED]),
    )


def _first_names(session: Session, day: date) -> Mapping[int, tuple[str, ...]]:
    names: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for conversation_id, student in session.execute(
        select(ConversationStudent.conversation_id, Student)
        .join(Student, Student.id == ConversationStudent.student_id)
        .join(Conversation, Conversation.id == ConversationStudent.conversation_id)
        .where(Conversation.day == day)
        .order_by(Student.given_name, Student.id)
    ):
        names[conversation_id] += (student.first_name,)
    return names


def _several_languages_first(found: Iterable[PhoneOnPage]) -> list[PhoneOnPage]:
    """A visitor should meet Spanish and Arabic before the tenth English phone."""
    seen: dict[Language, int] = defaultdict(int)
    ranked: list[tuple[int, int, PhoneOnPage]] = []
    for page in found:
        ranked.append((seen[page.language], _SHOWN_FIRST.index(page.language), page))
        seen[page.language] += 1
    return [page for *_, page in sorted(ranked, key=lambda each: each[:2])]


_SHOWN_FIRST: Sequence[Language] = (
    Language.SPANISH,
    Language.ENGLISH,
    Language.ARABIC,
    Language.PORTUGUESE,
    *(each for each in Language if each not in {"es", "en", "ar", "pt"}),
)
