"""The Twilio adapter against a server that speaks Messages.json, and the check of Twilio's signatures."""

import base64
import hashlib
import hmac
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from bot.provider import Accepted, Fault, Outgoing, Passing, Refused, SendFailed, Unknown
from bot.provider.twilio import Signatures, Twilio
from tests.conftest import ROOT

SPEC = json.loads((ROOT / "tests" / "data" / "twilio" / "messages_create.json").read_text(encoding="utf-8"))
ACCOUNT, TOKEN, SERVICE = "AC" + "5" * 32, "the-auth-token", "MG" + "a" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
TEXT = Outgoing("0123abcd", "+18605550123", "Buenos días: ¿está bien Maya? 100% & más", 1800)


class Stand:
    """Stands in for Twilio: keeps every request, and answers as it is told."""

    def __init__(self) -> None:
        self.seen: list[BaseHTTPRequestHandler] = []
        self.forms: list[dict[str, list[str]]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = answering(
            201, SPEC["answers"]["createWoService"]
        )
        self.release = threading.Event()
        stand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                stand.seen.append(self)
                stand.forms.append(parse_qs(body, keep_blank_values=True, strict_parsing=bool(body)))
                stand.answer(self)

            do_GET = do_POST  # noqa: N815 - the name is the server's

            def log_message(self, *_: object) -> None:
                """A test says what it must itself."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


def answering(
    status: int, body: Any, content_type: str = "application/json", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {
            **headers,
            "Content-Type": content_type,
            "Content-Length": str(len(content)),
        }.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def refusing(status: int, code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """An error as Twilio words it."""
    said = {
        "code": code,
        "message": "No.",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return answering(status, said)


def resetting(request: BaseHTTPRequestHandler) -> None:
    """The text was read, and the connection is cut instead of an answer."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.close_connection = True
    request.connection.close()


def hanging_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


def breaking_off(request: BaseHTTPRequestHandler) -> None:
    request.send_response(201)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "4000")
    request.end_headers()
    request.wfile.write(b'{"sid": "SM')
    request.close_connection = True


def talking_nonsense(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    request.close_connection = True


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setenv("NO_PROXY", "*")
    stand = Stand()
    yield stand
    stand.close()


def twilio(base: str, *, service: str = "", seconds: float = 5, account: str = ACCOUNT) -> Twilio:
    return Twilio(
        account_sid=account,
        auth_token=TOKEN,
        sender="+18605550100",
        messaging_service=service,
        callback_base="https://texts.example.org/presente",
        api_base=base,
        seconds=seconds,
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
    ("status", "code", "fault"),
    [
        (400, 21610, Fault.OPTED_OUT),
        (400, 21614, Fault.LANDLINE),
        (400, 21635, Fault.LANDLINE),
        (400, 21211, Fault.DEAD),
        (400, 21265, Fault.DEAD),
        (400, 21612, Fault.DEAD),
        (400, 21602, Fault.CONTENT),
        (400, 21617, Fault.CONTENT),
        (400, 21606, Fault.SENDER),
        (400, 21603, Fault.SENDER),
        (400, 21608, Fault.SENDER),
        (400, 21408, Fault.SENDER),
        (400, 21703, Fault.SENDER),
        (401, 20003, Fault.SENDER),
        (403, 20003, Fault.SENDER),
        (404, 20404, Fault.SENDER),
        (400, 99999, Fault.SENDER),
    ],
)
def test_a_refusal_says_whose_fault_it_is(stand: Stand, status: int, code: int, fault: Fault) -> None:
    """rules.md, 1.9. What is ours, or what nobody knows, marks no family's number (TW-55, TW-71)."""
    stand.answer = refusing(status, code)

    refused = failure(stand)

    assert isinstance(refused, Refused)
    assert (refused.fault, refused.code) == (fault, str(code))
    assert len(stand.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 405])
