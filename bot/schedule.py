"""Named jobs, each one call into a module above; APScheduler runs the clock in each worker."""

import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot import (
    arrivals,
    courtesy,
    delivery,
    inbound,
    ladder,
    on_call,
    outbox,
    outreach,
    ownership,
    spool,
    ticks,
    upkeep,
)
from bot.advance import Script
from bot.casework import referrals
from bot.clock import Clock, now
from bot.mail import Mail, Simulator
from bot.on_call import OnCall
from bot.outbox import Pace
from bot.provider import Provider
from bot.reports import kept
from bot.roster import feed
from bot.roster.incoming import Folder, Office
from bot.store.bell import Bell
from bot.store.session import Database
from bot.understanding import Understanding

_log = structlog.get_logger(__name__)

# How long a text may wait for the next look at the tables when nothing has woken the worker.
_LOOK_EVERY = 0.5
# How often the worker says that it is alive; /readyz believes it for a minute.
_ALIVE_EVERY = timedelta(seconds=10)
_WAIT_FOR_DATABASE = 1.0
_PING_SECONDS = 10
_HEAR_FIRST_SECONDS = 60.0


@dataclass(frozen=True)
class Habits:
    """How a worker works; from the settings. *redact_after* of zero: the provider keeps its copies."""

    pace: Pace
    at_once: int = 8
    lease: timedelta = timedelta(minutes=2)
    settle_after: timedelta = timedelta(minutes=15)
    spool: Path | None = None
    lookup: bool = False
    deactivations: bool = False
    redact_after: timedelta = timedelta(0)
    ping: str = ""
    calendar_url: str = ""
    watch: Path | None = None
    office: Office | None = None


@dataclass(frozen=True)
class Job:
    """Something done every so many seconds. What is due is asked of the tables, never remembered here.

    `alone`: of all workers one does it each time.
    """

    name: str
    seconds: float
    run: Callable[[], object]
    alone: bool = False


