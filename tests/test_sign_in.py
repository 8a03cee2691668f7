"""How staff come in and out: tries, codes, sessions, links, and what was written while signed out."""

import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pyotp
import pytest
from flask import Flask, Request
from sqlalchemy import func, select, update
from werkzeug.test import EnvironBuilder, TestResponse

from bot import audit, staff
from bot.access import Act
from bot.advance import Script
from bot.staff import Sealer, hashing
from bot.store.session import Database
from bot.store.tables import (
    AuditLine,
    KeptForm,
    KnownBrowser,
    RecoveryCode,
    SecondFactor,
    SignInFailure,
    Staff,
    StaffSession,
)
from bot.understanding import Understanding
from bot.vocabulary import Role
from bot.web import guard
from bot.web.came_from import browser_said, came_from
from tests.builders import NOW, a_school, a_staff_member
from tests.town import Town
from tests.web import Browser, a_family, pages, words_of

EMAIL, PASSWORD = "rivera@example.org", "a quiet green river"
KEY = "a key for tests that signs nothing of value"


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    town = Town(sqlite, script, understanding)
    with sqlite.begin() as session:
        school = a_school(session)
        staff.add(
            session,
            email=EMAIL,
            name="Ms. Rivera",
            role=Role.SPECIALIST,
            schools=[school.id],
            now=NOW,
        )
        session.execute(update(Staff).values(password_hash=_hash()))
    return town


@cache
def _hash() -> str:
    """Made once: it is slow on purpose."""
    return hashing.hashed(PASSWORD)


def guesses(town: Town, times: int, *, source: str = "127.0.0.1", email: str = EMAIL) -> None:
    """So many tries that failed, as the sign-in page counts them, without the work of the hash."""
    for _ in range(times):
        assert staff.begin_try(town.database, email, source=source, now=town.now).wait is None


