"""What the database should hold after an import: the files' picture, as rows by the school's own ids."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time

from bot.measures import school_year
from bot.roster.compare import Values, compare, refuse_mass_removal
from bot.roster.numbers import FROM_CONTACTS, FROM_ROSTER
from bot.roster.records import Closures, Contacts, Number, Pair, Roster, Student
from bot.roster.rows import Known, Plan, SchoolDay

# Beyond these shares of the active rows a removal needs a person's word (OR-5). Links, numbers and
# days may go one by one in a small school; only a loss beyond `_A_FEW` of them looks like a cut file.
_MOST_STUDENTS = 0.10
_MOST_GUARDIANS = 0.20
_MOST_OTHERS = 0.20
_A_FEW = 20


@dataclass
class Files:
    """Everything that one import has read."""

    roster: Roster
    contacts: Contacts | None
    closures: Closures | None
    numbers: dict[str, dict[str, Number]]
    zone: str
    morning_at: time


def make_plan(files: Files, known: Known, *, contacts_decide: bool) -> Plan:
    """Compare the files with the database.

    *contacts_decide*: the district sends contacts files. Then a link that none of them mentions
    may not be texted; without such files OneRoster's word is all there is.
    """
    roster = files.roster
    still_needed = {
        row["school"]
        for sourced_id, row in known.students.items()
        if row["active"] and (sourced_id in roster.held or (roster.delta and sourced_id not in roster.gone))
    }

    def stays(sourced_id: str) -> bool:
        return sourced_id in roster.held or (roster.delta and sourced_id not in roster.gone)

    def school_stays(sourced_id: str) -> bool:
        complete = roster.schools_complete and not roster.delta
        return sourced_id in still_needed or not (complete or sourced_id in roster.schools_gone)

    return Plan(
        schools=compare(known.schools, _schools(files), stays=school_stays),
        days=compare(known.days, _days(files, known)),
        students=compare(
            known.students,
            {sourced_id: {"school": school} for sourced_id, school in roster.moved.items()}
            | {
                sourced_id: _student(student, known.students.get(sourced_id))
                for sourced_id, student in roster.students.items()
            },
            stays=stays,
        ),
        guardians=compare(known.guardians, _guardians(files, known), stays=stays),
        links=compare(
            known.links, _links(files, known, contacts_decide=contacts_decide), stays=_link_stays(files)
        ),
        numbers=compare(known.numbers, _numbers(files, known), stays=_number_stays(files, known)),
    )


def refuse_dangerous(file: str, known: Known, plan: Plan) -> None:
    """Raise FileRefused when a complete list has lost more people than a school loses in a day (OR-5)."""
    refuse_mass_removal(file, "active students", known.students, plan.students, _MOST_STUDENTS)
    refuse_mass_removal(file, "active guardians", known.guardians, plan.guardians, _MOST_GUARDIANS)
    refuse_mass_removal(file, "links of guardians to students", known.links, plan.links, _MOST_OTHERS, _A_FEW)
    refuse_mass_removal(file, "guardians' numbers", known.numbers, plan.numbers, _MOST_OTHERS, _A_FEW)
    refuse_mass_removal(file, "days of the school calendar", known.days, plan.days, _MOST_OTHERS, _A_FEW)


def first_day(roster: Roster) -> date | None:
    """Where this roster's calendar begins; what is earlier is another year's history and stays."""
    return min((term.first for term in roster.terms), default=None)


def teaching_days(roster: Roster) -> set[date]:
    """The weekdays of all terms, before any closure."""
    return {day for term in roster.terms for day in term.weekdays()}


def _student(student: Student, row: Values | None) -> Values:
    """A file that does not say since when somebody is enrolled takes nothing back.

    Who has changed school within a year was enrolled before: the new school's first day is not theirs.
    """
    values = dict(vars(student))
    first, before = student.enrolled_from, row["enrolled_from"] if row else None
    if row is None or before is None:
        if row is not None and first is None:
            del values["enrolled_from"]
        return values
    moved = row["school"] != student.school and first is not None and before < first
    if first is None or (moved and school_year(before) == school_year(first)):
        del values["enrolled_from"]
    return values


def _schools(files: Files) -> dict[str, Values]:
    same = {"zone": files.zone, "morning_at": files.morning_at}
    return {sourced_id: vars(school) | same for sourced_id, school in files.roster.schools.items()}


def _days(files: Files, known: Known) -> dict[SchoolDay, Values]:
    """Without a calendar file a day stays as it is; with one, a vanished closure is a school day again."""
    closures = files.closures
    wanted: dict[SchoolDay, Values] = {}
    for school in files.roster.schools:
        for day in teaching_days(files.roster):
            row = known.days.get((school, day))
            if closures and day in closures.days:
                wanted[school, day] = {"instructional": False, "summary": closures.days[day]}
            elif row is None or (closures and closures.complete):
                wanted[school, day] = {"instructional": True, "summary": ""}
            else:
                wanted[school, day] = {}
    return wanted


def _guardians(files: Files, known: Known) -> dict[str, Values]:
    """The language is the guardian's; once the family has chosen one, no file changes it (OR-12)."""
    said = files.contacts.languages if files.contacts else {}
    wanted: dict[str, Values] = {}
    for sourced_id, guardian in files.roster.guardians.items():
        values: Values = {"given_name": guardian.given_name, "family_name": guardian.family_name}
        if guardian.email or files.roster.says_emails:
            values["email"] = guardian.email
        row = known.guardians.get(sourced_id)
        if sourced_id in said and not (row and row["language_chosen_by_family"]):
            values["language"] = said[sourced_id]
        wanted[sourced_id] = values
    return wanted


