"""`presente staff`: who may use the desk."""

import click
from sqlalchemy import select

from bot import staff
from bot.cli.program import the_program
from bot.store.tables import School
from bot.vocabulary import Role


@click.group("staff")
def staff_command() -> None:
    """Who may use the desk, and which schools each may see."""


@staff_command.command("add")
@click.argument("email")
@click.option("--name", required=True, help="As families and colleagues read it: Ms. Rivera.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.SPECIALIST.value,
    show_default=True,
)
@click.option(
    "--school", "schools", multiple=True, help="A school's name or id; repeat. Default: every school."
)
@click.password_option(help="Asked for when it is not given.")
@click.pass_context
def add(
    context: click.Context, email: str, name: str, role: str, schools: tuple[str, ...], password: str
) -> None:
    """Add a staff member."""
    program = the_program(context)
    with program.database.begin() as session:
        known = {school.id: school for school in session.scalars(select(School).order_by(School.name))}
        chosen = [
            school.id
            for school in known.values()
            if not schools or {school.name, school.sourced_id} & set(schools)
        ]
        if len(chosen) < len(schools):
            names = ", ".join(school.name for school in known.values()) or "none; import a roster first"
            raise click.ClickException(f"not every school given is known; the schools are: {names}")
        staff.add(session, email=email, name=name, role=Role(role), schools=chosen, password=password)
    click.echo(f"{name} can sign in as {email} and sees {len(chosen)} schools.")


@staff_command.command("disable")
@click.argument("email")
@click.pass_context
def disable(context: click.Context, email: str) -> None:
    """End a staff member's access at once."""
    program = the_program(context)
    with program.database.begin() as session:
        staff.disable(session, email, now=program.clock())
    click.echo(f"{email} can no longer sign in, and is signed out everywhere.")


@staff_command.command("reset")
@click.argument("email")
@click.password_option(help="Asked for when it is not given.")
@click.pass_context
def reset(context: click.Context, email: str, password: str) -> None:
    """Set a new password; every open desk of this person is signed out."""
    program = the_program(context)
    with program.database.begin() as session:
        staff.set_password(session, email, password, now=program.clock())
    click.echo(f"{email} has a new password.")
