"""How fast a district's roster is imported, beside reading the same files with csv."""

import csv
import io
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path

from benchmarks import exported
from benchmarks.children import ROOT
from benchmarks.databases import NAMES, kinds, scratch
from benchmarks.measured import Row, in_turn, seconds
from bot.roster import import_roster
from bot.store.session import Database, connect

_SAMPLE = Path(__file__).resolve().parent.parent / "sample" / "grandbend"
_NOW = datetime(2021, 10, 22, 12, 30, tzinfo=UTC)

# A large district, and what a night or an office that waits allows.
_STUDENTS, _GUARDIANS = 18_000, 30_000
_FIRST_SECONDS, _AGAIN_SECONDS, _MOST_MEGABYTES = 10, 3, 300


def measure(
    *,
    rounds: int = 3,
    on: Sequence[str] | None = None,
    students: int = _STUDENTS,
    guardians: int = _GUARDIANS,
) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="presente-bench-") as folder:
        large = exported.write(Path(folder, "large.zip"), students=students, guardians=guardians)
        for kind in on or kinds():
            with scratch(kind) as (database, _):
                rows.append(_small(database, kind, rounds))
            with scratch(kind) as (database, address):
                rows += _large(
                    database, kind, address, large, f"{students:,} students and {guardians:,} guardians"
                )
    return rows


def _small(database: Database, kind: str, rounds: int) -> Row:
    took = in_turn(rounds, {"ours": seconds(lambda: _import_sample(database)), "bare": seconds(_read_sample)})
    return Row(
        "importing 960 students and 1,716 guardians, beside csv alone",
        NAMES[kind],
        f"{took['ours']:.2f} s",
        f"{took['bare']:.3f} s",
        took["ours"] / took["bare"],
    )


def _large(database: Database, kind: str, address: str, archive: Path, whom: str) -> list[Row]:
    megabytes = _megabytes(address, archive)
    empty = seconds(lambda: _import(database, archive, undo=False))()
    again = seconds(lambda: _import(database, archive, undo=False))()
    bare = seconds(lambda: _read(archive))()
    return [
        _limited(f"importing {whom}", kind, empty, _FIRST_SECONDS),
        _limited("importing them again, unchanged", kind, again, _AGAIN_SECONDS),
        Row("the same beside csv alone", NAMES[kind], f"{empty:.2f} s", f"{bare:.2f} s", empty / bare),
        Row(
            "memory of that import at its highest",
            NAMES[kind],
            f"{megabytes:.0f} MB",
            f"{_MOST_MEGABYTES} MB",
            megabytes / _MOST_MEGABYTES,
            at_most=1,
        ),
    ]


def _limited(what: str, kind: str, took: float, limit: float) -> Row:
    """The limit is SQLite's; another server's round trips are its own, and a figure to know."""
    at_most = 1 if kind == "sqlite" else None
    return Row(what, NAMES[kind], f"{took:.2f} s", f"{limit:.2f} s", took / limit, at_most=at_most)


def _megabytes(address: str, archive: Path) -> float:
    """Of a process of its own, so that nobody else's memory is counted; it undoes what it imports."""
    command = [sys.executable, "-m", "benchmarks.importing", address, str(archive)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)  # noqa: S603
    return float(done.stdout)


def _import_sample(database: Database) -> None:
    """Into empty tables, every time: what was imported is undone."""
    with database.begin(undo=True) as session:
        import_roster(
            session,
            _SAMPLE / "oneroster.zip",
            contacts=_SAMPLE / "contacts.csv",
            calendar=_SAMPLE / "calendar.ics",
            zone="America/New_York",
            morning_at=time(9, 30),
            now=_NOW,
        )


def _import(database: Database, archive: Path, *, undo: bool) -> None:
    with database.begin(undo=undo) as session:
        import_roster(
            session,
            archive,
            contacts=None,
            calendar=None,
            zone="America/New_York",
            morning_at=time(9, 30),
            now=_NOW,
        )


def _read_sample() -> None:
    _read(_SAMPLE / "oneroster.zip")
    with (_SAMPLE / "contacts.csv").open(encoding="utf-8", newline="") as file:
        list(csv.reader(file))


def _read(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            list(csv.reader(io.StringIO(archive.read(name).decode(), newline="")))


if __name__ == "__main__":
    _import(Database(connect(sys.argv[1])), Path(sys.argv[2]), undo=True)
    sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
