"""What is sent to Twilio, and what each of its answers means."""

import base64
import re
from urllib.parse import urlsplit

import pytest

from bot.provider import (
    Accepted,
    Outgoing,
    Passing,
    PhoneFate,
    Refused,
    SenderFate,
    SendFailed,
    TextFate,
    Unknown,
    meaning,
)
from tests.twilio.stand import (
    ACCOUNT,
    MESSAGES,
    SERVICE,
    SPEC,
    TEXT,
    TOKEN,
    Answer,
    Stand,
    answering,
    breaking_off,
    free_port,
    hanging_up,
    refusing,
    resetting,
    talking_nonsense,
    twilio,
)

# --- the request (TW-40 to TW-45) -------------------------------------------------------------------------


def faults_by_the_document(form: dict[str, list[str]]) -> list[str]:
    """What Twilio's own OpenAPI document has against a request, field by field."""
    schema = SPEC["request"]
    found = [f"{name} is missing" for name in schema["required"] if name not in form]
    for name, values in form.items():
        known = schema["properties"].get(name)
        if known is None:
            found.append(f"{name} is unknown")
            continue
        if len(values) > 1 and known["type"] != "array":
            found.append(f"{name} stands there {len(values)} times")
        value = values[0]
        if known["type"] == "integer" and not value.isdigit():
            found.append(f"{name} is no integer")
        if not known.get("minLength", 0) <= len(value) <= known.get("maxLength", 1600):
            found.append(f"{name} is too short or too long")
        if "pattern" in known and not re.fullmatch(known["pattern"], value):
            found.append(f"{name} does not match {known['pattern']}")
        if known.get("format") == "phone-number" and not re.fullmatch(r"\+[1-9]\d{7,14}", value):
            found.append(f"{name} is not E.164")
        if known.get("format") == "uri" and not (urlsplit(value).scheme and urlsplit(value).netloc):
            found.append(f"{name} is no address")
    return found


@pytest.mark.parametrize("service", ["", SERVICE])
def test_a_request_is_what_twilios_document_asks_for(stand: Stand, service: str) -> None:
    """OA-4, TW-40: to, body, one sender, our receipt's address, how long it may wait, and the keys."""
    stand.answer = answering(
        201, SPEC["answers"]["createWithMessagingService" if service else "createWoService"]
    )

    accepted = twilio(stand.base, service=service).send(TEXT)

    (request,), (form,) = stand.seen, stand.forms
    sender = {"MessagingServiceSid": [service]} if service else {"From": ["+18605550100"]}
    assert form == {
        "To": [TEXT.to],
        "Body": [TEXT.body],
        "StatusCallback": ["https://texts.example.org/presente/twilio/status/0123abcd"],
        "ValidityPeriod": ["1800"],
        **sender,
    }
    assert faults_by_the_document(form) == []
    assert (request.command, request.path) == ("POST", MESSAGES)
    assert re.fullmatch(SPEC["AccountSid"]["pattern"], ACCOUNT)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert (
        request.headers["Authorization"]
        == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    )
    assert accepted == Accepted("SM" + "a" * 32, "queued")


@pytest.mark.parametrize(
    ("left", "asked"), [(-60, 6), (0, 6), (5, 6), (6, 6), (1800, 1800), (36000, 36000), (90000, 36000)]
)
def test_the_validity_stays_in_what_twilio_takes(stand: Stand, left: int, asked: int) -> None:
    """TW-45."""
    twilio(stand.base).send(Outgoing("t", TEXT.to, TEXT.body, left))

    assert stand.forms[0]["ValidityPeriod"] == [str(asked)]


def test_the_address_of_a_receipt_holds_our_token_and_nothing_about_the_family(stand: Stand) -> None:
    """TW-44, TW-48: addresses land in logs."""
    twilio(stand.base).send(TEXT)

    (callback,) = stand.forms[0]["StatusCallback"]
    assert callback.endswith("/0123abcd")
    assert "860555" not in callback
    assert "_" not in urlsplit(callback).netloc


def test_two_texts_are_two_requests(stand: Stand) -> None:
    provider = twilio(stand.base)

    provider.send(TEXT)
    provider.send(Outgoing("other", "+12035550100", "Hello", 60))

    assert [form["To"] for form in stand.forms] == [[TEXT.to], ["+12035550100"]]


# --- the answer ---------------------------------------------------------------------------------------------


def failure(stand: Stand, seconds: float = 5) -> SendFailed:
    with pytest.raises(SendFailed) as failed:
        twilio(stand.base, seconds=seconds).send(TEXT)
    return failed.value


@pytest.mark.parametrize("status", ["queued", "accepted", "scheduled"])
def test_a_created_message_is_accepted_with_its_id(stand: Stand, status: str) -> None:
    stand.answer = answering(
        201, {**SPEC["answers"]["createWoService"], "sid": "SM" + "1" * 32, "status": status}
    )

    assert twilio(stand.base).send(TEXT) == Accepted("SM" + "1" * 32, status)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 21610),
        (400, 21614),
        (400, 21211),
        (400, 21612),
        (400, 21602),
        (400, 21606),
        (400, 21408),
        (401, 20003),
        (403, 20003),
        (404, 20404),
    ],
)
def test_a_refusal_means_what_the_table_says(stand: Stand, status: int, code: int) -> None:
    """rules.md, 1.9."""
    stand.answer = refusing(status, code)

    refused = failure(stand)

    assert isinstance(refused, Refused)
    assert refused.meaning == meaning.of(str(code))
    assert refused.code == str(code)
    assert len(stand.seen) == 1


