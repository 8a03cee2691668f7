"""`presente redact`: what the provider keeps of a family's texts is emptied."""

import click

from bot import upkeep
from bot.cli.program import Program, the_program
from bot.phone import PhoneNumber


@click.command("redact")
@click.argument("number")
@click.pass_context
def redact_command(context: click.Context, number: str) -> None:
    """Empty the provider's own copies of every text to and from NUMBER, at the family's request.

    Our own thread stays, for it is part of the student's record.
    """
    program: Program = the_program(context)
    phone = PhoneNumber.parse(number)
    done = upkeep.redact_number(program.database, program.provider, phone.e164, program.clock())
    click.echo(f"{done} copies of texts with {phone} were emptied.")
