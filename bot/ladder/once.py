"""What is done once a day for each school, and the note that it is done."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from bot.ladder.cases import Teaching
from bot.store.session import Database, insert_unless_there
from bot.store.tables import JobRun


def not_done(database: Database, schools: Sequence[Teaching], job: str) -> list[Teaching]:
    """Those of *schools* where *job* has not been done today.

    It is noted when it is done: two who do it at once do no harm, since each step is taken once.
    """
    if not schools:
        return []
    with database.look() as session:
        done = set(
            session.scalars(select(JobRun.school_id).where(JobRun.job == job, JobRun.day == schools[0].day))
        )
    return [school for school in schools if school.id not in done]


def note_done(database: Database, school: Teaching, job: str, now: datetime) -> None:
    values = {"job": job, "school_id": school.id, "day": school.day, "at": now}
    with database.begin() as session:
        session.execute(insert_unless_there(session, JobRun, ("job", "school_id", "day"), values))
