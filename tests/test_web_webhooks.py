"""The provider's posts: signed or refused, stored once, never lost, answered with nothing to say."""

import base64
import errno
import hashlib
import hmac
import io
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
import structlog
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from app import log_to_stderr
from bot import arrivals, counters, delivery, spool
from bot.advance import Script
from bot.provider.twilio import Signatures
from bot.store.session import Database, connect
from bot.store.tables import ConsentEvent, Delivery, InboundText, OutboundText, Phone, Receipt
from bot.understanding import Understanding
from bot.web.webhooks import Webhooks
from tests.town import Town
from tests.web import PUBLIC, a_family, pages

TOKEN = "the account's auth token"
FORM = "application/x-www-form-urlencoded"
EMPTY = "<Response></Response>"


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


@pytest.fixture
def client(town: Town) -> FlaskClient:
    return pages(town, signed_by=Signatures([TOKEN]).signed_pairs).test_client()


def signature(url: str, form: MultiDict[str, str], token: str = TOKEN) -> str:
    """As the provider makes it (TW-30): the address, then every name with its distinct values, sorted."""
    signed = url + "".join(
        name + value for name in sorted(set(form)) for value in sorted(set(form.getlist(name)))
    )
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def a_post(**changed: str) -> MultiDict[str, str]:
    form = {
        "MessageSid": "SM" + "1" * 32,
        "SmsSid": "SM" + "1" * 32,
        "AccountSid": "AC" + "0" * 32,
        "From": "+12035550100",
        "To": "+12035550199",
        "Body": "está enferma",
        "NumMedia": "0",
        "NumSegments": "1",
    }
    return MultiDict({**form, **changed})


def send(
    client: FlaskClient,
    form: MultiDict[str, str],
    path: str = "/twilio/inbound",
    *,
    url: str = "",
    token: str = TOKEN,
    more_headers: Mapping[str, str] = MappingProxyType({}),
    **more: Any,
) -> TestResponse:
    headers = {"X-Twilio-Signature": signature(url or PUBLIC + path, form, token), **more_headers}
    return client.post(
        path, data=urlencode(list(form.items(multi=True))), content_type=FORM, headers=headers, **more
    )


def asked(town: Town, environ: dict[str, Any], pages_too: Any = None) -> tuple[str, bytes]:
    """Ask the webhooks themselves, without Flask in front or behind: status and body."""
    parts = pages(town, signed_by=Signatures([TOKEN]).signed_pairs).wsgi_app._parts  # type: ignore[attr-defined]
    whole = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/twilio/inbound",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        **environ,
    }
    setup_testing_defaults(whole)
    statuses: list[str] = []

    def start(status: str, _headers: list[tuple[str, str]], _wrong: Any = None) -> Any:
        statuses.append(status)

    webhooks = Webhooks(parts, pages_too or _no_pages)
    # The protocol's own checker refuses such a request by itself.
    sound = re.fullmatch("[0-9]+", environ.get("CONTENT_LENGTH", "0")) is not None
    answer = (validator(webhooks) if sound else webhooks)(whole, start)
    body = b"".join(answer)
    if sound:
        answer.close()  # type: ignore[attr-defined]
    return statuses[0], body


def a_request(form: MultiDict[str, str]) -> dict[str, Any]:
    """A signed post as a server hands it to the webhooks."""
    body = urlencode(list(form.items(multi=True))).encode()
    return {
        "CONTENT_TYPE": FORM,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_X_TWILIO_SIGNATURE": signature(f"{PUBLIC}/twilio/inbound", form),
        "wsgi.input": io.BytesIO(body),
    }


def _no_pages(_environ: Any, _start: Any) -> list[bytes]:
    raise AssertionError("the pages were asked")


def stored(town: Town) -> list[InboundText]:
    with town.database.begin() as session:
        return list(session.scalars(select(InboundText).order_by(InboundText.id)))


def counted(town: Town) -> dict[str, int]:
    with town.database.begin() as session:
        return counters.totals(session)


def refusals(town: Town) -> int:
    return counted(town).get("webhook_refused", 0)


# --- a family's text ---------------------------------------------------------------------------------


