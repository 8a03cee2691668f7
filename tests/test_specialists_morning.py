"""A specialist's morning in a real browser, from the sign-in to the last family that is seen through."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bot import staff
from bot.advance import Script
from bot.casework import partners
from bot.store.session import Database
from bot.store.tables import School
from bot.understanding import Understanding
from bot.vocabulary import Role, Service
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent
from tests.cases import a_partner
from tests.test_browser import chromium, served  # noqa: F401 - the browser is a fixture

pytestmark = pytest.mark.browser

EMAIL, PASSWORD = "rivera@burns.example", "a few unrelated words"


@pytest.fixture
def address(sqlite: Database, script: Script, understanding: Understanding) -> Iterator[str]:
    """Two families are absent this morning: one reads Spanish, the other has a telephone and no texts."""
    with sqlite.begin() as session:
        school: School = a_school(session)
        maya, sam = a_student(session, school, "Maya"), a_student(session, school, "Sam")
        a_guardian(session, maya, speaks="es", name="Rosa")
        a_guardian(session, sam, speaks="en", name="Denise")
        absent(session, maya, sam)
        a_staff_member(session, school, name="Mr. Okafor")
        lead = a_staff_member(session, school, name="Dr. Lead", role=Role.SUPERVISOR)
        partners.keep(session, a_partner("Burns Food Pantry", Service.FOOD), staff_id=lead.id, now=NOW)
        staff.add(
            session,
            email=EMAIL,
            name="Ms. Rivera",
            role=Role.SPECIALIST,
            schools=[school.id],
            password=PASSWORD,
            now=NOW - timedelta(days=1),
        )
    with served(sqlite, script, understanding) as address:
        yield address


@pytest.fixture
def context(chromium: Browser, address: str) -> Iterator[BrowserContext]:  # noqa: F811
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    context.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    context.on("weberror", lambda wrong: complaints.append(str(wrong.error)))
    yield context
    context.close()
    assert complaints == []


def go(desk: Page, place: str) -> None:
    desk.get_by_role("navigation", name="Desk").get_by_role("link", name=place, exact=True).first.click()


def test_a_specialists_morning_from_the_sign_in_to_the_last_family(
    context: BrowserContext, address: str
) -> None:
    phones, desk = context.new_page(), context.new_page()
    phones.goto(f"{address}/phones")
    expect(phones.get_by_role("article")).to_have_count(2, timeout=30_000)
    writes(phones, "Rosa Rivera", "quiero hablar con una persona")
    writes(phones, "Denise Rivera", "can someone call me")

    signs_in(desk, address)
    go(desk, "Today")
    expect(desk.locator(".so-far")).to_contain_text("0 of 2 absent students are accounted for")

    said = answers_in_spanish(desk)
    rosa = phones.get_by_role("article", name="Rosa Rivera")
    expect(rosa.get_by_role("log")).to_contain_text(said, timeout=30_000)
    refers_to_the_pantry(desk)
    plans_a_visit(desk)
    calls(desk)
    sees_through(desk, "Denise Rivera", "Sam is at the dentist.")
    sees_through(desk, "Rosa Rivera", "The pantry delivers today; a visit on Monday.")

    go(desk, "Queue")
    expect(desk.get_by_role("heading", name="Nobody is waiting for a person")).to_be_visible()
    go(desk, "Today")
    expect(desk.locator(".so-far")).to_contain_text("2 of 2 absent students are accounted for")


def writes(phones: Page, guardian: str, words: str) -> None:
    phone = phones.get_by_role("article", name=guardian)
    before = phone.get_by_role("log").locator("li.school").count()
    phone.get_by_role("textbox").fill(words)
    phone.get_by_role("textbox").press("Enter")
    expect(phone.get_by_role("log").locator("li.school")).to_have_count(before + 1, timeout=30_000)


def signs_in(desk: Page, address: str) -> None:
    desk.goto(f"{address}/desk/")
    desk.get_by_label("E-mail").fill(EMAIL)
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()


def opens(desk: Page, guardian: str) -> None:
    go(desk, "Queue")
    desk.get_by_role("link", name=guardian, exact=True).click()
    expect(desk.get_by_role("heading", name=guardian, level=1)).to_be_visible()


def answers_in_spanish(desk: Page) -> str:
    """A ready reply, found by an English word; returns what was sent."""
    opens(desk, "Rosa Rivera")
    desk.get_by_text("Choose a ready reply in Spanish").click()
    desk.get_by_label(re.compile("Find, in English")).fill("food")
    offered = desk.get_by_label("Ready replies").get_by_role("link")
    expect(offered.first.locator(".says")).to_contain_text("food")
    said = offered.first.locator(".own").inner_text()
    offered.first.click()
    expect(desk.get_by_role("textbox", name="Your text to Rosa Rivera")).to_have_value(said)
    desk.get_by_role("button", name="Send the reply").click()
    expect(desk.get_by_text("Ms. Rivera is talking with this family")).to_be_visible()
    return said


def refers_to_the_pantry(desk: Page) -> None:
    """Opened from the family, and closed when the food has come."""
    desk.get_by_role("link", name="Open a referral").click()
    desk.get_by_label(re.compile("Burns Food Pantry")).check()
    desk.get_by_label("What it should help with").select_option(label="Food")
    desk.get_by_label("What the family agreed to").fill("Rosa, by text: the pantry may call her.")
    desk.get_by_role("button", name="Open the referral").click()
    go(desk, "Referrals")
    desk.locator("main").get_by_role("link", name=re.compile("Burns Food Pantry|Maya")).first.click()
    desk.get_by_role("radio").first.check()
    desk.get_by_role("button", name=re.compile("^Close")).click()
    expect(desk.get_by_text(re.compile("^Closed:"))).to_be_visible()


def plans_a_visit(desk: Page) -> None:
    opens(desk, "Rosa Rivera")
    desk.get_by_role("link", name=re.compile("^Plan a (home )?visit")).click()
    desk.get_by_label("Day", exact=True).fill((FRIDAY + timedelta(days=3)).isoformat())
    desk.get_by_label("Part of the day").select_option(index=1)
    desk.get_by_label("Who leads").select_option(label="Ms. Rivera")
    desk.get_by_label("Who comes along").select_option(label="Mr. Okafor")
    desk.get_by_label(re.compile("^Where")).fill("The library on Park Street")
    desk.get_by_role("button", name="Plan the visit").click()
    go(desk, "Visits")
    expect(desk.locator("main")).to_contain_text("The library on Park Street")


def calls(desk: Page) -> None:
    opens(desk, "Denise Rivera")
    desk.get_by_text("Log a call", exact=True).click()
    desk.get_by_label("What became of it").select_option(label="Reached the family")
    desk.get_by_role("button", name="Log the call").click()
    expect(desk.get_by_text("The call is logged.")).to_be_visible()


def sees_through(desk: Page, guardian: str, agreed: str) -> None:
    opens(desk, guardian)
    desk.get_by_label("What was agreed").fill(agreed)
    desk.get_by_label("Yes", exact=True).check()
    desk.get_by_role("button", name="Resolve", exact=True).click()
    expect(desk.get_by_text("Resolved. The family can write again at any time.")).to_be_visible()
