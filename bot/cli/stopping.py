"""`presente stop` and `presente go`: the big stop button, for whoever is at the machine."""

import getpass

import click

from bot import stopping, watch
from bot.cli.program import the_program

_BECAUSE = "Why, in a few words: the desk and whoever comes next read it."


@click.command("stop")
@click.option("--because", required=True, help=_BECAUSE)
@click.pass_context
def stop_command(context: click.Context, because: str) -> None:
    """Stop every text but the safety text, on every machine. What is queued waits."""
    program = the_program(context)
    with program.database.begin() as session:
        done = stopping.stop(session, by=_who(), reason=because, now=program.clock())
        holds = stopping.stopped(session)
        held = watch.held_back(session, program.clock())
    if not done and holds is not None:
        since = f"{holds.at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"Texts are stopped already, since {since} by {holds.by}: {holds.reason}")
        return
    click.echo(f"Texts are stopped: nothing leaves but safety texts. Waiting now: {held.texts}.")
    click.echo('Families still reach the desk. To let the texts go on: presente go --because "..."')


@click.command("go")
@click.option("--because", required=True, help=_BECAUSE)
@click.pass_context
def go_command(context: click.Context, because: str) -> None:
    """Let the texts go on after a stop. What is too late by now is not sent, and staff see it as such."""
    program = the_program(context)
    with program.database.begin() as session:
        done = stopping.go(session, by=_who(), reason=because, now=program.clock())
        held = watch.held_back(session, program.clock())
    if not done:
        click.echo("Texts are not stopped; nothing was changed.")
        return
    late = f", {held.too_late} of them too late to be sent" if held.too_late else ""
    click.echo(f"Texts go on. Waiting now: {held.texts}{late}.")


def _who() -> str:
    """The machine's name for whoever runs this; a container may have none."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "somebody at the machine"
