"""What keeps texts from leaving or coming in, a sentence each."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.twilio.stand import (
    ACCOUNT,
    OF_SERVICE,
    SERVICE,
    TOKEN,
    Answer,
    Stand,
    answering,
    by_path,
    codes_of,
    numbers_of,
    refusing,
    resetting,
    twilio,
)

INBOUND = "https://texts.example.org/presente/twilio/inbound"
FALLBACK = "https://texts.example.org/presente/twilio/fallback"
ACTIVE = answering(200, {"sid": ACCOUNT, "status": "active", "type": "Full"})
OF_ACCOUNT = f"/2010-04-01/Accounts/{ACCOUNT}.json"
OF_NUMBERS = f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json"


def owned(**other: Any) -> Answer:
    number = {
        "phone_number": "+18605550100",
        "capabilities": {"sms": True, "mms": True, "voice": True},
        "sms_url": f"{INBOUND}#rc=2&rp=ct,rt,5xx",
        "sms_method": "POST",
        "sms_fallback_url": FALLBACK,
        "sms_fallback_method": "POST",
        "sms_application_sid": "",
        **other,
    }
    return answering(200, {"incoming_phone_numbers": [number] if number["phone_number"] else []})


def of_number(**other: Any) -> Answer:
    return by_path({OF_ACCOUNT: ACTIVE, OF_NUMBERS: owned(**other)})


def of_service(numbers: Answer | None = None, codes: tuple[str, ...] = (), **other: Any) -> Answer:
    service = {
        "sid": SERVICE,
        "inbound_request_url": f"{INBOUND}#rc=2",
        "inbound_method": "POST",
        "fallback_url": FALLBACK,
        "fallback_method": "POST",
        "use_inbound_webhook_on_number": False,
        "us_app_to_person_registered": True,
        **other,
    }
    return by_path(
        {
            OF_ACCOUNT: ACTIVE,
            OF_SERVICE: answering(200, service),
            f"{OF_SERVICE}/PhoneNumbers": numbers or numbers_of("+18605550100"),
            f"{OF_SERVICE}/ShortCodes": codes_of(*codes),
            OF_NUMBERS: owned(),
        }
    )


@pytest.mark.parametrize("service", ["", SERVICE])
def test_an_account_that_is_well_has_no_trouble(stand: Stand, service: str) -> None:
    """TW-38: what stands behind # in a webhook's address is for Twilio alone."""
    stand.answer = of_service() if service else of_number()

    assert twilio(stand.base, service=service).trouble() == []
    assert {each.command for each in stand.seen} == {"GET"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusing(401, 20003), "PRESENTE_TWILIO_AUTH_TOKENS (HTTP 401)"),
        (refusing(404, 20404), "PRESENTE_TWILIO_ACCOUNT_SID"),
        (answering(200, "<html>hotel</html>", "text/html"), "PRESENTE_TWILIO_ACCOUNT_SID"),
        (answering(200, []), "PRESENTE_TWILIO_ACCOUNT_SID"),
        (resetting, "PRESENTE_TWILIO_ACCOUNT_SID"),
    ],
)
def test_an_account_that_does_not_answer_is_one_sentence_that_names_the_settings(
    stand: Stand, answer: Answer, words: str
) -> None:
    stand.answer = answer

    (said,) = twilio(stand.base).trouble()

    assert words in said
    assert "\n" not in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"status": "suspended", "type": "Full"}, "suspended"),
        ({"status": "active", "type": "Trial"}, "trial"),
    ],
)
def test_an_account_that_may_not_text_is_trouble(stand: Stand, account: dict[str, str], words: str) -> None:
    stand.answer = by_path({OF_ACCOUNT: answering(200, account), OF_NUMBERS: owned()})

    (said,) = twilio(stand.base).trouble()

    assert words in said


TROUBLES_OF_A_NUMBER: dict[str, tuple[dict[str, Any], list[str]]] = {
    "is not ours": ({"phone_number": ""}, ["PRESENTE_TWILIO_FROM"]),
    "cannot text": ({"capabilities": {"sms": False, "voice": True}}, ["cannot send texts"]),
    "posts elsewhere": ({"sms_url": "https://old.example.org/sms"}, ["https://old.example.org/sms", INBOUND]),
    "posts nowhere": ({"sms_url": ""}, ["nowhere", INBOUND]),
    "asks by GET": ({"sms_method": "GET"}, ["GET", INBOUND]),
    "has no second address": ({"sms_fallback_url": None}, ["nowhere", FALLBACK]),
    "belongs to an application": ({"sms_application_sid": "AP" + "1" * 32}, ["AP" + "1" * 32]),
}


