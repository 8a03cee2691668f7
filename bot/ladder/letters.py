"""The ladder's e-mail: to a guardian with an address, after everything that goes by phone; once a day at most.

STOP is said to a number, and ends its texts. A no-text flag, a court order or a mute is the family's or the
court's word on being told at all, and ends letters too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from bot import attendance, stopping
from bot.advance import Script
from bot.conversation.ladder import OPEN
from bot.ladder import tasks
from bot.ladder.cases import Case, Teaching, everyone, households, teaching
from bot.ladder.once import not_done, note_done
from bot.language import Language
from bot.mail import Mail, Posted
from bot.store.session import Database, insert_unless_there
from bot.store.tables import (
    Absence,
    AttendanceMark,
    Conversation,
    ConversationStudent,
    Email,
    Guardian,
    Guardianship,
    LadderStep,
    Mute,
    School,
    Student,
    TextState,
)
from bot.texts import Values
from bot.vocabulary import Owner, Purpose, Step

_log = structlog.get_logger(__name__)

_JOB = "ladder email"
_AT_ONCE = 20
# A server that has not answered after so long answers no more; the letter may have left (mail.py waits 15 seconds).
_LEASE = timedelta(minutes=5)
_LINES = ("email.missed", "email.tell", "email.not_read")

_MAY_BE_TOLD = (
    Guardianship.active,
    Guardianship.may_receive_texts,
    ~Guardianship.court_order,
    ~exists().where(
        Mute.guardian_id == Guardianship.guardian_id,
        Mute.student_id == Guardianship.student_id,
        Mute.purpose == Purpose.CHECK_IN,
    ),
)


def write_letters(database: Database, *, script: Script, now: datetime) -> int:
    """Write today's letters of the schools whose time has come, into the outbox of letters; returns how many."""
    after = script.flows.ladder.email
    if after is None or not script.policy.emails:
        return 0
    with database.look() as session:
        due = [
            school
            for school in teaching(session, script, now)
            if school.may_text and now >= school.morning + after.older
        ]
    written = 0
    for school in not_done(database, due, _JOB):
        with database.look() as session:
            found = everyone(session, [school], ladder=script.flows.ladder, now=now)
        for each in households([case for case in found if _is_silent(case)]).values():
            written += tasks.one_by_one(database, partial(_write, cases=each, script=script, now=now), now)
        note_done(database, school, _JOB, now)
    return written


def _is_silent(case: Case) -> bool:
    standing = case.standing
    return standing.outcome in OPEN and not (standing.answered or standing.awaited or standing.with_staff)


def _write(session: Session, *, cases: Sequence[Case], script: Script, now: datetime) -> None:
    """One letter for each guardian of a household who is the first with an address for a student."""
    school = cases[0].school
    chosen: dict[int, list[int]] = {}
    for case in cases:
        guardian = _first_with_address(session, case.student_id)
        if guardian is not None and tasks.take(
            session, case.student_id, school.day, Step.EMAIL, now, guardian_id=guardian
        ):
            chosen.setdefault(guardian, []).append(case.student_id)
    for guardian, students in chosen.items():
        _queue(session, guardian, students, school, script, now)


def _first_with_address(session: Session, student_id: int) -> int | None:
    return session.scalar(
        select(Guardian.id)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .where(Guardianship.student_id == student_id, Guardian.active, Guardian.email != "", *_MAY_BE_TOLD)
        .order_by(Guardianship.contact_order, Guardian.id)
        .limit(1)
    )


def _queue(
    session: Session,
    guardian_id: int,
    students: Sequence[int],
    school: Teaching,
    script: Script,
    now: datetime,
) -> None:
    guardian = session.get_one(Guardian, guardian_id)
    names = [
        one.first_name
        for one in session.scalars(select(Student).where(Student.id.in_(students)).order_by(Student.id))
    ]
    at = session.scalars(
        select(School.name)
        .join(Student, Student.school_id == School.id)
        .where(Student.id.in_(students))
        .distinct()
        .order_by(School.name)
    ).all()
    values = Values(students=names, schools=at)

    def words(language: Language) -> str:
        return "\n\n".join(script.texts.phrase(line, language, values) for line in _LINES)

    letter = {
        "guardian_id": guardian_id,
        "school_id": school.id,
        "day": school.day,
        "address": guardian.email,
        "subject": script.texts.phrase("email.subject", guardian.language, values),
        "body": words(guardian.language),
        "english": words(Language.ENGLISH),
        "language": guardian.language,
        "state": TextState.QUEUED,
        "why_not": "",
        "not_after": _closes(school, script),
        "queued_at": now,
    }
    session.execute(insert_unless_there(session, Email, ("guardian_id", "day"), letter))


