"""Today at the desk: one line per school, each number with its names, and what waits for somebody."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from bot import ledger, on_call, today
from bot.advance import Script
from bot.on_call import OnCall
from bot.store.session import Database
from bot.store.tables import Student
from bot.today import Group
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Role
from tests.builders import FRIDAY, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.town import Town
from tests.web import Browser, pages, words_of


class Morning:
    """Burns School has three absent students, Parkville one; Sanchez' file has not come."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.numbers: dict[str, str] = {}
        with town.database.begin() as session:
            self.burns = a_school(session)
            self.park = a_school(session, "Parkville")
            self.sanchez = a_school(session, "Sanchez Elementary")
            for name, school in (
                ("Maya", self.burns),
                ("Sam", self.burns),
                ("Lea", self.burns),
                ("Omar", self.park),
            ):
                child = a_student(session, school, name)
                guardian = a_guardian(session, child, name=f"{name}'s mother")
                absent(session, child)
                self.numbers[name] = number_of(session, guardian)
            self.rivera = a_staff_member(session, self.burns, self.park, self.sanchez)
            self.okafor = a_staff_member(session, self.park, name="Mr. Okafor")
            self.auditor = a_staff_member(session, self.burns, name="Mr. Bell", role=Role.AUDITOR)
        self.schools = {self.burns.id, self.park.id, self.sanchez.id}
        self.app = pages(town)

    def desk(self, of: str = "rivera") -> Browser:
        return Browser(self.app, self.town).signed_in_as(getattr(self, of))

    def standing(self) -> dict[str, today.SchoolToday]:
        with self.town.database.begin() as session:
            return {each.name: each for each in today.by_school(session, self.schools, FRIDAY)}


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


@pytest.fixture
def morning(town: Town) -> Morning:
    return Morning(town)


def test_before_the_morning_everybody_absent_is_without_an_outcome_and_today_says_so(
    morning: Morning,
) -> None:
    standing = morning.standing()

    assert (standing["Burns School"].absent, standing["Burns School"].without_outcome) == (3, 3)
    assert (standing["Sanchez Elementary"].has_file, standing["Sanchez Elementary"].teaches) == (False, True)
    said = words_of(morning.desk().get("/desk/today"))
    assert "4 absent students have no outcome in today's ledger yet" in said
    assert "Sanchez Elementary No attendance for today yet" in said


def test_the_numbers_of_a_school_are_the_lengths_of_their_lists(morning: Morning) -> None:
    """Promise 1: every number opens the list behind it, and the list is as long as the number."""
    morning.town.morning()
    morning.town.now += timedelta(minutes=20)
    morning.town.family_writes(morning.numbers["Maya"], "she is sick with fever")
    morning.town.family_writes(morning.numbers["Sam"], "I want to talk with a person")
    with morning.town.database.begin() as session:
        lea = session.scalars(select(Student).filter_by(given_name="Lea")).one()
        ledger.record(session, [lea.id], FRIDAY, Outcome.HELD, morning.town.now, instead_of=tuple(Outcome))
    standing = morning.standing()
    burns = standing["Burns School"]

    assert (burns.absent, burns.accounted_for, burns.open, burns.held, burns.waiting) == (3, 1, 2, 1, 1)
    everything = today.together(list(standing.values()))
    assert (everything.absent, everything.accounted_for, everything.not_reached) == (4, 1, 1)
    numbers = {
        Group.ABSENT: burns.absent,
        Group.ACCOUNTED_FOR: burns.accounted_for,
        Group.OPEN: burns.open,
        Group.NOT_REACHED: burns.not_reached,
        Group.HELD: burns.held,
    }
    with morning.town.database.begin() as session:
        for group, number in numbers.items():
            assert len(today.names(session, FRIDAY, {morning.burns.id}, group, most=99)) == number


