"""The web pages of a small town in a test, and a browser that signs in and fills forms."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from bot import staff
from bot.language import Language
from bot.store.tables import OutboundText, Staff
from bot.web import Parts, create_app
from bot.web.guard import TOKEN
from tests.builders import a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.town import Town

PUBLIC = "https://presente.example.org"
SIGNATURE = "as the provider would sign it"


def signed(_url: str, _pairs: Any, signature: str | None, _settings: str | None) -> bool:
    return signature == SIGNATURE


def pages(
    town: Town,
    *,
    simulated: bool = False,
    public_url: str = PUBLIC,
    signed_by: Callable[[str, Any, str | None, str | None], bool] = signed,
    wake: Callable[[], None] = lambda: None,
    spool: Path | None = None,
    **more: Any,
) -> Flask:
    parts = Parts(
        database=town.database,
        clock=town.clock,
        script=town.script,
        secret_key="a key for tests that signs nothing of value",
        public_url=public_url,
        signed_pairs=signed_by,
        spool=spool,
        simulated_phones=simulated,
        wake=wake,
        **more,
    )
    return create_app(parts)


class Browser:
    """Somebody's browser: keeps cookies, and sends the hidden fields of the form it fills."""

    def __init__(self, app: Flask, town: Town) -> None:
        self.client = app.test_client()
        self.town = town
        self.base = PUBLIC

    def signed_in_as(self, member: Staff) -> "Browser":
        with self.town.database.begin() as session:
            token = staff.open_session(session, member.id, now=self.town.now)
        with self.client.session_transaction(base_url=self.base) as cookie:
            cookie[TOKEN] = token
        return self

    def ask(self, method: str, path: str, **more: Any) -> TestResponse:
        """Any request, as a browser on one of our pages makes it: it says where it comes from."""
        headers = {"Referer": f"{self.base}/", **more.pop("headers", {})}
        return self.client.open(
            path, method=method, base_url=self.base, headers=headers, buffered=True, **more
        )

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.ask("GET", path, **more)

    def post(self, path: str, **form: str) -> TestResponse:
        return self.ask("POST", path, data=form)

    def fill(self, page: str, action: str, **form: str) -> TestResponse:
        """Open *page*, fill the form that goes to *action* and send it."""
        return self.post(action, **{**self.hidden_fields(page, action), **form})

    def hidden_fields(self, page: str, action: str) -> dict[str, str]:
        shown = self.get(page).text
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', shown, re.DOTALL)
        assert form, f"{page} has no form that goes to {action}"
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form.group())
        return {name: html.unescape(value) for name, value in fields}


def words_of(response: TestResponse) -> str:
    """A page as somebody reads it: without tags, one space between words."""
    text = re.sub(r"<(script|style|title)\b.*?</\1>", " ", response.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def in_spanish(town: Town) -> None:
    """Let the first text be a known one in Spanish, whatever the flows and catalogues say today."""
    with town.database.begin() as session:
        text = session.scalars(select(OutboundText).order_by(OutboundText.id)).first()
        assert text
        text.language, text.body = Language.SPANISH, "Burns School: hoy nos hizo falta Maya."
        text.english = "Burns School: we missed Maya today."


def a_family(
    town: Town,
    *names: str,
    speaks: str = "es",
    guardian: str = "Rosa",
    school: str = "Burns School",
) -> tuple[str, Staff]:
    """A mother whose children are absent today: her number, and a specialist of their school."""
    with town.database.begin() as session:
        theirs = a_school(session, school)
        students = [a_student(session, theirs, name) for name in names or ("Maya",)]
        mother = a_guardian(session, *students, speaks=speaks, name=guardian)
        absent(session, *students)
        return number_of(session, mother), a_staff_member(session, theirs)
