"""`presente measures`: who misses how much school, counted by tier and school, or student by student."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import measures
from bot.cli.program import the_program
from bot.clock import school_day
from bot.measures import Standing, Tier
from bot.store.tables import School, Student, Threshold

# A smaller group may point at a child.
_SMALLEST_SHOWN = 10
_HIDDEN = "*"

_TOLD = {
    Threshold.FOUR_IN_A_MONTH: "four unexcused absences in a month",
    Threshold.TEN_IN_A_YEAR: "ten unexcused absences in the year",
}


@click.command("measures")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="Up to and including this day; default today.")
@click.option(
    "--school", "schools", multiple=True, help="A school's name or id; repeat. Default: every school."
)
@click.option("--csv", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write every student.")
@click.option("--all", "show_all", is_flag=True, help="Show groups of fewer than ten students as well.")
@click.pass_context
def measures_command(
    context: click.Context, on: datetime | None, schools: tuple[str, ...], file: Path | None, show_all: bool
) -> None:
    """Count who misses how much school, by tier and school: under 5 %, 5 to 10, 10 to 20, 20 and more.

    Groups of fewer than ten students are hidden, and so are the others that would give them away.
    For staff; nothing of it is texted. The file names children: keep it as the roster is kept.
    """
    program = the_program(context)
    day = on.date() if on else school_day(program.clock(), ZoneInfo(program.settings.zone))
    with program.database.look() as session:
        names = _chosen(session, schools)
        found = measures.standings(session, day, schools=names)
        lines = _lines(session, found, names) if file else []
    if not any(standing.enrolled for standing in found):
        raise click.ClickException(
            f"no student was enrolled on a school day of this school year up to {day}; "
            "name a day with --on, or import a roster with its terms"
        )
    for line in _table(found, names, day, show_all=show_all):
        click.echo(line)
    if file:
        with file.open("w", encoding="utf-8-sig", newline="") as page:  # Excel takes UTF-8 by its mark alone
            csv.writer(page).writerows([_COLUMNS, *lines])
        click.echo(f"{len(lines)} students are in {file}.")


def _chosen(session: Session, schools: Sequence[str]) -> dict[int, str]:
    """The names of the active schools that are meant, by id."""
    known = session.scalars(select(School).where(School.active).order_by(School.name, School.id)).all()
    unknown = set(schools) - {word for school in known for word in (school.name, school.sourced_id)}
    if unknown:
        names = ", ".join(school.name for school in known) or "none; import a roster first"
        raise click.ClickException(f"no school is called {min(unknown)!r}; the schools are: {names}")
    return {
        school.id: school.name
        for school in known
        if not schools or {school.name, school.sourced_id} & set(schools)
    }


# --- counts -----------------------------------------------------------------------------------------------


def _table(found: list[Standing], names: dict[int, str], day: date, *, show_all: bool) -> list[str]:
    counts = {school: Counter(each.tier for each in found if each.school_id == school) for school in names}
    # Students and then each tier, school by school and all together: the first of a row is the others' sum,
    # and so is the last of a column.
    cells = [[count.total(), *(count[tier] for tier in Tier)] for count in counts.values()]
    cells.append([sum(column) for column in zip(*cells, strict=True)])
    hidden = set() if show_all else hide(cells)
    lines = [f"{day}: days absent of the days enrolled so far"]
    heads = ["students", *(tier.label for tier in Tier), "chronic"]
    widest = max(len(name) for name in (*names.values(), "All"))
    lines.append(f"{'':{widest}}  " + "  ".join(f"{head:>12}" for head in heads))
    for row, name in enumerate((*names.values(), "All")):
        shown = [_HIDDEN if (row, column) in hidden else str(n) for column, n in enumerate(cells[row])]
        lines.append(f"{name:{widest}}  " + "  ".join(f"{n:>12}" for n in (*shown, _share(shown))))
    for threshold, words in _TOLD.items():
        reached = sum(any(mark.threshold is threshold for mark in each.truancy) for each in found)
        secret = not show_all and 0 < reached < _SMALLEST_SHOWN
        lines.append(f"{_HIDDEN if secret else reached} students have reached {words}.")
    if hidden:
        lines.append(
            f"{_HIDDEN} hides a group of fewer than {_SMALLEST_SHOWN} students, or what would give one away; "
            "--all shows it."
        )
    return lines


def hide(cells: list[list[int]]) -> set[tuple[int, int]]:
    """The places to hide in a table whose first column and last row are sums.

    A group of fewer than ten, and, where it would be what a row or column lacks, the smallest one beside
    it. A group of nobody hides nobody.
    """
    rows, columns = range(len(cells)), range(len(cells[0]))
    lines = [[(row, column) for column in columns] for row in rows]
    lines += [[(row, column) for row in rows] for column in columns]
    size = {(row, column): cells[row][column] for row in rows for column in columns}
    hidden = {place for place, n in size.items() if 0 < n < _SMALLEST_SHOWN}
    while alone := next((line for line in lines if len(hidden.intersection(line)) == 1), None):
        others = [place for place in alone if size[place] and place not in hidden]
        hidden.add(min(others, key=lambda place: (size[place], place)))
    return hidden


def _share(shown: list[str]) -> str:
    """The chronically absent of a row in percent; hidden with either of the two groups that make it."""
    students, *_, moderate, severe = shown
    if _HIDDEN in (students, moderate, severe):
        return _HIDDEN
    return f"{(int(moderate) + int(severe)) / int(students):.1%}" if int(students) else "-"


# --- every student ----------------------------------------------------------------------------------------

_COLUMNS = (
    "student", "given name", "family name", "grade", "school", "day", "days enrolled", "days absent", "excused",
    "unexcused", "disciplinary", "rate", "tier", "chronic", "days in a row", "unexcused this month",
    "four in a month on", "meeting after four by", "ten in the year on", "meeting after ten by",
)  # fmt: skip


def _lines(session: Session, found: Iterable[Standing], names: dict[int, str]) -> list[list[str]]:
    people = {
        id_: words
        for id_, *words in session.execute(
            select(Student.id, Student.number, Student.given_name, Student.family_name, Student.grade).where(
                Student.active, Student.school_id.in_(names)
            )
        )
    }
    return [
        [
            *(_no_formula(word) for word in (*people[each.student_id], names[each.school_id])),
            each.day.isoformat(),
            str(each.enrolled),
            str(each.absent),
            str(each.excused),
            str(each.unexcused),
            str(each.disciplinary),
            f"{each.rate:.4f}",
            each.tier.label,
            "yes" if each.chronic else "no",
            str(each.streak),
            str(each.unexcused_in_month),
            *_mark(each, Threshold.FOUR_IN_A_MONTH),
            *_mark(each, Threshold.TEN_IN_A_YEAR),
        ]
        for each in found
    ]


def _mark(standing: Standing, threshold: Threshold) -> list[str]:
    for mark in standing.truancy:
        if mark.threshold is threshold:
            return [mark.reached_on.isoformat(), mark.meeting_by.isoformat() if mark.meeting_by else ""]
    return ["", ""]


def _no_formula(cell: str) -> str:
    """A spreadsheet takes a name for a formula when it begins like one (OR-14)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell
