"""What people do: calls, and what became of each."""

from datetime import datetime

from sqlalchemy.orm import Session

from bot import handoffs
from bot.store.tables import CallOutcome, ContactMade


def log_call(
    session: Session, conversation_id: int, staff_id: int, outcome: CallOutcome, note: str, now: datetime
) -> None:
    """Keep a call and its outcome. Whatever the outcome, it clears the waiting clock: somebody tried."""
    session.add(
        ContactMade(
            conversation_id=conversation_id, staff_id=staff_id, outcome=outcome, note=note.strip(), at=now
        )
    )
    session.flush()
    handoffs.answered(session, conversation_id)
