"""The engine and the transaction, on SQLite or PostgreSQL by one address."""

from collections.abc import Iterator
from contextlib import contextmanager
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
            address.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True
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

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        # The wait comes first: changing the journal mode needs a moment alone with the file.
        for pragma in (
            "busy_timeout=10000",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


class Database:
    """Hands out transactions: `with database.begin() as session: ...` commits, or undoes everything.

    With `undo=True` everything is undone in any case: a dry run does the real work, and keeps nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self, *, undo: bool = False) -> Iterator[Session]:
        with Session(self.engine, expire_on_commit=False) as session, session.begin() as transaction:
            yield session
            if undo:
                transaction.rollback()

    def close(self) -> None:
        self.engine.dispose()


def insert_unless_there(
    session: Session, table: type[DeclarativeBase], key: tuple[str, ...], values: dict[str, Any]
) -> SqliteInsert | PostgresInsert:
    """An INSERT that does nothing when a row with this key exists: the key decides among many processes."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    return insert(table).values(**values).on_conflict_do_nothing(index_elements=list(key))
