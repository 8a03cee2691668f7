"""In a real browser: a session that ends in the middle of a long note, and a page that waits while somebody types."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from bot import staff
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import StopEvent
from bot.understanding import Understanding
from bot.vocabulary import Role
from tests.builders import NOW, a_school
from tests.test_browser import chromium, served

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

EMAIL, PASSWORD = "rivera@example.org", "a quiet green river"


def test_a_note_of_forty_kilobytes_survives_a_session_that_ended_in_its_middle(
    chromium: Browser, sqlite: Database, script: Script, understanding: Understanding
) -> None:
    with sqlite.begin() as session:
        school = a_school(session)
        staff.add(
            session,
            email=EMAIL,
            name="Ms. Rivera",
            role=Role.SPECIALIST,
            schools=[school.id],
            password=PASSWORD,
            now=NOW,
        )
    note = "La mamá dijo: <b>mañana</b> " * 1500
    assert len(note.encode()) > 40_000
    with served(sqlite, script, understanding) as address:
        context = chromium.new_context(viewport={"width": 375, "height": 700})
        page = context.new_page()

        def sign_in() -> None:
            page.get_by_label("E-mail address").fill(EMAIL)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()

        page.goto(f"{address}/desk/stop")
        sign_in()
        page.wait_for_url("**/desk/stop")
        page.evaluate("document.querySelector('#because').removeAttribute('maxlength')")
        page.get_by_label("Why?").fill(note)
        with sqlite.begin() as session:
            staff.end_sessions(session, 1, now=NOW + timedelta(minutes=1))
        # The page asks for its banner meanwhile, and learns that the session has ended; it stays.
        with page.expect_response(lambda answer: answer.status == 401, timeout=20_000):
            pass
        expect(page.get_by_label("Why?")).to_have_value(note)
        page.get_by_role("button", name="Stop all texts").click()
        page.wait_for_url("**/sign-in")
        expect(page.get_by_text("What you wrote is kept")).to_be_visible()
        sign_in()
        page.wait_for_url("**/sign-in/kept")
        expect(page.get_by_text("La mamá dijo: <b>mañana</b>").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="Send it now").click()

        expect(page.get_by_role("heading", name="Texts are stopped", level=1)).to_be_visible()
        context.close()
    with sqlite.look() as session:
        assert session.scalars(select(StopEvent.reason)).one().startswith("La mamá dijo: <b>mañana</b> La")
