"""Writers of one SQLite file pass one by one, in all processes of this machine: who waits longest is next."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

try:
    import fcntl
except ImportError:  # a system without it: SQLite's own waiting must do
    fcntl = None  # type: ignore[assignment]

WAIT_MS = 10_000
_LOOK_AGAIN = 0.0005
# The peak of a morning is answered at full speed, and still some sixty turns a second are taken.
_LONGEST_COURTESY = 0.015


class Turnstile:
    """Stands before SQLite's one writer's lock, as two files beside the database.

    SQLite lets a writer that waits look again after 1, 2, 5, 10 and ever more milliseconds. A process
    that writes one transaction after the other has taken the lock anew by then, every time: beside a
    busy worker a webhook waited for seconds. Here a writer passes the turnstile first, and only inside
    asks for the lock, often; whoever has just let the lock go stands behind it.

    Ordinary writers stand in a line before it, and one of them at a time comes to the turnstile itself:
    a webhook goes there at once, and so waits for one other transaction, however many want to write.
    While webhooks come one after the other the first of the line lets them pass, but not for long: what
    they bring must be worked on too.
    """

    def __init__(self, database: str) -> None:
        self._gate, self._line = _Lock(f"{database}-turnstile"), _Lock(f"{database}-line")
        self._hurry = _Lock(f"{database}-hurried")

    def write(self, cursor: sqlite3.Cursor, statement: str, values: Sequence[object] = ()) -> bool:
        """Run *statement*, the first that needs the writer's lock; False when the wait was too long.

        It must be one that may be tried again: BEGIN IMMEDIATE, or a statement that commits itself.
        """
        with self._line.held():
            self._let_pass()
            with self._gate.held():
                return ask(cursor, statement, values)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Where one writer of all processes stands, the next to have the lock; past the line."""
        with self._hurry.held(shared=True), self._gate.held():
            yield

    def _let_pass(self) -> None:
        """Wait until nobody is in a hurry, or for as long as a webhook may keep others waiting."""
        until = time.monotonic() + _LONGEST_COURTESY
        while self._hurry.is_held() and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN)


class _Lock:
    """A file that one thread of one process holds at a time, or several that share it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def is_held(self) -> bool:
        """Whether somebody holds it at this moment."""
        if fcntl is None:
            return False
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    @contextmanager
    def held(self, *, shared: bool = False) -> Iterator[None]:
        if fcntl is None:
            yield
            return
        # A lock is the open file's: two threads on one handle would both be let through. Opened and closed
        # each time, so that no database that was closed leaves handles behind; closing lets the lock go.
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def ask(cursor: sqlite3.Cursor, statement: str, values: Sequence[object] = ()) -> bool:
    """As `write`, for one who has passed."""
    # Through a cursor of its own: how many rows the statement wrote must stay to be read.
    wait = cursor.connection.execute
    wait("PRAGMA busy_timeout=0")
    try:
        return _asked(cursor, statement, values)
    finally:
        wait(f"PRAGMA busy_timeout={WAIT_MS}")


def _asked(cursor: sqlite3.Cursor, statement: str, values: Sequence[object]) -> bool:
    until = time.monotonic() + WAIT_MS / 1000
    while True:
        try:
            cursor.execute(statement, values)
        except sqlite3.OperationalError as busy:
            if busy.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_AGAIN)
        else:
            return True
