"""`presente serve`, `worker`, `run` and `migrate`: the program at work."""

import signal
import tempfile
import threading
from typing import Any

import click

from bot.cli.program import Program, the_program
from bot.store import migrate
from bot.store.session import Database, connect


@click.command("migrate")
@click.option(
    "--check", is_flag=True, help="On a throw-away database: are the migrations equal to the tables?"
)
@click.pass_context
def migrate_command(context: click.Context, check: bool) -> None:
    """Bring the database to the tables of this version. Stop the other processes first."""
    program = the_program(context)
    if check:
        _check(program)
        return
    engine = program.unready_database.engine
    before = migrate.version(engine) or "empty"
    migrate.upgrade(engine, program.migrations_folder)
    click.echo(f"The database was {before} and is now at migration {migrate.version(engine)}.")


def _check(program: Program) -> None:
    with tempfile.TemporaryDirectory(prefix="presente-") as folder:
        database = Database(connect(f"sqlite:///{folder}/check.db"))
        migrate.upgrade(database.engine, program.migrations_folder)
        found = migrate.differences(database.engine)
        database.close()
    for line in found:
        click.echo(line)
    if found:
        raise click.ClickException("the migrations and bot/store/tables.py differ; add a migration")
    click.echo("The migrations are equal to the tables.")


@click.command("serve")
@click.pass_context
def serve_command(context: click.Context) -> None:
    """Serve the desk and the webhooks; `presente worker` must run beside it."""
    from bot.cli.serving import serve

    serve(the_program(context))


@click.command("worker")
@click.pass_context
def worker_command(context: click.Context) -> None:
    """Take the families' turns, send texts, and run each school's morning at its time."""
    program = the_program(context)
    stopped = _on_signal()
    _say_what_is_wrong(program)
    program.worker.start()
    click.echo("The worker is at work. Ctrl-C stops it after what it has in hand.")
    stopped.wait()
    program.worker.stop()


@click.command("run")
@click.pass_context
def run_command(context: click.Context) -> None:
    """Everything in one process: pages, webhooks, turns, texts and mornings."""
    program = the_program(context)
    app = program.web()
    _say_what_is_wrong(program)
    program.worker.start()
    try:
        serve_until_stopped(app, program.settings.listen)
    finally:
        program.worker.stop()


def _say_what_is_wrong(program: Program) -> None:
    """Ask the provider whether texts can leave and come in, and say it loudly when not (TW-5).

    It does not keep the worker from starting: families' texts wait to be heard, whatever is wrong.
    """
    for sentence in program.provider.trouble():
        click.echo(f"presente: {sentence}", err=True)


def serve_until_stopped(app: Any, listen: str, ready: str = "") -> None:
    """Serve *app* at "host:port" until Ctrl-C or SIGTERM; *ready* is printed once it answers."""
    from waitress import wasyncore
    from waitress.server import create_server

    host, _, port = listen.rpartition(":")
    try:
        # What a proxy adds is believed by nobody here, and left: it says that a request is not from this machine.
        server = create_server(
            app, host=host or "127.0.0.1", port=int(port), threads=8, clear_untrusted_proxy_headers=False
        )
    except OSError as taken:
        raise click.ClickException(
            f"cannot listen on {listen}: {taken.strerror}; set PRESENTE_LISTEN to another host:port"
        ) from None
    stopped = _on_signal()
    click.echo(ready or f"Presente serves {listen}. Ctrl-C stops it.")
    # The loop is closed by the thread that runs it, so that no socket goes away under its feet.
    while not stopped.is_set():
        wasyncore.loop(timeout=0.5, map=server._map, count=1)  # noqa: SLF001 - the server's own table of sockets
    server.task_dispatcher.shutdown()
    wasyncore.close_all(server._map)  # noqa: SLF001


def _on_signal() -> threading.Event:
    """Set at the first Ctrl-C or SIGTERM, so that what is in hand is finished."""
    stopped = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stopped.set())
    return stopped