def enter(browser: Browser, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> TestResponse:
    return browser.ask(
        "POST",
        "/sign-in",
        data={**browser.hidden_fields("/sign-in", "/sign-in"), "email": email, "password": password},
        **more,
    )


def from_(address: str) -> dict[str, Any]:
    return {"environ_base": {"REMOTE_ADDR": address}}


def audited(town: Town) -> list[str]:
    with town.database.look() as session:
        return list(session.scalars(select(AuditLine.act).order_by(AuditLine.id)))


# --- tries ------------------------------------------------------------------------------------------------


def test_a_stranger_who_fails_keeps_nobody_else_out(town: Town) -> None:
    app = pages(town)
    stranger = Browser(app, town)
    guesses(town, 7, source="203.0.113.9")
    assert enter(stranger, password="guessed", **from_("203.0.113.9")).status_code == 422
    assert enter(stranger, **from_("203.0.113.9")).status_code == 429

    assert enter(Browser(app, town), **from_("198.51.100.7")).status_code == 303


def test_a_browser_she_has_used_before_is_let_in_even_from_the_guessers_own_network(town: Town) -> None:
    app = pages(town)
    hers = Browser(app, town)
    assert enter(hers, **from_("203.0.113.9")).status_code == 303
    guesses(town, 8, source="203.0.113.9")
    assert enter(Browser(app, town), **from_("203.0.113.9")).status_code == 429

    assert enter(hers, **from_("203.0.113.9")).status_code == 303


def test_a_known_browser_in_a_thiefs_hands_has_eight_tries_too(town: Town) -> None:
    with town.database.begin() as session:
        token = staff.remember_browser(session, 1, "", now=town.now)

    def may_try(place: str) -> bool:
        return staff.begin_try(town.database, EMAIL, source=place, browser=token, now=NOW).wait is None

    assert [may_try(f"203.0.113.{n}") for n in range(9)] == [True] * 8 + [False], "wherever it is carried"


def test_a_cookie_that_we_have_not_signed_makes_no_browser_known(town: Town) -> None:
    app = pages(town)
    with town.database.begin() as session:
        token = staff.remember_browser(session, 1, "", now=town.now)
    forger = Browser(app, town)
    guesses(town, 8)
    forger.client.set_cookie("presente_browser", f'"{token}".forged', domain="presente.example.org")

    assert enter(forger).status_code == 429


def test_many_places_that_guess_one_address_have_one_try_each_and_then_a_pause(database: Database) -> None:
    def may_try(place: str, now: datetime = NOW) -> bool:
        return staff.begin_try(database, EMAIL, source=place, now=now).wait is None

    assert all(may_try(f"203.0.113.{place}") for place in range(20))
    assert not may_try("203.0.113.1")
    assert may_try("198.51.100.7"), "a new place has its try"
    assert may_try("203.0.113.1", NOW + timedelta(minutes=2))
    assert all(may_try(f"203.0.113.{place}") for place in range(50, 90))
    assert not may_try("203.0.113.2", NOW + timedelta(minutes=14))
    assert may_try("203.0.113.2", NOW + timedelta(minutes=16))


def test_waiting_is_the_same_for_an_address_nobody_has(town: Town) -> None:
    app = pages(town)
    said = []
    for email in (EMAIL, "ghost@example.org"):
        guesses(town, 7, email=email)
        browser = Browser(app, town)
        said.append([words_of(enter(browser, email, "guessed")) for _ in range(3)])

    assert said[0] == said[1]
    assert "do not belong together" in said[0][0]
    assert "Wait 15 minutes" in said[0][1]
    assert audited(town).count("sign_in_held") == 1, "one line for a siege, none for an address of nobody"


def test_asking_while_waiting_makes_the_wait_no_longer(town: Town) -> None:
    browser = Browser(pages(town), town)
    guesses(town, 8)
    for _ in range(14):
        town.now += timedelta(minutes=1)
        assert enter(browser).status_code == 429
    town.now += timedelta(minutes=1, seconds=1)

    assert enter(browser).status_code == 303


def test_tries_at_the_same_moment_in_several_processes_are_eight_together(database: Database) -> None:
    """Each process has its own memory; the database is what they share."""

    def attempt(_: int) -> bool:
        return staff.begin_try(database, EMAIL, source="203.0.113.9", now=NOW).wait is None

    with ThreadPoolExecutor(8) as together:
        let_through = sum(together.map(attempt, range(24)))

    assert 8 <= let_through <= 9, "one may slip in between two commits, and no more"


def test_what_failed_is_told_once_it_succeeds_and_forgotten_after_a_day(town: Town) -> None:
    browser = Browser(pages(town), town)
    for _ in range(3):
        enter(browser, password="guessed")
    enter(browser)

    with town.database.begin() as session:
        line = session.scalars(select(AuditLine).where(AuditLine.act == "sign_in")).one()
        assert "after 3 tries that failed" in line.detail
        assert session.scalar(select(func.count()).select_from(SignInFailure)) == 0
    enter(browser, password="guessed")
    town.now += timedelta(hours=25)
    enter(Browser(browser.client.application, town), "ghost@example.org", "guessed")
    with town.database.look() as session:
        assert session.scalar(select(func.count()).select_from(SignInFailure)) == 1


def test_no_address_and_no_password_is_kept_of_a_try(town: Town) -> None:
    enter(Browser(pages(town), town), "my password by mistake", "guessed")

    with town.database.look() as session:
        kept = session.scalars(select(SignInFailure)).one()
    assert len(kept.address_hash) == 64
    assert "password" not in kept.address_hash + kept.source


@pytest.mark.parametrize(
    ("proxies", "forwarded", "believed"),
    [
        (0, "198.51.100.7", "10.0.0.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        (2, "1.1.1.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        (2, "198.51.100.7", "10.0.0.1"),
        (1, "<script>", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_only_what_our_own_proxies_add_says_where_a_request_came_from(
    proxies: int, forwarded: str, believed: str
) -> None:
    built = EnvironBuilder(headers=[("X-Forwarded-For", forwarded)], environ_base={"REMOTE_ADDR": "10.0.0.1"})

    assert came_from(Request(built.get_environ()), proxies) == believed


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Windows"),
        (
            "Mozilla/5.0 (X11; CrOS x86_64) AppleWebKit/537.36 Chrome/130 Safari/537.36",
            "Chrome on Chromebook",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit/605 Version/18 Safari/604",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130 Safari/537.36 Edg/130",
            "Edge on Windows",
        ),
        ("<b>curl", ""),
    ],
)
def test_a_browser_is_named_as_people_call_it(user_agent: str, said: str) -> None:
    assert browser_said(user_agent) == said


# --- the second factor ------------------------------------------------------------------------------------


@pytest.fixture
def inside(town: Town) -> Browser:
    browser = Browser(pages(town), town)
    enter(browser)
    return browser


def set_up(browser: Browser) -> tuple[pyotp.TOTP, list[str]]:
    """Switch the second factor on at the account page; returns the generator and the recovery codes."""
    if 'class="secret"' not in browser.get("/desk/account").text:
        browser.fill("/desk/account", "/desk/account/factor")
    secret = re.search(r'class="secret">(\w+)<', browser.get("/desk/account").text)
    assert secret
    generator = pyotp.TOTP(secret.group(1))
    answer = browser.fill(
        "/desk/account", "/desk/account/factor/confirm", code=generator.at(browser.town.now)
    )
    return generator, re.findall(r"<li>(\w{4}-\w{4}-\w{4}-\w{4})</li>", answer.text)


def with_password(app: Flask, town: Town) -> Browser:
    browser = Browser(app, town)
    assert enter(browser).location == "/sign-in/code"
    return browser


def test_a_second_factor_counts_once_a_code_was_right(town: Town, inside: Browser) -> None:
    app = inside.client.application
    inside.fill("/desk/account", "/desk/account/factor")
    assert "<svg" in inside.get("/desk/account").text
    wrong = inside.fill("/desk/account", "/desk/account/factor/confirm", code="000000")
    assert wrong.status_code == 422
    assert enter(Browser(app, town)).location == "/desk/today", "not confirmed, so a password is enough"

    _, codes = set_up(inside)

    assert len(set(codes)) == 10
    shown = inside.get("/desk/account").text
    assert "10 recovery codes are left" in shown
    assert 'class="secret"' not in shown
    browser = with_password(app, town)
    assert browser.get("/desk/").location.startswith("/sign-in"), "half of the way is no way"


def test_a_code_opens_the_desk_once_and_a_minute_of_a_slow_clock_is_forgiven(
    town: Town, inside: Browser
) -> None:
    app, (generator, _) = inside.client.application, set_up(inside)
    for offset, opens in ((-90, False), (90, False), (30, True)):
        browser = with_password(app, town)
        code = generator.at(town.now + timedelta(seconds=offset))
        answer = browser.fill("/sign-in/code", "/sign-in/code", code=code)
        assert (answer.status_code == 303) is opens, offset
    replayed = with_password(app, town)

    assert replayed.fill("/sign-in/code", "/sign-in/code", code=code).status_code == 422
    town.now += timedelta(seconds=60)
    code = generator.at(town.now)
    assert replayed.fill("/sign-in/code", "/sign-in/code", code=f"{code[:3]} {code[3:]}").status_code == 303


def test_a_recovery_code_opens_the_desk_once(town: Town, inside: Browser) -> None:
    app, (_, codes) = inside.client.application, set_up(inside)

    first = with_password(app, town).fill("/sign-in/code", "/sign-in/code", code=codes[0].upper())
    again = with_password(app, town).fill("/sign-in/code", "/sign-in/code", code=codes[0])

    assert (first.status_code, again.status_code) == (303, 422)
    assert "9 recovery codes are left" in inside.get("/desk/account").text
    with town.database.look() as session:
        kept = " ".join(session.scalars(select(RecoveryCode.code_hash)))
    assert codes[1].replace("-", "") not in kept


def test_codes_are_not_guessed(town: Town, inside: Browser) -> None:
    set_up(inside)
    browser = with_password(inside.client.application, town)
    answers = [browser.fill("/sign-in/code", "/sign-in/code", code=f"{n:06d}").status_code for n in range(9)]

    assert answers == [422] * 8 + [429]


def test_a_code_that_is_typed_too_late_begins_again(town: Town, inside: Browser) -> None:
    generator, _ = set_up(inside)
    browser = with_password(inside.client.application, town)
    fields = browser.hidden_fields("/sign-in/code", "/sign-in/code")
    town.now += timedelta(minutes=11)

    answer = browser.post("/sign-in/code", **{**fields, "code": generator.at(town.now)})

    assert answer.location == "/sign-in"
    assert browser.get("/desk/").location.startswith("/sign-in")


def test_one_code_in_two_processes_at_the_same_moment_is_good_once(database: Database) -> None:
    sealer = Sealer(KEY)
    with database.begin() as session:
        member = a_staff_member(session, a_school(session)).id
        secret = staff.begin_factor(session, member, sealer, now=NOW).secret
        generator = pyotp.TOTP(secret)
        staff.confirm_factor(session, member, generator.at(NOW), sealer, now=NOW)
    later = NOW + timedelta(minutes=5)
    code = generator.at(later)

    def attempt(_: int) -> bool:
        with database.begin() as session:
            return staff.factor_says(session, member, code, sealer, now=later)

    with ThreadPoolExecutor(4) as together:
        assert sum(together.map(attempt, range(8))) == 1


def test_the_secret_is_sealed_and_another_key_reads_nothing(town: Town, inside: Browser) -> None:
    generator, _ = set_up(inside)

    with town.database.look() as session:
        sealed = session.scalars(select(SecondFactor.sealed_secret)).one()
    assert generator.secret.encode() not in sealed
    assert Sealer(KEY).open(sealed) == generator.secret
    assert Sealer("another key").open(sealed) is None


def test_switching_the_second_factor_off_needs_the_password(town: Town, inside: Browser) -> None:
    set_up(inside)
    page, action = "/desk/account", "/desk/account/factor/off"

    assert inside.fill(page, action, password="guessed").status_code == 422
    assert "On since" in inside.get(page).text
    assert inside.fill(page, action, password=PASSWORD).status_code == 303
    assert enter(Browser(inside.client.application, town)).location == "/desk/today"
    assert "second_factor_off" in audited(town)


def test_where_a_second_factor_is_required_a_password_alone_reaches_its_page_only(town: Town) -> None:
    app = pages(town, second_factor_required=True)
    browser = Browser(app, town)
    enter(browser)

    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.arguments or guard.is_open(rule.endpoint):
            continue
        answer = browser.get(rule.rule)
        if rule.endpoint == "desk.account":
            assert "asks for a second factor" in words_of(answer)
        elif rule.endpoint in guard.ASKED_BY_PAGES:
            assert answer.status_code == 204
        else:
            assert (answer.status_code, answer.location) == (303, "/desk/account"), rule.rule
    set_up(browser)
    assert browser.get("/desk/").status_code == 200


# --- sessions and links -----------------------------------------------------------------------------------


def test_one_sees_and_ends_ones_own_sessions(town: Town, inside: Browser) -> None:
    app = inside.client.application
    with_firefox: dict[str, Any] = {
        "headers": {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:130.0) Firefox/130.0"}
    }
    other, third = Browser(app, town), Browser(app, town)
    for browser, with_what in ((other, with_firefox), (third, dict[str, Any]())):
        town.now += timedelta(minutes=1)
        enter(browser, **with_what)

    shown = words_of(inside.get("/desk/account"))
    assert "Firefox on Windows with a password, since 9:31 AM" in shown
    assert shown.count("this one") == 1
    newest, oldest = re.findall(r'name="which" value="(\w+)"', inside.get("/desk/account").text)
    fields = inside.hidden_fields("/desk/account", "/desk/account/sessions/end")
    inside.post("/desk/account/sessions/end", **{**fields, "which": oldest})
    assert newest != oldest
    assert [browser.get("/desk/").status_code for browser in (inside, third, other)] == [200, 200, 303]
    inside.fill("/desk/account", "/desk/account/sessions/end-others")

    assert [browser.get("/desk/").status_code for browser in (inside, third)] == [200, 303]


def test_nobody_ends_somebody_elses_session(town: Town, inside: Browser) -> None:
    with town.database.begin() as session:
        colleague = a_staff_member(session)
    theirs = Browser(inside.client.application, town).signed_in_as(colleague)
    with town.database.look() as session:
        handle = session.scalars(
            select(StaffSession.token_hash).where(StaffSession.staff_id == colleague.id)
        ).one()[:16]
    fields = {"csrf_token": inside.hidden_fields("/desk/account", "/desk/account/factor")["csrf_token"]}
    for which in (handle, handle[:1], ""):
        inside.post("/desk/account/sessions/end", **fields, which=which)

    assert theirs.get("/desk/").status_code == 200


def test_ones_own_password_changes_with_the_old_one_and_ends_the_others(town: Town, inside: Browser) -> None:
    other = Browser(inside.client.application, town)
    enter(other)
    page, action, new = "/desk/account", "/desk/account/password", "a louder green river"

    wrong = inside.fill(page, action, old_password="guessed", new_password=new, again_password=new)
    differ = inside.fill(page, action, old_password=PASSWORD, new_password=new, again_password="another")
    short = inside.fill(page, action, old_password=PASSWORD, new_password="short", again_password="short")
    assert [answer.status_code for answer in (wrong, differ, short)] == [422, 422, 422]
    changed = inside.fill(page, action, old_password=PASSWORD, new_password=new, again_password=new)

    assert changed.status_code == 303
    assert [browser.get("/desk/").status_code for browser in (inside, other)] == [200, 303]
    assert enter(Browser(inside.client.application, town), password=new).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        lambda session, now: staff.set_password(session, EMAIL, "a louder green river", now=now),
        lambda session, now: staff.disable(session, EMAIL, now=now),
        lambda session, now: staff.change_role(session, EMAIL, Role.AUDITOR, now=now),
        lambda session, now: staff.end_sessions(session, 1, now=now),
    ],
    ids=["password", "disabled", "role", "ended by the office"],
)
def test_what_changes_about_an_account_ends_its_sessions_at_once(
    town: Town, inside: Browser, change: Callable[..., object]
) -> None:
    with town.database.begin() as session:
        change(session, town.now)

    assert inside.get("/desk/").status_code == 303


def test_each_sign_in_has_a_session_of_its_own_and_ends_the_one_before(town: Town, inside: Browser) -> None:
    def token() -> str:
        with inside.client.session_transaction(base_url=inside.base) as cookie:
            return str(cookie[guard.TOKEN])

    before = token()
    enter(inside)

    assert token() != before
    with town.database.begin() as session:
        assert staff.who(session, before, town.now) is None


def test_a_link_sets_a_password_once_within_three_days(town: Town) -> None:
    app = pages(town)
    with town.database.begin() as session:
        staff.add(session, email="new@example.org", name="New", role=Role.AUDITOR, schools=[], now=town.now)
        old, token = (staff.make_link(session, "new@example.org", now=town.now) for _ in range(2))
    browser = Browser(app, town)
    page = f"/set-password/{token}"
    assert enter(browser, "new@example.org", "").status_code == 422, "no password is no empty password"
    assert "opens nothing any more" in browser.get(f"/set-password/{old}").text, "a newer one was made"

    differ = browser.fill(page, page, new_password="a quiet red river", again_password="another")
    short = browser.fill(page, page, new_password="short", again_password="short")
    assert [differ.status_code, short.status_code] == [422, 422]
    fields = browser.hidden_fields(page, page)
    both = {"new_password": "a quiet red river", "again_password": "a quiet red river"}
    assert browser.post(page, **{**fields, **both}).location == "/sign-in"
    again = browser.post(page, **{**fields, "new_password": "x" * 20, "again_password": "x" * 20})

    assert again.status_code == 422
    assert enter(browser, "new@example.org", "a quiet red river").status_code == 303
    with town.database.begin() as session:
        late = staff.make_link(session, EMAIL, now=town.now)
    town.now += timedelta(days=3)
    assert "opens nothing any more" in browser.get(f"/set-password/{late}").text


# --- what was written while signed out --------------------------------------------------------------------


@pytest.fixture
def writing(town: Town) -> tuple[Browser, str, dict[str, str]]:
    """Ms. Rivera has a family open: her browser, where its form goes, and the form's hidden fields."""
    number, _ = a_family(town, school="Kennelly School")
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")
    with town.database.begin() as session:
        session.execute(update(Staff).values(role=Role.DISTRICT_ADMINISTRATOR))
    browser = Browser(pages(town), town)
    enter(browser)
    action = "/desk/family/1/reply"
    return browser, action, browser.hidden_fields("/desk/family/1", action)


NOTE = 'La mamá dijo: <b>"mañana"</b> & más…\r\n\r\n¿Puede llamar?\t👋\r\n'


def hidden_of(page: str, action: str) -> dict[str, str]:
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert form
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form.group(), re.DOTALL)
    return {name: html.unescape(value) for name, value in pairs}


