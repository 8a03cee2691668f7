"""In a real browser, against a real server and the real worker: a mother, a specialist, and no mouse."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import waitress
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright
from waitress import wasyncore

from bot import clock
from bot.advance import Script
from bot.conversation.load import load_replies
from bot.outbox import Pace
from bot.provider.simulator import Simulator
from bot.schedule import Habits, Worker
from bot.store.bell import Bell
from bot.store.session import Database
from bot.understanding import Understanding
from bot.web import Parts, create_app
from tests.builders import NOW, a_guardian, a_school, a_staff_member, a_student, absent
from tests.conftest import ROOT

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
# Nothing of the browser itself may ask another machine for anything.
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed, and CI may not do without it")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


@contextmanager
def served(database: Database, script: Script, understanding: Understanding) -> Iterator[str]:
    """The whole program on this machine, its clock running on from half past nine of a Friday."""
    running = clock.starting_at(NOW)
    bell = Bell(database)
    worker = Worker(
        database=database,
        provider=Simulator(),
        script=script,
        understanding=understanding,
        clock=running,
        bell=bell,
        habits=Habits(Pace("simulator")),
    )
    listening = waitress.create_server(lambda *_: [], host="127.0.0.1", port=0, threads=4)
    address = f"http://127.0.0.1:{listening.effective_port}"
    listening.application = create_app(
        Parts(
            database=database,
            clock=running,
            script=script,
            secret_key="a key for tests that signs nothing of value",
            public_url=address,
            signed_pairs=lambda *_: False,
            simulated_phones=True,
            wake=bell.ring,
            replies=load_replies(ROOT / "flows"),
        )
    )
    done = threading.Event()
    serving = threading.Thread(target=_serve, args=(listening, done), daemon=True)
    serving.start()
    worker.start()
    yield address
    worker.stop()
    bell.close()
    done.set()
    serving.join(10)


def _serve(listening: Any, done: threading.Event) -> None:
    """Waitress' own loop, closed by the thread that runs it: no socket goes away under its feet."""
    while not done.is_set():
        wasyncore.loop(timeout=0.1, map=listening._map, count=1)
    listening.task_dispatcher.shutdown()
    wasyncore.close_all(listening._map)


@pytest.fixture
def address(sqlite: Database, script: Script, understanding: Understanding) -> Iterator[str]:
    """Two families are absent this morning, one of them Spanish-speaking; Ms. Rivera is at her desk."""
    with sqlite.begin() as session:
        school = a_school(session)
        maya, sam = a_student(session, school, "Maya"), a_student(session, school, "Sam")
        a_guardian(session, maya, speaks="es", name="Rosa")
        a_guardian(session, sam, speaks="en", name="Denise")
        absent(session, maya, sam)
        a_staff_member(session, school)
    with served(sqlite, script, understanding) as address:
        yield address


@pytest.fixture
def context(chromium: Browser, address: str) -> Iterator[BrowserContext]:
    """A fresh browser, closed before its server; any complaint, of a script or of the policy, fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    context.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    context.on("weberror", lambda wrong: complaints.append(str(wrong.error)))
    yield context
    context.close()
    assert complaints == []


def the_phones(context: BrowserContext, address: str) -> Page:
    """The families' phones; the page fills itself when the morning has texted them."""
    page = context.new_page()
    page.goto(f"{address}/phones")
    expect(page.get_by_role("article").first).to_be_visible(timeout=10_000)
    if page.get_by_role("article").count() < 2:  # seen between the first text and the second
        page.reload()
    expect(page.get_by_role("article")).to_have_count(2)
    return page


def write(phone: Locator, words: str) -> None:
    box = phone.get_by_role("textbox")
    box.fill(words)
    box.press("Enter")
    expect(phone.get_by_role("log")).to_contain_text(words)
    expect(phone.get_by_role("textbox")).to_have_value("")


def at_the_desk(context: BrowserContext, phones: Page) -> Page:
    with context.expect_page() as opened:
        phones.get_by_role("button", name="Open the desk as Ms. Rivera").click()
    return opened.value


