"""No text leaves that may not: over random histories of families, carriers, courts, calendars and clocks.

The judge of this file is the provider: at each hand-over it asks its own account of what has happened,
written here a second time and knowing nothing of how consent is stored.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from bot import consent, delivery, outbox, stopping
from bot.advance import Script
from bot.clock import instant
from bot.consent import Facts, Later, Leave, Refusal
from bot.conversation.state import NotStarted, to_json
from bot.language import Language
from bot.policy import Policy
from bot.provider import Accepted, Outgoing
from bot.provider.simulator import Simulator
from bot.store.session import Database, connect
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Channel,
    ConsentEvent,
    ConsentKind,
    Conversation,
    ConversationStudent,
    GuardianPhone,
    Guardianship,
    OutboundText,
    Phone,
    PhoneState,
    TextState,
)
from bot.texts import Rendered
from bot.vocabulary import Owner, Purpose, PurposeClass
from tests.builders import NOW, a_guardian, a_phone, a_school, a_staff_member, a_student, absent, number_of

HARTFORD = ZoneInfo("America/New_York")
# The clocks went back on Sunday 7 November 2021 and forward on Sunday 13 March 2022.
MORNINGS = [date(2021, 11, d) for d in (4, 5, 8, 9)] + [date(2022, 3, d) for d in (10, 11, 14, 15)]
POLICY = Policy()
EVENTS = (
    "stop_or_start",
    "told_staff_to_stop",
    "a_stranger_answers",
    "a_doubtful_wish",
    "the_carrier_gives_it_up",
    "it_is_a_landline",
    "a_court_orders",
    "the_file_loses_it",
    "a_child_is_muted",
    "marked_present",
    "a_person_takes_over",
)


@dataclass
class Account:
    """What has happened, as the judge remembers it."""

    now: datetime
    opted_out: set[str] = field(default_factory=set)
    by_staff: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    suspended: set[str] = field(default_factory=set)
    landlines: set[str] = field(default_factory=set)
    courts: set[str] = field(default_factory=set)
    muted: set[tuple[str, Purpose]] = field(default_factory=set)
    not_on_file: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    no_school: set[date] = field(default_factory=set)
    with_staff: set[str] = field(default_factory=set)
    stopped: bool = False
    automated: dict[tuple[str, date], int] = field(default_factory=dict)

    def forbids(  # noqa: C901 - a list of reasons, each on its own line
        self, number: str, purpose: Purpose, day: date, not_after: datetime, by_staff: bool
    ) -> str:
        """Why this text must not be on its way at this moment; "" when it may."""
        here = self.now.astimezone(HARTFORD)
        if self.now >= not_after:
            return "too late"
        if self.stopped and purpose is not Purpose.SAFETY:
            return "the stop button is pressed"
        if number in self.landlines:
            return "a landline"
        if purpose is Purpose.CONSENT:
            return ""
        if number in self.opted_out or number in self.wrong or number in self.suspended:
            return "the number is closed"
        if purpose is Purpose.SAFETY:
            return ""
        if number in self.held and not by_staff:
            return "held for a person"
        if number in self.courts:
            return "a court order"
        if number in self.with_staff and not by_staff:
            return "a person speaks with the family"
        if purpose is Purpose.REPLY:
            return "" if time(8) <= here.time() < time(21) else "at night"
        if not time(8) <= here.time() < time(18):
            return "outside the window"
        if here.date() != day or here.date() in self.no_school or here.weekday() >= 5:
            return "not its school day"
        if number in self.present:
            return "not absent any more"
        if (number, purpose) in self.muted:
            return "muted"
        if number in self.not_on_file:
            return "the number is not the guardian's"
        return "" if self.automated.get((number, here.date()), 0) < 2 else "the third of a day"


class Judge(Simulator):
    """Takes every text, and remembers each that should never have come."""

    def __init__(self, machine: "Histories") -> None:
        super().__init__()
        self.machine = machine
        self.wrongs: list[str] = []
        self.tokens: list[str] = []

    def send(self, text: Outgoing) -> Accepted:
        account = self.machine.account
        number, purpose, _, not_after, by_staff = self.machine.queued[text.token]
        day = self.machine.day
        why = account.forbids(number, purpose, day, not_after, by_staff)
        if why:
            self.wrongs.append(f"{purpose.value}: {why}")
        if text.token in self.tokens:
            self.wrongs.append("twice")
        if timedelta(seconds=text.valid_seconds) > not_after - account.now:
            self.wrongs.append("the provider may keep it for too long")
        self.tokens.append(text.token)
        if purpose in (Purpose.CHECK_IN, Purpose.REMINDER):
            key = (number, account.now.astimezone(HARTFORD).date())
            account.automated[key] = account.automated.get(key, 0) + 1
        return super().send(text)


class Histories(RuleBasedStateMachine):
    """Families, carriers, courts, staff and the clock, in any order; texts of every purpose are queued all along."""

    script: Script
    template: bytes

    @initialize(day=st.sampled_from(MORNINGS))
    def a_town(self, day: date) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "door.db"
        path.write_bytes(self.template)
        self.database = Database(connect(f"sqlite:///{path}"))
        self.account = Account(instant(day, time(9, 30), HARTFORD))
        self.queued: dict[str, tuple[str, Purpose, date, datetime, bool]] = {}
        self.judge = Judge(self)
        self.talks: dict[str, int] = {}
        with self.database.begin() as session:
            school = a_school(session, weeks=40)
            self.staff = a_staff_member(session, school).id
            self.school = school.id
            for name in ("Maya", "Luis"):
                student = a_student(session, school, name)
                guardian = a_guardian(session, student)
                number = number_of(session, guardian)
                for each in MORNINGS:
                    absent(session, student, day=each)
                self.talks[number] = self._talk(session, number, guardian.id, student.id, day)
        self.day = day

    def _talk(self, session: Session, number: str, guardian: int, student: int, day: date) -> int:
        conversation = Conversation(
            phone_id=a_phone(session, number).id,
            guardian_id=guardian,
            school_id=self.school,
            day=day,
            flow="absence_check",
            flow_version="",
            language=Language.ENGLISH,
            state=to_json(NotStarted(())),
            owner=Owner.BOT,
            opened_at=self.account.now,
            touched_at=self.account.now,
        )
        session.add(conversation)
        session.flush()
        session.add(ConversationStudent(conversation_id=conversation.id, student_id=student))
        return conversation.id

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self._folder.cleanup()

    # --- what happens ---------------------------------------------------------------------------------------

    @rule(
        which=st.integers(0, 1),
        wait=st.sampled_from([0, 0, 0, 30, 240]),
        good_for=st.sampled_from([5, 600, 900]),
    )
    def texts_are_queued(self, which: int, wait: int, good_for: int) -> None:
        """One of every purpose, and a person's own words."""
        number = sorted(self.talks)[which]
        not_before = self.account.now + timedelta(minutes=wait)
        not_after = not_before + timedelta(minutes=good_for)
        with self.database.begin() as session:
            for purpose, by_staff in [*((purpose, False) for purpose in Purpose), (Purpose.REPLY, True)]:
                token = f"{len(self.queued):032x}"
                self.queued[token] = (number, purpose, self.day, not_after, by_staff)
                outbox.queue(
                    session,
                    Rendered("hello", "hello", Language.ENGLISH, 1),
                    conversation_id=self.talks[number],
                    phone_id=a_phone(session, number).id,
                    purpose=purpose,
                    law=POLICY.law(purpose),
                    not_before=not_before,
                    not_after=not_after,
                    now=self.account.now,
                    staff_id=self.staff if by_staff else None,
                    token=token,
                )

    @rule(ahead=st.integers(1, 3))
    def another_morning_comes(self, ahead: int) -> None:
        """Each with its own marks; what was queued for an older day must not leave any more."""
        later = [day for day in MORNINGS if day > self.day][:ahead]
        if not later:
            return
        self.day = later[-1]
        self.account.now = max(self.account.now, instant(self.day, time(9, 30), HARTFORD))
        self.account.present.clear()
        with self.database.begin() as session:
            session.execute(update(Conversation).values(day=self.day))

    @rule(minutes=st.sampled_from([1, 20, 90, 400, 700, 1440, 3000]))
    def time_passes(self, minutes: int) -> None:
        self.account.now += timedelta(minutes=minutes)

    @rule(which=st.integers(0, 1), what=st.sampled_from(EVENTS), on=st.booleans())
    def something_happens(self, which: int, what: str, on: bool) -> None:
        """To one family; a rule of its own for each would leave too few texts between them."""
        number = sorted(self.talks)[which]
        with self.database.begin() as session:
            talk = session.get_one(Conversation, self.talks[number])
            students = select(ConversationStudent.student_id).where(
                ConversationStudent.conversation_id == talk.id
            )
            getattr(self, f"_{what}")(session, number, talk, session.scalars(students).one(), on)

    def _stop_or_start(self, session: Session, number: str, talk: Conversation, _: int, on: bool) -> None:
        """LAW-16: START gives back only what STOP ended, and not what staff took down."""
        if on:
            consent.opt_out(session, talk.phone_id, "family", self.account.now)
            self.account.opted_out.add(number)
        else:
            consent.opt_in(session, talk.phone_id, "family", self.account.now)
            if number not in self.account.by_staff:
                self.account.opted_out.discard(number)
                self.account.held.discard(number)

    def _told_staff_to_stop(
        self, session: Session, number: str, talk: Conversation, _: int, on: bool
    ) -> None:
        change = consent.opt_out if on else consent.opt_in
        change(session, talk.phone_id, "staff", self.account.now)
        for known in (self.account.opted_out, self.account.by_staff):
            (known.add if on else known.discard)(number)
        if not on:
            self.account.held.discard(number)

    def _a_stranger_answers(
        self, session: Session, number: str, talk: Conversation, _: int, on: bool
    ) -> None:
        if on:
            consent.mark_wrong_number(session, talk.phone_id, "family", self.account.now)
            self.account.wrong.add(number)

    def _a_doubtful_wish(self, session: Session, number: str, talk: Conversation, _: int, on: bool) -> None:
        if on:
            consent.hold(session, talk.phone_id, self.account.now)
        else:
            consent.release(session, talk.phone_id, self.account.now, staff_id=self.staff)
        (self.account.held.add if on else self.account.held.discard)(number)

    def _the_carrier_gives_it_up(
        self, session: Session, number: str, talk: Conversation, _: int, on: bool
    ) -> None:
        if on:
            consent.suspend(session, talk.phone_id, self.account.now)
        else:
            consent.confirm(session, talk.phone_id, self.account.now, staff_id=self.staff)
        (self.account.suspended.add if on else self.account.suspended.discard)(number)

    def _it_is_a_landline(self, session: Session, number: str, talk: Conversation, _: int, on: bool) -> None:
        if on and number not in self.account.wrong:
            consent.mark_line(session, talk.phone_id, PhoneState.LANDLINE)
            self.account.landlines.add(number)

    def _a_court_orders(self, session: Session, number: str, talk: Conversation, _: int, on: bool) -> None:
        session.execute(
            update(Guardianship).where(Guardianship.guardian_id == talk.guardian_id).values(court_order=on)
        )
        (self.account.courts.add if on else self.account.courts.discard)(number)

    def _the_file_loses_it(self, session: Session, number: str, talk: Conversation, _: int, on: bool) -> None:
        session.execute(
            update(GuardianPhone).where(GuardianPhone.phone_id == talk.phone_id).values(active=not on)
        )
        (self.account.not_on_file.add if on else self.account.not_on_file.discard)(number)

    def _a_child_is_muted(
        self, session: Session, number: str, talk: Conversation, student: int, on: bool
    ) -> None:
        assert talk.guardian_id is not None
        change = consent.mute if on else consent.unmute
        change(session, talk.guardian_id, student, Purpose.REMINDER, self.account.now, staff_id=self.staff)
        (self.account.muted.add if on else self.account.muted.discard)((number, Purpose.REMINDER))

    def _marked_present(self, session: Session, number: str, _: Conversation, student: int, on: bool) -> None:
        session.execute(
            update(AttendanceMark)
            .where(AttendanceMark.student_id == student, AttendanceMark.day == self.day)
            .values(superseded_at=self.account.now if on else None)
        )
        (self.account.present.add if on else self.account.present.discard)(number)

    def _a_person_takes_over(
        self, session: Session, number: str, talk: Conversation, _: int, on: bool
    ) -> None:
        """Promise 3."""
        talk.owner, talk.staff_id = (Owner.STAFF, self.staff) if on else (Owner.BOT, None)
        session.flush()
        (self.account.with_staff.add if on else self.account.with_staff.discard)(number)

    @rule(day=st.sampled_from(MORNINGS))
    def there_is_no_school(self, day: date) -> None:
        with self.database.begin() as session:
            session.execute(update(CalendarDay).where(CalendarDay.day == day).values(instructional=False))
        self.account.no_school.add(day)

    @rule(stop=st.booleans())
    def the_button_is_pressed(self, stop: bool) -> None:
        with self.database.begin() as session:
            press = stopping.stop if stop else stopping.go
            press(session, by="Ms. Rivera", reason="wrong roster", now=self.account.now)
        self.account.stopped = stop

    @invariant()
    def nothing_leaves_that_may_not(self) -> None:
        """The sender works after every event."""
        if hasattr(self, "talks"):
            delivery.send_due(self.database, self.judge, script=self.script, clock=lambda: self.account.now)
            assert self.judge.wrongs == []


