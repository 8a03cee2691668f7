"""A OneRoster archive, 1.2 or 1.1, bulk or delta: its manifest, schools, terms, and who has which role."""

import csv
import io
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from datetime import date

from bot.roster import people
from bot.roster.dates import day_first, iso_date, read_date
from bot.roster.files import Columns, Row, read_rows, unpack
from bot.roster.people import Earlier
from bot.roster.records import Roster, School, Term
from bot.roster.report import FileRefused, Problem

__all__ = ["Archive", "iso_date", "read_archive"]

_MANIFEST = Columns(filled=("propertyName",), present=("value",))
_ORGS = Columns(filled=("sourcedId", "name", "type"), optional=("status", "parentSourcedId"))
_SESSIONS = Columns(
    filled=("sourcedId", "type", "startDate", "endDate"), present=("schoolYear",), optional=("status",)
)
_ROLES = Columns(filled=("userSourcedId", "role"), present=("orgSourcedId",), optional=("status", "roleType"))
_ENROLLMENTS = Columns(
    filled=("userSourcedId", "schoolSourcedId", "role"), optional=("status", "beginDate", "endDate")
)

NEEDED = ("orgs.csv", "academicSessions.csv", "users.csv")
_PEOPLE = ("users.csv", "roles.csv", "enrollments.csv")
READ = (*NEEDED, "manifest.csv", "roles.csv", "enrollments.csv")

# A session beyond this is a typing error, and would fill the calendar with days nobody teaches.
_LONGEST_TERM = 400

_GONE = {"tobedeleted", "inactive"}


@dataclass
class Archive:
    """The tables of one export; `problems` grows while they are read, `deltas` hold only what changed."""

    name: str
    contents: dict[str, bytes]  # each is dropped once it is read
    problems: list[Problem]
    encoding: str | None = None
    deltas: set[str] = field(default_factory=set)
    rows_read: int = 0
    deleted: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = frozenset(self.contents)

    @property
    def delta(self) -> bool:
        """Whether people who are not in it stay as they are."""
        return not self.deltas.isdisjoint(_PEOPLE) or bool(self.deltas and "users.csv" not in self.names)

    def rows(self, file: str, columns: Columns, *, may_be_empty: bool = False) -> list[Row]:
        """Every row of a file that is not marked as deleted, the spoiled ones among them."""
        if file not in self.contents:
            return []
        rows = read_rows(file, self.contents.pop(file), columns, self.problems, self.encoding)
        if not rows and file not in self.deltas:
            if not may_be_empty:
                raise FileRefused(
                    f"{self.name}: {file} has no rows, which would mean that everything in it is gone; "
                    "export it again; nothing was changed"
                )
            self.problems.append(Problem(file, 1, "it has a header and no rows; it was read as if absent"))
        self.rows_read += len(rows)
        self.deleted[file] = [row for row in rows if row["status"] and row["status"].casefold() in _GONE]
        if not self.deleted[file]:
            return rows
        return [row for row in rows if row["status"].casefold() not in _GONE]

    def note(
        self, file: str, row: Row, reason: str, column: str = "", value: str = "", mend: str = ""
    ) -> None:
        self.problems.append(Problem(file, row.line, reason, column=column, value=value, mend=mend))


def read_archive(
    name: str,
    raw: bytes,
    today: date,
    problems: list[Problem],
    *,
    encoding: str | None = None,
    earlier: Callable[[], Earlier] = Earlier,
) -> Roster:
    """Read a OneRoster zip (OR-1 to OR-9).

    *today* decides between the schools of a student who is enrolled in several; *earlier* tells whom
    the database holds, which a delta builds on. Raises FileRefused for an archive that is damaged,
    unsafe, or incomplete by its own manifest.
    """
    names, contents = unpack(name, raw, READ)
    archive = Archive(name, contents, problems, encoding)
    for wrong in sorted(names - set(READ)):
        right = next((one for one in READ if one.casefold() == wrong.casefold()), None)
        if right:
            problems.append(Problem(wrong, 1, f"the file should be called {right}; it was read as that"))
    if not _has_rows_at_all(archive, names):
        return Roster(delta=True)
    _check_against_manifest(archive, names, raw)
    schools = read_schools(archive)
    roster = Roster(schools=schools, terms=read_terms(archive), delta=archive.delta)
    roster.schools_complete = "orgs.csv" not in archive.deltas
    roster.schools_gone = {row["sourcedId"] for row in archive.deleted.get("orgs.csv", [])}
    people.read(
        roster,
        archive.rows("users.csv", people.USERS),
        _roles(archive),
        _enrollments(archive, today),
        problems,
        earlier=earlier() if archive.delta else None,
        deleted=archive.deleted.get("users.csv", []),
    )
    _note_ended_roles(archive, roster)
    roster.rows_read = archive.rows_read
    return roster


