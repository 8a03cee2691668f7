"""The check of Twilio's signatures: as quick as a prepared key, and of one mind with Twilio's own library."""

import base64
import hashlib
import hmac
import logging
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from bot.provider.signatures import Signatures

TOKEN = "the-auth-token"
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
        ("https://[::1/twilio", FORM, sign("https://[::1/twilio", pairs(FORM), "another token")),
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
    signatures = Signatures([TOKEN, "old"])

    assert signatures.signed(url, form, signature) is False
    assert signatures.signed_pairs(url, form, signature) is False


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=8))
def test_whatever_a_family_writes_its_signature_holds(written: list[tuple[str, str]]) -> None:
    form = MultiDict(written)

    assert Signatures([TOKEN]).signed(URL, form, sign(URL, pairs(form)))


# --- of one mind with the library ---------------------------------------------------------------------------

NAMES = st.sampled_from(["Body", "From", "Media", "a", "A", "ñ", "名"]) | st.text(min_size=1)
URLS = st.sampled_from(
    [
        URL,
        URL + "?a=1&b=%20",
        URL.replace("org", "org:443"),
        URL.replace("org", "org:8443"),
        URL.replace("https", "http"),
        URL.replace("https", "http").replace("org", "org:80"),
        "https://texts.example.org/presente/twilio/status/0123abcd",
    ]
)


@given(
    written=st.lists(st.tuples(NAMES, st.sampled_from(["", " ", "a", "ß", "家"]) | st.text()), max_size=25),
    url=URLS,
    signed_url=URLS,
    token=st.sampled_from([TOKEN, "another token"]),
    left_out=st.integers(0, 3),
)
def test_the_quick_check_and_the_library_always_agree(
    written: list[tuple[str, str]], url: str, signed_url: str, token: str, left_out: int
) -> None:
    """TW-30, TW-31, TW-35: repeated names, blank values and any alphabet, with a right or a wrong signature."""
    form = MultiDict(written)
    signature = sign(signed_url, written[left_out:], token)

    library = RequestValidator(TOKEN).validate(url, form, signature)

    assert Signatures([TOKEN]).signed(url, form, signature) is library
    assert Signatures([TOKEN]).signed_pairs(url, written, signature) is library


@given(st.lists(st.tuples(NAMES, st.text()), max_size=25))
def test_a_form_read_from_the_raw_body_is_signed_as_one_read_by_the_framework(
    written: list[tuple[str, str]],
) -> None:
    """TW-35: parse_qsl with its blank values gives what was signed, in the order in which it came."""
    read = parse_qsl(urlencode(written), keep_blank_values=True)
    signature = sign(URL, written)

    assert Signatures([TOKEN]).signed_pairs(URL, read, signature)
    assert not Signatures([TOKEN]).signed_pairs(URL, [*read, ("More", "1")], signature)


def test_the_library_is_not_asked_about_the_address_that_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes ten times as long, and nearly every post is signed so."""
    monkeypatch.setattr(RequestValidator, "validate", lambda *_: pytest.fail("the library was asked"))

    form = MultiDict([*pairs(FORM), ("Media", "b"), ("Media", "a"), ("Media", "b")])

    assert Signatures(["new", TOKEN]).signed(URL, form, sign(URL, pairs(form)))
    assert Signatures(["new", TOKEN]).signed_pairs(URL, pairs(form), sign(URL, pairs(form)))


SHARED_KEY = "key=webhooks_sharedkey_01,algorithm=HMAC_SHA256"


@pytest.mark.parametrize("settings", [SHARED_KEY, "algorithm=hmac_sha256"])
def test_a_shared_key_signs_with_sha256(settings: str) -> None:
    """The library knows a second algorithm, which a header names."""
    signature = RequestValidator(TOKEN).compute_signature(URL, FORM, "HMAC_SHA256")

    assert Signatures([TOKEN]).signed(URL, FORM, signature, settings)
    assert Signatures([TOKEN]).signed_pairs(URL, pairs(FORM), signature, settings)
    assert not Signatures([TOKEN]).signed(URL, FORM, signature)
    assert not Signatures([TOKEN]).signed(URL, FORM, sign(URL, pairs(FORM)), settings)
    assert not Signatures(["another token"]).signed(URL, FORM, signature, settings)


@pytest.mark.parametrize("settings", [None, "", "key=1", "algorithm=", "algorithm=HMAC_SHA1"])
def test_without_a_named_algorithm_it_is_the_auth_token_and_sha1(settings: str | None) -> None:
    assert Signatures([TOKEN]).signed(URL, FORM, sign(URL, pairs(FORM)), settings)


def test_an_algorithm_nobody_knows_is_a_no_that_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """TW-32: the library would log it, in words that a forger chose."""
    with caplog.at_level(logging.DEBUG):
        assert not Signatures([TOKEN]).signed(URL, FORM, sign(URL, pairs(FORM)), "algorithm=MD5\nforged")

    assert caplog.records == []
