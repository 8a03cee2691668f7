"""The stand-in for Twilio, asked by Twilio's own client and by bare HTTP, and listened to by a small server."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bot import clock
from bot.provider.standin import MILD, NONE, WILD, Standin, Trouble, read_book
from bot.provider.standin.carrier import said_in
from bot.provider.standin.posting import Overrides, signature
from bot.provider.standin.rules import Refusal
from bot.provider.standin.trouble import Answer, Dice
from tests.conftest import ROOT

SPEC = json.loads((ROOT / "tests" / "data" / "twilio" / "messages_create.json").read_text(encoding="utf-8"))
ACCOUNT, TOKEN, SERVICE = "AC" + "5" * 32, "the-auth-token", "MG" + "a" * 32
OURS, MOTHER, FATHER = "+12035550100", "+12035550123", "+12035550124"
QUICK = Trouble(status_pause=(0, 0))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def a_standin(**known: Any) -> Standin:
    return Standin(**{"account_sid": ACCOUNT, "auth_token": TOKEN, "number": OURS, "trouble": QUICK, **known})


@pytest.fixture
def standin() -> Iterator[Standin]:
    with a_standin() as standin:
        yield standin


def client(standin: Standin, seconds: float = 5, token: str = TOKEN) -> Client:
    """Twilio's own, with every door led to the stand-in."""
    client = Client(ACCOUNT, token, http_client=TwilioHttpClient(timeout=seconds))
    for part in (client.api, client.messaging, client.lookups):
        part.base_url = standin.url
    return client


def text(standin: Standin, **said: str) -> requests.Response:
    """A create by bare HTTP."""
    form = {"To": MOTHER, "From": OURS, "Body": "Is Maya well?", **said}
    return requests.post(
        f"{standin.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        data={name: value for name, value in form.items() if value is not None},
        auth=(ACCOUNT, TOKEN),
        timeout=5,
    )


def patiently(holds: Callable[[], bool], seconds: float = 5) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.005)


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    form: dict[str, str]
    at: float


class OurSide:
    """Where the stand-in's posts arrive: keeps each, and answers as it is told."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answer: Callable[[Post], tuple[int, str, str]] = lambda _: (200, "text/xml", "<Response/>")
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                said = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
                post = Post(self.path, dict(self.headers.items()), said, time.monotonic())
                ours.posts.append(post)
                status, kind, content = ours.answer(post)
                with contextlib.suppress(ConnectionError):  # who waited may have gone
                    self.send_response(status)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(content.encode())))
                    self.end_headers()
                    self.wfile.write(content.encode())

            def log_message(self, *_: object) -> None:
                """A test says what it must itself."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def statuses(self) -> list[str]:
        return [post.form["MessageStatus"] for post in self.posts]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def ours() -> Iterator[OurSide]:
    ours = OurSide()
    yield ours
    ours.close()


# --- creates ------------------------------------------------------------------------------------------------


def test_a_create_is_answered_with_the_whole_resource_and_is_in_the_book(standin: Standin) -> None:
    """TW-51, TW-57; the shape is that of Twilio's own document."""
    answer = text(standin, Body="¿Está bien Maya? 你好", StatusCallback="http://127.0.0.1:9/t1")

    said, example = answer.json(), SPEC["answers"]["createWoService"]
    assert answer.status_code == 201
    assert said.keys() == example.keys()
    assert {name: type(value) for name, value in said.items() if value is not None} == {
        name: type(example[name])
        for name, value in said.items()
        if value is not None and example[name] is not None
    } | {"price_unit": str}
    assert re.fullmatch(r"SM[0-9a-f]{32}", said["sid"])
    assert said["status"] == "queued"
    assert said["date_sent"] is None
    assert parsedate_to_datetime(said["date_created"]).tzinfo == UTC
    (entry,) = standin.book
    assert (entry.sid, entry.to, entry.body) == (said["sid"], MOTHER, "¿Está bien Maya? 你好")
    assert (entry.sender, entry.status_callback) == (OURS, "http://127.0.0.1:9/t1")
    assert standin.counts.items() >= {"creates": 1, "accepted": 1, "answered": 1}.items()


def test_a_service_has_chosen_no_sender_yet_when_it_answers(standin: Standin) -> None:
    """TW-51, TW-52."""
    created = client(standin).messages.create(to=MOTHER, body="Hi", messaging_service_sid=SERVICE)

    assert (created.status, created.from_, created.num_segments) == ("accepted", None, "0")
    standin.settle()
    later = client(standin).messages(created.sid).fetch()
    assert (later.status, later.from_, later.num_segments) == ("delivered", OURS, "1")
    assert later.date_sent
    assert standin.book[0].sender == SERVICE


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"Body": ""}, 21602),
        ({"From": ""}, 21603),
        ({"To": ""}, 21604),
        ({"To": "+12035550"}, 21211),
        ({"To": "the mother"}, 21211),
        ({"From": "school"}, 21212),
        ({"Body": "a" * 1601}, 21617),
        ({"Body": "a" * 1599 + "👍"}, 21617),
        ({"ScheduleType": "fixed", "SendAt": "2030-01-01T00:00:00Z"}, 35118),
        ({"ScheduleType": "fixed", "From": "", "MessagingServiceSid": SERVICE}, 35111),
        ({"ScheduleType": "fixed", "MessagingServiceSid": SERVICE, "SendAt": "2021-10-22T13:00:00Z"}, 35114),
    ],
)
def test_a_create_that_is_not_whole_is_refused_with_twilios_error(
    standin: Standin, said: dict[str, str], code: int
) -> None:
    """TW-40, TW-41, TW-65."""
    answer = text(standin, **said)

    assert answer.status_code == 400
    assert answer.json() == Refusal(code).body
    assert answer.json().keys() == {"code", "message", "more_info", "status"}
    assert standin.accepted == standin.book == []
    assert standin.counts == {"creates": 1, f"refused_{code}": 1}


