"""The family's chat page in a real browser, without and with scripts, on a phone's small screen."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from bot import answering, chat
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import Conversation, OutboundText, Phone, Staff, TextState
from bot.understanding import Understanding
from tests.builders import NOW, a_guardian, a_school, a_staff_member, a_student, absent
from tests.test_browser import chromium, served

__all__ = ["chromium"]  # the fixture

pytestmark = pytest.mark.browser


@pytest.fixture(params=["en", "ar"])
def speaks(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def link(sqlite: Database, script: Script, understanding: Understanding, speaks: str) -> Iterator[str]:
    """The address of a mother's chat page, after the morning has texted her."""
    with sqlite.begin() as session:
        school = a_school(session)
        maya = a_student(session, school, "Maya")
        a_guardian(session, maya, speaks=speaks)
        absent(session, maya)
        a_staff_member(session, school)
    with served(sqlite, script, understanding) as address:
        for _ in range(100):
            with sqlite.begin() as session:
                phone = session.scalars(select(Phone.id)).one()
                sent = session.scalar(select(OutboundText.id).where(OutboundText.state == TextState.SENT))
                token = chat.link_for_phone(session, phone, days=1, now=NOW) if sent else None
            if token:
                break
            time.sleep(0.1)
        yield f"{address}/chat/{token}"


def on_a_phone(chromium: Browser, *, scripts: bool) -> tuple[BrowserContext, list[str]]:
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": 375, "height": 740}, java_script_enabled=scripts)
    context.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    return context, complaints


def first_choice(page: Page) -> str:
    button = page.locator(".choices button").nth(1)
    label = button.inner_text()
    button.click()
    return label


def test_without_scripts_a_choice_is_pressed_and_the_answer_comes(chromium: Browser, link: str) -> None:
    context, complaints = on_a_phone(chromium, scripts=False)
    page = context.new_page()
    page.goto(link)
    expect(page.locator("li.school")).to_have_count(1)

    first_choice(page)

    expect(page.locator("li.mine")).to_have_count(1)
    expect(page.locator("li.school")).to_have_count(2, timeout=15_000)
    box = page.locator("main").bounding_box()
    assert box
    assert box["width"] <= 375
    context.close()
    assert complaints == []


def test_with_scripts_a_reply_of_staff_appears_by_itself_and_what_is_typed_stays(
    chromium: Browser, link: str, sqlite: Database, script: Script
) -> None:
    context, complaints = on_a_phone(chromium, scripts=True)
    page = context.new_page()
    page.goto(link)
    first_choice(page)
    expect(page.locator("li.school")).to_have_count(2, timeout=15_000)
    page.locator("#words").fill("the car is")
    with sqlite.begin() as session:
        answering.reply(
            session,
            session.scalars(select(Conversation.id)).one(),
            session.scalars(select(Staff.id)).one(),
            "Hello, this is Ms. Rivera.",
            script=script,
            now=NOW,
        )

    expect(page.locator("#talk")).to_contain_text("Hello, this is Ms. Rivera.", timeout=15_000)
    expect(page.locator("#words")).to_have_value("the car is")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert complaints == []