def test_a_number_opens_its_names_with_what_is_open_and_the_way_to_the_family(morning: Morning) -> None:
    morning.town.morning()
    desk = morning.desk()
    page = desk.get("/desk/today").text
    links = re.findall(r'href="(/desk/ledger\?[^"]*show=open[^"]*)"', page)

    assert len(links) == 3, "Burns, Parkville and all"
    shown = desk.get(links[0].replace("&amp;", "&").split("#")[0])
    said = words_of(shown)
    for name in ("Maya Rivera", "Sam Rivera", "Lea Rivera"):
        assert f"{name} Burns School · Texted, no answer yet, since" in said
    assert "Omar" not in said
    assert len(re.findall(r'href="/desk/family/\d+"', shown.text)) == 3


def test_the_names_open_longest_stand_first(morning: Morning) -> None:
    morning.town.morning()
    with morning.town.database.begin() as session:
        maya = session.scalars(select(Student).filter_by(given_name="Maya")).one()
        later = morning.town.now + timedelta(hours=1)
        ledger.record(session, [maya.id], FRIDAY, Outcome.REACHED_NO_REASON, later)
        names = today.names(session, FRIDAY, morning.schools, Group.OPEN, most=99)

    assert names[-1].student == "Maya Rivera"


def test_nobody_sees_a_school_that_is_not_theirs(morning: Morning) -> None:
    morning.town.morning()
    desk = morning.desk("okafor")

    said = words_of(desk.get("/desk/today"))
    assert "Parkville" in said
    assert "Burns" not in said
    for path in (f"/desk/ledger?school={morning.burns.id}&show=absent", "/desk/ledger?show=absent"):
        said = words_of(desk.get(path))
        assert "Omar" in said
        assert "Maya" not in said


def test_danger_that_nobody_opened_and_missed_times_stand_on_top(morning: Morning) -> None:
    morning.town.morning()
    morning.town.now += timedelta(minutes=5)
    morning.town.family_writes(morning.numbers["Sam"], "he wants to kill himself")
    with morning.town.database.begin() as session:
        on_call.raise_alarms(session, OnCall(("+14135550191",)), morning.town.script.policy, morning.town.now)
    morning.town.work()
    morning.town.now += timedelta(minutes=7)

    said = words_of(morning.desk().get("/desk/today"))
    assert "A family at Burns School needs help now, since 9:35 AM, and nobody has opened it." in said
    assert "1 message has gone to those on call." in said
    assert "1 family waits beyond the time by which we promised an answer" in said
    assert "needs help now" not in words_of(morning.desk("okafor").get("/desk/today"))


def test_the_stop_button_is_there_for_who_may_press_it(morning: Morning) -> None:
    desk = morning.desk()
    assert desk.fill("/desk/today", "/desk/stop", because="wrong roster").status_code == 303
    assert "Texts are stopped" in words_of(desk.get("/desk/today"))
    assert 'action="/desk/stop"' not in desk.get("/desk/today").text
    assert 'action="/desk/stop"' not in morning.desk("auditor").get("/desk/today").text


def test_an_open_page_hears_of_a_change_and_of_nothing_else(morning: Morning) -> None:
    morning.town.morning()
    desk = morning.desk()
    (news,) = re.findall(r'id="today" hx-get="([^"]+)"', desk.get("/desk/today").text)

    assert desk.get(news).status_code == 204
    morning.town.family_writes(morning.numbers["Maya"], "she is sick with fever")
    assert "1 of 4" in words_of(desk.get(news))


def test_it_is_the_first_page_after_signing_in_and_behind_the_brand(morning: Morning) -> None:
    desk = morning.desk()

    assert desk.get("/").location == "/desk/today"
    assert '<a class="brand" href="/desk/today">' in desk.get("/desk/ledger").text
    assert re.search(r'href="/desk/today"\s+aria-current="page"', desk.get("/desk/today").text)


def test_the_page_asks_the_same_few_questions_on_any_day(morning: Morning) -> None:
    morning.town.morning()
    desk = morning.desk()
    desk.get("/desk/today")
    asked: list[str] = []

    def count(*given: object) -> None:
        asked.append(str(given[2]))

    engine = morning.town.database.engine
    event.listen(engine, "before_cursor_execute", count)
    desk.get("/desk/today")
    event.remove(engine, "before_cursor_execute", count)

    assert len([each for each in asked if each.lstrip().startswith("SELECT")]) <= 30