@pytest.mark.parametrize("body", ["a" * 1600, "a" * 1598 + "👍"])
def test_a_body_of_exactly_1600_is_taken(standin: Standin, body: str) -> None:
    """TW-41: counted in UTF-16."""
    assert text(standin, Body=body).status_code == 201


@pytest.mark.parametrize(
    ("said", "code"),
    [
        *(
            ({"to": number, "from_": OURS}, code)
            for number, code in (
                ("+15005550001", 21211),
                ("+15005550002", 21612),
                ("+15005550003", 21408),
                ("+15005550004", 21610),
                ("+15005550009", 21614),
            )
        ),
        ({"to": MOTHER, "from_": "+15005550001"}, 21212),
        ({"to": MOTHER, "from_": "+15005550007"}, 21606),
        ({"to": MOTHER, "from_": "+15005550008"}, 21611),
    ],
)
def test_twilios_magic_numbers_refuse_as_they_do_there(
    standin: Standin, said: dict[str, str], code: int
) -> None:
    """TW-109; and TW-105: its client reads the error's code and status."""
    with pytest.raises(TwilioRestException) as refused:
        client(standin).messages.create(body="Hi", **said)

    assert (refused.value.code, refused.value.status) == (code, 400)
    assert standin.book == []


def test_the_magic_numbers_that_work_work(standin: Standin) -> None:
    """TW-109."""
    client(standin).messages.create(body="Hi", to="+15005550006", from_="+15005550006")

    assert [entry.to for entry in standin.book] == ["+15005550006"]


def test_only_senders_of_the_account_may_send_when_they_are_named() -> None:
    with a_standin(owned={OURS, SERVICE}) as standin:
        codes = [
            text(standin, **sender).json().get("code")
            for sender in (
                {"From": OURS},
                {"MessagingServiceSid": SERVICE},
                {"From": "+12035550101"},
                {"MessagingServiceSid": "MG" + "b" * 32},
            )
        ]

    assert codes == [None, None, 21606, 21701]


def test_a_sender_is_refused_for_as_long_as_the_switch_says(standin: Standin) -> None:
    """TW-71."""
    said = []
    for code in (0, 30034, 21606, 0):
        standin.refuses_sender = code
        said.append(text(standin).json().get("code"))

    assert said == [None, 30034, 21606, None]
    assert len(standin.book) == 2


@pytest.mark.parametrize(("account", "token"), [(ACCOUNT, "another"), ("AC" + "6" * 32, TOKEN)])
def test_other_credentials_are_no_credentials(standin: Standin, account: str, token: str) -> None:
    answer = requests.get(
        f"{standin.url}/2010-04-01/Accounts/{ACCOUNT}.json", auth=(account, token), timeout=5
    )

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    with pytest.raises(TwilioRestException) as refused:
        client(standin, token="another").messages.create(to=MOTHER, from_=OURS, body="Hi")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    assert standin.counts == {"unauthorized": 2}


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"&&&=", b"{}", b"To=%FF&Body=%00&From=%ED%A0%80"])
def test_bytes_that_are_no_form_are_refused_and_nothing_breaks(standin: Standin, body: bytes) -> None:
    address = f"{standin.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    answer = requests.post(address, data=body, auth=(ACCOUNT, TOKEN), timeout=5)

    assert answer.status_code == 400
    assert answer.json()["code"] in (21604, 21212)


@given(
    st.fixed_dictionaries(
        {
            "To": st.sampled_from([MOTHER, FATHER, "", "+15005550004"]) | st.text(max_size=20),
            "From": st.sampled_from([OURS, ""]) | st.text(max_size=20),
            "Body": st.text(max_size=40) | st.just("x" * 1601),
            "MessagingServiceSid": st.sampled_from(["", SERVICE]),
        }
    )
)
def test_any_create_is_taken_or_refused_and_the_book_knows(said: dict[str, str]) -> None:
    standin = a_standin()
    refusal = standin.refusal(said, datetime(2021, 10, 22, tzinfo=UTC))
    if refusal:
        assert refusal.body["message"]
    else:
        standin.accept(said, error_code=0, media=0, at=datetime(2021, 10, 22, tzinfo=UTC))

    assert len(standin.book) == (refusal is None)


# --- the list -----------------------------------------------------------------------------------------------


def test_paging_gives_each_text_once_and_ends_even_while_more_arrive(standin: Standin) -> None:
    """TW-60: newest first, following next_page_uri."""
    twilio = client(standin)
    for n in range(7):
        text(standin, Body=f"text {n}")
    text(standin, To=FATHER)

    seen = []
    for message in twilio.messages.stream(to=MOTHER, page_size=3):
        seen.append(message.body)
        if len(seen) < 3:
            text(standin, Body="a newer one")

    assert seen == [f"text {n}" for n in reversed(range(7))]
    assert [m.to for m in twilio.messages.list(page_size=1000)].count(FATHER) == 1
    assert len(twilio.messages.list(from_=OURS, to=FATHER)) == 1
    assert twilio.messages.list(from_="+12035550101") == []


@pytest.mark.parametrize(("asked", "size"), [("", 50), ("20", 20), ("5000", 1000), ("0", 1)])
def test_a_page_is_of_fifty_unless_asked_and_never_more_than_a_thousand(
    standin: Standin, asked: str, size: int
) -> None:
    """TW-60."""
    page = requests.get(
        f"{standin.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageSize={asked}",
        auth=(ACCOUNT, TOKEN),
        timeout=5,
    ).json()

    assert page["page_size"] == size
    assert page["messages"] == []
    assert page["next_page_uri"] is None


