"""Home visits in a real browser: the list of an afternoon on one sheet of paper, and a plan without a mouse."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route

from bot.advance import Script
from bot.casework import visits
from bot.store.session import Database
from bot.store.tables import HomeVisit, School, Student
from bot.understanding import Understanding
from bot.vocabulary import PartOfDay
from tests.builders import NOW, a_guardian, a_student
from tests.test_browser import chromium as _chromium
from tests.test_visits import MONDAY, Household, a_household, a_plan, desk_of, planned
from tests.town import Town
from tests.web import Browser

pytestmark = pytest.mark.browser

chromium = _chromium


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    yield context.new_page()
    context.close()


def answered_by(page: Page, desk: Browser) -> None:
    """Let the pages come from the desk itself, as the signed-in browser of the other tests sees them."""

    def answer(route: Route) -> None:
        asked = route.request
        url = urlsplit(asked.url)
        path = f"{url.path}?{url.query}" if url.query else url.path
        more = {"content_type": asked.headers.get("content-type", "")} if asked.method == "POST" else {}
        got = desk.ask(asked.method, path, data=asked.post_data_buffer, follow_redirects=True, **more)
        route.fulfill(status=got.status_code, body=got.data, headers={"content-type": got.content_type})

    page.route("**/*", answer)


def eight_visits(town: Town) -> Household:
    """An afternoon of long names, and of places and notes as long as they may be."""
    home = a_household(town.database)
    for n in range(8):
        with town.database.begin() as session:
            school = session.get_one(School, home.school.id)
            student = a_student(session, school, f"Maximiliana{n}", "Rodríguez-Santisteban")
            a_guardian(session, student, speaks="ht", name="Marie-Claudette")
            wanted = a_plan(
                home,
                part=list(PartOfDay)[n % 4],
                place=(f"{n}27 West Farmington Avenue, third floor in the back, ring twice " * 3)[:120],
                bring=("Bus schedule, winter coat in size 12, form of the free lunch " * 4)[:200],
                safety="A big dog in the yard: call from the gate and wait until somebody opens. " * 9,
            )
            visits.plan(session, student.id, home.lead.id, wanted, key=f"k{n}", now=NOW)
    return home


def test_the_visits_of_an_afternoon_print_on_one_page(town: Town, page: Page) -> None:
    home = eight_visits(town)
    answered_by(page, desk_of(town, home.lead))
    page.goto(f"https://presente.example.org/desk/visits/list?date={MONDAY}")
    page.emulate_media(media="print", color_scheme="dark")

    assert page.locator("tbody tr").count() == 8
    assert not page.locator(".top").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_a_visit_is_planned_with_the_keyboard_alone(town: Town, page: Page) -> None:
    home = a_household(town.database)
    answered_by(page, desk_of(town, home.lead))
    page.goto(f"https://presente.example.org/desk/student/{home.maya.id}")

    page.get_by_role("link", name="Plan a home visit").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Day", exact=True).fill(MONDAY.isoformat())
    page.get_by_label("Part of the day").select_option(label="Afternoon")
    page.get_by_label("Who comes along").select_option(label="Mr. Okafor")
    page.get_by_label("Where").fill("The library")
    page.get_by_label("Where").press("Enter")

    page.get_by_role("heading", name="Planned").wait_for()
    with town.database.begin() as session:
        visit = session.query(HomeVisit).one()
        assert (visit.day, visit.lead_id, visit.pair_id) == (MONDAY, home.lead.id, home.pair.id)
        assert session.get_one(Student, visit.student_id).id == home.maya.id


@pytest.mark.parametrize("width", [375, 1366])
@pytest.mark.parametrize("place", ["student", "plan", "visit", "visits", "tasks", "sheet"])
def test_no_page_is_wider_than_its_window(town: Town, page: Page, place: str, width: int) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home, place="Averylongwordwithoutanyspace" * 4)
    addresses = {
        "student": f"student/{home.maya.id}",
        "plan": f"student/{home.maya.id}/visit",
        "visit": f"visit/{visit}",
        "visits": "visits",
        "tasks": "tasks",
        "sheet": f"visits/list?date={MONDAY}",
    }
    answered_by(page, desk_of(town, home.lead))
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(f"https://presente.example.org/desk/{addresses[place]}")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
