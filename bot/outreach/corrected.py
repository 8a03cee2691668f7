"""A family was told of an absence that a newer file takes back: one kind correction, where the district wants it."""

import hashlib
from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from bot import attendance, outbox
from bot.advance import Script
from bot.clock import school_day
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    Conversation,
    OutboundText,
    Outreach,
    School,
    Student,
    TextState,
)
from bot.texts import PHRASES, Values
from bot.vocabulary import Outcome, Owner, Purpose

_LINE = "absence.corrected"
_AT_ONCE = 200


def correct(database: Database, *, script: Script, now: datetime) -> int:
    """Queue one correction for each talk of today whose question has left and was wrong; returns how many.

    Nothing where the district does not want it. Whoever is talking with the family tells it themselves.
    """
    if not script.policy.correction_texts:
        return 0
    with database.look() as session:
        talks = _wrongly_asked(session, now)
    done = 0
    for talk in talks:
        with database.begin() as session:
            done += _queue(session, talk, script, now)
    return done


def _wrongly_asked(session: Session, now: datetime) -> list[int]:
    days = {now.date(), now.date() - timedelta(days=1)}  # today, in whichever zone the school is
    corrected = exists().where(OutboundText.conversation_id == Conversation.id, OutboundText.key == _LINE)
    left = exists().where(
        OutboundText.conversation_id == Conversation.id,
        OutboundText.purpose == Purpose.CHECK_IN,
        OutboundText.state == TextState.SENT,
    )
    return list(
        session.scalars(
            select(Conversation.id)
            .join(Outreach, Outreach.conversation_id == Conversation.id)
            .join(Absence, (Absence.student_id == Outreach.student_id) & (Absence.day == Outreach.day))
            .where(
                Outreach.day.in_(days),
                Absence.outcome == Outcome.PRESENT_CORRECTED,
                Conversation.owner != Owner.STAFF,
                left,
                ~corrected,
            )
            .distinct()
            .order_by(Conversation.id)
            .limit(_AT_ONCE)
        )
    )


def _queue(session: Session, talk_id: int, script: Script, now: datetime) -> int:
    talk = session.get_one(Conversation, talk_id, with_for_update=True)
    if talk.owner is Owner.STAFF:
        return 0
    students = _at_school(session, talk, now)
    if not students:
        return 0
    names, schools, zone = students
    window = script.policy.automatic(zone)
    opens, closes = window.on(talk.day)
    if now >= closes:
        return 0
    values = Values(students=names, schools=schools)
    token = hashlib.sha256(f"correction of talk {talk.id}".encode()).hexdigest()[:32]
    if session.scalar(select(OutboundText.id).where(OutboundText.token == token)):
        return 0
    outbox.queue(
        session,
        script.texts.render(_LINE, PHRASES[_LINE], values, talk.language),
        conversation_id=talk.id,
        phone_id=talk.phone_id,
        # No check-in and no reminder: those leave only about a student who is absent.
        purpose=Purpose.REPLY,
        law=script.policy.law(Purpose.REPLY),
        not_before=max(now, opens),
        not_after=closes,
        now=now,
        key=_LINE,
        # The talk's own token: the outbox itself refuses a second correction.
        token=token,
    )
    return 1


def _at_school(
    session: Session, talk: Conversation, now: datetime
) -> tuple[list[str], list[str], ZoneInfo] | None:
    """The first names and schools of those who are at school after all; None when today says otherwise.

    On a day that a person has closed nobody is at school, though nobody is absent either.
    """
    rows = session.execute(
        select(Student, School)
        .join(School, School.id == Student.school_id)
        .join(Outreach, Outreach.student_id == Student.id)
        .join(Absence, (Absence.student_id == Student.id) & (Absence.day == Outreach.day))
        .where(Outreach.conversation_id == talk.id, Absence.outcome == Outcome.PRESENT_CORRECTED)
        .order_by(Student.id)
    ).all()
    teaching = attendance.teaching(session, talk.day)
    by_school: dict[str, list[str]] = defaultdict(list)
    zone = None
    for student, school in rows:
        here = ZoneInfo(school.zone)
        if school.id in teaching and school_day(now, here) == talk.day:
            by_school[school.name].append(student.first_name)
            zone = zone or here
    if zone is None:
        return None
    return [name for names in by_school.values() for name in names], sorted(by_school), zone
