"""Named jobs, each one call into a module above; APScheduler runs the clock in each worker."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot import delivery, inbound, outbox, outreach
from bot.advance import Script
from bot.clock import Clock
from bot.provider import Provider
from bot.store.session import Database
from bot.understanding import Understanding

_log = structlog.get_logger(__name__)

# How long a text may wait for the next look at the tables when nothing has woken the worker.
_LOOK_EVERY = 0.5


@dataclass(frozen=True)
class Job:
    """Something done every so many seconds. What is due is asked of the tables, never remembered here."""

    name: str
    seconds: int
    run: Callable[[], object]


class Worker:
    """Takes turns, sends texts and runs the mornings, until it is stopped.

    The scheduler is only a clock: its jobs live in code, and every job asks the tables what is due,
    so that a restart forgets nothing and a second worker does nothing twice.
    """

    def __init__(
        self,
        *,
        database: Database,
        provider: Provider,
        script: Script,
        understanding: Understanding,
        clock: Clock,
    ) -> None:
        self._database = database
        self._provider = provider
        self._script = script
        self._understanding = understanding
        self._clock = clock
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._pump = threading.Thread(target=self._run_pump, name="pump")
        self._scheduler = BackgroundScheduler(
            # A job that was due while the process was down runs once when it is back; the default
            # drops it after one second with only a line in the log.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )

    @property
    def jobs(self) -> tuple[Job, ...]:
        return (
            Job("morning", 20, self._morning),
            Job("silences", 10, self._silences),
            Job("lost claims", 60, self._lost_claims),
            Job("unread on a page", 60, self._unread),
        )

    def start(self) -> None:
        for job in self.jobs:
            self._scheduler.add_job(
                _guarded(job), IntervalTrigger(seconds=job.seconds), id=job.name, name=job.name
            )
        self._scheduler.start()
        self._pump.start()
        for job in self.jobs:
            _guarded(job)()

    def stop(self) -> None:
        """Finish what is in hand, then stop."""
        self._stop.set()
        self._wake.set()
        if self._pump.is_alive():
            self._pump.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def wake(self) -> None:
        """Something arrived in this process: look now rather than at the next tick."""
        self._wake.set()

    def step(self) -> int:
        """Take every turn that waits and send every text that is due; returns how much was done."""
        done = inbound.take_turns(
            self._database, script=self._script, understanding=self._understanding, now=self._clock()
        )
        done += delivery.send_due(self._database, self._provider, script=self._script, clock=self._clock)
        done += delivery.fetch_receipts(
            self._database, self._provider, script=self._script, clock=self._clock
        )
        return done

    def _run_pump(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                busy = self.step()
            except Exception:  # noqa: BLE001
                # The database may be away for a moment: nothing is lost, everything waits in the tables.
                _log.exception("pump")
                busy = 0
                self._stop.wait(1)
            if not busy:
                self._wake.wait(_LOOK_EVERY)

    def _morning(self) -> None:
        if outreach.run_due(self._database, script=self._script, now=self._clock()):
            self.wake()

    def _silences(self) -> None:
        if outreach.take_silences(self._database, script=self._script, now=self._clock()):
            self.wake()

    def _lost_claims(self) -> None:
        with self._database.begin() as session:
            lost = outbox.release_lost_claims(session, self._clock())
        if lost:
            _log.warning("claims of a dead sender", texts=lost)

    def _unread(self) -> None:
        with self._database.begin() as session:
            moved = outbox.send_unread_to_the_phone(session, self._script.policy, self._clock())
        if moved:
            self.wake()


def _guarded(job: Job) -> Callable[[], None]:
    """A job whose failure is logged and whose next run is not touched by it."""

    def run() -> None:
        try:
            job.run()
        except Exception:  # noqa: BLE001 - one failed run must not end the clock
            _log.exception("job failed", job=job.name)

    return run
