"""The webhook at its limit, beside the least a webhook can be: `python -m benchmarks.webhook`.

Ours is `presente serve` while a `presente worker` takes the turns of what comes in; the other is one
Flask route that checks the signature and does one INSERT (bare_webhook.py), under the same gunicorn
and in a database of the same kind, with nobody at work on what it keeps. They take turns, round by
round; the load comes from another process over 16 kept-alive connections.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text

from benchmarks import bare_webhook
from benchmarks.children import (
    PRESENTE,
    ROOT,
    ChildFailed,
    child,
    cpu_seconds,
    first_line,
    free_port,
    wait_until_served,
)
from benchmarks.databases import NAMES, kinds, scratch
from benchmarks.district import fill, noon_zone, number_of
from benchmarks.measured import Row, plain
from benchmarks.provider import ACCOUNT, NUMBER, TOKEN, provider
from bot import clock
from bot.advance import Script
from bot.conversation.load import load
from bot.policy import Policy
from bot.store.session import Database
from bot.store.tables import InboundText
from bot.texts import Texts

PROCESSES, THREADS, CONNECTIONS = 2, 8, 16
FAMILIES, OLD_TEXTS = 18_000, 5_000
WARM_UP = 1.5
# What a district's registered sender may send (performance: 10DLC, score 1-49).
SEGMENTS_A_SECOND = "12"


@dataclass(frozen=True)
class Round:
    """One load against one server. Latencies in seconds; *cpu* is the serving processes' for each post."""

    a_second: float
    p50: float
    p99: float
    worst: float
    cpu: float
    kept: int
    turns: int = 0

    def line(self) -> str:
        return (
            f"{self.a_second:7,.0f} posts/s  p50 {_ms(self.p50):>8}  p99 {_ms(self.p99):>8}  worst {_ms(self.worst):>8}"
            f"  {1e6 * self.cpu:4.0f} us of CPU a post  {self.kept:,} answered and kept, {self.turns:,} turns taken"
        )


def measure(*, rounds: int = 3, seconds: float = 8) -> list[Row]:
    rows = []
    for kind in kinds():
        rows += _rows(kind, *compare(kind, rounds=rounds, seconds=seconds))
    return rows


def compare(kind: str, *, rounds: int, seconds: float, workers: int = 1) -> tuple[list[Round], list[Round]]:
    """Ours and the other's rounds. Raises ChildFailed when a post was answered wrongly, or answered and not kept."""
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(_ours(kind, seconds, workers))
        bare.append(_bare(kind, seconds))
    return ours, bare


def _rows(kind: str, ours: list[Round], bare: list[Round]) -> list[Row]:
    def middle(side: list[Round], what: str) -> float:
        return float(statistics.median(getattr(each, what) for each in side))

    posts, limit = middle(ours, "a_second"), middle(bare, "a_second")
    ratio = statistics.median(a.a_second / b.a_second for a, b in zip(ours, bare, strict=True))
    p50, p50_bare, p99 = middle(ours, "p50"), middle(bare, "p50"), middle(ours, "p99")
    what = f"webhook, {CONNECTIONS} connections, a worker beside it"
    return [
        Row(f"{what}: posts a second", NAMES[kind], f"{posts:,.0f}", f"{limit:,.0f}", ratio, at_least=0.7),
        Row(f"{what}: median", NAMES[kind], _ms(p50), _ms(p50_bare), p50 / p50_bare),
        Row(f"{what}: p99", NAMES[kind], _ms(p99), "100 ms", p99 / 0.1, at_most=1),
    ]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.1f} ms"


# --- the two servers ------------------------------------------------------------------------------------


def _ours(kind: str, seconds: float, workers: int) -> Round:
    with scratch(kind) as (database, address), provider() as carrier:
        _fill(database)
        with _program(address, carrier.url, workers) as (port, serving):
            loaded, cpu = _load(port, seconds, serving)
            turns = _count(database, handled=True) - OLD_TEXTS
        return _round(loaded, cpu, kept=_count(database) - OLD_TEXTS, turns=turns)


def _fill(database: Database) -> None:
    script = Script(load(ROOT / "flows"), Texts.load(ROOT / "locales"), Policy())
    now = clock.now()
    fill(database, FAMILIES, zone=noon_zone(now), script=script, now=now)
    before = now - timedelta(days=7)
    with database.begin() as session:
        session.execute(
            insert(InboundText),
            [
                {
                    "provider_sid": f"SM{n:032x}",
                    "sender": number_of(n % FAMILIES + 1),
                    "words": "an older text",
                    "received_at": before,
                    "handled_at": before,
                }
                for n in range(OLD_TEXTS)
            ],
        )


