"""A morning's texts while everything is killed: who may be texted is texted exactly once, and nobody else at all."""

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from benchmarks.district import noon_zone, number_of
from bot import clock, outreach, spool
from bot.clock import school_day
from bot.provider.standin import WILD, Standin, Trouble, read_book
from bot.store.session import Database
from tests.chaos import judge
from tests.chaos.district import FOUND_OUT_BEFORE, FOUND_OUT_LATER, Fact, fill, learn, the_script
from tests.chaos.fleet import (
    ACCOUNT,
    LEASE,
    OUR_NUMBER,
    SETTLE_AFTER,
    TOKEN,
    Fleet,
    Member,
    Monkey,
    plan,
    settings_of,
)
from tests.chaos.judge import Known
from tests.chaos.places import Place, a_port, place, surely
from tests.chaos.rest import State, Verdict, state_of

# Longer than the lease and the settling together: whoever wakes up from it has been given up.
FROZEN = LEASE + SETTLE_AFTER + 8

# A bad day, and one on which nothing must wait for half a minute before it is tried again.
STORM = replace(WILD, latency=(0.02, 0.8), status_pause=(0.02, 1.5), receipts_lost=0.2)
SQUALL = replace(STORM, busy=0.01, status_pause=(0.02, 0.5), webhooks_lost=0.0)

# A family's own word for STOP, which Twilio does not know: only we can keep it.
_STOP = "basta"


@dataclass(frozen=True)
class Storm:
    """How much befalls one morning. Seconds are means; *calm* is how long everything may take to come to rest."""

    texts: int = 2500
    workers: int = 4
    kills: int = 100
    restarts: int = 5
    freezes: int = 4
    every: float = 2.2
    patient: float = 0.5
    trouble: Trouble = STORM
    facts_before: float = 0.05
    facts_meanwhile: float = 0.06
    at_once: int = 8
    web_processes: int = 2
    calm: float = 420.0
    say: Callable[[str], None] = field(default=lambda _line: None, repr=False)


def run(kind: str, seed: int, storm: Storm, *, keep: Path | None = None) -> Verdict:
    """Let one storm pass over one database of this *kind*, and judge what is left.

    What was logged and the provider's book are copied to *keep*, whatever the verdict.
    """
    with tempfile.TemporaryDirectory(prefix="presente-chaos-") as named:
        folder = Path(named)
        try:
            with place(kind, folder) as (where, database):
                return _Morning(kind, seed, storm, where, database, folder).pass_over()
        finally:
            if keep is not None:
                shutil.copytree(folder, keep, dirs_exist_ok=True)