def test_what_was_written_while_the_session_ended_comes_back_and_is_sent_once(
    town: Town, writing: tuple[Browser, str, dict[str, str]]
) -> None:
    browser, action, fields = writing
    town.now += timedelta(hours=9)

    away = browser.post(action, **fields, words=NOTE)
    assert away.location == "/sign-in"
    assert "What you wrote is kept" in browser.get("/sign-in").text
    assert enter(browser).location == "/sign-in/kept"
    shown = browser.get("/sign-in/kept")
    assert "¿Puede llamar?" in shown.text
    assert "<b>" not in shown.text
    again = hidden_of(shown.text, action)

    assert again["words"] == NOTE
    assert {**again, "csrf_token": ""} == {**fields, "words": NOTE, "csrf_token": ""}
    sent = browser.post(action, **again)
    assert sent.status_code in (303, 409, 422)
    if sent.status_code == 303:
        assert browser.get("/sign-in/kept").location == "/desk/today", "it is sent, and kept no longer"


def test_only_its_writer_gets_to_see_it(town: Town, writing: tuple[Browser, str, dict[str, str]]) -> None:
    browser, action, fields = writing
    with town.database.begin() as session:
        staff.add(
            session,
            email="b@example.org",
            name="B",
            role=Role.AUDITOR,
            schools=[],
            password=PASSWORD,
            now=NOW,
        )
    town.now += timedelta(hours=9)
    browser.post(action, **fields, words=NOTE)

    assert enter(browser, "b@example.org").location == "/desk/today"
    assert browser.get("/sign-in/kept").location == "/desk/today"
    assert enter(browser).location == "/sign-in/kept", "she comes back to the same laptop"


