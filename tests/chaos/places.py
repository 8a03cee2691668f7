"""Databases for one chaos: made with the real migrations, brought down on purpose, and gone afterwards."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from bot.store import migrate
from bot.store.session import Database, connect
from tests.conftest import POSTGRES, ROOT, _postgres_answers

Found = TypeVar("Found")

_SECONDS = 120


class Place(Protocol):
    """A database as chaos sees it."""

    @property
    def url(self) -> str: ...

    def restart(self) -> None:
        """Cut every connection at once, with whatever was under way on it, and be there again."""

    def down(self, seconds: float) -> None:
        """The same, and be away for so long."""


class File:
    """SQLite: whoever has the file open is its server, so it falls when the process does."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/presente.db"

    def restart(self) -> None:
        raise NotImplementedError("a file has no server")

    def down(self, seconds: float) -> None:
        raise NotImplementedError("a file has no server")


class Server:
    """A PostgreSQL of our own, in a folder of its own. It is never shut down: it is cut off, and must recover."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder, self._data = binaries, folder, folder / "data"
        # It refuses to run as root; where we are root, it runs as the user its package has made.
        self._as_its_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_its_user:
            shutil.chown(folder, "postgres", "postgres")
        port = a_port()
        self._options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def begin(self) -> None:
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        self._control("start", "-o", self._options)

    def end(self) -> None:
        self._control("stop", "-m", "immediate")

    def restart(self) -> None:
        self._control("restart", "-m", "immediate")

    def down(self, seconds: float) -> None:
        self.end()
        time.sleep(seconds)
        self._control("start", "-o", self._options)

    def _control(self, what: str, *more: str) -> None:
        log = self._folder / "server.log"
        self._run("pg_ctl", what, "-D", self._data, "-l", log, "-w", "-t", _SECONDS, *more)

    def _run(self, command: str, *words: object) -> None:
        whole = [*self._as_its_user, str(self._binaries / command), *map(str, words)]
        # Into a file: a server that has just been started would hold a pipe open.
        with (self._folder / "said.log").open("ab") as said:
            done = subprocess.run(  # noqa: S603 - our own words only
                whole, cwd=self._folder, stdout=said, stderr=said, timeout=2 * _SECONDS, check=False
            )
        if done.returncode:
            end = (self._folder / "said.log").read_text(encoding="utf-8", errors="replace")[-500:]
            raise OSError(f"{command} failed: {end}")


class Guest:
    """A database on a server that belongs to others: only its own connections are cut, and it alone is closed."""

    def __init__(self, server: str) -> None:
        self._admin = create_engine(
            server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        self._name = f"presente_chaos_{secrets.token_hex(4)}"
        self.url = f"{server.rpartition('/')[0]}/{self._name}"

    def begin(self) -> None:
        self._say(f"CREATE DATABASE {self._name}")

    def end(self) -> None:
        self._say(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
        self._admin.dispose()

    def restart(self) -> None:
        self._say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'")  # noqa: S608

    def down(self, seconds: float) -> None:
        self._say(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        try:
            self.restart()
            time.sleep(seconds)
        finally:
            self._say(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def _say(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def place(kind: str, folder: Path) -> Iterator[tuple[Place, Database]]:
    """An empty database of this *kind*, "sqlite" or "postgresql", the latter on a server of our own where we can."""
    with _file(folder) if kind == "sqlite" else _postgres() as found:
        database = Database(connect(found.url))
        migrate.upgrade(database.engine, ROOT / "migrations")
        try:
            yield found, database
        finally:
            database.close()


def can_postgres() -> bool:
    """Whether a PostgreSQL can be had: one of our own, or a database on the suite's server."""
    return _binaries() is not None or _postgres_answers()


@contextmanager
def _file(folder: Path) -> Iterator[Place]:
    yield File(folder)


@contextmanager
def _postgres() -> Iterator[Place]:
    with ExitStack() as stack:
        found: Server | Guest | None = _own_server(stack)
        if found is None:
            found = Guest(POSTGRES)
            found.begin()
        stack.callback(found.end)
        yield found


def _own_server(stack: ExitStack) -> Server | None:
    """A server that has begun, its folder gone when *stack* ends; None where none can be made."""
    binaries = _binaries()
    if binaries is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="presente-chaos-pg-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    server = Server(binaries, folder)
    try:
        server.begin()
    except OSError:
        return None
    return server


def _binaries() -> Path | None:
    """Where initdb is, the newest one first; None without one, or without a user it could run as."""
    if os.name == "nt" or (os.geteuid() == 0 and not shutil.which("runuser")):
        return None
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    found = sorted(installed, key=_version) or ([Path(on_path).parent] if on_path else [])
    return found[-1] if found else None


def _version(binaries: Path) -> int:
    number = binaries.parent.name
    return int(number) if number.isdecimal() else 0


_PORTS = range(20_000, 30_000)


def a_port() -> int:
    """A port that nobody listens on, and that no connection is given by chance while its server is down."""
    while True:
        port = secrets.choice(_PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def surely(database: Database, work: Callable[[Session], Found], *, seconds: float = 60) -> Found:
    """Do *work* in a transaction, and again until it has committed: it must be harmless to do twice."""
    until = time.monotonic() + seconds
    while True:
        try:
            with database.begin() as session:
                return work(session)
        except (OperationalError, InterfaceError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