def test_what_was_not_sent_yet_is_missing_under_a_date() -> None:
    """TW-60: DateSent is the date of sending; the text itself is there without it."""
    with a_standin(trouble=Trouble(status_pause=(60, 60))) as standin:
        text(standin)
        standin.family_writes(MOTHER, "hello")
        listed = client(standin).messages.list
        day_ago, now = clock.now() - timedelta(days=1), clock.now()

        assert [m.direction for m in listed()] == ["inbound", "outbound-api"]
        assert [m.direction for m in listed(date_sent_after=day_ago)] == ["inbound"]
        assert [m.direction for m in listed(date_sent=now.date())] == ["inbound"]
        assert listed(date_sent_before=day_ago) == []
        with pytest.raises(TwilioException):
            listed(date_sent="yesterday")


def test_a_body_can_be_emptied_and_the_book_keeps_it(standin: Standin) -> None:
    """TW-47."""
    twilio = client(standin)
    sid = text(standin).json()["sid"]

    assert twilio.messages(sid).update(body="").body == ""
    assert twilio.messages(sid).fetch().body == ""
    assert standin.book[0].body == "Is Maya well?"
    with pytest.raises(TwilioRestException):
        twilio.messages(sid).update(body="something else")


def test_a_deleted_text_is_gone_from_the_list(standin: Standin) -> None:
    twilio = client(standin)
    sid = text(standin).json()["sid"]

    assert twilio.messages(sid).delete()
    assert twilio.messages.list() == []
    with pytest.raises(TwilioRestException) as gone:
        twilio.messages(sid).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)


def test_only_a_scheduled_text_can_be_canceled_and_reaches_nobody(standin: Standin) -> None:
    """TW-65."""
    twilio = client(standin)
    created = twilio.messages.create(
        to=MOTHER,
        body="Hi",
        messaging_service_sid=SERVICE,
        schedule_type="fixed",
        send_at=clock.now() + timedelta(hours=1),
    )

    assert created.status == "scheduled"
    assert twilio.messages(created.sid).update(status="canceled").status == "canceled"
    assert standin.book == []
    with pytest.raises(TwilioRestException) as too_late:
        twilio.messages(text(standin).json()["sid"]).update(status="canceled")
    assert too_late.value.code == 30409


# --- what else may be asked ---------------------------------------------------------------------------------


def test_the_account_says_whether_it_is_active(standin: Standin) -> None:
    assert client(standin).api.accounts(ACCOUNT).fetch().status == "active"
    standin.account_status = "suspended"
    assert client(standin).api.accounts(ACCOUNT).fetch().status == "suspended"


def test_a_number_says_where_its_texts_go() -> None:
    with a_standin(
        answer_url="http://127.0.0.1:9/in", fallback_url="http://127.0.0.1:9/b", owned={OURS}
    ) as s:
        (number,) = client(s).incoming_phone_numbers.list(phone_number=OURS)
        assert (number.sms_url, number.sms_fallback_url) == ("http://127.0.0.1:9/in", "http://127.0.0.1:9/b")
        s.incoming_number = {"sms_url": "http://127.0.0.1:9/old"}
        assert client(s).incoming_phone_numbers.list()[0].sms_url == "http://127.0.0.1:9/old"
        assert client(s).incoming_phone_numbers.list(phone_number="+12035550101") == []


def test_a_service_says_where_its_texts_go_and_which_numbers_it_has() -> None:
    """TW-5."""
    with a_standin(answer_url="http://127.0.0.1:9/in", service_sid=SERVICE) as standin:
        services = client(standin).messaging.v1.services
        assert services(SERVICE).fetch().inbound_request_url == "http://127.0.0.1:9/in"
        assert [number.phone_number for number in services(SERVICE).phone_numbers.list()] == [OURS]
        assert services(SERVICE).short_codes.list() == []
        standin.short_codes = ["20355"]
        assert [each.short_code for each in services(SERVICE).short_codes.list()] == ["20355"]
        standin.service = {"inbound_request_url": None, "usecase": "marketing"}
        said = services(SERVICE).fetch()
        assert (said.inbound_request_url, said.usecase) == (None, "marketing")
        with pytest.raises(TwilioRestException) as unknown:
            services("MG" + "b" * 32).fetch()
        assert unknown.value.code == 20404


def test_a_days_deactivated_numbers_stand_in_a_file_elsewhere(standin: Standin) -> None:
    """TW-72: a redirect, to be followed without our credentials."""
    standin.deactivated = {"2021-10-22": [MOTHER, FATHER]}
    address = client(standin).messaging.v1.deactivations().fetch(date=date(2021, 10, 22)).redirect_to

    assert requests.get(address, timeout=5).text == f"{MOTHER}\n{FATHER}\n"
    followed = requests.get(
        f"{standin.url}/v1/Deactivations?Date=2021-10-22", auth=(ACCOUNT, TOKEN), timeout=5
    )
    assert followed.history[0].status_code == 307
    assert followed.text.splitlines() == [MOTHER, FATHER]
    with pytest.raises(TwilioRestException):
        client(standin).messaging.v1.deactivations().fetch(date=date(2021, 10, 23))


def test_a_lookup_knows_the_kind_of_line(standin: Standin) -> None:
    """TW-73."""
    standin.lines = {FATHER: "landline"}
    numbers = client(standin).lookups.v2.phone_numbers

    kinds = [
        numbers(number).fetch(fields="line_type_intelligence").line_type_intelligence["type"]
        for number in (MOTHER, FATHER)
    ]
    assert kinds == ["mobile", "landline"]
    assert numbers(MOTHER).fetch().line_type_intelligence is None
    assert not numbers("+1203").fetch().valid


def test_there_is_nothing_anywhere_else(standin: Standin) -> None:
    answer = requests.get(f"{standin.url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json", timeout=5)

    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


# --- receipts -----------------------------------------------------------------------------------------------


