"""The nine promises of the architecture, over any order of families, silences, repeats and staff actions."""

import itertools
import os
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot import answering, ledger
from bot.advance import Script
from bot.language import Language
from bot.store.session import Database, connect
from bot.store.tables import (
    AttendanceMark,
    CallOutcome,
    ConsentEvent,
    ConsentKind,
    Conversation,
    Guardianship,
    Handoff,
    HandoffState,
    InboundText,
    OutboundText,
    Outreach,
    Phone,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import Owner, Purpose, Queue, Urgency
from tests.builders import (
    FRIDAY,
    NOW,
    a_guardian,
    a_school,
    a_staff_member,
    a_student,
    absent,
    number_of,
)
from tests.town import Town

# What families of these tests write. The danger is unmistakable: the promise is about what follows.
DANGER = "my son says he wants to kill himself"
WORDS = st.sampled_from(
    [
        "she is sick",
        "no ride today",
        "1",
        "2",
        "3",
        "6",
        "no tenemos comida",
        "STOP",
        "please stop texting me",
        "START",
        "HELP",
        "wrong number",
        "she is at school",
        "can a person call me",
        "thank you",
        "asdfgh",
        "",
        "Maya",
        "español por favor",
        DANGER,
    ]
)
NAMES = ("Maya", "Luis", "Noor")
SURNAME = "Zzyzx"
SOAK = bool(os.environ.get("PRESENTE_SOAK"))


class Machine(RuleBasedStateMachine):
    """Three students, two of them sisters; two guardians; one specialist; one day, minute by minute."""

    script: Script
    understanding: Understanding
    template: bytes

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="presente-")
        path = Path(self.folder.name) / "promises.db"
        path.write_bytes(self.template)
        self.database = Database(connect(f"sqlite:///{path}"))
        self.town = Town(self.database, self.script, self.understanding)
        self.sids = itertools.count(1)
        self.last_text: tuple[str, str, str] | None = None
        self.heard_danger: set[str] = set()

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @initialize()
    def a_morning(self) -> None:
        with self.database.begin() as session:
            school = a_school(session)
            maya, luis, noor = (a_student(session, school, name, SURNAME) for name in NAMES)
            mother = a_guardian(session, maya, luis, name="Ana")
            father = a_guardian(session, noor, name="Omar", speaks="ar")
            self.numbers = [number_of(session, mother), number_of(session, father)]
            self.member = a_staff_member(session, school).id
            absent(session, maya, luis, noor)
        self.town.morning()

    def conversations(self) -> list[int]:
        with self.database.begin() as session:
            return list(session.scalars(select(Conversation.id).order_by(Conversation.id)))

    @rule(which=st.integers(0, 1), words=WORDS)
    def a_family_writes(self, which: int, words: str) -> None:
        sid = f"SM{next(self.sids):032d}"
        number = self.numbers[which]
        self.last_text = (number, words, sid)
        if words == DANGER:
            self.heard_danger.add(number)
        self.town.family_writes(number, words, sid=sid)

    @rule()
    def the_provider_repeats_itself(self) -> None:
        if self.last_text:
            number, words, sid = self.last_text
            before = len(self.town.provider.book)
            self.town.family_writes(number, words, sid=sid)
            assert len(self.town.provider.book) == before

    @rule(minutes=st.sampled_from([5, 20, 95]))
    def time_passes(self, minutes: int) -> None:
        if self.town.now + timedelta(minutes=minutes) < NOW + timedelta(hours=10):
            self.town.later(minutes)

    @rule()
    def the_morning_is_run_again(self) -> None:
        self.town.morning()

    @rule(which=st.integers(0, 5), act=st.sampled_from(["take", "reply", "return", "resolve", "call"]))
    def staff_act(self, which: int, act: str) -> None:
        conversations = self.conversations()
        if not conversations:
            return
        chosen = conversations[which % len(conversations)]
        try:
            with self.database.begin() as session:
                self._act(session, chosen, act)
        except answering.NotPossible:
            pass  # a person asked for something that cannot be done now, and read a sentence
        self.town.work()

    def _act(self, session: Session, chosen: int, act: str) -> None:
        script, now, me = self.script, self.town.now, self.member
        match act:
            case "take":
                answering.take(session, chosen, me, script=script, now=now)
            case "reply":
                answering.reply(session, chosen, me, "Hello, Ms. Rivera here.", script=script, now=now)
            case "return":
                answering.return_to_bot(session, chosen, me, script=script, now=now)
            case "resolve":
                answering.resolve(session, chosen, me, "all well", now=now)
            case _:
                answering.log_call(session, chosen, me, CallOutcome.VOICEMAIL, "", now=now)

    @rule()
    def a_student_comes_late(self) -> None:
        with self.database.begin() as session:
            mark = session.scalars(
                select(AttendanceMark).where(AttendanceMark.superseded_at.is_(None))
            ).first()
            if mark is not None:
                mark.superseded_at = self.town.now
                ledger.absence_withdrawn(session, [(mark.student_id, FRIDAY)], self.town.now)

    @rule()
    def a_court_order_arrives(self) -> None:
        with self.database.begin() as session:
            for guardianship in session.scalars(select(Guardianship)).all()[:1]:
                guardianship.court_order = True

    # What stays true

    @invariant()
    def nobody_is_dropped(self) -> None:
        """Promise 1."""
        if self.conversations():
            counts = self.town.ledger()
            assert counts.absent == sum(counts.outcomes.values()) == len(NAMES)

    @invariant()
    def one_text_once(self) -> None:
        """Promise 2."""
        tokens = [text.token for text in self.town.provider.book]
        assert len(tokens) == len(set(tokens))
        with self.database.begin() as session:
            twice = session.execute(
                select(Outreach.student_id)
                .group_by(Outreach.student_id, Outreach.day, Outreach.purpose, Outreach.guardian_id)
                .having(func.count() > 1)
            ).all()
            check_ins = session.execute(
                select(OutboundText.phone_id, func.count())
                .where(OutboundText.purpose == Purpose.CHECK_IN, OutboundText.state == TextState.SENT)
                .group_by(OutboundText.phone_id)
            ).all()
        assert not twice
        assert all(number == 1 for _, number in check_ins)

    @invariant()
    def one_owner(self) -> None:
        """Promise 3."""
        with self.database.begin() as session:
            stray = session.scalars(
                select(OutboundText.key)
                .join(Conversation, Conversation.id == OutboundText.conversation_id)
                .where(
                    Conversation.owner == Owner.STAFF,
                    OutboundText.staff_id.is_(None),
                    OutboundText.purpose != Purpose.SAFETY,
                    OutboundText.state == TextState.QUEUED,
                    OutboundText.not_before <= self.town.now,
                )
            ).all()
        assert not stray

    @invariant()
    def consent_at_the_door(self) -> None:
        """Promise 4: nothing but a confirmation leaves to a number after its opt-out."""
        with self.database.begin() as session:
            for phone in session.scalars(select(Phone)):
                last = session.execute(
                    select(ConsentEvent.kind, ConsentEvent.at)
                    .where(
                        ConsentEvent.phone_id == phone.id,
                        ConsentEvent.kind.in_([ConsentKind.OPT_OUT, ConsentKind.OPT_IN]),
                    )
                    .order_by(ConsentEvent.id.desc())
                    .limit(1)
                ).first()
                if last is None or last[0] is not ConsentKind.OPT_OUT:
                    continue
                left = session.scalars(
                    select(OutboundText.key).where(
                        OutboundText.phone_id == phone.id,
                        OutboundText.state == TextState.SENT,
                        OutboundText.claimed_at > last[1],
                        OutboundText.purpose != Purpose.CONSENT,
                    )
                ).all()
                assert not left

    @invariant()
    def within_the_hours(self) -> None:
        """Promise 5."""
        with self.database.begin() as session:
            late = session.scalars(
                select(OutboundText.id).where(
                    OutboundText.state == TextState.SENT, OutboundText.claimed_at >= OutboundText.not_after
                )
            ).all()
        assert not late

    @invariant()
    def once_heard_always_handled(self) -> None:
        """Promise 6."""
        with self.database.begin() as session:
            assert not session.scalars(select(InboundText.id).where(InboundText.handled_at.is_(None))).all()
            assert not session.scalars(select(Handoff.id).where(Handoff.why == "program_error")).all()

    @invariant()
    def danger_reaches_a_person(self) -> None:
        """Promise 7: a P0 handoff was opened for every number that wrote of danger."""
        with self.database.begin() as session:
            paged = set(
                session.scalars(
                    select(Phone.number)
                    .join(Conversation, Conversation.phone_id == Phone.id)
                    .join(Handoff, Handoff.conversation_id == Conversation.id)
                    .where(Handoff.urgency == Urgency.P0)
                )
            )
        assert self.heard_danger <= paged

    @invariant()
    def least_knowledge(self) -> None:
        """Promise 9: a first name and a school; never a surname, never another guardian's child."""
        if not hasattr(self, "numbers"):
            return
        mother, father = self.numbers
        for text in self.town.provider.book:
            assert SURNAME not in text.body
        assert not any("Noor" in text for text in self.town.texts_to(mother))
        assert not any("Maya" in text or "Luis" in text for text in self.town.texts_to(father))

    @invariant()
    def whoever_waits_has_somebody_to_wait_for(self) -> None:
        """A talk the bot has ended for a person has an open or resolved case; none hangs in the air."""
        with self.database.begin() as session:
            for conversation in session.scalars(select(Conversation)):
                if conversation.state.get("how") in ("with_a_person", "danger"):
                    cases = session.scalar(
                        select(func.count())
                        .select_from(Handoff)
                        .where(Handoff.conversation_id == conversation.id)
                    )
                    assert cases
                if conversation.owner is Owner.BOT:
                    assert conversation.silence_at is not None


