"""The desk's pages with a school year behind them, from one process, while texts come and go.

18,000 students, some 50,000 talks, 500,000 texts, on PostgreSQL; beside it the same morning with a tenth of
the history, so that what grows with it is seen. `python -m benchmarks.desk flow ADDRESS` writes the texts.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from flask import url_for
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from benchmarks import year
from benchmarks.children import ROOT, child, first_line
from benchmarks.databases import NAMES, kinds, scratch
from benchmarks.measured import Row
from benchmarks.morning import statements
from bot import arrivals, inbound, staff
from bot.advance import Script
from bot.conversation.load import load
from bot.policy import Policy
from bot.store.session import Database, connect
from bot.store.tables import Conversation, Phone
from bot.texts import Texts
from bot.understanding import Understanding
from bot.web import Parts, create_app
from bot.web.guard import TOKEN

# What every page must answer in, in seconds: half of the times, and nineteen of twenty.
_HALF, _MOST = 0.150, 0.300
# The meeting's page counts four weeks of a whole district; it is opened once a week.
_HALF_REPORTS, _MOST_REPORTS = 1.5, 3.0
_TEXTS_A_SECOND = 10

PAGES = {
    "Today": "desk.today",
    "queue": "desk.queue",
    "family": "desk.family",
    "students": "desk.students",
    "reports": "desk.reports",
}


@dataclass(frozen=True)
class Cost:
    """What one page asks of the database, whatever the machine does beside it."""

    statements: int
    rows: int


def measure(
    *,
    students: int = 18_000,
    days: int = year.SCHOOL_DAYS,
    times: int = 40,
    on: Sequence[str] = ("postgresql",),
) -> list[Row]:
    """Nothing where PostgreSQL does not answer."""
    rows = []
    for kind in set(on) & set(kinds()):
        with scratch(kind) as (database, address), scratch(kind) as (little, _):
            member = year.build(database, students, days=days)
            year.build(little, students, days=max(1, days // 10))
            long, short = desk(database, member), desk(little, member)
            costs, before = cost(database, long), cost(little, short)
            with _flowing(address):
                took = _times(long, times)
            for page, seconds in took.items():
                half, most = (_HALF_REPORTS, _MOST_REPORTS) if page == "reports" else (_HALF, _MOST)
                rows += [
                    _row(f"{page}: half of the times", kind, statistics.median(seconds), half),
                    _row(f"{page}: 19 of 20", kind, sorted(seconds)[-(-len(seconds) * 95 // 100) - 1], most),
                    Row(
                        f"{page}: statements, beside a tenth of the history",
                        NAMES[kind],
                        f"{costs[page].statements}",
                        f"{before[page].statements}",
                        costs[page].statements / before[page].statements,
                        at_most=1.1,
                    ),
                    Row(
                        f"{page}: rows read, beside a tenth of the history",
                        NAMES[kind],
                        f"{costs[page].rows:,}",
                        f"{before[page].rows:,}",
                        costs[page].rows / max(1, before[page].rows),
                    ),
                ]
    return rows


def _row(what: str, kind: str, ours: float, limit: float) -> Row:
    return Row(what, NAMES[kind], f"{ours * 1000:.0f} ms", f"{limit * 1000:.0f} ms", ours / limit, at_most=1)


# --- the desk, and one who reads it -----------------------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """Somebody signed in, and the addresses of the pages by name."""

    browser: FlaskClient
    addresses: dict[str, str]

    def open(self, page: str) -> None:
        answer = self.browser.get(self.addresses[page], buffered=True)
        assert answer.status_code == 200, f"{page} answered {answer.status_code}"


def desk(database: Database, member: int) -> Desk:
    """The whole desk on this database, at the morning of the seeded day."""
    app = create_app(
        Parts(
            database=database,
            clock=lambda: year.NOW,
            script=script(),
            secret_key="a key of the benchmark that signs nothing of value",  # noqa: S106
            public_url="http://127.0.0.1:8000",
            signed_pairs=lambda *_: False,
            simulated_phones=False,
            wake=lambda: None,
        )
    )
    with database.begin() as session:
        token = staff.open_session(session, member, now=year.NOW)
        newest = session.scalar(select(func.max(Conversation.id)))
    browser = app.test_client()
    with browser.session_transaction() as cookie:
        cookie[TOKEN] = token
    with app.test_request_context():
        addresses = {
            page: url_for(endpoint, conversation_id=newest) if page == "family" else url_for(endpoint)
            for page, endpoint in PAGES.items()
        }
    return Desk(browser, addresses)


def script() -> Script:
    return Script(load(ROOT / "flows"), Texts.load(ROOT / "locales"), Policy(district_name="Grand Bend ISD"))


def cost(database: Database, pages: Desk) -> dict[str, Cost]:
    """Each page opened once to warm up, and once more to count."""
    found = {}
    for page in pages.addresses:
        pages.open(page)
        with statements() as asked, _rows_read(database) as read:
            pages.open(page)
        found[page] = Cost(asked.total(), sum(read))
    return found


@contextmanager
def _rows_read(database: Database) -> Iterator[list[int]]:
    read: list[int] = []

    def note(_connection: object, cursor: object, *_: object) -> None:
        read.append(max(0, getattr(cursor, "rowcount", 0)))

    event.listen(database.engine, "after_cursor_execute", note)
    try:
        yield read
    finally:
        event.remove(database.engine, "after_cursor_execute", note)


def _times(pages: Desk, times: int) -> dict[str, list[float]]:
    """The pages in turn, so that a slow moment of the machine is every page's."""
    took: dict[str, list[float]] = {page: [] for page in pages.addresses}
    for _ in range(times):
        for page, seconds in took.items():
            began = time.perf_counter()
            pages.open(page)
            seconds.append(time.perf_counter() - began)
    return took


# --- the texts that flow ----------------------------------------------------------------------------------


@contextmanager
def _flowing(address: str) -> Iterator[None]:
    with child([sys.executable, "-m", "benchmarks.desk", "flow", address]) as process:
        first_line(process)
        yield
        assert process.poll() is None, "the texts stopped flowing"


def flow(address: str) -> None:
    """Families write, so many a second, and each is answered by a turn: until somebody ends this."""
    database, understanding, told = Database(connect(address)), Understanding.load(), script()
    with database.begin() as session:
        numbers = session.scalars(select(Phone.number).order_by(Phone.id.desc()).limit(3000)).all()
    print("ready", flush=True)
    began, sent = time.perf_counter(), 0
    while True:
        now = year.NOW + timedelta(seconds=time.perf_counter() - began)
        with database.begin() as session:
            arrivals.receive(
                session,
                provider_sid=f"SMflow{sent:09d}",
                sender=numbers[sent % len(numbers)],
                words="no tenemos carro hoy",
                media_count=0,
                opt_out_type="",
                now=now,
            )
        inbound.take_turns(database, script=told, understanding=understanding, now=now)
        sent += 1
        time.sleep(max(0.0, sent / _TEXTS_A_SECOND - (time.perf_counter() - began)))


if __name__ == "__main__":
    if sys.argv[1:2] != ["flow"]:
        sys.exit("python -m benchmarks.desk flow ADDRESS")
    flow(sys.argv[2])
