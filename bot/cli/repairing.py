"""`presente repair`: the numbers and students that no text can reach."""

from collections import Counter
from pathlib import Path

import click

from bot import ladder
from bot.cli.program import the_program


@click.command("repair")
@click.option(
    "--csv",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every line here, for a spreadsheet (.csv).",
)
@click.pass_context
def repair_command(context: click.Context, file: Path | None) -> None:
    """List landlines, dead, wrong and given-up numbers, and students without a guardian who can be texted."""
    program = the_program(context)
    with program.database.look() as session:
        lines = ladder.repairs(session)
    if file is not None:
        # With a byte order mark, because the spreadsheet that opens it would take accents for something else.
        file.write_text(ladder.as_csv(lines), encoding="utf-8-sig", newline="")
    click.echo(f"{len(lines)} lines to mend")
    for what, many in Counter(line.what_is_wrong for line in lines).most_common():
        click.echo(f"  {many:4d}  {what}")
    if file is not None:
        click.echo(f"They are in {file}.")
