"""A text came in: kept once, from whom, and on to the conversation."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import attendance, consent, handoffs
from bot.advance import By, Script, advance, heard, open_conversation
from bot.clock import school_day
from bot.conversation.state import Child, Heard, asked_about, from_json
from bot.language import Language
from bot.phone import PhoneNumber, PhoneRefused
from bot.store.session import Database, insert_unless_there
from bot.store.tables import (
    Channel,
    Conversation,
    Guardian,
    GuardianPhone,
    Guardianship,
    InboundText,
    Phone,
    Student,
)
from bot.understanding import Reading, Understanding
from bot.vocabulary import Keyword, Queue, Urgency

_log = structlog.get_logger(__name__)

_PROVIDER_MATCHED = {"STOP": Keyword.STOP, "START": Keyword.START, "HELP": Keyword.HELP}


# --- at the webhook: keep it, and answer ------------------------------------------------------------


def receive(
    session: Session,
    *,
    provider_sid: str,
    sender: str,
    words: str,
    media_count: int = 0,
    opt_out_type: str = "",
    channel: Channel = Channel.SMS,
    through: int | None = None,
    now: datetime,
) -> bool:
    """Store a text before anything else happens to it; False for one that is already stored.

    *through* is the conversation whose chat page it was written on; a text on the phone has none yet.

    A legal opt-out the provider has matched takes effect in this very transaction: it must not wait
    for its turn (promise 6).
    """
    words = words.replace("\x00", "")  # PostgreSQL keeps no NUL; nothing a family typed is lost by this
    values = {
        "provider_sid": provider_sid[:64],
        "sender": sender[:80],
        "words": words,
        "media_count": media_count,
        "opt_out_type": opt_out_type[:10],
        "channel": channel,
        "conversation_id": through,
        "received_at": now,
    }
    stored = session.scalar(
        insert_unless_there(session, InboundText, ("provider_sid",), values).returning(InboundText.id)
    )
    if stored is None:
        return False
    if opt_out_type == "STOP":
        consent.opt_out(session, _phone(session, sender).id, "provider", now, inbound_text_id=stored)
    return True


# --- its turn ------------------------------------------------------------------------------------------


def take_turns(
    database: Database, *, script: Script, understanding: Understanding, now: datetime, most: int = 50
) -> int:
    """Take the turn of every text that waits, opt-outs first, each in a transaction of its own.

    A text whose turn fails is put before a person instead: a family never meets an error, and is
    never left in silence. Returns how many were taken.
    """
    with database.begin() as session:
        waiting = session.execute(
            select(InboundText.id, InboundText.opt_out_type)
            .where(InboundText.handled_at.is_(None))
            .order_by(InboundText.opt_out_type != "STOP", InboundText.id)
            .limit(most)
        ).all()
    taken = 0
    for inbound_id, _ in waiting:
        try:
            with database.begin() as session:
                taken += _take_turn(session, inbound_id, script, understanding, now)
        except Exception:  # noqa: BLE001 - whatever failed, a person must read the text
            # The words are kept, the turn is not: what failed is logged without them, and a person reads.
            _log.exception("turn failed", inbound_text=inbound_id)
            taken += _saved(database, inbound_id, script, now)
    return taken


def _saved(database: Database, inbound_id: int, script: Script, now: datetime) -> bool:
    """Put a text whose turn failed before a person; if even that fails, the next look tries both again."""
    try:
        with database.begin() as session:
            return _give_to_a_person(session, inbound_id, script, now)
    except Exception:  # noqa: BLE001 - one family's trouble must not hold up the texts of all others
        _log.exception("a text waits", inbound_text=inbound_id)
        return False


def _take_turn(
    session: Session, inbound_id: int, script: Script, understanding: Understanding, now: datetime
) -> bool:
    text = _locked(session, inbound_id)
    if text is None:
        return False
    phone = _phone(session, text.sender)
    conversation = _conversation(session, phone, script, now, through=text.conversation_id)
    conversation.channel = text.channel
    state = from_json(conversation.state)
    children = asked_about(state)
    zone = handoffs.zone_of(session, conversation.school_id)
    reading = understanding.read(
        text.words,
        expected=conversation.language,
        names=[child.name for child in children],
        today=school_day(now, zone),
    )
    text.conversation_id, text.handled_at = conversation.id, now
    text.language, text.reading = reading.language, _kept(reading)
    session.flush()
    if conversation.guardian_id is None:
        _from_an_unknown_number(session, conversation, text, reading, script, now)
        return True
    message = _as_message(
        text, reading, children, after_hours=_nobody_at_work(session, conversation, script, now)
    )
    advance(session, conversation.id, message, script=script, now=now, by=By(inbound_text_id=text.id))
    return True


def _locked(session: Session, inbound_id: int) -> InboundText | None:
    """The text, unless another process has it or has already taken its turn."""
    return session.scalar(
        select(InboundText)
        .where(InboundText.id == inbound_id, InboundText.handled_at.is_(None))
        .with_for_update(skip_locked=True)
    )


def _nobody_at_work(session: Session, conversation: Conversation, script: Script, now: datetime) -> bool:
    zone = handoffs.zone_of(session, conversation.school_id)
    if not script.policy.office(zone).contains(now):
        return True
    school = conversation.school_id
    return school is not None and not attendance.is_school_day(session, school, school_day(now, zone))


def _as_message(
    text: InboundText, reading: Reading, children: tuple[Child, ...], *, after_hours: bool = False
) -> Heard:
    return heard(
        text.words,
        reading,
        children,
        has_picture=text.media_count > 0,
        after_hours=after_hours,
        provider_matched=_PROVIDER_MATCHED.get(text.opt_out_type),
    )


def _kept(reading: Reading) -> dict[str, Any]:
    """How the program understood a text, for the desk to show and a person to correct."""
    kept = asdict(reading)
    kept["returns_on"] = reading.returns_on.isoformat() if reading.returns_on else None
    return {key: value for key, value in kept.items() if value not in (None, (), [], False)}


# --- from whom -------------------------------------------------------------------------------------------


def _phone(session: Session, sender: str) -> Phone:
    """The phone a text came from; one nobody knows is kept too, as it was written."""
    try:
        number = PhoneNumber.parse(sender).e164
    except PhoneRefused:
        number = sender[:20]
    phone = session.scalar(select(Phone).where(Phone.number == number))
    if phone is None:
        phone = Phone(number=number)
        session.add(phone)
        session.flush()
    return phone


def _conversation(
    session: Session, phone: Phone, script: Script, now: datetime, *, through: int | None = None
) -> Conversation:
    """Today's talk with this phone, else one that somebody still awaits, else a new one.

    A chat page belongs to one guardian (the talk *through* which it came), a shared phone to two.
    """
    with_phone = select(Conversation).where(Conversation.phone_id == phone.id)
    if through is not None:
        guardian_id = session.get_one(Conversation, through).guardian_id
        with_phone = with_phone.where(Conversation.guardian_id.is_not_distinct_from(guardian_id))
    latest = session.scalars(
        with_phone.order_by(Conversation.opened_at.desc(), Conversation.id.desc()).limit(1).with_for_update()
    ).first()
    zone = handoffs.zone_of(session, latest.school_id if latest else None)
    today = school_day(now, zone)
    if latest is not None and (latest.day == today or _goes_on(session, latest)):
        return latest
    guardian = session.execute(
        select(Guardian.id, Guardian.language)
        .join(GuardianPhone, GuardianPhone.guardian_id == Guardian.id)
        .where(GuardianPhone.phone_id == phone.id, GuardianPhone.active, Guardian.active)
        .order_by(GuardianPhone.position, Guardian.id)
        .limit(1)
    ).first()
    if latest is not None and latest.guardian_id is not None:
        guardian = (
            session.execute(
                select(Guardian.id, Guardian.language).where(Guardian.id == latest.guardian_id)
            ).first()
            or guardian
        )
    students = _students_of(session, guardian[0]) if guardian else []
    opened = open_conversation(
        session,
        phone_id=phone.id,
        guardian_id=guardian[0] if guardian else None,
        school_id=students[0][1] if students else None,
        students=[student for student, _ in students],
        day=today,
        language=guardian[1] if guardian else Language.ENGLISH,
        script=script,
        now=now,
    )
    return session.get_one(Conversation, opened)


def _goes_on(session: Session, conversation: Conversation) -> bool:
    """A talk of another day that a question or a person still holds open."""
    if conversation.silence_at is not None or conversation.staff_id is not None:
        return True
    return handoffs.is_open(session, conversation.id)


def _students_of(session: Session, guardian_id: int) -> list[tuple[int, int]]:
    """The students this guardian may be texted about, with their schools."""
    rows = session.execute(
        select(Student.id, Student.school_id)
        .join(Guardianship, Guardianship.student_id == Student.id)
        .where(
            Guardianship.guardian_id == guardian_id,
            Guardianship.active,
            Guardianship.may_receive_texts,
            ~Guardianship.court_order,
            Student.active,
        )
        .order_by(Student.id)
    )
    return [(student, school) for student, school in rows]


def _from_an_unknown_number(
    session: Session,
    conversation: Conversation,
    text: InboundText,
    reading: Reading,
    script: Script,
    now: datetime,
) -> None:
    """A number no roster has: the keywords and danger work as for everyone, the rest a person reads.

    Nothing about any student may be said to it, so no flow begins.
    """
    message = _as_message(text, reading, ())
    if message.danger or message.keyword is not None:
        advance(session, conversation.id, message, script=script, now=now, by=By(inbound_text_id=text.id))
    if message.keyword is None and not message.danger:
        _open_handoff(session, conversation, "unknown_number", Urgency.P2, script, now)


def _give_to_a_person(session: Session, inbound_id: int, script: Script, now: datetime) -> bool:
    text = _locked(session, inbound_id)
    if text is None:
        return False
    phone = _phone(session, text.sender)
    conversation = _conversation(session, phone, script, now, through=text.conversation_id)
    text.conversation_id, text.handled_at = conversation.id, now
    _open_handoff(session, conversation, "program_error", Urgency.P1, script, now)
    return True


def _open_handoff(
    session: Session, conversation: Conversation, why: str, urgency: Urgency, script: Script, now: datetime
) -> None:
    conversation.touched_at = now
    handoffs.open_one(
        session,
        conversation_id=conversation.id,
        school_id=conversation.school_id,
        queue=Queue.ENGAGEMENT,
        urgency=urgency,
        why=why,
        due_at=handoffs.due(session, urgency, conversation.school_id, script.policy, now),
        now=now,
    )
