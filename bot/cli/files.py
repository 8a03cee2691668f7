"""`presente import`: rosters and attendance files in."""

from datetime import datetime, time
from pathlib import Path

import click

from bot.cli.program import the_program
from bot.roster import Report, import_attendance, import_roster

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("import")
def import_command() -> None:
    """Read a school's files: every row is checked, good rows apply, a broken file changes nothing."""


@import_command.command("roster")
@click.argument("archive", type=_FILE)
@click.option("--contacts", type=_FILE, help="Guardians' order, languages, numbers and flags.")
@click.option("--calendar", type=_FILE, help="The school calendar (.ics): days without school.")
@click.option("--zone", help="The schools' time zone; default PRESENTE_ZONE.")
@click.option(
    "--morning-at",
    type=click.DateTime(["%H:%M"]),
    help="When families are asked; default PRESENTE_MORNING_AT.",
)
@click.option(
    "--approve-removals",
    is_flag=True,
    help="A person has looked: let this roster remove more than a tenth of the students.",
)
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.pass_context
def roster(
    context: click.Context,
    archive: Path,
    contacts: Path | None,
    calendar: Path | None,
    zone: str | None,
    morning_at: datetime | None,
    approve_removals: bool,
    dry_run: bool,
) -> None:
    """Schools, students, guardians and terms from a OneRoster zip."""
    program = the_program(context)
    wall: time = morning_at.time() if morning_at else program.settings.morning_at
    with program.database.begin(undo=dry_run) as session:
        report = import_roster(
            session,
            archive,
            contacts=contacts,
            calendar=calendar,
            zone=zone or program.settings.zone,
            morning_at=wall,
            now=program.clock(),
            approve_removals=approve_removals,
        )
    _show(report, dry_run=dry_run)


@import_command.command("attendance")
@click.argument("file", type=_FILE)
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), help="Leave out days after this one.")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.pass_context
def attendance(context: click.Context, file: Path, through: datetime | None, dry_run: bool) -> None:
    """Daily marks: who is absent, and whether it is excused. The newest file is the truth."""
    program = the_program(context)
    with program.database.begin(undo=dry_run) as session:
        report = import_attendance(
            session, file, through=through.date() if through else None, now=program.clock()
        )
    _show(report, dry_run=dry_run)


def _show(report: Report, *, dry_run: bool) -> None:
    for line in report.lines():
        click.echo(line)
    if dry_run:
        click.echo("Dry run: nothing was changed.")