def test_nothing_is_kept_of_a_stranger_of_a_forged_post_of_a_password_or_for_ever(
    town: Town, writing: tuple[Browser, str, dict[str, str]]
) -> None:
    browser, action, fields = writing
    town.now += timedelta(hours=9)

    def kept() -> int:
        with town.database.look() as session:
            return session.scalar(select(func.count()).select_from(KeptForm)) or 0

    Browser(browser.client.application, town).post(action, words=NOTE)
    browser.post(action, **{**fields, "csrf_token": "forged"}, words=NOTE)
    browser.post(action, csrf_token=fields["csrf_token"], words=NOTE, old_password="secret")
    assert kept() == 0
    for n in range(12):
        browser.post(action, **fields, words=f"{NOTE} {n}")
    assert kept() == 10, "a flood pushes out its own"
    with town.database.look() as session:
        assert all(b"llamar" not in each for each in session.scalars(select(KeptForm.sealed)))

    town.now += timedelta(minutes=31)
    enter(browser)
    assert browser.get("/sign-in/kept").location == "/desk/today"


def test_a_note_of_forty_kilobytes_is_kept_and_one_too_long_is_told(
    town: Town, writing: tuple[Browser, str, dict[str, str]]
) -> None:
    browser, action, fields = writing
    town.now += timedelta(hours=9)
    long = "مرحبا é " * 4500

    assert 40_000 < len(long.encode()) < 64_000
    assert browser.post(action, **fields, words=long).location == "/sign-in"
    told = browser.post(action, **fields, words=long * 2)
    huge = browser.post(action, **fields, words=long * 20)

    for answer in (told, huge):
        assert answer.status_code == 413
        assert "your browser still has it" in answer.text
    enter(browser)
    assert hidden_of(browser.get("/sign-in/kept").text, action)["words"] == long


