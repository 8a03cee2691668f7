"""`presente imports`, `approve`, `reject`, `push` and `watch`: all that the pages can decide, without a page."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from app import Program
from bot.cli import presente
from bot.errors import PresenteError
from bot.settings import read
from bot.store.session import Database
from bot.vocabulary import Role
from tests.builders import FRIDAY, NOW, a_school, a_staff_member, a_student

HEADER = "date,school_id,student_id,att_code,description,status,excuse"
HELD = 3


class Clerk:
    """Somebody at the machine on a Friday morning, with a school of twenty and two of its staff."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self.program = Program(read(database_url=str(database.engine.url)), at=lambda: NOW)
        with database.begin() as session:
            self.school = a_school(session)
            self.students = [a_student(session, self.school) for _ in range(20)]
            self.leader = a_staff_member(session, self.school, name="Ms. Ortiz", role=Role.SUPERVISOR)
            self.helper = a_staff_member(session, self.school)

    def runs(self, *words: object, code: int = 0) -> str:
        done = CliRunner().invoke(
            presente, [str(word) for word in words], obj=self.program, standalone_mode=False
        )
        if done.exception is not None:
            assert isinstance(done.exception, PresenteError), done.exception
            return str(done.exception)
        assert (done.return_value or 0) == code, done.output
        return done.output

    def file(self, name: str, count: int, day: date = FRIDAY) -> Path:
        path = self.folder / name
        rows = [f"{day},{self.school.sourced_id},{one.number},AU,,A,U" for one in self.students[:count]]
        path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
        return path


@pytest.fixture
def clerk(sqlite: Database, tmp_path: Path) -> Clerk:
    return Clerk(sqlite, tmp_path)


def test_a_held_file_is_listed_and_approved_by_a_named_person_alone(clerk: Clerk) -> None:
    old = clerk.file("old.csv", 2, FRIDAY - timedelta(days=1))

    said = clerk.runs("import", "attendance", old, code=HELD)
    assert "Nothing was changed. The file waits for a person, because:" in said
    assert "presente approve 1 --because REASON --by E-MAIL" in said
    assert "old.csv  held" in clerk.runs("imports")

    helper, leader = clerk.helper.email, clerk.leader.email
    assert "may not approve" in clerk.runs("approve", 1, "--because", "a correction", "--by", helper)
    assert "is no staff member" in clerk.runs("approve", 1, "--because", "x", "--by", "nobody@example.org")
    assert "A reason is missing" in clerk.runs("approve", 1, "--by", leader)
    assert "There is no file 7" in clerk.runs("approve", 7, "--because", "x", "--by", leader)
    assert "is no file" in clerk.runs("approve", "all", "--because", "x", "--by", leader)
    done = clerk.runs("approve", 1, "--because", "a correction", "--by", leader.upper())
    assert "attendance marks: 2 added" in done
    assert "Nothing waits for a person." in clerk.runs("imports")


def test_a_person_at_the_machine_may_approve_with_the_import_itself(clerk: Clerk) -> None:
    old = clerk.file("old.csv", 2, FRIDAY - timedelta(days=1))

    assert "2 added" in clerk.runs("import", "attendance", old, "--approve", "Thursday, corrected")


def test_a_held_school_is_listed_kept_and_released(clerk: Clerk) -> None:
    said = clerk.runs("import", "attendance", clerk.file("today.csv", 12))
    assert "Held: Burns School has 12 of 20 students absent (60%)" in said

    name, leader = f"school:{clerk.school.id}", clerk.leader.email
    assert name in clerk.runs("imports")
    assert "stays held" in clerk.runs("reject", name, "--because", "we call", "--by", leader)
    assert "Kept held by Ms. Ortiz: we call" in clerk.runs("imports")
    assert "goes on" in clerk.runs("approve", name, "--because", "flu", "--by", leader)
    assert "waits for nobody" in clerk.runs("approve", name, "--because", "flu", "--by", leader)
    assert "does not see school 99" in clerk.runs("approve", "school:99", "--because", "x", "--by", leader)


def test_a_rejected_file_changes_nothing(clerk: Clerk) -> None:
    clerk.runs("import", "attendance", clerk.file("old.csv", 2, FRIDAY - timedelta(days=1)), code=HELD)

    assert "old.csv changes nothing." in clerk.runs("reject", 1, "--by", clerk.leader.email)
    assert "rejected by Ms. Ortiz" in clerk.runs("imports", "--all")


def test_a_token_is_shown_once(clerk: Clerk) -> None:
    assert "No system may push yet." in clerk.runs("push", "list")
    token = clerk.runs("push", "add", "PowerSchool").splitlines()[0]
    assert token.startswith("presente_")
    listed = clerk.runs("push", "list")
    assert "PowerSchool: since 2021-10-22, never used" in listed
    assert token not in listed
    assert "can push nothing any more" in clerk.runs("push", "revoke", "PowerSchool")


def test_the_folder_is_looked_through_once_for_cron(clerk: Clerk) -> None:
    (clerk.folder / "drop").mkdir()
    clerk.file("drop/today.csv", 2)

    said = clerk.runs("watch", clerk.folder / "drop", "--once", "--settled", "0.1")
    assert "today.csv: done" in said
    assert "today.csv  applied by watched folder" in clerk.runs("imports", "--all")