def test_no_text_leaves_that_may_not_over_any_history(script: Script, sqlite_template: bytes) -> None:
    """Promises 3, 4, 5 and 8; LAW-10, LAW-11, LAW-16, LAW-21, LAW-43, TW-45, TW-72; CT-2 over both clock changes."""

    class Played(Histories):
        pass

    Played.script, Played.template = script, sqlite_template
    Played.TestCase.settings = _settings()
    Played.TestCase().runTest()


def _settings() -> settings:
    return settings(max_examples=40, stateful_step_count=40, deadline=None)


# --- the judgement by itself ----------------------------------------------------------------------------


MOMENTS = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2021, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def facts(**changes: object) -> Facts:
    told: dict[str, object] = {
        "purpose": Purpose.CHECK_IN,
        "law": PurposeClass.MISSION,
        "by_staff": False,
        "channel": Channel.SMS,
        "not_after": NOW + timedelta(hours=4),
        "phone": PhoneState.TEXTABLE,
        "opted_out": False,
        "held": False,
        "suspended": False,
        "zone": HARTFORD,
        "owner": Owner.BOT,
        "day": NOW.date(),
    }
    return Facts(**{**told, **changes})  # type: ignore[arg-type]


def test_a_text_that_may_leave_leaves_and_is_not_kept_past_the_window() -> None:
    """TW-45, LAW-23: accepted at 17:50, it must not arrive at night."""
    late = instant(NOW.date(), time(17, 50), HARTFORD)
    answer = consent.judge(facts(not_after=late + timedelta(hours=5)), POLICY, late)

    assert answer == Leave(instant(NOW.date(), time(18), HARTFORD))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"not_after": NOW}, Refusal.TOO_LATE),
        ({"phone": PhoneState.DEAD}, Refusal.DEAD),
        ({"phone": PhoneState.LANDLINE}, Refusal.LANDLINE),
        ({"phone": PhoneState.WRONG_NUMBER}, Refusal.WRONG_NUMBER),
        ({"opted_out": True}, Refusal.OPTED_OUT),
        ({"suspended": True}, Refusal.SUSPENDED),
        ({"held": True}, Refusal.HELD),
        ({"owner": Owner.STAFF}, Refusal.STAFF_OWNS),
        ({"barred": True}, Refusal.NO_CONTACT),
        ({"muted": True}, Refusal.MUTED),
        ({"theirs": False}, Refusal.NOT_ON_FILE),
        ({"teaches": False}, Refusal.NOT_A_SCHOOL_DAY),
        ({"day": date(2021, 10, 21)}, Refusal.OUTSIDE_WINDOW),
        ({"unexplained": False}, Refusal.NOT_ABSENT),
        ({"automated": 2}, Refusal.ENOUGH_TODAY),
    ],
)
def test_each_fact_closes_the_door_by_itself(changes: dict[str, object], why: Refusal) -> None:
    assert consent.judge(facts(**changes), POLICY, NOW) is why