def test_a_refusal_that_is_no_json_is_the_senders(stand: Stand, status: int) -> None:
    """A redirect is not followed: the text would be posted to whoever stands there."""
    stand.answer = answering(status, "<html>no</html>", "text/html", Location=f"{stand.base}/elsewhere")

    refused = failure(stand)

    assert isinstance(refused, Refused)
    assert refused.fault is Fault.SENDER
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
def test_not_now_is_passing(stand: Stand, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
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
    "success that is not UTF-8": answering(201, "\xff\xfe"),
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
    assert refused.fault is Fault.OPTED_OUT


def test_where_nobody_listens_nothing_was_sent() -> None:
    """A refused connection is passing: not one byte of the text can have left."""
    with socket.socket() as empty:
        empty.bind(("127.0.0.1", 0))
        port = empty.getsockname()[1]

    with pytest.raises(Passing):
        twilio(f"http://127.0.0.1:{port}").send(TEXT)


@pytest.mark.parametrize("base", ["127.0.0.1:4010", "localhost", "http://", "http://[::1"])
def test_an_address_nobody_can_have_sends_nothing(base: str) -> None:
    with pytest.raises(Passing):
        twilio(base).send(TEXT)


@pytest.mark.parametrize("answer", [refusing(400, 21211), refusing(500, 20500), resetting])
def test_what_failed_is_said_without_number_or_words(
    stand: Stand, answer: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """PH-3, TW-108: the client's own message holds the address with the account in it."""
    stand.answer = answer

    failed = failure(stand)

    assert failed.__suppress_context__
    for secret in ("555", "Maya", ACCOUNT, TOKEN):
        assert secret not in str(failed)


# --- is all well? -------------------------------------------------------------------------------------------


def test_an_active_account_has_no_trouble(stand: Stand) -> None:
    stand.answer = answering(200, {"sid": ACCOUNT, "status": "active", "type": "Full"})

    assert twilio(stand.base).trouble() == ""
    assert stand.seen[0].path == f"/2010-04-01/Accounts/{ACCOUNT}.json"
    assert stand.seen[0].command == "GET"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusing(401, 20003), "PRESENTE_TWILIO_AUTH_TOKENS (401)"),
        (refusing(404, 20404), "PRESENTE_TWILIO_ACCOUNT_SID"),
        (answering(200, {"sid": ACCOUNT, "status": "suspended"}), "suspended"),
        (answering(200, "<html>hotel</html>", "text/html"), "PRESENTE_TWILIO_ACCOUNT_SID"),
        (answering(200, []), "PRESENTE_TWILIO_ACCOUNT_SID"),
        (resetting, "PRESENTE_TWILIO_ACCOUNT_SID"),
    ],
)
def test_trouble_is_one_sentence_that_names_the_settings(
    stand: Stand, answer: Callable[[BaseHTTPRequestHandler], None], words: str
) -> None:
    stand.answer = answer

    said = twilio(stand.base).trouble()

    assert words in said
    assert "\n" not in said
    assert TOKEN not in said


def test_a_posting_provider_has_no_receipts_to_fetch() -> None:
    assert list(twilio("http://127.0.0.1:9").receipts()) == []


# --- signatures (TW-30 to TW-37) ----------------------------------------------------------------------------

URL = "https://texts.example.org/twilio/inbound"
FORM = MultiDict(
    [("MessageSid", "SM" + "1" * 32), ("From", "+18605550123"), ("Body", " Está enferma & más "), ("A", "")]
)


def sign(url: str, pairs: list[tuple[str, str]], token: str = TOKEN) -> str:
    """As Twilio describes it: the address, then each name and distinct value, sorted (TW-30)."""
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def pairs(form: MultiDict[str, str]) -> list[tuple[str, str]]:
    return list(form.items(multi=True))


def test_the_published_example_is_signed() -> None:
    """TW-31: the vector of Twilio's own documentation."""
    form = MultiDict(
        {
            "CallSid": "CA1234567890ABCDE",
            "Caller": "+14158675309",
            "Digits": "1234",
            "From": "+14158675309",
            "To": "+18005551212",
        }
    )
    url, signature = "https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="

    assert Signatures(["12345"]).signed(url, form, signature)
    assert sign(url, pairs(form), "12345") == signature


def test_what_twilio_signed_is_taken() -> None:
    assert Signatures([TOKEN]).signed(URL, FORM, sign(URL, pairs(FORM)))


@pytest.mark.parametrize(
    "url", [URL, URL.replace("org", "org:443"), URL.replace("https", "http").replace("org", "org:80")]
)
def test_the_standard_port_may_be_written_or_not(url: str) -> None:
    """TW-31."""
    bare = url.replace(":443", "").replace(":80", "")
    port = "443" if url.startswith("https") else "80"
    with_port = bare.replace("org", f"org:{port}")

    for signed_url in (bare, with_port):
        assert Signatures([TOKEN]).signed(url, FORM, sign(signed_url, pairs(FORM)))


def test_a_repeated_parameter_counts_once_for_each_value() -> None:
    """TW-30."""
    form = MultiDict([("Media", "b"), ("Media", "a"), ("Media", "b")])

    assert Signatures([TOKEN]).signed(URL, form, sign(URL, [("Media", "a"), ("Media", "b")]))
    assert not Signatures([TOKEN]).signed(URL, form, sign(URL, [("Media", "b")]))


