"""`presente morning`, `ledger` and `replay`: one school day, and many."""

import json
from collections import Counter
from datetime import date, datetime, time, timedelta
from math import ceil
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bot import ledger, outreach, rehearsal
from bot.attendance import AbsentStudent
from bot.cli.program import Program, the_program
from bot.clock import instant, school_day
from bot.outreach import Plan
from bot.vocabulary import Outcome

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("morning")
@click.option("--date", "on", type=_DAY, help="The school day; default today.")
@click.option(
    "--at", type=click.DateTime(["%H:%M"]), help="Decide as at this time of that day (school's time)."
)
@click.option("--dry-run", is_flag=True, help="List who would be texted and why each other family would not.")
@click.pass_context
def morning_command(context: click.Context, on: datetime | None, at: datetime | None, dry_run: bool) -> None:
    """Ask the families of the absent students: one text to each household, in its language.

    It only queues; `presente worker` sends. Running it twice changes nothing.
    """
    program = the_program(context)
    zone = ZoneInfo(program.settings.zone)
    day = on.date() if on else school_day(program.clock(), zone)
    now = _moment(program, day, at.time() if at else None, zone)
    with program.database.begin() as session:
        planned = outreach.plan(session, day, script=program.script, now=now)
        if not dry_run:
            outreach.run(session, planned, script=program.script, now=now)
    _show(planned, dry_run=dry_run)


def _moment(program: Program, day: date, at: time | None, zone: ZoneInfo) -> datetime:
    """The time to decide at: as told, else now if it is that day, else when that day's families were due."""
    if at is not None:
        return instant(day, at, zone)
    now = program.clock()
    return now if school_day(now, zone) == day else instant(day, program.settings.morning_at, zone)


def _show(planned: Plan, *, dry_run: bool) -> None:
    verb = "Would be asked" if dry_run else "Asked"
    asked = sum(len(household.students) for household in planned.households)
    click.echo(f"{planned.day}: {verb} about {asked} students in {len(planned.households)} texts")
    for household in planned.households:
        names = ", ".join(_named(student) for student in household.students)
        click.echo(f"  {household.guardian} ({household.language.english_name}): {names}")
    if planned.takes is not None:
        minutes = ceil(planned.takes / timedelta(minutes=1))
        click.echo(
            f"{planned.segments} segments; at our number's pace the last has left {minutes} minutes after the first"
        )
    others = (
        [(student, why.sentence) for student, why in planned.not_contacted]
        + [(student, f"held: {why}") for student, why in planned.held]
        + [(student, "the family has already told us why") for student in planned.told_already]
        + [(student, "asked before") for student in planned.asked_before]
    )
    if others:
        click.echo(f"Not asked: {len(others)} students")
        for sentence, number in Counter(sentence for _, sentence in others).most_common():
            click.echo(f"  {number} because {sentence}:")
            click.echo("    " + ", ".join(_named(student) for student, why in others if why == sentence))
    if dry_run:
        click.echo("Dry run: nothing was changed.")


def _named(student: AbsentStudent) -> str:
    return f"{student.first_name} {student.family_name}"


@click.command("ledger")
@click.option("--date", "on", type=_DAY, required=True, help="The school day.")
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
@click.pass_context
def ledger_command(context: click.Context, on: datetime, as_json: bool) -> None:
    """Count a day: each absent student has exactly one outcome, and the sum is the number absent."""
    program = the_program(context)
    day = on.date()
    with program.database.begin() as session:
        repaired = ledger.fill_gaps(session, day, program.clock())
        counts = ledger.count(session, day)
    outcomes = {outcome.value: number for outcome, number in counts.outcomes.items()}
    if as_json:
        click.echo(
            json.dumps(
                {
                    "date": day.isoformat(),
                    "absent": counts.absent,
                    "accounted_for": counts.accounted_for,
                    "outcomes": outcomes,
                }
            )
        )
        return
    click.echo(f"{day}: {counts.absent} absent, {counts.accounted_for} accounted for")
    for outcome, number in counts.outcomes.items():
        click.echo(f"  {number:4d}  {_WORDS[outcome]}")
    if repaired:
        click.echo(f"{repaired} students had no outcome yet and were entered now.")


_WORDS = {
    Outcome.NOT_CONTACTED: "not contacted (already excused, opted out, no number, no contact allowed)",
    Outcome.HELD: "held: nobody was asked yet",
    Outcome.UNREACHABLE: "unreachable: the text did not arrive, or the number is wrong",
    Outcome.ATTEMPTED: "asked, no answer yet",
    Outcome.REACHED_NO_REASON: "reached, no reason yet",
    Outcome.WITH_A_PERSON: "with a person",
    Outcome.EXPLAINED: "explained",
    Outcome.EXPLAINED_NEEDS_HELP: "explained, and the family needs help",
    Outcome.PRESENT_CORRECTED: "present after all",
}
assert set(_WORDS) == set(Outcome)  # noqa: S101 - a new outcome needs its words here


@click.command("replay")
@click.option("--from", "first", type=_DAY, required=True, help="The first school day.")
@click.option("--to", "last", type=_DAY, required=True, help="The last school day.")
@click.option(
    "--replies",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What simulated families answer (id,lang,text,...); default the sample replies.",
)
@click.option(
    "--attendance",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The year's marks; default the sample's.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    help="Which families answer what; the same seed plays the same year.",
)
@click.option(
    "--storm",
    type=int,
    metavar="SEED",
    help="With files that correct each other, closings, and processes killed in their work: the same seed, the same storm.",
)
@click.option("--postgres", default="", help="Storm on a throw-away database of this server; default SQLite.")
@click.pass_context
def replay_command(
    context: click.Context,
    first: datetime,
    last: datetime,
    replies: Path | None,
    attendance: Path | None,
    seed: int,
    storm: int | None,
    postgres: str,
) -> None:
    """Play past mornings with simulated families on a throw-away database, and check the promises."""
    program = the_program(context)
    sample = program.sample_folder
    year = rehearsal.Year(
        roster=sample / "grandbend" / "oneroster.zip",
        contacts=sample / "grandbend" / "contacts.csv",
        calendar=sample / "grandbend" / "calendar.ics",
        attendance=attendance or sample / "grandbend" / "attendance-2021-2022.csv",
        replies=replies or sample / "family_replies_dev.csv",
    )
    found: rehearsal.Summary | rehearsal.Tally
    if storm is not None:
        with rehearsal.scratch_place(program.migrations_folder, postgres) as (url, folder):
            found = rehearsal.play_storm(
                url,
                folder,
                year,
                first.date(),
                last.date(),
                script=program.script,
                understanding=program.understanding,
                zone=program.settings.zone,
                morning_at=program.settings.morning_at,
                seed=storm,
                say=click.echo,
            )
    else:
        with rehearsal.scratch_database(program.migrations_folder) as database:
            found = rehearsal.replay(
                database,
                year,
                first.date(),
                last.date(),
                script=program.script,
                understanding=program.understanding,
                zone=program.settings.zone,
                morning_at=program.settings.morning_at,
                seed=seed,
                say=click.echo,
            )
    for line in found.lines():
        click.echo(line)
    if found.broken:
        raise click.exceptions.Exit(1)
