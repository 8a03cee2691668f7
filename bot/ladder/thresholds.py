"""What measures have come to is told once, as a task of the school's team; never to a family (promise 9)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import attendance, counters, measures
from bot.advance import Script
from bot.casework import tasks
from bot.ladder.cases import Teaching, teaching
from bot.measures import Crossing
from bot.store.session import Database, insert_unless_there
from bot.store.tables import JobRun, LadderStep, Threshold
from bot.vocabulary import Step, TaskKind

_log = structlog.get_logger(__name__)

_JOB = "thresholds"
# A mark corrected today may make a day of last week the one on which a threshold was reached.
_BACK = timedelta(days=14)
# By when somebody looks, where the law names no day.
_SCHOOL_DAYS = 5

# Without a sentence it is no task: a quarter of a district is past five percent, and the student list has them.
_SENTENCES = {
    Threshold.CHRONIC: "Has missed a tenth or more of the school days so far",
    Threshold.SEVERE: "Has missed a fifth or more of the school days so far",
    Threshold.FOUR_IN_A_MONTH: "Four absences in one month that nobody has excused",
    Threshold.TEN_IN_A_YEAR: "Ten absences this school year that nobody has excused",
    Threshold.THREE_IN_A_ROW: "Three school days absent in a row",
}


def raise_thresholds(database: Database, *, script: Script, now: datetime) -> int:
    """Once a day for each school, when its office closes: who has come to a threshold; returns how many tasks."""
    with database.look() as session:
        due = [
            school
            for school in teaching(session, script, now)
            if now >= script.policy.office(school.zone).on(school.day)[1]
        ]
        rows = session.execute(
            select(JobRun.school_id, JobRun.day).where(
                JobRun.job == _JOB, JobRun.day.in_({school.day for school in due})
            )
        )
        done = {(school, day) for school, day in rows}
    raised = 0
    for school in due:
        if (school.id, school.day) not in done:
            with database.begin() as session:
                raised += _of_a_school(session, school, now)
    return raised


def _of_a_school(session: Session, school: Teaching, now: datetime) -> int:
    key = ("job", "school_id", "day")
    row = {"job": _JOB, "school_id": school.id, "day": school.day, "at": now}
    if session.scalar(insert_unless_there(session, JobRun, key, row).returning(JobRun.school_id)) is None:
        return 0
    found = measures.crossed(session, school.day, since=school.day - _BACK, schools=[school.id])
    told = measures.raise_once(session, found, now)
    visited = _sent_for(session, [one for one in told if one.threshold is Threshold.THREE_IN_A_ROW])
    ahead = attendance.next_school_days(session, school.id, school.day, _SCHOOL_DAYS)
    due_on = ahead[-1] if ahead else school.day + timedelta(days=_SCHOOL_DAYS)
    raised = sum(
        tasks.raise_once(
            session,
            key=f"threshold:{one.student_id}:{one.threshold.value}:{one.period}",
            student_id=one.student_id,
            what=_said(one),
            kind=TaskKind.THRESHOLD,
            owner_id=None,
            due_on=max(one.meeting_by, school.day) if one.meeting_by else due_on,
            now=now,
        )
        for one in told
        if one.threshold in _SENTENCES and one.student_id not in visited
    )
    if raised:
        counters.count(session, "thresholds_raised", now.date(), raised)
        _log.info("thresholds raised", school=school.id, day=str(school.day), tasks=raised)
    return raised


def _sent_for(session: Session, told: Sequence[Crossing]) -> set[int]:
    """Those for whom the ladder has opened a home visit in these days already: one task for one streak."""
    if not told:
        return set()
    first = min(one.reached_on for one in told)
    return set(
        session.scalars(
            select(LadderStep.student_id).where(
                LadderStep.student_id.in_([one.student_id for one in told]),
                LadderStep.step == Step.HOME_VISIT,
                LadderStep.day >= first,
            )
        )
    )


def _said(one: Crossing) -> str:
    sentence = f"{_SENTENCES[one.threshold]}, since {_day(one.reached_on)}."
    if one.meeting_by is None:
        return sentence
    return f"{sentence} Connecticut asks for a meeting with the parent by {_day(one.meeting_by)}."


def _day(day: date) -> str:
    return f"{day:%B} {day.day}"
