"""Students and guardians out of OneRoster users: who is which, at which school, and who belongs to whom."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from bot.mail import is_address
from bot.roster.files import Columns, Row
from bot.roster.records import Guardian, Pair, Roster, Student, Written
from bot.roster.report import Problem

FILE = "users.csv"

# No `password`: what is not named here is never kept (OR-13).
USERS = Columns(
    filled=("sourcedId", "givenName", "familyName"),
    optional=(
        "status",
        "dateLastModified",
        "role",
        "orgSourcedIds",
        "identifier",
        "sms",
        "phone",
        "email",
        "agentSourcedIds",
        "grades",
        "preferredGivenName",
        "primaryOrgSourcedId",
    ),
)

FAMILY = {"parent", "guardian", "relative"}  # OR-9
ROLES = FAMILY | {"student"}
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


@dataclass(frozen=True)
class Earlier:
    """Whom the database holds, for a delta: each student's school, the guardians, the links of both."""

    students: Mapping[str, str] = field(default_factory=dict)
    guardians: Mapping[str, str] = field(default_factory=dict)
    links: frozenset[Pair] = frozenset()
    schools: frozenset[str] = frozenset()


@dataclass
class _Reading:
    """What the steps below share while one users file is read."""

    roster: Roster
    roles: dict[str, list[Role]]
    enrollments: dict[str, list[Enrollment]]
    problems: list[Problem]
    earlier: Earlier
    file: str
    schools: set[str]

    def note(self, row: Row, reason: str, column: str = "", value: str = "", mend: str = "") -> None:
        self.problems.append(Problem(self.file, row.line, reason, column=column, value=value, mend=mend))


def read(
    roster: Roster,
    rows: list[Row],
    roles: dict[str, list[Role]],
    enrollments: dict[str, list[Enrollment]],
    problems: list[Problem],
    *,
    earlier: Earlier | None = None,
    deleted: Iterable[Row] = (),
    grades: Mapping[str, str] | None = None,
) -> None:
    """Fill *roster* with the students, the guardians, their links and the numbers as written.

    *earlier* makes it a delta: who is not in it stays, and *deleted* rows name who goes. *grades* are
    those of an export that keeps them beside the roles.
    """
    known = earlier or Earlier()
    reading = _Reading(roster, roles, enrollments, problems, known, FILE, set(roster.schools) | known.schools)
    roster.says_emails = any(row.has("email") for row in rows[:1])
    users = _users(reading, rows)
    for sourced_id, row in users.items():
        theirs = _roles_of(reading, row)
        names = {role.name for role in theirs}
        if not names:
            reading.note(row, "the user has no role; the row was left out", "sourcedId", sourced_id)
            roster.held.add(sourced_id)
        if "student" in names:
            _add_student(reading, row, theirs, grades or {})
        if names & FAMILY:
            _add_guardian(reading, row, next(role.name for role in theirs if role.name in FAMILY))
    _note_shared_numbers(reading, users)
    _note_unknown_links(reading, users)
    for pair in _links(reading, users):
        roster.links.setdefault(pair, len(roster.links))
    if earlier is not None:
        _read_delta(reading, users, deleted)


def _read_delta(reading: _Reading, users: dict[str, Row], deleted: Iterable[Row]) -> None:
    roster, earlier = reading.roster, reading.earlier
    for row in deleted:
        sourced_id = row["sourcedId"]
        if sourced_id in earlier.students or sourced_id in earlier.guardians:
            # Deleted and made again in one export: the later of the two counts.
            if sourced_id not in users or _later(row, users[sourced_id]):
                roster.gone.add(sourced_id)
                roster.students.pop(sourced_id, None)
                roster.guardians.pop(sourced_id, None)
        elif not row.spoiled:
            reading.note(
                row,
                f"{sourced_id[:40]!r} is to be deleted, but nobody here has that id",
                "sourcedId",
                sourced_id,
            )
    for pair in [pair for pair in roster.links if not roster.gone.isdisjoint(pair)]:
        del roster.links[pair]
    for pair in earlier.links - roster.links.keys():
        if _named_no_more(users, *pair):
            roster.undone.add(pair)
    for sourced_id, school in earlier.students.items():
        if sourced_id in users or not (sourced_id in reading.enrollments or sourced_id in reading.roles):
            continue
        found = _school_among(reading, sourced_id, reading.roles.get(sourced_id, []), "")
        if found and found != school:
            roster.moved[sourced_id] = found


def _named_no_more(users: dict[str, Row], student: str, guardian: str) -> bool:
    """Whether a changed row lists other people, and not this one any more.

    An empty list tells nothing: many exporters fill one side only (OR-9).
    """
    return any(
        users[one]["agentSourcedIds"] and other not in users[one].listed("agentSourcedIds")
        for one, other in ((student, guardian), (guardian, student))
        if one in users
    )


def _users(reading: _Reading, rows: list[Row]) -> dict[str, Row]:
    """The rows by sourcedId; of two with one id the one that says it was changed later counts."""
    users: dict[str, Row] = {}
    for row in rows:
        if row.spoiled:
            reading.roster.held.add(row["sourcedId"])
        elif row["sourcedId"] in users and _later(row, users[row["sourcedId"]]):
            users[row["sourcedId"]] = row
        elif row["sourcedId"] in users:
            reading.note(row, f"sourcedId {row['sourcedId']!r} is there twice; the row was left out")
        else:
            users[row["sourcedId"]] = row
    return users