def test_a_mothers_spanish_answer_reaches_the_desk_and_the_specialists_reply_her_phone(
    context: BrowserContext, address: str
) -> None:
    phones = the_phones(context, address)
    rosa = phones.get_by_role("article", name="Rosa Rivera")
    from_school = rosa.get_by_role("log").locator("li.school")
    expect(from_school).to_have_count(1)
    expect(from_school).to_contain_text("Maya")

    # She answers in Spanish, then asks for a person.
    write(rosa, "Maya está enferma con fiebre")
    expect(from_school).to_have_count(2)
    write(rosa, "quiero hablar con una persona")
    expect(from_school).to_have_count(3)

    # The desk learns of her by itself.
    desk = at_the_desk(context, phones)
    expect(desk).to_have_title(re.compile(r"1 waiting"))
    row = desk.get_by_role("listitem").filter(has_text="Rosa Rivera")
    expect(row).to_contain_text("quiero hablar con una persona")
    expect(row).to_contain_text("Spanish")
    row.get_by_role("link", name="Rosa Rivera", exact=True).click()
    expect(desk.get_by_text("Maya está enferma con fiebre").first).to_be_visible()
    expect(desk.get_by_text("Illness").first).to_be_visible()

    # The specialist replies; the phone shows it.
    reply = desk.get_by_role("textbox", name="Your text to Rosa Rivera")
    reply.fill("Buenos días, soy la Sra. Rivera. ¿Cómo está Maya?")
    expect(desk.locator("#length")).to_contain_text("49 characters, 1 text")
    desk.get_by_role("button", name="Send the reply").click()
    expect(desk.get_by_text("Ms. Rivera is talking with this family")).to_be_visible()
    expect(rosa.get_by_role("log")).to_contain_text("¿Cómo está Maya?")

    # The mother answers, the desk shows it without a click, and the bot stays silent.
    before = from_school.count()
    write(rosa, "mejor, gracias")
    expect(desk.get_by_role("region", name="What happened")).to_contain_text("mejor, gracias", timeout=12_000)
    phones.wait_for_timeout(2500)
    assert from_school.count() == before


def test_without_a_mouse_a_specialist_finds_takes_and_answers_a_family(
    context: BrowserContext, address: str
) -> None:
    phones = the_phones(context, address)
    denise = phones.get_by_role("article", name="Denise Rivera")
    denise.get_by_role("button", name="can someone call me").click()
    phones.keyboard.press("Enter")
    expect(denise.get_by_role("log").locator("li.school")).to_have_count(2)
    desk = at_the_desk(context, phones)
    desk.get_by_role("link", name="Denise Rivera", exact=True).wait_for()
    desk.reload()

    # The first stop is the way past the head of the page, then everything in its order.
    desk.keyboard.press("Tab")
    expect(desk.get_by_role("link", name="Skip to the content")).to_be_focused()
    desk.keyboard.press("Enter")
    stops = []
    for _ in range(6):
        desk.keyboard.press("Tab")
        stops.append(desk.evaluate("document.activeElement.textContent.trim()"))
        if stops[-1] == "Denise Rivera":
            break
    assert stops == [
        "Sound is off",
        "Choose by team, language, what is hard",
        "All my schools (1)",
        "Mine (0)",
        "Denise Rivera",
    ]
    ring = desk.evaluate("getComputedStyle(document.activeElement, '::after').outlineWidth")
    assert ring == "3px"

    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Denise Rivera", level=1)).to_be_visible()
    _tab_to(desk, "Take this family")
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("The program stays silent.")).to_be_visible()
    _tab_to(desk, "words")
    desk.keyboard.type("Good morning, I will call you at 10.")
    _tab_to(desk, "Send the reply")
    desk.keyboard.press("Enter")
    expect(denise.get_by_role("log")).to_contain_text("I will call you at 10.")


def _tab_to(page: Page, goal: str) -> None:
    """Press Tab until the focus is on the button of that name, or the field of that id."""
    for _ in range(30):
        page.keyboard.press("Tab")
        at = page.evaluate("[document.activeElement.textContent.trim(), document.activeElement.id]")
        if goal in at:
            return
    raise AssertionError(f"thirty tabs do not lead to {goal}")


@pytest.mark.parametrize("width", [375, 1366])
def test_no_page_is_wider_than_its_screen(context: BrowserContext, address: str, width: int) -> None:
    page = the_phones(context, address)
    page.set_viewport_size({"width": width, "height": 800})
    desk = at_the_desk(context, page)
    desk.set_viewport_size({"width": width, "height": 800})
    for where in ("/phones", "/sign-in", "/desk/", "/desk/family/1", "/desk/ledger"):
        desk.goto(address + where)
        assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
