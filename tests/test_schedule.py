"""The worker: takes turns, sends texts and runs mornings by itself, and stops when it is told."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from bot import arrivals
from bot.advance import Script
from bot.clock import starting_at
from bot.outbox import Pace
from bot.provider import Accepted, Outgoing, Provider, ReceiptHeld
from bot.provider.simulator import Simulator
from bot.schedule import Habits, Worker
from bot.store.bell import Bell
from bot.store.session import Database
from bot.store.tables import JobRun, OutboundText, Outreach, TextState
from bot.understanding import Understanding
from tests.builders import NOW, a_guardian, a_school, a_student, absent, number_of

Workers = Callable[[Provider], Worker]


@pytest.fixture
def workers(sqlite: Database, script: Script, understanding: Understanding) -> Workers:
    return lambda provider: Worker(
        database=sqlite,
        provider=provider,
        script=script,
        understanding=understanding,
        clock=starting_at(NOW.replace(hour=14)),  # 10:00 in Hartford: the morning is due
        bell=Bell(sqlite),
        habits=Habits(Pace("simulator")),
    )


@contextmanager
def at_work(*workers: Worker) -> Iterator[None]:
    starts = [threading.Thread(target=worker.start) for worker in workers]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


def eventually(fact: Callable[[], object], seconds: float = 8) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.02)
    return False


def a_family(database: Database, name: str = "Maya", *, zone: str = "America/New_York") -> str:
    with database.begin() as session:
        school = a_school(session)
        school.zone = zone
        student = a_student(session, school, name)
        guardian = a_guardian(session, student)
        absent(session, student)
        return number_of(session, guardian)


def write(database: Database, number: str, words: str, sid: str = "SM" + "1" * 32) -> None:
    with database.begin() as session:
        arrivals.receive(
            session,
            provider_sid=sid,
            sender=number,
            words=words,
            now=datetime(2021, 10, 22, 14, 0, 5, tzinfo=UTC),
        )


def test_a_worker_asks_in_the_morning_answers_a_text_and_stops(sqlite: Database, workers: Workers) -> None:
    number = a_family(sqlite)
    phones = Simulator()
    worker = workers(phones)

    with at_work(worker):
        assert eventually(lambda: len(phones.book) == 1)
        write(sqlite, number, "she has a fever")
        worker.wake()
        assert eventually(lambda: len(phones.book) == 2)

    assert [text.to for text in phones.book] == [number, number]
    assert not [
        t
        for t in threading.enumerate()
        if t.name in ("turns", "APScheduler") or "sender" in t.name or "urgent" in t.name
    ]


def test_a_text_that_nobody_announced_is_found(sqlite: Database, workers: Workers) -> None:
    """Another process's webhook has stored it: the tables are asked, whether or not anybody woke us."""
    phones = Simulator()

    with at_work(workers(phones)):
        write(sqlite, "+18605550123", "HELP")

        assert eventually(lambda: phones.book, seconds=4)


def test_what_waited_while_no_worker_ran_is_taken_up(sqlite: Database, workers: Workers) -> None:
    """Promise 6."""
    number = a_family(sqlite)
    write(sqlite, number, "he is sick")
    phones = Simulator()

    with at_work(workers(phones)):
        assert eventually(lambda: phones.book)

    assert {text.to for text in phones.book} == {number}


def test_two_workers_on_one_database_do_the_morning_once(sqlite: Database, workers: Workers) -> None:
    """CT-10, promise 2: the unique row decides, whoever else is running."""
    numbers = {a_family(sqlite, f"Maya{n}") for n in range(6)}
    phones = Simulator()

    with at_work(workers(phones), workers(phones)):
        assert eventually(lambda: len(phones.book) >= 6)
        time.sleep(0.6)  # another look of both

    assert sorted(text.to for text in phones.book) == sorted(numbers)
    with sqlite.begin() as session:
        assert session.scalar(select(func.count()).select_from(Outreach)) == 6
        assert session.scalar(select(func.count()).select_from(JobRun)) == 6


def test_a_restart_does_not_ask_again(sqlite: Database, workers: Workers) -> None:
    """CT-10."""
    a_family(sqlite)
    phones = Simulator()
    for _ in range(2):
        with at_work(workers(phones)):
            assert eventually(lambda: phones.book)
            time.sleep(0.1)

    assert len(phones.book) == 1


def test_a_job_that_fails_does_not_end_the_others(sqlite: Database, workers: Workers) -> None:
    """A zone nobody knows breaks the morning; a family who writes is answered all the same."""
    number = a_family(sqlite)
    a_family(sqlite, zone="Nowhere/At_All")
    phones = Simulator()

    with at_work(workers(phones)):
        with sqlite.begin() as session:
            assert session.scalar(select(func.count()).select_from(JobRun)) == 0
        write(sqlite, number, "HELP")

        assert eventually(lambda: phones.book)


class Stumbling(Simulator):
    """A provider whose receipts cannot be fetched at first: the network of a bad minute."""

    stumbles = 1

    def receipts(self) -> Iterable[ReceiptHeld]:
        if self.stumbles:
            self.stumbles -= 1
            raise ConnectionError
        return super().receipts()


def test_the_pump_goes_on_after_a_failure(sqlite: Database, workers: Workers) -> None:
    provider = Stumbling()

    with at_work(workers(provider)):
        assert eventually(lambda: not provider.stumbles)
        write(sqlite, "+18605550123", "HELP")

        assert eventually(lambda: provider.book)


class Slow(Simulator):
    """A provider that takes its time, as real ones do."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go_on = threading.Event(), threading.Event()

    def send(self, text: Outgoing) -> Accepted:
        self.began.set()
        self.go_on.wait(5)
        return super().send(text)

    def receipts(self) -> Iterable[ReceiptHeld]:
        return ()


def test_stopping_finishes_the_text_that_is_in_hand(sqlite: Database, workers: Workers) -> None:
    """Otherwise its claim would be left behind, and nobody would know whether the family has it."""
    a_family(sqlite)
    provider = Slow()
    worker = workers(provider)
    with at_work(worker):
        assert provider.began.wait(5)
        threading.Timer(0.2, provider.go_on.set).start()
        worker.stop()
        with sqlite.begin() as session:
            assert session.scalars(select(OutboundText.state)).all() == [TextState.SENT]


def test_stopping_twice_or_before_the_start_is_harmless(workers: Workers) -> None:
    worker = workers(Simulator())

    worker.stop()
    worker.stop()


def test_every_job_has_a_name_of_its_own(workers: Workers) -> None:
    jobs = workers(Simulator()).jobs

    assert len({job.name for job in jobs}) == len(jobs)
    assert all(job.seconds > 0 for job in jobs)
