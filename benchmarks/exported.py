"""A district's OneRoster zip as a school system exports it: so many students and guardians, five tables."""

import csv
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.district import number_of

_SCHOOLS = 30
_CLASSES = 3  # enrollments of each student
_NUMBERS = 20_000

_USERS = (
    "sourcedId",
    "status",
    "dateLastModified",
    "enabledUser",
    "username",
    "userIds",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "agentSourcedIds",
    "grades",
    "password",
    "preferredGivenName",
    "primaryOrgSourcedId",
    "pronouns",
)


def write(path: Path, *, students: int, guardians: int) -> Path:
    """Guardian number n belongs to student n, and those beyond the last student to the first ones again."""
    tables: dict[str, Iterable[Iterable[str]]] = {
        "manifest": _manifest(),
        "orgs": _orgs(),
        "academicSessions": _sessions(),
        "users": _users(students, guardians),
        "roles": _roles(students, guardians),
        "enrollments": _enrollments(students),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables.items():
            page = io.StringIO(newline="")
            csv.writer(page).writerows(rows)
            archive.writestr(f"{name}.csv", page.getvalue())
    return path


def _manifest() -> list[list[str]]:
    files = ("orgs", "academicSessions", "users", "roles", "enrollments")
    head = [["propertyName", "value"], ["manifest.version", "1.0"], ["oneroster.version", "1.2"]]
    return head + [[f"file.{file}", "bulk"] for file in files]


def _orgs() -> list[list[str]]:
    head = ["sourcedId", "name", "type", "parentSourcedId"]
    schools = [[f"S{n}", f"School {n}", "school", "D"] for n in range(_SCHOOLS)]
    return [head, ["D", "Large District", "district", ""], *schools]


def _sessions() -> list[list[str]]:
    head = ["sourcedId", "title", "type", "startDate", "endDate", "schoolYear"]
    return [head, ["Y", "2021-22", "schoolYear", "2021-08-23", "2022-06-11", "2022"]]


def _users(students: int, guardians: int) -> Iterable[list[str]]:
    yield list(_USERS)
    for n in range(students):
        theirs = ",".join(f"G{g}" for g in range(n, guardians, students))
        row = {
            "sourcedId": f"ST{n}",
            "givenName": f"Given{n}",
            "familyName": f"Family{n}",
            "identifier": str(600_000 + n),
            "agentSourcedIds": theirs,
            "grades": "03",
            "password": "never read",
        }
        yield [row.get(column, "") for column in _USERS]
    for n in range(guardians):
        number = number_of(n % _NUMBERS + 1)
        row = {
            "sourcedId": f"G{n}",
            "givenName": f"Parent{n}",
            "familyName": f"Family{n % students}",
            "sms": f"({number[2:5]}) {number[5:8]}-{number[8:]}",
            "agentSourcedIds": f"ST{n % students}",
        }
        yield [row.get(column, "") for column in _USERS]


def _roles(students: int, guardians: int) -> Iterable[list[str]]:
    yield ["sourcedId", "userSourcedId", "roleType", "role", "orgSourcedId"]
    for prefix, role, count in (("ST", "student", students), ("G", "guardian", guardians)):
        for n in range(count):
            yield [f"r{prefix}{n}", f"{prefix}{n}", "primary", role, f"S{n % _SCHOOLS}"]


def _enrollments(students: int) -> Iterable[list[str]]:
    yield ["sourcedId", "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "beginDate", "endDate"]
    for n in range(students):
        for of in range(_CLASSES):
            yield [
                f"e{n}-{of}",
                f"C{n % 500}",
                f"S{n % _SCHOOLS}",
                f"ST{n}",
                "student",
                "2021-08-23",
                "2022-06-11",
            ]
