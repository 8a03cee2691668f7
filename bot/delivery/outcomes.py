"""What a text's outcome means: for the family's place in the ledger, for its number, and for our sender."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot import consent, counters, handoffs, ledger, outbox
from bot.advance import Script
from bot.clock import Clock
from bot.conversation.state import End, Ended, asked_about, from_json, to_json
from bot.outbox import Claimed, Learned, NotSent
from bot.provider import Meaning, Passing, PhoneFate, Provider, Refused, SenderFate, TextFate
from bot.provider import meaning as meanings
from bot.store.session import Database
from bot.store.tables import (
    Conversation,
    ConversationStudent,
    Delivery,
    OutboundText,
    Outreach,
    PhoneState,
    TextState,
)
from bot.texts import Rendered
from bot.vocabulary import NotContacted, Outcome, Owner, Purpose, Queue, Urgency

_log = structlog.get_logger(__name__)

_ASKING = (Purpose.CHECK_IN, Purpose.REMINDER)

_WAIT_AFTER_BUSY = timedelta(seconds=30)
# Long enough that somebody can mend the account, short enough that the morning is still the morning.
_WAIT_AFTER_OUR_FAULT = timedelta(minutes=5)
# A handset may be on again, and a carrier's congestion or a block for pumping over (rules.md, 1.9).
_WAIT_BEFORE_AGAIN = timedelta(minutes=30)
# The first try and one more: a text that failed twice is a call (TW-70).
_MOST_RETRIES = 1

# Why an unsent check-in leaves its students not contacted.
_NOT_CONTACTED = {
    consent.Refusal.OPTED_OUT: NotContacted.OPTED_OUT,
    consent.Refusal.HELD: NotContacted.OPTED_OUT,
    consent.Refusal.MUTED: NotContacted.OPTED_OUT,
    consent.Refusal.WRONG_NUMBER: NotContacted.WRONG_NUMBER,
    consent.Refusal.SUSPENDED: NotContacted.NO_NUMBER,
    consent.Refusal.LANDLINE: NotContacted.NO_NUMBER,
    consent.Refusal.DEAD: NotContacted.NO_NUMBER,
    consent.Refusal.NO_CONTACT: NotContacted.NO_CONTACT_ALLOWED,
    consent.Refusal.NOT_ON_FILE: NotContacted.NO_NUMBER,
    consent.Refusal.STAFF_OWNS: NotContacted.TALKING_NOW,
    consent.Refusal.NOT_A_SCHOOL_DAY: NotContacted.OUTSIDE_WINDOW,
    consent.Refusal.OUTSIDE_WINDOW: NotContacted.OUTSIDE_WINDOW,
    consent.Refusal.SENDER_FULL: NotContacted.OUTSIDE_WINDOW,
    consent.Refusal.TOO_LATE: NotContacted.OUTSIDE_WINDOW,
    consent.Refusal.ENOUGH_TODAY: NotContacted.ALREADY_ASKED,
    consent.Refusal.NOT_ABSENT: NotContacted.ALREADY_EXCUSED,
}
# The student is here, or the school was closed since: no person need call.
_NOBODY_IS_MISSING = frozenset({consent.Refusal.NOT_ABSENT, consent.Refusal.NOT_A_SCHOOL_DAY})
assert set(_NOT_CONTACTED) == set(consent.Refusal)  # noqa: S101 - a new refusal needs its line in the ledger


# --- at the hand-over ---------------------------------------------------------------------------------------


def refused(
    session: Session, text: Claimed, said: Refused, sender: str, script: Script, now: datetime
) -> None:
    """The provider said no. What that is for text, phone and sender stands in its error table."""
    what = said.meaning
    _log.warning("text refused", text=text.id, code=what.code, fate=what.text.value)
    _touch_sender(session, sender, what, now)
    match what.text:
        case TextFate.GONE:
            if not outbox.record_refused(session, text.id, text.attempt, what.code):
                return
            row = session.get_one(OutboundText, text.id)
            _lock(session, row.conversation_id)
            _touch_phone(session, row.phone_id, what, now)
            if row.conversation_id is not None and row.purpose is not Purpose.CONSENT:
                _did_not_arrive(session, row.conversation_id, row.purpose, script, now)
        case TextFate.WAITS:
            outbox.put_back(session, text.id, text.attempt, now + _WAIT_AFTER_OUR_FAULT)
        case TextFate.AGAIN:
            outbox.put_back(session, text.id, text.attempt, now + _WAIT_BEFORE_AGAIN)
        case TextFate.NEXT_DAY:
            outbox.put_back(session, text.id, text.attempt, outbox.next_day(now))


def passing(session: Session, text: Claimed, said: Passing, now: datetime) -> None:
    """Nothing was sent: the text waits a little and is tried again."""
    outbox.put_back(session, text.id, text.attempt, now + _WAIT_AFTER_BUSY)
    _log.info("provider busy", text=text.id, code=said.code)


def unknown(session: Session, text: Claimed, code: str) -> None:
    outbox.record_unknown(session, text.id, text.attempt)
    _log.warning("outcome unknown", text=text.id, code=code)


def _touch_sender(session: Session, sender: str, what: Meaning, now: datetime) -> None:
    if what.sender is not SenderFate.CLOSED:
        return
    counters.count_now(session, "sender_fault", now)
    if outbox.note_fault(session, sender, what.code, now):
        # Staff see it on every page, and the office's monitor in /readyz and /metrics.
        _log.error("sender closed", sender=sender[-4:], code=what.code)


def _touch_phone(session: Session, phone_id: int, what: Meaning, now: datetime) -> None:
    match what.phone:
        case PhoneFate.OPTED_OUT:
            consent.opt_out(session, phone_id, "provider", now)
        case PhoneFate.LANDLINE:
            consent.mark_line(session, phone_id, PhoneState.LANDLINE)
        case PhoneFate.DEAD:
            consent.mark_line(session, phone_id, PhoneState.DEAD)
        case PhoneFate.OUT_OF_REACH:
            consent.out_of_reach(session, phone_id)
        case PhoneFate.UNTOUCHED:
            pass


def _lock(session: Session, conversation_id: int | None) -> None:
    """The conversation before its phone, as every turn does: otherwise two could wait for one another."""
    if conversation_id is not None:
        session.get_one(Conversation, conversation_id, with_for_update=True, populate_existing=True)


# --- who must be reached in another way --------------------------------------------------------------------


def could_not_leave(session: Session, text: NotSent, script: Script, now: datetime) -> None:
    """A text the door refused: its students go back to the list of those who still must be reached."""
    if text.conversation_id is None or text.purpose is Purpose.CONSENT:
        return
    why = consent.Refusal(text.why)
    if text.purpose in _ASKING:
        conversation = session.get_one(
            Conversation, text.conversation_id, with_for_update=True, populate_existing=True
        )
        if text.purpose is Purpose.CHECK_IN:
            ledger.record(
                session,
                _asked_by_no_other(session, conversation),
                conversation.day,
                Outcome.NOT_CONTACTED,
                now,
                not_contacted=_NOT_CONTACTED[why],
                instead_of=(Outcome.ATTEMPTED,),
            )
        if conversation.owner is Owner.STAFF:
            return  # whatever closed the door, a person has the family (promise 3)
        if why in _NOBODY_IS_MISSING:
            _close(conversation, End.CLOSED, now)
            return
        _close(conversation, End.WITH_A_PERSON, now)
    _to_the_desk(session, text.conversation_id, script, now, why="undelivered")


def _did_not_arrive(
    session: Session, conversation_id: int, purpose: Purpose, script: Script, now: datetime
) -> None:
    """A text that a phone will never show: somebody must call instead."""
    if purpose in _ASKING:
        conversation = session.get_one(
            Conversation, conversation_id, with_for_update=True, populate_existing=True
        )
        students = _asked_by_no_other(session, conversation)
        ledger.record(
            session, students, conversation.day, Outcome.UNREACHABLE, now, instead_of=(Outcome.ATTEMPTED,)
        )
        _close(conversation, End.WITH_A_PERSON, now)
    _to_the_desk(session, conversation_id, script, now, why="undelivered")


def nobody_knows(session: Session, conversation_id: int, script: Script, now: datetime) -> None:
    """Neither receipt nor list has told whether a text left: a person asks the family instead (TW-62)."""
    _to_the_desk(session, conversation_id, script, now, why="unknown_outcome")


def _close(conversation: Conversation, how: End, now: datetime) -> None:
    """The bot's part is over: no reminder follows a question that never arrived. What a person took over stays theirs."""
    if conversation.owner is not Owner.BOT:
        return
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


