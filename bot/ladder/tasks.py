"""The lines at the desk that a step of the ladder opens, and on which thread; never two for one family."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot import attendance, counters, handoffs
from bot.advance import Script, open_conversation
from bot.ladder.cases import SILENCE, Case, HandoffSeen, Teaching
from bot.language import Language
from bot.policy import Policy
from bot.store.session import Database, insert_unless_there
from bot.store.tables import (
    Conversation,
    ConversationStudent,
    Guardian,
    GuardianPhone,
    Guardianship,
    Handoff,
    HandoffState,
    LadderStep,
    Phone,
    PhoneState,
)
from bot.vocabulary import Step, Urgency

_log = structlog.get_logger(__name__)

# What asks for a call because nobody has answered today.
_CALLS = ("call_task", "no_answer", "undelivered", "unknown_outcome")
# A call that is due sooner than this cannot be asked of anybody: it is the next office hours' work.
_SHORTEST_NOTICE = timedelta(minutes=15)


def one_by_one(database: Database, work: Callable[[Session], None], now: datetime) -> int:
    """Do one household's work in a transaction of its own; one family's trouble is not another's."""
    try:
        with database.begin() as session:
            work(session)
    except OperationalError:
        raise  # the database's trouble is everybody's, and the next tick tries again
    except Exception:  # noqa: BLE001 - whatever it was, the others must not wait for it
        _log.exception("ladder failed")
        with database.begin() as session:
            counters.count_now(session, "ladder_failed", now)
        return 0
    return 1


def take(
    session: Session,
    student_id: int,
    day: date,
    step: Step,
    now: datetime,
    *,
    guardian_id: int | None = None,
    handoff_id: int | None = None,
    due_at: datetime | None = None,
) -> bool:
    """Note that the step is taken; False when it was taken before, by whomever."""
    values = {
        "student_id": student_id,
        "day": day,
        "step": step,
        "guardian_id": guardian_id,
        "handoff_id": handoff_id,
        "due_at": due_at,
        "at": now,
    }
    taken = session.execute(
        insert_unless_there(session, LadderStep, ("student_id", "day", "step"), values).returning(
            LadderStep.student_id
        )
    ).first()
    return taken is not None


def note_handoff(
    session: Session, students: Collection[int], day: date, step: Step, handoff_id: int | None, due: datetime
) -> None:
    """Which line of the desk the step has led to, and by when it is due."""
    for student in students:
        row = session.get_one(LadderStep, (student, day, step))
        row.handoff_id, row.due_at = handoff_id, due
    session.flush()


# --- the call -------------------------------------------------------------------------------------------------


def call(session: Session, due: Sequence[Case], *, script: Script, now: datetime) -> None:
    """One call for these students of one household, unless a person has or had the family today."""
    waiting = [case for case in due if take(session, case.student_id, case.school.day, Step.CALL_TASK, now)]
    if not waiting:
        return
    done_by = min(_done_by(session, case, script.policy, now) for case in waiting)
    alone = []
    for case in waiting:
        known = _known(case)
        if known is None:
            alone.append(case)
            continue
        _hurry(session, known, case, done_by, now)
        note_handoff(session, [case.student_id], case.school.day, Step.CALL_TASK, known.id, done_by)
    opened: list[tuple[int | None, int]] = []  # the guardian of each new line, and the line
    for case in alone:
        # A brother or sister is spoken of in the same call, if it is the same family that is called.
        handoff = next((line for guardian, line in opened if guardian in case.guardians), None)
        if handoff is None:
            handoff = _open_call(session, case, alone, opened, done_by, script, now)
        note_handoff(session, [case.student_id], case.school.day, Step.CALL_TASK, handoff, done_by)


def _done_by(session: Session, case: Case, policy: Policy, now: datetime) -> datetime:
    if now + _SHORTEST_NOTICE <= case.standing.call_by:
        return case.standing.call_by
    return handoffs.due(session, Urgency.P1, case.school.id, policy, now)


def _known(case: Case) -> HandoffSeen | None:
    """The line at the desk that is this student's already: an open one before one that was closed today."""
    lines = sorted(
        case.handoffs, key=lambda one: (one.state is HandoffState.RESOLVED, one.why not in SILENCE, one.id)
    )
    return lines[0] if lines else None


def _hurry(session: Session, known: HandoffSeen, case: Case, done_by: datetime, now: datetime) -> None:
    """A line that nobody has taken is due by dismissal too; its reason and its list stay what they are."""
    if known.state is not HandoffState.OPEN or (known.is_todays and known.why not in SILENCE):
        return
    handoffs.open_one(
        session,
        conversation_id=known.conversation_id,
        school_id=case.school.id,
        queue=known.queue,
        urgency=Urgency.P1,
        why=known.why,
        due_at=done_by,
        now=now,
    )


def _open_call(
    session: Session,
    case: Case,
    together: Sequence[Case],
    opened: list[tuple[int | None, int]],
    done_by: datetime,
    script: Script,
    now: datetime,
) -> int | None:
    found = thread(session, case, [one.student_id for one in together], script=script, now=now)
    if found is None:
        return None
    line = handoffs.open_one(
        session,
        conversation_id=found.conversation_id,
        school_id=case.school.id,
        queue=script.flows.ladder.call_goes_to,
        urgency=Urgency.P1,
        why="call_task",
        due_at=done_by,
        now=now,
    )
    opened.append((found.guardian_id, line))
    return line


