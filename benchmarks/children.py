"""Processes that a measurement starts, each ended by its own id, also when the measurement fails."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRESENTE = [sys.executable, "-c", "import app; app.main()"]


class ChildFailed(Exception):
    """A process ended before it was ready; the message holds the end of what it wrote."""


@contextmanager
def child(
    command: Sequence[str], *, settings: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run *command* beside the measurement; its standard output can be read line by line.

    *settings* are PRESENTE_* values; those of the caller's own environment do not reach it. What it
    writes to standard error goes to *log*, or nowhere.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESENTE_")}
    with (log or Path(os.devnull)).open("a", encoding="utf-8") as errors:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env=environment | dict(settings or {}),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def first_line(process: subprocess.Popen[str]) -> str:
    """What a process says once it is ready. Raises ChildFailed when it ends without a word."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise ChildFailed(f"{' '.join(map(str, process.args))} ended with {process.wait(15)}")  # type: ignore[arg-type]
    return line


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Processor time of a running child so far, in all its threads. Linux only; elsewhere 0."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def wait_until_served(port: int) -> None:
    """Raises ChildFailed when nobody answers there within half a minute."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ChildFailed(f"nothing serves port {port} after 30 seconds")
