"""A four-turn talk, stored turn by turn: ours beside what a school would pick instead, in the same run.

The peers keep the talk's state and nothing else. A whole turn of ours also keeps both texts, takes
each text once, writes ledger, barriers and hand-offs, and queues the answer.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks import peers
from benchmarks.databases import NAMES, kinds, scratch
from benchmarks.measured import Row, in_turn
from benchmarks.turns import pure_turns, whole_turns
from bot.advance import Script
from bot.conversation.load import load
from bot.policy import Policy
from bot.texts import Texts

# How many times as fast as each peer a whole turn should be.
_TIMES = {"bot_framework": 2, "lang_graph": 5, "lang_graph_once": 5}


def measure(*, rounds: int = 5, families: int = 300, on: Sequence[str] | None = None) -> list[Row]:
    """Without the peers where `make bench` has not made their environment."""
    script = Script(load(peers.ROOT / "flows"), Texts.load(peers.ROOT / "locales"), Policy())
    present = list(peers.PEERS) if peers.installed() else []
    databases = on or kinds()

    def ours(kind: str) -> float:
        with scratch(kind) as (database, _):
            return whole_turns(database, script, families=families)

    took = in_turn(
        rounds,
        {"pure": lambda: pure_turns(script)}
        | {kind: partial(ours, kind) for kind in databases}
        | {peer: partial(peers.turns_per_second, peer, families) for peer in present},
    )
    rows = [Row("the turn alone", "", _rate(took["pure"]), "20,000/s", took["pure"] / 20_000, at_least=1)]
    rows += [
        Row(
            f"a whole turn, beside {peers.PEERS[peer]}",
            NAMES["sqlite"],
            _rate(took["sqlite"]),
            _rate(took[peer]),
            took["sqlite"] / took[peer],
            at_least=_TIMES[peer],
        )
        for peer in present
    ]
    alone = [kind for kind in databases if kind != "sqlite" or not present]
    rows += [Row("a whole turn", NAMES[kind], _rate(took[kind]), "") for kind in alone]
    return rows


def _rate(turns: float) -> str:
    return f"{turns:,.0f}/s"
