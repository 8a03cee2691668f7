"""The morning: who is due today; the ladder: who never answered, what comes next."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import attendance, consent, handoffs, ledger
from bot.advance import Script, advance, begin, open_conversation
from bot.attendance import AbsentStudent
from bot.clock import instant, school_day
from bot.consent import Reachable
from bot.conversation.state import Silence
from bot.language import Language
from bot.store.session import Database, insert_unless_there
from bot.store.tables import (
    AttendanceMark,
    BarrierFound,
    Conversation,
    Guardian,
    Import,
    JobRun,
    Outreach,
    School,
)
from bot.vocabulary import NotContacted, Outcome, Owner, Purpose

_log = structlog.get_logger(__name__)

# A school that looks this empty more likely forgot to take attendance, or is closed (AT-8).
_BRAKE_SHARE = 0.25
# The share means nothing in a school of a handful.
_BRAKE_FEWEST = 10


@dataclass(frozen=True)
class Household:
    """One check-in: a guardian, a number, and every absent student it is about."""

    guardian_id: int
    guardian: str
    phone_id: int
    language: Language
    students: tuple[AbsentStudent, ...]

    @property
    def school_id(self) -> int:
        """The school that speaks: the first student's. The text names every school it is about."""
        return self.students[0].school_id


@dataclass(frozen=True)
class Plan:
    """What the morning would do. Every absent student is in exactly one of the lists."""

    day: date
    households: tuple[Household, ...] = ()
    not_contacted: tuple[tuple[AbsentStudent, NotContacted], ...] = ()
    held: tuple[tuple[AbsentStudent, str], ...] = ()
    told_already: tuple[AbsentStudent, ...] = ()
    asked_before: tuple[AbsentStudent, ...] = ()


def plan(
    session: Session, day: date, *, script: Script, now: datetime, schools: Collection[int] | None = None
) -> Plan:
    """Decide for every absent student of *day* at these schools; changes nothing.

    The dry run prints this, and the run does this: they cannot disagree.
    """
    if schools is None:
        schools = session.scalars(select(School.id).where(School.active)).all()
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
    _hold(session, day, sorted_out)
    _group(session, day, sorted_out, script, now)
    return Plan(
        day,
        tuple(sorted_out.households),
        tuple(sorted_out.not_contacted),
        tuple(sorted_out.held),
        tuple(sorted_out.told_already),
        tuple(sorted_out.asked_before),
    )


class _Sorted:
    """The lists a plan is made of, while they are being filled."""

    def __init__(self) -> None:
        self.open: list[AbsentStudent] = []
        self.households: list[Household] = []
        self.not_contacted: list[tuple[AbsentStudent, NotContacted]] = []
        self.held: list[tuple[AbsentStudent, str]] = []
        self.told_already: list[AbsentStudent] = []
        self.asked_before: list[AbsentStudent] = []


def _asked(session: Session, day: date) -> set[int]:
    return set(
        session.scalars(
            select(Outreach.student_id).where(Outreach.day == day, Outreach.purpose == Purpose.CHECK_IN)
        )
    )


def _told(session: Session, day: date) -> set[int]:
    """Students whose family has written a reason today, before anybody asked."""
    return set(
        session.scalars(
            select(BarrierFound.student_id)
            .join(Conversation, Conversation.id == BarrierFound.conversation_id)
            .where(Conversation.day == day)
        )
    )


def _hold(session: Session, day: date, out: _Sorted) -> None:
    """Hold a school that does not teach today, or that looks wholly absent: a person must look first."""
    enrolled = attendance.enrolled(session)
    by_school: dict[int, list[AbsentStudent]] = defaultdict(list)
    for student in out.open:
        by_school[student.school_id].append(student)
    out.open = []
    absent_by_school: dict[int, int] = defaultdict(int)
    for student in attendance.absent(session, day, list(by_school)):
        absent_by_school[student.school_id] += 1
    for school, students in sorted(by_school.items()):
        many = absent_by_school[school]
        if not attendance.is_school_day(session, school, day):
            out.held += [(student, "the school calendar has no school on this day") for student in students]
        elif many >= _BRAKE_FEWEST and many > _BRAKE_SHARE * enrolled.get(school, 0):
            why = f"{many} of {enrolled.get(school, 0)} students are marked absent: check the file first"
            out.held += [(student, why) for student in students]
        else:
            out.open += students


