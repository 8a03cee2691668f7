"""What the program heard as a barrier, corrected by a person: removed, changed, or one added."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.answering import NotPossible
from bot.store.tables import BarrierCorrection, BarrierFound, Conversation, ConversationStudent
from bot.texts import sendable
from bot.vocabulary import Barrier

LONGEST_REASON = 500


def correct(
    session: Session,
    conversation_id: int,
    staff_id: int,
    barrier_id: int,
    to: Barrier | None,
    because: str,
    *,
    now: datetime,
) -> None:
    """Let a barrier count as *to*, or as none at all, for every student it was heard of at once.

    What stood there before is kept. A correction that is there already, as after a second click,
    changes nothing.
    """
    because = sendable(because.strip())
    _locked(session, conversation_id)
    shown = session.get(BarrierFound, barrier_id)
    if shown is None or shown.conversation_id != conversation_id:
        raise NotPossible("This barrier is not part of this conversation; reload the page and look again.")
    _short_enough(because)
    alike = session.scalars(
        select(BarrierFound).where(
            BarrierFound.conversation_id == conversation_id,
            BarrierFound.opened_at == shown.opened_at,
            BarrierFound.code == shown.code,
            BarrierFound.words == shown.words,
            BarrierFound.withdrawn_at.is_not_distinct_from(shown.withdrawn_at),
        )
    ).all()
    before = None if shown.withdrawn_at else shown.code
    if before == to:
        return
    for found in alike:
        if to is None:
            found.withdrawn_at, found.resolved_at = now, found.resolved_at or now
        else:
            if found.withdrawn_at:  # what was removed by mistake counts again
                found.withdrawn_at = found.resolved_at = None
            found.code = to
        _keep(session, found, staff_id, before, to, because, now)
    audit.note(
        session,
        staff_id,
        "correct_barrier",
        now=now,
        conversation_id=conversation_id,
        before=before.value if before else "",
        after=to.value if to else "",
        detail=because,
    )


def add(
    session: Session,
    conversation_id: int,
    staff_id: int,
    students: Collection[int],
    code: Barrier,
    because: str,
    *,
    now: datetime,
) -> None:
    """Note a barrier that the program did not hear; one that is open already is not opened again."""
    because = sendable(because.strip())
    conversation = _locked(session, conversation_id)
    _short_enough(because)
    theirs = set(
        session.scalars(
            select(ConversationStudent.student_id).where(
                ConversationStudent.conversation_id == conversation_id
            )
        )
    )
    chosen = sorted(theirs & set(students))
    if not chosen:
        raise NotPossible("Choose which student this is about.")
    already = set(
        session.scalars(
            select(BarrierFound.student_id).where(
                BarrierFound.conversation_id == conversation_id,
                BarrierFound.code == code,
                BarrierFound.resolved_at.is_(None),
            )
        )
    )
    for student_id in chosen:
        if student_id in already:
            continue
        found = BarrierFound(
            student_id=student_id,
            conversation_id=conversation_id,
            guardian_id=conversation.guardian_id,
            code=code,
            words="",
            opened_at=now,
        )
        session.add(found)
        session.flush()
        _keep(session, found, staff_id, None, code, because, now)
    if not already.issuperset(chosen):
        audit.note(
            session,
            staff_id,
            "add_barrier",
            now=now,
            conversation_id=conversation_id,
            after=code.value,
            detail=because,
        )


def _locked(session: Session, conversation_id: int) -> Conversation:
    """Two people correct one after the other, each what the other left."""
    return session.get_one(Conversation, conversation_id, with_for_update=True, populate_existing=True)


def _short_enough(because: str) -> None:
    if len(because) > LONGEST_REASON:
        raise NotPossible(
            f"The reason has {len(because)} characters; {LONGEST_REASON} fit here. Shorten it, or write a note."
        )


def _keep(
    session: Session,
    found: BarrierFound,
    staff_id: int,
    before: Barrier | None,
    after: Barrier | None,
    because: str,
    now: datetime,
) -> None:
    session.add(
        BarrierCorrection(
            barrier_id=found.id,
            conversation_id=found.conversation_id,
            before=before,
            after=after,
            because=because,
            staff_id=staff_id,
            at=now,
        )
    )
