"""What many days lead to, once a day for each school: home visit, team review, the text on the day back.

And the ledger at work: whoever is absent without an outcome is entered, said in the log and counted.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial

import structlog
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from bot import attendance, consent, counters, ledger, opening, outbox, talks, wording
from bot.advance import Script
from bot.clock import instant
from bot.consent import Reachable
from bot.conversation.effects import Say
from bot.conversation.ladder import Task
from bot.conversation.state import Begin, NotStarted, to_json
from bot.conversation.turn import turn
from bot.ladder import tasks
from bot.ladder.cases import SILENCE, Case, Teaching, everyone, households
from bot.ladder.once import not_done, note_done
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    AttendanceMark,
    CalendarDay,
    Channel,
    Conversation,
    ConversationStudent,
    Handoff,
    HandoffState,
    Import,
    JobRun,
    LadderStep,
    MarkStatus,
    Outreach,
    School,
    Student,
)
from bot.vocabulary import Outcome, Owner, Purpose, Step

_log = structlog.get_logger(__name__)

_REVIEWED, _WELCOMED = "ladder review", "ladder return"


def review(database: Database, schools: Sequence[Teaching], *, script: Script, now: datetime) -> int:
    """Everything of this module that is due at *schools*, all of one day; returns how many were touched."""
    return (
        _repair_ledger(database, schools, now)
        + _review(database, schools, script, now)
        + _welcome_back(database, schools, script, now)
    )


# --- the ledger at work ---------------------------------------------------------------------------------------


def _repair_ledger(database: Database, schools: Sequence[Teaching], now: datetime) -> int:
    """Enter whoever a school's morning has missed (promise 1); before it, nobody is missed yet."""
    day = schools[0].day
    missing = (
        select(AttendanceMark.student_id)
        .join(
            JobRun,
            (JobRun.school_id == AttendanceMark.school_id)
            & (JobRun.day == AttendanceMark.day)
            & (JobRun.job == "morning"),
        )
        .where(
            AttendanceMark.day == day,
            AttendanceMark.superseded_at.is_(None),
            AttendanceMark.status == MarkStatus.ABSENT,
            # A newer file has not had its morning yet: it comes within seconds.
            AttendanceMark.marked_at <= JobRun.at,
            ~exists().where(Absence.student_id == AttendanceMark.student_id, Absence.day == day),
        )
        .limit(1)
    )
    with database.look() as session:
        if session.scalar(missing) is None:
            return 0
    with database.begin() as session:
        repaired = ledger.fill_gaps(session, day, now)
        if repaired:
            counters.count(session, "ledger_repaired", now.date(), repaired)
            _log.warning("ledger repaired", day=str(day), students=repaired)
    return repaired


# --- home visit and team review -------------------------------------------------------------------------------


def _review(database: Database, schools: Sequence[Teaching], script: Script, now: datetime) -> int:
    ladder = script.flows.ladder
    call = ladder.call_task.older if ladder.call_task is not None else timedelta(hours=3)
    due = [school for school in schools if now >= school.morning + call]
    done = 0
    for school in not_done(database, due, _REVIEWED):
        with database.look() as session:
            found = everyone(session, [school], ladder=ladder, now=now)
            wanted = {step: _reached(session, school, task) for step, task in ladder.tasks.items()}
        for step, students in wanted.items():
            theirs = households([case for case in found if case.student_id in students])
            done += sum(
                tasks.one_by_one(
                    database, partial(_raise, cases=each, step=step, script=script, now=now), now
                )
                for each in theirs.values()
            )
        note_done(database, school, _REVIEWED, now)
    return done


