"""`presente watch`: a folder whose files are taken in."""

import signal
import threading
import time
from pathlib import Path

import click

from bot.cli.program import the_program
from bot.roster.incoming import Folder

_LOOK_EVERY = 2.0


@click.command("watch")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path))
@click.option("--once", is_flag=True, help="Take in what is there and end; for cron.")
@click.option(
    "--settled",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    show_default=True,
    help="For so many seconds a file must not change before it counts as whole.",
)
@click.pass_context
def watch_command(context: click.Context, folder: Path, once: bool, settled: float) -> None:
    """Take in the files of FOLDER: whole ones only, once each, the oldest first.

    Each is moved to done, held or refused, with a report beside it. Hidden and temporary names, links and
    subfolders are left alone. Any number of watchers may look at one folder.
    """
    program = the_program(context)
    watched = Folder(folder, settled)
    stopped = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stopped.set())
    last = time.monotonic() + settled
    while True:
        looked_at = time.monotonic()
        for moved in watched.look(
            program.database, office=program.office, clock=program.clock, ticking=looked_at
        ):
            click.echo(f"{moved.name}: {moved.place}")
            for sentence in moved.sentences:
                click.echo(f"    {sentence}")
        if once and looked_at >= last:
            return
        if stopped.wait(min(_LOOK_EVERY, settled)):
            return