def _group(session: Session, day: date, out: _Sorted, script: Script, now: datetime) -> None:
    """Pick the first textable guardian of each student, and give each guardian one text for all of them."""
    found = consent.reachable(session, [student.id for student in out.open])
    busy = _busy(session, day)
    households: dict[int, list[AbsentStudent]] = defaultdict(list)
    chosen: dict[int, Reachable] = {}
    phones: dict[int, int] = {}  # one number has one check-in a day, whoever of the household holds it
    for student in out.open:
        reachable = found[student.id]
        if isinstance(reachable, NotContacted):
            out.not_contacted.append((student, reachable))
            continue
        if _outside_window(session, student.school_id, day, script, now):
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
        chosen.setdefault(guardian.guardian_id, guardian)
        phones[chosen[guardian.guardian_id].phone_id] = guardian.guardian_id
        households[guardian.guardian_id].append(student)
    names = _names(session, list(households))
    for guardian_id, students in households.items():
        one = chosen[guardian_id]
        out.households.append(
            Household(guardian_id, names[guardian_id], one.phone_id, one.language, tuple(students))
        )


def _busy(session: Session, day: date) -> dict[int, Owner]:
    """Numbers that were asked today, or with whose holder a person is talking."""
    rows = session.execute(
        select(Conversation.phone_id, Conversation.owner)
        .outerjoin(Outreach, (Outreach.conversation_id == Conversation.id) & (Outreach.day == day))
        .where((Outreach.id.is_not(None)) | (Conversation.owner == Owner.STAFF))
    )
    return {phone: owner for phone, owner in rows}


def _outside_window(session: Session, school_id: int, day: date, script: Script, now: datetime) -> bool:
    """Whether the day's window has closed; before it opens a text is queued for its opening."""
    zone = handoffs.zone_of(session, school_id)
    return now >= script.policy.automatic(zone).on(day)[1]


def _names(session: Session, guardians: Collection[int]) -> dict[int, str]:
    rows = session.execute(
        select(Guardian.id, Guardian.given_name, Guardian.family_name).where(Guardian.id.in_(guardians))
    )
    return {id_: f"{given} {family}" for id_, given, family in rows}


# --- the run -------------------------------------------------------------------------------------------


def run(session: Session, planned: Plan, *, script: Script, now: datetime) -> None:
    """Do what was planned, in the caller's transaction: queue one check-in for each household.

    Running it again changes nothing: a student who was asked is in nobody's plan any more, and the
    key of the outreach forbids a second one (promise 2).
    """
    _enter_ledger(session, planned, now)
    openings = _openings(session, planned)
    for household in planned.households:
        conversation = open_conversation(
            session,
            phone_id=household.phone_id,
            guardian_id=household.guardian_id,
            school_id=household.school_id,
            students=[student.id for student in household.students],
            day=planned.day,
            language=household.language,
            script=script,
            now=now,
        )
        session.add_all(
            Outreach(
                student_id=student.id,
                day=planned.day,
                purpose=Purpose.CHECK_IN,
                guardian_id=household.guardian_id,
                conversation_id=conversation,
                at=now,
            )
            for student in household.students
        )
        session.flush()
        begin(session, conversation, opening=openings[household.guardian_id], script=script, now=now)


def _openings(session: Session, planned: Plan) -> dict[int, str]:
    """Which words each household is met with: its first text says who writes; the second day says something new."""
    guardians = [household.guardian_id for household in planned.households]
    asked: dict[int, set[tuple[date, int]]] = defaultdict(set)
    for guardian, on, student in session.execute(
        select(Outreach.guardian_id, Outreach.day, Outreach.student_id).where(
            Outreach.guardian_id.in_(guardians), Outreach.day < planned.day
        )
    ):
        asked[guardian].add((on, student))
    openings = {}
    for household in planned.households:
        before = asked[household.guardian_id]
        yesterday = attendance.last_school_day(session, household.school_id, planned.day)
        again = any((yesterday, student.id) in before for student in household.students)
        openings[household.guardian_id] = "first_check_in" if not before else "day_two" if again else ""
    return openings


