"""A morning is taken back: the questions that have not left, and the note that the school was asked."""

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, delete, exists, select, update
from sqlalchemy.orm import Session

from bot import ledger, outbox
from bot.conversation.state import End, Ended, asked_about, from_json, to_json
from bot.store.tables import Absence, Conversation, JobRun, OutboundText, Outreach, TextState
from bot.vocabulary import Owner, Purpose

_JOB = "morning"


def take_back(session: Session, school_id: int, day: date, now: datetime) -> set[int]:
    """Take the questions about this school's students that have not left out of the outbox, as if never asked.

    A question about brothers and sisters at two schools goes as a whole. Returns the schools whose
    morning must ask again, this one among them. What a worker has claimed meanwhile has left, and stays.
    """
    waiting = session.scalars(
        select(Conversation.id)
        .where(
            Conversation.day == day,
            Conversation.owner == Owner.BOT,
            Conversation.id.in_(_asked_about(school_id, day)),
            _question(TextState.QUEUED),
            ~_question(TextState.CLAIMED, TextState.SENT, TextState.REFUSED, TextState.UNKNOWN),
        )
        .order_by(Conversation.id)  # in one order, so that no two wait for one another
        .with_for_update()
    ).all()
    taken = set(
        session.scalars(
            update(OutboundText)
            .where(
                OutboundText.conversation_id.in_(waiting),
                OutboundText.purpose == Purpose.CHECK_IN,
                OutboundText.state == TextState.QUEUED,
            )
            .values(state=TextState.NOT_SENT, why_not="taken_back")
            .returning(OutboundText.conversation_id),
            execution_options={"synchronize_session": False},
        )
    )
    again = {school_id}
    for talk in session.scalars(
        select(Conversation).where(Conversation.id.in_(taken)).order_by(Conversation.id)
    ):
        outbox.drop_queued(session, talk.id)
        talk.state = to_json(Ended(End.CLOSED, asked_about(from_json(talk.state))))
        talk.owner, talk.staff_id, talk.silence_at, talk.touched_at = Owner.NOBODY, None, None, now
    students = set(
        session.scalars(
            delete(Outreach)
            .where(Outreach.day == day, Outreach.conversation_id.in_(taken))
            .returning(Outreach.student_id),
            execution_options={"synchronize_session": False},
        )
    )
    # Somebody who was asked by another talk as well was asked all the same.
    students -= set(
        session.scalars(
            select(Outreach.student_id).where(Outreach.day == day, Outreach.student_id.in_(students))
        )
    )
    again |= set(
        session.scalars(
            select(Absence.school_id).where(Absence.day == day, Absence.student_id.in_(students)).distinct()
        )
    )
    ledger.forget(session, students, day)
    return again


def ask_anew(session: Session, schools: Collection[int], day: date) -> None:
    """The morning of these schools is due again: it asks whom nobody has asked."""
    session.execute(
        delete(JobRun).where(JobRun.job == _JOB, JobRun.day == day, JobRun.school_id.in_(schools)),
        execution_options={"synchronize_session": False},
    )


def _asked_about(school_id: int, day: date) -> Select[int]:
    return (
        select(Outreach.conversation_id)
        .join(Absence, (Absence.student_id == Outreach.student_id) & (Absence.day == Outreach.day))
        .where(Outreach.day == day, Absence.school_id == school_id)
    )


def _question(*states: TextState) -> ColumnElement[bool]:
    return exists().where(
        OutboundText.conversation_id == Conversation.id,
        OutboundText.purpose == Purpose.CHECK_IN,
        OutboundText.state.in_(states),
    )