def test_the_promises_hold_in_any_order_of_things(
    script: Script, understanding: Understanding, sqlite_template: bytes
) -> None:
    Machine.script, Machine.understanding, Machine.template = script, understanding, sqlite_template
    Machine.TestCase.settings = settings(
        max_examples=int(os.environ["PRESENTE_SOAK"]) if SOAK else 25,
        stateful_step_count=30 if SOAK else 18,
        deadline=None,
    )
    Machine.TestCase().runTest()


def test_a_resolved_handoff_has_a_resolver_by_constraint(database: Database) -> None:
    """Illegal states: the database itself refuses, whatever a program forgets."""
    with database.begin(undo=True) as session:
        school = a_school(session)
        student = a_student(session, school)
        a_guardian(session, student)
        conversation = Conversation(
            phone_id=session.scalars(select(Phone.id)).one(),
            day=FRIDAY,
            flow="absence_check",
            flow_version="x",
            language=Language.ENGLISH,
            state={},
            owner=Owner.NOBODY,
            opened_at=NOW,
            touched_at=NOW,
        )
        session.add(conversation)
        session.flush()
        session.add(
            Handoff(
                conversation_id=conversation.id,
                queue=Queue.ENGAGEMENT,
                urgency=Urgency.P2,
                why="question",
                state=HandoffState.RESOLVED,
                opened_at=NOW,
                due_at=NOW,
            )
        )
        with pytest.raises(IntegrityError):
            session.flush()