def _asked_by_no_other(session: Session, conversation: Conversation) -> list[int]:
    """Of this talk's students, those about whom no other guardian's question of that day is good.

    When only the second guardian's text fails, the first one was asked all the same.
    """
    asked = (
        select(Outreach.student_id)
        .join(OutboundText, OutboundText.conversation_id == Outreach.conversation_id)
        .where(
            Outreach.day == conversation.day,
            Outreach.conversation_id != conversation.id,
            OutboundText.purpose == Purpose.CHECK_IN,
            OutboundText.state.not_in([TextState.NOT_SENT, TextState.REFUSED]),
            OutboundText.delivery.not_in([Delivery.UNDELIVERED, Delivery.FAILED]),
        )
    )
    return list(
        session.scalars(
            select(ConversationStudent.student_id).where(
                ConversationStudent.conversation_id == conversation.id,
                ConversationStudent.student_id.not_in(asked),
            )
        )
    )


def _to_the_desk(session: Session, conversation_id: int, script: Script, now: datetime, *, why: str) -> None:
    session.flush()
    conversation = session.get_one(Conversation, conversation_id)
    handoffs.open_one(
        session,
        conversation_id=conversation_id,
        school_id=conversation.school_id,
        queue=Queue.ENGAGEMENT,
        urgency=Urgency.P2,
        why=why,
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
    sender: str = "",
) -> bool:
    """The provider's word on a text came in. True when it told us something new.

    *sender* is the number it left by, where the provider says so: one code means another thing on a
    toll-free number (TW-95).
    """
    learned = outbox.record_receipt(
        session, token=token, status=status, error_code=error_code, provider_sid=provider_sid, now=now
    )
    if learned is None:
        return False
    if learned.delivery in (Delivery.UNDELIVERED, Delivery.FAILED):
        _failed(session, learned, sender, script, now)
    elif learned.delivery is Delivery.DELIVERED:
        _arrived(session, learned, now)
    return True