def test_a_signed_text_is_stored_as_it_came_and_nothing_is_said(town: Town, client: FlaskClient) -> None:
    answer = send(client, a_post(Body="  está enferma 🤒\n", NumMedia="2"))

    assert (answer.status_code, answer.text) == (200, EMPTY)  # TW-10, TW-14
    assert answer.mimetype == "text/xml"
    (text,) = stored(town)
    assert (text.sender, text.words, text.media_count) == ("+12035550100", "  está enferma 🤒\n", 2)
    assert text.handled_at is None, "understanding comes after the answer (TW-25)"


def test_the_worker_is_told_after_the_text_is_committed(town: Town) -> None:
    seen: list[int] = []
    client = pages(
        town, signed_by=Signatures([TOKEN]).signed_pairs, wake=lambda: seen.append(len(stored(town)))
    ).test_client()

    send(client, a_post())

    assert seen == [1]


def test_a_repeated_post_changes_nothing(town: Town, client: FlaskClient) -> None:
    first, again = send(client, a_post()), send(client, a_post())  # TW-24, TW-37

    assert first.status_code == again.status_code == 200
    assert len(stored(town)) == 1


def test_a_repeated_webhook_is_known_by_its_token_too(town: Town, client: FlaskClient) -> None:
    """TW-24: every try of one webhook carries the same token."""
    again = {"I-Twilio-Idempotency-Token": "the-same"}
    send(client, a_post(), more_headers=again)
    send(client, a_post(MessageSid="SM" + "2" * 32), more_headers=again)
    send(client, a_post(MessageSid="SM" + "3" * 32), more_headers={"I-Twilio-Idempotency-Token": "another"})

    assert [text.retry_token for text in stored(town)] == ["the-same", "another"]


def test_a_text_of_which_a_part_was_lost_is_marked(town: Town, client: FlaskClient) -> None:
    send(client, a_post(ErrorCode="30009"))  # TW-6
    send(client, a_post(MessageSid="SM2", ErrorCode="11200"))

    assert [text.incomplete for text in stored(town)] == [True, False]


def test_parameters_nobody_knows_yet_are_accepted(town: Town, client: FlaskClient) -> None:
    answer = send(client, a_post(SomethingNew="2027", AddOns='{"status": "successful"}'))  # TW-3

    assert answer.status_code == 200
    assert len(stored(town)) == 1


def test_blank_values_and_repeated_names_keep_the_signature_whole(town: Town, client: FlaskClient) -> None:
    form = a_post(Body="", FromCity="")  # TW-35
    form.add("Tag", "b")
    form.add("Tag", "a")
    form.add("Tag", "a")

    assert send(client, form).status_code == 200
    assert stored(town)[0].words == ""


def test_a_sender_that_is_no_telephone_number_is_kept_as_it_is(town: Town, client: FlaskClient) -> None:
    send(client, a_post(From="whatsapp:+12035550100"))

    assert stored(town)[0].sender == "whatsapp:+12035550100"


def test_a_text_with_a_nul_or_a_strange_count_is_not_lost(town: Town, client: FlaskClient) -> None:
    answer = send(client, a_post(Body="hola\x00mundo", NumMedia="many"))

    assert answer.status_code == 200
    assert (stored(town)[0].words, stored(town)[0].media_count) == ("holamundo", 0)


def test_an_opt_out_that_the_provider_matched_holds_from_the_webhook_on(
    town: Town, client: FlaskClient
) -> None:
    number, _ = a_family(town)

    send(client, a_post(From=number, Body="STOP", OptOutType="STOP"))

    with town.database.begin() as session:
        assert session.scalars(select(Phone).where(Phone.number == number)).one().opted_out
        assert session.scalars(select(ConsentEvent)).one().source == "provider"


@pytest.mark.parametrize("words", ["STOP", " stop. ", "Alto", "kanpe", "توقف", "стоп", "停止"])
def test_a_stop_word_alone_is_an_opt_out_before_anybody_reads_it(
    town: Town, client: FlaskClient, words: str
) -> None:
    """Promise 6, LAW-12: in any language, and also where the provider knows nothing of it (TW-96, TW-97)."""
    number, _ = a_family(town)

    send(client, a_post(From=number, Body=words))

    with town.database.begin() as session:
        assert session.scalars(select(Phone).where(Phone.number == number)).one().opted_out
        assert session.scalars(select(ConsentEvent)).one().source == "family"