def test_receipts_are_signed_and_follow_the_text(standin: Standin, ours: OurSide) -> None:
    """TW-30, TW-51: nobody is told of the first status."""
    url = f"{ours.url}/twilio/status/0a1b"
    created = client(standin).messages.create(to=MOTHER, from_=OURS, body="Hi", status_callback=url)
    standin.settle()

    assert ours.statuses() == ["sent", "delivered"]
    for post in ours.posts:
        assert post.path == "/twilio/status/0a1b"
        assert RequestValidator(TOKEN).validate(url, post.form, post.headers["X-Twilio-Signature"])
        assert not RequestValidator("another").validate(url, post.form, post.headers["X-Twilio-Signature"])
        assert (post.form["MessageSid"], post.form["To"], post.form["From"]) == (created.sid, MOTHER, OURS)
        assert post.form["AccountSid"] == ACCOUNT
    assert len({post.headers["I-Twilio-Idempotency-Token"] for post in ours.posts}) == 2
    assert standin.counts["receipts_posted"] == 2


def test_a_service_tells_of_its_queue_too(standin: Standin, ours: OurSide) -> None:
    text(standin, From="", MessagingServiceSid=SERVICE, StatusCallback=f"{ours.url}/t")
    standin.settle()

    assert ours.statuses() == ["queued", "sent", "delivered"]
    assert {post.form["MessagingServiceSid"] for post in ours.posts} == {SERVICE}


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=6))
def test_the_signature_is_the_one_twilios_own_check_expects(form: dict[str, str]) -> None:
    """TW-30."""
    url = "https://texts.example.org/twilio/inbound"

    assert signature(TOKEN, url, form) == RequestValidator(TOKEN).compute_signature(url, form)


def test_a_text_that_fails_after_accepting_says_why_and_is_in_no_book(
    standin: Standin, ours: OurSide
) -> None:
    """TW-55."""
    standin.unreachable = {FATHER: 30006}
    sids = [text(standin, To=to, StatusCallback=f"{ours.url}/t").json()["sid"] for to in (MOTHER, FATHER)]
    standin.settle()

    last = {post.form["To"]: post.form for post in ours.posts}
    assert last[FATHER]["MessageStatus"] in ("undelivered", "failed")
    assert last[FATHER]["ErrorCode"] == "30006"
    assert "ErrorCode" not in last[MOTHER]
    assert client(standin).messages(sids[1]).fetch().error_code == 30006
    assert [entry.to for entry in standin.accepted] == [MOTHER, FATHER]
    assert [entry.to for entry in standin.book] == [MOTHER]


def test_dice_can_fail_every_delivery_with_codes_of_carriers(ours: OurSide) -> None:
    with a_standin(trouble=replace(QUICK, delivery_fails=1.0), seed=3) as standin:
        for _ in range(40):
            text(standin, StatusCallback=f"{ours.url}/t")
        standin.settle()

    said = [post.form for post in ours.posts if post.form["MessageStatus"] in ("undelivered", "failed")]
    assert {form["ErrorCode"] for form in said} == {"30003", "30005", "30006", "30007", "30008"}
    assert {form["MessageStatus"] for form in said} == {"undelivered", "failed"}
    assert standin.book == []
    assert len(standin.accepted) == 40


def test_a_repeated_receipt_is_the_same_post_again(ours: OurSide) -> None:
    """TW-24, TW-53."""
    with a_standin(trouble=replace(QUICK, receipts_repeated=1.0)) as standin:
        text(standin, StatusCallback=f"{ours.url}/t")
        standin.settle()

    assert ours.statuses() == ["sent", "sent", "delivered", "delivered"]
    assert len({post.headers["I-Twilio-Idempotency-Token"] for post in ours.posts}) == 2


def test_receipts_can_come_in_the_wrong_order_late_or_never(ours: OurSide) -> None:
    """TW-53."""
    seen = {}
    for name, trouble in {
        "reordered": replace(QUICK, receipts_reordered=1.0),
        "late": replace(QUICK, receipts_delayed=1.0, delay_seconds=(0.1, 0.1)),
        "lost": replace(QUICK, receipts_lost=1.0),
    }.items():
        with a_standin(trouble=trouble) as standin:
            ours.posts.clear()
            text(standin, StatusCallback=f"{ours.url}/t")
            began = time.monotonic()
            standin.settle()
            took = time.monotonic() - began
        seen[name] = (ours.statuses(), took >= 0.08)

    assert seen["reordered"][0] == ["delivered", "sent"]
    assert seen["late"] == (["sent", "delivered"], True)
    assert seen["lost"][0] == []


def test_a_receipt_can_come_before_the_answer(ours: OurSide) -> None:
    """TW-53: only the address of the receipt says then whose it is (TW-44)."""
    with a_standin(trouble=replace(QUICK, receipt_before_answer=1.0, latency=(0.1, 0.1))) as standin:
        text(standin, StatusCallback=f"{ours.url}/t")
        answered = time.monotonic()

    assert ours.posts[0].at < answered - 0.08


def test_a_receipt_comes_after_the_answer_on_a_good_day(ours: OurSide) -> None:
    with a_standin(trouble=Trouble(latency=(0.05, 0.05), status_pause=(0.3, 0.3))) as standin:
        text(standin, StatusCallback=f"{ours.url}/t")
        answered = time.monotonic()
        standin.settle()

    assert ours.posts[0].at > answered


@pytest.mark.parametrize(
    ("fragment", "status", "posts"),
    [
        ("", 500, 1),
        ("#rc=2&rp=ct,rt,5xx", 500, 3),
        ("#rc=5&rp=all", 404, 6),
        ("#rc=2&rp=ct,rt,5xx", 404, 1),
        ("#rc=0&rp=all", 500, 1),
        ("#rc=9&rp=5xx", 500, 2),
    ],
)
def test_a_failing_webhook_is_tried_again_as_its_fragment_says(
    standin: Standin, ours: OurSide, fragment: str, status: int, posts: int
) -> None:
    """TW-20, TW-22: by default an answer of 500 is never tried again."""
    ours.answer = lambda _: (status, "text/plain", "no")
    written = a_family_writes(standin, f"{ours.url}/in{fragment}")

    assert (written.taken, written.tries) == (False, posts)
    assert len(ours.posts) == posts
    assert {post.path for post in ours.posts} == {"/in"}
    assert len({post.headers["I-Twilio-Idempotency-Token"] for post in ours.posts}) == 1


