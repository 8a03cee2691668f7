"""The engine and the transaction, on SQLite or PostgreSQL by one address."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import DeclarativeBase, Session

from bot.errors import PresenteError
from bot.store.turnstile import WAIT_MS, Turnstile

# A host that does not answer must not hold up a webhook or a health page for minutes.
_CONNECT_SECONDS = 5


class DatabaseRefused(PresenteError):
    """The database's address cannot be used; the message says why and what one looks like."""


def connect(url: str) -> Engine:
    """Make the engine for *url* ("sqlite:///presente.db" or "postgresql://user@host/name").

    Nothing is opened yet. Raises DatabaseRefused when the address is neither.
    """
    try:
        address = make_url(url)
    except ArgumentError:
        raise DatabaseRefused(
            "PRESENTE_DATABASE_URL is not an address; write sqlite:///presente.db or postgresql://user@host/name"
        ) from None
    kind = address.get_backend_name()
    if kind == "postgresql":
        return create_engine(
            address.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"connect_timeout": _CONNECT_SECONDS},
        )
    if kind != "sqlite":
        raise DatabaseRefused(
            f"PRESENTE_DATABASE_URL names {kind}; only sqlite and postgresql are spoken here"
        )
    # Parameters are phone numbers and families' words: no error message may print them.
    engine = create_engine(address, hide_parameters=True)
    _make_sqlite_safe(engine)
    return engine


def _make_sqlite_safe(engine: Engine) -> None:
    """Give SQLite a real transaction from the first read on.

    The driver by itself opens one only at the first write, so that what was read before is not
    protected: with its defaults 239 of 600 read-then-write updates of four processes were lost.
    """
    turnstile = Turnstile(engine.url.database or "")

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        # The wait comes first: changing the journal mode needs a moment alone with the file.
        for pragma in (
            f"busy_timeout={WAIT_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        options = connection.get_execution_options()
        level = "FULL" if options.get("durable") else "NORMAL"
        if connection.info.get("synchronous", "NORMAL") != level:
            connection.exec_driver_sql(f"PRAGMA synchronous={level}")
            connection.info["synchronous"] = level
        if options.get("only_reads"):
            connection.exec_driver_sql("BEGIN")
        elif not turnstile.write(connection.connection.cursor(), "BEGIN IMMEDIATE"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # once more, for SQLAlchemy to say what is wrong


class Database:
    """Hands out transactions: `with database.begin() as session: ...` commits, or undoes everything.

    With `undo=True` everything is undone in any case: a dry run does the real work, and keeps nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self, *, undo: bool = False, durable: bool = False) -> Iterator[Session]:
        """A transaction. *durable*: once committed, not even a power cut takes it back.

        PostgreSQL's always are. SQLite's cost an fsync then, which only the claim of a text must pay:
        what was handed over must never be found unsent. It makes everything before it durable as well.
        """
        with Session(self.engine, expire_on_commit=False) as session, session.begin() as transaction:
            if durable:
                session.connection(execution_options={"durable": True})
            yield session
            if undo:
                transaction.rollback()

    @contextmanager
    def in_a_row(self) -> Iterator[Callable[[], AbstractContextManager[Session]]]:
        """Short transactions one after the other, on one connection: `with database.in_a_row() as begin: ...`.

        Each begins at once, not at the first look, and is the connection's own: a session that nobody
        asks for objects costs next to nothing.
        """
        with self.engine.connect() as connection:

            @contextmanager
            def begin() -> Iterator[Session]:
                with (
                    connection.begin(),
                    Session(
                        connection, expire_on_commit=False, join_transaction_mode="rollback_only"
                    ) as session,
                ):
                    yield session
                    if session.in_transaction():
                        session.commit()

            yield begin

    @contextmanager
    def look(self) -> Iterator[Session]:
        """A transaction that only reads: it waits for no writer, and no writer waits for it."""
        reading = self.engine.connect().execution_options(only_reads=True, postgresql_readonly=True)
        with reading as connection, Session(connection) as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def insert_unless_there(
    session: Session, table: type[DeclarativeBase], key: tuple[str, ...], values: dict[str, Any]
) -> SqliteInsert | PostgresInsert:
    """An INSERT that does nothing when a row with this key exists: the key decides among many processes."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    return insert(table).values(**values).on_conflict_do_nothing(index_elements=list(key))
