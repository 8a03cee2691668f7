"""Whom the morning asks, in which words, and why each other family is not; nothing is changed."""

import gc
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import attendance, consent, holds, opening
from bot.advance import Script
from bot.attendance import AbsentStudent, DayHours
from bot.clock import Window, instant
from bot.consent import Reachable
from bot.opening import Household, Voice
from bot.outreach import fit
from bot.store.tables import (
    BarrierFound,
    Conversation,
    GuardianPhone,
    Guardianship,
    Outreach,
    School,
)
from bot.vocabulary import NotContacted, Owner, Purpose

# A school that looks this empty more likely forgot to take attendance, or is closed (AT-8).
_BRAKE_SHARE = 0.25
# The share means nothing in a school of a handful.
_BRAKE_FEWEST = 10


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the garbage collector rest: all that a morning makes lives until it is written.

    It would look through the growing heap for rings again and again, which took a third of the time.
    """
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()


@dataclass(frozen=True)
class Plan:
    """What the morning would do. Every absent student is in exactly one of the lists.

    `cannot_finish` counts the texts that would still wait when the window closes (TW-85). `takes` is
    how long the sender needs for what is asked and for what waits before it; None without a pace.
    """

    day: date
    households: tuple[Household, ...] = ()
    not_contacted: tuple[tuple[AbsentStudent, NotContacted], ...] = ()
    held: tuple[tuple[AbsentStudent, str], ...] = ()
    told_already: tuple[AbsentStudent, ...] = ()
    asked_before: tuple[AbsentStudent, ...] = ()
    cannot_finish: int = 0
    takes: timedelta | None = None

    @property
    def segments(self) -> int:
        """What asking costs, in billed parts (TW-80)."""
        return sum(household.question.segments for household in self.households)


@uncollected()
def plan(
    session: Session, day: date, *, script: Script, now: datetime, schools: Collection[int] | None = None
) -> Plan:
    """Decide for every absent student of *day* at these schools; changes nothing.

    The dry run prints this, and the run does this to the word: they cannot disagree. It asks the
    database as often for one student as for all of a state.
    """
    if schools is None:
        schools = session.scalars(select(School.id).where(School.active)).all()
    zones = zones_of(session)
    absent = attendance.absent(session, day, schools)
    asked = _asked(session, day)
    told = _told(session, day)
    sorted_out = _Sorted()
    for student in absent:
        if student.id in asked:
            sorted_out.asked_before.append(student)
        elif student.excused:
            sorted_out.not_contacted.append((student, NotContacted.ALREADY_EXCUSED))
        elif student.id in told:
            sorted_out.told_already.append(student)
        else:
            sorted_out.open.append(student)
    _spare(session, day, sorted_out, script)
    _hold(session, day, sorted_out, Counter(student.school_id for student in absent))
    chosen = _group(session, day, sorted_out, zones, script, now)
    households = _ask(session, day, chosen, zones, script, now)
    fitting = fit.fit(session, households, day, zones=zones, policy=script.policy, now=now)
    sorted_out.held += [(student, fitting.why) for each in fitting.left for student in each.students]
    return Plan(
        day,
        tuple(fitting.asked),
        tuple(sorted_out.not_contacted),
        tuple(sorted_out.held),
        tuple(sorted_out.told_already),
        tuple(sorted_out.asked_before),
        fitting.cannot_finish,
        fitting.takes,
    )


class _Sorted:
    """The lists a plan is made of, while they are being filled."""

    def __init__(self) -> None:
        self.open: list[AbsentStudent] = []
        self.not_contacted: list[tuple[AbsentStudent, NotContacted]] = []
        self.held: list[tuple[AbsentStudent, str]] = []
        self.told_already: list[AbsentStudent] = []
        self.asked_before: list[AbsentStudent] = []


def zones_of(session: Session) -> dict[int, ZoneInfo]:
    return {school: ZoneInfo(zone) for school, zone in session.execute(select(School.id, School.zone))}


def _asked(session: Session, day: date) -> set[int]:
    return set(
        session.scalars(
            select(Outreach.student_id).where(Outreach.day == day, Outreach.purpose == Purpose.CHECK_IN)
        )
    )


def _spare(session: Session, day: date, out: _Sorted, script: Script) -> None:
    """Ask nobody by text a fourth time in a week: a person takes over (conversation.md)."""
    days = script.flows.ladder.bot_days_a_week
    tired = consent.asked_enough(session, day, attendance.absent_anywhere(day), days)
    why = f"the family was asked by text on {days} days this week: a person calls"
    out.held += [(student, why) for student in out.open if student.id in tired]
    out.open = [student for student in out.open if student.id not in tired]


def _told(session: Session, day: date) -> set[int]:
    """Students whose family has written a reason today, before anybody asked."""
    return set(
        session.scalars(
            select(BarrierFound.student_id)
            .join(Conversation, Conversation.id == BarrierFound.conversation_id)
            .where(Conversation.day == day, BarrierFound.student_id.in_(attendance.absent_anywhere(day)))
        )
    )


def _hold(session: Session, day: date, out: _Sorted, absent: Mapping[int, int]) -> None:
    """Hold a school that does not teach today, or that looks wholly absent: a person must look first.

    *absent* counts each school's absent students, with those who need not be asked.
    """
    enrolled = attendance.enrolled(session)
    teaching = attendance.teaching(session, day)
    waiting, looked_at = holds.held(session, day), holds.looked_at(session, day)
    by_school: dict[int, list[AbsentStudent]] = defaultdict(list)
    for student in out.open:
        by_school[student.school_id].append(student)
    out.open = []
    for school, students in sorted(by_school.items()):
        many = absent[school]
        if school not in teaching:
            out.held += [(student, "the school calendar has no school on this day") for student in students]
        elif school in waiting:
            out.held += [(student, waiting[school]) for student in students]
        elif (
            many >= _BRAKE_FEWEST
            and many > _BRAKE_SHARE * enrolled.get(school, 0)
            and school not in looked_at
        ):
            why = f"{many} of {enrolled.get(school, 0)} students are marked absent: check the file first"
            out.held += [(student, why) for student in students]
        else:
            out.open += students


class _Chosen(NamedTuple):
    """Whom one text goes to, and which students it is about."""

    guardian: Reachable
    students: list[AbsentStudent]


def _group(
    session: Session, day: date, out: _Sorted, zones: Mapping[int, ZoneInfo], script: Script, now: datetime
) -> list[_Chosen]:
    """Pick the first textable guardian of each student, and give each guardian one text for all of them."""
    found = consent.reachable(
        session, [student.id for student in out.open], among=attendance.absent_anywhere(day)
    )
    busy = _busy(session, day)
    # Before the day's window opens a text is queued for its opening; after it has closed nobody is asked.
    hours = attendance.hours_changed(session, [day])
    closed = {
        school
        for school, zone in zones.items()
        if now >= _last_moment(day, script.policy.automatic(zone), hours.get((school, day)))
    }
    chosen: dict[int, _Chosen] = {}
    phones: dict[int, int] = {}  # one number has one check-in a day, whoever of the household holds it
    for student in out.open:
        reachable = found[student.id]
        if isinstance(reachable, NotContacted):
            out.not_contacted.append((student, reachable))
            continue
        if student.school_id in closed:
            out.not_contacted.append((student, NotContacted.OUTSIDE_WINDOW))
            continue
        guardian = next(
            (
                one
                for one in reachable
                if one.phone_id not in busy and phones.get(one.phone_id, one.guardian_id) == one.guardian_id
            ),
            None,
        )
        if guardian is None:
            owner = busy.get(reachable[0].phone_id)
            talking = owner is Owner.STAFF
            out.not_contacted.append(
                (student, NotContacted.TALKING_NOW if talking else NotContacted.ALREADY_ASKED)
            )
            continue
        one = chosen.setdefault(guardian.guardian_id, _Chosen(guardian, []))
        phones[one.guardian.phone_id] = guardian.guardian_id
        one.students.append(student)
    return list(chosen.values())


def _last_moment(day: date, window: Window, changed: DayHours | None) -> datetime:
    """When the window of *day* closes; on a short day nobody is asked once the students are on their way home."""
    closes = window.on(day)[1]
    if changed is None or changed.dismissed_at is None:
        return closes
    return min(closes, instant(day, changed.dismissed_at, window.zone))


def _busy(session: Session, day: date) -> dict[int, Owner]:
    """Numbers that were asked today, or with whose holder a person is talking."""
    asked = session.execute(
        select(Conversation.phone_id, Conversation.owner)
        .join(Outreach, Outreach.conversation_id == Conversation.id)
        .where(Outreach.day == day)
    )
    busy = {phone: owner for phone, owner in asked}
    theirs = (
        select(GuardianPhone.phone_id)
        .join(Guardianship, Guardianship.guardian_id == GuardianPhone.guardian_id)
        .where(Guardianship.student_id.in_(attendance.absent_anywhere(day)))
    )
    talking = session.scalars(
        select(Conversation.phone_id).where(
            Conversation.owner == Owner.STAFF, Conversation.phone_id.in_(theirs)
        )
    )
    return busy | dict.fromkeys(talking, Owner.STAFF)


def _ask(
    session: Session,
    day: date,
    chosen: Sequence[_Chosen],
    zones: Mapping[int, ZoneInfo],
    script: Script,
    now: datetime,
) -> list[Household]:
    """Put each household's question: its first text says who writes; the second day says something new."""
    district = opening.district(session, script.policy)
    voice = Voice(script.flows, script.texts, script.policy, district, now)
    known = _asked_earlier(session, day)
    yesterday = attendance.last_school_days(session, day)
    asked_then = _asked_on(session, set(yesterday.values()))
    households = []
    for guardian, students in chosen:
        school = students[0].school_id
        again = any(
            (guardian.guardian_id, student.id, yesterday.get(school)) in asked_then for student in students
        )
        node = "first_check_in" if guardian.guardian_id not in known else "day_two" if again else ""
        households.append(
            Household(
                guardian.guardian_id,
                guardian.guardian,
                guardian.phone_id,
                guardian.language,
                tuple(students),
                voice.question(students, node, guardian.language, zones[school]),
            )
        )
    return households


def _asked_earlier(session: Session, day: date) -> set[int]:
    """Those guardians of today's absent students whom we have texted on an earlier day."""
    earlier = select(Outreach.id).where(Outreach.guardian_id == Guardianship.guardian_id, Outreach.day < day)
    return set(
        session.scalars(
            select(Guardianship.guardian_id)
            .where(Guardianship.student_id.in_(attendance.absent_anywhere(day)), earlier.exists())
            .distinct()
        )
    )


def _asked_on(session: Session, days: Collection[date]) -> set[tuple[int, int, date | None]]:
    """Which guardian was asked about which student on which of these days."""
    rows = session.execute(
        select(Outreach.guardian_id, Outreach.student_id, Outreach.day).where(Outreach.day.in_(days))
    )
    return {(guardian, student, day) for guardian, student, day in rows}