def a_family_writes(standin: Standin, url: str, words: str = "he is sick") -> Any:
    standin.answer_url = url
    return standin.family_writes(MOTHER, words)


def test_nobody_at_the_webhook_is_tried_once_more(standin: Standin) -> None:
    """TW-22."""
    assert a_family_writes(standin, "http://127.0.0.1:1/in").tries == 2
    assert standin.counts["webhooks_failed"] == 1


def test_a_slow_webhook_has_failed_when_its_time_is_over(standin: Standin, ours: OurSide) -> None:
    """TW-20: rt, in milliseconds; and TW-61: we may have stored the text all the same."""

    def slowly(_: Post) -> tuple[int, str, str]:
        time.sleep(1)
        return 200, "text/xml", "<Response/>"

    ours.answer = slowly
    began = time.monotonic()

    assert not a_family_writes(standin, f"{ours.url}/in#rt=100").taken
    assert time.monotonic() - began < 0.9
    assert len(ours.posts) == 1


@given(st.text() | st.from_regex(r"\A(rc|rt|ct|tt|rp)=[0-9a-z,]{0,6}(&(rc|tt|rp)=[0-9a-z,]{0,6})*\Z"))
def test_any_fragment_gives_overrides_within_twilios_bounds(fragment: str) -> None:
    """TW-20."""
    overrides = Overrides.of(fragment)

    assert 0 <= overrides.retries <= 5
    assert 0.1 <= overrides.connect_seconds <= 10
    assert 0.1 <= overrides.read_seconds <= 15
    assert 0.1 <= overrides.total_seconds <= 15


@pytest.mark.parametrize(
    "url", ["https://texts.example.org/t", "http://192.0.2.1/t", "nonsense", "http://[/t"]
)
def test_nothing_is_ever_posted_to_another_machine(standin: Standin, url: str) -> None:
    text(standin, StatusCallback=url)
    standin.settle()

    assert standin.counts["receipts_failed"] == 2
    assert len(standin.book) == 1


# --- families' texts ----------------------------------------------------------------------------------------


def test_a_familys_text_is_posted_signed_and_is_in_the_list(standin: Standin, ours: OurSide) -> None:
    """TW-2, TW-30."""
    written = a_family_writes(standin, f"{ours.url}/twilio/inbound", "está enferma & con fiebre 100%")

    (post,) = ours.posts
    assert written.taken
    assert RequestValidator(TOKEN).validate(
        f"{ours.url}/twilio/inbound", post.form, post.headers["X-Twilio-Signature"]
    )
    assert re.fullmatch(r"SM[0-9a-f]{32}", post.form["MessageSid"])
    assert post.form["MessageSid"] == post.form["SmsSid"] == post.form["SmsMessageSid"] == written.sid
    assert (post.form["From"], post.form["To"], post.form["Body"]) == (
        MOTHER,
        OURS,
        "está enferma & con fiebre 100%",
    )
    assert {"NumSegments", "NumMedia", "SmsStatus", "FromZip", "ToCity", "ApiVersion"} <= post.form.keys()
    assert not {"MessagingServiceSid", "OptOutType", "ErrorCode"} & post.form.keys()
    (listed,) = client(standin).messages.list(to=OURS)
    assert (listed.sid, listed.direction, listed.status) == (written.sid, "inbound", "received")
    assert [*standin.book, *standin.spoken_by_twiml, *standin.warnings] == []


def test_pictures_come_with_their_addresses_and_kinds(standin: Standin, ours: OurSide) -> None:
    standin.answer_url = f"{ours.url}/in"
    written = standin.family_writes(MOTHER, "", media=[("https://media.example/1", "image/jpeg")])

    form = ours.posts[0].form
    assert written.sid.startswith("MM")
    assert (form["Body"], form["NumMedia"]) == ("", "1")
    assert (form["MediaUrl0"], form["MediaContentType0"]) == ("https://media.example/1", "image/jpeg")


def test_after_stop_a_text_is_refused_until_start(standin: Standin, ours: OurSide) -> None:
    """TW-90: Twilio blocks and answers by itself, and we are told all the same."""
    standin.answer_url = f"{ours.url}/in"
    codes = []
    for words in ("hello", " stop ", "Start"):
        standin.family_writes(MOTHER, words)
        codes.append(text(standin).json().get("code"))

    assert codes == [None, 21610, None]
    assert text(standin, To=FATHER).status_code == 201
    assert len(ours.posts) == 3
    assert [to for to, _ in standin.auto_replies] == [MOTHER, MOTHER]


@pytest.mark.parametrize("words", ["STOP PLEASE", "please cancel", "STOP.", "alto", "no"])
def test_only_the_word_alone_stops(standin: Standin, words: str) -> None:
    """TW-91."""
    standin.family_writes(MOTHER, words)

    assert text(standin).status_code == 201
    assert standin.opted_out == set()
    assert standin.auto_replies == []


@pytest.mark.parametrize(
    "word", ["STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"]
)
def test_every_word_of_twilios_stops(standin: Standin, word: str) -> None:
    """TW-90."""
    standin.family_writes(MOTHER, word.lower())

    assert text(standin).json()["code"] == 21610


