"""When each named job was last done, on whichever machine; one row decides who does it next."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.store.session import insert_unless_there
from bot.store.tables import Tick


def mine(session: Session, job: str, every: timedelta, now: datetime) -> bool:
    """Whether *job* is due and this caller, of all workers, is the one that does it now."""
    if session.scalar(
        insert_unless_there(session, Tick, ("job",), {"job": job, "at": now}).returning(Tick.job)
    ):
        return True
    taken = session.execute(
        update(Tick)
        .where(Tick.job == job, Tick.at <= now - every)
        .values(at=now)
        .returning(Tick.job)
        .execution_options(synchronize_session=False)
    ).first()
    return taken is not None


def done(session: Session, job: str, now: datetime) -> None:
    """*job* has just done its work to the end."""
    session.execute(insert_unless_there(session, Tick, ("job",), {"job": job, "at": now}))
    session.execute(
        update(Tick)
        .where(Tick.job == job, Tick.at < now)
        .values(at=now)
        .execution_options(synchronize_session=False)
    )


def last(session: Session, job: str) -> datetime | None:
    """When *job* was last done; None if never."""
    return session.scalar(select(Tick.at).where(Tick.job == job))
