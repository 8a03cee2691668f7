"""A watched folder: whole files only, once each, and never lost, whenever whoever watches is killed."""

import errno
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.advance import Script
from bot.outbox import Pace
from bot.roster.incoming import Folder, Moved, Office
from bot.schedule import Habits, Worker
from bot.store.session import Database
from bot.store.tables import AttendanceMark, FileState, FileWay, SchoolFile
from tests.builders import FRIDAY, NOW, a_school, a_student
from tests.conftest import ROOT

OFFICE = Office("America/New_York", NOW.time())
HEADER = "date,school_id,student_id,att_code,description,status,excuse"


class Watched:
    """A folder, a database with a school of ten, and a watcher whose clock the test turns."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database, self.path = database, path
        path.mkdir()
        self.folder = Folder(path, settled=5)
        self.seconds = 0.0
        with database.begin() as session:
            self.school = a_school(session)
            self.students = [a_student(session, self.school) for _ in range(10)]

    def marks(self, count: int, day: str = str(FRIDAY)) -> bytes:
        rows = [f"{day},{self.school.sourced_id},{one.number},AU,,A,U" for one in self.students[:count]]
        return "\r\n".join([HEADER, *rows, ""]).encode()

    def put(self, name: str, raw: bytes, minutes_ago: float = 1) -> Path:
        path = self.path / name
        path.write_bytes(raw)
        at = (NOW - timedelta(minutes=minutes_ago)).timestamp()
        os.utime(path, (at, at))
        return path

    def look(self, after: float = 0) -> list[Moved]:
        self.seconds += after
        return self.folder.look(self.database, office=OFFICE, clock=lambda: NOW, ticking=self.seconds)

    def settle(self) -> list[Moved]:
        return [*self.look(), *self.look(6)]

    def there(self) -> list[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())

    def marked(self) -> int:
        with self.database.begin() as session:
            current = AttendanceMark.superseded_at.is_(None)
            return session.scalar(select(func.count()).select_from(AttendanceMark).where(current)) or 0

    def files(self) -> list[FileState]:
        with self.database.begin() as session:
            return list(session.scalars(select(SchoolFile.state).order_by(SchoolFile.id)))


@pytest.fixture
def watched(sqlite: Database, tmp_path: Path) -> Watched:
    return Watched(sqlite, tmp_path / "drop")


def test_a_file_is_taken_once_it_has_not_changed_for_a_while(watched: Watched) -> None:
    watched.put("today.csv", watched.marks(2))
    assert watched.look() == []
    assert watched.look(3) == []
    watched.put("today.csv", watched.marks(3))
    assert watched.look(3) == []
    assert watched.look(4) == []
    assert [one.place for one in watched.look(2)] == ["done"]
    assert watched.marked() == 3
    assert watched.there() == ["done/today.csv", "done/today.csv.report.txt"]
    said = (watched.path / "done" / "today.csv.report.txt").read_text(encoding="utf-8-sig")
    assert said.startswith("today.csv was applied.")
    assert "attendance marks: 3 added" in said


def test_half_written_hidden_and_empty_files_links_and_folders_are_left_alone(watched: Watched) -> None:
    outside = watched.path.parent / "outside.csv"
    outside.write_bytes(watched.marks(1))
    (watched.path / "link.csv").symlink_to(outside)
    (watched.path / "folder.csv").mkdir()
    (watched.path / "folder.csv" / "inner.csv").write_bytes(watched.marks(1))
    for name in (".hidden.csv", "~lock.csv", "today.csv.part", "today.TMP", "today.csv.filepart"):
        watched.put(name, watched.marks(1))
    watched.put("empty.csv", b"")
    os.mkfifo(watched.path / "pipe.csv")

    assert watched.settle() == []
    assert watched.files() == []
    assert outside.exists()


def test_files_are_taken_in_the_order_in_which_they_were_written(watched: Watched) -> None:
    """The latest is the truth, whatever its name."""
    watched.put("a-later.csv", watched.marks(2), minutes_ago=1)
    watched.put("b-earlier.csv", watched.marks(5), minutes_ago=9)

    assert [one.name for one in watched.settle()] == ["b-earlier.csv", "a-later.csv"]
    assert watched.marked() == 2


def test_a_broken_file_is_refused_with_its_reason_and_holds_up_no_other(watched: Watched) -> None:
    watched.put("broken.csv", b"\0\1\2 nothing of a school", minutes_ago=5)
    watched.put("bomb.zip", b"PK\x03\x04 no archive", minutes_ago=4)
    watched.put("today.csv", watched.marks(2))

    assert [one.place for one in watched.settle()] == ["refused", "refused", "done"]
    said = (watched.path / "refused" / "bomb.zip.report.txt").read_text(encoding="utf-8-sig")
    assert "bomb.zip was refused; nothing of it was applied." in said
    assert "is not a zip file that can be read" in said


def test_a_file_with_faults_has_them_row_by_row_beside_it(watched: Watched) -> None:
    watched.put("today.csv", watched.marks(2) + f"{FRIDAY},nowhere,1,AU,,A,U\r\n".encode())
    watched.settle()

    rows = (watched.path / "done" / "today.csv.report.csv").read_text(encoding="utf-8-sig").splitlines()
    assert rows[0] == "file,line,column,value,what is wrong,what to do"
    assert rows[1].startswith("today.csv,4,school_id,nowhere,")
    assert (watched.path / "done" / "today.csv.report.csv").stat().st_mode & 0o077 == 0


def test_yesterdays_file_waits_in_held_and_its_report_says_how_to_decide(watched: Watched) -> None:
    watched.put("today.csv", watched.marks(2, day="2021-10-21"))
    [moved] = watched.settle()

    assert moved.place == "held"
    assert watched.marked() == 0
    said = (watched.path / "held" / "today.csv.report.txt").read_text(encoding="utf-8-sig")
    assert "presente approve 1 --because REASON --by E-MAIL" in said


def test_a_file_that_comes_again_is_not_applied_again(watched: Watched) -> None:
    watched.put("today.csv", watched.marks(2))
    watched.settle()
    watched.put("today.csv", watched.marks(2), minutes_ago=0.5)
    [moved] = watched.settle()

    assert moved.sentences == ("This file came before, as file 1.",)
    assert watched.files() == [FileState.APPLIED]
    assert len([name for name in watched.there() if name.endswith(".csv")]) == 2


def test_a_file_of_the_same_name_stays_beside_the_earlier_one(watched: Watched) -> None:
    for count in (2, 3):
        watched.put("today.csv", watched.marks(count), minutes_ago=5 - count)
        watched.settle()

    done = [name for name in watched.there() if name.endswith(".csv")]
    assert len(done) == 2
    assert done[1] == "done/today.csv"
    assert watched.marked() == 3


def test_two_watchers_of_one_folder_do_no_harm(watched: Watched) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for number in range(6):
        watched.put(f"file{number}.csv", watched.marks(number + 1), minutes_ago=20 - number)
    others = [Folder(watched.path, settled=5) for _ in range(3)]

    def look(one: Folder, at: float) -> list[Moved]:
        return one.look(watched.database, office=OFFICE, clock=lambda: NOW, ticking=at)

    for one in others:
        look(one, 0)
    with ThreadPoolExecutor(3) as pool:
        moved = [name for found in pool.map(lambda one: look(one, 10), others) for name in found]
    for one in others:
        moved += look(one, 20) + look(one, 30)

    assert sorted(one.name for one in moved) == [f"file{number}.csv" for number in range(6)]
    assert len(watched.files()) == 6
    assert not [path for path in watched.path.iterdir() if path.is_file()]


def test_without_room_for_its_report_a_file_stays_and_is_tried_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.put("today.csv", watched.marks(2))
    real = os.open

    def full(path: object, flags: int, *more: int, **named: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, flags, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", full)
    assert watched.settle() == []
    assert watched.there() == ["today.csv"]
    monkeypatch.undo()

    [moved] = watched.look(6) or watched.settle()
    assert moved.place == "done"
    assert watched.marked() == 2
    assert watched.files() == [FileState.APPLIED]


# Where a watcher is killed: before anything, once it is committed, with a report, before it is moved.
_POINTS = ("receive", "committed", "report", "moving")

_DIES = """
import os, sys
from datetime import datetime, UTC
from pathlib import Path
from bot.roster.incoming import Folder, Office, folder
from bot.store.session import Database, connect

