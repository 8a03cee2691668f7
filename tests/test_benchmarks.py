"""Each measurement runs, in a tiny size: that it tells the truth is tested here, that it is fast nowhere."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.__main__ import QUICK
from benchmarks.children import ChildFailed, child, first_line
from benchmarks.databases import NAMES, scratch
from benchmarks.district import fill, number_of, queue_check_ins, states
from benchmarks.draining import _HARTFORD as HARTFORD
from benchmarks.measured import Row, in_turn, markdown, plain
from benchmarks.peers import talk
from benchmarks.provider import provider
from bot.advance import Script
from bot.phone import PhoneNumber
from tests.builders import NOW

ROOT = Path(__file__).resolve().parent.parent

TINY: dict[str, dict[str, object]] = {
    "starting": {"rounds": 1},
    "reading": {"rounds": 1, "most": 10},
    "importing": {"rounds": 1, "on": ["sqlite"], "students": 40, "guardians": 60},
    "draining": {"rounds": 1, "threads": (8,), "texts": 40, "on": ["sqlite"]},
    "latency": {"batch": 120, "families": 8, "on": ["sqlite"]},
    "desk": {"students": 600, "days": 20, "times": 1, "on": ["sqlite"]},
}


@pytest.mark.parametrize("name", TINY)
def test_a_measurement_gives_figures_beside_their_limits(name: str) -> None:
    rows = import_module(f"benchmarks.{name}").measure(**TINY[name])

    assert rows
    for row in rows:
        assert row.ours
        assert row.ratio is None or row.ratio >= 0
        assert row.database in ("", *NAMES.values())


def test_every_measurement_can_be_named_on_the_command_line() -> None:
    assert all(callable(import_module(f"benchmarks.{name}").measure) for name in QUICK)


# --- the table ---------------------------------------------------------------------------------------------


def test_a_row_holds_when_its_ratio_is_on_the_wanted_side() -> None:
    assert Row("drain", "SQLite", "8/s", "10/s", 0.8, at_least=0.8).holds
    assert not Row("drain", "SQLite", "7/s", "10/s", 0.79, at_least=0.8).holds
    assert Row("start", "", "1 s", "1 s", 1.0, at_most=1).holds
    assert not Row("start", "", "1.01 s", "1 s", 1.01, at_most=1).holds
    assert Row("a figure to know", "", "7", "").holds is None


def test_both_tables_show_what_holds_and_what_does_not() -> None:
    rows = [
        Row("fast", "SQLite", "9/s", "3/s", 3.0, at_least=2),
        Row("slow", "", "3 s", "1 s", 3.0, at_most=2),
    ]

    assert plain(rows).splitlines()[1:] == [
        "fast  SQLite    9/s   3/s    3.00   >= 2    yes",
        "slow            3 s   1 s    3.00   <= 2    no",
    ]
    assert markdown(rows).splitlines()[2:] == [
        "| fast | SQLite | 9/s | 3/s | 3.00 | >= 2 | yes |",
        "| slow |  | 3 s | 1 s | 3.00 | <= 2 | no |",
    ]


def test_contestants_take_turns_and_the_middle_round_counts() -> None:
    order: list[str] = []

    def contestant(name: str, figures: list[float]) -> Callable[[], float]:
        def measure() -> float:
            order.append(name)
            return figures.pop(0)

        return measure

    found = in_turn(3, {"ours": contestant("ours", [1, 9, 2]), "theirs": contestant("theirs", [5, 4, 6])})

    assert order == ["ours", "theirs"] * 3
    assert found == {"ours": 2, "theirs": 5}


# --- what the measurements stand on -----------------------------------------------------------------------


def test_every_family_of_the_district_has_a_fictional_number_of_its_own() -> None:
    numbers = [number_of(family) for family in range(1, 20_001)]

    assert len(set(numbers)) == len(numbers)
    assert all(PhoneNumber.parse(number).e164 == number for number in numbers[::97])
    assert all(number[5:10] == "55501" for number in numbers)


def test_queueing_the_check_ins_again_empties_the_outbox_first(script: Script) -> None:
    with scratch("sqlite") as (database, _):
        fill(database, 12, zone=HARTFORD, script=script, now=NOW)
        queue_check_ins(database, range(1, 11), script=script, now=NOW)
        queue_check_ins(database, range(1, 6), script=script, now=NOW)

        assert states(database) == {"queued": 5}


def test_the_provider_forgets_only_when_it_is_told_to() -> None:
    with provider(milliseconds=0) as server:
        server._get("/2010-04-01/Accounts/AC1/Messages.json?To=%2B12035550101")

        assert server.arrived() == []


def test_a_child_is_ended_when_its_measurement_fails() -> None:
    with pytest.raises(ZeroDivisionError), child([sys.executable, "-c", "input()"]) as process:
        _ = 1 / 0

    assert process.poll() is not None


def test_a_child_that_ends_without_a_word_is_told_apart_from_a_slow_one() -> None:
    with child([sys.executable, "-c", "raise SystemExit(3)"]) as process, pytest.raises(ChildFailed):
        first_line(process)


def test_a_child_hears_none_of_the_callers_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESENTE_PROVIDER", "twilio")
    shown = "import os; print([n for n in os.environ if n.startswith('PRESENTE_')])"

    with child([sys.executable, "-c", shown], settings={"PRESENTE_ZONE": "UTC"}) as process:
        assert first_line(process) == "['PRESENTE_ZONE']"


# --- the peers ----------------------------------------------------------------------------------------------


def test_a_peer_that_keeps_its_talk_in_memory_is_found_out() -> None:
    def make() -> talk.Take:
        turns = iter(talk.TALK)

        async def take(_family: str, _words: str) -> str:
            return next(turns)[1]

        return take

    with pytest.raises(ValueError, match="after a restart"):
        asyncio.run(talk.survives_restarts(make))


def test_a_peer_that_answers_wrongly_has_no_speed() -> None:
    def take(_family: str, _words: str) -> Awaitable[str]:
        answered = asyncio.get_running_loop().create_future()
        answered.set_result("what?")
        return answered

    with pytest.raises(ValueError, match="family-0"):
        asyncio.run(talk.play(1, take))


if peers.installed():  # `make bench` makes their environment; without it there is nothing to try

    @pytest.mark.parametrize("peer", peers.PEERS)
    def test_a_peer_plays_the_talk_from_its_file(peer: str) -> None:
        assert peers.turns_per_second(peer, 3) > 0


def test_the_peers_are_locked_with_hashes_and_without_addresses() -> None:
    lock = (ROOT / "benchmarks" / "peers" / "requirements.lock").read_text(encoding="utf-8")
    pinned = [line for line in lock.splitlines() if line and line[0] not in " #"]

    assert "://" not in lock
    assert all(" \\" in line for line in pinned)
    assert all(
        f"\n{name}==" in f"\n{lock}"
        for name in ("botbuilder-dialogs", "langgraph", "langgraph-checkpoint-sqlite")
    )


def test_the_programs_own_environment_holds_no_peer() -> None:
    ours = (ROOT / "requirements.lock").read_text() + (ROOT / "requirements-dev.lock").read_text()

    assert not [name for name in ("botbuilder", "langgraph", "langchain") if f"\n{name}" in ours]