def _has_rows_at_all(archive: Archive, names: set[str]) -> bool:
    """An archive of nothing but a manifest that promises nothing says "no change" (OR-1)."""
    if {name.casefold() for name in names} != {"manifest.csv"}:
        return True
    promised = read_rows("manifest.csv", archive.contents["manifest.csv"], _MANIFEST, [])
    return any(
        row["propertyName"].startswith("file.") and row["value"].casefold() in {"bulk", "delta"}
        for row in promised
    )


def _check_against_manifest(archive: Archive, names: set[str], raw: bytes) -> None:
    """Refuse a set of files that is not what its manifest promises (OR-1, OR-3)."""
    if "manifest.csv" not in archive.contents:
        inner = next((name for name in sorted(names) if name.casefold().endswith("/manifest.csv")), "")
        way_out = (
            "zip the files themselves, not their folder" if inner else "export it again as OneRoster 1.2"
        )
        raise FileRefused(f"{archive.name} has no manifest.csv at its top; {way_out}; nothing was changed")
    there = {name.casefold() for name in names}
    for row in read_rows("manifest.csv", archive.contents["manifest.csv"], _MANIFEST, archive.problems):
        kind, _, file = row["propertyName"].partition(".")
        if kind == "file":
            _check_promise(archive, there, f"{file}.csv", row)
    if archive.delta:
        return
    has_role = _has_column(archive, "users.csv", "role")
    if not has_role and "roles.csv" not in archive.contents:
        _find_roles_under_another_name(archive, names, raw)
    for file in (*NEEDED, *(() if has_role else ("roles.csv",))):
        if file not in archive.contents:
            raise FileRefused(f"{archive.name} has no {file}; export it with that file; nothing was changed")


def _check_promise(archive: Archive, there: set[str], file: str, row: Row) -> None:
    promise = row["value"].casefold()
    if promise in {"bulk", "delta"} and file.casefold() not in there:
        raise FileRefused(
            f"{archive.name}: the manifest promises {file}, which is not there; "
            "export it again; nothing was changed"
        )
    if promise == "delta" and file in READ:
        archive.deltas.add(file)
    if promise == "absent" and file.casefold() in there and file in READ:
        archive.note("manifest.csv", row, f"it says {file} is absent, but the file is there and was read")


def _find_roles_under_another_name(archive: Archive, names: set[str], raw: bytes) -> None:
    """Some export roles.csv as userprofiles.csv: the header tells what a file is (OR-13)."""
    others = names - set(READ)
    for name, contents in sorted(unpack(archive.name, raw, others)[1].items()):
        header = _header(contents)
        if {"userSourcedId", "roleType", "role", "orgSourcedId"} <= header:
            archive.contents["roles.csv"] = contents
            archive.problems.append(Problem(name, 1, "it holds what roles.csv should; it was read as that"))
            return


def _header(contents: bytes) -> set[str]:
    first = contents.split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    try:
        return {cell.strip() for cell in next(csv.reader(io.StringIO(first)), [])}
    except csv.Error:
        return set()


def _has_column(archive: Archive, file: str, column: str) -> bool:
    """Whether a file has a column at all: OneRoster 1.1 keeps the role beside the user."""
    return column in _header(archive.contents.get(file, b""))


def read_schools(archive: Archive) -> dict[str, School]:
    orgs = {row["sourcedId"]: row for row in archive.rows("orgs.csv", _ORGS) if not row.spoiled}
    for row in orgs.values():
        parent = row["parentSourcedId"]
        if parent and parent not in orgs and "orgs.csv" not in archive.deltas:
            archive.note(
                "orgs.csv",
                row,
                f"parentSourcedId {parent[:40]!r} is not in the file; the org has no district",
                "parentSourcedId",
                parent,
                "export the district as well",
            )
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
        if parent["type"].casefold() in {"district", "ministryofeducation", "localeducationagency"}:
            return parent["name"]
        row = parent
    return ""


