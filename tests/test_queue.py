"""The queue at the desk: who is shown, in whose order and in whose hours, and what can be done in the row."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select

from bot import handoffs
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import Conversation, Handoff, School
from bot.understanding import Understanding
from bot.vocabulary import Owner, Queue, Role, Urgency
from tests.builders import (
    FRIDAY,
    NOW,
    a_guardian,
    a_number,
    a_phone,
    a_school,
    a_staff_member,
    a_student,
    absent,
    number_of,
)
from tests.town import Town
from tests.web import Browser, pages, words_of


class Office:
    """Two schools, a specialist of both, a colleague, and a supervisor; families begin to wait as told."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.app = pages(town)
        with town.database.begin() as session:
            self.burns, self.park = a_school(session), a_school(session, "Parkville")
            self.rivera = a_staff_member(session, self.burns, self.park)
            self.okafor = a_staff_member(session, self.burns, name="Mr. Okafor")
            self.vance = a_staff_member(session, self.burns, name="Ms. Vance", role=Role.SUPERVISOR)
        self.desk = Browser(self.app, town).signed_in_as(self.rivera)

    def a_family(self, name: str, words: str, *, speaks: str = "en", at: School | None = None) -> str:
        """A mother of this first name, whose child is absent and who has just written; her number."""
        with self.town.database.begin() as session:
            child = a_student(session, at or self.burns, f"{name}'s child")
            mother = a_guardian(session, child, name=name, speaks=speaks)
            absent(session, child)
            number = number_of(session, mother)
        self.town.morning()
        self.town.family_writes(number, words)
        return number

    def page_of(self, name: str) -> str:
        """The address of the family's page, from its row."""
        found = re.search(rf'href="(/desk/family/\d+)">{name} Rivera<', self.desk.get("/desk/").text)
        assert found
        return found.group(1)

    def shown(self, query: str = "", desk: Browser | None = None) -> list[str]:
        text = (desk or self.desk).get(f"/desk/{query}").text
        return re.findall(r'<h2><a href="/desk/family/\d+">(\w+) Rivera</a></h2>', text)


@pytest.fixture
def office(sqlite: Database, script: Script, understanding: Understanding) -> Office:
    return Office(Town(sqlite, script, understanding))


# --- who is shown ---------------------------------------------------------------------------------------------


def test_filters_go_together_and_stay_in_the_address(office: Office) -> None:
    office.a_family("Rosa", "no tenemos carro hoy, quiero hablar con una persona", speaks="es")
    office.a_family("Ana", "quiero hablar con una persona", speaks="es", at=office.park)
    office.a_family("Denise", "I want to talk with a person")

    assert set(office.shown()) == {"Rosa", "Ana", "Denise"}
    assert set(office.shown("?language=es")) == {"Rosa", "Ana"}
    assert office.shown(f"?language=es&school={office.park.id}") == ["Ana"]
    assert office.shown("?barrier=transportation") == ["Rosa"]
    assert office.shown("?barrier=transportation&language=en") == []
    assert office.shown("?team=safety") == []
    assert "Nobody waits who is like that" in words_of(office.desk.get("/desk/?team=safety"))
    page = office.desk.get(f"/desk/?language=es&school={office.park.id}").text
    assert '<option value="es" selected>' in page
    assert f'<option value="{office.park.id}" selected>' in page
    (news,) = re.findall(r'id="queue" hx-get="([^"]+)"', page)
    assert "language=es" in news
    assert f"school={office.park.id}" in news


