"""What a probe and a scraper get, and who is let in."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as as_openmetrics
from prometheus_client.parser import text_string_to_metric_families as as_prometheus
from werkzeug.test import TestResponse

from bot import counters, stopping, watch
from bot.advance import Script
from bot.store.session import Database, connect
from bot.store.tables import SenderState, Tick
from bot.understanding import Understanding
from tests.builders import FRIDAY, NOW
from tests.test_cli import PRESENTE
from tests.test_watch import HEAD
from tests.town import Town
from tests.web import a_family, pages

HERE = "http://127.0.0.1:8000"
TOKEN = "a long and quiet token"


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def at_work(town: Town) -> Town:
    with town.database.begin() as session:
        session.add(Tick(job=watch.WORKER, at=town.now))
    return town


@pytest.fixture
def away(script: Script, understanding: Understanding) -> Town:
    """A town whose database is not there."""
    return Town(Database(connect("sqlite:////no/such/folder/presente.db")), script, understanding)


def ask(
    town: Town, path: str, *, base: str = HERE, peer: str = "127.0.0.1", token: str = "", **headers: str
) -> TestResponse:
    app = pages(town, metrics_token=token, migration=HEAD)
    return app.test_client().get(
        path, base_url=base, headers=headers, environ_overrides={"REMOTE_ADDR": peer}
    )


# --- up, and ready ------------------------------------------------------------------------------------------


def test_the_program_is_up_whatever_became_of_its_database(away: Town) -> None:
    answer = ask(away, "/healthz", base="https://presente.example.org", peer="203.0.113.9")

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.content_type.startswith("text/plain")


def test_a_program_with_a_worker_at_work_is_ready_and_says_a_sentence_for_each_thing(at_work: Town) -> None:
    answer = ask(at_work, "/readyz")

    assert answer.status_code == 200
    said = json.loads(answer.text)
    assert said["ready"] is True
    assert said["at"] == NOW.isoformat()
    assert {check["name"]: check["standing"] for check in said["checks"]} == {
        "database": "well",
        "migration": "well",
        "worker": "well",
        "outbox": "well",
        "inbound": "well",
        "stop button": "well",
    }
    assert all(check["says"].endswith(".") for check in said["checks"])


def test_a_program_without_a_worker_is_not_ready(town: Town) -> None:
    answer = ask(town, "/readyz")

    assert answer.status_code == 503
    assert json.loads(answer.text)["ready"] is False


def test_a_program_whose_database_is_away_is_not_ready_and_makes_no_error_page(away: Town) -> None:
    answer = ask(away, "/readyz")

    assert answer.status_code == 503
    assert [check["name"] for check in json.loads(answer.text)["checks"]] == ["database"]


def test_stopped_texts_and_a_refused_sender_are_shown_and_leave_the_program_ready(at_work: Town) -> None:
    with at_work.database.begin() as session:
        stopping.stop(session, by="Ms. Rivera", reason="a wrong roster of Maya", now=NOW)
        session.add(a_refused_sender())

    answer = ask(at_work, "/readyz")

    assert answer.status_code == 200
    shown = {check["name"]: check["standing"] for check in json.loads(answer.text)["checks"]}
    assert shown["stop button"] == shown["sender"] == "noted"
    for private in ("Rivera", "Maya", "5550123"):
        assert private not in answer.text


def a_refused_sender() -> SenderState:
    return SenderState(
        key="+12035550123",
        room=0,
        filled_at=NOW,
        day=FRIDAY,
        segments_today=0,
        faults=3,
        closed_until=NOW.replace(hour=14),
        closed_why="30034",
    )


# --- who may look -------------------------------------------------------------------------------------------

STRANGERS: list[dict[str, Any]] = [
    {"peer": "203.0.113.9"},
    {"peer": ""},
    {"peer": "::ffff:203.0.113.9"},
    {"base": "https://presente.example.org"},  # a proxy on this machine that adds nothing
    {"X-Forwarded-For": "203.0.113.9"},
    {"X-Forwarded-For": ""},
    {"Forwarded": "for=203.0.113.9"},
    {"X-Real-IP": "203.0.113.9"},
    {"Via": "1.1 proxy"},
    {"Host": "[nonsense"},
]


@pytest.mark.parametrize("stranger", STRANGERS, ids=str)
def test_without_a_token_nobody_looks_but_from_this_machine(at_work: Town, stranger: dict[str, Any]) -> None:
    ready = ask(at_work, "/readyz", **stranger)

    assert (ready.status_code, json.loads(ready.text)) == (200, {"ready": True})
    assert ask(at_work, "/metrics", **stranger).status_code == 404


@pytest.mark.parametrize(
    "neighbour",
    [
        {},
        {"peer": "::1", "base": "http://[::1]:8000"},
        {"peer": "::ffff:127.0.0.1", "base": "http://localhost:8000"},
    ],
    ids=str,
)
def test_without_a_token_this_machine_looks(at_work: Town, neighbour: dict[str, Any]) -> None:
    assert "checks" in json.loads(ask(at_work, "/readyz", **neighbour).text)
    assert ask(at_work, "/metrics", **neighbour).status_code == 200


@pytest.mark.parametrize("stranger", STRANGERS[:-1], ids=str)
def test_with_its_token_anybody_looks_from_anywhere(at_work: Town, stranger: dict[str, Any]) -> None:
    shown = {"Authorization": f"Bearer {TOKEN}", **stranger}

    assert "checks" in json.loads(ask(at_work, "/readyz", token=TOKEN, **shown).text)
    assert ask(at_work, "/metrics", token=TOKEN, **shown).status_code == 200


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}", "Bearer ñandú"]
)
def test_where_a_token_is_set_nothing_else_opens_not_even_this_machine(at_work: Town, shown: str) -> None:
    headers = {"Authorization": shown} if shown else {}

    assert json.loads(ask(at_work, "/readyz", token=TOKEN, **headers).text) == {"ready": True}
    assert ask(at_work, "/metrics", token=TOKEN, **headers).status_code == 404


# --- the figures --------------------------------------------------------------------------------------------


def a_morning(town: Town) -> None:
    """A family was texted, one of its texts asks for a person, a forger was counted."""
    number, _ = a_family(town)
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")
    with town.database.begin() as session:
        counters.count(session, "webhook_refused", FRIDAY, 2)
        session.add(a_refused_sender())


def test_a_scraper_reads_every_figure(at_work: Town) -> None:
    a_morning(at_work)

    answer = ask(at_work, "/metrics")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in as_prometheus(answer.text)
        for sample in family.samples
    }

    assert answer.content_type.startswith("text/plain")
    assert found["presente_database_answers",] == 1
    assert found["presente_texts", "check_in", "sent"] == 1
    assert found["presente_counted_total", "webhook_refused"] == 2
    assert found["presente_tick_age_seconds", "worker"] == 0
    assert found["presente_sender_closed", "1"] == 1
    assert sum(value for name, value in found.items() if name[0] == "presente_handoffs") == 1
    assert found["presente_spool_waiting",] == 0


def test_a_scraper_of_the_newer_kind_is_answered_in_its_own_format(at_work: Town) -> None:
    answer = ask(at_work, "/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    found = {family.name for family in as_openmetrics(answer.text)}  # type: ignore[no-untyped-call]
    assert found >= {"presente_texts", "presente_counted"}


def test_no_figure_holds_a_number_a_name_or_anybodys_words(at_work: Town) -> None:
    a_morning(at_work)
    with at_work.database.begin() as session:
        stopping.stop(session, by="Ms. Rivera", reason="a wrong roster", now=NOW)

    shown = ask(at_work, "/metrics").text

    assert not re.search(r"\d{7,}", re.sub(r"# .*", "", shown))
    for private in ("Maya", "Rosa", "Rivera", "Burns", "persona", "roster", "555"):
        assert private not in shown


def test_a_database_that_is_away_is_a_figure_too(away: Town) -> None:
    answer = ask(away, "/metrics")

    assert answer.status_code == 200
    assert "presente_database_answers 0.0" in answer.text


def test_posts_on_disk_are_counted(at_work: Town, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{}")
    app = pages(at_work, spool=tmp_path)

    shown = app.test_client().get("/metrics", base_url=HERE).text

    assert "presente_spool_waiting 1.0" in shown


# --- the whole program --------------------------------------------------------------------------------------


@pytest.fixture
def running(tmp_path: Path) -> Iterator[str]:
    """`presente run`, as somebody starts it on a new machine: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PRESENTE_")} | {
        "PRESENTE_DATABASE_URL": f"sqlite:///{tmp_path}/district.db",
        "PRESENTE_SECRET_KEY": "x" * 40,
        "PRESENTE_LISTEN": f"127.0.0.1:{port}",
        "PRESENTE_SPOOL_FOLDER": str(tmp_path / "spool"),
    }
    presente = subprocess.Popen([PRESENTE, "run"], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL)  # noqa: S603
    yield f"http://127.0.0.1:{port}"
    presente.terminate()
    assert presente.wait(20) == 0


def get(address: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_the_program_as_it_is_started_becomes_ready_and_tells_its_neighbours_only(running: str) -> None:
    """The server must not hide from us that a request came through a proxy."""
    until, answer = time.monotonic() + 30, (0, "")
    while time.monotonic() < until and answer[0] != 200:
        with contextlib.suppress(urllib.error.URLError):
            answer = get(f"{running}/readyz")
        time.sleep(0.2)

    assert answer[0] == 200, answer
    assert {check["standing"] for check in json.loads(answer[1])["checks"]} == {"well"}
    assert get(f"{running}/healthz") == (200, "ok\n")
    assert get(f"{running}/metrics")[0] == 200
    for header in ("X-Forwarded-For", "Forwarded"):
        assert get(f"{running}/metrics", **{header: "203.0.113.9"})[0] == 404