@pytest.mark.parametrize("answer", ["as we know it", "without a code of its own"])
def test_a_refusal_nobody_has_listed_marks_no_number_and_no_sender(stand: Stand, answer: str) -> None:
    """TW-55, TW-71."""
    stand.answer = refusing(400, 99999) if answer == "as we know it" else answering(400, "{}")

    refused = failure(stand)

    assert isinstance(refused, Refused)
    assert (refused.meaning.text, refused.meaning.phone, refused.meaning.sender) == (
        TextFate.GONE,
        PhoneFate.UNTOUCHED,
        SenderFate.WELL,
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405])
def test_a_refusal_that_is_not_twilios_is_for_us_to_mend(stand: Stand, status: int) -> None:
    """TW-71: the text waits. A redirect is not followed: it would be posted to whoever stands there."""
    stand.answer = answering(status, "<html>no</html>", "text/html", Location=f"{stand.base}/elsewhere")

    refused = failure(stand)

    assert isinstance(refused, Refused)
    assert (refused.meaning.text, refused.meaning.phone, refused.meaning.sender) == (
        TextFate.WAITS,
        PhoneFate.UNTOUCHED,
        SenderFate.CLOSED,
    )
    assert len(stand.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        refusing(429, 20429),
        answering(429, "Too Many Requests", "text/plain"),
        refusing(400, 21611),
        refusing(503, 20429),
    ],
)
def test_not_now_is_passing(stand: Stand, answer: Answer) -> None:
    """20429 was never processed and 21611 is a full queue: both may be tried later."""
    stand.answer = answer

    assert isinstance(failure(stand), Passing)
    assert len(stand.seen) == 1


NOBODY_KNOWS = {
    "a failure inside": refusing(500, 20500),
    "a failure inside in html": answering(500, "<html>oops</html>", "text/html"),
    "a failure of a gateway": answering(502, "", "text/html"),
    "a service that is away": refusing(503, 20503),
    "an answer too late for its gateway": answering(504, "{}"),
    "a request too slow for its gateway": answering(408, "{}"),
    "a failure in the newer form": answering(
        500,
        {"type": "https://www.twilio.com/docs/errors/20500", "title": "Oops", "status": 500, "code": 20500},
    ),
    "a failure in the newer form, as text": answering(
        500, {"type": "x", "title": "Oops", "status": "500", "code": "20500"}
    ),
    "a failure whose code is a list": answering(500, {"code": [], "message": "?"}),
    "html with success": answering(200, "<html>Welcome to the hotel's network</html>", "text/html"),
    "nothing with success": answering(201, ""),
    "a list with success": answering(201, []),
    "a text with success": answering(201, '"ok"'),
    "null with success": answering(201, "null"),
    "an object without an id": answering(201, {"status": "queued"}),
    "an id that is empty": answering(201, {**SPEC["answers"]["createWoService"], "sid": ""}),
    "success that is not UTF-8": answering(201, b"\xff\xfe{}"),
    "a reset after the text was read": resetting,
    "a connection closed without an answer": hanging_up,
    "half an answer": breaking_off,
    "an answer that is not HTTP": talking_nonsense,
}


@pytest.mark.parametrize("what", NOBODY_KNOWS)
def test_an_answer_that_tells_nothing_is_unknown_and_the_text_is_not_sent_again(
    stand: Stand, what: str
) -> None:
    """TW-43, TW-103, TW-105: exactly one request, whatever came back."""
    stand.answer = NOBODY_KNOWS[what]

    assert isinstance(failure(stand), Unknown)
    assert len(stand.seen) == 1


def test_a_time_out_is_unknown_and_the_text_is_not_sent_again(stand: Stand) -> None:
    """TW-102: the client by itself would wait for ever."""
    stand.answer = lambda _: (stand.release.wait(20), None)[1]

    assert isinstance(failure(stand, seconds=0.2), Unknown)
    assert len(stand.seen) == 1


def test_a_refusal_in_the_newer_form_is_understood(stand: Stand) -> None:
    """TW-105: an RFC 9457 answer is another exception, and not a kind of the first."""
    stand.answer = answering(400, {"type": "x", "title": "No", "status": 400, "code": 21610})

    refused = failure(stand)

    assert isinstance(refused, Refused)
    assert refused.meaning.phone is PhoneFate.OPTED_OUT


def test_where_nobody_listens_nothing_was_sent() -> None:
    """A refused connection is passing: not one byte of the text can have left."""
    with pytest.raises(Passing):
        twilio(f"http://127.0.0.1:{free_port()}").send(TEXT)


@pytest.mark.parametrize("base", ["127.0.0.1:4010", "localhost", "http://", "http://[::1"])
def test_an_address_nobody_can_have_sends_nothing(base: str) -> None:
    with pytest.raises(Passing):
        twilio(base).send(TEXT)


@pytest.mark.parametrize("answer", [refusing(400, 21211), refusing(500, 20500), resetting])
def test_what_failed_is_said_without_number_or_words(stand: Stand, answer: Answer) -> None:
    """PH-3, TW-108: the client's own message holds the address with the account in it."""
    stand.answer = answer

    failed = failure(stand)

    assert failed.__suppress_context__
    for secret in ("555", "Maya", ACCOUNT, TOKEN):
        assert secret not in str(failed)
