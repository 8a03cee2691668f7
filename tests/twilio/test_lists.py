"""What Twilio's lists, lookups and files tell, and when they tell nothing."""

import gzip
import json
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bot.provider import Arrived, Line, Listed, NotTold
from tests.twilio.stand import (
    ACCOUNT,
    MESSAGES,
    OF_SERVICE,
    SERVICE,
    SINCE,
    SPEC,
    TEXT,
    TOKEN,
    Answer,
    Stand,
    answering,
    breaking_off,
    by_path,
    codes_of,
    hanging_up,
    listed,
    numbers_of,
    refusing,
    resetting,
    twilio,
)

# --- lists --------------------------------------------------------------------------------------------------


def a_list(stand: Stand, *pages: list[dict[str, Any]]) -> None:
    """A list of messages in pages, newest first as Twilio has it; each page names the next."""
    after = {}
    for n, messages in enumerate(pages):
        following = f"{MESSAGES}?To=x&Page={n + 1}&PageToken=t" if n + 1 < len(pages) else None
        after[n] = answering(200, {"messages": messages, "next_page_uri": following, "page": n})

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = dict(parse_qsl(urlsplit(request.path).query))
        after[int(asked.get("Page", "0"))](request)

    stand.answer = answer


def test_what_the_list_has_for_a_number_is_told_with_its_state(stand: Stand) -> None:
    """TW-60: asked by number alone, since what still waits has no sent date."""
    a_list(
        stand,
        [
            listed(2, 3, status="accepted"),
            listed(1, 2, status="undelivered", error_code=30003),
        ],
    )

    found = twilio(stand.base).sent_to(TEXT.to, SINCE)

    at = SINCE.replace(microsecond=0)
    assert found == [
        Listed(f"SM{2:032x}", "text 2", "accepted", "", at + timedelta(minutes=3)),
        Listed(f"SM{1:032x}", "text 1", "undelivered", "30003", at + timedelta(minutes=2)),
    ]
    (request,) = stand.seen
    assert urlsplit(request.path).path == MESSAGES
    assert dict(parse_qsl(urlsplit(request.path).query)) == {"To": TEXT.to, "PageSize": "100"}


def test_pages_are_read_until_one_reaches_behind_the_moment_asked_for(stand: Stand) -> None:
    """TW-107: never the whole list of a family's years."""
    a_list(
        stand, [listed(5, 5)], [listed(4, 4), listed(3, 0)], [listed(2, -1), listed(1, -2)], [listed(0, -9)]
    )

    found = twilio(stand.base).sent_to(TEXT.to, SINCE)

    assert [each.sid[-1] for each in found] == ["5", "4", "3"]
    assert len(stand.seen) == 3


def test_a_text_of_the_very_second_is_in_the_list(stand: Stand) -> None:
    """The list's times are whole seconds: a moment half a second later would lose it, and it would be sent twice."""
    a_list(stand, [listed(1, 0)])

    assert len(twilio(stand.base).sent_to(TEXT.to, SINCE)) == 1


def test_a_page_that_is_empty_is_not_the_end(stand: Stand) -> None:
    a_list(stand, [], [listed(1, 1)])

    assert len(twilio(stand.base).sent_to(TEXT.to, SINCE)) == 1


def test_what_a_family_sent_is_no_text_of_ours(stand: Stand) -> None:
    a_list(stand, [listed(2, 2, direction="inbound"), listed(1, 1, direction="outbound-reply")])

    assert [each.sid[-1] for each in twilio(stand.base).sent_to(TEXT.to, SINCE)] == ["1"]


def test_a_list_without_an_end_tells_nothing(stand: Stand) -> None:
    """OA-3: a mock repeats one page for ever; a list that grows for ever is no better."""
    stand.answer = answering(
        200, {"messages": [listed(1, 1)], "next_page_uri": f"{MESSAGES}?Page=1&PageToken=t"}
    )
    with pytest.raises(NotTold):
        twilio(stand.base).sent_to(TEXT.to, SINCE)
    assert len(stand.seen) == 2

    def growing(request: BaseHTTPRequestHandler) -> None:
        page = {"messages": [listed(1, 1)], "next_page_uri": f"{MESSAGES}?Page={len(stand.seen)}"}
        answering(200, page)(request)

    stand.answer = growing
    with pytest.raises(NotTold):
        twilio(stand.base).sent_to(TEXT.to, SINCE)