def test_signed_out_in_one_tab_and_sent_in_the_other_is_kept_too(
    town: Town, writing: tuple[Browser, str, dict[str, str]]
) -> None:
    browser, action, fields = writing
    browser.fill("/desk/", "/sign-out")

    browser.post(action, **fields, words=NOTE)

    assert enter(browser).location == "/sign-in/kept"
    assert "¿Puede llamar?" in browser.get("/sign-in/kept").text


def test_a_form_in_another_tab_stays_good_when_the_same_person_signs_in_again(
    town: Town, writing: tuple[Browser, str, dict[str, str]]
) -> None:
    browser, _, fields = writing
    town.now += timedelta(hours=9)
    enter(browser)

    answer = browser.post("/desk/family/1/take", **fields)

    assert answer.status_code != 400, "its token is of this person and this browser"


def test_a_form_of_an_earlier_visitor_is_not_good_for_the_next_one(
    town: Town, writing: tuple[Browser, str, dict[str, str]]
) -> None:
    browser, action, fields = writing
    with town.database.begin() as session:
        staff.add(
            session,
            email="b@example.org",
            name="B",
            role=Role.DISTRICT_ADMINISTRATOR,
            schools=[],
            password=PASSWORD,
            now=NOW,
        )
    browser.fill("/desk/", "/sign-out")
    enter(browser, "b@example.org")

    assert browser.post(action, **fields, words=NOTE).status_code == 400


