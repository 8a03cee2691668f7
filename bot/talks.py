"""One conversation as a turn finds it and leaves it: read and locked in one statement, written back in one."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.orm import Session, aliased
from sqlalchemy.orm.util import identity_key

from bot.conversation.state import Child
from bot.language import Language
from bot.store.prepared import Change, Query
from bot.store.tables import Channel, Conversation, ConversationStudent, School, Student
from bot.vocabulary import Owner


class Talk(NamedTuple):
    """A locked conversation. `zone` and `district` are its school's, else those of the district's first."""

    id: int
    phone_id: int
    guardian_id: int | None
    school_id: int | None
    day: date
    flow: str
    flow_version: str
    language: Language
    state: dict[str, Any]
    owner: Owner
    staff_id: int | None
    channel: Channel
    silence_at: datetime | None
    zone: ZoneInfo
    district: str


class StudentNamed(NamedTuple):
    """A student a conversation is about, by the only names a family's text may hold (promise 9)."""

    id: int
    name: str
    school: str


# --- found ------------------------------------------------------------------------------------------------

_KEPT = Talk._fields[:-2]


def _talk(*values: Any) -> Talk:
    *kept, zone, anywhere, district = values
    return Talk._make([*kept, ZoneInfo(zone or anywhere or "UTC"), district or ""])


def _talks() -> Select[Any]:
    first = select(School).order_by(School.id).limit(1)
    anywhere = first.with_only_columns(School.zone).scalar_subquery()
    district = first.with_only_columns(School.district).where(School.district != "").scalar_subquery()
    return (
        select(*(getattr(Conversation, name) for name in _KEPT), School.zone, anywhere, district)
        .outerjoin(School, School.id == Conversation.school_id)
        # Only the conversation: every family of a school would wait for the school's row.
        .with_for_update(of=Conversation)
    )


_through = aliased(Conversation)
_guardian_of_through = (
    select(_through.guardian_id).where(_through.id == bindparam("through")).scalar_subquery()
)
_newest_with_phone = (
    _talks()
    .where(Conversation.phone_id == bindparam("phone_id"))
    .order_by(Conversation.opened_at.desc(), Conversation.id.desc())
    .limit(1)
)
_ONE = Query(_talks().where(Conversation.id == bindparam("id")), _talk)
_LATEST = Query(_newest_with_phone, _talk)
_LATEST_THROUGH = Query(
    _newest_with_phone.where(Conversation.guardian_id.is_not_distinct_from(_guardian_of_through)), _talk
)


def locked(session: Session, conversation_id: int) -> Talk:
    """The conversation, locked until the transaction ends. Raises NoResultFound when there is none."""
    return _ONE.one(session, id=conversation_id)


def latest(session: Session, phone_id: int, *, through: int | None = None) -> Talk | None:
    """The newest conversation with a phone, locked; with *through*, the newest of that talk's guardian."""
    if through is None:
        return _LATEST.first(session, phone_id=phone_id)
    return _LATEST_THROUGH.first(session, phone_id=phone_id, through=through)


# --- whom it is about -------------------------------------------------------------------------------------


def _named(id_: int, preferred: str, given: str, school: str) -> StudentNamed:
    return StudentNamed(id_, preferred or given, school)


_students = (
    select(Student.id, Student.preferred_name, Student.given_name, School.name)
    .join(School, School.id == Student.school_id)
    .order_by(Student.id)
)
_ABOUT = Query(
    _students.join(ConversationStudent, ConversationStudent.student_id == Student.id).where(
        ConversationStudent.conversation_id == bindparam("conversation_id")
    ),
    _named,
)
_STUDENT = Query(_students.where(Student.id == bindparam("id")), _named)


def about(session: Session, conversation_id: int) -> list[StudentNamed]:
    """The students of a conversation, as they are called today."""
    return _ABOUT.all(session, conversation_id=conversation_id)


def children(session: Session, students: Iterable[int]) -> tuple[Child, ...]:
    """These students, by their first names; whoever is not on the roster is left out."""
    found = (_STUDENT.first(session, id=student) for student in sorted(set(students)))
    return tuple(Child(student.id, student.name) for student in found if student)


# --- written ----------------------------------------------------------------------------------------------

_SAVED = (
    "flow",
    "flow_version",
    "language",
    "state",
    "owner",
    "staff_id",
    "channel",
    "silence_at",
    "touched_at",
)
_OPENED = ("phone_id", "guardian_id", "school_id", "day", "opened_at", *_SAVED)

_SAVE = Change(update(Conversation).where(Conversation.id == bindparam("which")), columns=_SAVED)
_OPEN = Query(insert(Conversation).returning(Conversation.id), int, columns=_OPENED)
_ADD_STUDENT = Change(insert(ConversationStudent), columns=("conversation_id", "student_id"))


def open_one(session: Session, students: Iterable[int], **values: Any) -> int:
    """A new conversation, by its columns' values, about these students."""
    opened = _OPEN.one(session, **values)
    _ADD_STUDENT.run_all(
        session, [{"conversation_id": opened, "student_id": student} for student in students]
    )
    return opened


def save(session: Session, talk: Talk, now: datetime) -> None:
    """Write back what a turn may change. A copy that the caller's session holds is read anew."""
    _SAVE.run(
        session,
        which=talk.id,
        flow=talk.flow,
        flow_version=talk.flow_version,
        language=talk.language,
        state=talk.state,
        owner=talk.owner,
        staff_id=talk.staff_id,
        channel=talk.channel,
        silence_at=talk.silence_at,
        touched_at=now,
    )
    if session.identity_map:
        held = session.identity_map.get(identity_key(Conversation, talk.id))
        if held is not None:
            session.refresh(held)
