"""One pass of the sender: claim what is due, hand it over, and tell ledger and desk what did not arrive."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import consent, handoffs, ledger, outbox
from bot.advance import Script
from bot.clock import Clock
from bot.conversation.state import End, Ended, asked_about, from_json, to_json
from bot.outbox import Claimed, Learned, NotSent
from bot.provider import Fault, Outgoing, Passing, Provider, Refused, Unknown
from bot.store.session import Database
from bot.store.tables import Conversation, ConversationStudent, Delivery, OutboundText, PhoneState
from bot.vocabulary import NotContacted, Outcome, Owner, Purpose, Queue, Urgency

_log = structlog.get_logger(__name__)

_ASKING = (Purpose.CHECK_IN, Purpose.REMINDER)
_WAIT_AFTER_BUSY = timedelta(seconds=30)
# Long enough that somebody can mend the account, short enough that the morning is still the morning.
_WAIT_AFTER_OUR_FAULT = timedelta(minutes=5)

# What the provider's later word on a number means (rules.md, 1.9).
_LANDLINE_CODES = frozenset({"30006"})
_DEAD_CODES = frozenset({"30005"})
_OPTED_OUT_CODES = frozenset({"21610"})

# Why an unsent check-in leaves its students not contacted.
_NOT_CONTACTED = {
    consent.Refusal.OPTED_OUT: NotContacted.OPTED_OUT,
    consent.Refusal.HELD: NotContacted.OPTED_OUT,
    consent.Refusal.WRONG_NUMBER: NotContacted.WRONG_NUMBER,
    consent.Refusal.LANDLINE: NotContacted.NO_NUMBER,
    consent.Refusal.DEAD: NotContacted.NO_NUMBER,
    consent.Refusal.NO_CONTACT: NotContacted.NO_CONTACT_ALLOWED,
    consent.Refusal.STAFF_OWNS: NotContacted.TALKING_NOW,
    consent.Refusal.NOT_A_SCHOOL_DAY: NotContacted.OUTSIDE_WINDOW,
    consent.Refusal.OUTSIDE_WINDOW: NotContacted.OUTSIDE_WINDOW,
    consent.Refusal.TOO_LATE: NotContacted.OUTSIDE_WINDOW,
    consent.Refusal.ENOUGH_TODAY: NotContacted.ALREADY_ASKED,
    consent.Refusal.NOT_ABSENT: NotContacted.ALREADY_EXCUSED,
}


def send_due(
    database: Database, provider: Provider, *, script: Script, clock: Clock, batch: int = 20, at_once: int = 4
) -> int:
    """Claim one batch and hand it over; returns how many texts were claimed.

    The claim is committed before anybody waits on the provider's network, and no transaction is open
    meanwhile: a slow provider holds up no other process.
    """
    with database.begin() as session:
        claimed, refused = outbox.claim(session, script.policy, clock(), batch)
        for stopped in refused:
            _could_not_leave(session, stopped, script, clock())
    if not claimed:
        return 0
    if len(claimed) == 1 or at_once == 1:
        for text in claimed:
            _hand_over(database, provider, text, script, clock)
    else:
        with ThreadPoolExecutor(at_once, thread_name_prefix="sender") as pool:
            list(pool.map(lambda text: _hand_over(database, provider, text, script, clock), claimed))
    return len(claimed)


def _hand_over(database: Database, provider: Provider, text: Claimed, script: Script, clock: Clock) -> None:
    outgoing = Outgoing(text.token, text.to, text.body, text.valid_seconds)
    try:
        accepted = provider.send(outgoing)
    except Refused as refused:
        with database.begin() as session:
            if refused.fault is Fault.SENDER:
                # Ours, not the family's: nobody is marked for it, and the text waits to be tried again (TW-71).
                outbox.put_back(session, text.id, clock() + _WAIT_AFTER_OUR_FAULT)
                _log.error("our sender was refused", text=text.id, code=refused.code)
            else:
                _was_refused(session, text.id, refused, script, clock())
    except Passing as busy:
        with database.begin() as session:
            outbox.put_back(session, text.id, clock() + _WAIT_AFTER_BUSY)
        _log.info("provider busy", text=text.id, code=busy.code)
    except Unknown as lost:
        with database.begin() as session:
            outbox.record_unknown(session, text.id)
        _log.warning("outcome unknown", text=text.id, code=lost.code)
    else:
        with database.begin() as session:
            outbox.record_sent(session, text.id, accepted.sid, accepted.status, clock())


def _was_refused(session: Session, text_id: int, refused: Refused, script: Script, now: datetime) -> None:
    outbox.record_refused(session, text_id, refused.code)
    text = session.get_one(OutboundText, text_id)
    _log.warning("text refused", text=text_id, code=refused.code, fault=refused.fault.value)
    match refused.fault:
        case Fault.OPTED_OUT:
            consent.opt_out(session, text.phone_id, "provider", now)
        case Fault.LANDLINE:
            consent.mark_line(session, text.phone_id, PhoneState.LANDLINE)
        case Fault.DEAD:
            consent.mark_line(session, text.phone_id, PhoneState.DEAD)
        case Fault.CONTENT | Fault.SENDER:
            pass  # ours: no number is marked for it (TW-71)
    if text.conversation_id is not None and text.purpose is not Purpose.CONSENT:
        _did_not_arrive(session, text.conversation_id, text.purpose, script, now)


def _could_not_leave(session: Session, text: NotSent, script: Script, now: datetime) -> None:
    """A text the door refused: its students go back to the list of those who still must be reached."""
    if text.conversation_id is None or text.purpose is Purpose.CONSENT:
        return
    why = consent.Refusal(text.why)
    if text.purpose in _ASKING:
        conversation = session.get_one(Conversation, text.conversation_id, with_for_update=True)
        if text.purpose is Purpose.CHECK_IN:
            ledger.record(
                session,
                _students(session, conversation.id),
                conversation.day,
                Outcome.NOT_CONTACTED,
                now,
                not_contacted=_NOT_CONTACTED[why],
                instead_of=(Outcome.ATTEMPTED,),
            )
        if why is consent.Refusal.STAFF_OWNS:
            return
        if why is consent.Refusal.NOT_ABSENT:
            _close(conversation, End.CLOSED, now)
            return
        _close(conversation, End.WITH_A_PERSON, now)
    _to_the_desk(session, text.conversation_id, script, now)


def _did_not_arrive(
    session: Session, conversation_id: int, purpose: Purpose, script: Script, now: datetime
) -> None:
    """A text that a phone will never show: somebody must call instead."""
    if purpose in _ASKING:
        conversation = session.get_one(Conversation, conversation_id, with_for_update=True)
        students = _students(session, conversation.id)
        ledger.record(
            session, students, conversation.day, Outcome.UNREACHABLE, now, instead_of=(Outcome.ATTEMPTED,)
        )
        if conversation.owner is Owner.BOT:
            _close(conversation, End.WITH_A_PERSON, now)
    _to_the_desk(session, conversation_id, script, now)


def _close(conversation: Conversation, how: End, now: datetime) -> None:
    """The bot's part is over: no reminder follows a question that never arrived."""
    about = asked_about(from_json(conversation.state))
    conversation.state = to_json(Ended(how, about))
    conversation.owner, conversation.staff_id, conversation.silence_at = Owner.NOBODY, None, None
    conversation.touched_at = now