def calls_of(session: Session, school_id: int, day: date) -> list[int]:
    """The lines at the desk that ask for a call about this day's absences at this school, and about no other's."""
    lines = set(
        session.scalars(
            select(Handoff.id)
            .join(Conversation, Conversation.id == Handoff.conversation_id)
            .where(
                Conversation.day == day,
                Handoff.school_id == school_id,
                Handoff.state == HandoffState.OPEN,
                Handoff.why.in_(_CALLS),
            )
        )
    )
    still_missing = (
        select(Handoff.id)
        .join(ConversationStudent, ConversationStudent.conversation_id == Handoff.conversation_id)
        .where(Handoff.id.in_(lines), ConversationStudent.student_id.in_(attendance.absent_anywhere(day)))
    )
    return sorted(lines - set(session.scalars(still_missing)))


# --- on which thread --------------------------------------------------------------------------------------------


class Thread(NamedTuple):
    """A conversation that a task can stand in, and whose it is."""

    conversation_id: int
    guardian_id: int | None


def thread(
    session: Session, case: Case, together: Collection[int], *, script: Script, now: datetime
) -> Thread | None:
    """Where a task about this student belongs: today's talk with whom we asked first, else a new thread.

    None where no number is on file that a person may call. *together* are students a new thread may be
    about as well, where its guardian is theirs too.
    """
    todays = [talk for talk in case.talks if talk.is_todays]
    if todays:
        first = min(
            todays,
            key=lambda talk: (
                talk.guardian_id not in case.asked,
                case.asked.index(talk.guardian_id) if talk.guardian_id in case.asked else 0,
                talk.id,
            ),
        )
        return Thread(first.id, first.guardian_id)
    number = _number_to_call(session, case.student_id)
    if number is None:
        return None
    children = set(
        session.scalars(
            select(Guardianship.student_id).where(
                Guardianship.guardian_id == number.guardian_id,
                Guardianship.student_id.in_(together),
                Guardianship.active,
                ~Guardianship.court_order,
            )
        )
    )
    opened = open_conversation(
        session,
        phone_id=number.phone_id,
        guardian_id=number.guardian_id,
        school_id=case.school.id,
        students=sorted(children),
        day=case.school.day,
        language=number.language,
        script=script,
        now=_behind(session, number.phone_id, case.school, now),
    )
    return Thread(opened, number.guardian_id)


class _Number(NamedTuple):
    phone_id: int
    guardian_id: int
    language: Language


def _number_to_call(session: Session, student_id: int) -> _Number | None:
    """The first number of the student's guardians that a person may call.

    A number that is somebody else's, or that the carrier has given up, would tell a stranger of a child;
    a court order ends calls as it ends texts.
    """
    row = session.execute(
        select(Phone.id, Guardian.id, Guardian.language)
        .join(GuardianPhone, GuardianPhone.phone_id == Phone.id)
        .join(Guardian, Guardian.id == GuardianPhone.guardian_id)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .where(
            Guardianship.student_id == student_id,
            Guardianship.active,
            ~Guardianship.court_order,
            Guardian.active,
            GuardianPhone.active,
            Phone.state != PhoneState.WRONG_NUMBER,
            ~Phone.suspended,
        )
        .order_by(
            Phone.state == PhoneState.DEAD, Guardianship.contact_order, GuardianPhone.position, Phone.id
        )
        .limit(1)
    ).first()
    return _Number(*row) if row else None


def _behind(session: Session, phone_id: int, school: Teaching, now: datetime) -> datetime:
    """When a thread for a call counts as opened: before any talk of today with that number.

    A family's next text belongs to the newest talk, and that must stay the one that asked it something.
    """
    first = session.scalar(
        select(Conversation.opened_at)
        .where(Conversation.phone_id == phone_id, Conversation.day == school.day)
        .order_by(Conversation.opened_at)
        .limit(1)
    )
    return min(now, first - timedelta(seconds=1)) if first is not None else now


# --- tasks that stand beside the call -----------------------------------------------------------------------


def open_beside(
    session: Session, case: Case, students: Sequence[int], step: Step, *, script: Script, now: datetime
) -> None:
    """A home visit or a team review about these students of one household, due within its school days."""
    task = script.flows.ladder.tasks[step]
    day = case.school.day
    due_at = due_within(session, case.school, task.within, script.policy)
    line = None
    found = thread(session, case, students, script=script, now=now)
    if found is not None:
        line = handoffs.open_one(
            session,
            conversation_id=found.conversation_id,
            school_id=case.school.id,
            queue=task.goes_to,
            urgency=Urgency.P2,
            why="home_visit" if step is Step.HOME_VISIT else "team_review",
            due_at=due_at,
            now=now,
            beside=True,
        )
    note_handoff(session, students, day, step, line, due_at)


def due_within(session: Session, school: Teaching, days: int, policy: Policy) -> datetime:
    """The end of office hours of the school day that is so many school days ahead."""
    ahead = attendance.next_school_days(session, school.id, school.day, days)
    last = ahead[-1] if ahead else school.day + timedelta(days=days)
    return policy.office(school.zone).on(last)[1]
