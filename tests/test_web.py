"""What holds for every page: guarded, with its headers, its forms protected; and how staff come in."""

import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from bot import access, staff, web
from bot.advance import Script
from bot.store.session import Database
from bot.understanding import Understanding
from bot.vocabulary import Role
from bot.web import guard
from tests.builders import a_school
from tests.town import Town
from tests.web import SIGNATURE, Browser, a_family, pages, words_of

PASSWORD = "a quiet green river"
STATIC = Path(web.__file__).parent / "static"

# Everything that answers somebody who is not signed in. A new page is not on it, and so is guarded.
OPEN = {"static", "sign_in.form", "sign_in.enter", "sign_in.code", "sign_in.check_code"}
# Opened by the token of a link, once.
LINK = {"sign_in.password", "sign_in.set_password"}
# There with a district's own sign-in only (test_sign_in.py).
DISTRICT = {"sign_in.district", "sign_in.from_district"}
# Opened by the token in its address, and by nothing else.
CHAT = {"chat.show", "chat.news", "chat.write"}
# For whoever watches the program; what each of them shows to whom, test_web_watched.py tells.
WATCHED = {"watched.health", "watched.ready", "watched.metrics"}
# Opened by a system's token in a header, and by nothing else (test_push.py).
PUSHED = {"push.take_in"}


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def rivera(town: Town) -> str:
    with town.database.begin() as session:
        school = a_school(session)
        staff.add(
            session,
            email="rivera@example.org",
            name="Ms. Rivera",
            role=Role.SPECIALIST,
            schools=[school.id],
            password=PASSWORD,
            now=town.now,
        )
    return "rivera@example.org"


def _address(rule: Rule) -> str:
    address = re.sub(r"<int:\w+>", "1", rule.rule)
    return re.sub(r"<path:\w+>", "presente.css", re.sub(r"<\w+>", "word", address))


