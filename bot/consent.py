"""Who may be texted, about whom, and when: opt-outs, wrong numbers, custody, quiet hours, caps."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot import attendance
from bot.clock import school_day
from bot.language import Language
from bot.policy import Policy
from bot.store.tables import (
    Channel,
    ConsentEvent,
    ConsentKind,
    Conversation,
    ConversationStudent,
    Guardian,
    GuardianPhone,
    Guardianship,
    OutboundText,
    Phone,
    PhoneState,
    School,
    TextState,
)
from bot.vocabulary import NotContacted, Owner, Purpose

# Outside a live talk a number gets no more automated texts than this in a day (conversation.md).
_MOST_AUTOMATED_A_DAY = 2

_AUTOMATED = (Purpose.CHECK_IN, Purpose.REMINDER)


class Refusal(StrEnum):
    """Why a text may not leave. The value is kept with the text; the sentence is for staff."""

    OPTED_OUT = "opted_out"
    HELD = "held"
    WRONG_NUMBER = "wrong_number"
    LANDLINE = "landline"
    DEAD = "dead"
    NO_CONTACT = "no_contact"
    STAFF_OWNS = "staff_owns"
    NOT_A_SCHOOL_DAY = "not_a_school_day"
    OUTSIDE_WINDOW = "outside_window"
    NOT_ABSENT = "not_absent"
    ENOUGH_TODAY = "enough_today"
    TOO_LATE = "too_late"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Refusal.OPTED_OUT: "the family opted out of texts; only a call or a visit can reach them",
    Refusal.HELD: "the family may have asked for no more texts; read the thread and decide first",
    Refusal.WRONG_NUMBER: "this number belongs to somebody else",
    Refusal.LANDLINE: "this number is a landline and cannot be texted",
    Refusal.DEAD: "this number is not in service",
    Refusal.NO_CONTACT: "a court order or a no-text flag is on file for this guardian",
    Refusal.STAFF_OWNS: "a staff member is talking with the family",
    Refusal.NOT_A_SCHOOL_DAY: "it is not a school day",
    Refusal.OUTSIDE_WINDOW: "it is outside the hours in which families are texted",
    Refusal.NOT_ABSENT: "the student is no longer marked absent",
    Refusal.ENOUGH_TODAY: "the number has had today's automated texts",
    Refusal.TOO_LATE: "its time had passed before it could leave",
}


# --- what a family, the provider or staff said about texting a number ---------------------------------


def opt_out(
    session: Session, phone_id: int, source: str, now: datetime, *, inbound_text_id: int | None = None
) -> None:
    """No more texts to this number, from this moment (LAW-10, LAW-11). Saying it twice changes nothing."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(opted_out=True))
    _note(session, phone_id, ConsentKind.OPT_OUT, source, now, inbound_text_id)


def opt_in(
    session: Session, phone_id: int, source: str, now: datetime, *, inbound_text_id: int | None = None
) -> None:
    """START gives back what STOP took, and nothing else: not a wrong number, not a court order (LAW-16)."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(opted_out=False, held=False))
    _note(session, phone_id, ConsentKind.OPT_IN, source, now, inbound_text_id)


def hold(session: Session, phone_id: int, now: datetime, *, inbound_text_id: int | None = None) -> None:
    """Perhaps they want no more texts: nothing automatic until a person has read it (LAW-12)."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(held=True))
    _note(session, phone_id, ConsentKind.HOLD, "family", now, inbound_text_id)


def release(session: Session, phone_id: int) -> None:
    """A person has read the doubtful text and the family wants to be texted."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(held=False))


def mark_wrong_number(
    session: Session, phone_id: int, source: str, now: datetime, *, inbound_text_id: int | None = None
) -> None:
    """The number is somebody else's: quarantined for all its students, at once."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(state=PhoneState.WRONG_NUMBER))
    _note(session, phone_id, ConsentKind.WRONG_NUMBER, source, now, inbound_text_id)


def mark_line(session: Session, phone_id: int, state: PhoneState) -> None:
    """The provider has found what the line is. A number known to be wrong stays wrong."""
    session.execute(
        update(Phone).where(Phone.id == phone_id, Phone.state != PhoneState.WRONG_NUMBER).values(state=state)
    )


