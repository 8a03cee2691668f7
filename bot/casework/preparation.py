"""What a pair reads before a home visit (field.md C4): languages, siblings, custody, contacts so far, safety."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.casework import story, visit_lists
from bot.casework.story import BarrierSeen, CallSeen, GuardianSeen
from bot.casework.students import StudentSeen
from bot.casework.visit_lists import VisitSeen

_CALLS = 5


@dataclass(frozen=True)
class Preparation:
    """`guardians` say language and custody; `safety` what earlier visits noted, the newest first."""

    guardians: Sequence[GuardianSeen]
    siblings: Sequence[tuple[int, str, str]]
    calls: Sequence[CallSeen]
    barriers: Sequence[BarrierSeen]
    visits: Sequence[VisitSeen]
    safety: Sequence[str]


def prepared(session: Session, student: StudentSeen, schools: Collection[int]) -> Preparation:
    """All of it, as somebody of these schools may see it."""
    return Preparation(
        guardians=story.guardians(session, student.id),
        siblings=story.siblings(session, student.id, schools),
        calls=story.calls(session, student.id)[:_CALLS],
        barriers=story.barriers(session, student.id),
        visits=visit_lists.of_student(session, student.id),
        safety=visit_lists.safety_notes(session, {student.id}).get(student.id, ()),
    )