@pytest.mark.parametrize("words", ["please stop", "stop, I mean the bus stop", "1", ""])
def test_anything_more_waits_for_its_turn(town: Town, client: FlaskClient, words: str) -> None:
    number, _ = a_family(town)

    send(client, a_post(From=number, Body=words))

    with town.database.begin() as session:
        assert not session.scalars(select(Phone).where(Phone.number == number)).one().opted_out


def test_the_older_names_of_the_id_serve_when_the_new_one_is_missing(town: Town, client: FlaskClient) -> None:
    form = a_post()
    del form["MessageSid"]

    assert send(client, form).status_code == 200
    assert stored(town)[0].provider_sid == "SM" + "1" * 32
    del form["SmsSid"]
    answer = send(client, form)
    assert (answer.status_code, answer.text) == (400, EMPTY)


# --- refused -----------------------------------------------------------------------------------------


def test_a_post_without_a_signature_is_refused_and_only_counted(town: Town, client: FlaskClient) -> None:
    answer = client.post("/twilio/inbound", data=dict(a_post()))

    assert (answer.status_code, answer.text, answer.mimetype) == (403, EMPTY, "text/xml")  # TW-32
    assert stored(town) == []
    assert refusals(town) == 1


@pytest.mark.parametrize(
    "what",
    [
        "another token",
        "another address",
        "another body",
        "an empty header",
        "no header for JSON",
        "a picture",
    ],
)
def test_what_the_provider_did_not_sign_is_refused(town: Town, client: FlaskClient, what: str) -> None:
    form = a_post()
    right = signature(f"{PUBLIC}/twilio/inbound", form)
    match what:
        case "another token":
            answer = send(client, form, token="guessed")
        case "another address":
            answer = send(client, form, url="https://elsewhere.example/twilio/inbound")
        case "another body":
            changed = a_post(Body="STOP")
            answer = client.post("/twilio/inbound", data=dict(changed), headers={"X-Twilio-Signature": right})
        case "an empty header":
            answer = client.post("/twilio/inbound", data=dict(form), headers={"X-Twilio-Signature": ""})
        case "no header for JSON":
            answer = client.post("/twilio/inbound", json=dict(form), headers={"X-Twilio-Signature": right})
        case _:
            answer = client.post(
                "/twilio/inbound",
                data=b"\x89PNG",
                content_type="image/png",
                headers={"X-Twilio-Signature": right},
            )

    assert (answer.status_code, answer.text) == (403, EMPTY)
    assert stored(town) == []
    assert refusals(town) == 1


def test_a_check_that_crashes_is_a_refusal(town: Town) -> None:
    def crashes(_url: str, _pairs: Any, _signature: str | None, _settings: str | None) -> bool:
        raise TypeError("unhashable type: 'list'")

    answer = send(pages(town, signed_by=crashes).test_client(), a_post())  # TW-32

    assert answer.status_code == 403
    assert refusals(town) == 1


def test_two_refusals_are_counted_as_two(town: Town, client: FlaskClient) -> None:
    client.post("/twilio/inbound")
    client.post("/twilio/status/abc")

    assert refusals(town) == 2