def _note(
    session: Session,
    phone_id: int,
    kind: ConsentKind,
    source: str,
    now: datetime,
    inbound_text_id: int | None,
) -> None:
    last = session.execute(
        select(ConsentEvent.kind, ConsentEvent.inbound_text_id)
        .where(ConsentEvent.phone_id == phone_id)
        .order_by(ConsentEvent.id.desc())
        .limit(1)
    ).first()
    # One text is one event, although it is seen twice: when it arrives and when its turn is taken.
    if last is not None and inbound_text_id is not None and tuple(last) == (kind, inbound_text_id):
        return
    session.add(
        ConsentEvent(phone_id=phone_id, kind=kind, source=source, inbound_text_id=inbound_text_id, at=now)
    )
    session.flush()


# --- whom the morning may ask -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Reachable:
    """A guardian who may be texted about a student, with the number to use."""

    guardian_id: int
    phone_id: int
    language: Language


def reachable(session: Session, students: Collection[int]) -> dict[int, list[Reachable] | NotContacted]:
    """For each student the guardians who may be texted, in the school's order, or why there is none.

    Only numbers the school calls mobile are texted (ED-6); the others are for calls.
    """
    rows = session.execute(
        select(
            Guardianship.student_id,
            Guardianship.guardian_id,
            Guardianship.may_receive_texts,
            Guardianship.court_order,
            Guardian.language,
            Phone.id,
            Phone.state,
            Phone.opted_out,
            Phone.held,
        )
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .outerjoin(
            GuardianPhone,
            (GuardianPhone.guardian_id == Guardian.id)
            & GuardianPhone.active
            & (GuardianPhone.kind == "mobile"),
        )
        .outerjoin(Phone, Phone.id == GuardianPhone.phone_id)
        .where(Guardianship.student_id.in_(students), Guardianship.active, Guardian.active)
        .order_by(
            Guardianship.student_id,
            Guardianship.contact_order,
            Guardianship.guardian_id,
            GuardianPhone.position,
            Phone.id,
        )
    )
    found: dict[int, list[Reachable]] = defaultdict(list)
    obstacles: dict[int, set[NotContacted]] = defaultdict(set)
    for student, guardian, may_text, court, language, phone, state, opted_out, held in rows:
        if phone is None:
            obstacles[student].add(NotContacted.NO_NUMBER)
        elif court or not may_text:
            obstacles[student].add(NotContacted.NO_CONTACT_ALLOWED)
        elif opted_out or held:
            obstacles[student].add(NotContacted.OPTED_OUT)
        elif state is PhoneState.WRONG_NUMBER:
            obstacles[student].add(NotContacted.WRONG_NUMBER)
        elif state is not PhoneState.TEXTABLE:
            obstacles[student].add(NotContacted.NO_NUMBER)
        else:
            found[student].append(Reachable(guardian, phone, language))
    return {student: found.get(student) or _main_obstacle(obstacles[student]) for student in students}


def _main_obstacle(obstacles: set[NotContacted]) -> NotContacted:
    """The one reason worth telling the office: what the family said comes before what is missing."""
    for reason in (
        NotContacted.OPTED_OUT,
        NotContacted.NO_CONTACT_ALLOWED,
        NotContacted.WRONG_NUMBER,
        NotContacted.NO_NUMBER,
    ):
        if reason in obstacles:
            return reason
    return NotContacted.NO_GUARDIAN


# --- the door: asked in the transaction that claims a text (promise 4) ---------------------------------------


@dataclass(frozen=True)
class Later:
    """The text may leave, but not before this instant."""

    not_before: datetime


def at_the_door(
    session: Session, text: OutboundText, policy: Policy, now: datetime
) -> Refusal | Later | None:
    """Whether this text may leave now: None, or why not, or when.

    Everything is looked up anew, because all of it may have changed since the text was queued.
    """
    if now >= text.not_after:
        return Refusal.TOO_LATE
    phone = session.get_one(Phone, text.phone_id)
    session.refresh(phone)
    closed = _number_refused(phone, text)
    if closed or text.purpose in (Purpose.SAFETY, Purpose.CONSENT):
        # The safety text ignores quiet hours; the answers the law asks for do as well (LAW-32, LAW-71).
        return closed
    if text.conversation_id is None:
        return None
    conversation = session.get_one(Conversation, text.conversation_id)
    session.refresh(conversation)
    if text.staff_id is None and conversation.owner is Owner.STAFF:
        return Refusal.STAFF_OWNS
    if not _may_know(session, conversation):
        return Refusal.NO_CONTACT
    zone = zone_of(session, conversation)
    if text.purpose is Purpose.REPLY:
        if text.channel is Channel.CHAT:
            return None  # it wakes nobody: the family has the page open
        opens = policy.replies(zone).next_opening(now)
        return Later(opens) if opens > now else None
    return _automated(session, text, conversation, policy, zone, now)


