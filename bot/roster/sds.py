"""Microsoft School Data Sync 2.1: users, roles and relationships in files of their own (OR-20)."""

from datetime import date

from bot.roster import people
from bot.roster.dates import day_first, read_date
from bot.roster.files import Columns
from bot.roster.oneroster import Archive, read_schools, read_terms
from bot.roster.records import Roster
from bot.roster.report import FileRefused, Problem

# userFlags.csv (special education, free lunch) and demographics.csv are not named, so never opened.
READ = ("orgs.csv", "users.csv", "roles.csv", "relationships.csv", "academicSessions.csv")
_NEEDED = READ[:4]

_ROLES = Columns(
    filled=("userSourcedId", "orgSourcedId", "role"),
    optional=("sessionSourcedId", "grade", "isPrimary", "roleStartDate", "roleEndDate"),
)
_RELATIONSHIPS = Columns(filled=("userSourcedId", "relationshipUserSourcedId", "relationshipRole"))


def is_sds(names: set[str]) -> bool:
    """Whether these files are School Data Sync's: relationships of their own, and no manifest."""
    there = {name.casefold() for name in names}
    return "relationships.csv" in there and "manifest.csv" not in there


def read_sds(
    name: str,
    contents: dict[str, bytes],
    today: date,
    problems: list[Problem],
    *,
    encoding: str | None = None,
) -> Roster:
    """Read an export of School Data Sync 2.1, which is always complete.

    Raises FileRefused for one that lacks a file or cannot be trusted.
    """
    missing = [file for file in _NEEDED if file not in contents]
    if missing:
        raise FileRefused(
            f"{name} has no {', '.join(missing)}; export it with that file; nothing was changed"
        )
    archive = Archive(name, contents, problems, encoding)
    roster = Roster(schools=read_schools(archive))
    roles, enrollments, grades, sessions = _roles(archive, today, roster)
    # A college's semester beside the school's year is not when the school teaches.
    roster.terms = read_terms(archive, sessions or None)
    pairs = _relationships(archive, roles)
    people.read(roster, archive.rows("users.csv", people.USERS), roles, enrollments, problems, grades=grades)
    for line, student, guardian in pairs:
        if student in roster.students and guardian in roster.guardians:
            roster.links.setdefault((student, guardian), len(roster.links))
        elif not roster.held & {student, guardian}:
            reason = f"{student[:40]!r} or {guardian[:40]!r} is not in users.csv; the link was left out"
            problems.append(Problem("relationships.csv", line, reason, column="userSourcedId", value=student))
    roster.rows_read = archive.rows_read
    return roster


def _roles(
    archive: Archive, today: date, roster: Roster
) -> tuple[dict[str, list[people.Role]], dict[str, list[people.Enrollment]], dict[str, str], set[str]]:
    """Each user's roles, the primary one first; of students where they are enrolled, in which grade and session."""
    rows = [row for row in archive.rows("roles.csv", _ROLES) if not row.spoiled]
    days_first = day_first(row[column] for row in rows for column in ("roleStartDate", "roleEndDate"))
    roles: dict[str, list[people.Role]] = {}
    enrollments: dict[str, list[people.Enrollment]] = {}
    grades: dict[str, str] = {}
    sessions: set[str] = set()
    for row in rows:
        user, role = row["userSourcedId"], people.Role(row["role"].casefold(), row["orgSourcedId"])
        primary = row["isPrimary"].casefold() in {"true", "1", "yes"}
        theirs = roles.setdefault(user, [])
        theirs.insert(0 if primary else len(theirs), role)
        if role.name == "student":
            begin = read_date(row["roleStartDate"], days_first)
            end = read_date(row["roleEndDate"], days_first)
            current = (begin is None or begin <= today) and (end is None or today < end)
            enrollments.setdefault(user, []).append(people.Enrollment(role.org, current, begin or date.min))
            if primary or user not in grades:
                grades[user] = row["grade"]
            if role.org in roster.schools:
                sessions |= {row["sessionSourcedId"]} - {""}
    return roles, enrollments, grades, sessions


def _relationships(archive: Archive, roles: dict[str, list[people.Role]]) -> list[tuple[int, str, str]]:
    """Links with their lines; who is named as family there has a family role, whatever roles.csv says."""
    pairs = []
    for row in archive.rows("relationships.csv", _RELATIONSHIPS, may_be_empty=True):
        role = row["relationshipRole"].casefold()
        if row.spoiled:
            continue
        if role not in people.FAMILY:
            archive.note(
                "relationships.csv",
                row,
                f"{role[:40]!r} is no family role; the link was left out",
                "relationshipRole",
                role,
                "write parent, guardian or relative",
            )
            continue
        guardian = row["relationshipUserSourcedId"]
        theirs = roles.setdefault(guardian, [])
        if not any(one.name in people.FAMILY for one in theirs):
            theirs.append(people.Role(role, ""))
        pairs.append((row.line, row["userSourcedId"], guardian))
    return pairs
