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
    exists,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column
from sqlalchemy.types import TypeDecorator

from bot.language import Language
from bot.vocabulary import (
    Barrier,
    NotContacted,
    Outcome,
    Owner,
    PartOfDay,
    Purpose,
    PurposeClass,
    Queue,
    Role,
    Service,
    Step,
    TaskKind,
    Urgency,
    VisitOutcome,
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


class DayChange(StrEnum):
    """What a person has said of one school day, whatever the calendar file says of it."""

    CLOSED = "closed"
    OPENS_LATE = "opens_late"
    ENDS_EARLY = "ends_early"


class SchoolDayChanged(Table):
    """No school that day, a late opening or an early dismissal, for one school; withdrawn, never removed.

    `at_time`: when families are asked that day, or when the students go home. `taken_back` keeps the
    ledger of a day that was closed after its morning, so that a mistake can be undone to the row.
    """

    __tablename__ = "school_days_changed"
    __table_args__ = (
        CheckConstraint("(kind = 'closed') = (at_time IS NULL)", name="time_given"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawer_named"),
        Index(
            "uq_school_days_changed_holding",
            "school_id",
            "day",
            "kind",
            unique=True,
            sqlite_where=text("withdrawn_at IS NULL"),
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"))
    day: Mapped[date] = mapped_column(Date)
    kind: Mapped[DayChange] = mapped_column(_one_of(DayChange, "kind"))
    at_time: Mapped[time | None] = mapped_column(Time)
    reason: Mapped[str]
    by: Mapped[str]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]
    taken_back: Mapped[dict[str, Any] | None]


class CalendarDay(Table):
    """A weekday inside a term, as the files say. A date without a row here is no school day.

    Whether the school teaches asks for more than the file: `teaches` knows what a person has closed.
    """

    __tablename__ = "calendar_days"

    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    instructional: Mapped[bool] = mapped_column()
    summary: Mapped[str] = mapped_column(default="")
    teaches: Mapped[bool] = column_property(
        instructional
        & ~exists()
        .where(
            SchoolDayChanged.school_id == school_id,
            SchoolDayChanged.day == day,
            SchoolDayChanged.kind == DayChange.CLOSED,
            SchoolDayChanged.withdrawn_at.is_(None),
        )
        .correlate_except(SchoolDayChanged),
        deferred=True,
    )


class CalendarFeed(Table):
    """The calendar's address: what the last fetch brought, so that the next asks only for what is new (CT-8)."""

    __tablename__ = "calendar_feeds"

    address: Mapped[str] = mapped_column(String(2000), primary_key=True)
    etag: Mapped[str] = mapped_column(default="")
    last_modified: Mapped[str] = mapped_column(default="")
    tried_at: Mapped[datetime]
    good_at: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(default="")  # why the last try brought nothing; a sentence


class Staff(Table):
    __tablename__ = "staff"
    __table_args__ = (Index("uq_staff_oidc_subject", "oidc_issuer", "oidc_subject", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(_one_of(Role, "role"))
    password_hash: Mapped[str]  # empty until they have set one
    active: Mapped[bool] = mapped_column(default=True)
    # Who they are at the district's own sign-in, bound the first time they came that way.
    oidc_issuer: Mapped[str | None] = mapped_column(String(255))
    oidc_subject: Mapped[str | None] = mapped_column(String(255))


class StaffSchool(Table):
    """Which schools a staff member may see."""

    __tablename__ = "staff_schools"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), primary_key=True)


class WayIn(StrEnum):
    """How somebody came to the desk. The district's own sign-in has asked for its own second factor."""

    PASSWORD = "password"  # noqa: S105 - the word, not one
    DISTRICT = "district"
    DEMO = "demo"


class StaffSession(Table):
    """A signed-in browser. Only the token's hash is kept, so that a stolen database opens no desk."""

    __tablename__ = "staff_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    way: Mapped[WayIn] = mapped_column(
        _one_of(WayIn, "way"), default=WayIn.PASSWORD, server_default=WayIn.PASSWORD.value
    )
    browser: Mapped[str] = mapped_column(String(80), default="", server_default="")  # as people call it


class PasswordLink(Table):
    """A link that sets a password once. Whoever made it never knows the password."""

    __tablename__ = "password_links"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SecondFactor(Table):
    """A staff member's code generator. The secret is sealed with the program's key; `last_step` was used."""

    __tablename__ = "second_factors"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]  # it counts from here on
    last_step: Mapped[int] = mapped_column(default=0)


class RecoveryCode(Table):
    """A code that opens the desk once when the telephone is lost; only its hash is kept."""

    __tablename__ = "recovery_codes"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime | None]


