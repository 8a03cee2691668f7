"""Files that a system pushes: with a token of its own, once each, and an answer it can act on."""

import io
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.advance import Script
from bot.roster.incoming import LARGEST_KEPT, TokenRefused, tokens
from bot.store.session import Database
from bot.store.tables import AttendanceMark, FileContent, PushToken, SchoolFile, Student
from bot.understanding import Understanding
from tests.builders import FRIDAY, NOW, a_school, a_student
from tests.roster.district import District
from tests.town import Town
from tests.web import PUBLIC, pages

HEADER = "date,school_id,student_id,att_code,description,status,excuse"


class System:
    """A school system with a token, and the district it speaks of."""

    def __init__(self, town: Town, app: Flask, base: str = PUBLIC) -> None:
        self.town, self.base = town, base
        # What it answers is JSON of any shape.
        self.client: Any = app.test_client()
        with town.database.begin() as session:
            self.school = a_school(session)
            self.students = [a_student(session, self.school) for _ in range(20)]
            self.token = tokens.add(session, "PowerSchool", by="root", now=town.now)

    def marks(self, count: int, day: str = str(FRIDAY)) -> bytes:
        rows = [f"{day},{self.school.sourced_id},{one.number},AU,,A,U" for one in self.students[:count]]
        return "\r\n".join([HEADER, *rows, ""]).encode()

    def push(self, raw: bytes, to: str = "/push", *, token: str = "", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            to,
            data=raw,
            base_url=self.base,
            headers={
                "Authorization": f"Bearer {token or self.token}",
                "X-File-Name": "today.csv",
                "Content-Type": "application/octet-stream",
                **named,
            },
        )

    def count(self, table: type) -> int:
        with self.town.database.begin() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def system(town: Town) -> System:
    return System(town, pages(town))


def test_a_pushed_file_is_applied_and_the_answer_says_what_changed(system: System) -> None:
    answer = system.push(system.marks(2))

    assert answer.status_code == 200
    assert answer.json["state"] == "applied"
    assert answer.json["changes"] == {"attendance_marks": {"added": 2, "changed": 0, "removed": 0}}
    assert answer.json["rows_read"] == 2
    assert system.count(AttendanceMark) == 2
    with system.town.database.begin() as session:
        [token] = session.scalars(select(PushToken))
        assert token.used_at == NOW
        assert system.token not in token.token_hash


def test_a_form_works_as_well(system: System) -> None:
    answer = system.client.post(
        "/push/attendance",
        data={"file": (io.BytesIO(system.marks(2)), "C:/exports/today.csv")},
        base_url=system.base,
        headers={"Authorization": f"Bearer {system.token}"},
    )
    assert answer.json["state"] == "applied"
    with system.town.database.begin() as session:
        assert session.scalar(select(SchoolFile.file_name)) == "today.csv"


def test_faults_come_back_with_line_column_and_mend(system: System) -> None:
    answer = system.push(system.marks(1) + f"{FRIDAY},nowhere,1,AU,,A,U\r\n".encode())

    assert answer.status_code == 200
    [problem] = answer.json["problems"]
    assert (problem["line"], problem["column"]) == (3, "school_id")
    assert problem["mend"]


def test_a_file_that_must_wait_is_202_and_a_broken_one_is_422(system: System) -> None:
    held = system.push(system.marks(2, day="2021-10-21"))
    assert (held.status_code, held.json["state"]) == (202, "held")
    assert "has no row for today" in held.json["sentences"][0]
    broken = system.push(b"PK\x03\x04 no archive", X_File_Name="roster.zip")
    assert (broken.status_code, broken.json["state"]) == (422, "refused")
    assert system.count(AttendanceMark) == 0


def test_an_old_file_is_held_by_the_time_its_sender_says(system: System) -> None:
    written = format_datetime(NOW - timedelta(hours=2), usegmt=True)
    assert system.push(system.marks(2), Last_Modified=written).json["state"] == "held"
    assert system.push(system.marks(3), Last_Modified="yesterday").json["state"] == "applied"


