"""Who has a family's page open at this moment, and who writes there: two people must not answer at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot.store.session import insert_unless_there
from bot.store.tables import Looking, Staff

# A page says every ten seconds that it is open; one that has missed three of them is closed.
_OPEN_FOR = timedelta(seconds=35)
_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True)
class Other:
    """A colleague on the same family."""

    name: str
    writing: bool


def note(session: Session, conversation_id: int, staff_id: int, *, writing: bool, now: datetime) -> None:
    """This person has the page open now. *writing*: something stands in the reply box that was not sent."""
    key = ("conversation_id", "staff_id")
    values = {
        "conversation_id": conversation_id,
        "staff_id": staff_id,
        "at": now,
        "writing_at": now if writing else None,
    }
    session.execute(insert_unless_there(session, Looking, key, values))
    session.execute(
        update(Looking)
        .where(Looking.conversation_id == conversation_id, Looking.staff_id == staff_id)
        .values(at=now, writing_at=values["writing_at"])
        .execution_options(synchronize_session=False)
    )


def others(session: Session, conversation_id: int, staff_id: int, now: datetime) -> list[Other]:
    """Who else looks at this family now, by name."""
    rows = session.execute(
        select(Staff.name, Looking.writing_at)
        .join(Staff, Staff.id == Looking.staff_id)
        .where(
            Looking.conversation_id == conversation_id,
            Looking.staff_id != staff_id,
            Looking.at > now - _OPEN_FOR,
        )
        .order_by(Staff.name)
    )
    return [Other(name, writing_at is not None) for name, writing_at in rows]


def forget_old(session: Session, now: datetime) -> None:
    """Who looked yesterday is nobody's business."""
    session.execute(delete(Looking).where(Looking.at < now - _KEPT_FOR))
