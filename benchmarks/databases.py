"""Databases for one measurement: made with the real migrations, and gone afterwards."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from bot.store import migrate
from bot.store.session import Database, connect

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
POSTGRES = os.environ.get("PRESENTE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def kinds() -> list[str]:
    """The databases that can be measured here: SQLite, and PostgreSQL where a server answers."""
    engine = create_engine(_driver(POSTGRES))
    try:
        with engine.connect():
            return ["sqlite", "postgresql"]
    except OperationalError:
        return ["sqlite"]
    finally:
        engine.dispose()


@contextmanager
def scratch(kind: str) -> Iterator[tuple[Database, str]]:
    """An empty database of this kind, and its address for another process."""
    with _place(kind) as address:
        database = Database(connect(address))
        migrate.upgrade(database.engine, MIGRATIONS)
        try:
            yield database, address
        finally:
            database.close()


@contextmanager
def _place(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="presente-bench-") as folder:
            yield f"sqlite:///{folder}/bench.db"
        return
    name = f"presente_bench_{secrets.token_hex(4)}"
    admin = create_engine(_driver(POSTGRES), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield POSTGRES.rpartition("/")[0] + f"/{name}"
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def _driver(address: str) -> str:
    return address.replace("postgresql://", "postgresql+psycopg://")
