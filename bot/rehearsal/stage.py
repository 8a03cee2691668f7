"""One process's part of a stormy day: every step that is not done yet, some of them half done by one who died."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import closings, delivery, ladder, outreach
from bot.advance import Script
from bot.clock import instant
from bot.closings import ClosingRefused, Who
from bot.rehearsal.book import Book
from bot.rehearsal.town import Town
from bot.rehearsal.weather import Day, Kind, Step
from bot.roster import import_attendance
from bot.store.session import Database, connect
from bot.store.tables import School
from bot.understanding import Understanding

_OFFICE, _REASON = Who("the office"), "storm"
_LEASE, _SETTLE_AFTER = timedelta(minutes=2), timedelta(minutes=15)
_EAGERNESS = {4: 0.7, 9: 0.5, 240: 0.3}
_STAFF_AT = 240


@dataclass(frozen=True)
class Scene:
    """What every process of a storm needs; the database is opened by each anew."""

    url: str
    folder: Path
    script: Script
    understanding: Understanding
    zone: ZoneInfo
    morning_at: time
    seed: int
    staff: int
    replies: dict[str, list[str]]

    @property
    def book(self) -> Path:
        return self.folder / "book.jsonl"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.json"

    def at(self, day: date, minute: int) -> datetime:
        """So many minutes after the school's usual time of asking."""
        return instant(day, self.morning_at, self.zone) + timedelta(minutes=minute)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database for the length of a block: no process inherits a connection that another holds."""
    database = Database(connect(url))
    try:
        yield database
    finally:
        database.close()


# --- a process's work ----------------------------------------------------------------------------------------


def do(scene: Scene, plan: Day) -> None:
    """Every step of the day that is not done yet, in order; each may have been half done by one who died."""
    with opened(scene.url) as database:
        town = _StormyTown(scene, database)
        for number, step in enumerate(plan.steps):
            if number < town.done:
                continue
            town.begin(plan, number, step)
            _act(town, scene, plan, step)
            town.tick()
            town.note_done(number + 1)


class _StormyTown(Town):
    """The district as one process sees it; what its families have read is known to the next one."""

    provider: Book  # type: ignore[assignment]

    def __init__(self, scene: Scene, database: Database) -> None:
        super().__init__(
            database,
            scene.script,
            scene.understanding,
            scene.replies,
            random.Random(scene.seed),
            scene.staff,
            scene.at(date.min.replace(year=2000), 0),
        )
        self._scene = scene
        self.provider = Book(scene.book, self.clock)
        known = _read_progress(scene)
        self.done, self.read_to, self.provider.told = known["done"], known["read"], known["told"]

    def begin(self, plan: Day, number: int, step: Step) -> None:
        self.now = self._scene.at(plan.day, step.minute)
        self.chance = random.Random(f"{self._scene.seed} {plan.day} {number}")
        # A step that is done again posts the same webhooks again, as the provider would.
        self._sids = count((plan.day.toordinal() * 1000 + number) * 10_000)

    def tick(self) -> None:
        """What the scheduler's jobs do, and a second scheduler beside the first."""
        for _ in range(2):
            outreach.run_due(self.database, script=self.script, now=self.now)
            ladder.climb(self.database, script=self.script, now=self.now)
            outreach.take_silences(self.database, script=self.script, now=self.now)
            delivery.lost_claims(self.database, lease=_LEASE, now=self.now)
            delivery.settle(
                self.database, self.provider, script=self.script, clock=self.clock, after=_SETTLE_AFTER
            )
            self.work()

    def note_done(self, done: int) -> None:
        self.done = done
        set_progress(self._scene, done=done, read=self.read_to, told=self.provider.told)


def _act(town: _StormyTown, scene: Scene, plan: Day, step: Step) -> None:
    match step.kind:
        case Kind.FILE:
            with town.database.begin() as session:
                import_attendance(session, scene.folder / step.file, through=None, now=town.now)
        case Kind.LOOK:
            town.tick()
            town.families_answer(_EAGERNESS.get(step.minute, 0.3))
            town.work()
            if step.minute == _STAFF_AT:
                town.staff_answer()
        case _:
            _say(town, scene, plan, step)


def _say(town: _StormyTown, scene: Scene, plan: Day, step: Step) -> None:
    """A person says something of the day; said a second time, by a process that died after it, it is refused."""
    try:
        with town.database.begin() as session:
            schools = session.scalars(select(School.id).where(School.sourced_id.in_(step.schools))).all()
            _change(session, schools, scene, plan, step, town.now)
    except ClosingRefused:
        return


def _change(
    session: Session, schools: Sequence[int], scene: Scene, plan: Day, step: Step, now: datetime
) -> None:
    at = scene.at(plan.day, step.at_minute).astimezone(scene.zone).time()
    match step.kind:
        case Kind.CLOSE:
            closings.close(session, schools, plan.day, reason=_REASON, who=_OFFICE, now=now)
        case Kind.LATE:
            closings.open_late(session, schools, plan.day, at, reason=_REASON, who=_OFFICE, now=now)
        case Kind.EARLY:
            closings.end_early(session, schools, plan.day, at, reason=_REASON, who=_OFFICE, now=now)
        case _:
            for change in closings.changes(session, schools, plan.day, plan.day):
                if change.withdrawn_at is None:
                    closings.withdraw(session, change.id, schools=schools, who=_OFFICE, now=now)


def _read_progress(scene: Scene) -> Mapping[str, int]:
    known: dict[str, int] = {"done": 0, "read": 0, "told": 0}
    if scene.progress.exists():
        known |= json.loads(scene.progress.read_text(encoding="utf-8"))
    return known


def set_progress(scene: Scene, **known: int) -> None:
    """Note how far the day is; a process that dies here has noted all of it or nothing."""
    new = scene.progress.with_suffix(".new")
    new.write_text(json.dumps({**_read_progress(scene), **known}), encoding="utf-8")
    new.replace(scene.progress)
