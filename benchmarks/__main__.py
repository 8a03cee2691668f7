"""`make bench`: each measurement beside a limit of the same run, as one table."""

import argparse
import sys
import time
from collections.abc import Callable
from importlib import import_module

from app import log_to_stderr
from benchmarks.measured import Row, markdown, plain

# What each module's `measure` takes for a look of about a minute instead of the whole measurement.
QUICK: dict[str, dict[str, object]] = {
    "starting": {"rounds": 2},
    # Early: its memory is measured in a fork, which begins with all that this process has ever held.
    "morning": {"rounds": 1, "students": 3600},
    "talks": {"rounds": 1, "families": 150},
    "reading": {"rounds": 1, "most": 150},
    "importing": {"rounds": 1},
    "webhook": {"rounds": 1, "seconds": 2},
    "draining": {"rounds": 1, "threads": (32,), "texts": 600},
    "latency": {"batch": 600, "families": 60},
    "desk": {"students": 1800, "days": 40, "times": 5},
}


def rows_of(name: str, *, quick: bool = False) -> list[Row]:
    measure: Callable[..., list[Row]] = import_module(f"benchmarks.{name}").measure
    return measure(**QUICK[name]) if quick else measure()


def main() -> int:
    """Prints one table; 1 when a measurement could not be made. A ratio that does not hold is no failure."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(QUICK)}; all when none is named"
    )
    arguments.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not how fast")
    arguments.add_argument("--markdown", action="store_true", help="the table as docs/benchmarks.md holds it")
    chosen = arguments.parse_args()
    unknown = set(chosen.names) - set(QUICK)
    if unknown:
        arguments.error(
            f"there is no measurement named {', '.join(sorted(unknown))}; there are {', '.join(QUICK)}"
        )
    log_to_stderr("error")
    rows: list[Row] = []
    failed = []
    for name in chosen.names or QUICK:
        began = time.perf_counter()
        try:
            rows += rows_of(name, quick=chosen.quick)
        except Exception as broken:  # noqa: BLE001 - the other measurements are worth having
            failed.append(f"{name} could not be measured: {type(broken).__name__}: {broken}")
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print((markdown if chosen.markdown else plain)(rows))
    for sentence in failed:
        print(sentence, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
