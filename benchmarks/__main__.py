"""`make bench`: the pure turn, understanding, an import and a morning, each beside the bare cost of the same work."""

import csv
import json
import sqlite3
import statistics
import tempfile
import time as stopwatch
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot import clock, outreach, rehearsal
from bot.advance import Script
from bot.conversation.load import load
from bot.conversation.state import Begin, Child, Heard, NotStarted, from_json, to_json
from bot.conversation.turn import turn
from bot.policy import Policy
from bot.roster import import_attendance, import_roster
from bot.texts import Texts
from bot.understanding import Understanding
from bot.vocabulary import Barrier, Intent

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample" / "grandbend"
ROUNDS = 5
DAY = date(2021, 10, 22)


def median_seconds(work: Callable[[], object]) -> float:
    """The middle of five runs: the machine's own speed moves between them."""
    taken = []
    for _ in range(ROUNDS):
        began = stopwatch.perf_counter()
        work()
        taken.append(stopwatch.perf_counter() - began)
    return statistics.median(taken)


def turns(script: Script) -> tuple[str, float, float]:
    """A check-in and its answer, with the state through JSON; the limit is that JSON alone."""
    maya = (Child(1, "Maya"),)
    heard = Heard("fever", Intent.GIVE_REASON, barriers=((Barrier.ILLNESS, "fever"),))
    number = 2000

    def ours() -> None:
        for _ in range(number):
            asked, _ = turn(NotStarted(maya), Begin(maya), script.flows)
            turn(from_json(json.loads(json.dumps(to_json(asked)))), heard, script.flows)

    kept = json.dumps(to_json(turn(NotStarted(maya), Begin(maya), script.flows)[0]))

    def bare() -> None:
        for _ in range(number):
            json.dumps(json.loads(kept))

    return (
        f"{number * 2 / median_seconds(ours):,.0f} turns a second",
        median_seconds(ours),
        median_seconds(bare),
    )


def reading(understanding: Understanding) -> tuple[str, float, float]:
    """The sample replies, understood; the limit is reading them from the file."""
    path = ROOT / "sample" / "family_replies_dev.csv"

    def rows() -> list[str]:
        with path.open(encoding="utf-8", newline="") as file:
            return [row["text"] for row in csv.DictReader(file)]

    texts = rows()
    began = stopwatch.perf_counter()
    for text in texts:
        understanding.read(text)
    ours = stopwatch.perf_counter() - began
    return f"{1000 * ours / len(texts):.2f} ms a text", ours, median_seconds(rows)


def importing() -> tuple[str, float, float]:
    """A district's roster into an empty database; the limit is reading the same files with csv."""

    def ours() -> None:
        with rehearsal.scratch_database(ROOT / "migrations") as database, database.begin() as session:
            _import(session)

    def bare() -> None:
        with zipfile.ZipFile(SAMPLE / "oneroster.zip") as archive:
            for name in archive.namelist():
                list(csv.reader(archive.read(name).decode().splitlines()))
        with (SAMPLE / "contacts.csv").open(encoding="utf-8", newline="") as file:
            list(csv.reader(file))

    return "960 students, 1,716 guardians, with migrations", median_seconds(ours), median_seconds(bare)


def _import(session: Session) -> None:
    import_roster(
        session,
        SAMPLE / "oneroster.zip",
        contacts=SAMPLE / "contacts.csv",
        calendar=SAMPLE / "calendar.ics",
        zone="America/New_York",
        morning_at=time(9, 30),
        now=_morning() - timedelta(hours=1),
    )


def _morning() -> datetime:
    return clock.instant(DAY, time(9, 30), ZoneInfo("America/New_York"))


def a_morning(script: Script) -> tuple[str, float, float]:
    """Grand Bend's fullest morning, from marks to queued texts; the limit is inserting as many rows at once."""
    with rehearsal.scratch_database(ROOT / "migrations") as database:
        with database.begin() as session:
            _import(session)
            import_attendance(
                session,
                SAMPLE / "attendance-2021-2022.csv",
                through=DAY,
                now=_morning() - timedelta(minutes=5),
            )

        def ours() -> None:
            with database.begin(undo=True) as session:
                planned = outreach.plan(session, DAY, script=script, now=_morning())
                outreach.run(session, planned, script=script, now=_morning())

        taken = median_seconds(ours)
    rows = [(n, "x" * 150) for n in range(13 * 4)]

    def bare() -> None:
        with tempfile.TemporaryDirectory() as folder, sqlite3.connect(f"{folder}/x.db") as connection:
            connection.execute("CREATE TABLE texts (id INTEGER, body TEXT)")
            connection.executemany("INSERT INTO texts VALUES (?, ?)", rows)

    return "33 absent students, 13 texts", taken, median_seconds(bare)


def main() -> None:
    script = Script(load(ROOT / "flows"), Texts.load(ROOT / "locales"), Policy())
    print(f"{'what':14} {'ours':>10} {'limit':>10} {'ratio':>8}  ")
    for name, measured in (
        ("turn", turns(script)),
        ("understanding", reading(Understanding.load())),
        ("import", importing()),
        ("morning", a_morning(script)),
    ):
        what, ours, limit = measured
        print(f"{name:14} {1000 * ours:8.1f}ms {1000 * limit:8.1f}ms {ours / limit:7.1f}x  {what}")


if __name__ == "__main__":
    main()
