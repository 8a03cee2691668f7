"""`presente close`, `delay` and `dismiss`: what a person says of a school day, for whoever is at the machine."""

import getpass
from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import closings
from bot.cli.program import Program, the_program
from bot.clock import school_day
from bot.closings import Who
from bot.store.tables import School

_DAY = click.DateTime(["%Y-%m-%d"])
_AT = click.DateTime(["%H:%M"])
_BECAUSE = "Why, in a few words: the desk and whoever comes next read it."


@click.command("close")
@click.option("--school", "named", multiple=True, help="A school's name or sourcedId; default every school.")
@click.option("--date", "on", type=_DAY, help="The school day; default today.")
@click.option("--because", required=True, help=_BECAUSE)
@click.option("--undo", is_flag=True, help="It was a mistake: there is school, and a morning still due runs.")
@click.pass_context
def close_command(
    context: click.Context, named: tuple[str, ...], on: datetime | None, because: str, undo: bool
) -> None:
    """No school that day: what is queued is not sent, and nobody is absent."""
    program = the_program(context)
    with program.database.begin() as session:
        schools = _schools(session, named)
        day = _day(program, schools, on)
        ids = [school.id for school in schools]
        if undo:
            holding = [one for one in closings.changes(session, ids, day, day) if one.withdrawn_at is None]
            for one in holding:
                closings.withdraw(session, one.id, schools=ids, who=_who(), now=program.clock())
            names = [f"{one.school} ({one.kind.value.replace('_', ' ')})" for one in holding]
            click.echo(f"{day}: as on other days again: {', '.join(names)}." if names else "Nothing to undo.")
            return
        done = closings.close(session, ids, day, reason=because, who=_who(), now=program.clock())
    click.echo(f"{day}: no school at {', '.join(done)}. What was queued is not sent.")
    click.echo('A mistake? presente close --undo --because "..."')


@click.command("delay")
@click.option("--school", "named", multiple=True, help="A school's name or sourcedId; default every school.")
@click.option("--date", "on", type=_DAY, help="The school day; default today.")
@click.option("--at", "at", type=_AT, help="When families are asked that day (school's time).")
@click.option("--minutes", type=click.IntRange(1, 480), help="Or how much later than on other days.")
@click.option("--because", required=True, help=_BECAUSE)
@click.pass_context
def delay_command(
    context: click.Context,
    named: tuple[str, ...],
    on: datetime | None,
    at: datetime | None,
    minutes: int | None,
    because: str,
) -> None:
    """A late opening: families are asked later that day, and everything that follows comes later."""
    if (at is None) == (minutes is None):
        raise click.UsageError("say either --at 11:30 or --minutes 120")
    program = the_program(context)
    with program.database.begin() as session:
        schools = _schools(session, named)
        day = _day(program, schools, on)
        done = []
        for school in schools:
            when = at.time() if at else _later(school.morning_at, minutes or 0)
            done += closings.open_late(
                session, [school.id], day, when, reason=because, who=_who(), now=program.clock()
            )
    click.echo(f"{day}: families of {', '.join(done)} are asked later.")


@click.command("dismiss")
@click.option("--school", "named", multiple=True, help="A school's name or sourcedId; default every school.")
@click.option("--date", "on", type=_DAY, help="The school day; default today.")
@click.option("--at", "at", type=_AT, required=True, help="When the students go home (school's time).")
@click.option("--because", required=True, help=_BECAUSE)
@click.pass_context
def dismiss_command(
    context: click.Context, named: tuple[str, ...], on: datetime | None, at: datetime, because: str
) -> None:
    """An early dismissal: calls are due by then, and no family is asked after."""
    program = the_program(context)
    with program.database.begin() as session:
        schools = _schools(session, named)
        day = _day(program, schools, on)
        ids = [school.id for school in schools]
        done = closings.end_early(
            session, ids, day, at.time(), reason=because, who=_who(), now=program.clock()
        )
    click.echo(f"{day}: {', '.join(done)} ends at {at:%H:%M}.")


def _schools(session: Session, named: tuple[str, ...]) -> Sequence[School]:
    """The schools that are meant: those named, or all. Raises UsageError for a name that no school has."""
    known = session.scalars(select(School).where(School.active).order_by(School.name)).all()
    if not named:
        return known
    chosen = [school for school in known if school.name in named or school.sourced_id in named]
    missing = [
        name for name in named if name not in {each for one in chosen for each in (one.name, one.sourced_id)}
    ]
    if missing:
        there = ", ".join(school.name for school in known)
        raise click.UsageError(f"no school is called {missing[0]!r}; there are {there}")
    return chosen


def _day(program: Program, schools: Sequence[School], on: datetime | None) -> date:
    zone = ZoneInfo(schools[0].zone if schools else program.settings.zone)
    return on.date() if on else school_day(program.clock(), zone)


def _later(usual: time, minutes: int) -> time:
    whole = usual.hour * 60 + usual.minute + minutes
    if whole >= 24 * 60:
        raise click.UsageError("that would be another day; close the school instead")
    return time(whole // 60, whole % 60)


def _who() -> Who:
    """The machine's name for whoever runs this; a container may have none."""
    try:
        return Who(getpass.getuser())
    except (ImportError, KeyError, OSError):
        return Who("somebody at the machine")