def _students(session: Session, conversation_id: int) -> list[int]:
    return list(
        session.scalars(
            select(ConversationStudent.student_id).where(
                ConversationStudent.conversation_id == conversation_id
            )
        )
    )


def _to_the_desk(session: Session, conversation_id: int, script: Script, now: datetime) -> None:
    conversation = session.get_one(Conversation, conversation_id)
    handoffs.open_one(
        session,
        conversation_id=conversation_id,
        school_id=conversation.school_id,
        queue=Queue.ENGAGEMENT,
        urgency=Urgency.P2,
        why="undelivered",
        due_at=handoffs.due(session, Urgency.P2, conversation.school_id, script.policy, now),
        now=now,
    )


# --- receipts --------------------------------------------------------------------------------------------


def receipt(
    session: Session,
    *,
    token: str,
    status: str,
    error_code: str,
    provider_sid: str | None,
    script: Script,
    now: datetime,
) -> bool:
    """The provider's word on a text came in. True when it told us something new."""
    learned = outbox.record_receipt(
        session, token=token, status=status, error_code=error_code, provider_sid=provider_sid, now=now
    )
    if learned is None:
        return False
    if learned.delivery in (Delivery.UNDELIVERED, Delivery.FAILED):
        _failed(session, learned, script, now)
    return True


def _failed(session: Session, learned: Learned, script: Script, now: datetime) -> None:
    if learned.error_code in _LANDLINE_CODES:
        consent.mark_line(session, learned.phone_id, PhoneState.LANDLINE)
    elif learned.error_code in _DEAD_CODES:
        consent.mark_line(session, learned.phone_id, PhoneState.DEAD)
    elif learned.error_code in _OPTED_OUT_CODES:
        consent.opt_out(session, learned.phone_id, "provider", now)
    if learned.conversation_id is not None and learned.purpose is not Purpose.CONSENT:
        _did_not_arrive(session, learned.conversation_id, learned.purpose, script, now)


def fetch_receipts(database: Database, provider: Provider, *, script: Script, clock: Clock) -> int:
    """Fetch the words on delivery of a provider that does not post them to us."""
    held = list(provider.receipts())
    for word in held:
        with database.begin() as session:
            receipt(
                session,
                token=word.token,
                status=word.status,
                error_code=word.error_code,
                provider_sid=word.sid,
                script=script,
                now=clock(),
            )
    return len(held)