def _later(row: Row, other: Row) -> bool:
    """By dateLastModified, which is UTC with a Z and so sorts as text (OR-6); an empty one tells nothing."""
    return bool(other["dateLastModified"]) and row["dateLastModified"] > other["dateLastModified"]


def _roles_of(reading: _Reading, row: Row) -> list[Role]:
    """From roles.csv; in OneRoster 1.1 from the user's own row; in a delta as it was."""
    sourced_id, earlier = row["sourcedId"], reading.earlier
    if sourced_id in reading.roles:
        return reading.roles[sourced_id]
    if row["role"]:
        return [Role(row["role"].casefold(), org) for org in row.listed("orgSourcedIds") or [""]]
    if sourced_id in earlier.students:
        return [Role("student", earlier.students[sourced_id])]
    return [Role("guardian", "")] if sourced_id in earlier.guardians else []


def _add_student(reading: _Reading, row: Row, roles: list[Role], grades: Mapping[str, str]) -> None:
    sourced_id, roster = row["sourcedId"], reading.roster
    school = _school_among(reading, sourced_id, roles, row["primaryOrgSourcedId"])
    if school is None:
        reading.note(
            row,
            "the student is at no school of orgs.csv; the row was left out",
            "sourcedId",
            sourced_id,
            "export the school as well",
        )
        roster.held.add(sourced_id)
        return
    grade = grades.get(sourced_id) or next(iter(row.listed("grades")), "")
    if len(grade) > _LONGEST_GRADE:
        reading.note(row, f"the grade has {len(grade)} characters and was left empty", "grades", grade)
        grade = ""
    roster.students[sourced_id] = Student(
        number=row["identifier"] or sourced_id,
        given_name=row["givenName"],
        preferred_name=row["preferredGivenName"],
        family_name=row["familyName"],
        grade=grade,
        school=school,
        enrolled_from=_first_day(reading.enrollments.get(sourced_id, ())),
    )
    if row["sms"]:
        roster.students_mobiles[sourced_id] = _written(row, {"sms": "mobile"})


def _first_day(enrollments: Iterable[Enrollment]) -> date | None:
    """The first day of the earliest enrollment, whichever school it was at; None when one has no beginning."""
    first = min((one.begin for one in enrollments), default=date.min)
    return first if first > date.min else None


def _school_among(reading: _Reading, sourced_id: str, roles: list[Role], own: str) -> str | None:
    """The school where the student is enrolled now, else the role's, else the user's own."""
    schools = reading.schools
    at = [role.org for role in roles if role.name == "student" and role.org in schools]
    enrolled = [one for one in reading.enrollments.get(sourced_id, ()) if one.school in schools]
    if len(enrolled) == 1:
        return enrolled[0].school
    if enrolled:
        return max(enrolled, key=lambda one: (one.current, one.school in at, one.begin)).school
    return at[0] if at else own if own in schools else None


def _add_guardian(reading: _Reading, row: Row, role: str) -> None:
    sourced_id = row["sourcedId"]
    reading.roster.guardians[sourced_id] = Guardian(
        number=row["identifier"] or sourced_id,
        given_name=row["givenName"],
        family_name=row["familyName"],
        role=role,
        email=_address(row["email"]),
    )
    reading.roster.written[sourced_id] = _written(row, {"sms": "mobile", "phone": "home"})


def _address(written: str) -> str:
    """One e-mail address; what is none is left out, for nobody is reached by it."""
    return written if is_address(written) else ""


def _written(row: Row, kinds: dict[str, str]) -> list[Written]:
    return [
        Written(kind, row[column], FILE, row.line, column) for column, kind in kinds.items() if row[column]
    ]


def _note_shared_numbers(reading: _Reading, users: dict[str, Row]) -> None:
    """Attendance files know students by number alone (OR-16): two with one number cannot be told apart."""
    first: dict[str, str] = {}
    for sourced_id, student in reading.roster.students.items():
        other = first.setdefault(student.number, sourced_id)
        if other != sourced_id:
            reading.note(users[sourced_id], f"its identifier is also that of {other!r}; one of them is wrong")


def _links(reading: _Reading, users: dict[str, Row]) -> Iterator[Pair]:
    """Both directions of agentSourcedIds, each accepted only between a student and a family role (OR-9).

    Students' own lists come first, because their order is the only hint of whom to contact first. In a
    delta the other end may be somebody who has not changed.
    """
    roster, earlier = reading.roster, reading.earlier
    students, guardians = roster.students, roster.guardians
    for student in students:
        for other in users[student].listed("agentSourcedIds"):
            if other != student and (
                other in guardians or (other not in users and other in earlier.guardians)
            ):
                yield student, other
    for guardian in guardians:
        for other in users[guardian].listed("agentSourcedIds"):
            if other != guardian and (
                other in students or (other not in users and other in earlier.students)
            ):
                yield other, guardian


def _note_unknown_links(reading: _Reading, users: dict[str, Row]) -> None:
    roster, earlier = reading.roster, reading.earlier
    for people in (roster.students, roster.guardians):
        for sourced_id in people:
            if people is roster.guardians and sourced_id in roster.students:
                continue
            row = users[sourced_id]
            for other in row.listed("agentSourcedIds"):
                if other in users or other in roster.held:
                    continue
                if other not in earlier.students and other not in earlier.guardians:
                    reading.note(
                        row,
                        f"agentSourcedIds names {other!r}, who is not in users.csv; that link was left out",
                        "agentSourcedIds",
                        other,
                        "export that person as well",
                    )
