"""The steps that are due are taken: the second guardian, the call task, and the end of what was answered.

Each household is a transaction of its own, in which everything is looked at once more: a family may
have answered, or the school corrected its file, since the first look.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import partial

from sqlalchemy import ColumnElement, exists, insert, or_, select
from sqlalchemy.orm import Session

from bot import attendance, consent, outbox, talks
from bot.advance import Script, advance, begin, open_conversation
from bot.consent import Reachable
from bot.conversation.flow import Flows
from bot.conversation.ladder import OPEN, next_steps
from bot.conversation.state import End, Ended, Silence, Waiting, asked_about, from_json, to_json
from bot.ladder import review, tasks
from bot.ladder.cases import Case, Teaching, cases, households, teaching, todays_dates
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    AttendanceMark,
    Conversation,
    ConversationStudent,
    InboundText,
    LadderStep,
    Outreach,
    Phone,
)
from bot.vocabulary import NotContacted, Outcome, Owner, Purpose, Step


def climb(database: Database, *, script: Script, now: datetime) -> int:
    """The scheduler's tick: take every step of the ladder that is due; returns for how many households.

    What is due is asked of the tables, so that a second run, or a second scheduler, changes nothing.
    """
    with database.look() as session:
        schools = teaching(session, script, now)
        days = todays_dates(session, now)
    by_day: dict[date, list[Teaching]] = defaultdict(list)
    for school in schools:
        by_day[school.day].append(school)
    # Where nobody teaches any more a question may be open all the same: the school was closed since.
    touched = sum(_end_what_is_settled(database, day, now) for day in sorted(days))
    for theirs in by_day.values():
        touched += _take_steps(database, theirs, script, now)
        touched += review.review(database, theirs, script=script, now=now)
    return touched


def _take_steps(database: Database, schools: Sequence[Teaching], script: Script, now: datetime) -> int:
    ladder = script.flows.ladder
    with database.look() as session:
        found = cases(session, schools, ladder=ladder, now=now)
    due = [case for case in found if next_steps(case.standing, ladder, now)]
    return sum(
        tasks.one_by_one(
            database, partial(_help, schools=schools, household=household, script=script, now=now), now
        )
        for household in households(due)
    )


def _help(
    session: Session, *, schools: Sequence[Teaching], household: Sequence[int], script: Script, now: datetime
) -> None:
    """Take the steps of one household, as it stands now that its talks are locked."""
    ladder = script.flows.ladder
    _lock(session, household, schools[0].day)
    found = cases(session, schools, ladder=ladder, now=now, household=household)
    due = {case.student_id: next_steps(case.standing, ladder, now) for case in found}

    def whose(step: Step) -> list[Case]:
        return [case for case in found if step in due[case.student_id]]

    for case in whose(Step.REMINDER):
        _remind_early(session, case, script, now)
    ask_the_second(session, whose(Step.SECOND_GUARDIAN), script, now)
    tasks.call(session, whose(Step.CALL_TASK), script=script, now=now)


def _lock(session: Session, household: Sequence[int], day: date) -> None:
    """In one order, so that no two wait for one another."""
    session.execute(
        select(Conversation.id)
        .where(
            Conversation.day == day,
            Conversation.id.in_(
                select(ConversationStudent.conversation_id).where(
                    ConversationStudent.student_id.in_(household)
                )
            ),
        )
        .order_by(Conversation.id)
        .with_for_update()
    ).all()


# --- the reminder, sooner for the young ------------------------------------------------------------------


def _remind_early(session: Session, case: Case, script: Script, now: datetime) -> None:
    """Take the flow's own silence before its time: it reminds, as it would have done later."""
    if not tasks.take(session, case.student_id, case.school.day, Step.REMINDER, now):
        return
    for seen in case.talks:
        if not seen.is_todays or seen.silence_at is None or seen.silence_at <= now:
            continue
        talk = talks.locked(session, seen.id)
        if talk.owner is Owner.BOT and _reminds_next(talk.state, script.flows):
            advance(session, seen.id, Silence(), script=script, now=now)


def _reminds_next(kept: dict[str, object], flows: Flows) -> bool:
    state = from_json(kept)
    if not isinstance(state, Waiting):
        return False
    node = flows.node(f"{state.flow}.{state.node}")
    if node is None or node.go is None or node.purpose is not Purpose.CHECK_IN:
        return False
    after = flows.node(node.go["silence"])
    return after is not None and after.purpose is Purpose.REMINDER


# --- the second guardian -----------------------------------------------------------------------------------


def ask_the_second(session: Session, due: Sequence[Case], script: Script, now: datetime) -> None:
    """One check-in to the next guardian of each student, who learns nothing of the first."""
    if not due:
        return
    reachable = consent.reachable(session, [case.student_id for case in due])
    busy = _busy_phones(session, reachable.values(), due[0].school.day)
    chosen: dict[int, tuple[Reachable, list[Case]]] = {}
    for case in due:
        if not tasks.take(session, case.student_id, case.school.day, Step.SECOND_GUARDIAN, now):
            continue
        others = reachable[case.student_id]
        second = next(
            (
                one
                for one in (others if isinstance(others, list) else [])
                if one.guardian_id not in case.asked and (one.phone_id not in busy or _is_chosen(chosen, one))
            ),
            None,
        )
        if second is None:
            continue  # nobody else may be texted: the call comes at its time
        busy.add(second.phone_id)
        chosen.setdefault(second.guardian_id, (second, []))[1].append(case)
    for second, theirs in chosen.values():
        _ask(session, second, theirs, script, now)