@contextmanager
def _program(address: str, carrier: str, workers: int) -> Iterator[tuple[int, int]]:
    """The program at work; yields its port and the id of the process that serves."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="presente-bench-") as folder, ExitStack() as processes:
        settings = {
            "PRESENTE_DATABASE_URL": address,
            "PRESENTE_SECRET_KEY": secrets.token_hex(16),
            "PRESENTE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PRESENTE_LISTEN": f"127.0.0.1:{port}",
            "PRESENTE_PROVIDER": "twilio",
            "PRESENTE_TWILIO_ACCOUNT_SID": ACCOUNT,
            "PRESENTE_TWILIO_AUTH_TOKENS": TOKEN,
            "PRESENTE_TWILIO_FROM": NUMBER,
            "PRESENTE_TWILIO_API_BASE": carrier,
            "PRESENTE_SEGMENTS_PER_SECOND": SEGMENTS_A_SECOND,
            "PRESENTE_SPOOL_FOLDER": f"{folder}/spool",
            "PRESENTE_WEB_PROCESSES": str(PROCESSES),
            "PRESENTE_WEB_THREADS": str(THREADS),
            "PRESENTE_ZONE": noon_zone(clock.now()).key,
            "PRESENTE_LOG_LEVEL": "error",
        }
        serving = processes.enter_context(child([*PRESENTE, "serve"], settings=settings))
        wait_until_served(port)
        working = [
            processes.enter_context(child([*PRESENTE, "worker"], settings=settings)) for _ in range(workers)
        ]
        for worker in working:
            first_line(worker)
            _wait_until_idle(worker)
        yield port, serving.pid


def _wait_until_idle(worker: "subprocess.Popen[str]") -> None:
    """A worker begins with what waited while none ran; the load begins when it has done that."""
    for _ in range(120):
        before = cpu_seconds(worker)
        time.sleep(0.5)
        if cpu_seconds(worker) - before < 0.1:
            return
    raise ChildFailed("the worker is not done with its start after a minute")


def _bare(kind: str, seconds: float) -> Round:
    port = free_port()
    with scratch(kind) as (database, address):
        with database.engine.begin() as connection:
            connection.execute(text(bare_webhook.TABLE[kind]))
        command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", str(PROCESSES)]
        command += ["--threads", str(THREADS), "--keep-alive", "75", "--worker-tmp-dir", "/dev/shm"]  # noqa: S108
        command += ["--bind", f"127.0.0.1:{port}", "--no-control-socket", "--log-level", "warning"]
        environment = {"BARE_DATABASE": address, "BARE_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        with child([*command, "benchmarks.bare_webhook:create_app()"], settings=environment) as serving:
            wait_until_served(port)
            loaded, cpu = _load(port, seconds, serving.pid)
        with database.engine.begin() as connection:
            kept = connection.execute(text("SELECT count(*) FROM bare_texts")).scalar_one()
        return _round(loaded, cpu, kept=kept)


# --- the load -------------------------------------------------------------------------------------------


def _load(port: int, seconds: float, serving: int) -> tuple[dict[str, Any], float]:
    """What the load saw, and the processor time of the serving processes meanwhile."""
    asked = {
        "port": port,
        "path": "/twilio/inbound",
        "seconds": seconds,
        "warm_up": WARM_UP,
        "connections": CONNECTIONS,
        "families": FAMILIES,
    }
    before = _cpu_seconds(serving)
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.posts", json.dumps(asked)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=seconds + 120,
    )
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded, _cpu_seconds(serving) - before


def _round(loaded: dict[str, Any], cpu: float, *, kept: int, turns: int = 0) -> Round:
    answered = loaded["all_statuses"]
    if answered != {"200": kept}:
        raise ChildFailed(f"{kept:,} texts are kept, and the posts were answered {answered}")
    took = loaded["latencies"]
    cut = statistics.quantiles(took, n=100)
    return Round(len(took) / loaded["seconds"], cut[49], cut[98], max(took), cpu / kept, kept, turns)


def _count(database: Database, *, handled: bool = False) -> int:
    texts = select(func.count()).select_from(InboundText)
    with database.look() as session:
        return session.scalar(texts.where(InboundText.handled_at.is_not(None)) if handled else texts) or 0


def _cpu_seconds(parent: int) -> float:
    """Processor time so far of a process's children. Linux only; elsewhere 0."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if int(fields[1]) == parent:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", choices=[*NAMES])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    rows = []
    for kind in [chosen.database] if chosen.database else kinds():
        ours, bare = compare(kind, rounds=chosen.rounds, seconds=chosen.seconds, workers=chosen.workers)
        for a, b in zip(ours, bare, strict=True):
            print(f"{NAMES[kind]:10} ours {a.line()}\n{'':10} bare {b.line()}")
        rows += _rows(kind, ours, bare)
    print(plain(rows))


if __name__ == "__main__":
    main()
