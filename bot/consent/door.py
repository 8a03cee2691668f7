"""Whether a text may leave at this moment: its facts as they stand in the claiming transaction, and the judgement.

Everything is looked up anew, because all of it may have changed since the text was queued (promise 4).
The facts of a whole batch come in a handful of queries; the judgement of one text is pure.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from bot import attendance, holds
from bot.clock import instant, school_day
from bot.policy import Policy
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Channel,
    Conversation,
    ConversationStudent,
    Delivery,
    Guardianship,
    Mute,
    OutboundText,
    Phone,
    PhoneState,
    School,
    SchoolHold,
    Student,
    TextState,
)
from bot.vocabulary import Owner, Purpose, PurposeClass

AUTOMATED = (Purpose.CHECK_IN, Purpose.REMINDER)

# Outside a live talk a number gets no more automated texts than this in a day (conversation.md).
_MOST_AUTOMATED_A_DAY = 2
_A_DAY = timedelta(hours=16)
# How soon a text of a held school is looked at again.
_ASK_AGAIN = timedelta(minutes=2)
_LEFT = (TextState.CLAIMED, TextState.SENT, TextState.UNKNOWN)


class Refusal(StrEnum):
    """Why a text may not leave. The value is kept with the text; the sentence is for staff."""

    OPTED_OUT = "opted_out"
    HELD = "held"
    MUTED = "muted"
    WRONG_NUMBER = "wrong_number"
    SUSPENDED = "suspended"
    LANDLINE = "landline"
    DEAD = "dead"
    NO_CONTACT = "no_contact"
    NOT_ON_FILE = "not_on_file"
    STAFF_OWNS = "staff_owns"
    NOT_A_SCHOOL_DAY = "not_a_school_day"
    OUTSIDE_WINDOW = "outside_window"
    NOT_ABSENT = "not_absent"
    ENOUGH_TODAY = "enough_today"
    SENDER_FULL = "sender_full"
    TOO_LATE = "too_late"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Refusal.OPTED_OUT: "the family opted out of texts; only a call or a visit can reach them",
    Refusal.HELD: "the family may have asked for no more texts; read the thread and decide first",
    Refusal.MUTED: "the guardian wants no such texts about this student",
    Refusal.WRONG_NUMBER: "this number belongs to somebody else",
    Refusal.SUSPENDED: "the carrier has given this number up; ask the family for its number first",
    Refusal.LANDLINE: "this number is a landline and cannot be texted",
    Refusal.DEAD: "this number is not in service",
    Refusal.NO_CONTACT: "a court order or a no-text flag is on file for this guardian",
    Refusal.NOT_ON_FILE: "the school's file no longer has this number for this guardian",
    Refusal.STAFF_OWNS: "a staff member is talking with the family",
    Refusal.NOT_A_SCHOOL_DAY: "it is not a school day",
    Refusal.OUTSIDE_WINDOW: "it is outside the hours in which families are texted",
    Refusal.NOT_ABSENT: "the student is no longer marked absent",
    Refusal.ENOUGH_TODAY: "the number has had today's automated texts",
    Refusal.SENDER_FULL: "our number has sent all it may send today",
    Refusal.TOO_LATE: "its time had passed before it could leave",
}


@dataclass(frozen=True)
class Later:
    """The text may leave, but not before this instant."""

    not_before: datetime


@dataclass(frozen=True)
class Leave:
    """The text may leave now, and the provider may keep it until this instant (TW-45, LAW-23)."""

    until: datetime


@dataclass(frozen=True)
class Facts:
    """Everything that decides about one text, as it stands now.

    `theirs`: the school's file has the number for this guardian. `teaches`: the school teaches today.
    `unexplained`: a student it is about is still absent without an excuse. `automated`: how many
    automated texts the number has had today. `opens_late` and `ends_early` are today's own hours, where a
    person has changed them. `school_held`: a person must look at the school's file first. What a text
    without a conversation lacks is None or true.
    """

    purpose: Purpose
    law: PurposeClass
    by_staff: bool
    channel: Channel
    not_after: datetime
    phone: PhoneState
    opted_out: bool
    held: bool
    suspended: bool
    zone: ZoneInfo
    owner: Owner | None = None
    day: date | None = None
    barred: bool = False
    muted: bool = False
    theirs: bool = True
    teaches: bool = True
    unexplained: bool = True
    automated: int = 0
    opens_late: datetime | None = None
    ends_early: datetime | None = None
    school_held: bool = False


def judge(text: Facts, policy: Policy, now: datetime) -> Refusal | Later | Leave:
    """Whether this text may leave now, or why not, or when. Total and pure."""
    if now >= text.not_after:
        return Refusal.TOO_LATE
    closed = _number_refused(text)
    if closed is not None:
        return closed
    if text.purpose in (Purpose.SAFETY, Purpose.CONSENT) or text.owner is None:
        # The safety text ignores quiet hours; the answers the law asks for do as well (LAW-32, LAW-71).
        return Leave(text.not_after)
    if not text.by_staff and text.owner is Owner.STAFF:
        return Refusal.STAFF_OWNS
    if text.barred:
        return Refusal.NO_CONTACT
    if text.purpose in AUTOMATED:
        return _automated(text, policy, now)
    if text.channel is Channel.CHAT:
        return Leave(text.not_after)  # it wakes nobody: the family has the page open
    window = policy.replies(text.zone)
    opens = window.next_opening(now)
    if opens > now:
        return Later(opens)
    return Leave(min(text.not_after, window.on(school_day(now, text.zone))[1]))


def _number_refused(text: Facts) -> Refusal | None:
    confirms = text.purpose is Purpose.CONSENT
    by_phone = text.channel is not Channel.CHAT
    match text.phone:
        case PhoneState.DEAD if by_phone:
            return Refusal.DEAD
        case PhoneState.LANDLINE if by_phone:
            return Refusal.LANDLINE
        case PhoneState.WRONG_NUMBER if not confirms:
            return Refusal.WRONG_NUMBER
        case _:
            pass
    if text.opted_out and not confirms:
        return Refusal.OPTED_OUT
    if text.suspended and by_phone and not confirms:
        return Refusal.SUSPENDED
    if text.held and not text.by_staff and text.purpose not in (Purpose.CONSENT, Purpose.SAFETY):
        return Refusal.HELD
    return None


def _automated(text: Facts, policy: Policy, now: datetime) -> Refusal | Later | Leave:
    if text.muted:
        return Refusal.MUTED
    if text.law is PurposeClass.MISSION and not text.theirs:
        return Refusal.NOT_ON_FILE  # consent goes with the number its holder gave (LAW-2)
    if not text.teaches:
        return Refusal.NOT_A_SCHOOL_DAY
    window = policy.automatic(text.zone)
    today = school_day(now, text.zone)
    closes = window.on(today)[1]
    if text.ends_early is not None:
        closes = min(closes, text.ends_early)  # a family is not asked for a student on the way home
    if today != text.day or not window.contains(now) or now >= closes:
        return Refusal.OUTSIDE_WINDOW
    if not text.unexplained:
        return Refusal.NOT_ABSENT
    if text.automated >= _MOST_AUTOMATED_A_DAY:
        return Refusal.ENOUGH_TODAY
    if text.opens_late is not None and now < text.opens_late:
        return Later(text.opens_late)  # nobody is late yet (CT-5)
    if text.school_held:
        return Later(
            now + _ASK_AGAIN
        )  # a newer file looks wrong; a person decides before it is too late (AT-8)
    return Leave(min(text.not_after, closes))


# --- the facts of a batch ---------------------------------------------------------------------------------


def facts(session: Session, due: Iterable[Row[tuple[object, ...]]], now: datetime) -> dict[int, Facts]:
    """The facts of texts that are about to be claimed, by the text's id.

    *due* are rows of outbox.claim's query, which has locked them: a text with its phone, conversation,
    school's zone, and whether the number is on file for the guardian.
    """
    rows = list(due)
    elsewhere = _any_zone(session) if any(row.zone is None for row in rows) else ZoneInfo("UTC")
    talks = {row.conversation_id for row in rows if row.conversation_id is not None}
    asking = [row for row in rows if row.purpose in AUTOMATED and row.conversation_id is not None]
    about = {row.conversation_id for row in asking}
    barred = _barred(session, talks)
    muted = _muted(session, about)
    absent = _unexplained(session, about)
    school_held = _school_held(session, about)
    teaching = _teaching(
        session, {(row.school_id, school_day(now, ZoneInfo(row.zone))) for row in asking if row.zone}
    )
    had = automated_today(session, {row.phone_id for row in asking}, now)
    hours = attendance.hours_changed(session, {row.day for row in asking if row.day}) if asking else {}

    def moment(row: Row[tuple[object, ...]], wall: time | None) -> datetime | None:
        return instant(row.day, wall, ZoneInfo(row.zone)) if wall is not None and row.zone else None

    def changed(row: Row[tuple[object, ...]]) -> attendance.DayHours:
        return hours.get((row.school_id, row.day), attendance.DayHours())

    return {
        row.id: Facts(
            purpose=row.purpose,
            law=row.purpose_class,
            by_staff=row.staff_id is not None,
            channel=row.channel,
            not_after=row.not_after,
            phone=row.phone_state,
            opted_out=row.opted_out,
            held=row.held,
            suspended=row.suspended,
            zone=ZoneInfo(row.zone) if row.zone else elsewhere,
            owner=row.owner,
            day=row.day,
            barred=row.conversation_id in barred,
            muted=(row.conversation_id, row.purpose) in muted,
            theirs=row.guardian_id is None or row.on_file is not None,
            teaches=row.zone is not None and (row.school_id, school_day(now, ZoneInfo(row.zone))) in teaching,
            unexplained=row.conversation_id in absent,
            school_held=row.conversation_id in school_held,
            automated=had.get(row.phone_id, 0),
            opens_late=moment(row, changed(row).morning_at),
            ends_early=moment(row, changed(row).dismissed_at),
        )
        for row in rows
    }


def _any_zone(session: Session) -> ZoneInfo:
    return ZoneInfo(session.scalar(select(School.zone).order_by(School.id).limit(1)) or "UTC")


def _barred(session: Session, conversations: Collection[int]) -> set[int]:
    """The talks in which a student is spoken of whose guardian may no longer be texted (LAW-43)."""
    if not conversations:
        return set()
    return set(
        session.scalars(
            select(ConversationStudent.conversation_id)
            .join(Conversation, Conversation.id == ConversationStudent.conversation_id)
            .outerjoin(
                Guardianship,
                (Guardianship.student_id == ConversationStudent.student_id)
                & (Guardianship.guardian_id == Conversation.guardian_id)
                & Guardianship.active
                & Guardianship.may_receive_texts
                & ~Guardianship.court_order,
            )
            .where(
                Conversation.id.in_(conversations),
                Conversation.guardian_id.is_not(None),
                Guardianship.student_id.is_(None),
            )
            .distinct()
        )
    )


def _muted(session: Session, conversations: Collection[int]) -> set[tuple[int, Purpose]]:
    if not conversations:
        return set()
    rows = session.execute(
        select(Conversation.id, Mute.purpose)
        .join(ConversationStudent, ConversationStudent.conversation_id == Conversation.id)
        .join(
            Mute,
            (Mute.guardian_id == Conversation.guardian_id)
            & (Mute.student_id == ConversationStudent.student_id),
        )
        .where(Conversation.id.in_(conversations))
        .distinct()
    )
    return {(conversation, purpose) for conversation, purpose in rows}


def _unexplained(session: Session, conversations: Collection[int]) -> set[int]:
    """The talks about at least one student who is still absent that day without an excuse (promise 8)."""
    if not conversations:
        return set()
    return set(
        session.scalars(
            select(Conversation.id)
            .join(ConversationStudent, ConversationStudent.conversation_id == Conversation.id)
            .join(
                AttendanceMark,
                (AttendanceMark.student_id == ConversationStudent.student_id)
                & (AttendanceMark.day == Conversation.day),
            )
            .where(Conversation.id.in_(conversations), *attendance.UNEXPLAINED)
            .distinct()
        )
    )


def _school_held(session: Session, conversations: Collection[int]) -> set[int]:
    """The talks about a student of a school whose morning waits for a person (holds.py)."""
    if not conversations:
        return set()
    return set(
        session.scalars(
            select(ConversationStudent.conversation_id)
            .join(Conversation, Conversation.id == ConversationStudent.conversation_id)
            .join(Student, Student.id == ConversationStudent.student_id)
            .join(
                SchoolHold,
                (SchoolHold.school_id == Student.school_id) & (SchoolHold.day == Conversation.day),
            )
            .where(Conversation.id.in_(conversations), SchoolHold.state.in_(holds.HOLDING))
            .distinct()
        )
    )


def _teaching(session: Session, school_days: Collection[tuple[int, date]]) -> set[tuple[int, date]]:
    if not school_days:
        return set()
    rows = session.execute(
        select(CalendarDay.school_id, CalendarDay.day).where(
            CalendarDay.school_id.in_({school for school, _ in school_days}),
            CalendarDay.day.in_({day for _, day in school_days}),
            CalendarDay.teaches,
        )
    )
    return {(school, day) for school, day in rows}


def automated_today(session: Session, phones: Collection[int], now: datetime) -> dict[int, int]:
    """How many automated texts each of these numbers has had today; one that did not arrive is none."""
    if not phones:
        return {}
    rows = session.execute(
        select(OutboundText.phone_id, func.count())
        .where(
            OutboundText.phone_id.in_(phones),
            OutboundText.purpose.in_(AUTOMATED),
            OutboundText.state.in_(_LEFT),
            OutboundText.delivery.not_in([Delivery.UNDELIVERED, Delivery.FAILED]),
            OutboundText.claimed_at > now - _A_DAY,
        )
        .group_by(OutboundText.phone_id)
    )
    counted: dict[int, int] = defaultdict(int)
    for phone, number in rows:
        counted[phone] += number
    return counted


# --- the same, for one thread at the desk ---------------------------------------------------------------------


def number_closed(session: Session, phone_id: int) -> Refusal | None:
    """Why a person's text could not leave to this number either; None when it could."""
    phone = session.get_one(Phone, phone_id)
    if phone.state is PhoneState.DEAD:
        return Refusal.DEAD
    if phone.state is PhoneState.LANDLINE:
        return Refusal.LANDLINE
    if phone.state is PhoneState.WRONG_NUMBER:
        return Refusal.WRONG_NUMBER
    if phone.opted_out:
        return Refusal.OPTED_OUT
    return Refusal.SUSPENDED if phone.suspended else None


def barred(session: Session, conversation: Conversation) -> bool:
    """Whether a court order or a flag on file forbids texting this guardian about these students."""
    return bool(_barred(session, {conversation.id}))


def zone_of(session: Session, conversation: Conversation) -> ZoneInfo:
    """The zone of the talk's school; without one, that of any school of the district."""
    name = None
    if conversation.school_id is not None:
        name = session.scalar(select(School.zone).where(School.id == conversation.school_id))
    return ZoneInfo(name) if name else _any_zone(session)
