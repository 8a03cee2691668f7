"""Every table, in reading order: the school's facts, people and phones, the morning, the talk, the desk."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    Time,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from bot.language import Language
from bot.vocabulary import (
    Barrier,
    NotContacted,
    Outcome,
    Owner,
    Purpose,
    PurposeClass,
    Queue,
    Role,
    Step,
    Urgency,
)

# Named constraints from the first table on, so that a migration can change them on both databases.
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


@lru_cache(1024)
def _as_sqlite_keeps_it(utc: datetime) -> str:
    return utc.replace(tzinfo=None).isoformat(" ", "microseconds")


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant. SQLite has no zone, so it keeps the UTC wall time; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone was about to be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """As above, at once: a turn writes ten instants, and most of them are the same one."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def process(value: datetime | None) -> str | None:
            if value is None or value.tzinfo is not UTC:
                value = self.process_bind_param(value, dialect)
            return None if value is None else _as_sqlite_keeps_it(value)

        return process

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _one_of(kind: type[StrEnum], name: str) -> Enum:
    """A closed list: an enum in Python, text with a CHECK in the database."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


class Table(DeclarativeBase):
    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map: ClassVar = {datetime: Instant, dict[str, Any]: JSON, str: Text}


# --- the school's facts -----------------------------------------------------------------------------


class School(Table):
    __tablename__ = "schools"

    id: Mapped[int] = mapped_column(primary_key=True)
    sourced_id: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str]
    district: Mapped[str] = mapped_column(default="")
    zone: Mapped[str] = mapped_column(String(60))
    morning_at: Mapped[time] = mapped_column(Time)
    active: Mapped[bool] = mapped_column(default=True)


class CalendarDay(Table):
    """A weekday inside a term. A date without a row here is no school day."""

    __tablename__ = "calendar_days"

    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    instructional: Mapped[bool]
    summary: Mapped[str] = mapped_column(default="")


class Staff(Table):
    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(_one_of(Role, "role"))
    password_hash: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)


class StaffSchool(Table):
    """Which schools a staff member may see."""

    __tablename__ = "staff_schools"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), primary_key=True)


class StaffSession(Table):
    """A signed-in browser. Only the token's hash is kept, so that a stolen database opens no desk."""

    __tablename__ = "staff_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


# --- people and phones: three tables, because one person has many of the other ------------------------


class Student(Table):
    __tablename__ = "students"

    id: Mapped[int] = mapped_column(primary_key=True)
    sourced_id: Mapped[str] = mapped_column(String(255), unique=True)
    number: Mapped[str] = mapped_column(String(255), index=True)  # what attendance files say (OR-16)
    given_name: Mapped[str]
    preferred_name: Mapped[str] = mapped_column(default="")
    family_name: Mapped[str]
    grade: Mapped[str] = mapped_column(String(20), default="")
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), index=True)
    active: Mapped[bool] = mapped_column(default=True)

    @property
    def first_name(self) -> str:
        """The one name that a family's text may hold: the preferred one, else the given one."""
        return self.preferred_name or self.given_name


class Guardian(Table):
    __tablename__ = "guardians"

    id: Mapped[int] = mapped_column(primary_key=True)
    sourced_id: Mapped[str] = mapped_column(String(255), unique=True)
    given_name: Mapped[str]
    family_name: Mapped[str]
    language: Mapped[Language] = mapped_column(_one_of(Language, "language"))
    # An import never overwrites a language that the family itself has chosen (OR-12).
    language_chosen_by_family: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)


class Guardianship(Table):
    """Who may be told about whom, in which order; a court order or a no-text flag ends it for texts."""

    __tablename__ = "guardianships"

    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True)
    guardian_id: Mapped[int] = mapped_column(ForeignKey("guardians.id"), primary_key=True, index=True)
    relation: Mapped[str]
    contact_order: Mapped[int]
    lives_with: Mapped[bool]
    may_receive_texts: Mapped[bool]
    court_order: Mapped[bool]
    active: Mapped[bool] = mapped_column(default=True)


class LineType(StrEnum):
    UNKNOWN = "unknown"
    MOBILE = "mobile"
    LANDLINE = "landline"


class PhoneState(StrEnum):
    """What is known of a number itself; whether its holder wants texts is in the consent events."""

    TEXTABLE = "textable"
    LANDLINE = "landline"
    DEAD = "dead"
    WRONG_NUMBER = "wrong_number"