def _is_chosen(chosen: dict[int, tuple[Reachable, list[Case]]], one: Reachable) -> bool:
    known = chosen.get(one.guardian_id)
    return known is not None and known[0].phone_id == one.phone_id


def _busy_phones(
    session: Session, reachable: Iterable[list[Reachable] | NotContacted], day: date
) -> set[int]:
    """Of these numbers, those with a talk of today, or with whose holder a person speaks."""
    phones = {one.phone_id for theirs in reachable if isinstance(theirs, list) for one in theirs}
    return set(
        session.scalars(
            select(Conversation.phone_id).where(
                Conversation.phone_id.in_(phones),
                or_(Conversation.day == day, Conversation.owner == Owner.STAFF),
            )
        )
    )


def _ask(session: Session, second: Reachable, theirs: Sequence[Case], script: Script, now: datetime) -> None:
    school = theirs[0].school
    conversation = open_conversation(
        session,
        phone_id=second.phone_id,
        guardian_id=second.guardian_id,
        school_id=school.id,
        students=[case.student_id for case in theirs],
        day=school.day,
        language=second.language,
        script=script,
        now=now,
    )
    session.execute(
        insert(Outreach),
        [
            {
                "student_id": case.student_id,
                "day": school.day,
                "purpose": Purpose.CHECK_IN,
                "guardian_id": second.guardian_id,
                "conversation_id": conversation,
                "at": now,
            }
            for case in theirs
        ],
    )
    opening = script.flows.ladder.second_guardian_says.partition(".")[2]
    begin(session, conversation, opening=opening, script=script, now=now)
    # No reminder and no second call task from this talk: its silence is the ladder's to answer.
    talk = talks.locked(session, conversation)
    talks.save(session, talk._replace(silence_at=None), now)
    for case in theirs:
        step = session.get_one(LadderStep, (case.student_id, school.day, Step.SECOND_GUARDIAN))
        step.guardian_id = second.guardian_id


# --- what an answer or a correction ends -----------------------------------------------------------------------

# Where somebody has answered, nobody else is asked; the talk in which they did goes on.
_UNANSWERED = OPEN - {Outcome.REACHED_NO_REASON}


def _end_what_is_settled(database: Database, day: date, now: datetime) -> int:
    """End the questions nobody has answered, whose students somebody else has spoken of, or the file corrected.

    A guardian whose partner has answered gets no reminder, and nobody is asked to call them.
    """
    with database.look() as session:
        asked = _asked_by_the_bot(session, day)
        open_still = _unanswered(session, day)
        with_staff = _with_staff(session, day)
        settled = [
            talk for talk, students in asked.items() if not students & open_still or students & with_staff
        ]
        settled = list(
            session.scalars(
                select(Conversation.id)
                .where(Conversation.id.in_(settled), ~_heard())
                .order_by(Conversation.id)
            )
        )
    return sum(
        tasks.one_by_one(database, partial(_end, conversation_id=id_, now=now), now) for id_ in settled
    )


def _asked_by_the_bot(session: Session, day: date) -> dict[int, set[int]]:
    """The talks of *day* in which the bot awaits an answer, and about whom."""
    rows = session.execute(
        select(Outreach.conversation_id, Outreach.student_id)
        .join(Conversation, Conversation.id == Outreach.conversation_id)
        .where(Outreach.day == day, Conversation.owner == Owner.BOT)
    )
    asked: dict[int, set[int]] = defaultdict(set)
    for talk, student in rows:
        asked[talk].add(student)
    return asked


def _unanswered(session: Session, day: date) -> set[int]:
    """Whose absence of *day* is neither explained to the office nor spoken of by anybody."""
    return set(
        session.scalars(
            select(Absence.student_id)
            .join(
                AttendanceMark,
                (AttendanceMark.student_id == Absence.student_id) & (AttendanceMark.day == Absence.day),
            )
            .where(Absence.day == day, Absence.outcome.in_(sorted(_UNANSWERED)), *attendance.UNEXPLAINED)
        )
    )


def _with_staff(session: Session, day: date) -> set[int]:
    """The absent students about whom a person is talking; such a talk is nobody's but that person's."""
    return set(
        session.scalars(
            select(ConversationStudent.student_id)
            .join(Conversation, Conversation.id == ConversationStudent.conversation_id)
            .where(
                ConversationStudent.student_id.in_(attendance.absent_anywhere(day)),
                Conversation.owner == Owner.STAFF,
            )
        )
    )


def _heard() -> ColumnElement[bool]:
    """Whether the family has written, its text's turn being taken or not."""
    waits = exists().where(
        Phone.id == Conversation.phone_id,
        InboundText.sender == Phone.number,
        InboundText.handled_at.is_(None),
    )
    return or_(exists().where(InboundText.conversation_id == Conversation.id), waits)


def _end(session: Session, *, conversation_id: int, now: datetime) -> None:
    talk = talks.locked(session, conversation_id)
    if talk.owner is not Owner.BOT or session.scalar(
        select(Conversation.id).where(Conversation.id == conversation_id, _heard())
    ):
        return
    outbox.drop_queued(session, conversation_id)
    ended = Ended(End.CLOSED, asked_about(from_json(talk.state)))
    talks.save(
        session,
        talk._replace(state=to_json(ended), owner=Owner.NOBODY, staff_id=None, silence_at=None),
        now,
    )