def test_a_roster_that_empties_the_district_is_held(system: System, tmp_path: Path) -> None:
    raw = District(size=2).archive(tmp_path / "roster.zip").read_bytes()
    answer = system.push(raw, X_File_Name="roster.zip")

    assert answer.json["state"] == "held"
    assert "20 of 20 active students" in answer.json["sentences"][0]
    assert system.count(Student) == 20
    assert system.count(FileContent) == 1


def test_a_repeat_changes_nothing_and_says_so(system: System) -> None:
    first = system.push(system.marks(2))
    again = system.push(system.marks(2))

    assert (again.status_code, again.json["again"]) == (200, True)
    assert again.json["file"] == first.json["file"]
    assert system.count(SchoolFile) == 1


def test_an_idempotency_key_is_good_for_one_file(system: System) -> None:
    first = system.push(system.marks(2), Idempotency_Key="monday-1")
    assert system.push(system.marks(2), Idempotency_Key="monday-1").json["file"] == first.json["file"]
    other = system.push(system.marks(3), Idempotency_Key="monday-1")
    assert other.status_code == 422
    assert system.count(AttendanceMark) == 2


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer presente_" + "x" * 43])
def test_without_a_good_token_nothing_is_read(system: System, header: str) -> None:
    answer = system.client.post(
        "/push", data=system.marks(2), base_url=system.base, headers={"Authorization": header}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert system.count(SchoolFile) == 0


def test_a_revoked_token_opens_nothing_and_its_name_is_not_given_again(system: System) -> None:
    with system.town.database.begin() as session:
        tokens.revoke(session, "PowerSchool", now=NOW)
        with pytest.raises(TokenRefused, match="there is a token"):
            tokens.add(session, "PowerSchool", by="root", now=NOW)
        with pytest.raises(TokenRefused, match="no token"):
            tokens.revoke(session, "PowerSchool", now=NOW)
    assert system.push(system.marks(2)).status_code == 401


def test_files_come_over_https_or_from_this_machine(town: Town) -> None:
    system = System(
        town, pages(town, public_url="http://presente.example.org"), "http://presente.example.org"
    )
    raw = system.marks(2)
    headers = {"Authorization": f"Bearer {system.token}"}

    def push(address: str, **more: str) -> int:
        answer = system.client.post(
            "/push",
            data=raw,
            base_url=system.base,
            headers={**headers, **more},
            environ_overrides={"REMOTE_ADDR": address},
        )
        return int(answer.status_code)

    assert push("10.1.2.3") == 403
    assert push("127.0.0.1", **{"X-Forwarded-For": "10.1.2.3"}) == 403
    assert push("127.0.0.1") == 200


def test_a_file_that_is_too_large_is_413(system: System) -> None:
    answer = system.client.post(
        "/push",
        data=b"x",
        base_url=system.base,
        headers={"Authorization": f"Bearer {system.token}", "Content-Type": "application/octet-stream"},
        environ_overrides={"CONTENT_LENGTH": str(LARGEST_KEPT * 2)},
    )
    assert answer.status_code == 413
    assert "import it by hand" in answer.json["sentences"][0]


def test_an_empty_body_and_an_unknown_kind_are_said(system: System) -> None:
    assert system.push(b"").status_code == 400
    assert system.push(b"x", "/push/grades").status_code == 404


@given(
    raw=st.one_of(
        st.binary(min_size=1, max_size=300),
        st.binary(max_size=80).map(lambda some: b"PK\x03\x04" + some),
        st.binary(max_size=80).map(lambda some: b"<a>" + some),
        st.binary(max_size=80).map(lambda some: b"[{" + some),
        st.lists(st.text("0123456789,;\"'\n=AEU/-", max_size=30), max_size=6).map(
            lambda lines: "\n".join([HEADER, *lines]).encode()
        ),
    ),
    kind=st.sampled_from(["/push", "/push/roster", "/push/attendance"]),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_bytes_get_an_answer_and_no_half_import(system: System, raw: bytes, kind: str) -> None:
    answer = system.push(raw, kind)

    assert answer.status_code in (200, 202, 422)
    assert answer.json["sentences"] or answer.json["state"] == "applied"
    assert system.count(Student) == 20