def test_an_opt_out_holds_for_the_sender_or_for_its_whole_service() -> None:
    """TW-93."""
    by_number, by_service = {}, {}
    with a_standin() as standin:
        standin.family_writes(MOTHER, "STOP")
        by_number = {
            "the number": text(standin).status_code,
            "another number": text(standin, From="+12035550101").status_code,
        }
    with a_standin(service_sid=SERVICE) as standin:
        standin.family_writes(MOTHER, "STOP")
        by_service = {
            "the service": text(standin, From="", MessagingServiceSid=SERVICE).status_code,
            "its number": text(standin).status_code,
            "another number": text(standin, From="+12035550101").status_code,
        }

    assert by_number == {"the number": 400, "another number": 201}
    assert by_service == {"the service": 400, "its number": 400, "another number": 201}


@pytest.mark.parametrize(
    ("service", "advanced", "said"), [("", True, None), (SERVICE, False, None), (SERVICE, True, "STOP")]
)
def test_only_a_service_with_its_own_opt_out_says_what_was_meant(
    ours: OurSide, service: str, advanced: bool, said: str | None
) -> None:
    """TW-2, TW-94."""
    with a_standin(service_sid=service, advanced_opt_out=advanced, answer_url=f"{ours.url}/in") as standin:
        standin.family_writes(MOTHER, "quit")
        standin.family_writes(MOTHER, "I quit")

    assert [post.form.get("OptOutType") for post in ours.posts] == [said, None]
    assert [post.form.get("MessagingServiceSid") for post in ours.posts] == [service or None] * 2


@pytest.mark.parametrize(
    ("kind", "answer", "spoken", "warning"),
    [
        ("text/xml", "<Response></Response>", [], 0),
        ("application/xml", "<?xml version='1.0'?><Response/>", [], 0),
        ("text/plain", "", [], 0),
        ("text/plain", "OK", ["OK"], 0),
        ("text/xml; charset=utf-8", "<Response><Message>Hola</Message></Response>", ["Hola"], 0),
        (
            "text/xml",
            "<Response><Message><Body>a</Body></Message><Message>b</Message></Response>",
            ["a", "b"],
            0,
        ),
        ("text/xml", "<Response><message>small</message></Response>", [], 12200),
        ("text/xml", "<Response><Message>", [], 12100),
        ("text/xml", "<html/>", [], 12100),
        ("text/html", "<html><body>OK</body></html>", [], 12300),
        ("application/json", "{}", [], 12300),
    ],
)
def test_what_an_answer_would_say_to_the_family_is_kept(
    standin: Standin, ours: OurSide, kind: str, answer: str, spoken: list[str], warning: int
) -> None:
    """TW-10, TW-11, TW-12."""
    ours.answer = lambda _: (200, kind, answer)
    written = a_family_writes(standin, f"{ours.url}/in")

    assert [(said.to, said.words) for said in standin.spoken_by_twiml] == [
        (MOTHER, words) for words in spoken
    ]
    assert standin.warnings == ([(warning, written.sid)] if warning else [])


@given(st.sampled_from(["text/xml", "text/plain", "", "image/png"]), st.text())
def test_any_answer_can_be_heard(kind: str, answer: str) -> None:
    words, warning = said_in(kind, answer)

    assert all(isinstance(said, str) for said in words)
    assert warning in (0, 12100, 12200, 12300)


def test_the_fallback_is_asked_once_when_the_first_address_fails(standin: Standin, ours: OurSide) -> None:
    """TW-23, TW-2."""
    ours.answer = lambda post: (503 if post.path == "/in" else 200, "text/xml", "<Response/>")
    standin.fallback_url = f"{ours.url}/spool"
    written = a_family_writes(standin, f"{ours.url}/in#rc=1&rp=5xx")

    assert (written.taken, written.by_fallback) == (True, True)
    assert [post.path for post in ours.posts] == ["/in", "/in", "/spool"]
    first, _, last = (post.form for post in ours.posts)
    assert "ErrorCode" not in first
    assert (last["ErrorCode"], last["ErrorUrl"]) == ("11200", f"{ours.url}/in")
    assert last["MessageSid"] == first["MessageSid"]
    post = ours.posts[-1]
    assert RequestValidator(TOKEN).validate(
        f"{ours.url}/spool", post.form, post.headers["X-Twilio-Signature"]
    )


def test_the_fallback_hears_that_nobody_answered(standin: Standin, ours: OurSide) -> None:
    standin.fallback_url = f"{ours.url}/spool"

    assert a_family_writes(standin, "http://127.0.0.1:1/in").by_fallback
    assert ours.posts[0].form["ErrorCode"] == "11205"


def test_a_service_without_an_address_keeps_nothing(ours: OurSide) -> None:
    """TW-5: it cannot be fetched later either; unless the number's own address is used."""
    with a_standin(service_sid=SERVICE, service={"inbound_request_url": None}) as standin:
        lost = a_family_writes(standin, f"{ours.url}/in")
        assert client(standin).messages.list() == []
        standin.service["use_inbound_webhook_on_number"] = True
        kept = a_family_writes(standin, f"{ours.url}/in")
        assert [m.sid for m in client(standin).messages.list()] == [kept.sid]

    assert (lost.taken, kept.taken) == (False, True)


def test_a_lost_webhook_leaves_the_text_in_the_list(ours: OurSide) -> None:
    """TW-61."""
    with a_standin(trouble=replace(QUICK, webhooks_lost=1.0)) as standin:
        written = a_family_writes(standin, f"{ours.url}/in")
        listed = client(standin).messages.list(to=OURS)

    assert not written.taken
    assert ours.posts == []
    assert [m.sid for m in listed] == [written.sid]


def test_a_repeated_webhook_is_the_same_text_with_the_same_token(ours: OurSide) -> None:
    """TW-24."""
    with a_standin(trouble=replace(QUICK, webhooks_repeated=1.0)) as standin:
        a_family_writes(standin, f"{ours.url}/in")

    first, second = ours.posts
    assert first.form == second.form
    assert first.headers["I-Twilio-Idempotency-Token"] == second.headers["I-Twilio-Idempotency-Token"]


