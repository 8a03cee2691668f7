"""Each numbered rule of Twilio is checked by a test that names it, or has its reason here why none can."""

import ast
import re
from pathlib import Path

import pytest

from bot.outbox.record import _WORDS
from bot.provider import Outgoing
from bot.store.session import Database
from tests.conftest import ROOT
from tests.town import Town
from tests.twilio.stand import TEXT, Stand, answering, twilio
from tests.web import PUBLIC, SIGNATURE, pages

# The numbers of the rules, as they were handed to us.
RULES = frozenset(
    {*range(1, 8), *range(10, 16), *range(20, 26), *range(30, 40), *range(40, 49), *range(50, 58)}
    | {*range(60, 63), *range(65, 68), *range(70, 74), *range(80, 86), *range(90, 100), *range(100, 110)}
)

# Rules that no test of ours can hold, and why.
NOT_OURS = {
    4: "the provider limits no rate of inbound texts: `make bench` measures what we take",
    7: "media are counted and never fetched or passed on; there is no code that could",
    39: "a challenge with a password is never answered: addresses carry no credentials",
    46: "what a Messaging Service does by itself; we only name it as the sender",
    56: "the carrier's own time is not read; nothing computes with it",
    82: "how a district registers its brand; a step for people",
    83: "what an unverified toll-free number may send; the cap is PRESENTE_SEGMENTS_A_DAY",
    97: "keywords in the provider's own opt-out settings; ours are read in every language by ourselves",
    100: "which version of the library: the lock file says so",
}


def named() -> set[int]:
    found: set[int] = set()
    for path in [*(ROOT / "tests").rglob("*.py")]:
        said = path.read_text(encoding="utf-8")
        for first, last in re.findall(r"\bTW-(\d+)(?: to TW-(\d+))?", said):
            found.update(range(int(first), int(last or first) + 1))
    return found


def test_every_rule_is_named_in_a_test_or_has_its_reason() -> None:
    assert not RULES - named() - set(NOT_OURS)
    assert not set(NOT_OURS) - RULES


def test_every_word_of_the_providers_list_of_states_is_known() -> None:
    """TW-50: the states of a text that leaves; two more are those of a text that comes in."""
    document = (ROOT / "tests" / "prism" / "twilio_api_v2010_messages.json").read_text(encoding="utf-8")
    listed = re.search(r'"message_enum_status":\s*\{(.*?)\}', document, re.DOTALL)
    assert listed
    words = set(re.findall(r'"([a-z_]+)"', listed[1].split('"enum"')[1].split("]")[0]))

    assert words - {"receiving", "received"} == set(_WORDS)


def test_a_create_asks_for_no_second_chance_and_for_no_time(stand: Stand) -> None:
    """TW-42: no key makes a create happen once; TW-65 to TW-67: what is scheduled there, we could not stop here."""
    twilio(stand.base).send(TEXT)

    sent = {name.casefold() for name in stand.seen[-1].headers}
    assert "i-twilio-idempotency-token" not in sent
    assert not {"SendAt", "ScheduleType"} & set(stand.forms[-1])


def test_the_provider_is_spoken_to_at_the_address_that_is_set(stand: Stand) -> None:
    """TW-101: the same client, and not one request to anybody else."""
    stand.answer = answering(201, {"sid": "SM" + "1" * 32, "status": "queued"})

    assert twilio(stand.base).send(Outgoing("t0", "+12035550142", "hello", 600)).sid == "SM" + "1" * 32


def test_the_library_that_sends_twice_is_not_used() -> None:
    """TW-104: its asynchronous client ignores time-outs and repeats a create by itself."""
    for path in [ROOT / "app.py", *(ROOT / "bot").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not {name for name in imported if name.startswith("AsyncTwilio")}, path


def test_a_webhook_is_posted_and_never_fetched(sqlite: Database, town: Town) -> None:
    """TW-1: with GET a family's words would stand in every log on the way."""
    browser = pages(town).test_client()

    answer = browser.get(
        "/twilio/inbound?MessageSid=SM1&From=%2B12035550142&Body=hello",
        base_url=PUBLIC,
        headers={"X-Twilio-Signature": SIGNATURE},
    )

    assert answer.status_code == 405
    assert town.unhandled() == 0


@pytest.fixture
def town(sqlite: Database, request: pytest.FixtureRequest) -> Town:
    return Town(sqlite, request.getfixturevalue("script"), request.getfixturevalue("understanding"))


def test_the_stop_words_are_ours_in_every_language(town: Town) -> None:
    """TW-96: from a short code the provider handles no keyword at all; every one works without it."""
    for number, word in (("+12035550101", "STOP"), ("+12035550102", "ALTO"), ("+12035550103", "توقف")):
        town.family_writes(number, word)

        assert len(town.texts_to(number)) == 1, word
        town.family_writes(number, "hello?")
        assert len(town.texts_to(number)) == 1, word


def test_danger_from_a_family_that_opted_out_reaches_a_person_although_no_text_can(town: Town) -> None:
    """TW-98: the provider's block stops even the safety text; somebody must call."""
    town.family_writes("+12035550101", "STOP")
    town.family_writes("+12035550101", "he has a gun and says he will kill us")

    assert len(town.texts_to("+12035550101")) == 1
    assert any(handoff.urgency.value == "P0" for handoff in town.handoffs())


def test_what_the_provider_does_not_know_the_door_does() -> None:
    """TW-99: an opt-out by telephone or on paper is ours alone; tests/test_door.py plays it at random."""
    played = (Path(__file__).parent.parent / "test_door.py").read_text(encoding="utf-8")

    assert "told_staff_to_stop" in played
