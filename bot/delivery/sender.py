"""Claims what is due, hands it over from many threads, and records what became of it.

One thread speaks with the database, many with the provider. Each look at the outbox is one
transaction that records what has come back and claims what may leave next: a text costs no more than
its share of two of them. No transaction is open while anybody waits on the provider's network.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from bot import outbox, stopping
from bot.advance import Script
from bot.clock import Clock
from bot.delivery import outcomes
from bot.outbox import Claimed, Pace, Taken
from bot.provider import Accepted, Outgoing, Passing, Provider, Refused, SendFailed, Unknown
from bot.store.session import Database

_log = structlog.get_logger(__name__)

# Threads kept free for what never waits behind a batch, such as an answer to a family.
_URGENT_AT_ONCE = 2
_INLINE_BATCH = 20
# How long an outcome may wait for others to be recorded with it.
_GATHER = 0.004
# How old the sender's knowledge of the stop button may be, at most, when a text is handed over.
_LOOK_AT_BUTTON = 0.4
_WAIT_FOR_DATABASE = 1.0
# How long after its claim a text may still be handed over; then it is given back. A process that stood
# still, as on a machine put to sleep, would otherwise send what others have settled and sent meanwhile:
# they wait at least 15 seconds of lease and 5 more, and a connection may take 5.
_FRESH = timedelta(seconds=10)


@dataclass(frozen=True)
class _Came:
    """What handing one text over came to; None: it was not tried, for the stop button or for its age."""

    text: Claimed
    urgent: bool
    result: Accepted | SendFailed | None


class Sender:
    """Sends for one process. Any number of processes may run one on the same database.

    *at_once* is how many texts are handed over at the same time; with 0 everything happens in the
    calling thread, one after the other, which is what a rehearsal wants. *may_claim* is asked before
    anything is claimed: no while there is something to be heard first, such as an opt-out.
    """

    def __init__(
        self,
        database: Database,
        provider: Provider,
        *,
        script: Script,
        clock: Clock,
        at_once: int = 8,
        pace: Pace | None = None,
        may_claim: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._provider = provider
        self._script = script
        self._clock = clock
        self._pace = pace or Pace(provider.sender)
        self._may_claim = may_claim
        self._inline = at_once == 0
        self._at_once = self._most = at_once or _INLINE_BATCH
        self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="sender")
        self._urgent_pool = ThreadPoolExecutor(_URGENT_AT_ONCE, thread_name_prefix="urgent")
        self._came: queue.SimpleQueue[_Came | None] = queue.SimpleQueue()
        self._out = self._urgent_out = 0
        self._unrecorded: list[_Came] = []
        self._stopped = False
        self._ended = threading.Event()

    # --- from outside -----------------------------------------------------------------------------------

    def drain(self) -> int:
        """Send everything that may leave now and wait until it is recorded; returns how many were claimed or moved."""
        done = 0
        while True:
            moved = self._look()
            done += moved
            if self._out + self._urgent_out:
                self._wait()
            elif not moved:
                return done

    def run(self, wake: threading.Event, every: float, alive: Callable[[], object] = lambda: None) -> None:
        """Send until `end` is called; *wake* says that something was queued, else a look every so many seconds.

        *alive* is called at each look. A database that is away loses nothing: what has come back is
        kept until it can be recorded.
        """
        while not self._ended.is_set():
            wake.clear()
            try:
                moved = self._look()
                alive()
            except (OperationalError, InterfaceError):
                _log.warning("the database is away; what has come back is kept")
                self._ended.wait(_WAIT_FOR_DATABASE)
                continue
            except Exception:  # noqa: BLE001 - whatever failed, the texts are safe in the outbox
                _log.exception("sender")
                self._record_one_by_one()
                self._ended.wait(_WAIT_FOR_DATABASE)
                continue
            if self._out + self._urgent_out:
                self._wait()
            elif not moved:
                wake.wait(min(every, _LOOK_AT_BUTTON))

    def nudge(self) -> None:
        """Something urgent may be due: look now, even while all threads are busy."""
        self._came.put(None)

    def end(self) -> None:
        """Claim nothing more, finish what is on its way, and give back what has not begun."""
        self._ended.set()
        self._stopped = True
        self.nudge()

    def close(self) -> None:
        """After `run` has returned: wait for the threads, and record what they brought."""
        self.end()
        self._pool.shutdown(wait=True)
        self._urgent_pool.shutdown(wait=True)
        for _ in range(30):
            try:
                self._look()
            except Exception:  # noqa: BLE001 - unrecorded texts become unknown, and are settled by the list
                _log.exception("sender at its end")
                threading.Event().wait(_WAIT_FOR_DATABASE)
            else:
                return

    # --- one look at the outbox -----------------------------------------------------------------------------

    def _look(self) -> int:
        """Record what has come back and claim what may leave: one transaction."""
        self._unrecorded += self._gathered()
        if not self._unrecorded and not self._anything_due():
            return 0
        room, urgent = self._room()
        with self._database.begin(durable=True) as session:
            now = self._clock()
            self._record(session, now)
            batch = outbox.claim(session, self._script.policy, now, room, pace=self._pace, urgent=urgent)
            for refused in batch.refused:
                outcomes.could_not_leave(session, refused, self._script, now)
            self._stopped = self._ended.is_set() or stopping.stopped(session) is not None
        recorded, self._unrecorded = len(self._unrecorded), []
        for text in batch.claimed:
            self._submit(text)
        return batch.moved + recorded

    def _anything_due(self) -> bool:
        """Looks without a write, so that a worker with nothing to do holds up nobody."""
        with self._database.look() as session:
            self._stopped = self._ended.is_set() or stopping.stopped(session) is not None
            return outbox.anything_due(session, self._clock())

    def _room(self) -> tuple[int, int]:
        """How many texts may be claimed: for all, and for those that never wait behind a batch.

        A few are claimed ahead, so that no thread waits for the database; never many, so that what
        was asked at the door still holds when a text is handed over.
        """
        if self._ended.is_set() or not self._may_claim():
            return 0, 0
        room = self._at_once + max(1, self._at_once // 4) - self._out
        enough = max(1, self._at_once // 8)
        return (room if room >= enough else 0), _URGENT_AT_ONCE - self._urgent_out

    def _record(self, session: Session, now: datetime) -> None:
        taken = []
        for came in self._unrecorded:
            match came.result:
                case Accepted(sid=sid, status=status):
                    taken.append(Taken(came.text.id, came.text.attempt, sid, status))
                case Refused() as said:
                    outcomes.refused(session, came.text, said, self._pace.sender, self._script, now)
                case Passing() as said:
                    outcomes.passing(session, came.text, said, now)
                case SendFailed(code=code):
                    outcomes.unknown(session, came.text, code)
                case None:
                    outbox.put_back(session, came.text.id, came.text.attempt, now)
        outbox.record_taken(session, taken, now)
        if taken:
            outbox.note_success(session, self._pace.sender)

    def _record_one_by_one(self) -> None:
        """One outcome that cannot be recorded must not hold up the others: it becomes unknown, and is settled."""
        waiting, self._unrecorded = self._unrecorded, []
        for came in waiting:
            try:
                with self._database.begin() as session:
                    self._unrecorded = [came]
                    self._record(session, self._clock())
            except (OperationalError, InterfaceError):
                _log.warning("the database is away; an outcome is left to the settling", text=came.text.id)
            except Exception:  # noqa: BLE001
                _log.exception("an outcome could not be recorded", text=came.text.id)
            finally:
                self._unrecorded = []

    def _submit(self, text: Claimed) -> None:
        if self._inline:
            self._out += 1
            self._hand_over(text, urgent=False)
        elif text.rank <= 1 and self._urgent_out < _URGENT_AT_ONCE:
            self._urgent_out += 1
            self._urgent_pool.submit(self._hand_over, text, urgent=True)
        else:
            self._out += 1
            self._pool.submit(self._hand_over, text, urgent=False)

    def _hand_over(self, text: Claimed, *, urgent: bool) -> None:
        result: Accepted | SendFailed | None
        if (self._stopped and text.rank > 0) or self._clock() - text.at > _FRESH:
            result = None
        else:
            try:
                result = self._provider.send(Outgoing(text.token, text.to, text.body, text.valid_seconds))
            except SendFailed as failed:
                result = failed
            except Exception as broken:  # noqa: BLE001 - the text may be on its way
                _log.error("provider broke", kind=type(broken).__name__)
                result = Unknown("the provider's adapter failed", type(broken).__name__)
        self._came.put(_Came(text, urgent, result))

    def _gathered(self) -> list[_Came]:
        found = []
        while True:
            try:
                came = self._came.get_nowait()
            except queue.Empty:
                break
            if came is not None:
                found.append(came)
        self._out -= sum(1 for each in found if not each.urgent)
        self._urgent_out -= sum(1 for each in found if each.urgent)
        self._adapt(found)
        return found

    def _adapt(self, found: list[_Came]) -> None:
        """Fewer at once while the provider says it is busy, and slowly more again (20429)."""
        if any(isinstance(each.result, Passing) for each in found):
            self._at_once = max(1, self._at_once // 2)
        elif found and self._at_once < self._most:
            self._at_once += 1

    def _wait(self) -> None:
        """Until something has come back, and a moment longer for what comes right behind it."""
        try:
            came = self._came.get(timeout=_LOOK_AT_BUTTON)
        except queue.Empty:
            return
        self._came.put(came)
        if came is not None:
            self._ended.wait(_GATHER)


def send_due(
    database: Database, provider: Provider, *, script: Script, clock: Clock, pace: Pace | None = None
) -> int:
    """Send everything that may leave now, in this thread; returns how many texts were moved."""
    return Sender(database, provider, script=script, clock=clock, at_once=0, pace=pace).drain()
