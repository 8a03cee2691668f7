"""`presente import`: rosters and attendance files in."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import click

from bot.cli.program import Program, the_program
from bot.roster import (
    ENCODINGS,
    Approval,
    Report,
    import_attendance,
    import_roster,
    read_columns,
    undo_import,
)
from bot.roster.columns import columns_written
from bot.roster.incoming import Options, Received, load_saved, of_paths, receive
from bot.store.tables import FileWay

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FILE_OR_FOLDER = click.Path(exists=True, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)

# The exit code of a file that waits for a person: neither applied nor refused.
HELD = 3


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
) -> int:
    """Students and guardians from a OneRoster zip, School Data Sync, or a list with --columns."""
    program = the_program(context)
    if dry_run:
        wall: time = morning_at.time() if morning_at else program.settings.morning_at
        with program.database.begin(undo=True) as session:
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
        _write(report, report_file)
        _show(report, dry_run=True)
        return 0
    options = Options(
        zone=zone or "",
        morning_at=morning_at.time() if morning_at else None,
        encoding=encoding,
        columns=columns_written(columns.name, columns.read_bytes()) if columns else None,
    )
    return _take_in(
        program, archive, "roster", options, approve, report_file, contacts=contacts, calendar=calendar
    )


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
@click.option(
    "--approve",
    metavar="REASON",
    help="A person has looked: take a file that is old, or is not today's, and why.",
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
    approve: str | None,
    report_file: Path | None,
    dry_run: bool,
) -> int:
    """Daily marks: who is absent, and whether it is excused. The newest file is the truth."""
    program = the_program(context)
    own = mappings or program.office.mappings
    if dry_run:
        with program.database.begin(undo=True) as session:
            report = import_attendance(
                session,
                file,
                through=through.date() if through else None,
                now=program.clock(),
                mapping=mapping,
                mappings=own,
                saved=load_saved(session).attendance,
            )
        _write(report, report_file)
        _show(report, dry_run=True)
        return 0
    options = Options(through=through.date() if through else None, mapping=mapping)
    return _take_in(program, file, "attendance", options, approve, report_file, mappings=own)


def _take_in(
    program: Program,
    path: Path,
    kind: str,
    options: Options,
    approve: str | None,
    report_file: Path | None,
    *,
    mappings: Path | None = None,
    **others: Path | None,
) -> int:
    """Apply the file, or keep it for a person; the exit code says which."""
    made_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    received = receive(
        program.database,
        of_paths(FileWay.COMMAND, _who(), path, kind=kind, options=options, made_at=made_at, **others),
        office=replace(program.office, mappings=mappings or program.office.mappings),
        now=program.clock(),
        approval=Approval(by=_who(), reason=approve) if approve else None,
    )
    if received.report:
        _write(received.report, report_file)
    return _tell(received)


def _tell(received: Received) -> int:
    for line in received.report.lines() if received.report else ():
        click.echo(line)
    if not received.waits:
        for sentence in received.sentences:
            click.echo(f"Held: {sentence}")
        return 0
    click.echo("Nothing was changed. The file waits for a person, because:", err=True)
    for sentence in received.sentences:
        click.echo(f"  {sentence}", err=True)
    click.echo(
        f"Let it go on: presente approve {received.id} --because REASON --by E-MAIL, or at the desk.",
        err=True,
    )
    return HELD


def _write(report: Report, file: Path | None) -> None:
    if file:
        # With a byte order mark, because the spreadsheet that opens it would take accents for something else.
        file.write_text(report.as_csv(), encoding="utf-8-sig", newline="")


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
