"""Writers of one SQLite file: whoever waits comes next, a webhook first, however busy another process is."""

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bot.store import turnstile
from bot.store.session import connect
from bot.store.turnstile import Turnstile

# Holds the writer's lock nine tenths of the time, a transaction of 20 ms after the other.
_BUSY = """
import sys, time
from sqlalchemy import text
from bot.store.session import connect
engine = connect(sys.argv[1])
print("at work", flush=True)
while True:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t (who) VALUES ('busy')"))
        time.sleep(0.02)
    time.sleep(0.002)
"""


@pytest.fixture
def address(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path}/x.db"
    engine = connect(address)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, who TEXT)"))
    engine.dispose()
    return address


def test_beside_a_busy_writer_of_another_process_everybody_comes_to_write(address: str) -> None:
    busy = subprocess.Popen(  # noqa: S603 - our own words only
        [sys.executable, "-c", _BUSY, address], stdout=subprocess.PIPE, text=True
    )
    assert busy.stdout is not None
    engine = connect(address)
    try:
        assert busy.stdout.readline() == "at work\n"
        waited = []
        for _ in range(20):
            began = time.perf_counter()
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO t (who) VALUES ('we')"))
            waited.append(time.perf_counter() - began)
            time.sleep(0.01)  # until the other has begun its next one
    finally:
        busy.kill()
        busy.wait()
        busy.stdout.close()
    with engine.begin() as connection:
        theirs = connection.execute(text("SELECT count(*) FROM t WHERE who = 'busy'")).scalar_one()
    engine.dispose()

    # One transaction of the other's at most, and what a loaded machine adds. Without it: seconds.
    assert sorted(waited)[10] < 0.1
    assert theirs >= 10, "and the other is not pushed aside either"


def test_a_writer_lets_webhooks_pass_but_not_for_ever(address: str) -> None:
    """Without end of it, a morning's peak of webhooks would leave every turn undone."""
    hurried, other = Turnstile(address.removeprefix("sqlite:///")), connect(address)
    done = threading.Event()

    def post_after_post() -> None:
        while not done.is_set():
            with hurried.first():
                time.sleep(0.002)

    posting = [threading.Thread(target=post_after_post) for _ in range(3)]
    for thread in posting:
        thread.start()
    try:
        waited = []
        for _ in range(9):
            began = time.perf_counter()
            with other.begin() as connection:
                connection.execute(text("INSERT INTO t (who) VALUES ('we')"))
            waited.append(time.perf_counter() - began)
    finally:
        done.set()
        for thread in posting:
            thread.join()
    other.dispose()

    assert sorted(waited)[4] >= turnstile._LONGEST_COURTESY, (
        "three webhooks at a time leave no gap to slip into"
    )
    assert sorted(waited)[4] < 0.3


def test_no_two_stand_inside(tmp_path: Path) -> None:
    """Threads of one process too: a lock is the open file's, and each has its own."""
    gates = [Turnstile(f"{tmp_path}/x.db") for _ in range(2)]
    inside, most = 0, 0

    def pass_often(gate: Turnstile) -> None:
        nonlocal inside, most
        for _ in range(50):
            with gate.first():
                inside += 1
                most = max(most, inside)
                time.sleep(0.0002)
                inside -= 1

    threads = [threading.Thread(target=pass_often, args=(gates[n % 2],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1


def test_a_webhook_passes_the_line_of_ordinary_writers(address: str) -> None:
    """It waits for the one that writes and for the one before the turnstile, not for the rest."""
    engine = connect(address)
    path = engine.url.database or ""
    order: list[str] = []

    def ordinary() -> None:
        with engine.begin():
            order.append("ordinary")
            time.sleep(0.03)

    def webhook() -> None:
        cursor = sqlite3.connect(path, isolation_level=None).cursor()
        with Turnstile(path).first():
            assert turnstile.ask(cursor, "INSERT INTO t (who) VALUES ('webhook')")
            order.append("webhook")
        cursor.connection.close()

    threads = [threading.Thread(target=each) for each in (*[ordinary] * 5, webhook)]
    with engine.begin():
        for thread in threads:
            thread.start()
            time.sleep(0.02)
    for thread in threads:
        thread.join()
    engine.dispose()

    assert order.index("webhook") <= 1


def test_webhooks_that_never_end_hold_up_nobody_for_ever(address: str) -> None:
    engine = connect(address)
    path = engine.url.database or ""
    over = threading.Event()

    def webhooks() -> None:
        gate = Turnstile(path)
        while not over.is_set():
            with gate.first():
                time.sleep(0.001)

    threads = [threading.Thread(target=webhooks) for _ in range(3)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    for _ in range(10):
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO t (who) VALUES ('ordinary')"))
    took = time.perf_counter() - began
    over.set()
    for thread in threads:
        thread.join()
    engine.dispose()

    assert took < 5


def test_who_leaves_with_an_error_lets_the_next_one_in(tmp_path: Path) -> None:
    gate = Turnstile(f"{tmp_path}/x.db")

    with pytest.raises(KeyError), gate.first():
        raise KeyError

    with gate.first():
        pass


def test_a_wait_that_is_too_long_is_the_databases_error(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile, "WAIT_MS", 50)
    holder, engine = connect(address), connect(address)
    with holder.begin() as connection:
        connection.execute(text("INSERT INTO t (who) VALUES ('holder')"))
        with pytest.raises(OperationalError, match="locked"), engine.begin():
            pass
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t (who) VALUES ('next')"))
    holder.dispose()
    engine.dispose()


def test_another_error_than_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db")
    began = time.monotonic()

    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        Turnstile(f"{tmp_path}/x.db").write(connection.cursor(), "INSERT INTO nowhere VALUES (1)")

    assert time.monotonic() - began < 1
    connection.close()


def test_whoever_only_reads_passes_no_turnstile(address: str) -> None:
    holder, reader = connect(address), connect(address)
    with holder.begin() as writing:
        writing.execute(text("INSERT INTO t (who) VALUES ('holder')"))
        with reader.connect().execution_options(only_reads=True) as reading:
            assert reading.execute(text("SELECT count(*) FROM t")).scalar_one() == 0
    holder.dispose()
    reader.dispose()