def _number_refused(phone: Phone, text: OutboundText) -> Refusal | None:
    confirms = text.purpose is Purpose.CONSENT
    by_phone = text.channel is not Channel.CHAT
    match phone.state:
        case PhoneState.DEAD if by_phone:
            return Refusal.DEAD
        case PhoneState.LANDLINE if by_phone:
            return Refusal.LANDLINE
        case PhoneState.WRONG_NUMBER if not confirms:
            return Refusal.WRONG_NUMBER
        case _:
            pass
    if phone.opted_out and not confirms:
        return Refusal.OPTED_OUT
    if phone.held and text.staff_id is None and text.purpose not in (Purpose.CONSENT, Purpose.SAFETY):
        return Refusal.HELD
    return None


def _may_know(session: Session, conversation: Conversation) -> bool:
    """Whether the guardian may still be texted about every student of the conversation (LAW-43)."""
    if conversation.guardian_id is None:
        return True
    barred = session.scalar(
        select(func.count())
        .select_from(ConversationStudent)
        .outerjoin(
            Guardianship,
            (Guardianship.student_id == ConversationStudent.student_id)
            & (Guardianship.guardian_id == conversation.guardian_id)
            & Guardianship.active
            & Guardianship.may_receive_texts
            & ~Guardianship.court_order,
        )
        .where(ConversationStudent.conversation_id == conversation.id, Guardianship.student_id.is_(None))
    )
    return not barred


def zone_of(session: Session, conversation: Conversation) -> ZoneInfo:
    name = None
    if conversation.school_id is not None:
        name = session.scalar(select(School.zone).where(School.id == conversation.school_id))
    return ZoneInfo(name or session.scalar(select(School.zone).limit(1)) or "UTC")


def _automated(
    session: Session,
    text: OutboundText,
    conversation: Conversation,
    policy: Policy,
    zone: ZoneInfo,
    now: datetime,
) -> Refusal | None:
    today = school_day(now, zone)
    if conversation.school_id is None or not attendance.is_school_day(session, conversation.school_id, today):
        return Refusal.NOT_A_SCHOOL_DAY
    if today != conversation.day or not policy.automatic(zone).contains(now):
        return Refusal.OUTSIDE_WINDOW
    students = list(
        session.scalars(
            select(ConversationStudent.student_id).where(
                ConversationStudent.conversation_id == conversation.id
            )
        )
    )
    if not attendance.still_unexplained(session, students, conversation.day):
        return Refusal.NOT_ABSENT
    sent_today = session.scalar(
        select(func.count())
        .select_from(OutboundText)
        .where(
            OutboundText.phone_id == text.phone_id,
            OutboundText.purpose.in_(_AUTOMATED),
            OutboundText.state.in_([TextState.CLAIMED, TextState.SENT, TextState.UNKNOWN]),
            OutboundText.claimed_at > now - timedelta(hours=16),
        )
    )
    return Refusal.ENOUGH_TODAY if (sent_today or 0) >= _MOST_AUTOMATED_A_DAY else None


def number_closed(session: Session, phone_id: int) -> Refusal | None:
    """Why a person's text could not leave to this number either; None when it could."""
    phone = session.get_one(Phone, phone_id)
    if phone.state is PhoneState.DEAD:
        return Refusal.DEAD
    if phone.state is PhoneState.LANDLINE:
        return Refusal.LANDLINE
    if phone.state is PhoneState.WRONG_NUMBER:
        return Refusal.WRONG_NUMBER
    return Refusal.OPTED_OUT if phone.opted_out else None


def barred(session: Session, conversation: Conversation) -> bool:
    """Whether a court order or a flag on file forbids texting this guardian about these students."""
    return not _may_know(session, conversation)
