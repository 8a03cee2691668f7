"""`presente push`: which systems may push files over HTTPS."""

import getpass

import click

from bot.cli.program import the_program
from bot.roster.incoming import tokens


@click.group("push")
def push_command() -> None:
    """Say which systems may push files over HTTPS, each with a token of its own."""


@push_command.command("add")
@click.argument("name")
@click.pass_context
def add(context: click.Context, name: str) -> None:
    """Make a token for the system NAME. It is shown once and cannot be shown again."""
    program = the_program(context)
    with program.database.begin() as session:
        token = tokens.add(session, name, by=_who(), now=program.clock())
    click.echo(token)
    click.echo(
        f"Send files as: curl -H 'Authorization: Bearer TOKEN' -H 'X-File-Name: today.csv' "
        f"--data-binary @today.csv {program.settings.public_url}/push",
        err=True,
    )


@push_command.command("revoke")
@click.argument("name")
@click.pass_context
def revoke(context: click.Context, name: str) -> None:
    """Let nobody push with the token of NAME any more."""
    program = the_program(context)
    with program.database.begin() as session:
        tokens.revoke(session, name, now=program.clock())
    click.echo(f"{name} can push nothing any more.")


@push_command.command("list")
@click.pass_context
def list_tokens(context: click.Context) -> None:
    """Who may push, since when, and when each did last."""
    program = the_program(context)
    with program.database.look() as session:
        known = tokens.listed(session)
    if not known:
        click.echo("No system may push yet. Make a token: presente push add NAME")
    for one in known:
        used = f"last used {one.used_at:%Y-%m-%d %H:%M} UTC" if one.used_at else "never used"
        ended = f", revoked {one.revoked_at:%Y-%m-%d %H:%M} UTC" if one.revoked_at else ""
        click.echo(f"{one.name}: since {one.made_at:%Y-%m-%d}, {used}{ended}")


def _who() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "somebody at the machine"