def test_an_unexcused_absence_needs_no_consent_and_everything_else_goes_by_the_number_its_holder_gave() -> (
    None
):
    """LAW-1 to LAW-4: which of the two an unexplained absence is, the district decides; by default, the stricter."""
    assert POLICY.law(Purpose.CHECK_IN) is PurposeClass.MISSION
    assert Policy(unexplained_is_unexcused=True).law(Purpose.CHECK_IN) is PurposeClass.UNEXCUSED_ABSENCE
    assert Policy(unexplained_is_unexcused=True).law(Purpose.REPLY) is PurposeClass.MISSION
    assert POLICY.law(Purpose.SAFETY) is PurposeClass.EMERGENCY

    not_theirs = facts(theirs=False, law=PurposeClass.UNEXCUSED_ABSENCE)
    assert isinstance(consent.judge(not_theirs, POLICY, NOW), Leave)


@given(
    st.builds(
        facts,
        purpose=st.sampled_from(list(Purpose)),
        law=st.sampled_from(list(PurposeClass)),
        by_staff=st.booleans(),
        channel=st.sampled_from(list(Channel)),
        not_after=MOMENTS,
        phone=st.sampled_from(list(PhoneState)),
        opted_out=st.booleans(),
        held=st.booleans(),
        suspended=st.booleans(),
        owner=st.sampled_from([*Owner, None]),
        barred=st.booleans(),
        teaches=st.booleans(),
        automated=st.integers(0, 3),
    ),
    MOMENTS,
)
def test_the_door_always_has_an_answer_and_it_lies_ahead(text: Facts, now: datetime) -> None:
    match consent.judge(text, POLICY, now):
        case Later(not_before=opens):
            assert opens > now
        case Leave(until=until):
            assert now < until <= text.not_after
        case why:
            assert why.sentence


