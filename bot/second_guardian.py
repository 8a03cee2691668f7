"""A staff member sends for the second guardian: the check-in the ladder would send later, now."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.advance import Script
from bot.answering import NotPossible
from bot.ladder.cases import everyone, teaching
from bot.ladder.climb import ask_the_second
from bot.store.tables import Conversation, ConversationStudent, LadderStep
from bot.vocabulary import Step


def ask(session: Session, conversation_id: int, staff_id: int, *, script: Script, now: datetime) -> None:
    """Text the next guardian who may be, about every child of this talk whom nobody has accounted for.

    The same rules hold as for the ladder, and the same key: who was asked once today is not asked again.
    """
    talk = session.get_one(Conversation, conversation_id, with_for_update=True, populate_existing=True)
    school = next((each for each in teaching(session, script, now) if each.id == talk.school_id), None)
    if school is None or talk.day != school.day:
        raise NotPossible(
            "Only the families of today's absences can be asked, and this talk is of another day."
        )
    if not school.may_text:
        raise NotPossible("No automatic text leaves at this hour, or the texts are stopped. Call instead.")
    students = set(
        session.scalars(
            select(ConversationStudent.student_id).where(
                ConversationStudent.conversation_id == conversation_id
            )
        )
    )
    due = [
        case
        for case in everyone(session, [school], ladder=script.flows.ladder, now=now)
        if case.student_id in students
    ]
    if not due:
        raise NotPossible("Somebody has accounted for these students today: nobody else needs to be asked.")
    before = _asked(session, students, school.day)
    if before:
        raise NotPossible("Another guardian has been asked today already. Open that talk, or call.")
    ask_the_second(session, due, script, now)
    if not _asked(session, students, school.day):
        raise NotPossible(
            "No other guardian may be texted now: there is none on file, a flag or a wish forbids it, "
            "or a talk with them is open. Call instead."
        )
    audit.note(session, staff_id, "ask_second_guardian", now=now, conversation_id=conversation_id)


def _asked(session: Session, students: set[int], day: date) -> bool:
    """Whether a second guardian of one of these students was texted on this day."""
    return (
        session.scalar(
            select(LadderStep.student_id)
            .where(
                LadderStep.student_id.in_(students),
                LadderStep.day == day,
                LadderStep.step == Step.SECOND_GUARDIAN,
                LadderStep.guardian_id.is_not(None),
            )
            .limit(1)
        )
        is not None
    )
