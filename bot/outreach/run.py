"""What was planned is done: the ledger, the talks, the questions in the outbox, and who was asked."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from bot import ledger, opening
from bot.advance import Script, begin
from bot.attendance import AbsentStudent
from bot.outreach.plan import Plan, uncollected, zones_of
from bot.store.tables import Outreach
from bot.vocabulary import NotContacted, Outcome, Purpose

# So many households are built and written together: no more rows are held at once.
_AT_ONCE = 1000


@uncollected()
def run(session: Session, planned: Plan, *, script: Script, now: datetime) -> None:
    """Do what was planned, in the caller's transaction: queue one check-in for each household.

    Running it again changes nothing: a student who was asked is in nobody's plan any more, and the
    key of the outreach forbids a second one (promise 2).
    """
    enter_ledger(session, planned, now)
    zones = zones_of(session)
    for start in range(0, len(planned.households), _AT_ONCE):
        households = planned.households[start : start + _AT_ONCE]
        conversations = opening.write(
            session,
            households,
            planned.day,
            zones=zones,
            flows=script.flows,
            policy=script.policy,
            now=now,
        )
        session.connection().execute(
            insert(Outreach),
            [
                {
                    "student_id": student.id,
                    "day": planned.day,
                    "purpose": Purpose.CHECK_IN,
                    "guardian_id": household.guardian_id,
                    "conversation_id": conversation,
                    "at": now,
                }
                for conversation, household in zip(conversations, households, strict=True)
                for student in household.students
            ],
        )
        for conversation, household in zip(conversations, households, strict=True):
            if household.question.alone:
                begin(session, conversation, opening=household.question.node, script=script, now=now)


def enter_ledger(session: Session, planned: Plan, now: datetime) -> None:
    """Give every student of the plan the outcome it says, and every other absent one an outcome too."""
    known = ledger.entered(session, planned.day)
    entries: list[tuple[AbsentStudent, Outcome, NotContacted | None]] = []
    entries += [(s, Outcome.ATTEMPTED, None) for each in planned.households for s in each.students]
    entries += [(s, Outcome.NOT_CONTACTED, why) for s, why in planned.not_contacted]
    entries += [(s, Outcome.HELD, None) for s, _ in planned.held]
    entries += [(s, Outcome.EXPLAINED, None) for s in planned.told_already]
    ledger.enter(
        session,
        [(s.id, s.school_id, outcome, why) for s, outcome, why in entries if s.id not in known],
        planned.day,
        now,
    )
    asked_before = {student.id for student in planned.asked_before}
    # A newer file may call absent again whom an older one had taken back; and whom the gaps' job has held
    # until the school's time came, that morning may find to be nobody who can be asked.
    entries += [(s, Outcome.ATTEMPTED, None) for s in planned.asked_before]
    moves: dict[tuple[Outcome, NotContacted | None, tuple[Outcome, ...]], list[int]] = defaultdict(list)
    for student, outcome, why in entries:
        before = known.get(student.id)
        if before is Outcome.PRESENT_CORRECTED or (before is Outcome.HELD and why is not None):
            moves[outcome, why, (before,)].append(student.id)
        elif before is not None and before is not outcome and student.id not in asked_before:
            moves[outcome, why, ()].append(student.id)
    for (outcome, why, instead_of), students in moves.items():
        ledger.record(session, students, planned.day, outcome, now, not_contacted=why, instead_of=instead_of)
    ledger.fill_gaps(session, planned.day, now)
