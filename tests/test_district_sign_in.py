"""The district's own sign-in: against a small real provider, which is also a hostile one."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select

from bot import staff
from bot.advance import Script
from bot.staff import District
from bot.store.session import Database
from bot.store.tables import AuditLine, Staff, StaffSession, WayIn
from bot.understanding import Understanding
from bot.vocabulary import Role
from tests.builders import a_school
from tests.district import CLIENT, SECRET, Provider, a_district
from tests.town import Town
from tests.web import Browser, pages

PASSWORD = "a quiet green river"


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    town = Town(sqlite, script, understanding)
    with sqlite.begin() as session:
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
    return town


@pytest.fixture
def provider(town: Town) -> Iterator[Provider]:
    with a_district(town.now) as provider:
        yield provider


@pytest.fixture
def browser(town: Town, provider: Provider) -> Browser:
    return a_browser(town, provider)


def a_browser(town: Town, provider: Provider) -> Browser:
    district = District(provider.address, CLIENT, SECRET, "Sign in with Grand Bend")
    return Browser(pages(town, district=district), town)


def come(browser: Browser, provider: Provider, page: str = "/sign-in") -> Any:
    """Press the button, be let in by the provider, come back."""
    return browser.get(provider.grant(browser.fill(page, "/sign-in/district").location))


def sessions(town: Town) -> list[StaffSession]:
    with town.database.look() as session:
        return list(session.scalars(select(StaffSession)))


def test_a_staff_member_comes_in_by_the_district_and_lands_where_she_wanted_to_go(
    town: Town, browser: Browser, provider: Provider
) -> None:
    assert "Sign in with Grand Bend" in browser.get("/sign-in").text

    answer = come(browser, provider, "/sign-in?next=/desk/ledger")

    assert (answer.status_code, answer.location) == (303, "/desk/ledger")
    assert browser.get("/desk/ledger").status_code == 200
    assert [each.way for each in sessions(town)] == [WayIn.DISTRICT]
    with town.database.look() as session:
        member = session.scalars(select(Staff)).one()
        assert (member.oidc_issuer, member.oidc_subject) == (provider.address, "subject-1")
        assert "identity_bound" in session.scalars(select(AuditLine.act)).all()


def test_once_bound_the_subject_decides_whatever_the_address_has_become(
    town: Town, browser: Browser, provider: Provider
) -> None:
    come(browser, provider)
    provider.email, provider.verified = "rivera-jones@example.org", False

    assert come(a_browser(town, provider), provider).status_code == 303


def test_another_subject_with_the_same_address_does_not_get_into_a_bound_account(
    town: Town, browser: Browser, provider: Provider
) -> None:
    come(browser, provider)
    provider.subject = "somebody-who-was-given-the-address-later"
    stranger = a_browser(town, provider)

    answer = come(stranger, provider)

    assert answer.status_code == 422
    assert "account of somebody else" in answer.text
    assert len(sessions(town)) == 1


BENT: dict[str, dict[str, Any]] = {
    "the nonce of another sign-in": {"nonce": "of another sign-in"},
    "no nonce": {"nonce": None},
    "for another program": {"aud": "another program"},
    "for two programs": {"aud": [CLIENT, "another program"]},
    "by another provider": {"iss": "https://evil.example"},
    "of nobody": {"sub": None},
    "of somebody without a name": {"sub": ""},
    "expired": {"exp": 1},
    "good for ever": {"exp": None},
    "made tomorrow": {"iat": 4_000_000_000},
}


@pytest.mark.parametrize("claims", BENT.values(), ids=BENT)
def test_a_token_that_is_not_honest_opens_nothing(
    town: Town, browser: Browser, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims

    answer = come(browser, provider)

    assert answer.status_code == 422
    assert "can be trusted" in answer.text
    assert sessions(town) == []


@pytest.mark.parametrize("algorithm", ["RS256", "HS256"])
def test_a_token_signed_by_somebody_else_opens_nothing(
    town: Town, browser: Browser, provider: Provider, algorithm: str
) -> None:
    """Nor does one that our own client secret could have signed."""
    provider.algorithm = algorithm
    provider.forged_with = (
        RSAKey.generate_key(2048, {"kid": "one"}) if algorithm == "RS256" else OctKey.import_key(SECRET * 2)
    )

    assert come(browser, provider).status_code == 422
    assert sessions(town) == []


@pytest.mark.parametrize("verified", [False, None, "no", 1])
def test_an_address_that_the_district_has_not_verified_opens_nothing(
    town: Town, browser: Browser, provider: Provider, verified: Any
) -> None:
    provider.verified = verified

    answer = come(browser, provider)

    assert answer.status_code == 422
    assert "does not vouch for your e-mail address" in answer.text
    assert sessions(town) == []


def test_somebody_of_the_district_who_is_no_staff_member_stays_outside(
    town: Town, browser: Browser, provider: Provider
) -> None:
    provider.email = "a-student@example.org"

    assert "no staff member here" in come(browser, provider).text

    provider.email = "rivera@example.org"
    with town.database.begin() as session:
        staff.disable(session, provider.email, now=town.now)
    assert "no staff member here" in come(browser, provider).text
    assert sessions(town) == []


def test_a_code_and_a_state_are_good_once_and_in_the_browser_that_began(
    town: Town, browser: Browser, provider: Provider
) -> None:
    back = provider.grant(browser.fill("/sign-in", "/sign-in/district").location)
    victim = a_browser(town, provider)
    victim.get("/sign-in")
    assert victim.get(back).status_code == 422, "a link with somebody else's code signs nobody in"
    victim.fill("/sign-in", "/sign-in/district")
    assert "begun elsewhere" in victim.get(back).text

    assert browser.get(back).status_code == 303
    replayed = browser.get(back)

    assert replayed.status_code == 422
    assert len(sessions(town)) == 1


def test_while_the_district_is_away_a_password_still_opens_the_desk(
    town: Town, browser: Browser, provider: Provider
) -> None:
    provider.away = True

    answer = browser.fill("/sign-in", "/sign-in/district")

    assert answer.status_code == 503
    assert "does not answer at the moment" in answer.text
    entered = browser.fill("/sign-in", "/sign-in", email="rivera@example.org", password=PASSWORD)
    assert entered.status_code == 303
    nobody_there = Browser(
        pages(town, district=District("http://127.0.0.1:9", CLIENT, SECRET, "District")), town
    )
    assert nobody_there.fill("/sign-in", "/sign-in/district").status_code == 503


def test_a_provider_that_speaks_in_anothers_name_is_not_believed(
    town: Town, browser: Browser, provider: Provider
) -> None:
    provider.issuer_said = "https://login.example.org"

    assert browser.fill("/sign-in", "/sign-in/district").status_code == 503


def test_a_refusal_of_the_provider_is_a_sentence(browser: Browser, provider: Provider) -> None:
    provider.grant(browser.fill("/sign-in", "/sign-in/district").location)
    (query,) = provider.asked.values()

    answer = browser.get(f"/sign-in/from-district?error=access_denied&state={query['state']}")

    assert answer.status_code == 422
    assert "did not let you in" in answer.text


def test_keys_that_changed_overnight_are_found(town: Town, browser: Browser, provider: Provider) -> None:
    come(browser, provider)
    provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    town.now += timedelta(hours=2)
    provider.now = town.now

    assert come(a_browser(town, provider), provider).status_code == 303
