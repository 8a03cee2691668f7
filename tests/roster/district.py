"""A small made-up district that can write its own files, whole or damaged."""

import csv
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

Row = dict[str, str]

_MANIFEST = {
    "manifest.version": "1.0",
    "oneroster.version": "1.2",
    "file.orgs": "bulk",
    "file.academicSessions": "bulk",
    "file.users": "bulk",
    "file.roles": "bulk",
    "file.enrollments": "bulk",
    "file.demographics": "absent",
}


def written(rows: list[Row], *, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """A CSV file as a school's system writes it: every column that any row has, CRLF."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    page = io.StringIO(newline="")
    writer = csv.DictWriter(page, columns, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return page.getvalue().encode(encoding)


def event(first: str, end: str = "", title: str = "No school", **more: str) -> str:
    lines = ["BEGIN:VEVENT", f"DTSTART;VALUE=DATE:{first}", f"SUMMARY:{title}"]
    if end:
        lines.append(f"DTEND;VALUE=DATE:{end}")
    lines += [f"{name.replace('_', '-')}:{value}" for name, value in more.items()]
    return "\r\n".join([*lines, "END:VEVENT"])


def calendar(*events: str) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *events, "END:VCALENDAR", ""]).encode()


@dataclass
class District:
    """Two schools, `size` students numbered from 1001, each with one guardian and one mobile number.

    Its year is four weeks: Monday 23 August to Friday 17 September 2021.
    """

    size: int = 12
    orgs: list[Row] = field(default_factory=list)
    sessions: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    roles: list[Row] = field(default_factory=list)
    enrollments: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)
    manifest: dict[str, str] = field(default_factory=lambda: dict(_MANIFEST))
    raw: dict[str, bytes] = field(default_factory=dict)  # contents that replace a file's rows
    only: frozenset[str] = frozenset()  # the files that are written at all; empty for every one

    def __post_init__(self) -> None:
        self.orgs = [
            {"sourcedId": "D", "name": "Elm District", "type": "district", "parentSourcedId": ""},
            {"sourcedId": "N", "name": "North School", "type": "school", "parentSourcedId": "D"},
            {"sourcedId": "S", "name": "South School", "type": "school", "parentSourcedId": "D"},
        ]
        self.sessions = [self._session("Y", "schoolYear", "2021-08-23", "2021-09-18")]
        for index in range(1, self.size + 1):
            self.add_student(index)
            self.add_guardian(index)

    @staticmethod
    def _session(sourced_id: str, kind: str, first: str, end: str) -> Row:
        return {
            "sourcedId": sourced_id,
            "title": sourced_id,
            "type": kind,
            "startDate": first,
            "endDate": end,
            "schoolYear": "2022",
        }

    def divide_the_year(self) -> None:
        self.sessions += [
            self._session("T1", "term", "2021-08-23", "2021-09-04"),
            self._session("T2", "term", "2021-09-13", "2021-09-18"),
        ]

    def add_student(self, index: int) -> None:
        school = "N" if index % 2 else "S"
        self.users.append(
            {
                "sourcedId": f"s{index}",
                "givenName": f"Given{index}",
                "familyName": f"Family{index}",
                "identifier": str(1000 + index),
                "sms": "",
                "phone": "",
                "agentSourcedIds": f"g{index}",
                "grades": "03",
                "password": f"secret{index}",
                "preferredGivenName": "",
            }
        )
        self.roles.append(self._role(f"s{index}", "student", school))
        self.enrollments.append(
            {
                "sourcedId": f"e{index}",
                "schoolSourcedId": school,
                "userSourcedId": f"s{index}",
                "role": "student",
                "beginDate": "2021-08-23",
                "endDate": "2021-09-18",
            }
        )

    def add_guardian(self, index: int) -> None:
        self.users.append(
            {
                "sourcedId": f"g{index}",
                "givenName": f"Parent{index}",
                "familyName": f"Family{index}",
                "identifier": "",
                "sms": "",
                "phone": "",
                "agentSourcedIds": f"s{index}",
            }
        )
        self.roles.append(self._role(f"g{index}", "parent", "N" if index % 2 else "S"))
        self.contacts.append(
            {
                "student_id": str(1000 + index),
                "contact_id": f"g{index}",
                "relation": "Mother",
                "contact_order": "1",
                "lives_with": "Y",
                "emergency_contact": "N",
                "may_receive_texts": "Y",
                "court_order": "N",
                "preferred_language": "spa",
                "mobile": f"860-555-01{index:02}",
                "home": "",
                "work": "",
            }
        )

    @staticmethod
    def _role(user: str, role: str, org: str) -> Row:
        return {
            "sourcedId": f"r-{user}-{role}",
            "userSourcedId": user,
            "roleType": "primary",
            "role": role,
            "orgSourcedId": org,
        }

    def user(self, sourced_id: str) -> Row:
        return next(row for row in self.users if row["sourcedId"] == sourced_id)

    def contact(self, sourced_id: str) -> Row:
        return next(row for row in self.contacts if row["contact_id"] == sourced_id)

    def lose(self, *people: str) -> None:
        """These people are in the export no more."""
        self.users = [row for row in self.users if row["sourcedId"] not in people]
        self.roles = [row for row in self.roles if row["userSourcedId"] not in people]
        self.enrollments = [row for row in self.enrollments if row["userSourcedId"] not in people]
        self.contacts = [
            row
            for row in self.contacts
            if row["contact_id"] not in people and f"s{int(row['student_id']) - 1000}" not in people
        ]
        for row in self.users:
            kept = [other for other in row["agentSourcedIds"].split(",") if other not in people]
            row["agentSourcedIds"] = ",".join(kept)

    def files(self) -> dict[str, bytes]:
        manifest = [{"propertyName": name, "value": value} for name, value in self.manifest.items()]
        files = {
            "manifest.csv": written(manifest),
            "orgs.csv": written(self.orgs),
            "academicSessions.csv": written(self.sessions),
            "users.csv": written(self.users),
            "roles.csv": written(self.roles),
            "enrollments.csv": written(self.enrollments),
        }
        return files | self.raw

    def delta(self, **changed: list[Row]) -> "District":
        """The same district's export of what changed: only these tables, `users=[...]`, with a status each."""
        part = District(size=0)
        part.manifest = {"manifest.version": "1.0", "oneroster.version": "1.2"}
        part.raw = {}
        for table, rows in changed.items():
            part.manifest[f"file.{table}"] = "delta"
            stamped = [{"status": "active", "dateLastModified": "2021-09-01T08:00:00Z"} | row for row in rows]
            part.raw[f"{table}.csv"] = written(stamped)
        part.only = frozenset({"manifest.csv", *part.raw})
        return part

    def archive(self, path: Path, *, without: tuple[str, ...] = ()) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            for name, contents in self.files().items():
                if name not in without and (not self.only or name in self.only):
                    archive.writestr(name, contents)
        return path