# --- the history ----------------------------------------------------------------------------------------


def test_what_was_said_is_kept_with_its_words_and_cannot_be_changed(database: Database) -> None:
    """LAW-16: the database itself refuses."""
    with database.begin() as session:
        phone = a_phone(session, "+12035550142").id
        staff = a_staff_member(session, a_school(session)).id
        consent.opt_out(session, phone, "staff", NOW, staff_id=staff, words="said so on the telephone")

    with database.begin() as session:
        event = session.scalars(select(ConsentEvent)).one()
        assert (event.kind, event.words, event.at) == (ConsentKind.OPT_OUT, "said so on the telephone", NOW)
    for change in ("UPDATE consent_events SET words = ''", "DELETE FROM consent_events"):
        with pytest.raises(DatabaseError, match="append only"), database.begin() as session:
            session.execute(text(change))


def test_start_does_not_undo_what_staff_took_down(database: Database) -> None:
    """LAW-16."""
    with database.begin() as session:
        phone = a_phone(session, "+12035550142").id
        consent.opt_out(session, phone, "staff", NOW)
        assert not consent.opt_in(session, phone, "family", NOW)
        assert session.get_one(Phone, phone, populate_existing=True).opted_out

        assert consent.opt_in(session, phone, "staff", NOW)
        assert not session.get_one(Phone, phone, populate_existing=True).opted_out