def test_what_the_address_asks_in_error_or_of_another_school_is_not_asked(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person")
    with office.town.database.begin() as session:
        elsewhere = a_school(session, "Elsewhere").id

    for query in (
        "?language=xx",
        "?team=nobody",
        "?barrier=none",
        "?school=abc",
        f"?school={elsewhere}",
        "?page=99",
    ):
        assert office.shown(query) == ["Rosa"]


def test_a_colleague_of_one_school_sees_nobody_of_another(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person", at=office.park)
    desk = Browser(office.app, office.town).signed_in_as(office.okafor)

    assert office.shown("", desk) == []
    assert office.shown(f"?school={office.park.id}", desk) == []
    for act in ("transfer", "release", "take"):
        page = office.page_of("Rosa")
        assert desk.fill("/desk/", "/sign-out") is not None
        desk = Browser(office.app, office.town).signed_in_as(office.okafor)
        token = desk.hidden_fields("/desk/", "/sign-out")
        assert desk.post(f"{page}/{act}", **token).status_code == 404


def test_danger_stands_first_however_short_its_wait_and_then_the_longest(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person")
    office.town.now += timedelta(minutes=5)
    office.a_family("Ana", "I want to talk with a person")
    office.town.now += timedelta(minutes=5)
    office.a_family("Denise", "she wants to kill herself")

    assert office.shown() == ["Denise", "Rosa", "Ana"]
    assert "(1 NOW) 3 waiting" in office.desk.get("/desk/").text


# --- how long ----------------------------------------------------------------------------------------------------


def test_a_weekend_is_not_a_wait(office: Office) -> None:
    office.town.now = datetime(2021, 10, 22, 18, 0, tzinfo=UTC)
    office.a_family("Rosa", "hello")
    office.town.now = datetime(2021, 10, 22, 19, 40, tzinfo=UTC)  # Friday 3:40 PM
    with office.town.database.begin() as session:
        number = session.scalars(select(Conversation)).one()
        handoffs.open_one(
            session,
            conversation_id=number.id,
            school_id=office.burns.id,
            queue=Queue.ENGAGEMENT,
            urgency=Urgency.P1,
            why="asked_for_person",
            due_at=datetime(2021, 10, 25, 14, 0, tzinfo=UTC),
            now=office.town.now,
        )
    office.town.now = datetime(2021, 10, 25, 12, 20, tzinfo=UTC)  # Monday 8:20 AM

    office.desk.signed_in_as(office.rivera)
    said = words_of(office.desk.get("/desk/"))
    assert "Waiting 40 min of office time since Fri 3:40 PM" in said
    assert "late" not in said


def test_danger_is_counted_by_any_clock(office: Office) -> None:
    office.a_family("Rosa", "she wants to kill herself")
    office.town.now += timedelta(hours=20)

    office.desk.signed_in_as(office.rivera)
    assert "Waiting 20 h since" in words_of(office.desk.get("/desk/"))


def test_a_new_wait_after_an_answer_has_a_new_time_and_is_not_late_at_once(office: Office) -> None:
    number = office.a_family("Rosa", "I want to talk with a person")
    page = office.page_of("Rosa")
    office.desk.fill(page, f"{page}/reply", words="I will call you.")
    office.town.now += timedelta(hours=4)
    office.town.family_writes(number, "thank you, one more question")

    assert "late" not in words_of(office.desk.get("/desk/"))


def test_a_missed_time_is_marked(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person")
    office.town.now += timedelta(hours=3)

    assert re.search(r"Was due 11:30 AM late|Was due 12:00 PM late", words_of(office.desk.get("/desk/")))


# --- in the row ------------------------------------------------------------------------------------------------


def test_take_put_back_and_hand_on_from_the_row(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person")
    page = office.page_of("Rosa")

    office.desk.fill("/desk/", f"{page}/take")
    assert office.shown("?show=mine") == ["Rosa"]
    answer = office.desk.fill("/desk/", f"{page}/release")
    assert (answer.status_code, answer.location) == (303, "/desk/")
    assert office.shown("?show=mine") == []
    assert "Put back by Ms. Rivera" in words_of(office.desk.get("/desk/"))

    form = f"{page}/transfer"
    answer = office.desk.fill(form, form, to=str(office.okafor.id), note="Her phone is off until 3.")
    assert (answer.status_code, answer.location) == (303, "/desk/")
    colleague = Browser(office.app, office.town).signed_in_as(office.okafor)
    assert office.shown("?show=mine", colleague) == ["Rosa"]
    said = words_of(colleague.get("/desk/?show=mine"))
    assert "Handed on by Ms. Rivera" in said
    assert "Her phone is off until 3." in said
    story = words_of(colleague.get(page))
    assert "Ms. Rivera put the family back into the queue" in story
    assert "Ms. Rivera handed the family on to Mr. Okafor" in story


def test_a_form_that_cannot_be_done_keeps_what_was_typed(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person")
    form = f"{office.page_of('Rosa')}/transfer"

    answer = office.desk.fill(form, form, to="", note="Her <b>phone</b> is off.")
    assert answer.status_code == 422
    assert "Her &lt;b&gt;phone&lt;/b&gt; is off." in answer.text
    answer = office.desk.fill(form, form, to="99999", note="Her phone is off.")
    assert answer.status_code == 409
    assert "Her phone is off." in answer.text


def test_what_somebody_else_has_only_a_leader_may_hand_on(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person")
    page = office.page_of("Rosa")
    office.desk.fill("/desk/", f"{page}/take")
    colleague = Browser(office.app, office.town).signed_in_as(office.okafor)
    leader = Browser(office.app, office.town).signed_in_as(office.vance)

    form = f"{page}/transfer"
    answer = colleague.fill(form, form, to=str(office.vance.id), note="Mine now.")
    assert answer.status_code == 409
    assert "Ms. Rivera has this family" in words_of(answer)
    assert leader.fill(form, form, to=str(office.okafor.id), note="She is ill.").status_code == 303


def test_what_came_back_by_itself_says_from_whom(office: Office) -> None:
    from bot import ownership

    office.a_family("Rosa", "I want to talk with a person")
    office.desk.fill("/desk/", f"{office.page_of('Rosa')}/take")
    office.town.now += timedelta(hours=4)
    ownership.come_back(office.town.database, policy=office.town.script.policy, now=office.town.now)

    assert "Came back from Ms. Rivera" in words_of(office.desk.get("/desk/"))


def test_opening_the_page_is_seen_by_colleagues_and_ends_the_alarm(office: Office) -> None:
    office.a_family("Rosa", "she wants to kill herself")
    page = office.page_of("Rosa")
    colleague = Browser(office.app, office.town).signed_in_as(office.okafor)
    colleague.get(page)

    assert "opened by Mr. Okafor" in words_of(office.desk.get("/desk/"))
    (case,) = office.town.handoffs()
    assert case.seen_by == office.okafor.id


def test_an_auditor_who_opens_the_page_ends_no_alarm(office: Office) -> None:
    office.a_family("Rosa", "she wants to kill herself")
    with office.town.database.begin() as session:
        auditor = a_staff_member(session, office.burns, role=Role.AUDITOR)
    Browser(office.app, office.town).signed_in_as(auditor).get(office.page_of("Rosa"))

    (case,) = office.town.handoffs()
    assert case.seen_at is None


def test_two_on_one_family_read_each_others_names_on_the_page(office: Office) -> None:
    office.a_family("Rosa", "I want to talk with a person")
    page = office.page_of("Rosa")
    colleague = Browser(office.app, office.town).signed_in_as(office.okafor)

    assert words_of(office.desk.get(f"{page}/looking")) == ""
    assert words_of(colleague.get(f"{page}/looking")) == "Ms. Rivera is reading this too."
    colleague.get(f"{page}/looking?writing=yes")
    assert "Mr. Okafor is writing to this family." in words_of(office.desk.get(f"{page}/looking"))


# --- many ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowded(sqlite: Database, script: Script, understanding: Understanding) -> Office:
    """A hundred and twenty families wait at once."""
    office = Office(Town(sqlite, script, understanding))
    with sqlite.begin() as session:
        for n in range(120):
            child = a_student(session, office.burns, f"Child{n}")
            mother = a_guardian(session, child, name=f"Mother{n}", has_phone=False)
            phone = a_phone(session, a_number())
            talk = Conversation(
                phone_id=phone.id,
                guardian_id=mother.id,
                school_id=office.burns.id,
                day=FRIDAY,
                flow="absence_check",
                flow_version="1",
                language="en",
                state={},
                owner=Owner.NOBODY,
                opened_at=NOW,
                touched_at=NOW,
            )
            session.add(talk)
            session.flush()
            session.add(
                Handoff(
                    conversation_id=talk.id,
                    school_id=office.burns.id,
                    queue=Queue.ENGAGEMENT,
                    urgency=Urgency.P2,
                    why="question",
                    state="open",
                    opened_at=NOW,
                    waiting_since=NOW + timedelta(seconds=n),
                    due_at=NOW + timedelta(hours=4),
                )
            )
    return office


def test_many_waiting_families_come_in_pages_and_are_all_counted(crowded: Office) -> None:
    assert crowded.shown()[0] == "Mother0"
    assert len(crowded.shown()) == 50
    assert crowded.shown("?page=3") == [f"Mother{n}" for n in range(100, 120)]
    assert "120 families wait for a person." in words_of(crowded.desk.get("/desk/"))


def test_the_queue_asks_the_same_few_questions_however_many_wait(crowded: Office) -> None:
    asked: list[str] = []
    engine = crowded.town.database.engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    crowded.desk.get("/desk/")
    page = len(asked)
    asked.clear()
    crowded.desk.get("/desk/alarm")

    assert page <= 16
    assert len(asked) <= 7