def _links(files: Files, known: Known, *, contacts_decide: bool) -> dict[Pair, Values]:
    """Links that either file names; what OneRoster cannot say stays, or begins as the safe answer."""
    said = files.contacts.links if files.contacts else {}
    order: dict[str, int] = {}
    wanted: dict[Pair, Values] = {}
    for pair in [*files.roster.links, *(pair for pair in said if pair not in files.roster.links)]:
        student, guardian = pair
        order[student] = order.get(student, 0) + 1
        if pair in said:
            wanted[pair] = vars(said[pair])
        elif pair in known.links:
            wanted[pair] = {}
        else:
            wanted[pair] = {
                "relation": role_of(files.roster, guardian),
                "contact_order": order[student],
                "lives_with": not contacts_decide,
                "may_receive_texts": not contacts_decide,
                "court_order": False,
            }
    return wanted


def role_of(roster: Roster, guardian: str) -> str:
    """A guardian who is not in a delta has changed nothing; their role is not kept (OR-9)."""
    return roster.guardians[guardian].role if guardian in roster.guardians else "guardian"


def _link_stays(files: Files) -> Callable[[Pair], bool]:
    roster = files.roster
    held = roster.held | (files.contacts.held if files.contacts else set())
    if not roster.delta:
        return lambda pair: pair[0] in held or pair[1] in held

    def stays(pair: Pair) -> bool:
        if pair[0] in held or pair[1] in held:
            return True
        return pair not in roster.undone and pair[0] not in roster.gone and pair[1] not in roster.gone

    return stays


def _numbers(files: Files, known: Known) -> dict[Pair, Values]:
    """Without a contacts file, those who have numbers from an earlier one keep exactly these."""
    settled = files.contacts.held if files.contacts else _with_contacts_numbers(known)
    return {
        (guardian, e164): vars(number)
        for guardian, numbers in files.numbers.items()
        if guardian not in settled
        for e164, number in numbers.items()
    }


def _with_contacts_numbers(known: Known) -> set[str]:
    return {
        guardian
        for (guardian, _), row in known.numbers.items()
        if row["active"] and row["given_by"] == FROM_CONTACTS
    }


def _number_stays(files: Files, known: Known) -> Callable[[Pair], bool]:
    """A number goes with its guardian, else only with the file that gave it, if that can be read."""
    held = files.roster.held | (files.contacts.held if files.contacts else set())
    ours = {FROM_ROSTER, FROM_CONTACTS} if files.contacts else {FROM_ROSTER}

    def stays(pair: Pair) -> bool:
        guardian = pair[0]
        if guardian in held:
            return True
        if files.roster.delta and guardian not in files.roster.guardians:
            return guardian not in files.roster.gone
        return guardian in files.roster.guardians and known.numbers[pair]["given_by"] not in ours

    return stays