def _reached(session: Session, school: Teaching, task: Task) -> set[int]:
    """The absent students of today for whom *task* is due, and who have not had it in these school days."""
    days = _last_days(session, school, max(task.in_a_row, task.of_days))
    here = attendance.absent_anywhere(school.day).where(AttendanceMark.school_id == school.id)
    row = days[: task.in_a_row]
    reached: set[int] = set()
    if len(row) == task.in_a_row:
        reached |= set(
            session.scalars(
                select(AttendanceMark.student_id)
                .where(
                    AttendanceMark.student_id.in_(here),
                    AttendanceMark.day.in_(row),
                    *attendance.UNEXPLAINED,
                )
                .group_by(AttendanceMark.student_id)
                .having(func.count(AttendanceMark.day.distinct()) == task.in_a_row)
            )
        )
    if task.unanswered:
        reached |= set(
            session.scalars(
                select(Absence.student_id)
                .where(
                    Absence.student_id.in_(here),
                    Absence.day.in_(days[: task.of_days]),
                    Absence.outcome.in_([Outcome.ATTEMPTED, Outcome.UNREACHABLE]),
                    exists().where(
                        Outreach.student_id == Absence.student_id,
                        Outreach.day == Absence.day,
                        Outreach.purpose == Purpose.CHECK_IN,
                    ),
                )
                .group_by(Absence.student_id)
                .having(func.count() >= task.unanswered)
            )
        )
    step = Step.TEAM_REVIEW if not task.unanswered else Step.HOME_VISIT
    return reached - _had_lately(session, step, days)


def _last_days(session: Session, school: Teaching, most: int) -> list[date]:
    """The school's last days of teaching, today's first."""
    return list(
        session.scalars(
            select(CalendarDay.day)
            .where(CalendarDay.school_id == school.id, CalendarDay.day <= school.day, CalendarDay.teaches)
            .order_by(CalendarDay.day.desc())
            .limit(most)
        )
    )


def _had_lately(session: Session, step: Step, days: Sequence[date]) -> set[int]:
    return set(
        session.scalars(
            select(LadderStep.student_id).where(LadderStep.step == step, LadderStep.day >= days[-1])
        )
    )


def _raise(session: Session, *, cases: Sequence[Case], step: Step, script: Script, now: datetime) -> None:
    ours = [case for case in cases if tasks.take(session, case.student_id, case.school.day, step, now)]
    if ours:
        students = [case.student_id for case in ours]
        tasks.open_beside(session, ours[0], students, step, script=script, now=now)


# --- the day back -----------------------------------------------------------------------------------------------


def _welcome_back(database: Database, schools: Sequence[Teaching], script: Script, now: datetime) -> int:
    """A short thank-you to whom we asked on the last school day, where the student is here today."""
    after = script.flows.ladder.return_text
    if after is None:
        return 0
    due = [school for school in schools if school.may_text and now >= school.morning + after.older]
    done = 0
    for school in not_done(database, due, _WELCOMED):
        with database.look() as session:
            if not _has_todays_file(session, school):
                continue
            back = _back(session, school)
            district = opening.district(session, script.policy)
        done += sum(
            tasks.one_by_one(
                database,
                partial(
                    _thank,
                    students=students,
                    guardian=guardian,
                    school=school,
                    district=district,
                    script=script,
                    now=now,
                ),
                now,
            )
            for guardian, students in back
        )
        note_done(database, school, _WELCOMED, now)
    return done


def _has_todays_file(session: Session, school: Teaching) -> bool:
    """Without a file of today nobody knows who is back."""
    begins = instant(school.day, time(0), school.zone)
    return bool(
        session.scalar(select(func.count()).where(Import.kind == "attendance", Import.applied_at >= begins))
    )