class Phone(Table):
    __tablename__ = "phones"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    line_type: Mapped[LineType] = mapped_column(_one_of(LineType, "line_type"), default=LineType.UNKNOWN)
    state: Mapped[PhoneState] = mapped_column(_one_of(PhoneState, "state"), default=PhoneState.TEXTABLE)
    # Kept beside the events so that choosing whom to text is one query; consent.py writes both.
    opted_out: Mapped[bool] = mapped_column(default=False)
    held: Mapped[bool] = mapped_column(default=False)
    # The carrier has given the number up; somebody else may hold it next (TW-72).
    suspended: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # Texts that failed one after the other for a handset that is off or out of reach (30003).
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    looked_up_at: Mapped[datetime | None]  # when the provider was asked what kind of line it is


class GuardianPhone(Table):
    __tablename__ = "guardian_phones"

    guardian_id: Mapped[int] = mapped_column(ForeignKey("guardians.id"), primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phones.id"), primary_key=True, index=True)
    kind: Mapped[str] = mapped_column(String(20))  # mobile, home, work: as the school's file says
    position: Mapped[int]
    given_by: Mapped[str]  # where the number came from, which the law asks for (LAW-3)
    active: Mapped[bool] = mapped_column(default=True)


class ConsentKind(StrEnum):
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    WRONG_NUMBER = "wrong_number"
    HOLD = "hold"
    RELEASE = "release"
    SUSPEND = "suspend"
    CONFIRM = "confirm"
    MUTE = "mute"
    UNMUTE = "unmute"


class ConsentEvent(Table):
    """What was said about texting a number, by whom, in which words (LAW-16).

    Append only: a trigger in the database refuses to change or remove a row.
    """

    __tablename__ = "consent_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phones.id"), index=True)
    kind: Mapped[ConsentKind] = mapped_column(_one_of(ConsentKind, "kind"))
    source: Mapped[str]  # family, provider, carrier or staff
    inbound_text_id: Mapped[int | None] = mapped_column(ForeignKey("inbound_texts.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    # The family's own words, and of which student and purpose a mute speaks.
    words: Mapped[str] = mapped_column(default="", server_default="")
    student_id: Mapped[int | None] = mapped_column(ForeignKey("students.id"))
    purpose: Mapped[str] = mapped_column(String(40), default="", server_default="")
    at: Mapped[datetime]


class Mute(Table):
    """A guardian who wants no texts of this purpose about this student; the others go on as before."""

    __tablename__ = "mutes"

    guardian_id: Mapped[int] = mapped_column(ForeignKey("guardians.id"), primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True)
    purpose: Mapped[Purpose] = mapped_column(_one_of(Purpose, "purpose"), primary_key=True)
    at: Mapped[datetime]


# --- what the school's files say -----------------------------------------------------------------------


class Import(Table):
    """One file that was applied: what it was, what it changed, which rows were refused and why."""

    __tablename__ = "imports"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    file_name: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    applied_at: Mapped[datetime]
    summary: Mapped[dict[str, Any]]


class ImportChanges(Table):
    """What one roster import changed in one table, before and after: kept so that it can be taken back."""

    __tablename__ = "import_changes"

    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(20), primary_key=True)
    changes: Mapped[dict[str, Any]]


class MarkStatus(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    TARDY = "tardy"
    EARLY_DEPARTURE = "early_departure"
    PARTIAL = "partial"


class Excuse(StrEnum):
    EXCUSED = "excused"
    UNEXCUSED = "unexcused"
    UNKNOWN = "unknown"
    EXEMPT = "exempt"
    DISCIPLINARY = "disciplinary"


class AttendanceMark(Table):
    """A daily mark. The newest file is the truth; what it replaced stays, with the time it was replaced."""

    __tablename__ = "attendance_marks"
    __table_args__ = (
        Index(
            "uq_attendance_marks_current",
            "student_id",
            "day",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index("ix_attendance_marks_day_school", "day", "school_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"))
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"))
    day: Mapped[date] = mapped_column(Date)
    status: Mapped[MarkStatus] = mapped_column(_one_of(MarkStatus, "status"))
    excuse: Mapped[Excuse] = mapped_column(_one_of(Excuse, "excuse"))
    code: Mapped[str] = mapped_column(String(40))
    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"))
    marked_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]


class Threshold(StrEnum):
    """What a person is told of once: a rate of absence, a truancy mark (LAW-52), a third day in a row."""

    AT_RISK = "at_risk"
    CHRONIC = "chronic"
    SEVERE = "severe"
    FOUR_IN_A_MONTH = "four_in_a_month"
    TEN_IN_A_YEAR = "ten_in_a_year"
    THREE_IN_A_ROW = "three_in_a_row"


class ThresholdRaised(Table):
    """A student has come to a threshold, and that was told: the key makes a second finding harmless."""

    __tablename__ = "thresholds_raised"

    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True)
    threshold: Mapped[Threshold] = mapped_column(_one_of(Threshold, "threshold"), primary_key=True)
    period: Mapped[str] = mapped_column(String(10), primary_key=True)  # a year, a month, a streak's first day
    reached_on: Mapped[date] = mapped_column(Date)
    raised_at: Mapped[datetime]


# --- the morning ------------------------------------------------------------------------------------------


class Absence(Table):
    """The ledger: one row per absent student and school day, with exactly one outcome (promise 1)."""

    __tablename__ = "absences"
    __table_args__ = (
        CheckConstraint("(outcome = 'not_contacted') = (not_contacted IS NOT NULL)", name="reason_given"),
        Index("ix_absences_day_school", "day", "school_id"),
    )

    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"))
    outcome: Mapped[Outcome] = mapped_column(_one_of(Outcome, "outcome"))
    not_contacted: Mapped[NotContacted | None] = mapped_column(_one_of(NotContacted, "not_contacted"))
    changed_at: Mapped[datetime]


class Outreach(Table):
    """One attempt to reach a guardian about a student for one school day; the key makes a second run harmless."""

    __tablename__ = "outreaches"
    __table_args__ = (UniqueConstraint("student_id", "day", "purpose", "guardian_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"))
    day: Mapped[date] = mapped_column(Date, index=True)
    purpose: Mapped[Purpose] = mapped_column(_one_of(Purpose, "purpose"))
    guardian_id: Mapped[int] = mapped_column(ForeignKey("guardians.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    at: Mapped[datetime]


class JobRun(Table):
    """A named job that was done for a school and a day; the key decides which of many schedulers did it."""

    __tablename__ = "job_runs"

    job: Mapped[str] = mapped_column(String(40), primary_key=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    at: Mapped[datetime]


# --- the talk ------------------------------------------------------------------------------------------------


class Channel(StrEnum):
    """How words travel between a family and us: a text on the phone, or the family's own chat page."""

    SMS = "sms"
    CHAT = "chat"


class Conversation(Table):
    """One run of a flow with one guardian on one phone; without a guardian it is an unknown number's."""

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("(owner = 'staff') = (staff_id IS NOT NULL)", name="owner_is_named"),
        Index("ix_conversations_phone_opened", "phone_id", "opened_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phones.id"))
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardians.id"), index=True)
    school_id: Mapped[int | None] = mapped_column(ForeignKey("schools.id"), index=True)
    day: Mapped[date] = mapped_column(Date)
    flow: Mapped[str] = mapped_column(String(60))
    flow_version: Mapped[str] = mapped_column(String(64))
    language: Mapped[Language] = mapped_column(_one_of(Language, "language"))
    state: Mapped[dict[str, Any]]
    owner: Mapped[Owner] = mapped_column(_one_of(Owner, "owner"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    # How the family wrote last; replies go the same way while its page is open (chat_links.py).
    channel: Mapped[Channel] = mapped_column(
        _one_of(Channel, "channel"), default=Channel.SMS, server_default=Channel.SMS.value
    )
    # When the family's silence becomes an answer of its own; NULL while nothing is awaited.
    silence_at: Mapped[datetime | None] = mapped_column(index=True)
    opened_at: Mapped[datetime]
    touched_at: Mapped[datetime]


class ConversationStudent(Table):
    __tablename__ = "conversation_students"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True, index=True)


class ChatLink(Table):
    """A family's way to its chat page. Only the token's hash is kept: no copy of the database opens a page."""

    __tablename__ = "chat_links"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    opened_at: Mapped[datetime]  # the page shows nothing older
    expires_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]  # when somebody last looked at the page


class InboundText(Table):
    """A text as it arrived, stored before anything else happens; a repeat of the provider's id changes nothing."""

    __tablename__ = "inbound_texts"
    __table_args__ = (
        Index("uq_inbound_texts_retry_token", "retry_token", unique=True),
        Index(
            "ix_inbound_texts_waiting",
            "sender",
            "id",
            sqlite_where=text("handled_at IS NULL"),
            postgresql_where=text("handled_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_sid: Mapped[str] = mapped_column(String(64), unique=True)
    sender: Mapped[str] = mapped_column(String(80), index=True)
    channel: Mapped[Channel] = mapped_column(
        _one_of(Channel, "channel"), default=Channel.SMS, server_default=Channel.SMS.value
    )
    words: Mapped[str]
    media_count: Mapped[int] = mapped_column(default=0)
    opt_out_type: Mapped[str] = mapped_column(
        String(10), default=""
    )  # what the provider already answered itself
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    # What the provider repeats on every try of one webhook: a second key beside the id (TW-24).
    retry_token: Mapped[str | None] = mapped_column(String(80))
    incomplete: Mapped[bool] = mapped_column(
        default=False, server_default=text("false")
    )  # a part was lost (TW-6)
    redacted_at: Mapped[datetime | None]  # when the provider's own copy was removed (TW-47)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    language: Mapped[Language | None] = mapped_column(_one_of(Language, "language"))
    reading: Mapped[dict[str, Any] | None]  # how the program understood it, for the desk


class PictureType(StrEnum):
    """What a phone's camera makes, as its content type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    HEIC = "image/heic"


class Picture(Table):
    """A photo that a family added on its chat page, such as a doctor's note."""

    __tablename__ = "pictures"

    id: Mapped[int] = mapped_column(primary_key=True)
    inbound_text_id: Mapped[int] = mapped_column(ForeignKey("inbound_texts.id"), index=True)
    content_type: Mapped[PictureType] = mapped_column(_one_of(PictureType, "content_type"))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]


class TextState(StrEnum):
    """Ours, forward only: what became of a text that must leave. The provider's later word is `delivery`."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


class Delivery(StrEnum):
    """The provider's word on a text that left; the order is the rank, which never falls (TW-53)."""

    NONE = "none"
    ACCEPTED = "accepted"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"


class OutboundText(Table):
    """The outbox: a text is a row first, written in the transaction that decided to send it."""

    __tablename__ = "outbound_texts"
    __table_args__ = (
        Index(
            "ix_outbound_texts_queued",
            "rank",
            "not_before",
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_outbound_texts_in_doubt",
            "claimed_at",
            sqlite_where=text("state IN ('claimed', 'unknown')"),
            postgresql_where=text("state IN ('claimed', 'unknown')"),
        ),
        CheckConstraint("(state = 'not_sent') = (why_not <> '')", name="reason_given"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(
        String(32), unique=True
    )  # opaque; the receipt's address carries it (TW-44)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phones.id"), index=True)
    channel: Mapped[Channel] = mapped_column(
        _one_of(Channel, "channel"), default=Channel.SMS, server_default=Channel.SMS.value
    )
    purpose: Mapped[Purpose] = mapped_column(_one_of(Purpose, "purpose"))
    # What it is before the law (LAW-3), and its strict class in the queue (Purpose.rank).
    purpose_class: Mapped[PurposeClass] = mapped_column(
        _one_of(PurposeClass, "purpose_class"),
        default=PurposeClass.MISSION,
        server_default=PurposeClass.MISSION.value,
    )
    rank: Mapped[int] = mapped_column(default=3, server_default="3")
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # who wrote it; NULL: the program
    key: Mapped[str] = mapped_column(String(120), default="")  # flow.node; empty for a person's own words
    body: Mapped[str]
    english: Mapped[str] = mapped_column(default="")  # what the program's line says in English, for the desk
    language: Mapped[Language] = mapped_column(_one_of(Language, "language"))
    segments: Mapped[int]
    state: Mapped[TextState] = mapped_column(_one_of(TextState, "state"))
    why_not: Mapped[str] = mapped_column(String(40), default="")
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    queued_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    # How often it was claimed. What a sender reports counts only for the attempt it was given.
    attempts: Mapped[int] = mapped_column(default=0)
    left_as: Mapped[str] = mapped_column(String(64), default="", server_default="")  # SHA-256 of what left
    # The text that failed and is tried again by this one; a text that has ended is never reopened.
    retry_of: Mapped[int | None] = mapped_column(ForeignKey("outbound_texts.id"), index=True)
    raised_at: Mapped[datetime | None]  # when a person was told that nobody knows whether it left
    redacted_at: Mapped[datetime | None]  # when the provider's own copy was emptied (TW-47)
    provider_sid: Mapped[str | None] = mapped_column(String(64), unique=True)
    delivery: Mapped[Delivery] = mapped_column(_one_of(Delivery, "delivery"), default=Delivery.NONE)
    error_code: Mapped[str] = mapped_column(String(10), default="")


class SenderState(Table):
    """One number or Messaging Service that texts leave by: its pace, its day's cap, and its breaker."""

    __tablename__ = "senders"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    room: Mapped[float]  # segments that may leave at this moment; below zero after urgent texts
    filled_at: Mapped[datetime]
    day: Mapped[date] = mapped_column(Date)  # the carriers' day, US Pacific (rules.md, 30023)
    segments_today: Mapped[int]
    # Faults of ours since the last text that was taken (TW-71); enough of them open the breaker.
    faults: Mapped[int] = mapped_column(default=0)
    closed_until: Mapped[datetime | None]
    closed_why: Mapped[str] = mapped_column(String(20), default="")  # the provider's code


class StopEvent(Table):
    """Somebody pressed the stop button, or let the texts go on. The newest row says which. Append only."""

    __tablename__ = "stops"

    id: Mapped[int] = mapped_column(primary_key=True)
    stopped: Mapped[bool]
    by: Mapped[str]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    reason: Mapped[str]
    at: Mapped[datetime]


class Tick(Table):
    """When a named job last did its work to the end, on whichever machine; what /readyz looks at."""

    __tablename__ = "ticks"

    job: Mapped[str] = mapped_column(String(60), primary_key=True)
    at: Mapped[datetime]


class Receipt(Table):
    """Every word of the provider on a text, as an event; the text's `delivery` is what they add up to."""

    __tablename__ = "receipts"

    id: Mapped[int] = mapped_column(primary_key=True)
    outbound_text_id: Mapped[int] = mapped_column(ForeignKey("outbound_texts.id"), index=True)
    status: Mapped[str] = mapped_column(String(40))
    error_code: Mapped[str] = mapped_column(String(10), default="")
    at: Mapped[datetime]


# --- the desk ---------------------------------------------------------------------------------------------------


class BarrierFound(Table):
    """A reason a student could not come, with the words that showed it."""

    __tablename__ = "barriers"

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardians.id"))
    code: Mapped[Barrier] = mapped_column(_one_of(Barrier, "code"))
    words: Mapped[str]
    returns_on: Mapped[date | None] = mapped_column(Date)  # the day the family named for coming back
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class HandoffState(StrEnum):
    OPEN = "open"
    TAKEN = "taken"
    RESOLVED = "resolved"


class Handoff(Table):
    """A family waits for a person."""

    __tablename__ = "handoffs"
    __table_args__ = (
        CheckConstraint("(state = 'resolved') = (resolved_by IS NOT NULL)", name="resolver_is_named"),
        CheckConstraint("(state = 'resolved') = (resolved_at IS NOT NULL)", name="resolved_when"),
        CheckConstraint("state <> 'taken' OR taken_by IS NOT NULL", name="taker_is_named"),
        Index("ix_handoffs_waiting", "state", "urgency", "waiting_since"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    school_id: Mapped[int | None] = mapped_column(ForeignKey("schools.id"))
    queue: Mapped[Queue] = mapped_column(_one_of(Queue, "queue"))
    urgency: Mapped[Urgency] = mapped_column(_one_of(Urgency, "urgency"))
    why: Mapped[str] = mapped_column(String(40))
    state: Mapped[HandoffState] = mapped_column(_one_of(HandoffState, "state"))
    opened_at: Mapped[datetime]
    waiting_since: Mapped[datetime | None]  # the family's oldest unanswered wait; a call or a reply clears it
    due_at: Mapped[datetime]
    taken_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    taken_at: Mapped[datetime | None]
    resolved_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str] = mapped_column(default="")


class LadderStep(Table):
    """A step of the ladder that was taken for a student and a school day; the key lets it be taken once.

    A task without a handoff has no number to call: the office sees it in its repair list.
    """

    __tablename__ = "ladder_steps"

    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True, index=True)
    step: Mapped[Step] = mapped_column(_one_of(Step, "step"), primary_key=True)
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardians.id"))  # who was texted
    handoff_id: Mapped[int | None] = mapped_column(ForeignKey("handoffs.id"), index=True)
    due_at: Mapped[datetime | None]  # by when a person must have done a task
    at: Mapped[datetime]


class CallOutcome(StrEnum):
    REACHED = "reached"
    VOICEMAIL = "voicemail"
    NO_ANSWER = "no_answer"
    WRONG_NUMBER = "wrong_number"


class ContactMade(Table):
    """A staff member tried to reach a family by something other than a text."""

    __tablename__ = "contacts_made"

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    outcome: Mapped[CallOutcome] = mapped_column(_one_of(CallOutcome, "outcome"))
    note: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class AuditLine(Table):
    """Who changed what: append only."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    act: Mapped[str] = mapped_column(String(40))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"))
    detail: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class Counter(Table):
    """Things that are only counted, because nothing about them may be kept: refused webhooks (TW-32)."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    count: Mapped[int]