# --- trouble ------------------------------------------------------------------------------------------------


def test_a_text_accepted_before_the_time_out_is_in_the_book(ours: OurSide) -> None:
    """TW-43: its receipt comes, although nobody got the answer."""
    with a_standin(trouble=replace(QUICK, time_out_after_accepting=1.0)) as standin:
        with pytest.raises(requests.exceptions.ReadTimeout):
            client(standin, seconds=0.2).messages.create(
                to=MOTHER, from_=OURS, body="Hi", status_callback=f"{ours.url}/t"
            )
        standin.settle()
        began = time.monotonic()

    assert time.monotonic() - began < 2, "a hanging answer does not keep it from closing"
    assert [entry.to for entry in standin.book] == [MOTHER]
    assert ours.statuses() == ["sent", "delivered"]
    assert standin.counts["hangs"] == 1
    assert "answered" not in standin.counts


@pytest.mark.parametrize(
    ("trouble", "booked"),
    [(replace(QUICK, reset_after_accepting=1.0), 1), (replace(QUICK, reset_before_reading=1.0), 0)],
)
def test_a_reset_leaves_open_whether_the_text_was_accepted(trouble: Trouble, booked: int) -> None:
    # Cut while it still sends, a client reads an end instead of the reset.
    cut = pytest.raises(requests.exceptions.ConnectionError, match=r"reset by peer|without response|Broken")
    with a_standin(trouble=trouble) as standin, cut:
        client(standin).messages.create(to=MOTHER, from_=OURS, body="Hi")

    assert len(standin.book) == booked


def test_a_busy_provider_has_accepted_nothing() -> None:
    busy_day = a_standin(trouble=replace(QUICK, busy=1.0))
    with busy_day as standin, pytest.raises(TwilioRestException) as busy:
        client(standin).messages.create(to=MOTHER, from_=OURS, body="Hi")

    assert (busy.value.status, busy.value.code) == (429, 20429)
    assert standin.accepted == []


def test_more_creates_at_once_than_allowed_are_busy() -> None:
    narrow = a_standin(trouble=replace(QUICK, latency=(0.2, 0.2), most_at_once=3))
    with narrow as standin, ThreadPoolExecutor(8) as pool:
        codes = Counter(answer.status_code for answer in pool.map(lambda _: text(standin), range(8)))

    assert codes == {201: 3, 429: 5}
    assert len(standin.book) == 3


def test_a_failure_inside_has_accepted_some_and_others_not() -> None:
    with a_standin(trouble=replace(QUICK, failed_inside=1.0)) as standin:
        statuses = {text(standin, Body=f"text {n}").status_code for n in range(40)}

    assert statuses == {500, 503}
    assert 5 < len(standin.book) < 35


@pytest.mark.parametrize("trouble", [replace(QUICK, html_with_200=1.0), replace(QUICK, nonsense_json=1.0)])
def test_an_answer_nobody_can_read_was_accepted_all_the_same(trouble: Trouble) -> None:
    """TW-105: Twilio's client fails in ways of its own, or hands out a text without an id."""
    with a_standin(trouble=trouble) as standin:
        twilio = client(standin)
        for _ in range(10):
            try:
                created = twilio.messages.create(to=MOTHER, from_=OURS, body="Hi")
            except (ValueError, AttributeError, TypeError):
                continue
            assert not created.sid

    assert len(standin.book) == 10
    assert "answered" not in standin.counts


def test_a_refusal_is_a_refusal_on_the_worst_of_days() -> None:
    """What was never accepted is in no book, whatever becomes of the answer."""
    with a_standin(trouble=replace(WILD, latency=(0, 0), long_latency=0, busy=0), seed=5) as standin:
        for _ in range(30):
            try:
                text(standin, To="+15005550001")
            except requests.exceptions.ConnectionError:
                continue

    assert standin.accepted == []


def test_questions_go_wrong_too(standin: Standin) -> None:
    text(standin)
    standin.trouble = replace(QUICK, questions_fail=1.0)
    seen: Counter[str] = Counter()
    for _ in range(30):
        try:
            client(standin).messages.list()
        except Exception as wrong:  # noqa: BLE001 - each kind of failure, by name
            seen[type(wrong).__name__] += 1

    assert seen.total() == 30
    assert seen.keys() >= {"ConnectionError", "TwilioException"}


def test_the_answer_takes_as_long_as_it_is_told() -> None:
    with a_standin(trouble=replace(QUICK, latency=(0.1, 0.1))) as standin:
        began = time.monotonic()
        text(standin)
        took = time.monotonic() - began

    assert 0.1 <= took < 1


def test_one_seed_makes_the_same_decisions() -> None:
    one, again, other = ([dice.fate(WILD) for _ in range(200)] for dice in (Dice(7), Dice(7), Dice(8)))

    assert one == again
    assert one != other
    assert {fate.answer for fate in one} == set(Answer)


def test_one_seed_gives_the_same_book_through_the_wire() -> None:
    quick = replace(WILD, latency=(0, 0), long_latency=0, hang_seconds=0, receipt_before_answer=0)
    books = []
    for _ in range(2):
        with a_standin(trouble=quick, seed=11) as standin:
            for n in range(60):
                try:
                    text(standin, Body=f"text {n}")
                except requests.exceptions.ConnectionError:
                    continue
        counts = {name: count for name, count in standin.counts.items() if "receipt" not in name}
        books.append(([entry.body for entry in standin.book], counts))

    assert books[0] == books[1]
    assert 20 < len(books[0][0]) < 60


def test_questions_in_between_change_no_creates_fate() -> None:
    alone, disturbed = Dice(7), Dice(7)
    fates = []
    for _ in range(50):
        disturbed.mood(WILD)
        disturbed.webhook(WILD)
        fates.append(disturbed.fate(WILD))

    assert fates == [alone.fate(WILD) for _ in range(50)]


