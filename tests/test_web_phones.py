"""The simulated phones: a family's side of the talk, on this machine only."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from bot.advance import Script
from bot.language import Language
from bot.store.session import Database
from bot.store.tables import InboundText, Phone
from bot.understanding import Understanding
from bot.web.phones import _SUGGESTIONS
from tests.builders import a_guardian, a_school, a_staff_member, a_student, absent
from tests.town import Town
from tests.web import Browser, a_family, in_spanish, pages, words_of


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def app(town: Town) -> Flask:
    return pages(town, simulated=True)


def many_families(town: Town, *languages: str) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        for number, speaks in enumerate(languages):
            student = a_student(session, school, f"Student{number}")
            a_guardian(session, student, speaks=speaks, name=f"Guardian{number}")
            absent(session, student)
    town.morning()


def texts_in(town: Town) -> list[InboundText]:
    with town.database.begin() as session:
        return list(session.scalars(select(InboundText).order_by(InboundText.id)))


def test_before_the_morning_the_page_says_what_to_do(town: Town, app: Flask) -> None:
    said = words_of(Browser(app, town).get("/phones"))

    assert "No family has been texted yet" in said
    assert "presente morning" in said


def test_the_empty_page_fills_itself_when_the_morning_begins(town: Town, app: Flask) -> None:
    browser = Browser(app, town)
    (news,) = re.findall(r'hx-get="(/phones/news[^"]*)"', browser.get("/phones").text)
    assert browser.get(news).status_code == 204

    a_family(town)
    town.morning()

    assert browser.get(news).headers["HX-Refresh"] == "true"


def test_the_front_door_of_a_demo_is_the_phones(town: Town, app: Flask) -> None:
    assert Browser(app, town).get("/").location == "/phones"


def test_a_few_phones_of_several_languages_stand_side_by_side(town: Town, app: Flask) -> None:
    many_families(town, "en", "en", "es", "es", "ar", "pt", "vi")

    page = Browser(app, town).get("/phones")

    shown = re.findall(r"<p>([^<]+?) · Student\d</p>", page.text)
    assert shown == ["Spanish", "English", "Arabic", "Portuguese"]
    assert len(re.findall(r"<option", page.text)) == 3
    said = words_of(page)
    assert "Show the English" in said
    assert "Vietnamese: Guardian6 Rivera, about Student6" in said


def test_another_family_can_be_shown_beside_the_first(town: Town, app: Flask) -> None:
    many_families(town, "es", "en", "ar", "pt", "vi")
    browser = Browser(app, town)
    page = browser.get("/phones").text
    (other,) = re.findall(r'<option value="(\d+)"', page)
    kept = re.findall(r'<input type="hidden" name="show" value="(\d+)"', page.split('id="other"')[1])

    chosen = browser.get("/phones?" + "&".join(f"show={each}" for each in (other, *kept)))

    assert re.findall(r"<p>([^<]+?) · Student\d</p>", chosen.text)[0] == "Vietnamese"


def test_a_phone_shows_the_text_and_its_english_for_the_visitor(town: Town, app: Flask) -> None:
    a_family(town, "Maya", speaks="es")
    town.morning()
    in_spanish(town)

    page = Browser(app, town).get("/phones")

    assert '<p class="bubble" dir="auto" lang="es">' in page.text
    assert '<p class="english" lang="en">Burns School: we missed Maya today.' in page.text
    assert "no tenemos carro hoy" in page.text, "something to try first"


def test_a_text_typed_on_a_phone_takes_the_providers_road(town: Town, app: Flask) -> None:
    number, _ = a_family(town)
    town.morning()
    town.now += timedelta(minutes=1)
    browser = Browser(app, town)

    answer = browser.fill("/phones", "/phones/1/write", words="está enferma con fiebre")

    assert answer.status_code == 303
    assert answer.location.endswith("#phone-1")
    (text,) = texts_in(town)
    assert (text.sender, text.words) == (number, "está enferma con fiebre")
    assert text.provider_sid.startswith("SM")
    assert len(text.provider_sid) == 34
    assert "está enferma con fiebre" in words_of(browser.get("/phones"))
    town.work()
    assert len(town.texts_to(number)) == 2


def test_a_double_click_writes_once(town: Town, app: Flask) -> None:
    a_family(town)
    town.morning()
    browser = Browser(app, town)
    form = browser.hidden_fields("/phones", "/phones/1/write")

    for _ in range(2):
        browser.post("/phones/1/write", **form, words="hola")
    assert len(texts_in(town)) == 1

    browser.post("/phones/1/write", **form, words="hola otra vez")
    assert len(texts_in(town)) == 2


def test_without_leaving_the_page_only_that_phone_is_drawn_again(town: Town, app: Flask) -> None:
    a_family(town)
    town.morning()
    browser = Browser(app, town)
    form = browser.hidden_fields("/phones", "/phones/1/write")

    answer = browser.ask(
        "POST", "/phones/1/write", data={**form, "words": "hola"}, headers={"HX-Request": "true"}
    )

    assert answer.text.lstrip().startswith('<article class="phone" id="phone-1"')
    assert "hola" in words_of(answer)
    assert form["form_key"] not in answer.text, "the next text has a key of its own"


def test_nothing_typed_and_a_phone_that_does_not_exist(town: Town, app: Flask) -> None:
    a_family(town)
    town.morning()
    browser = Browser(app, town)
    form = browser.hidden_fields("/phones", "/phones/1/write")

    assert browser.post("/phones/1/write", **form, words="   ").status_code == 303
    assert browser.post("/phones/999/write", **form, words="hola").status_code == 404
    assert texts_in(town) == []


def test_a_poll_answers_nothing_until_a_phone_changes(town: Town, app: Flask) -> None:
    number, _ = a_family(town)
    town.morning()
    browser = Browser(app, town)
    (news,) = re.findall(r'hx-get="(/phones/news[^"]*)"', browser.get("/phones").text)
    news = news.replace("&amp;", "&")

    assert browser.get(news).status_code == 204
    town.now += timedelta(minutes=1)
    town.family_writes(number, "tiene fiebre")
    changed = browser.get(news)

    assert "tiene fiebre" in words_of(changed)
    assert 'hx-swap-oob="outerMorph"' in changed.text
    assert "<form" not in changed.text, "what somebody is typing stays"


def test_a_visitor_opens_the_desk_as_the_first_specialist(town: Town, app: Flask) -> None:
    a_family(town)
    town.morning()
    browser = Browser(app, town)
    assert "Open the desk as Ms. Rivera" in words_of(browser.get("/phones"))

    answer = browser.fill("/phones", "/phones/desk")

    assert (answer.status_code, answer.location) == (303, "/desk/")
    assert "Ms. Rivera" in words_of(browser.get("/desk/"))


def test_opening_the_desk_leaves_the_phones_of_the_other_tab_usable(town: Town, app: Flask) -> None:
    a_family(town)
    town.morning()
    browser = Browser(app, town)
    open_before = browser.hidden_fields("/phones", "/phones/1/write")
    browser.fill("/phones", "/phones/desk")

    browser.post("/phones/1/write", **open_before, words="hola")
    assert [text.words for text in texts_in(town)] == ["hola"]

    browser.fill("/desk/", "/sign-out")
    browser.post("/phones/1/write", **open_before, words="adios")
    assert [text.words for text in texts_in(town)] == ["hola", "adios"], "signing out ends the desk alone"

    with browser.client.session_transaction(base_url=browser.base) as cookie:
        cookie.clear()
    answer = browser.ask(
        "POST", "/phones/1/write", data={**open_before, "words": "otra"}, headers={"HX-Request": "true"}
    )
    assert answer.headers["HX-Refresh"] == "true", "a page whose forms are too old asks for new ones"


def test_without_a_specialist_the_visitor_is_led_to_the_sign_in_page(town: Town, app: Flask) -> None:
    with town.database.begin() as session:
        member = a_staff_member(session)
        member.active = False
    browser = Browser(app, town)

    assert 'href="/desk/"' in browser.get("/phones").text
    token = browser.hidden_fields("/sign-in", "/sign-in")["csrf_token"]
    assert browser.post("/phones/desk", csrf_token=token).status_code == 404


def test_every_language_has_something_to_try(town: Town) -> None:
    assert set(_SUGGESTIONS) == set(Language)
    for suggestions in _SUGGESTIONS.values():
        assert len(suggestions) >= 3


def test_a_families_phone_is_never_made_by_looking_at_it(town: Town, app: Flask) -> None:
    a_family(town)
    town.morning()
    Browser(app, town).get("/phones?show=1&show=77&show=abc&show=1")

    with town.database.begin() as session:
        assert session.scalar(select(func.count()).select_from(Phone)) == 1