def _arrived(session: Session, learned: Learned, now: datetime) -> None:
    consent.reached(session, learned.phone_id)
    if learned.before not in (Delivery.UNDELIVERED, Delivery.FAILED):
        return
    # It was called lost, and yet it came: nothing is sent a second time, and the family was reached.
    session.execute(
        update(OutboundText)
        .where(OutboundText.retry_of == learned.text_id, OutboundText.state == TextState.QUEUED)
        .values(state=TextState.NOT_SENT, why_not="overtaken")
        .execution_options(synchronize_session=False)
    )
    if learned.conversation_id is not None and learned.purpose in _ASKING:
        conversation = session.get_one(Conversation, learned.conversation_id)
        ledger.record(
            session,
            _students(session, conversation.id),
            conversation.day,
            Outcome.ATTEMPTED,
            now,
            instead_of=(Outcome.UNREACHABLE,),
        )


def _failed(session: Session, learned: Learned, sender: str, script: Script, now: datetime) -> None:
    what = meanings.of(learned.error_code, toll_free=meanings.is_toll_free(sender))
    _lock(session, learned.conversation_id)
    _touch_sender(session, sender, what, now)
    _touch_phone(session, learned.phone_id, what, now)
    if what.text is not TextFate.GONE and _tried_again(session, learned.text_id, what, now):
        return
    if learned.conversation_id is not None and learned.purpose is not Purpose.CONSENT:
        _did_not_arrive(session, learned.conversation_id, learned.purpose, script, now)


def _tried_again(session: Session, text_id: int, what: Meaning, now: datetime) -> bool:
    """Queue a failed text once more, as a text of its own; False when it was tried enough or it is too late.

    Consent, calendar and the rest are asked again when it is claimed (TW-70).
    """
    text = session.get_one(OutboundText, text_id)
    first = text.retry_of or text.id
    retries = session.scalar(
        select(func.count()).select_from(OutboundText).where(OutboundText.retry_of == first)
    )
    wait = _WAIT_AFTER_OUR_FAULT if what.text is TextFate.WAITS else _WAIT_BEFORE_AGAIN
    opens = outbox.next_day(now) if what.text is TextFate.NEXT_DAY else now + wait
    if (retries or 0) >= _MOST_RETRIES or opens >= text.not_after:
        return False
    outbox.queue(
        session,
        Rendered(text.body, text.english, text.language, text.segments),
        conversation_id=text.conversation_id,
        phone_id=text.phone_id,
        purpose=text.purpose,
        law=text.purpose_class,
        not_before=opens,
        not_after=text.not_after,
        now=now,
        key=text.key,
        staff_id=text.staff_id,
        retry_of=first,
    )
    return True


def fetch_receipts(database: Database, provider: Provider, *, script: Script, clock: Clock) -> int:
    """Fetch the words on delivery of a provider that does not post them to us."""
    held = list(provider.receipts())
    if held:
        with database.begin() as session:
            for word in held:
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
