"""A OneRoster archive, 1.2 or 1.1, bulk: its manifest, schools, terms, and who has which role."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from bot.roster import people
from bot.roster.files import Columns, Row, read_rows, unpack
from bot.roster.records import Roster, School, Term
from bot.roster.report import FileRefused, Problem

_MANIFEST = Columns(filled=("propertyName",), present=("value",))
_ORGS = Columns(filled=("sourcedId", "name", "type"), optional=("status", "parentSourcedId"))
_SESSIONS = Columns(
    filled=("sourcedId", "type", "startDate", "endDate"), present=("schoolYear",), optional=("status",)
)
_ROLES = Columns(filled=("userSourcedId", "role"), present=("orgSourcedId",), optional=("status", "roleType"))
_ENROLLMENTS = Columns(
    filled=("userSourcedId", "schoolSourcedId", "role"), optional=("status", "beginDate", "endDate")
)

_NEEDED = ("orgs.csv", "academicSessions.csv", "users.csv")
_READ = (*_NEEDED, "manifest.csv", "roles.csv", "enrollments.csv")

# A session beyond this is a typing error, and would fill the calendar with days nobody teaches.
_LONGEST_TERM = 400


@dataclass
class _Archive:
    """The tables of one archive; `problems` grows while they are read."""

    name: str
    contents: dict[str, bytes]
    problems: list[Problem]
    rows_read: int = 0
    _tables: dict[str, list[Row]] = field(default_factory=dict)

    def rows(self, file: str, columns: Columns) -> list[Row]:
        """Every row of a file that is not marked as deleted, the spoiled ones among them."""
        if file not in self.contents:
            return []
        rows = read_rows(file, self.contents[file], columns, self.problems)
        if not rows:
            raise FileRefused(
                f"{self.name}: {file} has no rows, which would mean that everything in it is gone; "
                "export it again; nothing was changed"
            )
        self.rows_read += len(rows)
        return [row for row in rows if row["status"].casefold() not in {"tobedeleted", "inactive"}]

    def note(self, file: str, row: Row, reason: str) -> None:
        self.problems.append(Problem(file, row.line, reason))


def read_archive(name: str, raw: bytes, today: date, problems: list[Problem]) -> Roster:
    """Read a OneRoster zip (OR-1 to OR-9).

    *today* decides between the schools of a student who is enrolled in several. Raises FileRefused
    for an archive that is damaged, unsafe, incomplete by its own manifest, or a delta.
    """
    names, contents = unpack(name, raw, _READ)
    archive = _Archive(name, contents, problems)
    _check_against_manifest(archive, names)
    schools = _schools(archive)
    roster = Roster(schools=schools, terms=_terms(archive))
    people.read(
        roster,
        archive.rows("users.csv", people.USERS),
        _roles(archive),
        _enrollments(archive, today),
        problems,
    )
    roster.rows_read = archive.rows_read
    return roster


def _check_against_manifest(archive: _Archive, names: set[str]) -> None:
    """Refuse a set of files that is not what its manifest promises (OR-1, OR-3)."""
    if "manifest.csv" not in names:
        inner = next((name for name in sorted(names) if name.endswith("/manifest.csv")), "")
        way_out = (
            "zip the files themselves, not their folder" if inner else "export it again as OneRoster 1.2"
        )
        raise FileRefused(f"{archive.name} has no manifest.csv at its top; {way_out}; nothing was changed")
    for row in read_rows("manifest.csv", archive.contents["manifest.csv"], _MANIFEST, archive.problems):
        kind, _, file = row["propertyName"].partition(".")
        if kind == "file":
            _check_promise(archive, names, f"{file}.csv", row)
    roles = () if _has_column(archive, "users.csv", "role") else ("roles.csv",)
    for file in (*_NEEDED, *roles):
        if file not in names:
            raise FileRefused(f"{archive.name} has no {file}; export it with that file; nothing was changed")


def _check_promise(archive: _Archive, names: set[str], file: str, row: Row) -> None:
    promise = row["value"].casefold()
    if promise == "bulk" and file not in names:
        raise FileRefused(
            f"{archive.name}: the manifest promises {file}, which is not there; "
            "export it again; nothing was changed"
        )
    if promise == "delta" and file in _READ:
        raise FileRefused(
            f"{archive.name}: {file} holds only what changed (delta); "
            "export everything (bulk); nothing was changed"
        )
    if promise == "absent" and file in names & set(_READ):
        archive.note("manifest.csv", row, f"it says {file} is absent, but the file is there and was read")


def _has_column(archive: _Archive, file: str, column: str) -> bool:
    """Whether a file has a column at all: OneRoster 1.1 keeps the role beside the user."""
    header = archive.contents.get(file, b"").split(b"\n", 1)[0]
    return column in header.decode("utf-8-sig", "replace").replace('"', "").strip().split(",")


def _schools(archive: _Archive) -> dict[str, School]:
    orgs = {row["sourcedId"]: row for row in archive.rows("orgs.csv", _ORGS) if not row.spoiled}
    return {
        sourced_id: School(name=row["name"], district=_district(orgs, row))
        for sourced_id, row in orgs.items()
        if row["type"].casefold() == "school"
    }


def _district(orgs: dict[str, Row], row: Row) -> str:
    """The name of the nearest district above an org; bounded, because a file can make a circle of parents."""
    for _ in range(10):
        parent = orgs.get(row["parentSourcedId"])
        if parent is None:
            return ""
        if parent["type"].casefold() == "district":
            return parent["name"]
        row = parent
    return ""


def _terms(archive: _Archive) -> list[Term]:
    """The terms of each school year; the year itself where it is not divided."""
    years: dict[str, list[tuple[str, Term]]] = {}
    for row in archive.rows("academicSessions.csv", _SESSIONS):
        kind = row["type"].casefold()
        if row.spoiled or kind not in {"term", "semester", "schoolyear"}:
            continue
        first, end = iso_date(row["startDate"]), iso_date(row["endDate"])
        if first is None or end is None or not 0 < (end - first).days <= _LONGEST_TERM:
            archive.note(
                "academicSessions.csv",
                row,
                f"{row['startDate']!r} to {row['endDate']!r} is no term; expected two dates like 2021-08-23, "
                f"at most {_LONGEST_TERM} days apart; the row was left out",
            )
            continue
        years.setdefault(row["schoolYear"], []).append((kind, Term(first, end)))
    return [term for sessions in years.values() for term in _divided(sessions)]


def _divided(sessions: list[tuple[str, Term]]) -> Iterable[Term]:
    parts = [term for kind, term in sessions if kind != "schoolyear"]
    return parts or [term for _, term in sessions]


def iso_date(written: str) -> date | None:
    """Read 2021-08-23 and nothing else: 1/05/2023 could be two days (OR-13)."""
    try:
        return date.fromisoformat(written) if len(written) == 10 else None
    except ValueError:
        return None


def _roles(archive: _Archive) -> dict[str, list[people.Role]]:
    """Each user's roles, the primary one first. Empty for OneRoster 1.1, which has no roles.csv."""
    roles: dict[str, list[people.Role]] = {}
    for row in archive.rows("roles.csv", _ROLES):
        if not row.spoiled:
            role = people.Role(row["role"].casefold(), row["orgSourcedId"])
            theirs = roles.setdefault(row["userSourcedId"], [])
            theirs.insert(0 if row["roleType"].casefold() == "primary" else len(theirs), role)
    return roles


def _enrollments(archive: _Archive, today: date) -> dict[str, list[people.Enrollment]]:
    enrollments: dict[str, list[people.Enrollment]] = {}
    for row in archive.rows("enrollments.csv", _ENROLLMENTS):
        if row.spoiled or row["role"].casefold() != "student":
            continue
        begin, end = iso_date(row["beginDate"]), iso_date(row["endDate"])
        if (row["beginDate"] and begin is None) or (row["endDate"] and end is None):
            archive.note(
                "enrollments.csv", row, "its dates are not dates such as 2021-08-23; the row was left out"
            )
            continue
        current = (begin is None or begin <= today) and (end is None or today < end)
        enrollment = people.Enrollment(row["schoolSourcedId"], current, begin or date.min)
        enrollments.setdefault(row["userSourcedId"], []).append(enrollment)
    return enrollments