def test_another_trouble_reads_the_same_dice() -> None:
    """A text whose answer was plain on a wild day has a plain one on a good day, and the same latency's place."""
    wild, none = Dice(7), Dice(7)
    for _ in range(100):
        on_a_wild_day, on_a_good_day = wild.fate(WILD), none.fate(NONE)
        assert on_a_good_day.answer is Answer.GIVEN
        assert on_a_good_day.error_code == 0
        assert on_a_wild_day.nonsense == on_a_good_day.nonsense


@pytest.mark.parametrize("trouble", [NONE, MILD, WILD])
def test_the_dice_follow_the_chances(trouble: Trouble) -> None:
    dice, thrown = Dice(1), 4000
    fates = [dice.fate(trouble) for _ in range(thrown)]

    busy = sum(fate.answer is Answer.BUSY for fate in fates) / thrown
    failing = sum(fate.error_code > 0 for fate in fates) / thrown
    assert busy == pytest.approx(trouble.busy, abs=0.02)
    assert failing == pytest.approx(trouble.delivery_fails, abs=0.02)
    assert all(
        fate.accepted
        for fate in fates
        if fate.answer in (Answer.GIVEN, Answer.HANGS, Answer.RESET, Answer.HTML)
    )
    assert not any(fate.accepted for fate in fates if fate.answer in (Answer.BUSY, Answer.RESET_BEFORE))


@pytest.mark.parametrize(
    "chances", [{"busy": 1.5}, {"receipts_lost": -0.1}, {"busy": 0.6, "failed_inside": 0.6}]
)
def test_chances_that_are_none_are_refused(chances: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="chance"):
        Trouble(**chances)  # type: ignore[arg-type]


# --- many at once, and standing beside ----------------------------------------------------------------------


def test_two_thousand_creates_in_thirty_two_threads_are_each_booked_once(tmp_path: Path) -> None:
    pool = urllib3.PoolManager(maxsize=32)
    pair = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
    with a_standin(book_file=tmp_path / "book.jsonl") as standin, ThreadPoolExecutor(32) as threads:
        address = f"{standin.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"

        def create(n: int) -> str:
            form = urlencode({"To": MOTHER, "From": OURS, "Body": f"text {n}"})
            return str(pool.request("POST", address, body=form, headers=headers).json()["sid"])

        sids = list(threads.map(create, range(2000)))
    pool.clear()

    assert sorted(entry.sid for entry in standin.book) == sorted(sids)
    assert sorted(entry.body for entry in standin.book) == sorted(f"text {n}" for n in range(2000))
    assert len(set(sids)) == 2000
    assert read_book(tmp_path / "book.jsonl") == standin.book
    assert standin.counts == {"creates": 2000, "accepted": 2000, "answered": 2000}


def test_a_line_of_the_book_that_was_never_finished_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "book.jsonl"
    with a_standin(book_file=file) as standin:
        text(standin)
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole + whole[:40], encoding="utf-8")

    assert read_book(file) == standin.book
    assert read_book(tmp_path / "none.jsonl") == []


def test_a_provider_that_was_away_comes_back_with_all_it_knew() -> None:
    standin = a_standin()
    standin.start()
    address = standin.url
    text(standin, Body="before")
    standin.close()
    with pytest.raises(requests.exceptions.ConnectionError):
        text(standin)
    with standin:
        assert standin.url == address
        text(standin, Body="after")
        assert [m.body for m in client(standin).messages.list()] == ["after", "before"]

    assert [entry.body for entry in standin.book] == ["before", "after"]


def test_an_address_that_is_taken_is_an_error_at_the_start(standin: Standin) -> None:
    with pytest.raises(OSError, match="address already in use"):
        a_standin(listen=standin.url.removeprefix("http://")).start()


@pytest.fixture
def process(tmp_path: Path, ours: OurSide) -> Iterator[subprocess.Popen[str]]:
    """The command, as a process of its own."""
    command = "from bot.cli.standin import standin_command; standin_command()"
    options = f"--seed 3 --latency-ms 20 --account {ACCOUNT} --token {TOKEN} --book {tmp_path}/book.jsonl"
    process = subprocess.Popen(  # noqa: S603 - our own words only
        [sys.executable, "-c", command, *options.split(), "--answer-url", f"{ours.url}/in"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    yield process
    process.kill()
    process.communicate()


def test_it_stands_as_a_process_of_its_own_and_stops_at_a_signal(
    process: subprocess.Popen[str], ours: OurSide, tmp_path: Path
) -> None:
    assert process.stdout
    url = process.stdout.readline().strip()
    elsewhere = a_standin()
    elsewhere._host, _, port = url.removeprefix("http://").partition(":")
    elsewhere._port = int(port)
    began = time.monotonic()
    sid = text(elsewhere, StatusCallback=f"{ours.url}/t").json()["sid"]

    assert time.monotonic() - began >= 0.02
    patiently(lambda: len(ours.posts) == 2)
    assert json.loads(requests.get(f"{url}/book", timeout=5).text)["sid"] == sid
    assert requests.get(f"{url}/counts", timeout=5).json()["accepted"] == 1
    family = {"number": MOTHER, "words": "no tenemos carro"}
    assert requests.post(f"{url}/family", data=family, timeout=5).json()["taken"]
    assert ours.posts[-1].form["Body"] == "no tenemos carro"
    assert requests.get(f"{url}/spoken", timeout=5).json() == []
    assert requests.post(f"{url}/switch", data={"refuses_sender": "30034"}, timeout=5).status_code == 204
    assert text(elsewhere).json()["code"] == 30034
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (0, "", "")
    assert [entry.sid for entry in read_book(tmp_path / "book.jsonl")] == [sid]
