"""Chaos by hand: `python -m tests.chaos --database postgresql --texts 2500 --kills 100 --restarts 5 --seed 7`."""

import argparse
import secrets
import signal
import sys
from pathlib import Path

from tests.chaos import inbound, outbound
from tests.chaos.inbound import Flood
from tests.chaos.outbound import Storm
from tests.chaos.rest import Verdict


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    asked.add_argument("--seed", type=int, default=None)
    asked.add_argument("--texts", type=int, default=2500)
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--restarts", type=int, default=5)
    asked.add_argument("--freezes", type=int, default=4)
    asked.add_argument("--workers", type=int, default=4)
    asked.add_argument("--inbound", action="store_true", help="families' texts rather than ours")
    asked.add_argument("--keep", type=Path, default=None, help="copy the logs and the book to this folder")
    given = asked.parse_args()
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    # Told to end, it ends its processes first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"seed {seed}", flush=True)
    found = _inbound(given, seed) if given.inbound else _outbound(given, seed)
    print(found)
    return 1 if found.faults else 0


def _outbound(given: argparse.Namespace, seed: int) -> Verdict:
    sqlite = given.database == "sqlite"
    storm = Storm(
        texts=given.texts,
        kills=given.kills,
        restarts=0 if sqlite else given.restarts,
        freezes=given.freezes,
        workers=given.workers,
        # Alone it must come to work before it is killed, or nothing would ever leave.
        patient=0.8 if sqlite else 0.5,
        say=_say,
    )
    return outbound.run(given.database, seed, storm, keep=given.keep)


def _inbound(given: argparse.Namespace, seed: int) -> Verdict:
    flood = Flood(
        families=max(1, given.texts // 5),
        kills=given.kills,
        outages=given.restarts,
        seconds=20.0 + 3.0 * given.kills + 10.0 * given.restarts,
        say=_say,
    )
    return inbound.run(given.database, seed, flood, keep=given.keep)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
