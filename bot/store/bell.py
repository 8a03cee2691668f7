"""Tells every worker that something arrived, so that none has to look at the tables all the time."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

import structlog

from bot.store.session import Database

_log = structlog.get_logger(__name__)

CHANNEL = "presente"

# At most one notice in so many seconds: a worker that is awake sees everything that is there.
_BETWEEN_NOTICES = 0.01
# After an outage: the first try soon, then ever less often, so that a server that starts is left in peace.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
# A listener sends nothing by itself: only this shows within a minute that the other end is gone.
_STILL_THERE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class Bell:
    """Rings in this process at once and, where the database is PostgreSQL, in every other one too.

    It carries no news: whoever hears it looks at the tables, and looks now and then without it. So
    ringing never waits and never fails, and a ring that is lost in an outage costs a moment only.
    On SQLite other processes hear nothing; their workers find what arrived at their next look.
    """

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._far = database.engine.dialect.name == "postgresql"
        self._heard_by: tuple[Callable[[], None], ...] = ()
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._closed = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._ours: int | None = None  # the process id of the connection we ring with
        # Written to once, by close(): it wakes the thread that waits for the server.
        self._end: tuple[socket.socket, socket.socket] | None = None

    def ring(self) -> None:
        """Something arrived. Call it after the transaction has committed; it never raises."""
        for callback in self._heard_by:
            _call(callback)
        if self._far and not self._due.is_set() and not self._closed.is_set():
            self._due.set()
            self._begin("bell ringer", self._send)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call *callback* at every ring, in whichever thread hears it. It should only wake somebody."""
        with self._lock:
            self._heard_by = (*self._heard_by, callback)
            if self._far and self._end is None:
                self._end = socket.socketpair()
        if self._far:
            self._begin("bell listener", self._wait)

    def close(self) -> None:
        """Stop listening and ringing, and let the connections go."""
        self._closed.set()
        self._due.set()
        with self._lock:
            threads, end, self._end = tuple(self._threads.values()), self._end, None
        if end is not None:
            end[1].send(b".")
        for thread in threads:
            thread.join()
        for one in end or ():
            one.close()

    def _begin(self, name: str, work: Callable[[Any], None]) -> None:
        """Start a thread when it is first needed: a process that forks before that shares nothing."""
        if name in self._threads:
            return
        with self._lock:
            if name not in self._threads and not self._closed.is_set():
                thread = threading.Thread(target=self._stay, args=(name, work), name=name, daemon=True)
                self._threads[name] = thread
                thread.start()

    def _stay(self, name: str, work: Callable[[Any], None]) -> None:
        """Do *work* on a connection of its own, and on another one whenever that breaks."""
        wait = _FIRST_WAIT
        while not self._closed.is_set():
            try:
                connection = self._connect()
            except Exception as away:  # noqa: BLE001 - whatever keeps the database away, it may come back
                if wait == _FIRST_WAIT:
                    _log.warning("bell out of reach", thread=name, error=type(away).__name__)
                self._closed.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            wait = _FIRST_WAIT
            try:
                work(connection)
            except Exception as broken:  # noqa: BLE001 - as above: the next connection goes on
                if not self._closed.is_set():
                    _log.warning("bell interrupted", thread=name, error=type(broken).__name__)
                    self._closed.wait(_FIRST_WAIT)
            finally:
                with contextlib.suppress(Exception):
                    connection.close()

    def _connect(self) -> Any:
        """The driver's own connection, outside the pool: it stays open and commits every statement."""
        dialect = self._engine.dialect
        args, options = dialect.create_connect_args(self._engine.url)
        connection: Any = dialect.connect(*args, **{**_STILL_THERE, **options})
        connection.autocommit = True
        return connection

    def _send(self, connection: Any) -> None:
        self._ours = connection.info.backend_pid
        while True:
            self._due.wait()
            if self._closed.is_set():
                return
            self._due.clear()
            try:
                connection.execute(f"NOTIFY {CHANNEL}")
            except Exception:
                self._due.set()  # it has not rung yet: the next connection rings
                raise
            self._closed.wait(_BETWEEN_NOTICES)

    def _wait(self, connection: Any) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._tell()  # of whatever was rung while nobody listened
        with selectors.DefaultSelector() as waiting:
            waiting.register(connection, selectors.EVENT_READ)
            end = self._end
            if end is None:
                return  # closed meanwhile
            waiting.register(end[0], selectors.EVENT_READ)
            while True:
                waiting.select()
                if self._closed.is_set():
                    return
                notices = list(connection.notifies(timeout=0))
                # What this process rang was heard in it at once.
                if any(notice.pid != self._ours for notice in notices):
                    self._tell()

    def _tell(self) -> None:
        for callback in self._heard_by:
            _call(callback)


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001 - who rings must not fail for somebody who does not hear
        _log.exception("bell not heard")