def _every_request(app: Flask) -> list[tuple[str, str, str]]:
    """(method, address, endpoint) of everything the application answers."""
    return [
        (method, _address(rule), rule.endpoint)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


# --- every route --------------------------------------------------------------------------------------


def test_every_page_but_the_named_ones_needs_a_signed_in_staff_member(town: Town) -> None:
    app = pages(town)
    found = set()
    for method, address, endpoint in _every_request(app):
        answer = Browser(app, town).ask(method, address)
        if endpoint in OPEN | LINK | CHAT | WATCHED | PUSHED:
            found.add(endpoint)
            assert endpoint not in CHAT or answer.status_code == 404, address
            continue
        assert answer.status_code == 303, f"{method} {address} answers {answer.status_code} to a stranger"
        assert answer.location.startswith("/sign-in"), f"{method} {address} leads to {answer.location}"
    assert found == OPEN | LINK | CHAT | WATCHED | PUSHED == guard.OPEN - DISTRICT


def test_the_phones_and_the_ready_desk_exist_with_the_simulator_only(town: Town) -> None:
    real, simulated = pages(town), pages(town, simulated=True)

    assert not any(endpoint.startswith("phones.") for _, _, endpoint in _every_request(real))
    assert Browser(real, town).get("/phones").status_code == 404
    assert Browser(real, town).post("/phones/desk").status_code in (400, 404)
    assert Browser(simulated, town).get("/phones").status_code == 200
    for method, address, endpoint in _every_request(simulated):
        if endpoint not in OPEN | LINK | CHAT | WATCHED | PUSHED and not endpoint.startswith("phones."):
            answer = Browser(simulated, town).ask(method, address)
            assert answer.status_code == 303, f"{method} {address}"


def test_every_answer_tells_the_browser_to_run_and_load_nothing_else(town: Town) -> None:
    app = pages(town, simulated=True)
    number, member = a_family(town)
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")
    for browser in (Browser(app, town), Browser(app, town).signed_in_as(member)):
        for method, address, endpoint in [*_every_request(app), ("GET", "/no/such/page", "")]:
            if endpoint == "sign_in.leave":
                continue
            headers = browser.ask(method, address).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy, address
            assert "frame-ancestors 'none'" in policy, address
            assert "unsafe" not in policy, address
            assert headers["X-Content-Type-Options"] == "nosniff", address
            passed_on = "no-referrer" if endpoint in CHAT else "same-origin"
            assert headers["Referrer-Policy"] == passed_on, address
            assert "max-age" in headers["Strict-Transport-Security"], address
            if endpoint != "static":
                assert headers["Cache-Control"] == "no-store", address


def test_no_page_holds_a_script_or_a_style_of_its_own(town: Town) -> None:
    number, member = a_family(town)
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")
    browser = Browser(pages(town, simulated=True), town).signed_in_as(member)
    for address in (
        "/sign-in",
        "/phones",
        "/desk/",
        "/desk/family/1",
        "/desk/ledger",
        "/desk/stop",
        "/no/such/page",
    ):
        shown = browser.get(address).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", shown), address
        assert not re.search(r"<style|\sstyle=|\son\w+=", shown), address
        assert not re.search(r'(?:src|href)="(?:https?:)?//', shown), f"{address} reaches another machine"


def test_every_form_of_staff_needs_the_token_of_its_page(town: Town) -> None:
    app = pages(town, simulated=True)
    _, member = a_family(town)
    for method, address, endpoint in _every_request(app):
        if method != "POST":
            continue
        answer = Browser(app, town).signed_in_as(member).post(address, words="hello")
        if endpoint.startswith("webhooks."):
            assert answer.status_code == 403, "refused for its missing signature, not for a missing token"
        elif endpoint in CHAT:
            assert answer.status_code == 404, "its address is its token, and this one opens nothing"
        elif endpoint in PUSHED:
            assert answer.status_code == 401, "a system's token is none of a page's"
        elif (act := guard.act_of(app, endpoint)) is not None and not access.can(member.role, (), act):
            assert answer.status_code == 403, f"{address}: a specialist may not, with a token or without"
        else:
            assert answer.status_code == 400, f"{address} answers {answer.status_code} without a token"
            assert "This form is no longer valid" in answer.text


def test_the_files_of_others_are_the_ones_whose_sums_are_kept() -> None:
    listed = {}
    for line in (STATIC / "vendor" / "SHA256SUMS").read_text().splitlines():
        checksum, name = line.split()
        listed[name] = checksum
    present = {path.name for path in (STATIC / "vendor").iterdir()} - {"SHA256SUMS"}
    assert present == set(listed)
    for name, checksum in listed.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == checksum, name
    assert {name for name in present if name.startswith("LICENSE-")} == {
        "LICENSE-bootstrap.txt",
        "LICENSE-htmx.txt",
    }


def test_a_page_that_does_not_exist_says_so_and_shows_the_way(town: Town) -> None:
    answer = Browser(pages(town), town).get("/desk/nowhere")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert 'href="/desk/"' in answer.text


def test_a_mistake_of_ours_is_a_sentence_with_a_number_to_tell(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    _, member = a_family(town)
    broken = pages(town)

    def fails() -> str:
        raise RuntimeError("secret detail")

    broken.view_functions["desk.ledger"] = fails
    answer = Browser(broken, town).signed_in_as(member).get("/desk/ledger")

    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    (mark,) = re.findall(r"this number: (\w+)\.", answer.text)
    assert mark in caplog.text


def test_a_key_is_needed_to_sign_cookies(town: Town) -> None:
    with pytest.raises(ValueError, match="PRESENTE_SECRET_KEY"):
        web.create_app(
            web.Parts(
                town.database,
                town.clock,
                town.script,
                "",
                "http://127.0.0.1",
                lambda *_: False,
                False,
                lambda: None,
            )
        )


# --- in and out ------------------------------------------------------------------------------------------


def test_a_staff_member_signs_in_and_lands_where_she_wanted_to_go(town: Town, rivera: str) -> None:
    browser = Browser(pages(town), town)

    sent_away = browser.get("/desk/ledger")
    answer = browser.fill(sent_away.location, "/sign-in", email=rivera, password=PASSWORD)

    assert sent_away.location == "/sign-in?next=/desk/ledger"
    assert (answer.status_code, answer.location) == (303, "/desk/ledger")
    assert browser.get("/desk/ledger").status_code == 200


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", ""]
)
def test_after_signing_in_nobody_is_led_to_another_site(town: Town, rivera: str, elsewhere: str) -> None:
    browser = Browser(pages(town), town)

    answer = browser.fill("/sign-in", "/sign-in", email=rivera, password=PASSWORD, next=elsewhere)

    assert answer.location == "/desk/today"


def test_a_wrong_password_is_one_sentence_for_known_and_unknown(town: Town, rivera: str) -> None:
    browser = Browser(pages(town), town)

    known = browser.fill("/sign-in", "/sign-in", email=rivera, password="wrong")
    unknown = browser.fill("/sign-in", "/sign-in", email="ghost@example.org", password="wrong")

    assert known.status_code == unknown.status_code == 422
    for answer in (known, unknown):
        assert "do not belong together" in answer.text
    assert f'value="{rivera}"' in known.text, "what was typed is still there"
    assert "wrong" not in re.sub(r'class="[^"]*"|id="[^"]*"|aria-describedby="[^"]*"', "", known.text)


def test_guessing_ends_after_eight_tries_and_begins_again_later(town: Town, rivera: str) -> None:
    browser = Browser(pages(town), town)
    for _ in range(8):
        browser.fill("/sign-in", "/sign-in", email=rivera, password="wrong")

    answer = browser.fill("/sign-in", "/sign-in", email=rivera.upper(), password=PASSWORD)
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.text

    town.now += timedelta(minutes=16)
    assert browser.fill("/sign-in", "/sign-in", email=rivera, password=PASSWORD).status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_http(town: Town, rivera: str) -> None:
    browser = Browser(pages(town), town)

    answer = browser.fill("/sign-in", "/sign-in", email=rivera, password=PASSWORD)

    cookie = answer.headers["Set-Cookie"]
    for promise in ("HttpOnly", "Secure", "SameSite=Lax"):
        assert promise in cookie
    on_this_machine = pages(town, public_url="http://127.0.0.1:8000").test_client()
    assert "Secure" not in on_this_machine.get("/sign-in").headers["Set-Cookie"]


def test_signing_out_ends_the_session_itself_not_only_the_cookie(town: Town, rivera: str) -> None:
    browser = Browser(pages(town), town)
    browser.fill("/sign-in", "/sign-in", email=rivera, password=PASSWORD)
    with browser.client.session_transaction(base_url=browser.base) as cookie:
        token = cookie[guard.TOKEN]

    answer = browser.fill("/desk/", "/sign-out")

    assert answer.location == "/sign-in"
    assert "You are signed out" in browser.get("/sign-in").text
    with town.database.begin() as session:
        assert staff.who(session, token, town.now) is None


def test_a_form_sent_after_the_session_ended_leads_to_the_sign_in_page(town: Town) -> None:
    number, member = a_family(town)
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")
    browser = Browser(pages(town), town).signed_in_as(member)
    fields = browser.hidden_fields("/desk/family/1", "/desk/family/1/take")

    town.now += timedelta(hours=9)
    answer = browser.post("/desk/family/1/take", **fields)

    assert (answer.status_code, answer.location) == (303, "/sign-in")


def test_an_open_page_whose_session_ended_goes_to_the_sign_in_page_by_itself(town: Town) -> None:
    _, member = a_family(town)
    browser = Browser(pages(town), town).signed_in_as(member)
    town.now += timedelta(hours=9)

    answer = browser.get("/desk/news?seen=x", headers={"HX-Request": "true"})

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in"
    assert SIGNATURE not in words_of(answer)