def read_terms(archive: Archive, among: Container[str] | None = None) -> list[Term]:
    """The terms of each school year; the year itself where it is not divided.

    *among* are the sourcedIds of the sessions that count, where an export tells.
    A delta's terms are left alone: without the others nobody can tell which days have school.
    """
    years: dict[str, list[tuple[str, Term]]] = {}
    rows = archive.rows("academicSessions.csv", _SESSIONS)
    if "academicSessions.csv" in archive.deltas:
        if rows or archive.deleted["academicSessions.csv"]:
            reason = "changes of terms are read from a full export only; the calendar was left as it is"
            archive.problems.append(Problem("academicSessions.csv", 1, reason, mend="import a full export"))
        return []
    days_first = day_first(row[column] for row in rows for column in ("startDate", "endDate"))
    for row in rows:
        kind = row["type"].casefold()
        if row.spoiled or kind not in {"term", "semester", "schoolyear"}:
            continue
        if among is not None and row["sourcedId"] not in among:
            continue
        first, end = read_date(row["startDate"], days_first), read_date(row["endDate"], days_first)
        if first is None or end is None or not 0 < (end - first).days <= _LONGEST_TERM:
            archive.note(
                "academicSessions.csv",
                row,
                f"{row['startDate']!r} to {row['endDate']!r} is no term; expected two dates like 2021-08-23, "
                f"at most {_LONGEST_TERM} days apart; the row was left out",
                "startDate",
                f"{row['startDate']} to {row['endDate']}",
                "write dates as 2021-08-23",
            )
            continue
        years.setdefault(row["schoolYear"], []).append((kind, Term(first, end)))
    return [term for sessions in years.values() for term in _divided(sessions)]


def _divided(sessions: list[tuple[str, Term]]) -> Iterable[Term]:
    parts = [term for kind, term in sessions if kind != "schoolyear"]
    return parts or [term for _, term in sessions]


def _roles(archive: Archive) -> dict[str, list[people.Role]]:
    """Each user's roles, the primary one first. Empty for OneRoster 1.1, which has no roles.csv."""
    roles: dict[str, list[people.Role]] = {}
    beside = _has_column(archive, "users.csv", "role")
    known: dict[tuple[str, str], people.Role] = {}
    for row in archive.rows("roles.csv", _ROLES, may_be_empty=beside):
        if not row.spoiled:
            said = (row["role"], row["orgSourcedId"])
            role = known.get(said) or known.setdefault(said, people.Role(said[0].casefold(), said[1]))
            theirs = roles.setdefault(row["userSourcedId"], [])
            theirs.insert(0 if row["roleType"].casefold() == "primary" else len(theirs), role)
    return roles


def _note_ended_roles(archive: Archive, roster: Roster) -> None:
    """A role that a delta deletes may be one of several: a person decides what becomes of its user."""
    if "roles.csv" not in archive.deltas:
        return
    for row in archive.deleted.get("roles.csv", []):
        user = row["userSourcedId"]
        if row["role"].casefold() in people.ROLES and user not in roster.gone:
            archive.note(
                "roles.csv",
                row,
                f"the role {row['role']!r} of {user[:40]!r} has ended, but not the user; they stay as they were",
                "userSourcedId",
                user,
                "delete the user as well, or import a full export",
            )


def _enrollments(archive: Archive, today: date) -> dict[str, list[people.Enrollment]]:
    rows = archive.rows("enrollments.csv", _ENROLLMENTS, may_be_empty=True)
    days_first = day_first(row[column] for row in rows for column in ("beginDate", "endDate"))
    enrollments: dict[str, list[people.Enrollment]] = {}
    # A district has tens of thousands of rows and few ways to be enrolled.
    read: dict[tuple[str, str, str], people.Enrollment | None] = {}
    for row in rows:
        if row.spoiled or row["role"].casefold() != "student":
            continue
        said = (row["schoolSourcedId"], row["beginDate"], row["endDate"])
        if said not in read:
            read[said] = _enrollment(*said, days_first, today)
        enrollment = read[said]
        if enrollment is None:
            column = "endDate" if read_date(said[1], days_first) or not said[1] else "beginDate"
            archive.note(
                "enrollments.csv",
                row,
                "its dates are not dates such as 2021-08-23; the row was left out",
                column,
                row[column],
                "write dates as 2021-08-23",
            )
            continue
        theirs = enrollments.setdefault(row["userSourcedId"], [])
        if enrollment not in theirs:
            theirs.append(enrollment)
    return enrollments


def _enrollment(
    school: str, begins: str, ends: str, days_first: bool | None, today: date
) -> people.Enrollment | None:
    """None when a date cannot be read. The end is the first day without (OR-8)."""
    begin, end = read_date(begins, days_first), read_date(ends, days_first)
    if (begins and begin is None) or (ends and end is None):
        return None
    current = (begin is None or begin <= today) and (end is None or today < end)
    return people.Enrollment(school, current, begin or date.min)
