"""A staff member answers a family: take, reply, log a call, return to the bot, resolve."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit, casework, chat_links, consent, courtesy, handoffs, ledger, outbox
from bot.advance import By, Script, advance
from bot.conversation.state import End, Ended, StaffReturned, StaffTook, asked_about, from_json, to_json
from bot.errors import PresenteError
from bot.store.tables import (
    CallOutcome,
    Channel,
    Conversation,
    OutboundText,
    Staff,
)
from bot.texts import Rendered, segments, sendable
from bot.vocabulary import Outcome, Owner, Purpose

# Longer than a person types into a thread; the provider refuses more (TW-41).
LONGEST_REPLY = 1600


class NotPossible(PresenteError):
    """A staff member asked for something that cannot be done now; the message is a sentence for the desk."""


def take(
    session: Session,
    conversation_id: int,
    staff_id: int,
    *,
    script: Script,
    now: datetime,
    announced: bool = True,
) -> None:
    """This person speaks from now on; the bot's texts that have not left do not leave.

    *announced*: a waiting family is told who is here; who is written to in the same moment is not.
    """
    conversation = _locked(session, conversation_id)
    owner = conversation.staff_id
    if owner is not None and owner != staff_id and session.get_one(Staff, owner).active:
        raise NotPossible(
            f"{_name(session, owner)} is already talking with this family; "
            "ask them to hand it on or to return it before you take it"
        )
    if owner is not None and owner != staff_id:
        owner = None  # their account is closed: nobody could give the family back
    if owner is None:
        advance(session, conversation_id, StaffTook(), script=script, now=now, by=By(staff_id=staff_id))
    if announced and owner is None:
        courtesy.say_who_is_here(
            session, conversation, staff_id, texts=script.texts, policy=script.policy, now=now
        )
    handoffs.take(session, conversation_id, staff_id, now)
    _audit(session, staff_id, "take", conversation_id, now)


def reply(
    session: Session,
    conversation_id: int,
    staff_id: int,
    words: str,
    *,
    script: Script,
    now: datetime,
    form_key: str = "",
    key: str = "",
    english: str = "",
    machine_translated: bool = False,
) -> None:
    """Text the family in the thread. It takes ownership without another click, and silences the bot.

    *form_key* is the form's own random key: the same form sent twice sends one text. *key* is that of a
    reviewed reply, *english* what the words say in English where that is known.
    """
    body = sendable(words.strip())
    if not body:
        raise NotPossible("The reply is empty; write something to the family first.")
    if len(body) > LONGEST_REPLY:
        raise NotPossible(
            f"The reply has {len(body)} characters; a text may have {LONGEST_REPLY}. Shorten it."
        )
    token = _token(conversation_id, staff_id, form_key)
    conversation = _locked(session, conversation_id)
    if token and session.scalar(select(OutboundText.id).where(OutboundText.token == token)) is not None:
        return
    why_not = cannot_text_because(session, conversation_id)
    if why_not:
        raise NotPossible(why_not)
    if conversation.staff_id != staff_id:
        take(session, conversation_id, staff_id, script=script, now=now, announced=False)
    window = script.policy.replies(handoffs.zone_of(session, conversation.school_id))
    channel = chat_links.channel_to(session, conversation, now)
    opens = now if channel is Channel.CHAT else window.next_opening(now)
    outbox.queue(
        session,
        Rendered(body, sendable(english.strip()), conversation.language, segments(body)),
        conversation_id=conversation_id,
        phone_id=conversation.phone_id,
        purpose=Purpose.REPLY,
        law=script.policy.law(Purpose.REPLY),
        not_before=opens,
        not_after=opens + timedelta(hours=12),
        now=now,
        staff_id=staff_id,
        token=token,
        channel=channel,
        key=key,
        machine_translated=machine_translated,
    )
    handoffs.answered(session, conversation_id, now)
    conversation.touched_at = now
    _audit(session, staff_id, "reply", conversation_id, now)


def log_call(
    session: Session,
    conversation_id: int,
    staff_id: int,
    outcome: CallOutcome,
    note: str,
    *,
    key: str | None = None,
    now: datetime,
) -> None:
    """A call was made. Reaching the family moves the ledger; a wrong number closes the number.

    The form with this *key*, sent twice, logs one call.
    """
    conversation = _locked(session, conversation_id)
    if not casework.log_call(session, conversation_id, staff_id, outcome, note, key=key, now=now):
        return
    students = _students(conversation)
    if outcome is CallOutcome.REACHED:
        ledger.record(session, students, conversation.day, Outcome.EXPLAINED, now)
    elif outcome is CallOutcome.WRONG_NUMBER:
        consent.mark_wrong_number(session, conversation.phone_id, "staff", now)
        ledger.record(session, students, conversation.day, Outcome.UNREACHABLE, now)
    conversation.touched_at = now
    _audit(session, staff_id, "log_call", conversation_id, now, outcome.value)


def return_to_bot(
    session: Session, conversation_id: int, staff_id: int, *, script: Script, now: datetime
) -> None:
    """The bot goes on where it was: an open question is asked again, anything else stays as it was."""
    conversation = _locked(session, conversation_id)
    if conversation.owner is not Owner.STAFF:
        raise NotPossible("Nobody has taken this conversation, so there is nothing to return.")
    _only_by_its_owner(session, conversation, staff_id)
    consent.release(session, conversation.phone_id, now, staff_id=staff_id)
    advance(session, conversation_id, StaffReturned(), script=script, now=now, by=By(staff_id=staff_id))
    handoffs.resolve(session, conversation_id, staff_id, "returned to the bot", now)
    _audit(session, staff_id, "return_to_bot", conversation_id, now)


def resolve(
    session: Session,
    conversation_id: int,
    staff_id: int,
    resolution: str,
    *,
    accounted_for: bool = True,
    now: datetime,
) -> None:
    """The case is seen through. What was agreed is kept; the family may write again at any time.

    *accounted_for*: whether we now know where the student is, or why; only then does the ledger say so.
    """
    conversation = _locked(session, conversation_id)
    if not resolution.strip():
        raise NotPossible("Say in a few words what was agreed, so that the next person knows.")
    if conversation.owner is Owner.STAFF:
        _only_by_its_owner(session, conversation, staff_id)
    if not handoffs.resolve(session, conversation_id, staff_id, resolution.strip(), now):
        raise NotPossible("This family is not waiting any more: somebody has already resolved it.")
    about = asked_about(from_json(conversation.state))
    conversation.state = to_json(Ended(End.CLOSED, about))
    conversation.owner, conversation.staff_id, conversation.silence_at = Owner.NOBODY, None, None
    conversation.touched_at = now
    outbox.drop_queued(session, conversation_id)
    # A person has read the thread: a doubt about STOP is decided, an opt-out itself stays.
    consent.release(session, conversation.phone_id, now, staff_id=staff_id)
    if accounted_for:
        ledger.record(session, [child.id for child in about], conversation.day, Outcome.EXPLAINED, now)
    _audit(session, staff_id, "resolve", conversation_id, now)


def cannot_text_because(session: Session, conversation_id: int) -> str:
    """Why no text can reach this family, as a sentence for the desk; "" when one can."""
    conversation = session.get_one(Conversation, conversation_id)
    refusal = consent.number_closed(session, conversation.phone_id)
    if refusal is None and consent.barred(session, conversation):
        refusal = consent.Refusal.NO_CONTACT
    if refusal is None:
        return ""
    return f"This family cannot be texted: {refusal.sentence}. Call or visit instead."


def _locked(session: Session, conversation_id: int) -> Conversation:
    found = session.get(Conversation, conversation_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotPossible("There is no such conversation any more.")
    return found


def _only_by_its_owner(session: Session, conversation: Conversation, staff_id: int) -> None:
    if conversation.staff_id is not None and conversation.staff_id != staff_id:
        raise NotPossible(
            f"{_name(session, conversation.staff_id)} has this conversation; only they can do this."
        )


def _students(conversation: Conversation) -> list[int]:
    return [child.id for child in asked_about(from_json(conversation.state))]


def _name(session: Session, staff_id: int) -> str:
    return session.get_one(Staff, staff_id).name


def _token(conversation_id: int, staff_id: int, form_key: str) -> str:
    """The outbox's own unique token, made from the form's key: a second post finds the first."""
    if not form_key:
        return ""
    return hashlib.sha256(f"{conversation_id}:{staff_id}:{form_key}".encode()).hexdigest()[:32]


def _audit(
    session: Session, staff_id: int, act: str, conversation_id: int, now: datetime, detail: str = ""
) -> None:
    audit.note(session, staff_id, act, now=now, conversation_id=conversation_id, detail=detail)