url, path, point = sys.argv[1:]
now = datetime.fromisoformat("2021-10-22T13:30:00+00:00")

def dies(*_, **__):
    os.kill(os.getpid(), 9)

real = folder.receive
if point == "receive":
    folder.receive = dies
elif point == "committed":
    def receive(*given, **named):
        real(*given, **named)
        dies()
    folder.receive = receive
elif point == "report":
    folder._write = dies
else:
    Path.replace = lambda self, to: dies() if self.suffix == ".csv" else os.replace(self, to)
watched = Folder(Path(path), settled=0)
for ticking in (0.0, 1.0):
    watched.look(
        Database(connect(url)), office=Office("America/New_York", now.time()), clock=lambda: now, ticking=ticking
    )
"""


@pytest.mark.parametrize("point", _POINTS)
def test_a_watcher_that_is_killed_loses_no_file_and_none_is_applied_twice(
    watched: Watched, point: str
) -> None:
    watched.put("today.csv", watched.marks(2))
    url = str(watched.database.engine.url)
    dead = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", _DIES, url, str(watched.path), point], cwd=ROOT, check=False, timeout=60
    )
    assert dead.returncode == -9
    assert "today.csv" in watched.there()

    [moved] = watched.settle()
    assert moved.place == "done"
    assert watched.files() == [FileState.APPLIED]
    assert watched.marked() == 2
    assert not [name for name in watched.there() if name.endswith(".tmp") and point != "moving"]
    said = (watched.path / "done" / "today.csv.report.txt").read_text(encoding="utf-8-sig")
    assert "today.csv was applied." in said


def test_the_worker_watches_the_folder_of_the_settings(
    watched: Watched, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    habits = Habits(pace=Pace("simulator", None, None), watch=watched.path, office=OFFICE)
    worker = Worker(
        database=watched.database,
        provider=None,  # type: ignore[arg-type]
        script=script,
        understanding=None,  # type: ignore[arg-type]
        clock=lambda: NOW,
        bell=None,  # type: ignore[arg-type]
        habits=habits,
    )
    [job] = [job for job in worker.jobs if job.name == "folder"]
    watched.put("today.csv", watched.marks(2))
    for seconds in (0.0, 6.0):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: seconds)
        job.run()
    monkeypatch.undo()

    assert watched.marked() == 2
    with watched.database.begin() as session:
        assert session.scalars(select(SchoolFile.way)).all() == [FileWay.FOLDER]