def _back(session: Session, school: Teaching) -> list[tuple[Reachable, list[int]]]:
    """Each guardian to thank, with the students who were absent and asked about, and are here today."""
    last = attendance.last_school_days(session, school.day).get(school.id)
    if last is None:
        return []
    absent_again = exists().where(
        AttendanceMark.student_id == Student.id,
        AttendanceMark.day == school.day,
        AttendanceMark.superseded_at.is_(None),
        AttendanceMark.status == MarkStatus.ABSENT,
    )
    with_a_person = exists().where(
        ConversationStudent.student_id == Student.id,
        Conversation.id == ConversationStudent.conversation_id,
        Handoff.conversation_id == Conversation.id,
        Handoff.state != HandoffState.RESOLVED,
        Handoff.why.not_in(SILENCE),
    )
    rows = session.execute(
        select(Student.id, Outreach.guardian_id)
        .join(Outreach, Outreach.student_id == Student.id)
        .join(Absence, (Absence.student_id == Student.id) & (Absence.day == Outreach.day))
        .where(
            Outreach.day == last,
            Outreach.purpose == Purpose.CHECK_IN,
            Student.active,
            Student.school_id == school.id,
            Absence.outcome != Outcome.PRESENT_CORRECTED,
            ~absent_again,
            ~with_a_person,
        )
        .order_by(Student.id, Outreach.id)
    ).all()
    asked: dict[int, int] = {}
    for student, guardian in rows:
        asked.setdefault(student, guardian)
    return _to_thank(session, asked, school)


def _to_thank(
    session: Session, asked: Mapping[int, int], school: Teaching
) -> list[tuple[Reachable, list[int]]]:
    reachable = consent.reachable(session, list(asked))
    grouped: dict[int, tuple[Reachable, list[int]]] = {}
    for student, guardian in asked.items():
        others = reachable[student]
        for one in others if isinstance(others, list) else []:
            if one.guardian_id == guardian:
                grouped.setdefault(guardian, (one, []))[1].append(student)
                break
    busy = _busy(session, {one.phone_id for one, _ in grouped.values()}, school.day)
    seen: set[int] = set()
    thanked = []
    for one, students in grouped.values():
        if one.phone_id not in busy | seen:
            seen.add(one.phone_id)
            thanked.append((one, students))
    return thanked


def _busy(session: Session, phones: Collection[int], day: date) -> set[int]:
    """A number with a talk of today is left alone: about another child, or with a person."""
    return set(
        session.scalars(
            select(Conversation.phone_id).where(
                Conversation.phone_id.in_(phones),
                (Conversation.day == day)
                | (Conversation.owner == Owner.STAFF)
                | Conversation.silence_at.is_not(None),
            )
        )
    )


def _thank(
    session: Session,
    *,
    students: Sequence[int],
    guardian: Reachable,
    school: Teaching,
    district: str,
    script: Script,
    now: datetime,
) -> None:
    ours = [
        student
        for student in students
        if tasks.take(session, student, school.day, Step.RETURN_TEXT, now, guardian_id=guardian.guardian_id)
    ]
    about = talks.children(session, ours)
    flow, _, node = script.flows.ladder.return_says.partition(".")
    after, effects = turn(NotStarted(about), Begin(about, flow, node), script.flows)
    says = [effect for effect in effects if isinstance(effect, Say)]
    if not about or not says:
        return
    conversation = talks.open_one(
        session,
        ours,
        phone_id=guardian.phone_id,
        guardian_id=guardian.guardian_id,
        school_id=school.id,
        day=school.day,
        flow=flow,
        flow_version=script.flows.flows[flow].version,
        language=guardian.language,
        state=to_json(after),
        owner=Owner.NOBODY,
        staff_id=None,
        channel=Channel.SMS,
        silence_at=None,
        opened_at=now,
        touched_at=now,
    )
    facts = wording.Facts(
        students=tuple(child.name for child in about),
        schools=tuple(session.scalars(select(School.name).where(School.id == school.id))),
        zone=school.zone,
        district=district,
        language=guardian.language,
    )
    opens, closes = script.policy.automatic(school.zone).on(school.day)
    for say in says:
        # A reply by its purpose, for the door lets no question out about a student who is here; by its
        # hours it is ours: it never leaves outside the window of what no family has asked for.
        outbox.queue(
            session,
            wording.words(say, facts, texts=script.texts, policy=script.policy, now=now),
            conversation_id=conversation,
            phone_id=guardian.phone_id,
            purpose=Purpose.REPLY,
            law=script.policy.law(Purpose.REPLY),
            not_before=max(now, opens),
            not_after=closes,
            now=now,
            key=say.key,
        )
