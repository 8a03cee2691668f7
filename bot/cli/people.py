"""`presente staff`: who may use the desk."""

import sys

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import staff
from bot.cli.program import Program, the_program
from bot.staff import Colleague, StaffRefused
from bot.store.tables import School
from bot.vocabulary import Role

_ROLES = click.Choice([role.value for role in Role])


@click.group("staff")
def staff_command() -> None:
    """Who may use the desk, and which schools each may see."""


@staff_command.command("list")
@click.pass_context
def list_staff(context: click.Context) -> None:
    """Everybody who works the desk or did: address, role, schools, last seen."""
    program = the_program(context)
    with program.database.look() as session:
        found = staff.colleagues(session, since=program.clock() - staff.SEEN_WITHIN)
        names = {school.id: school.name for school in session.scalars(select(School))}
    if not found:
        click.echo('Nobody yet. Add somebody: presente staff add EMAIL --name "Ms. Rivera"')
    for each in found:
        click.echo(_line(each, names))


@staff_command.command("add")
@click.argument("email")
@click.option("--name", required=True, help="As families and colleagues read it: Ms. Rivera.")
@click.option("--role", type=_ROLES, default=Role.SPECIALIST.value, show_default=True)
@click.option(
    "--school", "schools", multiple=True, help="A school's name or id; repeat. Default: every school."
)
@click.option("--password", help="Only for scripts of a trial: others on this machine may read it.")
@click.option("--link", is_flag=True, help="Print a link that sets the password once, instead of asking.")
@click.pass_context
def add(
    context: click.Context,
    email: str,
    name: str,
    role: str,
    schools: tuple[str, ...],
    password: str | None,
    link: bool,
) -> None:
    """Add a staff member. The password is asked for, or is the first line of what is piped in."""
    program = the_program(context)
    now = program.clock()
    given = None if link else _password(password)
    with program.database.begin() as session:
        chosen = _schools(session, schools)
        staff.add(session, email=email, name=name, role=Role(role), schools=chosen, password=given, now=now)
        token = staff.make_link(session, email, now=now) if link else ""
    click.echo(f"{name} can sign in as {email} and sees {len(chosen)} schools.")
    if token:
        click.echo(_link(program, token))


@staff_command.command("disable")
@click.argument("email")
@click.pass_context
def disable(context: click.Context, email: str) -> None:
    """End a staff member's access at once."""
    program = the_program(context)
    with program.database.begin() as session:
        staff.disable(session, email, now=program.clock())
    click.echo(f"{email} can no longer sign in, and is signed out everywhere.")


@staff_command.command("enable")
@click.argument("email")
@click.pass_context
def enable(context: click.Context, email: str) -> None:
    """Let somebody in again; the password is the one from before."""
    program = the_program(context)
    with program.database.begin() as session:
        staff.enable(session, email, now=program.clock())
    click.echo(f"{email} can sign in again.")


@staff_command.command("reset")
@click.argument("email")
@click.option("--password", help="Only for scripts of a trial: others on this machine may read it.")
@click.option("--link", is_flag=True, help="Print a link that sets the password once, instead of asking.")
@click.option("--second-factor", is_flag=True, help="Switch the second factor off; the password stays.")
@click.pass_context
def reset(context: click.Context, email: str, password: str | None, link: bool, second_factor: bool) -> None:
    """Set a new password; every open desk of this person is signed out."""
    program = the_program(context)
    now = program.clock()
    given = None if link or second_factor else _password(password)
    with program.database.begin() as session:
        member = staff.id_of(session, email)
        if second_factor:
            there = staff.switch_off_factor(session, member, now=now, by=None)
            click.echo(f"{email} signs in without a second factor now." if there else f"{email} had none.")
        if link:
            click.echo(_link(program, staff.make_link(session, email, now=now)))
        if given is not None:
            staff.set_password(session, email, given, now=now)
            click.echo(f"{email} has a new password.")


@staff_command.command("end-sessions")
@click.argument("email")
@click.pass_context
def end_sessions(context: click.Context, email: str) -> None:
    """Sign somebody out of every browser; they may sign in again."""
    program = the_program(context)
    with program.database.begin() as session:
        ended = staff.end_sessions(session, staff.id_of(session, email), now=program.clock())
    click.echo(
        f"{email} was signed in in {ended} {'browser' if ended == 1 else 'browsers'}, and is not any more."
    )


def _password(given: str | None) -> str:
    """Asked for twice at a terminal; else the first line that is piped in. Never needed on the command line."""
    if given is not None:
        return given
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise StaffRefused("no password was given; type it when asked, pipe it in, or ask for a --link")
    return line


def _schools(session: Session, asked: tuple[str, ...]) -> list[int]:
    known = {school.id: school for school in session.scalars(select(School).order_by(School.name))}
    chosen = [
        school.id for school in known.values() if not asked or {school.name, school.sourced_id} & set(asked)
    ]
    if len(chosen) < len(asked):
        names = ", ".join(school.name for school in known.values()) or "none; import a roster first"
        raise click.ClickException(f"not every school given is known; the schools are: {names}")
    return chosen


def _link(program: Program, token: str) -> str:
    return f"Hand this over; it sets the password once, within three days: {program.settings.public_url}/set-password/{token}"


def _line(each: Colleague, names: dict[int, str]) -> str:
    every = each.role is Role.DISTRICT_ADMINISTRATOR or len(each.schools) == len(names)
    schools = (
        "every school" if every else ", ".join(sorted(names[one] for one in each.schools)) or "no school"
    )
    seen = f"seen {each.seen_at:%Y-%m-%d %H:%M} UTC" if each.seen_at else "never here"
    state = "" if each.active else "  DISABLED"
    return f"{each.email}  {each.name}  {each.role.value.replace('_', ' ')}  {schools}  {seen}{state}"
