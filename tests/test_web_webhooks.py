"""The provider's two posts: signed or refused, stored once, answered with nothing to say."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from bot.advance import Script
from bot.provider.twilio import Signatures
from bot.store.session import Database
from bot.store.tables import ConsentEvent, Counter, Delivery, InboundText, OutboundText, Phone, Receipt
from bot.understanding import Understanding
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
    return pages(town, signed_by=Signatures([TOKEN]).signed).test_client()


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
    **more: Any,
) -> TestResponse:
    headers = {"X-Twilio-Signature": signature(url or PUBLIC + path, form, token)}
    return client.post(
        path, data=urlencode(list(form.items(multi=True))), content_type=FORM, headers=headers, **more
    )


def stored(town: Town) -> list[InboundText]:
    with town.database.begin() as session:
        return list(session.scalars(select(InboundText).order_by(InboundText.id)))


def refusals(town: Town) -> int:
    with town.database.begin() as session:
        return session.scalar(select(Counter.count).where(Counter.name == "webhook_refused")) or 0


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
        town, signed_by=Signatures([TOKEN]).signed, wake=lambda: seen.append(len(stored(town)))
    ).test_client()

    send(client, a_post())

    assert seen == [1]


def test_a_repeated_post_changes_nothing(town: Town, client: FlaskClient) -> None:
    first, again = send(client, a_post()), send(client, a_post())  # TW-24, TW-37

    assert first.status_code == again.status_code == 200
    assert len(stored(town)) == 1


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
    def crashes(_url: str, _form: Any, _signature: str | None) -> bool:
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


def test_a_database_that_is_away_is_an_error_the_provider_tries_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pages(town, signed_by=Signatures([TOKEN]).signed).test_client()

    def away() -> Any:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(town.database, "begin", away)
    answer = send(client, a_post())

    assert (answer.status_code, answer.text, answer.mimetype) == (500, EMPTY, "text/xml")


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
