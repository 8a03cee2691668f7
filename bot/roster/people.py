"""Students and guardians out of OneRoster users: who is which, at which school, and who belongs to whom."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from bot.roster.files import Columns, Row
from bot.roster.records import Guardian, Pair, Roster, Student, Written
from bot.roster.report import Problem

FILE = "users.csv"

# No `password`: what is not named here is never kept (OR-13).
USERS = Columns(
    filled=("sourcedId", "givenName", "familyName"),
    optional=(
        "status",
        "role",
        "orgSourcedIds",
        "identifier",
        "sms",
        "phone",
        "agentSourcedIds",
        "grades",
        "preferredGivenName",
        "primaryOrgSourcedId",
    ),
)

_FAMILY = {"parent", "guardian", "relative"}  # OR-9
_LONGEST_GRADE = 20


@dataclass(frozen=True)
class Role:
    name: str
    org: str


@dataclass(frozen=True)
class Enrollment:
    school: str
    current: bool
    begin: date


@dataclass
class _Reading:
    """What the steps below share while one users file is read."""

    roster: Roster
    roles: dict[str, list[Role]]
    enrollments: dict[str, list[Enrollment]]
    problems: list[Problem]

    def note(self, row: Row, reason: str) -> None:
        self.problems.append(Problem(FILE, row.line, reason))


def read(
    roster: Roster,
    rows: list[Row],
    roles: dict[str, list[Role]],
    enrollments: dict[str, list[Enrollment]],
    problems: list[Problem],
) -> None:
    """Fill *roster* with the students, the guardians, their links and the numbers as written."""
    reading = _Reading(roster, roles, enrollments, problems)
    users = _users(reading, rows)
    for sourced_id, row in users.items():
        theirs = _roles_of(reading, row)
        names = {role.name for role in theirs}
        if not names:
            reading.note(row, "the user has no role; the row was left out")
            roster.held.add(sourced_id)
        if "student" in names:
            _add_student(reading, row, theirs)
        if names & _FAMILY:
            _add_guardian(reading, row, next(role.name for role in theirs if role.name in _FAMILY))
    _note_shared_numbers(reading, users)
    _note_unknown_links(reading, users)
    for pair in _links(reading, users):
        roster.links.setdefault(pair, len(roster.links))


def _users(reading: _Reading, rows: list[Row]) -> dict[str, Row]:
    users: dict[str, Row] = {}
    for row in rows:
        if row.spoiled:
            reading.roster.held.add(row["sourcedId"])
        elif row["sourcedId"] in users:
            reading.note(row, f"sourcedId {row['sourcedId']!r} is there twice; the row was left out")
        else:
            users[row["sourcedId"]] = row
    return users


def _roles_of(reading: _Reading, row: Row) -> list[Role]:
    """From roles.csv; in OneRoster 1.1 from the user's own row."""
    if row["sourcedId"] in reading.roles or not row["role"]:
        return reading.roles.get(row["sourcedId"], [])
    return [Role(row["role"].casefold(), org) for org in row.listed("orgSourcedIds") or [""]]


def _add_student(reading: _Reading, row: Row, roles: list[Role]) -> None:
    sourced_id, roster = row["sourcedId"], reading.roster
    school = _school_of(reading, row, roles)
    if school is None:
        reading.note(row, "the student is at no school of orgs.csv; the row was left out")
        roster.held.add(sourced_id)
        return
    grade = next(iter(row.listed("grades")), "")
    if len(grade) > _LONGEST_GRADE:
        reading.note(row, f"the grade has {len(grade)} characters and was left empty")
        grade = ""
    roster.students[sourced_id] = Student(
        number=row["identifier"] or sourced_id,
        given_name=row["givenName"],
        preferred_name=row["preferredGivenName"],
        family_name=row["familyName"],
        grade=grade,
        school=school,
    )
    roster.students_mobiles[sourced_id] = _written(row, {"sms": "mobile"})


def _school_of(reading: _Reading, row: Row, roles: list[Role]) -> str | None:
    """The school where the student is enrolled now, else the role's, else the user's own."""
    schools = reading.roster.schools
    at = [role.org for role in roles if role.name == "student" and role.org in schools]
    enrolled = [one for one in reading.enrollments.get(row["sourcedId"], []) if one.school in schools]
    if enrolled:
        return max(enrolled, key=lambda one: (one.current, one.school in at, one.begin)).school
    own = row["primaryOrgSourcedId"]
    return at[0] if at else own if own in schools else None


def _add_guardian(reading: _Reading, row: Row, role: str) -> None:
    sourced_id = row["sourcedId"]
    reading.roster.guardians[sourced_id] = Guardian(
        number=row["identifier"] or sourced_id,
        given_name=row["givenName"],
        family_name=row["familyName"],
        role=role,
    )
    reading.roster.written[sourced_id] = _written(row, {"sms": "mobile", "phone": "home"})


def _written(row: Row, kinds: dict[str, str]) -> list[Written]:
    return [Written(kind, row[column], FILE, row.line) for column, kind in kinds.items() if row[column]]


def _note_shared_numbers(reading: _Reading, users: dict[str, Row]) -> None:
    """Attendance files know students by number alone (OR-16): two with one number cannot be told apart."""
    first: dict[str, str] = {}
    for sourced_id, student in reading.roster.students.items():
        other = first.setdefault(student.number, sourced_id)
        if other != sourced_id:
            reading.note(users[sourced_id], f"its identifier is also that of {other!r}; one of them is wrong")


def _links(reading: _Reading, users: dict[str, Row]) -> Iterator[Pair]:
    """Both directions of agentSourcedIds, each accepted only between a student and a family role (OR-9).

    Students' own lists come first, because their order is the only hint of whom to contact first.
    """
    students, guardians = reading.roster.students, reading.roster.guardians
    for student in students:
        for other in users[student].listed("agentSourcedIds"):
            if other in guardians and other != student:
                yield student, other
    for guardian in guardians:
        for other in users[guardian].listed("agentSourcedIds"):
            if other in students and other != guardian:
                yield other, guardian


def _note_unknown_links(reading: _Reading, users: dict[str, Row]) -> None:
    roster = reading.roster
    for sourced_id, row in users.items():
        if sourced_id in roster.students or sourced_id in roster.guardians:
            for other in row.listed("agentSourcedIds"):
                if other not in users and other not in roster.held:
                    reading.note(
                        row,
                        f"agentSourcedIds names {other!r}, who is not in users.csv; that link was left out",
                    )
