"""Brings a database to the tables of this version, or says how far behind it is."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

from bot.errors import PresenteError
from bot.store.tables import Table


class BehindError(PresenteError):
    """The database is of another version than the program; the message says what to run."""


def _config(folder: Path, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, folder: Path) -> None:
    """Run every migration the database has not seen, in one transaction."""
    with engine.begin() as connection:
        command.upgrade(_config(folder, connection), "head")


def version(engine: Engine) -> str | None:
    """The migration the database is at; None for an empty one."""
    with engine.connect() as connection:
        return version_seen(connection)


def version_seen(connection: Connection) -> str | None:
    """The same, inside a transaction that is open already."""
    return MigrationContext.configure(connection).get_current_revision()


def head(folder: Path) -> str:
    return ScriptDirectory.from_config(_config(folder)).get_current_head() or ""


def make_ready(engine: Engine, folder: Path) -> None:
    """An empty database gets its tables; one of another version is refused, never changed unasked.

    Raises BehindError.
    """
    at = version(engine)
    if at is None:
        with engine.connect() as connection:
            strangers = inspect(connection).get_table_names()
        if strangers:
            raise BehindError(
                f"the database holds tables that are not ours ({', '.join(sorted(strangers)[:3])}); "
                "give PRESENTE_DATABASE_URL a database of its own"
            )
        upgrade(engine, folder)
    elif at != head(folder):
        raise BehindError(
            f"the database is at migration {at}, the program at {head(folder)}; run `presente migrate`"
        )


def differences(engine: Engine) -> list[str]:
    """What the tables of the program and those of the database disagree on; empty when they are equal."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, Table.metadata)]
