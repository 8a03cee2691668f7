"""`presente serve` under gunicorn: several processes, each with its own connections and threads."""

import gc
import os
import socket
from pathlib import Path
from typing import Any

import click

from bot.cli.program import Program

# A proxy keeps its connections to us open; closing them first would now and then cut a request off.
_KEPT_OPEN = 75
_SECONDS = 30
# Now and then a process is replaced, whatever it may have gathered; not all of them at once.
_REQUESTS, _REQUESTS_MORE = 200_000, 20_000
# Where a heartbeat is no write to a disk, which may stand still for seconds.
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a heartbeat, not a file of ours


def serve(program: Program) -> None:
    """Serve the pages and webhooks until SIGTERM or Ctrl-C; what is in hand is finished first.

    Everything is built once before the processes fork, so that what is wrong is said at the start and
    by one; it is then let go, and each process opens connections of its own.
    """
    try:
        from gunicorn.app.base import BaseApplication
    except ImportError:
        raise click.ClickException(
            "`presente serve` needs a system that can fork, such as Linux or macOS; "
            "`presente run` serves everything in one process"
        ) from None

    settings = program.settings
    _refuse_if_taken(settings.listen)
    _try_out(program)

    class Server(BaseApplication):  # type: ignore[misc]
        """gunicorn with our options; it reads no file and no argument of its own."""

        def load_config(self) -> None:
            for name, value in _options(program).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            """In each process after it forked."""
            return program.standing(settings, program.clock).web()

    Server().run()


def _options(program: Program) -> dict[str, Any]:
    settings = program.settings
    return {
        "bind": settings.listen,
        "workers": settings.web_processes,
        "worker_class": "gthread",
        "threads": settings.web_threads,
        "keepalive": _KEPT_OPEN,
        "timeout": _SECONDS,
        "graceful_timeout": _SECONDS,
        "max_requests": _REQUESTS,
        "max_requests_jitter": _REQUESTS_MORE,
        "worker_tmp_dir": str(_IN_MEMORY) if _IN_MEMORY.is_dir() else None,
        # Nobody's word is taken for where a request came from or what it asked for (TW-34).
        "forwarded_allow_ips": "",
        "proc_name": "presente",
        "loglevel": "warning",
        "control_socket_disable": True,
        "when_ready": lambda _arbiter: _say_ready(settings.listen, settings.web_processes),
        "post_worker_init": lambda _worker: _settle(),
    }


def _say_ready(listen: str, processes: int) -> None:
    click.echo(f"Presente serves {listen} with {processes} processes. Ctrl-C stops it.")


def _settle() -> None:
    """What was just built stays as long as the process: no collection need look at it again.

    A full collection takes tens of milliseconds otherwise, in the middle of somebody's request.
    """
    gc.collect()
    gc.freeze()


def _try_out(program: Program) -> None:
    """Build the pages and ask the database, and leave nothing open that a fork would share."""
    tried = program.standing(program.settings, program.clock)
    tried.web()
    tried.database.close()


def _refuse_if_taken(listen: str) -> None:
    host, _, port = listen.rpartition(":")
    try:
        with socket.create_server((host.strip("[]") or "127.0.0.1", int(port)), family=_family(host)):
            pass
    except OSError as taken:
        raise click.ClickException(
            f"cannot listen on {listen}: {os.strerror(taken.errno or 0)}; set PRESENTE_LISTEN to another host:port"
        ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