class SignInFailure(Table):
    """A try to sign in that has not succeeded: which address, by hash, and from where. Kept for a day."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index("ix_sign_in_failures_tried", "address_hash", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    address_hash: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(index=True)


class KnownBrowser(Table):
    """A browser in which a staff member has signed in before: strangers' failures do not keep it out."""

    __tablename__ = "known_browsers"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(index=True)


class KeptForm(Table):
    """What somebody sent after their session had ended, for half an hour: nothing typed is lost.

    Sealed with a key that only the browser has, which sent it.
    """

    __tablename__ = "kept_forms"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(index=True)


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
    # The first day of this school year's earliest enrollment; NULL: from the school's first day on.
    enrolled_from: Mapped[date | None] = mapped_column(Date)
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
    email: Mapped[str] = mapped_column(default="", server_default="")
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


class FileState(StrEnum):
    """What became of a file of the school's. The first three wait for a person."""

    ASKS = "asks"  # nobody has said yet how it is read: its letters, or what its columns mean
    CHECKED = "checked"
    HELD = "held"
    APPLIED = "applied"
    REFUSED = "refused"
    REJECTED = "rejected"
    UNDONE = "undone"


class FileWay(StrEnum):
    """How a file came."""

    COMMAND = "command"
    FOLDER = "folder"
    PUSH = "push"
    PAGE = "page"


class SchoolFile(Table):
    """A file as it came, by whichever way, what it would change, and who decided about it."""

    __tablename__ = "school_files"
    __table_args__ = (
        CheckConstraint("(state IN ('asks', 'checked', 'held')) = (decided_at IS NULL)", name="decided_when"),
        CheckConstraint("(decided_at IS NULL) = (decided_by = '')", name="decider_is_named"),
        Index("ix_school_files_state", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))  # roster or attendance; empty while nobody knows
    file_name: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64), index=True)  # as it came, before a password was taken out
    size: Mapped[int]
    way: Mapped[FileWay] = mapped_column(_one_of(FileWay, "way"))
    sent_by: Mapped[str]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    # The same file by the same way, or the same form: it decides among many processes.
    key: Mapped[str | None] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    state: Mapped[FileState] = mapped_column(_one_of(FileState, "state"))
    # How it is read (mapping, encoding, zone), and what was found: counts and brakes.
    options: Mapped[dict[str, Any]]
    found: Mapped[dict[str, Any]]
    # The lines at fault, which no list of files needs.
    problems: Mapped[list[Any]] = mapped_column(JSON, deferred=True)
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(default="")
    because: Mapped[str] = mapped_column(default="")
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"), index=True)


class FileContent(Table):
    """What a waiting file holds, without any password; gone as soon as somebody has decided."""

    __tablename__ = "file_contents"

    file_id: Mapped[int] = mapped_column(ForeignKey("school_files.id"), primary_key=True)
    part: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class SavedMapping(Table):
    """What the columns, or the codes, of a district's own files mean, as somebody has pointed them out."""

    __tablename__ = "saved_mappings"
    __table_args__ = (UniqueConstraint("kind", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))  # roster, attendance, or codes: an addition to a mapping
    name: Mapped[str] = mapped_column(String(60))
    written: Mapped[dict[str, Any]]  # as the mapping's own file would say it
    headers: Mapped[list[Any]] = mapped_column(JSON)
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class HoldReason(StrEnum):
    """Why nobody of a school is texted until a person has looked (AT-8)."""

    NO_SCHOOL_DAY = "no_school_day"
    NEARLY_ALL_ABSENT = "nearly_all_absent"
    MORE_THAN_USUAL = "more_than_usual"
    SCHOOL_MISSING = "school_missing"


class HoldState(StrEnum):
    """A school is held while its hold was raised or kept; a better file lifts one that nobody decided."""

    RAISED = "raised"
    KEPT = "kept"
    RELEASED = "released"
    LIFTED = "lifted"


