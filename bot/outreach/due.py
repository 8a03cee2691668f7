"""What time brings: a school's morning, once its file is here, and the silence of those who never answered."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot import attendance, counters, holds
from bot.advance import Script, advance
from bot.clock import instant, school_day
from bot.conversation.state import Silence
from bot.outreach.plan import plan
from bot.outreach.run import run
from bot.store.session import Database, insert_unless_there
from bot.store.tables import AttendanceMark, Conversation, Import, JobRun, School
from bot.vocabulary import Owner

_log = structlog.get_logger(__name__)

_JOB = "morning"


class _Due(NamedTuple):
    """A school whose morning has come, its day there, and when the newest file of that day arrived."""

    school_id: int
    day: date
    newest: datetime


def run_due(database: Database, *, script: Script, now: datetime) -> list[int]:
    """The scheduler's tick: run the morning of every school whose time has come and whose file is here.

    A school is run again only when a newer attendance file has arrived. The schools that are due
    together are asked together, so that siblings share a text. Where that fails each school is run by
    itself: the trouble of one is not another's. Returns the schools that were run.
    """
    with database.look() as session:
        due = _schools_due(session, now)
    if not due:
        return []
    try:
        return _run_together(database, due, script, now)
    except OperationalError:
        raise  # the database's trouble is every school's, and the next tick tries again
    except Exception:  # noqa: BLE001 - which school it was is found by running each alone
        _log.exception("morning failed, each school by itself", schools=[school for school, *_ in due])
    done = []
    for one in due:
        try:
            done += _run_together(database, [one], script, now)
        except OperationalError:
            raise
        except Exception:  # noqa: BLE001 - one school's trouble is not another's
            _log.exception("morning failed", school=one.school_id, day=str(one.day))
            with database.begin() as session:
                counters.count_now(session, "morning_failed", now)
    return done


def _run_together(database: Database, due: Sequence[_Due], script: Script, now: datetime) -> list[int]:
    done = []
    with database.begin() as session:
        for day in sorted({one.day for one in due}):
            schools = _claim(session, [one for one in due if one.day == day], now)
            if not schools:
                continue
            run(session, plan(session, day, script=script, now=now, schools=schools), script=script, now=now)
            done += schools
            _log.info("morning run", day=str(day), schools=schools)
    return done


def _schools_due(session: Session, now: datetime) -> list[_Due]:
    teaching = cache(partial(attendance.teaching, session))
    hours = attendance.hours_changed(session, {now.date() - timedelta(days=1), now.date()})
    freed = holds.freed(session, {now.date() - timedelta(days=1), now.date()})
    newest_file = cache(partial(_newest_file, session))
    schools = session.execute(
        select(School.id, School.zone, School.morning_at).where(School.active).order_by(School.id)
    ).all()
    done = {
        (school, day): at
        for school, day, at in session.execute(
            select(JobRun.school_id, JobRun.day, JobRun.at).where(
                JobRun.job == _JOB, JobRun.day >= now.date() - timedelta(days=1)
            )
        )
    }
    due = []
    for school, zone_name, morning_at in schools:
        zone = ZoneInfo(zone_name)
        today = school_day(now, zone)
        changed = hours.get((school, today))
        asked_at = changed.morning_at if changed and changed.morning_at else morning_at
        if instant(today, asked_at, zone) > now or school not in teaching(today):
            continue
        newest = newest_file(today, zone)
        if newest is not None:
            # A school that a person has released is asked now, whatever file it waited for.
            newest = max(newest, freed.get((school, today), newest))
        before = done.get((school, today))
        if newest is not None and (before is None or newest > before):
            due.append(_Due(school, today, newest))
    return due


def _newest_file(session: Session, day: date, zone: ZoneInfo) -> datetime | None:
    """When the newest attendance file of *day* came; None while there is none, so that nobody is asked."""
    newest: datetime | None = session.scalar(
        select(func.max(Import.applied_at)).where(Import.kind == "attendance")
    )
    if newest is not None and school_day(newest, zone) == day:
        return newest
    # None came today. Then only an older one, or one of a later day, may speak of it.
    return session.scalar(
        select(func.max(Import.applied_at))
        .join(AttendanceMark, AttendanceMark.import_id == Import.id)
        .where(AttendanceMark.day == day)
    )


def _claim(session: Session, due: Sequence[_Due], now: datetime) -> list[int]:
    """Those of *due* schools, all of one day, that are this scheduler's: the unique rows decide (CT-10)."""
    key = ("job", "school_id", "day")
    rows = [{"job": _JOB, "school_id": one.school_id, "day": one.day, "at": now} for one in due]
    fresh = insert_unless_there(session, JobRun, key, {}).returning(JobRun.school_id)
    ours = set(session.scalars(fresh, rows))
    for newest in {one.newest for one in due}:
        again = [one.school_id for one in due if one.newest == newest and one.school_id not in ours]
        if not again:
            continue
        ours |= set(
            session.scalars(
                update(JobRun)
                .where(
                    JobRun.job == _JOB,
                    JobRun.day == due[0].day,
                    JobRun.school_id.in_(again),
                    JobRun.at < newest,
                )
                .values(at=now)
                .returning(JobRun.school_id),
                execution_options={"synchronize_session": False},
            )
        )
    return [one.school_id for one in due if one.school_id in ours]


# --- silence ---------------------------------------------------------------------------------------------


def take_silences(database: Database, *, script: Script, now: datetime, most: int = 200) -> int:
    """Give every question that was left unanswered for its time the answer `silence`."""
    with database.look() as session:
        due = session.scalars(
            select(Conversation.id)
            .where(Conversation.silence_at <= now, Conversation.owner == Owner.BOT)
            .order_by(Conversation.silence_at)
            .limit(most)
        ).all()
    for conversation_id in due:
        with database.begin() as session:
            conversation = session.get_one(Conversation, conversation_id, with_for_update=True)
            if conversation.silence_at is None or conversation.silence_at > now:
                continue  # the family answered between the two transactions
            advance(session, conversation_id, Silence(), script=script, now=now)
    return len(due)
