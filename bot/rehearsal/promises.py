"""The promises, asked of the database at the end of a day."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import attendance, ledger
from bot.advance import Script
from bot.clock import instant
from bot.ledger import Counts
from bot.store.tables import (
    Absence,
    AttendanceMark,
    ConsentEvent,
    ConsentKind,
    Conversation,
    ConversationStudent,
    Handoff,
    InboundText,
    LadderStep,
    OutboundText,
    TextState,
)
from bot.vocabulary import Outcome, Owner, Purpose, Step


class Evening(NamedTuple):
    """What a day has come to: its ledger, what has left, and each promise that did not hold."""

    counts: Counts
    sent: Sequence[OutboundText]
    broken: list[str]


def check(session: Session, day: date, zone: ZoneInfo, script: Script, now: datetime) -> Evening:
    """Ask every promise of one day; gaps of the ledger are filled, and told."""
    begins, ends = instant(day, time(0), zone), instant(day + timedelta(days=1), time(0), zone)
    gaps = ledger.fill_gaps(session, day, now)
    counts = ledger.count(session, day)
    sent = session.scalars(
        select(OutboundText).where(
            OutboundText.claimed_at >= begins,
            OutboundText.claimed_at < ends,
            OutboundText.state == TextState.SENT,
        )
    ).all()
    broken = [
        *_nobody_dropped(counts, gaps),
        *_somebody_calls(session, day),
        *one_text_once(sent),
        *within_hours(sent, script, zone, day),
        *_consent_kept(session, sent),
        *_once_heard(session, begins, ends),
    ]
    return Evening(counts, sent, broken)


def _nobody_dropped(counts: Counts, gaps: int) -> Iterator[str]:
    if gaps:
        yield f"{gaps} absent students had no outcome"
    if sum(counts.outcomes.values()) != counts.absent:
        yield f"the outcomes add up to {sum(counts.outcomes.values())}, the absent to {counts.absent}"


def _somebody_calls(session: Session, day: date) -> Iterator[str]:
    """Every absent unexcused student ends the day explained, with a person, or with a call task."""
    with_a_person = (
        select(Handoff.id)
        .join(ConversationStudent, ConversationStudent.conversation_id == Handoff.conversation_id)
        .where(ConversationStudent.student_id == Absence.student_id)
    )
    called = select(LadderStep.student_id).where(
        LadderStep.student_id == Absence.student_id,
        LadderStep.day == day,
        LadderStep.step == Step.CALL_TASK,
    )
    forgotten = session.scalar(
        select(func.count())
        .select_from(Absence)
        .join(
            AttendanceMark,
            (AttendanceMark.student_id == Absence.student_id) & (AttendanceMark.day == Absence.day),
        )
        .where(
            Absence.day == day,
            Absence.outcome.in_([Outcome.NOT_CONTACTED, Outcome.UNREACHABLE, Outcome.ATTEMPTED]),
            *attendance.UNEXPLAINED,
            ~with_a_person.exists(),
            ~called.exists(),
        )
    )
    if forgotten:
        yield f"{forgotten} absent students have neither an explanation nor a person nor a call task"


def one_text_once(sent: Sequence[OutboundText]) -> Iterator[str]:
    automated = Counter(
        (text.phone_id, text.purpose) for text in sent if text.purpose in (Purpose.CHECK_IN, Purpose.REMINDER)
    )
    for (phone, purpose), number in automated.items():
        if number > 1:
            yield f"phone {phone} got {number} texts of purpose {purpose.value}"
    tokens = Counter(text.token for text in sent)
    if tokens and max(tokens.values()) > 1:
        yield "one text left twice"


def within_hours(sent: Sequence[OutboundText], script: Script, zone: ZoneInfo, day: date) -> Iterator[str]:
    opens, closes = script.policy.automatic(zone).on(day)
    for text in sent:
        if (
            text.purpose in (Purpose.CHECK_IN, Purpose.REMINDER)
            and not opens <= (text.claimed_at or opens) < closes
        ):
            yield f"text {text.id} left outside the window"


def _consent_kept(session: Session, sent: Sequence[OutboundText]) -> Iterator[str]:
    for text in sent:
        if text.purpose is Purpose.CONSENT:
            continue
        last = session.scalar(
            select(ConsentEvent.kind)
            .where(
                ConsentEvent.phone_id == text.phone_id,
                ConsentEvent.at < (text.claimed_at or text.queued_at),
                ConsentEvent.kind.in_([ConsentKind.OPT_OUT, ConsentKind.OPT_IN]),
            )
            .order_by(ConsentEvent.id.desc())
            .limit(1)
        )
        if last is ConsentKind.OPT_OUT:
            yield f"text {text.id} left to a number that had opted out"


def _once_heard(session: Session, begins: datetime, ends: datetime) -> Iterator[str]:
    unheard = session.scalar(
        select(func.count()).select_from(InboundText).where(InboundText.handled_at.is_(None))
    )
    if unheard:
        yield f"{unheard} texts of families were not read"
    errors = session.scalar(
        select(func.count())
        .select_from(Handoff)
        .where(Handoff.why == "program_error", Handoff.opened_at >= begins, Handoff.opened_at < ends)
    )
    if errors:
        yield f"{errors} texts could not be read by the program"
    stray = session.scalar(
        select(func.count())
        .select_from(OutboundText)
        .join(Conversation, Conversation.id == OutboundText.conversation_id)
        .where(
            Conversation.owner == Owner.STAFF,
            OutboundText.staff_id.is_(None),
            OutboundText.purpose != Purpose.SAFETY,
            OutboundText.state == TextState.QUEUED,
        )
    )
    if stray:
        yield f"{stray} texts of the bot wait in conversations that a person owns"