def _enter_ledger(session: Session, planned: Plan, now: datetime) -> None:
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
    # A newer file may call absent again whom an older one had taken back.
    entries += [(s, Outcome.ATTEMPTED, None) for s in planned.asked_before]
    for student, outcome, why in entries:
        before = known.get(student.id)
        if before is Outcome.PRESENT_CORRECTED:
            ledger.record(
                session, [student.id], planned.day, outcome, now, not_contacted=why, instead_of=(before,)
            )
        elif before is not None and before is not outcome and student not in planned.asked_before:
            ledger.record(session, [student.id], planned.day, outcome, now, not_contacted=why)
    ledger.fill_gaps(session, planned.day, now)


def run_due(database: Database, *, script: Script, now: datetime) -> list[int]:
    """The scheduler's tick: run the morning of every school whose time has come and whose file is here.

    A school is run again only when a newer attendance file has arrived. The schools that are due
    together are asked together, so that siblings share a text. Returns the schools that were run.
    """
    with database.begin() as session:
        due = [school for school in _schools_due(session, now) if _claim(session, "morning", *school, now)]
        for day in sorted({day for _, day in due}):
            schools = [school for school, of_day in due if of_day == day]
            run(session, plan(session, day, script=script, now=now, schools=schools), script=script, now=now)
            _log.info("morning run", day=str(day), schools=schools)
    return [school for school, _ in due]


def _schools_due(session: Session, now: datetime) -> list[tuple[int, date]]:
    due = []
    for school in session.scalars(select(School).where(School.active).order_by(School.id)):
        zone = ZoneInfo(school.zone)
        today = school_day(now, zone)
        if (
            instant(today, school.morning_at, zone) <= now
            and attendance.is_school_day(session, school.id, today)
            and _newest_file(session, today, zone) is not None
        ):
            due.append((school.id, today))
    return due


def _newest_file(session: Session, day: date, zone: ZoneInfo) -> datetime | None:
    """When the newest attendance file of *day* came; None while there is none, so that nobody is asked."""
    newest: datetime | None = session.scalar(
        select(func.max(Import.applied_at))
        .join(AttendanceMark, AttendanceMark.import_id == Import.id)
        .where(AttendanceMark.day == day)
    )
    applied: datetime | None = session.scalar(
        select(func.max(Import.applied_at)).where(Import.kind == "attendance")
    )
    if applied is not None and school_day(applied, zone) == day:
        return max(applied, newest or applied)
    return newest


def _claim(session: Session, job: str, school_id: int, day: date, now: datetime) -> bool:
    """True for exactly one scheduler: the unique row decides, whoever else is running (CT-10)."""
    key = ("job", "school_id", "day")
    values = {"job": job, "school_id": school_id, "day": day, "at": now}
    first = session.scalar(insert_unless_there(session, JobRun, key, values).returning(JobRun.at))
    if first is not None:
        return True
    done = session.get_one(JobRun, (job, school_id, day), with_for_update=True, populate_existing=True)
    school = session.get_one(School, school_id)
    newest = _newest_file(session, day, ZoneInfo(school.zone))
    if newest is None or newest <= done.at:
        return False
    done.at = now
    return True


# --- silence ---------------------------------------------------------------------------------------------


def take_silences(database: Database, *, script: Script, now: datetime, most: int = 200) -> int:
    """Give every question that was left unanswered for its time the answer `silence`."""
    with database.begin() as session:
        due = session.scalars(
            select(Conversation.id)
            .where(Conversation.silence_at <= now, Conversation.owner == Owner.BOT)
            .order_by(Conversation.silence_at)
            .limit(most)
        ).all()
    for conversation_id in due:
        with database.begin() as session:
            conversation = session.get_one(Conversation, conversation_id, with_for_update=True)
            if conversation.silence_at is None or conversation.silence_at > now:
                continue  # the family answered between the two transactions
            advance(session, conversation_id, Silence(), script=script, now=now)
    return len(due)
