"""`presente staff`, as whoever runs the machine types it, and what the doctor says of an unsafe desk."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app import Program
from bot import settings, staff
from bot.cli import checking, presente
from bot.errors import PresenteError
from bot.store.session import Database
from bot.store.tables import AuditLine
from bot.vocabulary import Role
from tests.builders import a_school, a_staff_member

PASSWORD = "a quiet green river"


class Office:
    """Runs the commands on one database; what was refused comes back as its sentence."""

    def __init__(self, database: Database) -> None:
        self.database = database
        url = str(database.engine.url)
        self.program = Program(settings.read(database_url=url, public_url="https://desk.example.org"))

    def runs(self, *words: str, typed: str = "") -> str:
        done = CliRunner().invoke(presente, ["staff", *words], obj=self.program, input=typed)
        if isinstance(done.exception, PresenteError):
            return str(done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.output

    def may_enter(self, email: str, password: str = PASSWORD) -> bool:
        with self.database.look() as session:
            return staff.who_is(session, email, password) is not None


@pytest.fixture
def office(sqlite: Database) -> Office:
    with sqlite.begin() as session:
        a_school(session)
        a_school(session, "Parkville School")
    return Office(sqlite)


def test_a_password_is_piped_in_and_never_needed_as_a_word_of_the_command(office: Office) -> None:
    said = office.runs("add", "r@example.org", "--name", "Ms. Rivera", typed=f"{PASSWORD}\n")

    assert "sees 2 schools" in said
    assert PASSWORD not in said
    assert office.may_enter("r@example.org")
    assert "no password was given" in office.runs("add", "b@example.org", "--name", "B")
    assert "12 to 200 characters" in office.runs("reset", "r@example.org", typed="short\n")


def test_a_link_instead_of_a_password(office: Office) -> None:
    said = office.runs("add", "r@example.org", "--name", "Ms. Rivera", "--link")

    token = said.strip().rpartition("https://desk.example.org/set-password/")[2]
    with office.database.begin() as session:
        assert staff.link_opens(session, token, now=office.program.clock()) == "r@example.org"
    assert not office.may_enter("r@example.org", "")


def test_somebody_is_listed_disabled_let_in_again_and_signed_out(office: Office) -> None:
    assert "Nobody yet" in office.runs("list")
    office.runs("add", "r@example.org", "--name", "Ms. Rivera", "--school", "Burns School", typed=PASSWORD)
    with office.database.begin() as session:
        token = staff.open_session(session, 1, now=office.program.clock())

    assert "Burns School" in office.runs("list")
    assert "in 1 browser," in office.runs("end-sessions", "R@example.org")
    with office.database.begin() as session:
        assert staff.who(session, token, office.program.clock()) is None
    office.runs("disable", "r@example.org")
    assert "DISABLED" in office.runs("list")
    assert not office.may_enter("r@example.org")
    assert "can sign in again" in office.runs("enable", "r@example.org")
    assert "has a new password" in office.runs("reset", "r@example.org", typed="a louder green river\n")
    assert office.may_enter("r@example.org", "a louder green river")
    assert "had none" in office.runs("reset", "r@example.org", "--second-factor")
    for words in (["disable"], ["enable"], ["reset", "--link"], ["end-sessions"]):
        assert "no staff member has the address" in office.runs(words[0], "ghost@example.org", *words[1:])
    with office.database.look() as session:
        by = session.scalars(select(AuditLine.staff_id).where(AuditLine.act == "disable_staff")).one()
    assert by is None, "nobody who is signed in did it"


def test_the_last_administrator_stays_by_the_command_too(office: Office) -> None:
    with office.database.begin() as session:
        email = a_staff_member(session, role=Role.DISTRICT_ADMINISTRATOR).email

    assert "is the last district administrator" in office.runs("disable", email)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"public_url": "http://desk.example.org"}, "would travel in the clear"),
        ({"simulated_phones": True}, "opens the desk without a password"),
        ({}, "every wrong password seems to come from one place"),
        ({"proxies": 1, "secret_key": "short"}, "so that cookies could be forged"),
        ({"proxies": 1, "secret_key": "x" * 64}, ""),
        ({"public_url": "http://127.0.0.1:8000", "simulated_phones": True}, ""),
    ],
)
def test_the_doctor_warns_of_a_desk_that_is_not_safe(
    tmp_path: Path, chosen: dict[str, object], sentence: str
) -> None:
    given = {"public_url": "https://desk.example.org", "database_url": f"sqlite:///{tmp_path}/d.db", **chosen}
    said = " ".join(checking._desk(Program(settings.read(**given))))

    assert (sentence in said) if sentence else not said


def test_a_district_without_a_client_or_without_https_is_refused() -> None:
    for wrong in ({"oidc_issuer": "https://login.example.org"}, {"oidc_issuer": "http://login.example.org"}):
        with pytest.raises(settings.SettingsRefused, match="OIDC_"):
            settings.read(**wrong)
