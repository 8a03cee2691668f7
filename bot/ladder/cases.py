"""Where each absent student of today stands on the ladder, and who belongs to one household; only reads."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from bot import attendance, consent, stopping
from bot.advance import Script
from bot.clock import instant, school_day
from bot.conversation.ladder import OPEN, Ladder, Standing
from bot.store.tables import (
    Absence,
    AttendanceMark,
    CalendarDay,
    Conversation,
    ConversationStudent,
    Guardianship,
    Handoff,
    HandoffState,
    InboundText,
    LadderStep,
    Outreach,
    Phone,
    PhoneState,
    School,
    Student,
)
from bot.vocabulary import NotContacted, Outcome, Owner, Queue, Step

# A person who waits for one of these waits because nobody has answered: the ladder may go on beside.
SILENCE = frozenset(
    {"no_answer", "undelivered", "unknown_outcome", "wrong_number", "call_task", "home_visit", "team_review"}
)
# A school that looks this empty more likely forgot to take attendance (AT-8): the morning asked nobody there.
_BRAKE_SHARE, _BRAKE_FEWEST = 0.25, 10


class Teaching(NamedTuple):
    """A school that teaches today. `may_text`: its window is open and nobody has stopped the texts.

    `morning`: when families are asked today, late opening or not. `dismissed`: when the students go home
    today, where that is earlier than on other days.
    """

    id: int
    zone: ZoneInfo
    day: date
    morning: datetime
    may_text: bool
    dismissed: datetime | None = None


class TalkSeen(NamedTuple):
    """A conversation of today about a student, or one in which a person speaks."""

    id: int
    phone_id: int
    guardian_id: int | None
    owner: Owner
    silence_at: datetime | None
    number_is_good: bool
    answered: bool
    is_todays: bool


class HandoffSeen(NamedTuple):
    """A family that waits for a person, or that waited for one today."""

    id: int
    conversation_id: int
    guardian_id: int | None
    why: str
    queue: Queue
    state: HandoffState
    is_todays: bool


@dataclass
class Case:
    """An absent student of today whom nobody has accounted for. `household` has all absent students of it."""

    student_id: int
    school: Teaching
    standing: Standing
    household: tuple[int, ...]
    talks: list[TalkSeen] = field(default_factory=list)
    handoffs: list[HandoffSeen] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # guardians, the first one first
    guardians: frozenset[int] = frozenset()


def teaching(session: Session, script: Script, now: datetime) -> list[Teaching]:
    """The schools that teach today, each by its own date (CT-3)."""
    stopped = stopping.stopped(session) is not None
    schools = session.execute(
        select(School.id, School.zone, School.morning_at).where(School.active).order_by(School.id)
    ).all()
    days = {zone: school_day(now, ZoneInfo(zone)) for _, zone, _ in schools}
    rows = session.execute(
        select(CalendarDay.school_id, CalendarDay.day).where(
            CalendarDay.day.in_(set(days.values())), CalendarDay.teaches
        )
    )
    known = {(school, day) for school, day in rows}
    hours = attendance.hours_changed(session, set(days.values()))
    found = []
    for id_, name, morning_at in schools:
        if (id_, days[name]) in known:
            zone, day = ZoneInfo(name), days[name]
            changed = hours.get((id_, day), attendance.DayHours())
            asked_at = instant(day, changed.morning_at or morning_at, zone)
            opens = max(asked_at, script.policy.automatic(zone).on(day)[0])
            dismissed = instant(day, changed.dismissed_at, zone) if changed.dismissed_at else None
            may_text = not stopped and script.policy.automatic(zone).contains(now)
            may_text = may_text and (dismissed is None or now < dismissed)
            found.append(Teaching(id_, zone, day, opens, may_text, dismissed))
    return found


def todays_dates(session: Session, now: datetime) -> set[date]:
    """Today at each school, which may be two dates in one district (CT-3); closed or not."""
    zones = session.scalars(select(School.zone).where(School.active).distinct())
    return {school_day(now, ZoneInfo(zone)) for zone in zones}


def cases(
    session: Session,
    schools: Collection[Teaching],
    *,
    ladder: Ladder,
    now: datetime,
    household: Collection[int] | None = None,
) -> list[Case]:
    """Whom nobody has accounted for at *schools*, all of one day, before the call; of one *household* if given."""
    absent = attendance.absent_anywhere(next(iter(schools)).day)
    if household is not None:
        absent = absent.where(AttendanceMark.student_id.in_(household))
    return _found(session, schools, absent, OPEN, ladder, now, before_the_call=True)


def everyone(session: Session, schools: Collection[Teaching], *, ladder: Ladder, now: datetime) -> list[Case]:
    """Whom nobody has accounted for at *schools*, whatever was done about it."""
    absent = attendance.absent_anywhere(next(iter(schools)).day)
    outcomes = OPEN | {Outcome.WITH_A_PERSON}
    return _found(session, schools, absent, outcomes, ladder, now, before_the_call=False)


def _found(
    session: Session,
    schools: Collection[Teaching],
    absent: Select[int],
    outcomes: Collection[Outcome],
    ladder: Ladder,
    now: datetime,
    *,
    before_the_call: bool,
) -> list[Case]:
    by_id = {school.id: school for school in schools}
    day = next(iter(schools)).day
    wanted = _unaccounted(day, by_id, absent, outcomes)
    if before_the_call:
        called = select(LadderStep.student_id).where(
            LadderStep.student_id == Absence.student_id,
            LadderStep.day == day,
            LadderStep.step == Step.CALL_TASK,
        )
        wanted = wanted.where(~called.exists())
    rows = session.execute(wanted).all()
    if not rows:
        return []
    facts = _Facts(session, day, absent, schools, ladder, now)
    held = any(row.outcome is Outcome.HELD for row in rows)
    braked = _braked(session, day) if held else set()
    return [
        facts.case(student, by_id[school], outcome, why, changed_at, young=ladder.is_young(grade))
        for student, school, outcome, why, changed_at, grade in rows
        if not (outcome is Outcome.HELD and school in braked)
    ]


def _unaccounted(
    day: date, schools: Iterable[int], absent: Select[int], outcomes: Collection[Outcome]
) -> Select[int, int, Outcome, NotContacted | None, datetime, str]:
    return (
        select(
            Absence.student_id,
            Absence.school_id,
            Absence.outcome,
            Absence.not_contacted,
            Absence.changed_at,
            Student.grade,
        )
        .join(Student, Student.id == Absence.student_id)
        .join(
            AttendanceMark,
            (AttendanceMark.student_id == Absence.student_id) & (AttendanceMark.day == Absence.day),
        )
        .where(
            Absence.day == day,
            Absence.school_id.in_(list(schools)),
            Absence.student_id.in_(absent),
            Absence.outcome.in_(sorted(outcomes)),
            *attendance.UNEXPLAINED,
        )
        .order_by(Absence.student_id)
    )


class _Facts:
    """What decides about many students, in a handful of queries however many they are."""

    def __init__(
        self,
        session: Session,
        day: date,
        absent: Select[int],
        schools: Collection[Teaching],
        ladder: Ladder,
        now: datetime,
    ) -> None:
        self.session, self.day, self.absent, self.ladder, self.now = session, day, absent, ladder, now
        self.begins = min(instant(day, time(0), school.zone) for school in schools)
        self.guardians = _guardians(session, absent)
        self.household = _households(self.guardians)
        self.talks = self._talks()
        self.handoffs = self._handoffs()
        self.asked = self._asked()
        self.taken = self._taken()
        self.tired = consent.asked_enough(session, day, absent, ladder.bot_days_a_week)

    def case(
        self,
        student: int,
        school: Teaching,
        outcome: Outcome,
        why: NotContacted | None,
        changed_at: datetime,
        *,
        young: bool,
    ) -> Case:
        talks, handoffs, asked = self.talks[student], self.handoffs[student], self.asked[student]
        asked_talks = [talk for talk in talks if talk.id in {talk_id for _, talk_id, _ in asked}]
        lost = outcome is Outcome.UNREACHABLE or (
            bool(asked_talks) and not any(talk.number_is_good for talk in asked_talks)
        )
        answered = any(talk.answered for talk in talks if talk.is_todays)
        standing = Standing(
            outcome=outcome,
            since=max(asked[0][2] if asked else changed_at, school.morning),
            call_by=_call_by(self.day, self.ladder, school),
            not_contacted=why,
            young=young,
            answered=answered,
            lost=lost,
            in_talk=answered and any(talk.silence_at is not None for talk in talks),
            awaited=any(one.is_todays and one.why not in SILENCE for one in handoffs)
            or any(one.state is HandoffState.TAKEN for one in handoffs),
            with_staff=any(talk.owner is Owner.STAFF for talk in talks),
            tired=student in self.tired,
            may_text=school.may_text,
            taken=frozenset(self.taken[student]),
        )
        return Case(
            student,
            school,
            standing,
            self.household.get(student, (student,)),
            talks,
            handoffs,
            [guardian for guardian, _, _ in asked],
            frozenset(self.guardians[student]),
        )

    def _talks(self) -> dict[int, list[TalkSeen]]:
        heard = select(InboundText.id).where(InboundText.conversation_id == Conversation.id)
        # Its turn has not been taken yet, and it is an answer all the same.
        waits = select(InboundText.id).where(
            InboundText.sender == Phone.number, InboundText.handled_at.is_(None)
        )
        rows = self.session.execute(
            select(
                ConversationStudent.student_id,
                Conversation.id,
                Conversation.phone_id,
                Conversation.guardian_id,
                Conversation.owner,
                Conversation.silence_at,
                (Phone.state == PhoneState.TEXTABLE) & ~Phone.suspended,
                or_(heard.exists(), waits.exists()),
                Conversation.day == self.day,
            )
            .join(Conversation, Conversation.id == ConversationStudent.conversation_id)
            .join(Phone, Phone.id == Conversation.phone_id)
            .where(
                ConversationStudent.student_id.in_(self.absent),
                or_(Conversation.day == self.day, Conversation.owner == Owner.STAFF),
            )
            .order_by(Conversation.id)
        )
        found: dict[int, list[TalkSeen]] = defaultdict(list)
        for student, *talk in rows:
            found[student].append(TalkSeen._make(talk))
        return found

    def _handoffs(self) -> dict[int, list[HandoffSeen]]:
        rows = self.session.execute(
            select(
                ConversationStudent.student_id,
                Handoff.id,
                Handoff.conversation_id,
                Conversation.guardian_id,
                Handoff.why,
                Handoff.queue,
                Handoff.state,
                Handoff.opened_at >= self.begins,
            )
            .join(Conversation, Conversation.id == Handoff.conversation_id)
            .join(ConversationStudent, ConversationStudent.conversation_id == Handoff.conversation_id)
            .where(
                ConversationStudent.student_id.in_(self.absent),
                or_(Handoff.state != HandoffState.RESOLVED, Handoff.opened_at >= self.begins),
            )
            .order_by(Handoff.id)
        )
        found: dict[int, list[HandoffSeen]] = defaultdict(list)
        for student, *handoff in rows:
            found[student].append(HandoffSeen._make(handoff))
        return found

    def _asked(self) -> dict[int, list[tuple[int, int, datetime]]]:
        rows = self.session.execute(
            select(Outreach.student_id, Outreach.guardian_id, Outreach.conversation_id, Outreach.at)
            .where(Outreach.day == self.day, Outreach.student_id.in_(self.absent))
            .order_by(Outreach.id)
        )
        found: dict[int, list[tuple[int, int, datetime]]] = defaultdict(list)
        for student, guardian, conversation, at in rows:
            found[student].append((guardian, conversation, at))
        return found

    def _taken(self) -> dict[int, set[Step]]:
        rows = self.session.execute(
            select(LadderStep.student_id, LadderStep.step).where(
                LadderStep.day == self.day, LadderStep.student_id.in_(self.absent)
            )
        )
        found: dict[int, set[Step]] = defaultdict(set)
        for student, step in rows:
            found[student].add(step)
        return found


def _call_by(day: date, ladder: Ladder, school: Teaching) -> datetime:
    """Before the students go home, on a short day too."""
    by = instant(day, ladder.call_done_by, school.zone)
    return min(by, school.dismissed) if school.dismissed is not None else by


# --- who belongs together -----------------------------------------------------------------------------------


def _guardians(session: Session, absent: Select[int]) -> dict[int, set[int]]:
    rows = session.execute(
        select(Guardianship.student_id, Guardianship.guardian_id).where(
            Guardianship.student_id.in_(absent), Guardianship.active
        )
    )
    found: dict[int, set[int]] = defaultdict(set)
    for student, guardian in rows:
        found[student].add(guardian)
    return found


def _households(guardians: dict[int, set[int]]) -> dict[int, tuple[int, ...]]:
    """Absent students who share a guardian, directly or by way of another, are one household."""
    groups: dict[int, set[int]] = {}
    for student, theirs in guardians.items():
        joined = {student}.union(*(groups.get(guardian, set()) for guardian in theirs))
        for member in joined:
            for guardian in guardians[member]:
                groups[guardian] = joined
    return {
        student: tuple(sorted(groups[next(iter(theirs))])) for student, theirs in guardians.items() if theirs
    }


# --- caps and brakes ----------------------------------------------------------------------------------------


def _braked(session: Session, day: date) -> set[int]:
    """The schools whose file a person must check first: a hundred calls would be a hundred mistakes."""
    many = session.execute(
        select(Absence.school_id, func.count())
        .where(Absence.day == day, Absence.outcome == Outcome.HELD)
        .group_by(Absence.school_id)
    )
    enrolled = attendance.enrolled(session)
    return {
        school
        for school, held in many
        if held >= _BRAKE_FEWEST and held > _BRAKE_SHARE * enrolled.get(school, 0)
    }


def households(found: Sequence[Case]) -> dict[tuple[int, ...], list[Case]]:
    """The cases of each household."""
    grouped: dict[tuple[int, ...], list[Case]] = defaultdict(list)
    for case in found:
        grouped[case.household].append(case)
    return grouped
