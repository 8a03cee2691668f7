"""The simulated district of a rehearsal: its phones, its clock, families who answer and staff who help."""

import csv
import itertools
import random
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import answering, arrivals, delivery, inbound, ladder
from bot.advance import Script
from bot.provider.simulator import Simulator
from bot.store.session import Database
from bot.store.tables import (
    CallOutcome,
    Conversation,
    Handoff,
    HandoffState,
    Phone,
    School,
    Staff,
    StaffSchool,
)
from bot.understanding import Understanding
from bot.vocabulary import Role

# A webhook now and then comes twice, and some families answer with the digit of the menu.
_COMES_TWICE = 0.1
_DIGITS = 0.3


def replies_by_language(path: Path) -> dict[str, list[str]]:
    """What simulated families write, by their language (lang,text)."""
    found: dict[str, list[str]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["lang"]].append(row["text"])
    return found


def a_specialist(session: Session) -> int:
    """Somebody who answers what is handed off, at every school."""
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


class Town:
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
