"""Past mornings played again, day by day, each promise checked at the end of each."""

import random
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import attendance, outreach
from bot.advance import Script
from bot.clock import instant
from bot.ledger import Counts
from bot.rehearsal.promises import check
from bot.rehearsal.town import Town, a_specialist, replies_by_language
from bot.roster import import_attendance, import_roster
from bot.store import migrate
from bot.store.session import Database, connect
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Purpose

# How simulated families behave: most answer, and some again.
_ANSWERS = 0.7
_ANSWERS_AGAIN = 0.5


@dataclass(frozen=True)
class Year:
    """The files a year is played from."""

    roster: Path
    contacts: Path
    calendar: Path
    attendance: Path
    replies: Path


@dataclass
class Summary:
    """What a replay saw. `broken` names every promise that did not hold, with the day."""

    days: int = 0
    absent: int = 0
    accounted_for: int = 0
    texts: int = 0
    answers: int = 0
    handoffs: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        share = 100 * self.accounted_for / self.absent if self.absent else 100.0
        outcomes = ", ".join(
            f"{outcome.value} {self.outcomes[outcome]}" for outcome in Outcome if self.outcomes[outcome]
        )
        found = [
            f"{self.days} school days: {self.absent} absences, {self.accounted_for} accounted for ({share:.0f} %)",
            f"{self.texts} texts sent, {self.answers} answers, {self.handoffs} handoffs",
            f"outcomes: {outcomes}",
        ]
        if not self.broken:
            return [
                *found,
                "every promise held: nobody dropped, nobody texted twice, nobody texted who may not be",
            ]
        return [*found, f"{len(self.broken)} promises broken:", *(f"  {line}" for line in self.broken)]


@contextmanager
def scratch_database(migrations: Path) -> Iterator[Database]:
    """An empty database that is gone afterwards: a rehearsal never touches the real one."""
    with scratch_place(migrations) as (url, _):
        database = Database(connect(url))
        try:
            yield database
        finally:
            database.close()


@contextmanager
def scratch_place(migrations: Path, server: str = "") -> Iterator[tuple[str, Path]]:
    """The address of such a database, on SQLite or on this PostgreSQL *server*, and a folder beside it."""
    with (
        tempfile.TemporaryDirectory(prefix="presente-") as folder,
        _on(server) if server else nullcontext(f"sqlite:///{folder}/rehearsal.db") as url,
    ):
        database = Database(connect(url))
        migrate.upgrade(database.engine, migrations)
        database.close()
        yield url, Path(folder)


@contextmanager
def _on(server: str) -> Iterator[str]:
    name = f"presente_rehearsal_{secrets.token_hex(4)}"
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")

    def say(statement: str) -> None:
        with admin.connect() as connection:
            connection.exec_driver_sql(statement)
        admin.dispose()  # whoever forks must not share a connection

    say(f"CREATE DATABASE {name}")
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        say(f"DROP DATABASE {name} WITH (FORCE)")


def replay(
    database: Database,
    year: Year,
    first: date,
    last: date,
    *,
    script: Script,
    understanding: Understanding,
    zone: str,
    morning_at: time,
    seed: int,
    say: Callable[[str], None],
) -> Summary:
    """Play every school day from *first* to *last* and check the promises at the end of each.

    Simulated families answer in their languages with texts of `year.replies`; simulated staff answer
    what is handed off. *say* gets a line for each day. The same seed plays the same year.
    """
    chance = random.Random(seed)
    where = ZoneInfo(zone)
    start = instant(first - timedelta(days=7), time(12), where)
    with database.begin() as session:
        import_roster(
            session,
            year.roster,
            contacts=year.contacts,
            calendar=year.calendar,
            zone=zone,
            morning_at=morning_at,
            now=start,
        )
        staff = a_specialist(session)
        days = attendance.school_days(session, first, last)
    town = Town(database, script, understanding, replies_by_language(year.replies), chance, staff, start)
    summary = Summary()
    say(_HEADER)
    for day in days:
        _play(town, year, day, instant(day, morning_at, where))
        counts = _check(town, day, where, summary)
        say(_row(day, counts, town))
    return summary


_HEADER = "day         absent  asked  answers  handoffs  accounted for  outcomes"


def _row(day: date, counts: Counts, town: "Town") -> str:
    outcomes = ", ".join(f"{outcome.value} {number}" for outcome, number in counts.outcomes.items())
    return (
        f"{day}  {counts.absent:6d} {town.asked:6d} {town.answers:8d} {town.handoffs:9d} "
        f"{counts.accounted_for:14d}  {outcomes}"
    )


# --- one day -------------------------------------------------------------------------------------------


def _play(town: Town, year: Year, day: date, opens: datetime) -> None:
    town.now = opens
    town.asked = town.answers = town.handoffs = 0
    with town.database.begin() as session:
        import_attendance(session, year.attendance, through=day, now=town.now)
    outreach.run_due(town.database, script=town.script, now=town.now)
    # A second scheduler, and a clerk who runs it by hand as well: both must be harmless.
    outreach.run_due(town.database, script=town.script, now=town.now)
    with town.database.begin() as session:
        again = outreach.plan(session, day, script=town.script, now=town.now)
        outreach.run(session, again, script=town.script, now=town.now)
    town.climbs()
    for minutes, eagerness in (
        (4, _ANSWERS),
        (9, _ANSWERS_AGAIN),
        (30, 0.3),
        (95, 0.5),
        (100, 0.4),
        (125, 0.4),
        (190, 0.2),
    ):
        town.now = opens + timedelta(minutes=minutes)
        town.climbs()
        outreach.take_silences(town.database, script=town.script, now=town.now)
        town.work()
        town.families_answer(eagerness)
        town.work()
    town.now = opens + timedelta(hours=4)
    town.staff_answer()
    town.work()
    town.families_answer(0.3)
    town.work()
    town.now = opens + timedelta(hours=6)
    town.climbs()
    town.now = opens + timedelta(hours=12)
    outreach.take_silences(town.database, script=town.script, now=town.now)
    town.work()


def _check(town: Town, day: date, zone: ZoneInfo, summary: Summary) -> Counts:
    with town.database.begin() as session:
        counts, sent, broken = check(session, day, zone, town.script, town.now)
    town.asked = sum(text.purpose is Purpose.CHECK_IN for text in sent)
    summary.days += 1
    summary.absent += counts.absent
    summary.accounted_for += counts.accounted_for
    summary.texts += len(sent)
    summary.answers += town.answers
    summary.handoffs += town.handoffs
    summary.outcomes.update(counts.outcomes)
    summary.broken += [f"{day}: {line}" for line in broken]
    return counts
