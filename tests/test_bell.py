"""The bell: heard at once in its own process, on PostgreSQL in every other one, and never in the ringer's way."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from bot.store.bell import Bell
from bot.store.session import Database, connect

Made = Callable[[], Bell]


class Ear:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.heard = 0
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.heard += 1
            self._changed.notify_all()

    def hears(self, more_than: int, seconds: float = 5) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.heard > more_than, seconds)


@pytest.fixture
def bells(database: Database) -> Iterator[Made]:
    made: list[Bell] = []

    def make() -> Bell:
        made.append(Bell(database))
        return made[-1]

    yield make
    for bell in made:
        bell.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("bell")]


def on_postgresql(database: Database) -> bool:
    return database.engine.dialect.name == "postgresql"


def test_a_ring_is_heard_in_its_own_process_before_it_returns(bells: Made) -> None:
    bell, one, other = bells(), Ear(), Ear()
    bell.listen(one)
    bell.listen(other)
    before = one.heard

    bell.ring()

    assert one.heard > before
    assert other.heard > 0


def test_a_ring_wakes_the_other_processes_on_postgresql_and_nobody_on_sqlite(
    database: Database, bells: Made
) -> None:
    ours, theirs, ear = bells(), bells(), Ear()
    theirs.listen(ear)
    if not on_postgresql(database):
        ours.ring()
        assert not ear.hears(0, 0.05)
        return
    assert ear.hears(0), "whoever begins to listen looks once: something may have been rung before"
    ours.ring()
    assert ear.hears(1)


def test_what_this_process_rings_is_heard_in_it_once(database: Database, bells: Made) -> None:
    if not on_postgresql(database):
        return  # one process has nothing to hear from itself
    bell, other, ear, theirs = bells(), bells(), Ear(), Ear()
    bell.listen(ear)
    other.listen(theirs)
    assert ear.hears(0)
    assert theirs.hears(0)
    bell.ring()
    assert theirs.hears(1)  # so the notice has been round, and came back to us as well
    time.sleep(0.05)

    assert ear.heard == 2


def test_many_rings_are_few_notices(database: Database, bells: Made) -> None:
    if not on_postgresql(database):
        return  # there are no notices on SQLite
    ours, theirs, ear = bells(), bells(), Ear()
    theirs.listen(ear)
    assert ear.hears(0)
    for _ in range(10_000):
        ours.ring()
    assert ear.hears(1)
    time.sleep(0.1)

    assert ear.heard < 100


def test_somebody_who_cannot_hear_does_not_fail_the_ringer(bells: Made) -> None:
    bell, ear = bells(), Ear()

    def deaf() -> None:
        raise RuntimeError("not now")

    bell.listen(deaf)
    bell.listen(ear)
    before = ear.heard
    bell.ring()

    assert ear.heard > before


def test_after_an_outage_it_is_heard_again(database: Database, bells: Made) -> None:
    if not on_postgresql(database):
        return  # nothing can break on SQLite
    ours, theirs, ear = bells(), bells(), Ear()
    theirs.listen(ear)
    assert ear.hears(0)
    ours.ring()
    assert ear.hears(1)
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query IN ('LISTEN presente', 'NOTIFY presente')"
            )
        )
    assert ear.hears(2), "whoever listens again looks once: something may have been rung meanwhile"
    before = ear.heard
    ours.ring()

    assert ear.hears(before)


def test_ringing_neither_waits_nor_fails_while_the_server_is_away() -> None:
    away = Database(connect("postgresql://nobody@127.0.0.1:1/nothing"))
    bell, ear = Bell(away), Ear()
    bell.listen(ear)
    began = time.monotonic()
    for _ in range(100):
        bell.ring()

    assert ear.heard == 100
    assert time.monotonic() - began < 1
    bell.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("bell")]


def test_closing_twice_and_ringing_after_it_are_harmless(bells: Made) -> None:
    bell, ear = bells(), Ear()
    bell.listen(ear)
    bell.close()
    bell.close()
    bell.ring()


def test_a_bell_that_nobody_uses_opens_nothing(database: Database) -> None:
    before = threading.active_count()

    Bell(database)

    assert threading.active_count() == before