def test_what_is_kept_can_be_thrown_away(town: Town, writing: tuple[Browser, str, dict[str, str]]) -> None:
    browser, action, fields = writing
    town.now += timedelta(hours=9)
    browser.post(action, **fields, words=NOTE)
    enter(browser)

    assert browser.fill("/sign-in/kept", "/sign-in/kept/drop").location == "/sign-in/kept"
    assert browser.get("/sign-in/kept").location == "/desk/today"


def test_an_open_page_into_which_somebody_types_is_not_taken_away(
    town: Town, writing: tuple[Browser, str, dict[str, str]]
) -> None:
    browser, _, _ = writing
    town.now += timedelta(hours=9)
    asks = {"HX-Request": "true"}

    left = browser.get("/desk/alarm?seen=", headers=asks)
    typed = browser.get("/desk/alarm?seen=", headers={**asks, "Presente-Typed": "yes"})

    assert left.headers["HX-Redirect"] == "/sign-in"
    assert typed.status_code == 401
    assert "HX-Redirect" not in typed.headers


# --- the staff list and the audit log ---------------------------------------------------------------------


@pytest.fixture
def office(town: Town) -> Browser:
    with town.database.begin() as session:
        admin = a_staff_member(session, name="Mr. Office", role=Role.DISTRICT_ADMINISTRATOR)
    return Browser(pages(town), town).signed_in_as(admin)