def test_a_refused_post_leaves_no_trace_in_the_log(
    town: Town, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/twilio/inbound", data=dict(a_post()))
    send(client, a_post())

    assert "2035550100" not in caplog.text
    assert "enferma" not in caplog.text


def test_a_body_above_64_kb_is_too_much(town: Town, client: FlaskClient) -> None:
    just_inside = send(client, a_post(Body="x" * 60_000))
    too_much = send(client, a_post(MessageSid="SM2", Body="x" * 70_000))

    assert just_inside.status_code == 200
    assert (too_much.status_code, too_much.text) == (413, EMPTY)
    assert len(stored(town)) == 1


@pytest.mark.parametrize("path", ["/twilio/inbound", "/twilio/status/abc", "/twilio/nothing"])
def test_whatever_goes_wrong_the_provider_gets_xml_and_no_words(client: FlaskClient, path: str) -> None:
    answer = client.get(path)  # a text/plain answer would be texted to the family (TW-11)

    assert answer.status_code in (404, 405)
    assert (answer.text, answer.mimetype) == (EMPTY, "text/xml")


def test_a_body_that_ends_too_soon_is_no_text(town: Town) -> None:
    """What was cut off cannot be signed as it stands, and half a text must not be understood."""
    status, said = asked(town, {**a_request(a_post()), "wsgi.input": io.BytesIO(b"MessageSid=SM1&Body=half")})

    assert (status, said) == ("400 Bad Request", EMPTY.encode())
    assert stored(town) == []
    assert counted(town) == {"webhook_truncated": 1}


@pytest.mark.parametrize("length", ["-1", "many", "1e3", "٣"])
def test_a_length_that_is_no_number_is_refused(town: Town, length: str) -> None:
    status, _ = asked(
        town, {"CONTENT_LENGTH": length, "CONTENT_TYPE": FORM, "wsgi.input": io.BytesIO(b"a=1")}
    )

    assert status.startswith("400")
    assert stored(town) == []


@pytest.mark.parametrize("path", ["/twilio/inbound", "/twilio/fallback", "/twilio/status/abc"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_a_post_is_taken(town: Town, client: FlaskClient, path: str, method: str) -> None:
    answer = client.open(path, method=method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_everything_bad_is_counted_by_its_kind_and_nothing_of_it_is_kept(
    town: Town, client: FlaskClient
) -> None:
    nameless = MultiDict({"Body": "hello", "From": "+12035550100"})

    send(client, a_post(), token="guessed")
    send(client, a_post(Body="x" * 70_000))
    send(client, nameless)
    send(client, MultiDict({"MessageStatus": "sent"}), "/twilio/status/unheard-of")
    assert stored(town) == []
    send(client, a_post())
    send(client, a_post())

    assert counted(town) == {
        "webhook_refused": 1,
        "webhook_oversized": 1,
        "webhook_without_id": 1,
        "receipt_unknown": 1,
        "webhook_repeated": 1,
    }


# --- the address that was signed (TW-33, TW-34) ------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?a=%27x%27", "?q=%C3%A9&b=1%2B1", "?x=a%20b&empty="])
def test_the_address_is_checked_exactly_as_it_was_sent(town: Town, client: FlaskClient, query: str) -> None:
    """`%27` and `%C3%A9` of the address must not be decoded on the way (TW-33)."""
    form, path = a_post(), f"/twilio/inbound{query}"
    environ = {"REQUEST_URI": path, "RAW_URI": path}

    answer = send(client, form, "/twilio/inbound", url=PUBLIC + path, environ_overrides=environ)

    assert answer.status_code == 200


def test_a_server_that_hands_down_no_raw_address_is_served_too(town: Town, client: FlaskClient) -> None:
    environ = {"REQUEST_URI": "", "RAW_URI": ""}

    answer = send(client, a_post(), environ_overrides=environ)

    assert answer.status_code == 200


def test_a_whole_address_on_the_request_line_counts_from_its_path(town: Town, client: FlaskClient) -> None:
    environ = {"REQUEST_URI": "http://10.0.0.7:8000/twilio/inbound?a=1", "RAW_URI": ""}

    answer = send(client, a_post(), url=f"{PUBLIC}/twilio/inbound?a=1", environ_overrides=environ)

    assert answer.status_code == 200


def test_the_configured_address_counts_whatever_the_proxy_calls_us(town: Town, client: FlaskClient) -> None:
    answer = send(client, a_post(), base_url="http://10.0.0.7:8000")  # TW-34

    assert answer.status_code == 200


# --- what became of a text of ours -------------------------------------------------------------------


def a_sent_text(town: Town) -> OutboundText:
    a_family(town)
    town.morning()
    with town.database.begin() as session:
        return session.scalars(select(OutboundText)).one()


def test_a_receipt_is_kept_and_answered_with_nothing(town: Town, client: FlaskClient) -> None:
    text = a_sent_text(town)
    form = MultiDict(
        {"MessageSid": text.provider_sid or "", "MessageStatus": "undelivered", "ErrorCode": "30003"}
    )
    with town.database.begin() as session:
        session.get_one(OutboundText, text.id).delivery = Delivery.SENT

    answer = send(client, form, f"/twilio/status/{text.token}")

    assert (answer.status_code, answer.data) == (204, b"")  # TW-13
    with town.database.begin() as session:
        now = session.get_one(OutboundText, text.id)
        assert (now.delivery, now.error_code) == (Delivery.UNDELIVERED, "30003")
        assert "undelivered" in session.scalars(select(Receipt.status)).all()


def test_a_receipt_for_a_text_that_is_not_ours_changes_nothing(town: Town, client: FlaskClient) -> None:
    answer = send(client, MultiDict({"MessageStatus": "delivered"}), "/twilio/status/unheard-of")

    assert answer.status_code == 204


def test_a_receipt_is_signed_on_its_own_address(town: Town, client: FlaskClient) -> None:
    text = a_sent_text(town)
    form = MultiDict({"MessageStatus": "failed", "ErrorCode": "30005"})

    answer = send(client, form, f"/twilio/status/{text.token}", url=f"{PUBLIC}/twilio/status/another")

    assert answer.status_code == 403
    with town.database.begin() as session:
        assert session.get_one(OutboundText, text.id).delivery is Delivery.DELIVERED


# --- when the database does not answer -----------------------------------------------------------------

AWAY = ["sqlite:////no/such/folder/x.db", "postgresql://nobody@127.0.0.1:1/nothing"]


@pytest.fixture(params=AWAY, ids=["sqlite", "postgresql"])
def in_an_outage(
    request: pytest.FixtureRequest, script: Script, understanding: Understanding, tmp_path: Path
) -> FlaskClient:
    away = Town(Database(connect(request.param)), script, understanding)
    return pages(away, signed_by=Signatures([TOKEN]).signed_pairs, spool=tmp_path / "spool").test_client()


def replayed(town: Town, folder: Path) -> int:
    return arrivals.replay_spool(
        town.database, folder, receipt=partial(delivery.receipt, script=town.script), now=town.now
    )


def test_a_text_that_comes_in_an_outage_is_answered_for_and_taken_in_after_it(
    town: Town, in_an_outage: FlaskClient, tmp_path: Path
) -> None:
    number, _ = a_family(town)

    answer = send(in_an_outage, a_post(From=number, Body="STOP"))

    assert (answer.status_code, answer.text, answer.mimetype) == (200, EMPTY, "text/xml")
    assert replayed(town, tmp_path / "spool") == 1
    assert [text.words for text in stored(town)] == ["STOP"]
    assert counted(town) == {"webhook_spooled": 1}
    with town.database.begin() as session:
        assert session.scalars(select(Phone).where(Phone.number == number)).one().opted_out


def test_a_receipt_that_comes_in_an_outage_is_not_lost(
    town: Town, in_an_outage: FlaskClient, tmp_path: Path
) -> None:
    text = a_sent_text(town)
    with town.database.begin() as session:
        session.get_one(OutboundText, text.id).delivery = Delivery.SENT

    answer = send(in_an_outage, MultiDict({"MessageStatus": "delivered"}), f"/twilio/status/{text.token}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert replayed(town, tmp_path / "spool") == 1
    with town.database.begin() as session:
        assert session.get_one(OutboundText, text.id).delivery is Delivery.DELIVERED


def test_a_forged_post_is_refused_in_an_outage_too_and_not_spooled(
    in_an_outage: FlaskClient, tmp_path: Path
) -> None:
    answer = send(in_an_outage, a_post(), token="guessed")

    assert answer.status_code == 403
    assert spool.waiting(tmp_path / "spool") == 0


def full(_handle: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("path", ["/twilio/inbound", "/twilio/fallback", "/twilio/status/abc"])
def test_what_nobody_could_keep_is_not_answered_for(
    in_an_outage: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(os, "fsync", full)

    answer = send(in_an_outage, a_post(), path)

    assert (answer.status_code, answer.text, answer.mimetype) == (507, EMPTY, "text/xml")
    assert list((tmp_path / "spool").iterdir()) == []


def test_without_a_folder_an_outage_is_the_providers_to_know(
    script: Script, understanding: Understanding
) -> None:
    away = Town(Database(connect(AWAY[0])), script, understanding)

    answer = send(pages(away, signed_by=Signatures([TOKEN]).signed_pairs).test_client(), a_post())

    assert (answer.status_code, answer.text) == (507, EMPTY)


def test_an_outage_leaves_no_words_and_no_number_in_the_log(
    in_an_outage: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logged(in_an_outage)

    said = capsys.readouterr()
    assert "a post is spooled" in said.out + said.err
    assert "2035550100" not in said.out + said.err
    assert "enferma" not in said.out + said.err


def logged(client: FlaskClient) -> None:
    """As the program itself writes its log."""
    before = structlog.get_config()
    log_to_stderr("info")
    try:
        send(client, a_post())
    finally:
        structlog.configure(**before)


# --- the fallback --------------------------------------------------------------------------------------


@pytest.fixture
def second_way(town: Town, tmp_path: Path) -> FlaskClient:
    signed_by = Signatures([TOKEN]).signed_pairs
    return pages(town, signed_by=signed_by, spool=tmp_path / "spool").test_client()


def test_the_fallback_never_asks_the_database(town: Town, second_way: FlaskClient, tmp_path: Path) -> None:
    """TW-23: it must not share the failure of the first try."""
    answer = send(second_way, a_post(ErrorCode="11200", ErrorUrl="https://x.example/"), "/twilio/fallback")

    assert (answer.status_code, answer.text, answer.mimetype) == (200, EMPTY, "text/xml")
    assert stored(town) == []
    assert spool.waiting(tmp_path / "spool") == 1
    assert replayed(town, tmp_path / "spool") == 1
    assert [text.words for text in stored(town)] == ["está enferma"]


def test_what_came_both_ways_is_one_text(town: Town, second_way: FlaskClient, tmp_path: Path) -> None:
    send(second_way, a_post())
    send(second_way, a_post(), "/twilio/fallback")

    assert replayed(town, tmp_path / "spool") == 1
    assert len(stored(town)) == 1


def test_a_spooled_text_came_when_it_came(town: Town, second_way: FlaskClient, tmp_path: Path) -> None:
    came = town.now
    send(second_way, a_post(), "/twilio/fallback")
    town.later(30)
    replayed(town, tmp_path / "spool")

    assert stored(town)[0].received_at == came


def test_the_fallback_is_signed_on_its_own_address(second_way: FlaskClient, tmp_path: Path) -> None:
    answer = send(second_way, a_post(), "/twilio/fallback", url=f"{PUBLIC}/twilio/inbound")

    assert answer.status_code == 403
    assert spool.waiting(tmp_path / "spool") == 0


def test_a_fallback_without_an_id_is_bad(second_way: FlaskClient, tmp_path: Path) -> None:
    answer = send(second_way, MultiDict({"Body": "hello"}), "/twilio/fallback")

    assert (answer.status_code, answer.text) == (400, EMPTY)
    assert spool.waiting(tmp_path / "spool") == 0


# --- in front of the pages -----------------------------------------------------------------------------


def test_a_post_never_comes_as_far_as_the_pages(town: Town) -> None:
    assert asked(town, a_request(a_post())) == ("200 OK", EMPTY.encode())
    assert len(stored(town)) == 1


def test_a_body_in_chunks_is_read_to_its_end(town: Town) -> None:
    request = {**a_request(a_post()), "wsgi.input_terminated": True}
    del request["CONTENT_LENGTH"]

    assert asked(town, request) == ("200 OK", EMPTY.encode())


def test_without_a_length_there_is_no_body(town: Town) -> None:
    request = a_request(a_post())
    del request["CONTENT_LENGTH"]

    assert asked(town, request)[0] == "403 Forbidden"


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/twilio", "/twilio/status/", "/twilio/status/a/b", "/twilio/inbound/"]
)
def test_everything_else_is_the_pages(town: Town, path: str) -> None:
    def the_pages(_environ: Any, start: Any) -> list[bytes]:
        start("418 I'm a teapot", [("Content-Type", "text/plain")])
        return [b"pages"]

    assert asked(town, {"PATH_INFO": path}, the_pages) == ("418 I'm a teapot", b"pages")