class Worker:
    """Takes turns, sends texts and runs the mornings, until it is stopped.

    The scheduler is only a clock: its jobs live in code, and every job asks the tables what is due,
    so that a restart forgets nothing and a second worker does nothing twice. Turns and texts have a
    thread each, so that a slow provider holds up no family's turn.
    """

    def __init__(
        self,
        *,
        database: Database,
        provider: Provider,
        script: Script,
        understanding: Understanding,
        clock: Clock,
        bell: Bell,
        habits: Habits,
        mail: Mail | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        self._database = database
        self._provider = provider
        self._script = script
        self._understanding = understanding
        self._clock = clock
        self._bell = bell
        self._habits = habits
        self._mail: Mail = mail or Simulator()
        self._on_call = on_call or OnCall()
        self._texts_came = threading.Event()
        self._texts_wait = threading.Event()
        self._stop = threading.Event()
        self._alive_at = clock() - _ALIVE_EVERY
        self._unheard_since: float | None = None
        self._sender = delivery.Sender(
            database,
            provider,
            script=script,
            clock=clock,
            at_once=habits.at_once,
            pace=habits.pace,
            may_claim=self._has_heard_all,
        )
        self._threads = (
            threading.Thread(target=self._take_turns, name="turns"),
            threading.Thread(target=self._send, name="sender"),
        )
        self._scheduler = BackgroundScheduler(
            # A job that was due while the process was down runs once when it is back; the default
            # drops it after one second with only a line in the log.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )

    @property
    def jobs(self) -> tuple[Job, ...]:
        habits = self._habits
        often = habits.lease.total_seconds() / 4
        jobs = [
            Job("morning", 20, self._morning),
            Job("silences", 10, self._silences),
            Job("ladder", 20, self._ladder, alone=True),
            Job("thresholds", 300, self._thresholds, alone=True),
            Job("letters", 30, self._letters, alone=True),
            Job("referrals", 1800, self._referrals, alone=True),
            Job("lost claims", min(30, often), self._lost_claims),
            Job("texts in doubt", min(30, habits.settle_after.total_seconds() / 3), self._settle, alone=True),
            Job("unread on a page", 60, self._unread),
            Job("texts lost on the way", 120, self._lost_texts, alone=True),
            Job("on call", 10, self._alarms),
            Job("left lying", 60, self._left_lying, alone=True),
            Job("not before tomorrow", 60, self._not_before_tomorrow, alone=True),
            Job("measures", 60, self._measures, alone=True),
        ]
        if habits.spool is not None:
            jobs.append(Job("spool", 5, self._replay_spool))
        if habits.watch is not None and habits.office is not None:
            folder = partial(self._take_in, Folder(habits.watch), habits.office)
            jobs.append(Job("folder", 5, folder))
        if habits.calendar_url:
            jobs.append(Job("calendar", 600, self._calendar, alone=True))
        if self._script.policy.correction_texts:
            jobs.append(Job("corrections", 20, self._corrections, alone=True))
        if habits.lookup:
            jobs.append(Job("lines", 300, self._look_up, alone=True))
        if habits.deactivations:
            jobs.append(Job("numbers given up", 3600, self._deactivated, alone=True))
        if habits.redact_after:
            jobs.append(Job("copies", 600, self._redact, alone=True))
        return tuple(jobs)

    def start(self) -> None:
        """Begin; what waited while no worker ran is done at once.

        It is not waited for: a provider that is slow to tell about texts in doubt must keep nobody from
        serving the pages and webhooks.
        """
        self._bell.listen(self.wake)
        for job in self.jobs:
            self._scheduler.add_job(
                self._guarded(job),
                IntervalTrigger(seconds=job.seconds),
                id=job.name,
                name=job.name,
                next_run_time=now(),
            )
        for thread in self._threads:
            thread.start()
        self._scheduler.start()

    def stop(self) -> None:
        """Claim nothing more, finish what is in hand, then stop."""
        self._stop.set()
        self._sender.end()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._sender.close()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._bell.close()

    def wake(self) -> None:
        """Something arrived: look now rather than at the next tick."""
        self._texts_came.set()
        self._texts_wait.set()
        self._sender.nudge()

    # --- the two threads --------------------------------------------------------------------------------

    def _take_turns(self) -> None:
        while not self._stop.is_set():
            self._texts_came.clear()
            try:
                taken = inbound.take_turns(
                    self._database,
                    script=self._script,
                    understanding=self._understanding,
                    now=self._clock(),
                )
            except Exception:  # noqa: BLE001
                # The database may be away for a moment: nothing is lost, everything waits in the tables.
                _log.exception("turns")
                self._stop.wait(_WAIT_FOR_DATABASE)
                continue
            if taken:
                self._texts_wait.set()
                self._sender.nudge()
            else:
                self._texts_came.wait(_LOOK_EVERY)

    def _send(self) -> None:
        self._sender.run(self._texts_wait, _LOOK_EVERY, self._alive)

    def _has_heard_all(self) -> bool:
        """Whether no post waits in the folder: an opt-out among them must be heard before a text leaves.

        A post that cannot be taken in holds the texts up for a minute, and not for ever.
        """
        folder = self._habits.spool
        if folder is None or not spool.waiting(folder):
            self._unheard_since = None
            return True
        self._replay_spool()
        if not spool.waiting(folder):
            self._unheard_since = None
            return True
        now = time.monotonic()
        self._unheard_since = self._unheard_since or now
        return now - self._unheard_since > _HEAR_FIRST_SECONDS

    def _alive(self) -> None:
        """At each look of the sender: fetch what a provider holds for us, and say now and then that we live."""
        if delivery.fetch_receipts(self._database, self._provider, script=self._script, clock=self._clock):
            self._texts_came.set()
        now = self._clock()
        if now - self._alive_at >= _ALIVE_EVERY:
            self._alive_at = now
            with self._database.begin() as session:
                ticks.done(session, "worker", now)

    # --- the jobs ----------------------------------------------------------------------------------------

    def _morning(self) -> None:
        if outreach.run_due(self._database, script=self._script, now=self._clock()):
            self._bell.ring()
            with self._database.begin() as session:
                ticks.done(session, "morning", self._clock())
            self._ping()

    def _ping(self) -> None:
        """Tell the district's monitor that the morning went well: it sounds when it hears nothing."""
        if not self._habits.ping:
            return
        try:
            with urllib.request.urlopen(self._habits.ping, timeout=_PING_SECONDS):  # noqa: S310 - settings checked it
                pass
        except OSError as silent:
            _log.warning("the monitor was not reached", error=type(silent).__name__)

    def _corrections(self) -> None:
        if outreach.correct(self._database, script=self._script, now=self._clock()):
            self._bell.ring()

    def _silences(self) -> None:
        if outreach.take_silences(self._database, script=self._script, now=self._clock()):
            self._bell.ring()

    def _ladder(self) -> None:
        if ladder.climb(self._database, script=self._script, now=self._clock()):
            self._bell.ring()

    def _referrals(self) -> None:
        with self._database.begin() as session:
            referrals.bring_back(session, self._clock())

    def _thresholds(self) -> None:
        ladder.raise_thresholds(self._database, script=self._script, now=self._clock())

    def _letters(self) -> None:
        now = self._clock()
        ladder.write_letters(self._database, script=self._script, now=now)
        ladder.send_letters(self._database, self._mail, script=self._script, now=now)

    def _lost_claims(self) -> None:
        delivery.lost_claims(self._database, lease=self._habits.lease, now=self._clock())

    def _settle(self) -> None:
        if delivery.settle(
            self._database,
            self._provider,
            script=self._script,
            clock=self._clock,
            after=self._habits.settle_after,
        ):
            self._bell.ring()

    def _unread(self) -> None:
        with self._database.begin() as session:
            moved = outbox.send_unread_to_the_phone(session, self._script.policy, self._clock())
        if moved:
            self._bell.ring()

    def _lost_texts(self) -> None:
        if upkeep.fetch_lost_texts(self._database, self._provider, self._clock()):
            self._bell.ring()

    def _replay_spool(self) -> None:
        if self._habits.spool is not None and arrivals.replay_spool(
            self._database,
            self._habits.spool,
            receipt=partial(delivery.receipt, script=self._script),
            now=self._clock(),
        ):
            self._bell.ring()

    def _alarms(self) -> None:
        now = self._clock()
        with self._database.look() as session:
            danger = on_call.anybody_waits(session)
        if danger:
            with self._database.begin() as session:
                told = on_call.raise_alarms(session, self._on_call, self._script.policy, now)
            if told:
                self._bell.ring()
        on_call.send_letters(self._database, self._mail, self._script.policy, now)

    def _left_lying(self) -> None:
        ownership.come_back(self._database, policy=self._script.policy, now=self._clock())

    def _not_before_tomorrow(self) -> None:
        script = self._script
        with self._database.begin() as session:
            told = courtesy.say_not_before_tomorrow(
                session, texts=script.texts, policy=script.policy, now=self._clock()
            )
        if told:
            self._bell.ring()

    def _measures(self) -> None:
        with self._database.begin() as session:
            kept.keep_up(session, self._clock())

    def _take_in(self, folder: Folder, office: Office) -> None:
        folder.look(self._database, office=office, clock=self._clock, ticking=time.monotonic())

    def _calendar(self) -> None:
        feed.follow(self._database, self._habits.calendar_url, now=self._clock())

    def _look_up(self) -> None:
        upkeep.look_up_lines(self._database, self._provider, self._clock())

    def _deactivated(self) -> None:
        upkeep.suspend_deactivated(self._database, self._provider, self._clock())

    def _redact(self) -> None:
        now = self._clock()
        upkeep.redact_old(self._database, self._provider, now - self._habits.redact_after, now)

    def _guarded(self, job: Job) -> Callable[[], None]:
        """A job whose failure is logged and whose next run is not touched by it."""

        def run() -> None:
            try:
                if not job.alone or self._is_mine(job):
                    job.run()
            except Exception:  # noqa: BLE001 - one failed run must not end the clock
                _log.exception("job failed", job=job.name)

        return run

    def _is_mine(self, job: Job) -> bool:
        every = timedelta(seconds=job.seconds * 0.9)  # two clocks that tick together must not skip a turn
        with self._database.begin() as session:
            return ticks.mine(session, f"turn: {job.name}", every, self._clock())