def test_the_office_adds_somebody_and_hands_over_a_link(town: Town, office: Browser) -> None:
    added = office.fill(
        "/desk/people", "/desk/people", name="Ms. New", email="new@example.org", role="supervisor", school="1"
    )
    assert added.status_code == 200
    (link,) = re.findall(r"https://presente\.example\.org(/set-password/\S+?)<", added.text)
    assert link not in office.get("/desk/people/3").text, "it is shown once"
    twice = office.fill(
        "/desk/people", "/desk/people", name="Ms. New", email="NEW@example.org", role="auditor"
    )
    assert twice.status_code == 409
    assert "already a staff member" in twice.text
    assert 'value="Ms. New"' in twice.text, "nothing typed is lost"

    newcomer = Browser(office.client.application, town)
    newcomer.fill(link, link, new_password=PASSWORD, again_password=PASSWORD)
    assert enter(newcomer, "new@example.org").status_code == 303

    assert "Ms. New" in office.get("/desk/people").text
    with town.database.look() as session:
        line = session.scalars(
            select(AuditLine).where(AuditLine.act == "add_staff").order_by(AuditLine.id.desc())
        ).first()
        assert line
        assert (line.detail, line.after) == ("new@example.org", "supervisor: Burns School")


def test_the_office_changes_disables_and_lets_in_again(town: Town, office: Browser, inside: Browser) -> None:
    page = "/desk/people/1"
    with town.database.begin() as session:
        a_school(session, "Parkville School")

    office.fill(page, f"{page}/change", role="specialist", school="2")
    assert inside.get("/desk/").status_code == 200, "other schools hold from the next page on"
    office.fill(page, f"{page}/change", role="supervisor", school="2")
    assert inside.get("/desk/").status_code == 303
    enter(inside)
    office.fill(page, f"{page}/end-sessions")
    assert inside.get("/desk/").status_code == 303
    office.fill(page, f"{page}/disable")
    assert enter(inside).status_code == 422
    assert "Disabled" in words_of(office.get("/desk/people"))
    office.fill(page, f"{page}/enable")
    assert enter(inside).status_code == 303
    set_up(inside)
    office.fill(page, f"{page}/factor-off")
    assert enter(Browser(office.client.application, town)).location == "/desk/today"

    shown = words_of(office.get("/desk/audit"))
    for sentence in (
        "Changed a role",
        "Disabled a staff member",
        "Switched a second factor off",
        "Ms. Rivera",
    ):
        assert sentence in shown
    assert "specialist supervisor" in shown, "before and after"