NOT_TOLD = {
    "no key": refusing(401, 20003),
    "too many requests": refusing(429, 20429),
    "a failure inside": refusing(500, 20500),
    "a web page": answering(200, "<html>Welcome</html>", "text/html"),
    "another thing": answering(200, {"sid": "x"}),
    "a list that is none": answering(200, {"messages": None}),
    "a list of what are no messages": answering(200, {"messages": [{"sid": "SM1"}]}),
    "a message without its time": answering(200, {"messages": [listed(1, 1, date_created=None)]}),
    "a message whose time is none": answering(200, {"messages": [listed(1, 1, date_created="yesterday")]}),
    "a reset": resetting,
    "nothing": hanging_up,
    "half an answer": breaking_off,
}


@pytest.mark.parametrize("what", NOT_TOLD)
def test_a_list_that_cannot_be_read_whole_is_not_told(stand: Stand, what: str) -> None:
    """TW-60: from half a list it would follow that a text was never created, and it would be sent again."""
    stand.answer = NOT_TOLD[what]

    for ask in (
        lambda: twilio(stand.base).sent_to(TEXT.to, SINCE),
        lambda: twilio(stand.base).arrived(SINCE),
        lambda: twilio(stand.base, service=SERVICE).arrived(SINCE),
        lambda: list(twilio(stand.base).deactivated(date(2021, 10, 21))),
        lambda: twilio(stand.base).line(TEXT.to),
    ):
        with pytest.raises(NotTold) as not_told:
            ask()
        for secret in ("555", "Maya", ACCOUNT, TOKEN, stand.base):
            assert secret not in str(not_told.value)


def test_a_failure_on_the_second_page_tells_nothing_of_the_first(stand: Stand) -> None:
    first = answering(200, {"messages": [listed(1, 1)], "next_page_uri": f"{MESSAGES}?To=x&Page=1"})
    second = refusing(500, 20500)
    stand.answer = lambda request: (second if "&Page=1" in request.path else first)(request)

    with pytest.raises(NotTold):
        twilio(stand.base).sent_to(TEXT.to, SINCE)
    assert len(stand.seen) == 2


def test_a_list_may_come_compressed(stand: Stand) -> None:
    page = gzip.compress(json.dumps({"messages": [listed(1, 1)]}).encode())
    stand.answer = answering(200, page, **{"Content-Encoding": "gzip"})

    assert len(twilio(stand.base).sent_to(TEXT.to, SINCE)) == 1
    assert stand.seen[0].headers["Accept-Encoding"] == "gzip"


def test_what_families_wrote_comes_oldest_first_with_ours_left_out(stand: Stand) -> None:
    """TW-61: the order matters where a STOP is followed by a START within a second."""
    inbound = {"direction": "inbound", "from": "+12035550123", "to": "+18605550100", "status": "received"}
    a_list(
        stand,
        [
            listed(4, 2, **inbound, num_media="2", body=None),
            listed(3, 1, **inbound, body="START"),
            listed(2, 1, **inbound, body="STOP"),
            listed(1, 0.5),
        ],
        [listed(0, -1, **inbound)],
    )

    found = twilio(stand.base).arrived(SINCE)

    at = SINCE.replace(microsecond=0) + timedelta(minutes=1)
    assert found == [
        Arrived(f"SM{2:032x}", "+12035550123", "STOP", 0, at),
        Arrived(f"SM{3:032x}", "+12035550123", "START", 0, at),
        Arrived(f"SM{4:032x}", "+12035550123", "", 2, at + timedelta(minutes=1)),
    ]
    assert dict(parse_qsl(urlsplit(stand.seen[0].path).query))["To"] == "+18605550100"


def test_a_services_texts_are_asked_for_at_each_of_its_numbers(stand: Stand) -> None:
    """A family may have written to any of them, or to its short code."""
    stand.answer = by_path(
        {
            f"{OF_SERVICE}/PhoneNumbers": numbers_of("+18605550100", "+18605550101"),
            f"{OF_SERVICE}/ShortCodes": codes_of("55501"),
            MESSAGES: answering(200, {"messages": []}),
        }
    )

    assert twilio(stand.base, service=SERVICE).arrived(SINCE) == []
    asked = [dict(parse_qsl(urlsplit(each.path).query)) for each in stand.seen if MESSAGES in each.path]
    assert [each["To"] for each in asked] == ["+18605550100", "+18605550101", "55501"]


