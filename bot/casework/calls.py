"""Calls and what became of each: in a family's talk, or about a student who has none."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit, consent, handoffs, ledger
from bot.casework.written import CaseworkRefused, written
from bot.clock import school_day
from bot.store.tables import (
    CallOutcome,
    ContactMade,
    Conversation,
    ConversationStudent,
    GuardianPhone,
    Guardianship,
    School,
    Student,
)
from bot.vocabulary import Outcome

LONGEST_NOTE = 500

# What a call says of the student's absence of today. A wrong number says nothing: another may be right.
_LEDGER = {
    CallOutcome.REACHED: Outcome.EXPLAINED,
    CallOutcome.VOICEMAIL: Outcome.ATTEMPTED,
    CallOutcome.NO_ANSWER: Outcome.ATTEMPTED,
}


def log_call(
    session: Session,
    conversation_id: int,
    staff_id: int,
    outcome: CallOutcome,
    note: str,
    *,
    key: str | None = None,
    now: datetime,
) -> bool:
    """Keep a call and its outcome; False when the form with this *key* was sent before.

    Whatever the outcome, it clears the waiting clock: somebody tried. The caller has locked the
    conversation, so that of two clicks at the same moment the second finds the first's call.
    """
    if key is not None and session.scalar(select(ContactMade.id).where(ContactMade.key == key)) is not None:
        return False
    session.add(
        ContactMade(
            conversation_id=conversation_id,
            staff_id=staff_id,
            outcome=outcome,
            note=note.strip(),
            key=key,
            at=now,
        )
    )
    session.flush()
    handoffs.answered(session, conversation_id, now)
    return True


def log_about(
    session: Session,
    student_id: int,
    staff_id: int,
    outcome: CallOutcome,
    note: str,
    *,
    guardian_id: int,
    phone_id: int | None,
    key: str,
    status_asked: bool = False,
    now: datetime,
) -> bool:
    """Keep a call to a guardian about a student, with or without a talk; False when this form was sent before.

    *phone_id* is the number that was called, None when it stands nowhere in the roster. Raises
    CaseworkRefused when the school's list does not let this guardian be called about the student.
    """
    # Two clicks at the same moment come one after the other here, so that the second finds the first's call.
    session.get(Student, student_id, with_for_update={"key_share": True}, populate_existing=True)
    if session.scalar(select(ContactMade.id).where(ContactMade.key == key)) is not None:
        return False
    kept = written(note, "The note", longest=LONGEST_NOTE, status_asked=status_asked)
    _must_be_callable(session, student_id, guardian_id, phone_id)
    # The newest talk with this guardian tells the story of the family: the call belongs into it.
    talks = _talks_with(session, student_id, guardian_id)
    session.add(
        ContactMade(
            conversation_id=talks[0] if talks else None,
            student_id=student_id,
            guardian_id=guardian_id,
            staff_id=staff_id,
            outcome=outcome,
            note=kept,
            key=key,
            at=now,
        )
    )
    session.flush()
    for talk in talks:
        handoffs.answered(session, talk, now)
    if outcome in _LEDGER:
        zone = session.scalars(
            select(School.zone).join(Student, Student.school_id == School.id).where(Student.id == student_id)
        ).one()
        ledger.record(session, [student_id], school_day(now, ZoneInfo(zone)), _LEDGER[outcome], now)
    elif phone_id is not None:
        consent.mark_wrong_number(session, phone_id, "staff", now)
    audit.note(session, staff_id, "log_call", student_id=student_id, detail=outcome.value, now=now)
    return True


def _must_be_callable(session: Session, student_id: int, guardian_id: int, phone_id: int | None) -> None:
    ship = session.get(Guardianship, (student_id, guardian_id))
    if ship is None or not ship.active:
        raise CaseworkRefused(
            "This person is no guardian of the student in the school's list; choose another."
        )
    if ship.court_order:
        raise CaseworkRefused(
            "A court order is on file for this person: do not call. Ask a supervisor, and call somebody else."
        )
    if phone_id is not None and session.get(GuardianPhone, (guardian_id, phone_id)) is None:
        raise CaseworkRefused(
            "This number is not that person's any more; open the page again and choose another."
        )


def _talks_with(session: Session, student_id: int, guardian_id: int) -> list[int]:
    """The talks with this guardian about this student, newest first, as many as can be waiting."""
    return list(
        session.scalars(
            select(Conversation.id)
            .join(ConversationStudent, ConversationStudent.conversation_id == Conversation.id)
            .where(ConversationStudent.student_id == student_id, Conversation.guardian_id == guardian_id)
            .order_by(Conversation.opened_at.desc(), Conversation.id.desc())
            .limit(20)
        )
    )
