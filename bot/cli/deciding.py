"""`presente imports`, `approve` and `reject`: what waits for a person, decided without the web."""

from collections.abc import Callable
from datetime import timedelta

import click
from sqlalchemy import select

from bot import holds
from bot.access import Act
from bot.cli.program import Program, the_program
from bot.holds import Hold
from bot.roster.incoming import (
    DecisionRefused,
    Filed,
    Received,
    approve,
    recent,
    reject,
    reject_school,
    release,
    waiting,
)
from bot.staff import StaffMember
from bot.staff.members import address_of
from bot.store.tables import School, Staff, StaffSchool

_BY = "Whose decision it is: the e-mail address of a supervisor or administrator."
_BECAUSE = "Why, in a few words: it is kept with the file."


@click.command("imports")
@click.option("--all", "everything", is_flag=True, help="The last files that were decided about as well.")
@click.pass_context
def imports_command(context: click.Context, everything: bool) -> None:
    """List the files and schools that wait for a person."""
    program = the_program(context)
    with program.database.look() as session:
        schools = set(session.scalars(select(School.id)))
        held = holds.waiting(session, schools, program.clock().date() - timedelta(days=1))
        files = waiting(session)
        decided = recent(session) if everything else []
    if not held and not files:
        click.echo("Nothing waits for a person.")
    for hold in held:
        click.echo(_school_line(hold))
    for file in (*files, *decided):
        for line in _file_lines(file):
            click.echo(line)


def _school_line(hold: Hold) -> str:
    kept = f" Kept held by {hold.decided_by}: {hold.because}" if hold.because else ""
    return f"school:{hold.school_id}  {hold.day}  {hold.sentence}{kept}"


def _file_lines(file: Filed) -> list[str]:
    by = f" by {file.decided_by}" if file.decided_by else ""
    lines = [f"{file.id}  {file.received_at:%Y-%m-%d %H:%M} UTC  {file.file_name}  {file.state.value}{by}"]
    return [*lines, *(f"    {sentence}" for sentence in file.sentences)]


@click.command("approve")
@click.argument("what")
@click.option("--because", default="", help=_BECAUSE)
@click.option("--by", "email", required=True, help=_BY)
@click.pass_context
def approve_command(context: click.Context, what: str, because: str, email: str) -> None:
    """Let a file (12) or a held school's morning (school:3) go on."""
    program = the_program(context)
    member = _who(program, email)
    if school := _school(what):
        _decide_school(program, member, school, because, release, "goes on: its families are asked next.")
        return
    received = approve(
        program.database,
        _number(what),
        by=member.name,
        staff_id=member.id,
        because=because,
        office=program.office,
        now=program.clock(),
    )
    for line in received.report.lines() if received.report else ():
        click.echo(line)
    for sentence in received.sentences:
        click.echo(f"Looked at, or held: {sentence}")


@click.command("reject")
@click.argument("what")
@click.option("--because", default="", help=_BECAUSE)
@click.option("--by", "email", required=True, help=_BY)
@click.pass_context
def reject_command(context: click.Context, what: str, because: str, email: str) -> None:
    """Let a file (12) change nothing, or keep a school (school:3) held for staff to call."""
    program = the_program(context)
    member = _who(program, email)
    if school := _school(what):
        _decide_school(program, member, school, because, reject_school, "stays held: call these families.")
        return
    received: Received = reject(
        program.database,
        _number(what),
        by=member.name,
        staff_id=member.id,
        because=because,
        now=program.clock(),
    )
    click.echo(f"{received.file_name} changes nothing.")


def _decide_school(
    program: Program,
    member: StaffMember,
    school: int,
    because: str,
    decide: Callable[..., int],
    done: str,
) -> None:
    if school not in member.schools:
        raise DecisionRefused(f"{member.name} does not see school {school}; ask somebody who does")
    with program.database.begin() as session:
        days = {
            hold.day for hold in holds.waiting(session, {school}, program.clock().date() - timedelta(days=1))
        }
        decided = sum(
            decide(
                session,
                school,
                day,
                by=member.name,
                staff_id=member.id,
                because=because,
                now=program.clock(),
            )
            for day in sorted(days)
        )
        name = session.scalar(select(School.name).where(School.id == school))
    click.echo(f"{name} {done}" if decided else f"{name} waits for nobody; nothing was changed.")


def _who(program: Program, email: str) -> StaffMember:
    """The staff member of this address, who must be allowed to approve. Raises DecisionRefused."""
    with program.database.look() as session:
        found = session.scalar(select(Staff).where(Staff.email == address_of(email), Staff.active))
        if found is None:
            raise DecisionRefused(f"{email} is no staff member here; give the address they sign in with")
        schools = session.scalars(select(StaffSchool.school_id).where(StaffSchool.staff_id == found.id))
        member = StaffMember(found.id, found.email, found.name, found.role, frozenset(schools))
    if not member.can(Act.APPROVE):
        raise DecisionRefused(f"{member.name} may not approve; a supervisor or an administrator may")
    return member


def _school(what: str) -> int | None:
    kind, _, number = what.partition(":")
    return int(number) if kind == "school" and number.isascii() and number.isdigit() else None


def _number(what: str) -> int:
    if not (what.isascii() and what.isdigit() and len(what) < 10):
        raise DecisionRefused(f"{what!r} is no file; `presente imports` lists those that wait")
    return int(what)