class _Morning:
    """One district, its installation and its provider, from the first text to rest."""

    def __init__(
        self, kind: str, seed: int, storm: Storm, where: Place, database: Database, folder: Path
    ) -> None:
        self.kind, self.seed, self.storm = kind, seed, storm
        self.where, self.database, self.folder = where, database, folder
        self.chance = random.Random(f"{seed}/outbound")
        self.now = clock.now()
        self.zone = noon_zone(self.now)
        self.day = school_day(self.now, self.zone)
        self.learned: list[Known] = []
        self.over = threading.Event()
        self.began = self.said_at = time.monotonic()
        blows = storm.kills + storm.restarts + storm.freezes
        # About so long the plan will take: the pauses, and the starts that are waited for.
        self.seconds = 5 + blows * (storm.every + 2.5 * storm.patient)

    def pass_over(self) -> Verdict:
        fill(self.database, self.storm.texts, zone=self.zone, now=self.now)
        families = self.chance.sample(range(1, self.storm.texts + 1), self.storm.texts)
        refused = {number_of(families.pop()) for _ in range(self.storm.texts // 60)}
        self._learn_before(families)
        address = f"http://127.0.0.1:{a_port()}"
        provider = Standin(
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            seed=self.seed,
            trouble=self.storm.trouble,
            number=OUR_NUMBER,
            answer_url=f"{address}/twilio/inbound",
            fallback_url=f"{address}/twilio/fallback",
            book_file=self.folder / "book",
            opted_out={(number, OUR_NUMBER) for number in refused},
        )
        with provider:
            fleet = self._fleet(provider.url, address)
            monkey = self._monkey(fleet)
            with fleet.at_work(), self._others() as others:
                stuck = self._until_rest(fleet, monkey, partial(self._meanwhile, provider, families, others))
            rested = clock.now()
            provider.settle(60)
        case = judge.Case(
            database=self.database,
            accepted=provider.accepted,
            book=read_book(self.folder / "book"),
            families=self.storm.texts,
            refused=refused,
            learned=self.learned,
            day=self.day,
            rested=rested,
        )
        faults = [*stuck, *judge.faults(case)]
        faults += [
            f"{name} did not end when it was told to" for name, code in fleet.ended.items() if code is None
        ]
        if spool.refused(self.folder / "spool"):
            faults.append("a post of the provider was refused by the spool")
        return Verdict(
            what=f"{self.storm.texts} families on {self.kind}",
            seed=self.seed,
            seconds=time.monotonic() - self.began,
            kills=fleet.kills,
            restarts=monkey.restarts,
            freezes=monkey.freezes,
            counts=judge.counts(case, provider.counts, fleet),
            faults=tuple(faults),
            words=fleet.last_words() if faults else (),
        )

    # --- before -----------------------------------------------------------------------------------------

    def _learn_before(self, families: list[int]) -> None:
        with self.database.begin() as session:
            for n in range(int(self.storm.texts * self.storm.facts_before)):
                family, fact = families.pop(), FOUND_OUT_BEFORE[n % len(FOUND_OUT_BEFORE)]
                learn(session, family, fact, day=self.day, now=self.now)
                self.learned.append(Known(family, fact, None, before=True))

    def _fleet(self, provider: str, address: str) -> Fleet:
        settings = settings_of(self.where, self.folder, provider, address) | {
            "PRESENTE_SEGMENTS_PER_SECOND": f"{self._segments() / (0.8 * self.seconds):.3f}",
            "PRESENTE_SENDING_AT_ONCE": str(self.storm.at_once),
            "PRESENTE_WEB_PROCESSES": str(self.storm.web_processes),
        }

        def member(name: str, command: str) -> Member:
            return Member(name, [command], settings, self.folder)

        if self.kind == "sqlite":
            return Fleet([member("run", "run")])
        workers = [member(f"worker {n}", "worker") for n in range(1, self.storm.workers + 1)]
        return Fleet([*workers, member("serve", "serve")])

    def _segments(self) -> int:
        """What the morning will cost: so paced, it lasts as long as the plan does."""
        with self.database.begin(undo=True) as session:
            planned = outreach.plan(session, self.day, script=the_script(), now=self.now)
        self.expected = len(planned.households)
        return planned.segments

    def _monkey(self, fleet: Fleet) -> Monkey:
        storm = self.storm
        acts = plan(
            random.Random(f"{self.seed}/monkey"),
            victims=len(fleet.members),
            kills=storm.kills,
            restarts=storm.restarts,
            freezes=storm.freezes,
            freeze_seconds=FROZEN,
            every=storm.every,
            patient=storm.patient,
        )
        return Monkey(fleet, acts, self.where.restart)

    # --- meanwhile --------------------------------------------------------------------------------------

    def _until_rest(
        self, fleet: Fleet, monkey: Monkey, meanwhile: Callable[[], list[Future[None]]]
    ) -> list[str]:
        """Blow by blow, until everything has come to rest; returns what had not after a time long enough."""
        others: list[Future[None]] = []
        patience: float | None = None
        while True:
            monkey.look()
            time.sleep(0.05)
            if time.monotonic() - self.said_at < 2.0:
                continue
            self.said_at = time.monotonic()
            state = surely(self.database, state_of)
            self._say(fleet, monkey, state)
            if not others and state.asked >= self.expected:
                others = meanwhile()
            if monkey.left or not all(each.done() for each in others) or not others:
                patience = None if monkey.left else patience
                continue
            if state.is_at_rest and not spool.waiting(self.folder / "spool"):
                for each in others:
                    each.result()
                return []
            patience = patience or time.monotonic() + self.storm.calm
            if time.monotonic() > patience:
                return [f"nothing came to rest within {self.storm.calm:g} seconds: {state}"]

    def _meanwhile(
        self, provider: Standin, families: list[int], others: ThreadPoolExecutor
    ) -> list[Future[None]]:
        """What is found out while texts leave, each at a moment of its own."""
        many = int(self.storm.texts * self.storm.facts_meanwhile)
        moments = sorted(self.chance.uniform(0, 0.75 * self.seconds) for _ in range(many))
        began = time.monotonic()
        return [
            others.submit(
                self._learn, provider, families.pop(), FOUND_OUT_LATER[n % len(FOUND_OUT_LATER)], began + at
            )
            for n, at in enumerate(moments)
        ]

    @contextmanager
    def _others(self) -> Iterator[ThreadPoolExecutor]:
        """The threads in which things are found out; a storm that breaks off waits for none of them."""
        with ThreadPoolExecutor(4, thread_name_prefix="others") as pool:
            try:
                yield pool
            finally:
                self.over.set()
                pool.shutdown(cancel_futures=True)

    def _learn(self, provider: Standin, family: int, fact: Fact, at: float) -> None:
        if self.over.wait(max(0.0, at - time.monotonic())):
            return
        if fact is Fact.STOPPED:
            taken = provider.family_writes(number_of(family), _STOP).taken
            # A text of which we were never told is nothing that we could know.
            self.learned.append(Known(family, fact, clock.now() if taken else None))
            return
        surely(self.database, partial(learn, family=family, fact=fact, day=self.day, now=clock.now()))
        self.learned.append(Known(family, fact, clock.now()))

    def _say(self, fleet: Fleet, monkey: Monkey, state: State) -> None:
        self.storm.say(
            f"{time.monotonic() - self.began:5.0f} s  {fleet.kills} kills, {monkey.restarts} restarts, "
            f"{monkey.freezes} freezes, {monkey.left} blows to come; {len(self.learned)} facts; {state}"
        )
