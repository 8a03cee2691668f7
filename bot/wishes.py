"""What staff take down about texting a family: a wish by telephone or on paper, a number confirmed, a child muted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit, consent
from bot.answering import NotPossible, cannot_text_because
from bot.store.tables import Conversation, ConversationStudent, Mute, Phone, PhoneState, Student
from bot.vocabulary import Purpose

# A guardian who is tired of texts about a child is tired of the question and of its reminder.
_MUTED = (Purpose.CHECK_IN, Purpose.REMINDER)


@dataclass(frozen=True)
class Child:
    """A student of the talk, and whether its guardian wants no questions about it by text."""

    id: int
    name: str
    muted: bool


@dataclass(frozen=True)
class Standing:
    """How it stands with texts to this family's number. `known`: the talk has a guardian on file.

    `cannot_text` is the sentence that says why no text can reach the family; "" when one can.
    """

    cannot_text: str
    opted_out: bool
    suspended: bool
    somebody_elses: bool
    known: bool
    children: tuple[Child, ...]


def standing(session: Session, conversation_id: int) -> Standing:
    """What was taken down so far, for the desk's page."""
    talk, phone = session.execute(
        select(Conversation, Phone)
        .join(Phone, Phone.id == Conversation.phone_id)
        .where(Conversation.id == conversation_id)
        .execution_options(populate_existing=True)
    ).one()
    muted = set(session.scalars(select(Mute.student_id).where(Mute.guardian_id == talk.guardian_id)))
    students = session.scalars(
        select(Student)
        .join(ConversationStudent, ConversationStudent.student_id == Student.id)
        .where(ConversationStudent.conversation_id == conversation_id)
        .order_by(Student.id)
    )
    return Standing(
        cannot_text_because(session, conversation_id),
        phone.opted_out,
        phone.suspended,
        phone.state is PhoneState.WRONG_NUMBER,
        talk.guardian_id is not None,
        tuple(Child(each.id, each.first_name, each.id in muted) for each in students),
    )


def no_more_texts(
    session: Session, conversation_id: int, staff_id: int, words: str, *, now: datetime
) -> None:
    """The family said so in another way than by text; only staff can end it again (LAW-10, TW-99)."""
    talk = _talk(session, conversation_id)
    consent.opt_out(session, talk.phone_id, "staff", now, staff_id=staff_id, words=_said(words))
    _audit(session, staff_id, "no_more_texts", conversation_id, now)


def texts_again(session: Session, conversation_id: int, staff_id: int, words: str, *, now: datetime) -> None:
    """The family told staff that it wants texts again."""
    talk = _talk(session, conversation_id)
    consent.opt_in(session, talk.phone_id, "staff", now, staff_id=staff_id, words=_said(words))
    _audit(session, staff_id, "texts_again", conversation_id, now)


def number_confirmed(session: Session, conversation_id: int, staff_id: int, *, now: datetime) -> None:
    """The family said that the number is still its own, although the carrier had given it up (TW-72)."""
    talk = _talk(session, conversation_id)
    consent.confirm(session, talk.phone_id, now, staff_id=staff_id)
    _audit(session, staff_id, "number_confirmed", conversation_id, now)


def mute_child(
    session: Session, conversation_id: int, staff_id: int, student_id: int, *, on: bool, now: datetime
) -> None:
    """This guardian wants no questions by text about this child, or wants them again. Somebody calls instead."""
    talk = _talk(session, conversation_id)
    of_the_talk = select(ConversationStudent.student_id).where(
        ConversationStudent.conversation_id == conversation_id
    )
    if talk.guardian_id is None or student_id not in set(session.scalars(of_the_talk)):
        raise NotPossible("This student is not part of the conversation; open the family's own page.")
    change = consent.mute if on else consent.unmute
    for purpose in _MUTED:
        change(session, talk.guardian_id, student_id, purpose, now, staff_id=staff_id)
    _audit(session, staff_id, "mute_child" if on else "unmute_child", conversation_id, now)


def _talk(session: Session, conversation_id: int) -> Conversation:
    found = session.get(Conversation, conversation_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotPossible("There is no such conversation any more.")
    return found


def _said(words: str) -> str:
    said = words.strip()
    if not said:
        raise NotPossible("Write what the family said and how, such as: by telephone, does not want texts.")
    return said[:500]


def _audit(session: Session, staff_id: int, act: str, conversation_id: int, now: datetime) -> None:
    audit.note(session, staff_id, act, now=now, conversation_id=conversation_id)