# --- numbers and copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("mobile", Line.MOBILE),
        ("landline", Line.LANDLINE),
        ("nonFixedVoip", Line.OTHER),
        ("tollFree", Line.OTHER),
        ("somethingNew", Line.OTHER),
    ],
)
def test_a_lookup_says_what_kind_of_line_a_number_is(stand: Stand, kind: str, line: Line) -> None:
    """TW-73: nobody else can tell a mobile from a landline in the US."""
    stand.answer = answering(
        200, {"valid": True, "line_type_intelligence": {"type": kind, "error_code": None}}
    )

    assert twilio(stand.base).line(TEXT.to) is line
    assert stand.seen[0].path == "/v2/PhoneNumbers/+18605550123?Fields=line_type_intelligence"


def test_a_number_that_does_not_exist_is_no_landline(stand: Stand) -> None:
    stand.answer = answering(200, {"valid": False, "line_type_intelligence": None})

    assert twilio(stand.base).line(TEXT.to) is Line.OTHER


@pytest.mark.parametrize("told", [None, {}, {"type": None, "error_code": 60600}])
def test_a_lookup_that_knows_nothing_tells_nothing(stand: Stand, told: object) -> None:
    stand.answer = answering(200, {"valid": True, "line_type_intelligence": told})

    with pytest.raises(NotTold):
        twilio(stand.base).line(TEXT.to)


@pytest.mark.parametrize("named", ["in a header", "in the body", "both, and relative"])
def test_the_numbers_given_up_are_read_from_the_file_twilio_points_to(stand: Stand, named: str) -> None:
    """TW-72: a redirect to a file, which must not see our keys."""
    where = "/a/file?key=1" if named == "both, and relative" else f"{stand.base}/a/file?key=1"
    header = {} if named == "in the body" else {"Location": where}
    body = "" if named == "in a header" else {"redirect_to": where}
    file = "+12035550111\n12035550112\r\n2035550113\n\n+12035550114"
    stand.answer = by_path(
        {
            "/v1/Deactivations": answering(307, body, **header),
            "/a/file": answering(200, file, "text/plain"),
        }
    )

    found = list(twilio(stand.base).deactivated(date(2021, 10, 21)))

    assert found == ["+12035550111", "+12035550112", "+12035550113", "+12035550114"]
    asked, fetched = stand.seen
    assert asked.path == "/v1/Deactivations?Date=2021-10-21"
    assert "Authorization" in asked.headers
    assert "Authorization" not in fetched.headers


@pytest.mark.parametrize(
    ("status", "file"), [(404, ""), (200, "<html>\nexpired\n"), (200, "+1203555011\n"), (302, "+12035550111")]
)
def test_a_file_that_holds_no_numbers_tells_nothing(stand: Stand, status: int, file: str) -> None:
    stand.answer = by_path(
        {
            "/v1/Deactivations": answering(307, {"redirect_to": f"{stand.base}/a/file"}),
            "/a/file": answering(status, file, "text/plain"),
        }
    )

    with pytest.raises(NotTold):
        list(twilio(stand.base).deactivated(date(2021, 10, 21)))


def test_half_a_file_of_numbers_says_that_it_is_half(stand: Stand) -> None:
    def half(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "4000")
        request.end_headers()
        request.wfile.write(b"+12035550111\n+1203555")
        request.close_connection = True

    stand.answer = by_path(
        {"/v1/Deactivations": answering(307, {"redirect_to": f"{stand.base}/a/file"}), "/a/file": half}
    )

    with pytest.raises(NotTold):
        list(twilio(stand.base).deactivated(date(2021, 10, 21)))


def test_a_file_at_an_unprotected_address_is_not_fetched(stand: Stand) -> None:
    stand.answer = answering(307, {"redirect_to": "http://127.0.0.1:9/a/file"})

    with pytest.raises(NotTold):
        list(twilio(stand.base).deactivated(date(2021, 10, 21)))
    assert len(stand.seen) == 1


@pytest.mark.parametrize("answer", [answering(200, SPEC["answers"]["createWoService"]), refusing(404, 20404)])
def test_a_copy_is_emptied_and_one_that_is_gone_is_no_error(stand: Stand, answer: Answer) -> None:
    """TW-47."""
    stand.answer = answer

    twilio(stand.base).redact("SM" + "1" * 32)

    assert stand.seen[0].path == MESSAGES.replace(".json", f"/SM{'1' * 32}.json")
    assert (stand.seen[0].command, stand.forms) == ("POST", [{"Body": [""]}])


@pytest.mark.parametrize("answer", [refusing(400, 20009), refusing(500, 20500), resetting])
def test_a_copy_that_may_not_be_empty_is_told(stand: Stand, answer: Answer) -> None:
    stand.answer = answer

    with pytest.raises(NotTold):
        twilio(stand.base).redact("SM" + "1" * 32)