@pytest.mark.parametrize("what", TROUBLES_OF_A_NUMBER)
def test_a_number_that_texts_or_receives_wrongly_is_trouble(stand: Stand, what: str) -> None:
    """TW-23, TW-33: both addresses are named, ours and Twilio's."""
    settings, words = TROUBLES_OF_A_NUMBER[what]
    stand.answer = of_number(**settings)

    (said,) = twilio(stand.base).trouble()

    assert [word for word in words if word not in said] == []
    assert "8605550100" not in said
    asked = stand.seen[-1].path
    assert dict(parse_qsl(urlsplit(asked).query))["PhoneNumber"] == "+18605550100"


TROUBLES_OF_A_SERVICE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "receiving is off": ({"inbound_request_url": None}, ["switched off", SERVICE]),
    "it posts elsewhere": (
        {"inbound_request_url": "https://old.example.org/sms"},
        ["https://old.example.org/sms", INBOUND],
    ),
    "it asks by GET": ({"inbound_method": "GET"}, ["GET", INBOUND]),
    "it has another second address": (
        {"fallback_url": "https://old.example.org/"},
        ["https://old.example.org/", FALLBACK],
    ),
    "it is not registered": ({"us_app_to_person_registered": False}, ["not registered"]),
    "it has no number": ({"numbers": numbers_of()}, ["no number"]),
    "its number cannot text": (
        {"numbers": numbers_of("+18605550101", capabilities=("Voice",))},
        ["…0101", "cannot send texts"],
    ),
}


@pytest.mark.parametrize("what", TROUBLES_OF_A_SERVICE)
def test_a_service_that_texts_or_receives_wrongly_is_trouble(stand: Stand, what: str) -> None:
    """TW-5: what comes in while receiving is off cannot be listed later either."""
    settings, words = TROUBLES_OF_A_SERVICE[what]
    stand.answer = of_service(**settings)

    (said,) = twilio(stand.base, service=SERVICE).trouble()

    assert [word for word in words if word not in said] == []


def test_a_service_that_leaves_receiving_to_its_numbers_is_asked_about_them(stand: Stand) -> None:
    """TW-5: then the number's own address wins, and the service's may be empty."""
    left: dict[str, Any] = {
        "use_inbound_webhook_on_number": True,
        "inbound_request_url": None,
        "fallback_url": None,
    }
    stand.answer = of_service(**left)
    assert twilio(stand.base, service=SERVICE).trouble() == []

    answers = {OF_NUMBERS: owned(sms_url="https://old.example.org/sms")}
    whole = of_service(**left)
    stand.answer = lambda request: answers.get(urlsplit(request.path).path, whole)(request)
    (said,) = twilio(stand.base, service=SERVICE).trouble()
    assert "https://old.example.org/sms" in said


@pytest.mark.parametrize(
    "senders", [{"numbers": numbers_of("+18005550100")}, {"numbers": numbers_of(), "codes": ("55501",)}]
)
def test_toll_free_numbers_and_short_codes_need_no_registration_of_long_codes(
    stand: Stand, senders: dict[str, Any]
) -> None:
    stand.answer = of_service(us_app_to_person_registered=False, **senders)

    assert twilio(stand.base, service=SERVICE).trouble() == []


def test_a_service_nobody_knows_is_trouble_that_names_its_setting(stand: Stand) -> None:
    stand.answer = by_path({OF_ACCOUNT: ACTIVE})

    (said,) = twilio(stand.base, service=SERVICE).trouble()

    assert "PRESENTE_TWILIO_MESSAGING_SERVICE (HTTP 404)" in said


def test_what_was_found_before_a_question_failed_is_told_too(stand: Stand) -> None:
    stand.answer = by_path({OF_ACCOUNT: answering(200, {"status": "suspended"})})

    assert len(twilio(stand.base, service=SERVICE).trouble()) == 2


def test_the_sender_is_the_service_or_the_number() -> None:
    assert twilio("http://127.0.0.1:9", service=SERVICE).sender == SERVICE
    assert twilio("http://127.0.0.1:9").sender == "+18605550100"


def test_a_posting_provider_has_no_receipts_to_fetch() -> None:
    assert list(twilio("http://127.0.0.1:9").receipts()) == []