def _closes(school: Teaching, script: Script) -> datetime:
    closes = script.policy.automatic(school.zone).on(school.day)[1]
    return min(closes, school.dismissed) if school.dismissed is not None else closes


# --- sent ----------------------------------------------------------------------------------------------------


def send_letters(database: Database, mail: Mail, *, script: Script, now: datetime) -> int:
    """Send what waits, each once: asked anew whether it may leave, claimed, then handed over; returns how many.

    A letter of which nobody knows whether it left is never sent again.
    """
    sent = 0
    for letter in _claim(database, script, now):
        fate = mail.send(letter.address, letter.subject, letter.body, key=f"ladder.{letter.id}")
        with database.begin() as session:
            session.execute(
                update(Email)
                .where(Email.id == letter.id, Email.state == TextState.CLAIMED)
                .values(state=_STATE[fate], sent_at=now if fate is Posted.ACCEPTED else None)
            )
        sent += fate is Posted.ACCEPTED
        _log.info("letter handed over", letter=letter.id, fate=fate.value)
    return sent


_STATE = {
    Posted.ACCEPTED: TextState.SENT,
    Posted.REFUSED: TextState.REFUSED,
    Posted.PASSING: TextState.QUEUED,
    Posted.UNKNOWN: TextState.UNKNOWN,
}
assert set(_STATE) == set(Posted)  # noqa: S101 - a new answer needs its state here


def _claim(database: Database, script: Script, now: datetime) -> list[Email]:
    with database.look() as session:
        if not session.scalar(select(Email.id).where(Email.state.in_(["queued", "claimed"])).limit(1)):
            return []
    with database.begin(durable=True) as session:
        session.execute(
            update(Email)
            .where(Email.state == TextState.CLAIMED, Email.claimed_at < now - _LEASE)
            .values(state=TextState.UNKNOWN)
        )
        if stopping.stopped(session) is not None:
            return []
        waiting = session.scalars(
            select(Email)
            .where(Email.state == TextState.QUEUED)
            .order_by(Email.queued_at, Email.id)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        ).all()
        schools = {school.id: school for school in teaching(session, script, now)}
        claimed = []
        for letter in waiting:
            why = _why_not(session, letter, schools.get(letter.school_id), now)
            if why:
                letter.state, letter.why_not = TextState.NOT_SENT, why
                continue
            letter.state, letter.claimed_at = TextState.CLAIMED, now
            claimed.append(letter)
        return claimed


def _why_not(session: Session, letter: Email, school: Teaching | None, now: datetime) -> str:
    """Why this letter may not leave any more; empty while it may. The same questions as of a text (door.py)."""
    if school is None or school.day != letter.day:
        return "not_a_school_day"
    if now >= letter.not_after:
        return "too_late"
    if not school.may_text:
        return "outside_window"
    about = select(LadderStep.student_id).where(
        LadderStep.day == letter.day,
        LadderStep.step == Step.EMAIL,
        LadderStep.guardian_id == letter.guardian_id,
    )
    told = select(Guardianship.student_id).where(
        Guardianship.guardian_id == letter.guardian_id, Guardianship.student_id.in_(about), *_MAY_BE_TOLD
    )
    students = set(session.scalars(about))
    if set(session.scalars(told)) != students:
        return "no_contact"
    address = session.scalar(select(Guardian.email).where(Guardian.id == letter.guardian_id, Guardian.active))
    if address != letter.address:
        return "not_on_file"
    with_staff = session.scalar(
        select(Conversation.id)
        .join(ConversationStudent, ConversationStudent.conversation_id == Conversation.id)
        .where(ConversationStudent.student_id.in_(students), Conversation.owner == Owner.STAFF)
        .limit(1)
    )
    if with_staff is not None:
        return "staff_owns"
    open_still = session.scalar(
        select(Absence.student_id)
        .join(
            AttendanceMark,
            (AttendanceMark.student_id == Absence.student_id) & (AttendanceMark.day == Absence.day),
        )
        .where(
            Absence.student_id.in_(students),
            Absence.day == letter.day,
            Absence.outcome.in_(sorted(OPEN)),
            *attendance.UNEXPLAINED,
        )
        .limit(1)
    )
    return "" if open_still is not None else "not_absent"
