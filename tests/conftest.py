"""Real databases for every test: SQLite always, PostgreSQL where a server answers."""

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from bot.advance import Script
from bot.conversation.flow import Flows
from bot.conversation.load import load
from bot.policy import Policy
from bot.store import migrate
from bot.store.session import Database, connect
from bot.store.tables import Table
from bot.texts import Texts
from bot.understanding import Understanding

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = os.environ.get("PRESENTE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")

settings.register_profile(
    "presente",
    deadline=None,
    print_blob=True,
    # A change lands or not for what it is, not for the luck of a draw; chance plays at home and in `make soak`.
    derandomize=bool(os.environ.get("CI")),
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("presente")


@cache
def _postgres_answers() -> bool:
    engine = create_engine(POSTGRES.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def _postgres_url() -> Iterator[str]:
    """A database of this test process's own, made and dropped around it."""
    if not _postgres_answers():
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL does not answer at PRESENTE_TEST_POSTGRES, and CI may not do without it")
        pytest.skip("no PostgreSQL answers at PRESENTE_TEST_POSTGRES")
    name = f"presente_test_{secrets.token_hex(4)}"
    admin = create_engine(
        POSTGRES.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield POSTGRES.rpartition("/")[0] + f"/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def _postgres(_postgres_url: str) -> Iterator[Database]:
    database = Database(connect(_postgres_url))
    migrate.upgrade(database.engine, ROOT / "migrations")
    yield database
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a migrated, empty SQLite database: copied for each test, since migrating takes longer."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    database = Database(connect(f"sqlite:///{path}"))
    migrate.upgrade(database.engine, ROOT / "migrations")
    with database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    database.close()
    return path.read_bytes()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with the real migrations, on each engine in turn."""
    if request.param == "sqlite":
        path = tmp_path / "presente.db"
        path.write_bytes(request.getfixturevalue("sqlite_template"))
        database = Database(connect(f"sqlite:///{path}"))
        yield database
        database.close()
        return
    database = request.getfixturevalue("_postgres")
    yield database
    names = ", ".join(table.name for table in Table.metadata.sorted_tables)
    with database.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_template: bytes) -> Iterator[Database]:
    """An empty SQLite database, for what does not depend on the engine."""
    path = tmp_path / "presente.db"
    path.write_bytes(sqlite_template)
    database = Database(connect(f"sqlite:///{path}"))
    yield database
    database.close()


@pytest.fixture(scope="session")
def flows() -> Flows:
    return load(ROOT / "flows")


@pytest.fixture(scope="session")
def texts() -> Texts:
    return Texts.load(ROOT / "locales")


@pytest.fixture(scope="session")
def understanding() -> Understanding:
    return Understanding.load()


@pytest.fixture(scope="session")
def script(flows: Flows, texts: Texts) -> Script:
    return Script(flows, texts, Policy(district_name="Grand Bend ISD"))


@pytest.fixture
def now() -> datetime:
    """Friday 2021-10-22, 9:30 in the morning in Hartford."""
    return datetime(2021, 10, 22, 13, 30, tzinfo=UTC)
