"""Past mornings played again with simulated families and staff, each promise checked at the end of each day."""

import csv
import itertools
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import answering, arrivals, attendance, delivery, inbound, ladder, ledger, outreach
from bot.advance import Script
from bot.clock import instant
from bot.ledger import Counts
from bot.provider.simulator import Simulator
from bot.roster import import_attendance, import_roster
from bot.store import migrate
from bot.store.session import Database, connect
from bot.store.tables import (
    Absence,
    AttendanceMark,
    CallOutcome,
    ConsentEvent,
    ConsentKind,
    Conversation,
    ConversationStudent,
    Handoff,
    HandoffState,
    InboundText,
    LadderStep,
    OutboundText,
    Phone,
    School,
    Staff,
    StaffSchool,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Owner, Purpose, Role, Step

# How simulated families behave. Most answer; some again; a webhook now and then comes twice.
_ANSWERS = 0.7
_ANSWERS_AGAIN = 0.5
_COMES_TWICE = 0.1
_DIGITS = 0.3


@dataclass(frozen=True)
class Year:
    """The files a year is played from."""

    roster: Path
    contacts: Path
    calendar: Path
    attendance: Path
    replies: Path


@dataclass
class Summary:
    """What a replay saw. `broken` names every promise that did not hold, with the day."""

    days: int = 0
    absent: int = 0
    accounted_for: int = 0
    texts: int = 0
    answers: int = 0
    handoffs: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        share = 100 * self.accounted_for / self.absent if self.absent else 100.0
        outcomes = ", ".join(
            f"{outcome.value} {self.outcomes[outcome]}" for outcome in Outcome if self.outcomes[outcome]
        )
        found = [
            f"{self.days} school days: {self.absent} absences, {self.accounted_for} accounted for ({share:.0f} %)",
            f"{self.texts} texts sent, {self.answers} answers, {self.handoffs} handoffs",
            f"outcomes: {outcomes}",
        ]
        if not self.broken:
            return [
                *found,
                "every promise held: nobody dropped, nobody texted twice, nobody texted who may not be",
            ]
        return [*found, f"{len(self.broken)} promises broken:", *(f"  {line}" for line in self.broken)]


@contextmanager
def scratch_database(migrations: Path) -> Iterator[Database]:
    """An empty database that is gone afterwards: a rehearsal never touches the real one."""
    with tempfile.TemporaryDirectory(prefix="presente-") as folder:
        database = Database(connect(f"sqlite:///{folder}/rehearsal.db"))
        migrate.upgrade(database.engine, migrations)
        try:
            yield database
        finally:
            database.close()


def replay(
    database: Database,
    year: Year,
    first: date,
    last: date,
    *,
    script: Script,
    understanding: Understanding,
    zone: str,
    morning_at: time,
    seed: int,
    say: Callable[[str], None],
) -> Summary:
    """Play every school day from *first* to *last* and check the promises at the end of each.

    Simulated families answer in their languages with texts of `year.replies`; simulated staff answer
    what is handed off. *say* gets a line for each day. The same seed plays the same year.
    """
    chance = random.Random(seed)
    where = ZoneInfo(zone)
    start = instant(first - timedelta(days=7), time(12), where)
    with database.begin() as session:
        import_roster(
            session,
            year.roster,
            contacts=year.contacts,
            calendar=year.calendar,
            zone=zone,
            morning_at=morning_at,
            now=start,
        )
        staff = _a_specialist(session)
        days = attendance.school_days(session, first, last)
    town = _Town(database, script, understanding, _answers(year.replies), chance, staff, start)
    summary = Summary()
    say(_HEADER)
    for day in days:
        _play(town, year, day, instant(day, morning_at, where))
        counts = _check(town, day, where, summary)
        say(_row(day, counts, town))
    return summary


_HEADER = "day         absent  asked  answers  handoffs  accounted for  outcomes"


def _row(day: date, counts: Counts, town: "_Town") -> str:
    outcomes = ", ".join(f"{outcome.value} {number}" for outcome, number in counts.outcomes.items())
    return (
        f"{day}  {counts.absent:6d} {town.asked:6d} {town.answers:8d} {town.handoffs:9d} "
        f"{counts.accounted_for:14d}  {outcomes}"
    )


def _answers(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["lang"]].append(row["text"])
    return found


def _a_specialist(session: Session) -> int:
    member = Staff(
        email="specialist@example.org",
        name="Ms. Rivera",
        role=Role.SPECIALIST,
        password_hash="",
        active=True,
    )
    session.add(member)
    session.flush()
    session.add_all(
        StaffSchool(staff_id=member.id, school_id=school) for school in session.scalars(select(School.id))
    )
    return member.id


# --- one day -------------------------------------------------------------------------------------------


class _Town:
    """The simulated district: its phones, its clock, and what happened today."""

    def __init__(
        self,
        database: Database,
        script: Script,
        understanding: Understanding,
        answers: dict[str, list[str]],
        chance: random.Random,
        staff: int,
        start: datetime,
    ) -> None:
        self.database, self.script, self.understanding = database, script, understanding
        self.replies, self.chance, self.staff = answers, chance, staff
        self.provider = Simulator()
        self.now = start
        self._sids = itertools.count(1)
        self.read_to = 0
        self.asked = self.answers = self.handoffs = 0

    def clock(self) -> datetime:
        return self.now

    def work(self) -> None:
        """What a worker does until nothing is left."""
        while (
            inbound.take_turns(
                self.database, script=self.script, understanding=self.understanding, now=self.now
            )
            + delivery.send_due(self.database, self.provider, script=self.script, clock=self.clock)
            + delivery.fetch_receipts(self.database, self.provider, script=self.script, clock=self.clock)
        ):
            continue

    def climbs(self) -> None:
        """The ladder's steps that are due, by two schedulers: the second must find nothing left to do."""
        for _ in range(2):
            ladder.climb(self.database, script=self.script, now=self.now)
        self.work()

    def families_answer(self, eagerness: float) -> None:
        """Families read what has reached their phones, and some write back."""
        unread = self.provider.book[self.read_to :]
        self.read_to = len(self.provider.book)
        for number in dict.fromkeys(text.to for text in unread):
            if self.chance.random() < eagerness:
                self.write(number, self.words_of(number))

    def words_of(self, number: str) -> str:
        if self.chance.random() < _DIGITS:
            return str(self.chance.randint(1, 6))
        with self.database.begin() as session:
            language = session.scalar(
                select(Conversation.language)
                .join(Phone, Phone.id == Conversation.phone_id)
                .where(Phone.number == number)
                .order_by(Conversation.id.desc())
                .limit(1)
            )
        return self.chance.choice(
            self.replies.get(language.value if language else "en") or self.replies["en"]
        )

    def write(self, number: str, words: str) -> None:
        sid = f"SM{next(self._sids):032x}"
        self.answers += 1
        for _ in range(2 if self.chance.random() < _COMES_TWICE else 1):
            with self.database.begin() as session:
                arrivals.receive(session, provider_sid=sid, sender=number, words=words, now=self.now)

    def staff_answer(self) -> None:
        """A specialist works the queue: takes, writes or calls, and sees most cases through."""
        with self.database.begin() as session:
            waiting = list(
                session.scalars(
                    select(Handoff.conversation_id)
                    .where(Handoff.state != HandoffState.RESOLVED)
                    .distinct()
                    .order_by(Handoff.conversation_id)
                )
            )
        self.handoffs += len(waiting)
        for conversation in waiting:
            with self.database.begin() as session:
                self._answer_one(session, conversation)

    def _answer_one(self, session: Session, conversation: int) -> None:
        cannot = answering.cannot_text_because(session, conversation)
        if not cannot and self.chance.random() < 0.5:
            answering.reply(
                session,
                conversation,
                self.staff,
                "This is Ms. Rivera. How can I help?",
                script=self.script,
                now=self.now,
            )
        else:
            outcome = self.chance.choice(list(CallOutcome)[:3])
            answering.log_call(session, conversation, self.staff, outcome, "", now=self.now)
        if self.chance.random() < 0.8:
            answering.resolve(
                session,
                conversation,
                self.staff,
                "seen through",
                accounted_for=self.chance.random() < 0.7,
                now=self.now,
            )


def _play(town: _Town, year: Year, day: date, opens: datetime) -> None:
    town.now = opens
    town.asked = town.answers = town.handoffs = 0
    with town.database.begin() as session:
        import_attendance(session, year.attendance, through=day, now=town.now)
    outreach.run_due(town.database, script=town.script, now=town.now)
    # A second scheduler, and a clerk who runs it by hand as well: both must be harmless.
    outreach.run_due(town.database, script=town.script, now=town.now)
    with town.database.begin() as session:
        again = outreach.plan(session, day, script=town.script, now=town.now)
        outreach.run(session, again, script=town.script, now=town.now)
    town.climbs()
    for minutes, eagerness in (
        (4, _ANSWERS),
        (9, _ANSWERS_AGAIN),
        (30, 0.3),
        (95, 0.5),
        (100, 0.4),
        (125, 0.4),
        (190, 0.2),
    ):
        town.now = opens + timedelta(minutes=minutes)
        town.climbs()
        outreach.take_silences(town.database, script=town.script, now=town.now)
        town.work()
        town.families_answer(eagerness)
        town.work()
    town.now = opens + timedelta(hours=4)
    town.staff_answer()
    town.work()
    town.families_answer(0.3)
    town.work()
    town.now = opens + timedelta(hours=6)
    town.climbs()
    town.now = opens + timedelta(hours=12)
    outreach.take_silences(town.database, script=town.script, now=town.now)
    town.work()


# --- the promises, at the end of a day ---------------------------------------------------------------------


def _check(town: _Town, day: date, zone: ZoneInfo, summary: Summary) -> Counts:
    begins, ends = instant(day, time(0), zone), instant(day + timedelta(days=1), time(0), zone)
    with town.database.begin() as session:
        gaps = ledger.fill_gaps(session, day, town.now)
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
            *within_hours(sent, town.script, zone, day),
            *_consent_kept(session, sent),
            *_once_heard(session, begins, ends),
        ]
    town.asked = sum(text.purpose is Purpose.CHECK_IN for text in sent)
    summary.days += 1
    summary.absent += counts.absent
    summary.accounted_for += counts.accounted_for
    summary.texts += len(sent)
    summary.answers += town.answers
    summary.handoffs += town.handoffs
    summary.outcomes.update(counts.outcomes)
    summary.broken += [f"{day}: {line}" for line in broken]
    return counts


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
