"""How soon the command line answers, what it imports for that, and how soon a worker works."""

import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.children import PRESENTE, ROOT, ChildFailed, child
from benchmarks.databases import scratch
from benchmarks.measured import Row, in_turn, seconds

# What only a command at work may pay for: the web server, the provider's client, the database's library.
DEAR = frozenset({"flask", "werkzeug", "twilio", "sqlalchemy", "alembic", "psycopg", "babel", "pydantic"})
_IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\w+)", re.MULTILINE)


def measure(*, rounds: int = 5) -> list[Row]:
    took = in_turn(
        rounds,
        {
            "help": seconds(lambda: _run(*PRESENTE, "--help")),
            "python": seconds(lambda: _run(sys.executable, "-c", "pass")),
        },
    )
    dear = dear_imports()
    ready = in_turn(rounds, {"worker": worker_ready})["worker"]
    return [
        Row("presente --help", "", f"{took['help']:.2f} s", "0.50 s", took["help"] / 0.5, at_most=1),
        Row(
            "presente --help beside python -c pass",
            "",
            f"{1000 * took['help']:.0f} ms",
            f"{1000 * took['python']:.0f} ms",
            took["help"] / took["python"],
        ),
        Row(
            "dear libraries that --help imports",
            "",
            ", ".join(sorted(dear)) or "none",
            "none",
            float(len(dear)),
            at_most=0,
        ),
        Row("a worker's first tick", "SQLite", f"{ready:.2f} s", "2.00 s", ready / 2, at_most=1),
    ]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603


def dear_imports() -> frozenset[str]:
    """Which of DEAR `presente --help` imports; it should be none."""
    told = _run(sys.executable, "-X", "importtime", *PRESENTE[1:], "--help").stderr
    return DEAR & frozenset(_IMPORTED.findall(told))


def worker_ready() -> float:
    """Seconds from the start of `presente worker` to its first tick, on a database that has its tables."""
    with scratch("sqlite") as (_, address):
        settings = {"PRESENTE_DATABASE_URL": address, "PRESENTE_PROVIDER": "simulator"}
        began = time.perf_counter()
        with child([*PRESENTE, "worker"], settings=settings) as worker:
            while not _ticked(Path(address.removeprefix("sqlite:///"))):
                if worker.poll() is not None or time.perf_counter() - began > 30:
                    raise ChildFailed("the worker has not ticked")
                time.sleep(0.01)
            return time.perf_counter() - began


def _ticked(file: Path) -> bool:
    """Read beside the program's own transactions, which take the writer's lock even to read."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT 1 FROM ticks WHERE job = 'worker'").fetchone() is not None
    finally:
        connection.close()
