"""HTTP under Twilio's client: connections, proxies, certificates, and nothing in the logs."""

import base64
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

import pytest

from bot.provider import NotTold, Outgoing, Passing, Refused, SendFailed, Unknown
from tests.twilio.stand import (
    CERTIFICATE,
    MESSAGES,
    SINCE,
    TEXT,
    Answer,
    Stand,
    answering,
    free_port,
    hanging_up,
    refusing,
    resetting,
    twilio,
)


def raised(error: Exception) -> NoReturn:
    raise error


def test_texts_one_after_another_share_a_connection(stand: Stand) -> None:
    provider = twilio(stand.base)

    for _ in range(5):
        provider.send(TEXT)
    stand.answer = refusing(400, 21610)
    with pytest.raises(Refused):
        provider.send(TEXT)

    assert len(stand.seen) == 6
    assert stand.server.connections == 1


def test_as_many_threads_as_send_share_as_many_connections(stand: Stand) -> None:
    """TW-106: one client for all of them, and each text is handed over once."""
    provider = twilio(stand.base, at_once=8)

    with ThreadPoolExecutor(8) as senders:
        numbers = [f"+120355501{n:02}" for n in range(100)]
        list(senders.map(lambda number: provider.send(Outgoing("t", number, "Hello", 60)), numbers))

    assert sorted(form["To"][0] for form in stand.forms) == numbers
    assert stand.server.connections <= 8


def test_more_threads_than_connections_still_send_everything(stand: Stand) -> None:
    provider = twilio(stand.base, at_once=1)

    with ThreadPoolExecutor(6) as senders:
        list(senders.map(lambda _: provider.send(TEXT), range(30)))

    assert len(stand.seen) == 30


@pytest.mark.parametrize("answer", ["given", "with a broken header"])
def test_nothing_of_a_family_is_logged(stand: Stand, caplog: pytest.LogCaptureFixture, answer: str) -> None:
    """TW-108: the library logs each address and header, and a list's address holds a number."""
    provider = twilio(stand.base)
    if answer == "with a broken header":
        stand.answer = answering(200, {"messages": []}, **{"Broken header": "x", "Connection": "close"})
    with caplog.at_level(logging.INFO):
        for ask in (
            lambda: provider.send(TEXT),
            lambda: provider.sent_to(TEXT.to, SINCE),
            lambda: provider.line(TEXT.to),
        ):
            with suppress(SendFailed, NotTold):
                ask()

    assert len(stand.seen) == 3
    assert [record.getMessage() for record in caplog.records if "555" in record.getMessage()] == []
    assert "Maya" not in caplog.text


def test_a_name_nobody_has_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: raised(socket.gaierror(8, "no such name")))

    with pytest.raises(Passing):
        twilio("http://nobody.invalid").send(TEXT)


@pytest.fixture
def behind_a_proxy(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The stand is the proxy that the environment names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("http_proxy", stand.base.replace("http://", "http://office:secret@"))
    monkeypatch.setenv("https_proxy", stand.base)
    return stand


def test_the_environments_proxy_is_used(behind_a_proxy: Stand) -> None:
    assert twilio("http://api.twilio.invalid").send(TEXT).status == "queued"

    (request,) = behind_a_proxy.seen
    assert request.path == f"http://api.twilio.invalid{MESSAGES}"
    assert request.headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"office:secret").decode()


def test_a_host_that_needs_no_proxy_gets_none(behind_a_proxy: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")

    twilio(behind_a_proxy.base).send(TEXT)

    assert behind_a_proxy.seen[0].path == MESSAGES


@pytest.mark.parametrize("cut", [resetting, hanging_up])
def test_a_proxy_that_is_cut_off_after_reading_leaves_it_unknown(behind_a_proxy: Stand, cut: Answer) -> None:
    """It may have passed the text on."""
    behind_a_proxy.answer = cut

    with pytest.raises(Unknown):
        twilio("http://api.twilio.invalid").send(TEXT)


def test_a_proxy_that_opens_no_tunnel_has_sent_nothing(behind_a_proxy: Stand) -> None:
    """It says so before a byte of the text has left."""
    with pytest.raises(Passing):
        twilio("https://api.twilio.invalid").send(TEXT)


def test_a_proxy_that_is_away_has_sent_nothing(
    behind_a_proxy: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Passing):
        twilio("https://api.twilio.invalid").send(TEXT)


def test_whoever_has_no_certificate_we_trust_gets_nothing(secure_stand: Stand) -> None:
    """A hotel's network answers for everybody."""
    with pytest.raises(Passing):
        twilio(secure_stand.base).send(TEXT)

    assert secure_stand.seen == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_district_may_name_whom_to_trust(
    secure_stand: Stand, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Districts look into what leaves, with a certificate of their own."""
    for each in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, str(CERTIFICATE))

    assert twilio(secure_stand.base).send(TEXT).status == "queued"