class SchoolHold(Table):
    """A school's morning that waits for a person; `absent` is the number that was looked at."""

    __tablename__ = "school_holds"
    __table_args__ = (
        CheckConstraint("(state = 'raised') = (decided_at IS NULL)", name="decided_when"),
        CheckConstraint("(decided_at IS NULL) = (decided_by = '')", name="decider_is_named"),
        Index("ix_school_holds_day", "day", "state"),
    )

    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    reason: Mapped[HoldReason] = mapped_column(_one_of(HoldReason, "reason"), primary_key=True)
    sentence: Mapped[str]
    absent: Mapped[int]
    file_id: Mapped[int | None] = mapped_column(ForeignKey("school_files.id"))
    state: Mapped[HoldState] = mapped_column(_one_of(HoldState, "state"))
    raised_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(default="")
    because: Mapped[str] = mapped_column(default="")


class PushToken(Table):
    """Who may push files over HTTPS. Only the token's hash is kept; it is shown once."""

    __tablename__ = "push_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


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


class StudentMeasure(Table):
    """What a student has missed of school up to `day`, kept so that a list of 18,000 opens at once.

    It is what measures.standings says of that day, the last one for which the school has sent marks (none
    yet: NULL); reports/kept.py alone writes it. `last_contact_at` is when the family last wrote or was met.
    """

    __tablename__ = "student_measures"

    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True)
    day: Mapped[date | None] = mapped_column(Date)
    enrolled: Mapped[int]
    excused: Mapped[int]
    unexcused: Mapped[int]
    disciplinary: Mapped[int]
    streak: Mapped[int]
    last_contact_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class TierWeek(Table):
    """How many students of a school stood in each tier on the last school day of a week, as the marks say now."""

    __tablename__ = "tier_weeks"

    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    satisfactory: Mapped[int]
    at_risk: Mapped[int]
    moderate: Mapped[int]
    severe: Mapped[int]


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
    # When it first was known where the student is or why; NULL while it is not, and again when set back.
    accounted_at: Mapped[datetime | None]


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
        Index("ix_conversations_day_school", "day", "school_id"),
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
    received_at: Mapped[datetime] = mapped_column(index=True)
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
    # A person sent what a machine translated; `english` is then what the person had typed.
    machine_translated: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
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


class Email(Table):
    """A letter of the ladder that must leave: a row first, as a text is. One for each guardian and school day.

    About which students, its ladder steps tell.
    """

    __tablename__ = "emails"
    __table_args__ = (
        UniqueConstraint("guardian_id", "day"),
        CheckConstraint("(state = 'not_sent') = (why_not <> '')", name="reason_given"),
        Index(
            "ix_emails_waiting",
            "state",
            "queued_at",
            sqlite_where=text("state IN ('queued', 'claimed')"),
            postgresql_where=text("state IN ('queued', 'claimed')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    guardian_id: Mapped[int] = mapped_column(ForeignKey("guardians.id"))
    school_id: Mapped[int] = mapped_column(ForeignKey("schools.id"))
    day: Mapped[date] = mapped_column(Date)
    address: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    english: Mapped[str]
    language: Mapped[Language] = mapped_column(_one_of(Language, "language"))
    state: Mapped[TextState] = mapped_column(_one_of(TextState, "state"))
    why_not: Mapped[str] = mapped_column(String(40), default="")
    not_after: Mapped[datetime]
    queued_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


# --- the desk ---------------------------------------------------------------------------------------------------


class BarrierFound(Table):
    """A reason a student could not come, with the words that showed it."""

    __tablename__ = "barriers"

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), index=True)
    # Where it was told: in a talk, at a home visit, or to a staff member (neither).
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("home_visits.id"), index=True)
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardians.id"))
    code: Mapped[Barrier] = mapped_column(_one_of(Barrier, "code"))
    words: Mapped[str]
    returns_on: Mapped[date | None] = mapped_column(Date)  # the day the family named for coming back
    opened_at: Mapped[datetime] = mapped_column(index=True)
    resolved_at: Mapped[datetime | None]
    # A person has said that it was heard wrongly; it is resolved then as well, and counts no more.
    withdrawn_at: Mapped[datetime | None]


