"""2,500 queued texts leave: our sender with its outbox, beside the bare client over a list in memory.

The provider answers after 100 ms. Ours asks consent, pace and the stop button for each text and
records what became of it; the bare client only sends. Read it as what the promises cost.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from benchmarks.databases import NAMES, kinds, scratch
from benchmarks.district import fill, number_of, queue_check_ins, states
from benchmarks.measured import Row, in_turn
from benchmarks.provider import ACCOUNT, NUMBER, TOKEN, Provider, provider
from bot.advance import Script
from bot.clock import starting_at
from bot.conversation.load import load
from bot.delivery import Sender
from bot.policy import Policy
from bot.provider.twilio import Twilio
from bot.store.session import Database
from bot.texts import Texts

_ROOT = Path(__file__).resolve().parent.parent
_HARTFORD = ZoneInfo("America/New_York")
_MORNING = datetime(2021, 10, 22, 13, 30, tzinfo=UTC)
_BODY = "Burns School: we missed Maya today. Is everything OK? " * 3

# With 8 threads the rate is the same for fewer texts, and the measurement three times as quick.
_TEXTS = {8: 1000, 32: 2500, 64: 2500}


@dataclass
class _Contestant:
    """Texts a second of one run; `cpu` keeps the processor seconds of one text, run by run."""

    texts: int
    send: Callable[[], object]
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None
    cpu: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.before()
        worked, began = time.process_time(), time.perf_counter()
        self.send()
        took = time.perf_counter() - began
        self.cpu.append((time.process_time() - worked) / self.texts)
        self.after()
        return self.texts / took


def measure(
    *,
    rounds: int = 3,
    threads: Sequence[int] = (8, 32, 64),
    texts: int | None = None,
    on: Sequence[str] | None = None,
) -> list[Row]:
    """*texts*: so many in each run, rather than 2,500 (1,000 with 8 threads)."""
    script = Script(load(_ROOT / "flows"), Texts.load(_ROOT / "locales"), Policy())
    rows: list[Row] = []
    with provider() as server, ExitStack() as databases:
        districts = {}
        for kind in on or kinds():
            districts[kind], _ = databases.enter_context(scratch(kind))
            families = texts or max(_TEXTS.values())
            fill(districts[kind], families, zone=_HARTFORD, script=script, now=_MORNING)
        for at_once in threads:
            number = texts or _TEXTS[at_once]
            contestants = {"bare": _bare(server, at_once, number)} | {
                kind: _ours(server, database, script, at_once, number) for kind, database in districts.items()
            }
            rate = in_turn(rounds, contestants)
            for kind in districts:
                rows += _rows(kind, at_once, rate, contestants)
    return rows


def _rows(
    kind: str, at_once: int, rate: dict[str, float], contestants: dict[str, _Contestant]
) -> Iterator[Row]:
    ours, bare = contestants[kind], contestants["bare"]
    what = f"draining {ours.texts:,} texts, {at_once} at once, beside the bare Twilio client"
    yield Row(
        what,
        NAMES[kind],
        f"{rate[kind]:.0f}/s",
        f"{rate['bare']:.0f}/s",
        rate[kind] / rate["bare"],
        at_least=0.8,
    )
    mine, its = median(ours.cpu), median(bare.cpu)
    yield Row(
        f"processor time of a text, {at_once} at once",
        NAMES[kind],
        f"{1000 * mine:.2f} ms",
        f"{1000 * its:.2f} ms",
        mine / its,
    )


def _bare(server: Provider, at_once: int, texts: int) -> _Contestant:
    def send_all() -> None:
        client = Client(ACCOUNT, TOKEN, http_client=TwilioHttpClient(timeout=10))
        client.api.base_url = server.url
        messages = client.messages  # loads the client's resources before the threads need them

        def send(family: int) -> None:
            messages.create(to=number_of(family), from_=NUMBER, body=_BODY)

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(send, range(1, texts + 1)))

    return _Contestant(texts, send_all)


def _ours(server: Provider, database: Database, script: Script, at_once: int, texts: int) -> _Contestant:
    def drain() -> None:
        twilio = Twilio(
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            sender=NUMBER,
            messaging_service="",
            callback_base="https://example.org",
            api_base=server.url,
            at_once=at_once,
        )
        sender = Sender(database, twilio, script=script, clock=starting_at(_MORNING), at_once=at_once)
        sender.drain()
        sender.close()

    def check() -> None:
        found = states(database)
        if found != {"sent": texts}:
            raise ValueError(f"{texts} texts were to be sent; the outbox says {found}")

    def queue() -> None:
        queue_check_ins(database, range(1, texts + 1), script=script, now=_MORNING)

    return _Contestant(texts, drain, before=queue, after=check)
