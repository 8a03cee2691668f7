"""Forms of the desk that are sent twice, or hold what no browser of ours sends: a sentence, never an error."""

import pytest
from sqlalchemy import select

from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import ContactMade, Staff, Student
from bot.understanding import Understanding
from bot.vocabulary import Role
from tests.builders import a_staff_member
from tests.town import Town
from tests.web import Browser, a_family, pages, words_of

TOO_LARGE = "99999999999999999999"


class Morning:
    """A family that asked for a person, and a browser for whoever works at the desk."""

    def __init__(self, town: Town) -> None:
        self.town, self.app = town, pages(town)
        number, self.specialist = a_family(town)
        town.morning()
        town.family_writes(number, "quiero hablar con una persona")
        self.family = f"/desk/family/{town.conversation().id}"
        with town.database.begin() as session:
            self.student = f"/desk/student/{session.scalars(select(Student.id)).one()}"

    def browser(self, member: Staff | None = None) -> Browser:
        return Browser(self.app, self.town).signed_in_as(member or self.specialist)

    def notes_of_calls(self) -> list[str]:
        with self.town.database.begin() as session:
            return list(session.scalars(select(ContactMade.note)))


@pytest.fixture
def morning(database: Database, script: Script, understanding: Understanding) -> Morning:
    return Morning(Town(database, script, understanding))


def test_a_double_click_on_log_the_call_logs_one_call(morning: Morning) -> None:
    browser = morning.browser()
    form = {
        **browser.hidden_fields(morning.family, f"{morning.family}/call"),
        "outcome": "voicemail",
        "note": "left word",
    }

    assert [browser.post(f"{morning.family}/call", **form).status_code for _ in range(2)] == [303, 303]

    assert morning.notes_of_calls() == ["left word"]


def test_two_calls_from_two_openings_of_the_page_are_two_calls(morning: Morning) -> None:
    browser = morning.browser()
    for note in ("at nine", "at ten"):
        browser.fill(morning.family, f"{morning.family}/call", outcome="no_answer", note=note)

    assert morning.notes_of_calls() == ["at nine", "at ten"]


def test_a_nul_in_what_is_typed_about_a_family_is_left_out(morning: Morning) -> None:
    browser = morning.browser()

    called = browser.fill(morning.family, f"{morning.family}/call", outcome="voicemail", note="a\x00b")
    resolved = browser.fill(morning.family, f"{morning.family}/resolve", agreed="bus\x00 at 8", known="yes")
    stopped = browser.fill(morning.family, f"{morning.family}/no-more-texts", said="sh\x00e said")

    assert [called.status_code, resolved.status_code, stopped.status_code] == [303, 303, 303]
    assert morning.notes_of_calls() == ["ab"]
    assert "bus at 8" in words_of(browser.get(morning.family))


@pytest.mark.parametrize(
    "who", [f"{TOO_LARGE}-1", f"1-{TOO_LARGE}", "3000000000-1", "1-99999999999", "1", "-"]
)
def test_a_call_to_a_number_that_no_page_offers_is_refused_with_a_sentence(
    morning: Morning, who: str
) -> None:
    page = f"{morning.student}/call"
    answer = morning.browser().fill(morning.student, page, outcome="voicemail", who=who)

    assert answer.status_code == 422
    assert morning.notes_of_calls() == []


def test_a_school_that_cannot_be_is_nobodys_school(morning: Morning) -> None:
    with morning.town.database.begin() as session:
        office = a_staff_member(session, name="Office", role=Role.DISTRICT_ADMINISTRATOR)
    page = f"/desk/people/{morning.specialist.id}"

    answer = morning.browser(office).fill(page, f"{page}/change", role="specialist", school=TOO_LARGE)

    assert answer.status_code in (303, 409)


def test_the_audit_page_finds_nothing_under_a_name_with_a_nul(morning: Morning) -> None:
    with morning.town.database.begin() as session:
        lead = a_staff_member(session, name="Dr. Lead", role=Role.DISTRICT_ADMINISTRATOR)

    assert morning.browser(lead).get("/desk/audit?act=%00").status_code == 200
