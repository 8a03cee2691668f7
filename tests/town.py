"""A small district in a test: its database, its phones and its clock, run by the real steps."""

import itertools
from datetime import date, datetime, timedelta

from sqlalchemy import select

from bot import arrivals, delivery, inbound, ledger, outreach
from bot.advance import Script
from bot.ledger import Counts
from bot.provider.simulator import Simulator
from bot.store.session import Database
from bot.store.tables import Conversation, Handoff, HandoffState, InboundText, OutboundText, School, TextState
from bot.understanding import Understanding
from tests.builders import FRIDAY, NOW


class Town:
    def __init__(
        self, database: Database, script: Script, understanding: Understanding, at: datetime = NOW
    ) -> None:
        self.database, self.script, self.understanding = database, script, understanding
        self.provider = Simulator()
        self.now = at
        self._sids = itertools.count(1)

    def clock(self) -> datetime:
        return self.now

    def later(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        outreach.take_silences(self.database, script=self.script, now=self.now)
        self.work()

    def morning(self, day: date = FRIDAY) -> None:
        with self.database.begin() as session:
            schools = list(session.scalars(select(School.id)))
            planned = outreach.plan(session, day, script=self.script, now=self.now, schools=schools)
            outreach.run(session, planned, script=self.script, now=self.now)
        self.work()

    def family_writes(
        self, number: str, words: str, *, sid: str = "", opt_out_type: str = "", pictures: int = 0
    ) -> None:
        with self.database.begin() as session:
            arrivals.receive(
                session,
                provider_sid=sid or f"SM{next(self._sids):032d}",
                sender=number,
                words=words,
                media_count=pictures,
                opt_out_type=opt_out_type,
                now=self.now,
            )
        self.work()

    def work(self) -> None:
        """Everything a worker would do until nothing is left to do."""
        for _ in range(200):
            done = inbound.take_turns(
                self.database, script=self.script, understanding=self.understanding, now=self.now
            )
            done += delivery.send_due(self.database, self.provider, script=self.script, clock=self.clock)
            done += delivery.fetch_receipts(
                self.database, self.provider, script=self.script, clock=self.clock
            )
            if not done:
                return
        raise AssertionError("the worker never came to rest")

    def texts_to(self, number: str) -> list[str]:
        return [text.body for text in self.provider.book if text.to == number]

    def conversation(self) -> Conversation:
        with self.database.begin() as session:
            return session.scalars(select(Conversation).order_by(Conversation.id.desc())).first()  # type: ignore[return-value]

    def handoffs(self) -> list[Handoff]:
        with self.database.begin() as session:
            return list(
                session.scalars(
                    select(Handoff).where(Handoff.state != HandoffState.RESOLVED).order_by(Handoff.id)
                )
            )

    def ledger(self, day: date = FRIDAY) -> Counts:
        with self.database.begin() as session:
            ledger.fill_gaps(session, day, self.now)
            return ledger.count(session, day)

    def unhandled(self) -> int:
        with self.database.begin() as session:
            return len(list(session.scalars(select(InboundText.id).where(InboundText.handled_at.is_(None)))))

    def waiting_texts(self) -> list[OutboundText]:
        with self.database.begin() as session:
            return list(session.scalars(select(OutboundText).where(OutboundText.state == TextState.QUEUED)))