def test_the_last_administrator_can_neither_be_disabled_nor_become_something_else(
    town: Town, office: Browser
) -> None:
    page = "/desk/people/2"
    for answer in (
        office.fill(page, f"{page}/disable"),
        office.fill(page, f"{page}/change", role="specialist"),
    ):
        assert answer.status_code == 409
        assert "is the last district administrator" in answer.text

    with town.database.begin() as session:
        a_staff_member(session, role=Role.DISTRICT_ADMINISTRATOR)
    assert office.fill(page, f"{page}/disable").status_code == 303


def test_two_administrators_who_disable_each_other_at_once_do_not_both_succeed(database: Database) -> None:
    with database.begin() as session:
        emails = [a_staff_member(session, role=Role.DISTRICT_ADMINISTRATOR).email for _ in range(2)]

    def disable(email: str) -> bool:
        try:
            with database.begin() as session:
                staff.disable(session, email, now=NOW)
        except staff.StaffRefused:
            return False
        return True

    with ThreadPoolExecutor(2) as together:
        assert sorted(together.map(disable, emails)) == [False, True]


def test_nothing_in_the_audit_log_can_be_changed_or_removed(database: Database) -> None:
    with database.begin() as session:
        staff.add(session, email="a@example.org", name="A", role=Role.AUDITOR, schools=[], now=NOW)
    for statement in ("UPDATE audit_log SET act = 'nothing'", "DELETE FROM audit_log"):
        with pytest.raises(Exception, match="append only"), database.begin() as session:
            session.connection().exec_driver_sql(statement)


def test_the_audit_log_is_read_by_person_act_and_day_page_by_page(town: Town, office: Browser) -> None:
    with town.database.begin() as session:
        for n in range(60):
            audit.note(
                session, 1, "take", now=town.now + timedelta(minutes=n), school_id=1, detail=f"no. {n};"
            )
        audit.note(session, 2, "resolve", now=town.now + timedelta(days=2), school_id=1, detail="the last")

    first = office.get("/desk/audit?act=take").text
    assert "no. 59;" in first
    assert "no. 9;" not in first
    (older,) = re.findall(r'href="(/desk/audit\?[^"]*before=\d+)"', first.replace("&amp;", "&"))
    second = office.get(older).text
    assert "no. 9;" in second
    assert "no. 10;" not in second
    assert "the last" in office.get("/desk/audit?person=2").text
    assert "no. 59;" not in office.get("/desk/audit?person=2").text
    assert "the last" in office.get("/desk/audit?day=2021-10-24").text
    assert "the last" not in office.get("/desk/audit?day=2021-10-22").text
    for odd in (
        "day=9999-12-31",
        "day=0001-01-01",
        "person=x",
        "before=-1",
        "act=%00",
        "person=99999999999999999999",
    ):
        assert office.get(f"/desk/audit?{odd}").status_code == 200, odd


def test_an_auditor_reads_the_lines_of_her_own_schools_only(town: Town) -> None:
    with town.database.begin() as session:
        hers, other = a_school(session, "Hers"), a_school(session, "Other")
        auditor = a_staff_member(session, hers, name="Auditor", role=Role.AUDITOR)
        colleague = a_staff_member(session, hers, name="Colleague")
        stranger = a_staff_member(session, other, name="Stranger")
        for school, who, word in ((hers, colleague, "mine"), (other, stranger, "theirs")):
            audit.note(session, who.id, "take", now=NOW, school_id=school.id, detail=f"{word}-family")
            audit.note(session, who.id, "sign_in", now=NOW, detail=f"{word}-browser")
        audit.note(session, None, "stop_texts", now=NOW, detail="everywhere")
        audit.note(session, None, "disable_staff", now=NOW, detail="somebody")
    browser = Browser(pages(town), town).signed_in_as(auditor)

    shown = words_of(browser.get("/desk/audit"))

    for word in ("mine-family", "mine-browser", "everywhere", "Colleague"):
        assert word in shown
    for word in ("theirs-family", "theirs-browser", "somebody", "Stranger"):
        assert word not in shown


def test_a_known_browser_is_a_stranger_again_after_its_owner_was_disabled(
    town: Town, inside: Browser
) -> None:
    with town.database.begin() as session:
        staff.disable(session, EMAIL, now=town.now)
        assert session.scalar(select(func.count()).select_from(KnownBrowser)) == 0


def test_every_act_of_the_access_table_is_somebodys() -> None:
    for act in Act:
        assert any(staff.StaffMember(1, "", "", role, frozenset()).can(act) for role in Role), act
