"""Things that are only counted, a number a day, because nothing about them may be kept (TW-32)."""

from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.store.session import insert_unless_there
from bot.store.tables import Counter


def count(session: Session, name: str, day: date, by: int = 1) -> None:
    """Count something about which nothing may be kept, such as a refused webhook."""
    session.execute(
        insert_unless_there(session, Counter, ("name", "day"), {"name": name, "day": day, "count": 0})
    )
    session.execute(
        update(Counter)
        .where(Counter.name == name, Counter.day == day)
        .values(count=Counter.count + by)
        .execution_options(synchronize_session=False)
    )


def count_now(session: Session, name: str, now: datetime) -> None:
    """Count it for the UTC day of *now*."""
    count(session, name, now.date())


def totals(session: Session) -> dict[str, int]:
    """Everything counted so far, over all days."""
    rows = session.execute(select(Counter.name, func.sum(Counter.count)).group_by(Counter.name))
    return {name: int(total) for name, total in rows}
