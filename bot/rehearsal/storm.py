"""A year in a storm: files that correct each other, closings, and a real process killed in the middle of its work."""

import os
import signal
import time as wall
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select

from bot import attendance
from bot.advance import Script
from bot.clock import instant, school_day
from bot.errors import PresenteError
from bot.rehearsal import judge, weather
from bot.rehearsal.book import Book
from bot.rehearsal.promises import check
from bot.rehearsal.stage import Scene, do, opened, set_progress
from bot.rehearsal.town import a_specialist, replies_by_language
from bot.rehearsal.weather import Day, Kind
from bot.rehearsal.year import Year
from bot.roster import import_roster
from bot.store.tables import School, Student
from bot.understanding import Understanding

# How often a day's work may be begun anew; beyond that it is not the kills that keep it from its end.
_MOST_TRIES = 30


class WorkFailed(PresenteError):
    """A day's process ended by itself and not well; what it said stands above."""


@dataclass
class Tally:
    """What a storm did and saw. `broken` names every promise that did not hold, with the day."""

    days: int = 0
    files: int = 0
    corrections: int = 0
    changes: Counter[Kind] = field(default_factory=Counter)
    kills: int = 0
    absent: int = 0
    accounted_for: int = 0
    texts: int = 0
    questions: int = 0
    broken: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        closed = ", ".join(f"{self.changes[kind]} {kind.value}" for kind in _CHANGES)
        found = [
            f"{self.days} school days: {self.files} files, {self.corrections} corrected marks; of days: {closed}",
            f"{self.kills} processes killed in their work",
            f"{self.absent} absences, {self.accounted_for} accounted for",
            f"{self.texts} texts left, {self.questions} of them questions",
        ]
        if not self.broken:
            return [
                *found,
                "every promise held: the ledger sums, nothing left twice, at night or on a closed day",
            ]
        return [*found, f"{len(self.broken)} promises broken:", *(f"  {line}" for line in self.broken)]


_CHANGES = (Kind.CLOSE, Kind.WITHDRAW, Kind.LATE, Kind.EARLY)


def play(
    url: str,
    folder: Path,
    year: Year,
    first: date,
    last: date,
    *,
    script: Script,
    understanding: Understanding,
    zone: str,
    morning_at: time,
    seed: int,
    most_kills: int = 3,
    say: Callable[[str], None],
) -> Tally:
    """Play every school day from *first* to *last* on the empty database of *url*; the same seed plays the same storm.

    Each day's work is a process of its own, killed at random moments and begun anew where it was, until it
    is done. The book of what left and the files are in *folder*; the judge reads them, not the bot's word.
    """
    where = ZoneInfo(zone)
    start = instant(first - timedelta(days=7), time(12), where)
    with opened(url) as database, database.begin() as session:
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
        students: dict[str, list[str]] = {}
        for number, school in session.execute(
            select(Student.number, School.sourced_id)
            .join(School, School.id == Student.school_id)
            .where(Student.active)
            .order_by(Student.number)
        ):
            students.setdefault(school, []).append(number)
    scene = Scene(
        url, folder, script, understanding, where, morning_at, seed, staff, replies_by_language(year.replies)
    )
    marked = weather.marked_by_day(year.attendance)
    tally, pace = Tally(), _Pace()
    for day in days:
        plan = weather.storm(day, marked.get(day, []), students, seed, most_kills)
        weather.write(folder, plan)
        kills = _work_through(scene, plan, pace)
        _note(tally, scene, plan, kills)
        say(f"{day}  {len(plan.files)} files, {kills} killed, {len(tally.broken)} broken")
    return tally


def _note(tally: Tally, scene: "Scene", plan: Day, kills: int) -> None:
    evening = scene.at(plan.day, 721)
    with opened(scene.url) as database, database.begin() as session:
        counts, sent, broken = check(session, plan.day, scene.zone, scene.script, evening)
        book = [left for left in Book(scene.book, lambda: evening).book if _of(left.at, plan.day, scene.zone)]
        broken += judge.faults(session, plan, book, counts, opens=scene.at(plan.day, 0), zone=scene.zone)
    tally.days += 1
    tally.files += sum(step.kind is Kind.FILE for step in plan.steps)
    tally.corrections += judge.corrections(plan)
    tally.changes.update(step.kind for step in plan.steps if step.kind in _CHANGES)
    tally.kills += kills
    tally.absent += counts.absent
    tally.accounted_for += counts.accounted_for
    tally.texts += len(book)
    tally.questions += sum(text.purpose in judge.ASKING for text in sent)
    tally.broken += [f"{plan.day}: {line}" for line in broken]


def _of(moment: datetime, day: date, zone: ZoneInfo) -> bool:
    return school_day(moment, zone) == day


# --- processes that die -------------------------------------------------------------------------------------


def _work_through(scene: Scene, plan: Day, pace: "_Pace") -> int:
    """Let processes do the day until one comes to its end; returns how many were killed on the way."""
    set_progress(scene, done=0)
    kills = list(plan.kills)
    for killed in range(_MOST_TRIES):
        began = wall.monotonic()
        dies_after = kills.pop(0) * pace.seconds if kills else None
        if _one_process(scene, plan, dies_after):
            pace.learn(wall.monotonic() - began, whole=not killed)
            return killed
    raise WorkFailed(f"the work of {plan.day} never came to its end in {_MOST_TRIES} tries")


class _Pace:
    """How long a day's work takes here, learned on the way: a kill falls anywhere in it."""

    seconds = 1.0

    def learn(self, took: float, *, whole: bool) -> None:
        # A day that was begun anew had less to do at the end.
        self.seconds = (self.seconds + took) / 2 if whole else max(self.seconds, took)


def _one_process(scene: Scene, plan: Day, dies_after: float | None) -> bool:
    """One process does what is left of the day. False when it was killed before the end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            do(scene, plan)
            code = 0
        except BaseException:  # noqa: BLE001 - a child that raised would go on as a second parent
            traceback.print_exc()
        finally:
            os._exit(code)
    if dies_after is not None:
        until = wall.monotonic() + dies_after
        while wall.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return _ended_well(status)
            wall.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    return _ended_well(status)


def _ended_well(status: int) -> bool:
    if os.waitstatus_to_exitcode(status) != 0:
        raise WorkFailed("a day's process failed; what it said stands above")
    return True