class BarrierCorrection(Table):
    """A person corrected what the program heard: before, after, who, when. Append only.

    No `before`: a person added it. No `after`: a person removed it as wrong.
    """

    __tablename__ = "barrier_corrections"
    __table_args__ = (CheckConstraint("before IS NOT NULL OR after IS NOT NULL", name="says_something"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    barrier_id: Mapped[int] = mapped_column(ForeignKey("barriers.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    before: Mapped[Barrier | None] = mapped_column(_one_of(Barrier, "before"))
    after: Mapped[Barrier | None] = mapped_column(_one_of(Barrier, "after"))
    because: Mapped[str] = mapped_column(default="")
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]


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
    opened_at: Mapped[datetime] = mapped_column(index=True)
    waiting_since: Mapped[datetime | None]  # the family's oldest unanswered wait; a call or a reply clears it
    due_at: Mapped[datetime]
    taken_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    taken_at: Mapped[datetime | None]
    resolved_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str] = mapped_column(default="")
    # Who first opened the family's page since it waits, or since danger was heard anew; nobody else is alarmed.
    seen_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    seen_at: Mapped[datetime | None]
    acted_at: Mapped[datetime | None]  # what its taker did last: took it, wrote, called
    alarm_at: Mapped[datetime | None]  # since when somebody must look at once; NULL unless P0


class PassedOn(StrEnum):
    """How a family left the hands it was in: to a colleague, back to the queue, or back by the clock."""

    TRANSFERRED = "transferred"
    RELEASED = "released"
    CAME_BACK = "came_back"


class Transfer(Table):
    """A family went from one staff member's hands to a colleague's, or back to the queue."""

    __tablename__ = "transfers"
    __table_args__ = (
        CheckConstraint("(kind = 'transferred') = (to_staff_id IS NOT NULL)", name="receiver_is_named"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    kind: Mapped[PassedOn] = mapped_column(_one_of(PassedOn, "kind"))
    by_staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # who did it; NULL: the clock
    from_staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    to_staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    note: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class Looking(Table):
    """Who has a family's page open, and since when they write there: two people must not answer at once."""

    __tablename__ = "looking"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    at: Mapped[datetime]
    writing_at: Mapped[datetime | None]


class AlertKind(StrEnum):
    TEXT = "text"
    MAIL = "mail"


class AlertState(StrEnum):
    """What became of an e-mail alert; a text's fate stands in the outbox."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Alert(Table):
    """Somebody outside the desk was told that a family needs help now; the key makes a second run harmless."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("handoff_id", "alarm_at", "step", "kind", "address"),
        CheckConstraint("(kind = 'text') = (outbound_text_id IS NOT NULL)", name="text_is_in_the_outbox"),
        Index(
            "ix_alerts_unsettled",
            "state",
            sqlite_where=text("state IN ('queued', 'claimed')"),
            postgresql_where=text("state IN ('queued', 'claimed')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    handoff_id: Mapped[int] = mapped_column(ForeignKey("handoffs.id"))
    alarm_at: Mapped[datetime]
    step: Mapped[int]  # 0 at once, 1 after five minutes, 2 after ten
    kind: Mapped[AlertKind] = mapped_column(_one_of(AlertKind, "kind"))
    address: Mapped[str] = mapped_column(String(255))
    outbound_text_id: Mapped[int | None] = mapped_column(ForeignKey("outbound_texts.id"))
    state: Mapped[AlertState] = mapped_column(_one_of(AlertState, "state"))
    attempts: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]


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
    """A staff member tried to reach a family by something other than a text: in a talk, or about a student."""

    __tablename__ = "contacts_made"
    __table_args__ = (
        CheckConstraint("conversation_id IS NOT NULL OR student_id IS NOT NULL", name="about_somebody"),
        Index("ix_contacts_made_student_id_at", "student_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    student_id: Mapped[int | None] = mapped_column(ForeignKey("students.id"))
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardians.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    outcome: Mapped[CallOutcome] = mapped_column(_one_of(CallOutcome, "outcome"))
    note: Mapped[str] = mapped_column(default="")
    key: Mapped[str | None] = mapped_column(String(64), unique=True)  # the form's: sent twice is one call
    at: Mapped[datetime] = mapped_column(index=True)


class VisitState(StrEnum):
    """Forward only."""

    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"


class HomeVisit(Table):
    """A visit to a student's home, or to a neutral place: planned by a pair, then logged or cancelled (field.md C4)."""

    __tablename__ = "home_visits"
    __table_args__ = (
        CheckConstraint("lead_id <> pair_id", name="two_people"),
        CheckConstraint("(state = 'done') = (outcome IS NOT NULL)", name="outcome_given"),
        CheckConstraint("(state = 'done') = (logged_at IS NOT NULL)", name="logged_when"),
        CheckConstraint("(logged_at IS NULL) = (logged_by IS NULL)", name="logger_is_named"),
        CheckConstraint("(logged_at IS NULL) = (visited_at IS NULL)", name="visited_when"),
        CheckConstraint("(state = 'cancelled') = (cancelled_why <> '')", name="reason_given"),
        Index("ix_home_visits_student_id_day", "student_id", "day"),
        Index("ix_home_visits_state_day", "state", "day"),
        Index("ix_home_visits_lead_id_visited_at", "lead_id", "visited_at"),
        Index("ix_home_visits_pair_id_visited_at", "pair_id", "visited_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)  # the form's: sent twice is one visit
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"))
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardians.id"))  # whom to meet
    follows_id: Mapped[int | None] = mapped_column(
        ForeignKey("home_visits.id")
    )  # the first, if this is a second
    state: Mapped[VisitState] = mapped_column(_one_of(VisitState, "state"))
    day: Mapped[date] = mapped_column(Date)
    part: Mapped[PartOfDay] = mapped_column(_one_of(PartOfDay, "part"))
    lead_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    pair_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    place: Mapped[str]  # typed by staff: the school's list holds no address
    bring: Mapped[str] = mapped_column(default="")
    safety: Mapped[str] = mapped_column(default="")  # what whoever goes there next must know
    planned_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    planned_at: Mapped[datetime]
    outcome: Mapped[VisitOutcome | None] = mapped_column(_one_of(VisitOutcome, "outcome"))
    visited_at: Mapped[datetime | None]
    met: Mapped[str] = mapped_column(default="")
    heard: Mapped[str] = mapped_column(default="")
    logged_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    logged_at: Mapped[datetime | None]
    cancelled_why: Mapped[str] = mapped_column(default="")
    thanked_at: Mapped[datetime | None]  # when somebody sent, or settled, the thank-you


class HomeVisitChange(Table):
    """What was done with a visit and by whom, with what stood there before. Only added to."""

    __tablename__ = "home_visit_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    visit_id: Mapped[int] = mapped_column(ForeignKey("home_visits.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    act: Mapped[str] = mapped_column(String(40))
    before: Mapped[str] = mapped_column(default="")
    after: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class Task(Table):
    """What somebody must do about a student by a day; the key lets it be raised once.

    Without an owner it is everybody's at the student's school.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("(done_at IS NULL) = (done_by IS NULL)", name="doer_is_named"),
        CheckConstraint("done_at IS NULL OR cancelled_at IS NULL", name="ended_once"),
        Index(
            "ix_tasks_open_of_owner",
            "owner_id",
            "due_on",
            sqlite_where=text("done_at IS NULL AND cancelled_at IS NULL"),
            postgresql_where=text("done_at IS NULL AND cancelled_at IS NULL"),
        ),
        Index(
            "ix_tasks_open_of_student",
            "student_id",
            "due_on",
            sqlite_where=text("done_at IS NULL AND cancelled_at IS NULL"),
            postgresql_where=text("done_at IS NULL AND cancelled_at IS NULL"),
        ),
        Index("ix_tasks_student_id", "student_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[TaskKind] = mapped_column(_one_of(TaskKind, "kind"))
    what: Mapped[str]
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("home_visits.id"), index=True)  # it follows from
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    due_on: Mapped[date] = mapped_column(Date)
    raised_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))  # NULL: the program
    raised_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    done_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    cancelled_at: Mapped[datetime | None]
    ended_as: Mapped[str] = mapped_column(default="")  # what came of it, or why it is not needed any more


class Partner(Table):
    """Somebody outside the school who helps families: a pantry, a shelter, a clinic, 2-1-1."""

    __tablename__ = "partners"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    phone: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    languages: Mapped[str] = mapped_column(default="")
    area: Mapped[str] = mapped_column(default="")
    hours: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
    active: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[datetime]


class PartnerService(Table):
    """What a partner helps with."""

    __tablename__ = "partner_services"

    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    service: Mapped[Service] = mapped_column(_one_of(Service, "service"), primary_key=True)


class ReferralState(StrEnum):
    """How far a referral has come. The three in the middle are what became of it."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    SENT = "sent"
    RECEIVED = "received"
    NOT_RECEIVED = "not_received"
    DECLINED = "declined"
    CLOSED = "closed"


class ReferralOutcome(StrEnum):
    """What became of a referral: the help began, the partner could not or did not, the family did not want it."""

    RECEIVED = "received"
    NOT_RECEIVED = "not_received"
    DECLINED = "declined"


_NO_OUTCOME = "outcome IS NULL"
_NOT_CLOSED = "state <> 'closed'"


class Referral(Table):
    """A family is pointed to a partner, until it is known whether the help began.

    Ten school days without an outcome (`due_on`) and it comes back to a person; `comes_back_on` is the
    next time it does, `came_back` how often it has.
    """

    __tablename__ = "referrals"
    __table_args__ = (
        CheckConstraint(
            "(state IN ('offered', 'accepted', 'sent')) = (outcome IS NULL)", name="outcome_is_known"
        ),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_when"),
        Index(
            "ix_referrals_coming_back",
            "comes_back_on",
            sqlite_where=text(_NO_OUTCOME),
            postgresql_where=text(_NO_OUTCOME),
        ),
        Index(
            "ix_referrals_not_closed",
            "due_on",
            sqlite_where=text(_NOT_CLOSED),
            postgresql_where=text(_NOT_CLOSED),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), index=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"), index=True)
    service: Mapped[Service] = mapped_column(_one_of(Service, "service"))
    barrier_id: Mapped[int | None] = mapped_column(ForeignKey("barriers.id"))  # the one it answers
    owner_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    agreed: Mapped[str]  # what the family said yes to, as staff took it down
    note: Mapped[str] = mapped_column(default="")
    state: Mapped[ReferralState] = mapped_column(_one_of(ReferralState, "state"))
    outcome: Mapped[ReferralOutcome | None] = mapped_column(_one_of(ReferralOutcome, "outcome"))
    opened_at: Mapped[datetime]
    due_on: Mapped[date] = mapped_column(Date)
    comes_back_on: Mapped[date] = mapped_column(Date)
    came_back: Mapped[int] = mapped_column(default=0)
    closed_at: Mapped[datetime | None] = mapped_column(index=True)
    form_key: Mapped[str] = mapped_column(String(64), unique=True)  # the form it was opened with: once


class ReferralStep(Table):
    """One step of a referral: append only. Without a staff member it is the program's: it came back."""

    __tablename__ = "referral_steps"
    __table_args__ = (
        Index(
            "uq_referral_steps_taken",
            "referral_id",
            "state",
            unique=True,
            sqlite_where=text("staff_id IS NOT NULL"),
            postgresql_where=text("staff_id IS NOT NULL"),
        ),
        Index("ix_referral_steps_referral_id", "referral_id"),
        Index("ix_referral_steps_state_at", "state", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    referral_id: Mapped[int] = mapped_column(ForeignKey("referrals.id"))
    state: Mapped[ReferralState] = mapped_column(_one_of(ReferralState, "state"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    note: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class DeviceKind(StrEnum):
    LAPTOP = "laptop"
    HOTSPOT = "hotspot"
    CHARGER = "charger"


class DeviceState(StrEnum):
    IN_STOCK = "in_stock"
    ISSUED = "issued"
    BROKEN = "broken"
    LOST = "lost"


class Device(Table):
    """A laptop, hotspot or charger of the district, by the tag on it. Of one school, or of all of them."""

    __tablename__ = "devices"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[DeviceKind] = mapped_column(_one_of(DeviceKind, "kind"))
    tag: Mapped[str] = mapped_column(String(60), unique=True)
    school_id: Mapped[int | None] = mapped_column(ForeignKey("schools.id"))
    note: Mapped[str] = mapped_column(default="")
    state: Mapped[DeviceState] = mapped_column(_one_of(DeviceState, "state"), index=True)
    changed_at: Mapped[datetime]


class DeviceLoan(Table):
    """A device in a student's hands, from the day it was issued to the day it came back, or did not."""

    __tablename__ = "device_loans"
    __table_args__ = (
        CheckConstraint("(returned_at IS NULL) = (returned_to IS NULL)", name="taker_back_is_named"),
        CheckConstraint("(returned_at IS NULL) = (condition IS NULL)", name="condition_is_known"),
        CheckConstraint("condition <> 'issued'", name="condition_is_one"),
        # One holder at a time, whoever clicks when.
        Index(
            "uq_device_loans_held",
            "device_id",
            unique=True,
            sqlite_where=text("returned_at IS NULL"),
            postgresql_where=text("returned_at IS NULL"),
        ),
        Index("ix_device_loans_device_id", "device_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), index=True)
    barrier_id: Mapped[int | None] = mapped_column(ForeignKey("barriers.id"))  # the one it removed
    issued_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    issued_at: Mapped[datetime]
    issue_note: Mapped[str] = mapped_column(default="")
    returned_to: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    returned_at: Mapped[datetime | None]
    condition: Mapped[DeviceState | None] = mapped_column(_one_of(DeviceState, "condition"))
    return_note: Mapped[str] = mapped_column(default="")


class Note(Table):
    """What a staff member wrote down about a student, or about a guardian's whole family.

    A restricted one exists only for its author, the readers named in note_readers and, where
    `for_supervisors` says so, the supervisors of the student's school.
    """

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), index=True)
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardians.id"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    restricted: Mapped[bool]
    for_supervisors: Mapped[bool]
    at: Mapped[datetime]
    form_key: Mapped[str] = mapped_column(String(64), unique=True)


class NoteVersion(Table):
    """A note's words, before and after each change: append only, the highest number is the note."""

    __tablename__ = "note_versions"

    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    words: Mapped[str]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]


class NoteReader(Table):
    """Somebody who may read a restricted note beside its author."""

    __tablename__ = "note_readers"

    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)


class Plan(Table):
    """What was agreed for a student, and the tier of help. Append only: the newest is the plan, the rest its history."""

    __tablename__ = "plans"
    __table_args__ = (
        CheckConstraint("tier IN (1, 2, 3)", name="tier_is_one"),
        Index("ix_plans_student_id_at", "student_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"))
    tier: Mapped[int]
    hopes: Mapped[str]  # hopes and strengths come first (field.md, C4)
    mornings: Mapped[str]  # what makes mornings hard
    review_on: Mapped[date | None] = mapped_column(Date)
    review_key: Mapped[str] = mapped_column(String(120), default="")  # the task of the review
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]
    form_key: Mapped[str] = mapped_column(String(64), unique=True)


class PlanStep(Table):
    """One of a plan's one to three next steps: who does what by when."""

    __tablename__ = "plan_steps"
    __table_args__ = (CheckConstraint("position IN (1, 2, 3)", name="three_at_most"),)

    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    what: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    due_on: Mapped[date] = mapped_column(Date)
    task_key: Mapped[str] = mapped_column(String(120))  # a step that the next plan keeps keeps its task


class AuditLine(Table):
    """Who changed or read what: append only. audit.py alone writes it.

    Without a staff member it is somebody at the command line, or nobody knows who. `school_id` is that of the
    conversation or student at that moment.
    """

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_school_id_at", "school_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"), index=True)
    act: Mapped[str] = mapped_column(String(40))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    student_id: Mapped[int | None] = mapped_column(ForeignKey("students.id"), index=True)
    school_id: Mapped[int | None] = mapped_column(ForeignKey("schools.id"))
    detail: Mapped[str] = mapped_column(default="")
    before: Mapped[str] = mapped_column(default="", server_default="")
    after: Mapped[str] = mapped_column(default="", server_default="")
    at: Mapped[datetime] = mapped_column(index=True)


class ReplyReview(Table):
    """Somebody who reads the language has read this wording. Another wording has another hash: no review."""

    __tablename__ = "reply_reviews"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    language: Mapped[Language] = mapped_column(_one_of(Language, "language"), primary_key=True)
    text_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reviewer: Mapped[str]  # who read it; often nobody of the staff
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))  # who wrote that down
    at: Mapped[datetime]


class MachineTranslation(Table):
    """What the district's own translation server made of a text, kept so that it is asked once."""

    __tablename__ = "machine_translations"

    text_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(10), primary_key=True)  # "auto" when nobody knows
    target: Mapped[Language] = mapped_column(_one_of(Language, "target"), primary_key=True)
    words: Mapped[str]
    at: Mapped[datetime]


class Counter(Table):
    """Things that are only counted, because nothing about them may be kept: refused webhooks (TW-32)."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    count: Mapped[int]
