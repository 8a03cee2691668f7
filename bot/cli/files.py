"""`presente import`: rosters and attendance files in."""

import getpass
from datetime import datetime, time
from pathlib import Path

import click

from bot.cli.program import the_program
from bot.roster import (
    ENCODINGS,
    Approval,
    Report,
    import_attendance,
    import_roster,
    read_columns,
    undo_import,
)

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FILE_OR_FOLDER = click.Path(exists=True, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("import")
def import_command() -> None:
    """Read a school's files: every row is checked, good rows apply, a broken file changes nothing."""


@import_command.command("roster")
@click.argument("archive", type=_FILE_OR_FOLDER)
@click.option("--contacts", type=_FILE, help="Guardians' order, languages, numbers and flags.")
@click.option("--calendar", type=_FILE, help="The school calendar (.ics): days without school.")
@click.option("--zone", help="The schools' time zone; default PRESENTE_ZONE.")
@click.option(
    "--morning-at",
    type=click.DateTime(["%H:%M"]),
    help="When families are asked; default PRESENTE_MORNING_AT.",
)
@click.option("--columns", type=_FILE, help="What the columns of a CSV or Excel list mean (.toml).")
@click.option(
    "--encoding",
    type=click.Choice(sorted(ENCODINGS)),
    default="utf-8",
    help="What a file that is not UTF-8 is written in, once a person has seen its names.",
)
@click.option(
    "--approve",
    metavar="REASON",
    help="A person has looked: let this roster remove more than a tenth of the students, and why.",
)
@click.option("--report", "report_file", type=_NEW_FILE, help="Write every line at fault here (.csv).")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.pass_context
def roster(
    context: click.Context,
    archive: Path,
    contacts: Path | None,
    calendar: Path | None,
    zone: str | None,
    morning_at: datetime | None,
    columns: Path | None,
    encoding: str,
    approve: str | None,
    report_file: Path | None,
    dry_run: bool,
) -> None:
    """Students and guardians from a OneRoster zip, School Data Sync, or a list with --columns."""
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
            approval=Approval(by=_who(), reason=approve) if approve else None,
            columns=read_columns(columns.name, columns.read_bytes()) if columns else None,
            encoding=encoding,
        )
    if report_file:
        # With a byte order mark, because the spreadsheet that opens it would take accents for something else.
        report_file.write_text(report.as_csv(), encoding="utf-8-sig", newline="")
    _show(report, dry_run=dry_run)


@import_command.command("undo")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.pass_context
def undo(context: click.Context, dry_run: bool) -> None:
    """Take back the last roster import; what families have chosen since stays."""
    program = the_program(context)
    with program.database.begin(undo=dry_run) as session:
        report = undo_import(session, by=_who(), now=program.clock())
    _show(report, dry_run=dry_run)


@import_command.command("attendance")
@click.argument("file", type=_FILE)
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), help="Leave out days after this one.")
@click.option(
    "--mapping",
    default="",
    help="The name, or the .toml file, of what its columns and codes mean; default: the only one that fits.",
)
@click.option(
    "--mappings",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with the district's own mappings, which come before the ready ones.",
)
@click.option("--report", "report_file", type=_NEW_FILE, help="Write every line at fault here (.csv).")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.pass_context
def attendance(
    context: click.Context,
    file: Path,
    through: datetime | None,
    mapping: str,
    mappings: Path | None,
    report_file: Path | None,
    dry_run: bool,
) -> None:
    """Daily marks: who is absent, and whether it is excused. The newest file is the truth."""
    program = the_program(context)
    with program.database.begin(undo=dry_run) as session:
        report = import_attendance(
            session,
            file,
            through=through.date() if through else None,
            now=program.clock(),
            mapping=mapping,
            mappings=mappings,
        )
    if report_file:
        report_file.write_text(report.as_csv(), encoding="utf-8-sig", newline="")
    _show(report, dry_run=dry_run)


def _who() -> str:
    """Whoever is at this machine; a container may run as a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "the command line"


def _show(report: Report, *, dry_run: bool) -> None:
    for line in report.lines():
        click.echo(line)
    if dry_run:
        click.echo("Dry run: nothing was changed.")