def test_a_text_between_a_claim_and_its_window_counts_once(database: Database) -> None:
    """The cap sees what was claimed a moment ago in the same batch: three are due, two leave."""
    with database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        guardian = a_guardian(session, student)
        number = number_of(session, guardian)
        absent(session, student)
        phone = a_phone(session, number).id
        talk = Conversation(
            phone_id=phone,
            guardian_id=guardian.id,
            school_id=school.id,
            day=NOW.date(),
            flow="absence_check",
            flow_version="",
            language=Language.ENGLISH,
            state=to_json(NotStarted(())),
            owner=Owner.BOT,
            opened_at=NOW,
            touched_at=NOW,
        )
        session.add(talk)
        session.flush()
        session.add(ConversationStudent(conversation_id=talk.id, student_id=student.id))
        for _ in range(3):
            outbox.queue(
                session,
                Rendered("hello", "hello", Language.ENGLISH, 1),
                conversation_id=talk.id,
                phone_id=phone,
                purpose=Purpose.REMINDER,
                law=PurposeClass.MISSION,
                not_before=NOW,
                not_after=NOW + timedelta(hours=1),
                now=NOW,
            )

    with database.begin() as session:
        batch = outbox.claim(session, POLICY, NOW)

    assert (len(batch.claimed), [each.why for each in batch.refused]) == (2, ["enough_today"])
    with database.begin() as session:
        states = sorted(session.scalars(select(OutboundText.state)))
    assert states == [TextState.CLAIMED, TextState.CLAIMED, TextState.NOT_SENT]