def test_parameters_nobody_knows_are_part_of_the_signature() -> None:
    """TW-3: never refused, and never left out."""
    form = MultiDict([*pairs(FORM), ("SomethingNew", "1")])

    assert Signatures([TOKEN]).signed(URL, form, sign(URL, pairs(form)))
    assert not Signatures([TOKEN]).signed(URL, form, sign(URL, pairs(FORM)))


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        (URL, FORM, None),
        (URL, FORM, ""),
        (URL, FORM, "=" * 28),
        (URL, FORM, sign(URL, pairs(FORM), "another token")),
        (URL, FORM, sign(URL, pairs(FORM), "")),
        (URL, FORM, sign(URL, pairs(FORM)).lower()),
        (URL, FORM, sign(URL, pairs(FORM)) + " "),
        (URL, FORM, sign(URL, pairs(FORM))[:-1]),
        (URL + "/", FORM, sign(URL, pairs(FORM))),
        (URL + "?a=1", FORM, sign(URL, pairs(FORM))),
        (URL.replace("https", "http"), FORM, sign(URL, pairs(FORM))),
        (URL.replace("texts", "evil"), FORM, sign(URL, pairs(FORM))),
        (URL, MultiDict([*pairs(FORM), ("OptOutType", "STOP")]), sign(URL, pairs(FORM))),
        (URL, MultiDict(pairs(FORM)[1:]), sign(URL, pairs(FORM))),
        (URL, MultiDict((n, v.strip()) for n, v in pairs(FORM)), sign(URL, pairs(FORM))),  # TW-35
        (URL, MultiDict(), sign(URL, pairs(FORM))),
        (URL, '{"Body": "x"}', sign(URL, [])),  # JSON without bodySHA256 in the address (TW-32)
        (URL, {"Body": ["a", "b"]}, sign(URL, [("Body", "a")])),  # list values
        (URL, {"Body": [["a"]]}, sign(URL, [])),
        (URL, 42, sign(URL, [])),
        (URL, FORM, "ünïcode"),
        (URL, FORM, "\ud800"),
        ("https://[::1/twilio", FORM, sign("https://[::1/twilio", pairs(FORM))),
        ("https://texts.example.org:port/twilio", FORM, "x" * 28),
        ("\ud800", FORM, "x" * 28),
    ],
)
def test_a_forged_post_is_a_no_and_never_an_error(url: str, form: Any, signature: str | None) -> None:
    """TW-32."""
    assert Signatures([TOKEN]).signed(url, form, signature) is False


@pytest.mark.parametrize("url", ["https://[2001:db8::7]:8443/twilio/inbound", "https://[::1]/twilio/inbound"])
def test_a_host_of_ipv6_does_not_break_the_check(url: str) -> None:
    """TW-32: the library cuts such an address in pieces."""
    assert Signatures([TOKEN]).signed(url, FORM, sign(url, pairs(FORM)))
    assert not Signatures([TOKEN]).signed(url, FORM, sign(url, pairs(FORM), "another token"))


def test_both_tokens_are_taken_while_one_replaces_the_other() -> None:
    """TW-36."""
    during, after = Signatures(["new", "old"]), Signatures(["new"])

    for token in ("new", "old"):
        assert during.signed(URL, FORM, sign(URL, pairs(FORM), token))
    assert after.signed(URL, FORM, sign(URL, pairs(FORM), "new"))
    assert not after.signed(URL, FORM, sign(URL, pairs(FORM), "old"))


@pytest.mark.parametrize("tokens", [[], [""], ["", ""]])
def test_without_a_token_nobody_can_have_signed(tokens: list[str]) -> None:
    """An empty token would be a key that everybody has."""
    assert not Signatures(tokens).signed(URL, FORM, sign(URL, pairs(FORM), ""))


@given(
    url=st.text() | st.just(URL),
    form=st.one_of(
        st.none(),
        st.text(),
        st.binary(),
        st.integers(),
        st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.none()),
        st.lists(st.tuples(st.text(), st.text())).map(MultiDict),
    ),
    signature=st.none() | st.text(),
)
def test_whatever_is_posted_the_check_says_yes_or_no(url: str, form: Any, signature: str | None) -> None:
    assert Signatures([TOKEN, "old"]).signed(url, form, signature) is False


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=8))
def test_whatever_a_family_writes_its_signature_holds(written: list[tuple[str, str]]) -> None:
    form = MultiDict(written)

    assert Signatures([TOKEN]).signed(URL, form, sign(URL, pairs(form)))
