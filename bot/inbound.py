"""The turn of a text that came in: from whom, and on to the conversation."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, Integer, bindparam, exists, or_, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import Session, aliased

from bot import arrivals, counters, handoffs, talks
from bot.advance import By, Script, advance_locked, hand_over, heard, open_conversation
from bot.clock import school_day
from bot.conversation.state import Child, Heard, asked_about, from_json
from bot.language import Language
from bot.store.prepared import Change, Query
from bot.store.session import Database
from bot.store.tables import (
    CalendarDay,
    Channel,
    Guardian,
    GuardianPhone,
    Guardianship,
    InboundText,
    OutboundText,
    Phone,
    Student,
)
from bot.talks import Talk
from bot.understanding import Reading, Understanding
from bot.vocabulary import Intent, Keyword, Owner, Purpose, Queue, Urgency

_log = structlog.get_logger(__name__)

_PROVIDER_MATCHED = {"STOP": Keyword.STOP, "START": Keyword.START, "HELP": Keyword.HELP}

# The database itself is in trouble: that is nothing a person could read, and the next look tries again.
_AWAY = (OperationalError, InterfaceError, NoConnectionLeft)

# So many answers of ours to one number within so short a time, and two machines are talking (TW-15).
_MOST_REPLIES = 8
_REPLIES_WITHIN = timedelta(minutes=10)

# Whoever writes from five or six digits is a machine (TW-15).
_SHORT_CODE = re.compile(r"\d{3,6}")
# What phones answer by themselves while their holder drives, sleeps or is away.
_BY_ITSELF = re.compile(
    r"\W*(?:auto(?:matic|mated)?[ -]?(?:reply|response|message)\b"
    r"|this is an automat(?:ic|ed) (?:reply|response|message)\b"
    r"|i['’]?m driving with (?:focus|do not disturb)\b"
    r"|i['’]?m not receiving notifications\b"
    r"|i['’]?m driving right now\W*$)",
    re.IGNORECASE,
)


# --- which text is next -------------------------------------------------------------------------------------

_earlier = aliased(InboundText)


def _is_next() -> tuple[ColumnElement[bool], ...]:
    """Not handled, and nothing of the same sender is before it: one turn each, in order per family."""
    before = exists().where(
        _earlier.sender == InboundText.sender,
        _earlier.id < InboundText.id,
        _earlier.handled_at.is_(None),
    )
    return InboundText.handled_at.is_(None), ~before


def take_turns(
    database: Database, *, script: Script, understanding: Understanding, now: datetime, most: int = 50
) -> int:
    """Take the turn of every text that waits, opt-outs first, each in a transaction of its own.

    The texts of one family are taken one after the other, in the order they came, however many
    processes are at work. A text whose turn fails is put before a person instead: a family never
    meets an error, and is never left in silence. Returns how many were taken.

    Raises SQLAlchemy's OperationalError or InterfaceError when the database is away: nothing is lost,
    and the same call takes everything up again later.
    """
    taken = 0
    waiting: set[int] = set()  # failed here, and so did the way to a person: at the next look again
    away: Exception | None = None
    while taken < most:
        next_ones = _next(database, most - taken, waiting)
        failed = len(waiting)
        with database.in_a_row() as begin:
            for inbound_id in next_ones:
                try:
                    taken += _take_one(begin, inbound_id, script, understanding, now)
                except _AWAY as trouble:
                    if away is not None:
                        raise
                    # Perhaps it is this text's own trouble (a deadlock): the next one tells.
                    away = trouble
                    waiting.add(inbound_id)
                    _log.warning("a text waits", inbound_text=inbound_id, error=type(trouble).__name__)
                except Exception:  # noqa: BLE001 - one family's trouble must not hold up the texts of all others
                    waiting.add(inbound_id)
                    _log.exception("a text waits", inbound_text=inbound_id)
                else:
                    away = None
        if len(waiting) == failed:
            break
    if away is not None and not taken:
        raise away
    return taken


_NEXT = Query(
    select(InboundText.id)
    .where(*_is_next())
    .order_by(InboundText.opt_out_type != "STOP", InboundText.id)
    .limit(bindparam("most", type_=Integer)),
    int,
)


def _next(database: Database, most: int, waiting: set[int]) -> list[int]:
    """The texts whose turn it is, one of each family."""
    with database.look() as session:
        found = _NEXT.all(session, most=most + len(waiting))
    return [inbound_id for inbound_id in found if inbound_id not in waiting][:most]


def _take_one(
    begin: Callable[[], AbstractContextManager[Session]],
    inbound_id: int,
    script: Script,
    understanding: Understanding,
    now: datetime,
) -> bool:
    """Take the turn of one text, or put it before a person; False when somebody else has taken it."""
    try:
        with begin() as session:
            return _take_turn(session, inbound_id, script, understanding, now)
    except _AWAY:
        raise
    except Exception:  # noqa: BLE001 - whatever failed, a person must read the text
        # The words are kept, the turn is not: what failed is logged without them, and a person reads.
        _log.exception("turn failed", inbound_text=inbound_id)
    with begin() as session:
        return _give_to_a_person(session, inbound_id, script, now)


# --- its turn -----------------------------------------------------------------------------------------------


class _Text(NamedTuple):
    """A text whose turn it is, locked. `replied_at` is when the last but seven of our answers was queued."""

    id: int
    sender: str
    words: str
    media_count: int
    opt_out_type: str
    channel: Channel
    incomplete: bool
    through: int | None
    phone_id: int | None
    replied_at: datetime | None

    @property
    def is_incomplete(self) -> bool:
        """A part was lost (TW-6). What the provider has matched was whole."""
        return self.incomplete and not self.opt_out_type

    def is_in_a_loop(self, now: datetime) -> bool:
        return self.replied_at is not None and self.replied_at > now - _REPLIES_WITHIN


_LOCKED = Query(
    select(
        InboundText.id,
        InboundText.sender,
        InboundText.words,
        InboundText.media_count,
        InboundText.opt_out_type,
        InboundText.channel,
        InboundText.incomplete,
        InboundText.conversation_id,
        Phone.id,
        select(OutboundText.queued_at)
        .where(
            OutboundText.phone_id == Phone.id,
            OutboundText.staff_id.is_(None),
            or_(OutboundText.purpose == Purpose.REPLY, OutboundText.purpose == Purpose.CONSENT),
        )
        .order_by(OutboundText.id.desc())
        .limit(1)
        .offset(_MOST_REPLIES - 1)
        .scalar_subquery(),
    )
    .outerjoin(Phone, Phone.number == InboundText.sender)
    # Asked again here: another process may have taken this one, or still have the one before it.
    .where(InboundText.id == bindparam("id"), *_is_next())
    .with_for_update(of=InboundText, skip_locked=True),
    _Text,
)
_HANDLED = Change(
    update(InboundText).where(InboundText.id == bindparam("which")),
    columns=("conversation_id", "handled_at", "language", "reading"),
)


def _take_turn(
    session: Session, inbound_id: int, script: Script, understanding: Understanding, now: datetime
) -> bool:
    text = _LOCKED.first(session, id=inbound_id)
    if text is None:
        return False
    if _SHORT_CODE.fullmatch(text.sender):
        _handled(session, text, None, None, now)
        counters.count_now(session, "inbound_short_code", now)
        return True
    talk = _talk_of(session, text, script, now)._replace(channel=text.channel)
    children = asked_about(from_json(talk.state))
    reading = understanding.read(
        text.words,
        expected=talk.language,
        names=[child.name for child in children],
        today=school_day(now, talk.zone),
    )
    _handled(session, text, talk, reading, now)
    message = _as_message(text, reading, children, after_hours=_nobody_at_work(session, talk, script, now))
    if _BY_ITSELF.match(text.words) and not message.danger and message.keyword is None:
        counters.count_now(session, "inbound_by_itself", now)
        return True
    silent = text.is_in_a_loop(now)
    if silent and talk.owner is not Owner.STAFF:
        talk = hand_over(session, talk, why="loop", urgency=Urgency.P1, script=script, now=now)
    if text.is_incomplete and not message.danger and not message.whereabouts:
        hand_over(session, talk, why="incomplete", urgency=Urgency.P1, script=script, now=now)
        return True
    if talk.guardian_id is None and message.keyword is None and not message.danger:
        # Nothing about any student may be said to a number no roster has, so no flow begins: the
        # keywords and danger work as for everyone, the rest a person reads.
        _open_handoff(session, talk, "unknown_number", Urgency.P2, script, now)
        return True
    advance_locked(
        session, talk, message, script=script, now=now, by=By(inbound_text_id=text.id), silent=silent
    )
    return True


def _handled(
    session: Session, text: _Text, talk: Talk | None, reading: Reading | None, now: datetime
) -> None:
    """Its turn is taken: which talk it belongs to, and how it was understood."""
    _HANDLED.run(
        session,
        which=text.id,
        conversation_id=talk.id if talk else text.through,
        handled_at=now,
        language=reading.language if reading else None,
        reading=_kept(reading) if reading and not text.is_incomplete else None,
    )


_TEACHES = Query(
    select(CalendarDay.teaches).where(
        CalendarDay.school_id == bindparam("school_id"), CalendarDay.day == bindparam("day")
    ),
    bool,
)


def _nobody_at_work(session: Session, talk: Talk, script: Script, now: datetime) -> bool:
    if not script.policy.office(talk.zone).contains(now):
        return True
    if talk.school_id is None:
        return False
    return not _TEACHES.first(session, school_id=talk.school_id, day=school_day(now, talk.zone))


def _as_message(
    text: _Text, reading: Reading, children: tuple[Child, ...], *, after_hours: bool = False
) -> Heard:
    message = heard(
        text.words,
        reading,
        children,
        has_picture=text.media_count > 0,
        after_hours=after_hours,
        provider_matched=_PROVIDER_MATCHED.get(text.opt_out_type),
    )
    if not text.is_incomplete:
        return message
    # What is left of a text may say the contrary of the whole: only its danger is acted on (TW-6).
    return Heard(
        words=text.words,
        intent=Intent.CRISIS if message.danger else Intent.UNCLEAR,
        danger=message.danger,
        whereabouts=message.whereabouts,
    )


def _kept(reading: Reading) -> dict[str, Any]:
    """How the program understood a text, for the desk to show and a person to correct."""
    kept = {name: value for name, value in vars(reading).items() if value not in (None, (), False)}
    if reading.returns_on:
        kept["returns_on"] = reading.returns_on.isoformat()
    if reading.barriers:
        kept["barriers"] = [vars(found) for found in reading.barriers]
    return kept


# --- from whom ----------------------------------------------------------------------------------------------


class _Writer(NamedTuple):
    """The guardian a text is from, as far as a number tells."""

    id: int
    language: Language


_writers = select(Guardian.id, Guardian.language)
_WRITER = Query(_writers.where(Guardian.id == bindparam("id")), _Writer)
_HOLDER = Query(
    _writers.join(GuardianPhone, GuardianPhone.guardian_id == Guardian.id)
    .where(GuardianPhone.phone_id == bindparam("phone_id"), GuardianPhone.active, Guardian.active)
    .order_by(GuardianPhone.position, Guardian.id)
    .limit(1),
    _Writer,
)
# The students this guardian may be texted about, with their schools.
_THEIR_STUDENTS = Query(
    select(Student.id, Student.school_id)
    .join(Guardianship, Guardianship.student_id == Student.id)
    .where(
        Guardianship.guardian_id == bindparam("guardian_id"),
        Guardianship.active,
        Guardianship.may_receive_texts,
        ~Guardianship.court_order,
        Student.active,
    )
    .order_by(Student.id),
    lambda student, school: (int(student), int(school)),
)


def _talk_of(session: Session, text: _Text, script: Script, now: datetime) -> Talk:
    """Today's talk with this phone, else one that somebody still awaits, else a new one.

    A chat page belongs to one guardian (the talk *through* which it came), a shared phone to two.
    """
    phone_id = text.phone_id or arrivals.phone_of(session, text.sender).id
    latest = talks.latest(session, phone_id, through=text.through)
    today = school_day(now, latest.zone if latest else handoffs.zone_of(session, None))
    if latest is not None and (latest.day == today or _goes_on(session, latest)):
        return latest
    writer = None
    if latest is not None and latest.guardian_id is not None:
        writer = _WRITER.first(session, id=latest.guardian_id)
    writer = writer or _HOLDER.first(session, phone_id=phone_id)
    students = _THEIR_STUDENTS.all(session, guardian_id=writer.id) if writer else []
    opened = open_conversation(
        session,
        phone_id=phone_id,
        guardian_id=writer.id if writer else None,
        school_id=students[0][1] if students else None,
        students=[student for student, _ in students],
        day=today,
        language=writer.language if writer else Language.ENGLISH,
        script=script,
        now=now,
    )
    return talks.locked(session, opened)


def _goes_on(session: Session, talk: Talk) -> bool:
    """A talk of another day that a question or a person still holds open."""
    if talk.silence_at is not None or talk.staff_id is not None:
        return True
    return handoffs.is_open(session, talk.id)


# --- to a person --------------------------------------------------------------------------------------------


def _give_to_a_person(session: Session, inbound_id: int, script: Script, now: datetime) -> bool:
    text = _LOCKED.first(session, id=inbound_id)
    if text is None:
        return False
    talk = _talk_of(session, text, script, now)
    _handled(session, text, talk, None, now)
    _open_handoff(session, talk, "program_error", Urgency.P1, script, now)
    return True


def _open_handoff(
    session: Session, talk: Talk, why: str, urgency: Urgency, script: Script, now: datetime
) -> None:
    talks.save(session, talk, now)
    handoffs.open_one(
        session,
        conversation_id=talk.id,
        school_id=talk.school_id,
        queue=Queue.ENGAGEMENT,
        urgency=urgency,
        why=why,
        due_at=handoffs.due(session, urgency, talk.school_id, script.policy, now),
        now=now,
    )
