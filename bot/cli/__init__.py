"""The same calls by hand: the command line of `presente`."""

import sys
from collections.abc import Callable
from typing import Any

import click

from bot.errors import PresenteError

# Which module holds a command; only that one is imported, so that `presente --help` is quick.
_COMMANDS = {
    "migrate": ("bot.cli.running", "Bring the database to the tables of this version."),
    "import": ("bot.cli.files", "Read a school's files: roster, attendance."),
    "imports": ("bot.cli.deciding", "List the files and schools that wait for a person."),
    "approve": ("bot.cli.deciding", "Let a waiting file or a held school go on, by name and with a reason."),
    "reject": ("bot.cli.deciding", "Let a waiting file change nothing, or keep a school held."),
    "watch": ("bot.cli.watching", "Take in the files of a folder, whole ones only, once each."),
    "push": ("bot.cli.pushing", "Say which systems may push files over HTTPS."),
    "morning": ("bot.cli.day", "Ask the families of today's absent students, or say who would be asked."),
    "ledger": ("bot.cli.day", "Count a day: every absent student has exactly one outcome."),
    "measures": ("bot.cli.measuring", "Count who misses how much school, by tier and school."),
    "repair": ("bot.cli.repairing", "List the numbers and students that no text can reach."),
    "replay": ("bot.cli.day", "Play past mornings with simulated families, and check the promises."),
    "serve": ("bot.cli.running", "Serve the desk and the webhooks."),
    "worker": ("bot.cli.running", "Take turns, send texts and run the mornings."),
    "run": ("bot.cli.running", "Serve and work in one process: the default on SQLite."),
    "demo": ("bot.cli.demo", "A morning on this machine: phones and desk, nothing leaves."),
    "talk": ("bot.cli.talking", "Play a conversation in the terminal, on the real engine."),
    "understand": ("bot.cli.talking", "Say how a family's words are read, or score a file of them."),
    "flows": ("bot.cli.checking", "Check the flow files."),
    "texts": ("bot.cli.checking", "Update the catalogues; say what is missing, stale or unreviewed."),
    "doctor": ("bot.cli.checking", "Say in a sentence each what is wrong and how to mend it."),
    "stop": ("bot.cli.stopping", "Stop every text but the safety text, everywhere, at once."),
    "go": ("bot.cli.stopping", "Let the texts go on after a stop."),
    "close": ("bot.cli.closing", "No school that day: nothing of it leaves, nobody is absent; --undo."),
    "delay": ("bot.cli.closing", "A late opening: families are asked later that day."),
    "dismiss": ("bot.cli.closing", "An early dismissal: calls are due by then, nobody is asked after."),
    "redact": ("bot.cli.delivering", "Empty the provider's own copies of a family's texts."),
    "standin": ("bot.cli.standin", "A provider that misbehaves on purpose, on this machine: for rehearsal."),
    "staff": ("bot.cli.people", "Add, list, disable or enable staff members; passwords and sessions."),
}


class _Commands(click.Group):
    """Finds a command in its module when it is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        from importlib import import_module

        module = import_module(_COMMANDS[cmd_name][0])
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)  # noqa: S101 - a wrong entry in the table above
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in _COMMANDS.items()])


@click.group(cls=_Commands)
def presente() -> None:
    """Every absent student accounted for, in every family's language, with a person behind the bot."""


def main(program: Callable[[], Any], log: Callable[[str], None]) -> None:
    """Run one command. What a person did wrong is one sentence on stderr and exit code 1."""
    log("warning")
    try:
        # A command that ends with an exit code of its own hands it back here.
        sys.exit(presente(obj=program(), standalone_mode=False) or 0)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(1)
    except (PresenteError, OSError) as refused:
        click.echo(f"presente: {refused}", err=True)
        sys.exit(1)
    except Exception as wrong:
        if type(wrong).__name__ != "OperationalError":
            raise
        click.echo(f"presente: the database did not answer: {_first_line(wrong)}", err=True)
        click.echo(
            "Check PRESENTE_DATABASE_URL, and that its server runs; `presente doctor` looks at both.",
            err=True,
        )
        sys.exit(1)


def _first_line(wrong: Exception) -> str:
    return str(getattr(wrong, "orig", wrong)).strip().splitlines()[0]
