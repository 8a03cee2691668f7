"""From a family's text to our answer at the provider, while 2,500 check-ins leave: the whole program.

A signed post comes in at the webhook, is stored, understood and answered, and its answer is handed to
a provider that takes 100 ms for each text. On SQLite everything is `presente run`; on PostgreSQL it
is `presente serve` with a `presente worker` beside it. The sender has no pace to keep, for otherwise
its pace is all there is to measure.
"""

import http.client
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from twilio.request_validator import RequestValidator

from benchmarks.children import PRESENTE, ChildFailed, child, free_port, wait_until_served
from benchmarks.databases import NAMES, kinds, scratch
from benchmarks.district import fill, noon_zone, number_of, queue_check_ins
from benchmarks.measured import Row
from benchmarks.provider import ACCOUNT, NUMBER, TOKEN, Provider, provider
from bot import clock
from bot.advance import Script
from bot.conversation.load import load
from bot.policy import Policy
from bot.texts import Texts

_ROOT = Path(__file__).resolve().parent.parent
_AT_ONCE = 16
_SECONDS_A_TEXT = 0.1
_SIGNED = RequestValidator(TOKEN)


def measure(*, batch: int = 2500, families: int = 200, on: Sequence[str] | None = None) -> list[Row]:
    """*families* write while *batch* other families' check-ins leave."""
    rows = []
    for kind in on or kinds():
        took = _answer_seconds(kind, batch, families)
        median, slow = statistics.median(took), statistics.quantiles(took, n=100)[98]
        what = f"a family's text to our answer, while {batch:,} check-ins leave: {{}} of {len(took)}"
        rows += [
            Row(what.format("median"), NAMES[kind], _milliseconds(median), "300 ms", median / 0.3, at_most=1),
            Row(what.format("p99"), NAMES[kind], _milliseconds(slow), "1,000 ms", slow, at_most=1),
        ]
    return rows


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


def _answer_seconds(kind: str, batch: int, families: int) -> list[float]:
    """How long each family that wrote while the batch left waited. Raises ChildFailed when one got no answer."""
    script = Script(load(_ROOT / "flows"), Texts.load(_ROOT / "locales"), Policy())
    now = clock.now()
    # The batch's families, those that write, and one more that writes first of all.
    everybody = batch + families + 1
    with scratch(kind) as (database, address), provider(int(1000 * _SECONDS_A_TEXT)) as server:
        fill(database, everybody, zone=noon_zone(now), script=script, now=now)
        with _program(kind, address, server, noon_zone(now)) as port:
            # What a process loads once, it has loaded when this family has its answer.
            _writes(port, everybody)
            _answers(server, {number_of(everybody)}, 30)
            server.forget()
            queue_check_ins(database, range(1, batch + 1), script=script, now=clock.now())
            writing = range(batch + 1, everybody)
            wrote = _write_spread(port, writing, 0.9 * batch * _SECONDS_A_TEXT / _AT_ONCE)
            answered = _answers(server, set(wrote), 30)
            checked_in = {number_of(n) for n in range(1, batch + 1)}
            left = _answers(server, checked_in, 60 + batch * _SECONDS_A_TEXT)
    batch_ended = max(left.values())
    during = [answered[number] - began for number, began in wrote.items() if began < batch_ended]
    if len(during) < len(wrote) / 2:
        raise ChildFailed(
            f"the batch had left when {len(wrote) - len(during)} of {len(wrote)} families wrote"
        )
    return during


@contextmanager
def _program(kind: str, database: str, server: Provider, zone: ZoneInfo) -> Iterator[int]:
    """The program at work on this database; yields its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="presente-bench-") as folder, ExitStack() as processes:
        settings = {
            "PRESENTE_DATABASE_URL": database,
            "PRESENTE_SECRET_KEY": secrets.token_hex(16),
            "PRESENTE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PRESENTE_LISTEN": f"127.0.0.1:{port}",
            "PRESENTE_PROVIDER": "twilio",
            "PRESENTE_TWILIO_ACCOUNT_SID": ACCOUNT,
            "PRESENTE_TWILIO_AUTH_TOKENS": TOKEN,
            "PRESENTE_TWILIO_FROM": NUMBER,
            "PRESENTE_TWILIO_API_BASE": server.url,
            "PRESENTE_SENDING_AT_ONCE": str(_AT_ONCE),
            "PRESENTE_SEGMENTS_PER_SECOND": "1000000",
            "PRESENTE_SPOOL_FOLDER": folder,
            "PRESENTE_ZONE": zone.key,
            "PRESENTE_LOG_LEVEL": "error",
        }
        for command in ("run",) if kind == "sqlite" else ("serve", "worker"):
            processes.enter_context(child([*PRESENTE, command], settings=settings))
        wait_until_served(port)
        yield port


def _write_spread(port: int, families: range, seconds: float) -> dict[str, float]:
    """Each family writes once, evenly over so many seconds; returns each number and when it wrote."""
    began = time.monotonic()
    pause = seconds / len(families)

    def write(turn: int) -> tuple[str, float]:
        time.sleep(max(0.0, began + turn * pause - time.monotonic()))
        return number_of(families[turn]), _writes(port, families[turn])

    with ThreadPoolExecutor(8) as pool:
        return dict(pool.map(write, range(len(families))))


def _writes(port: int, family: int) -> float:
    """Post a family's text as Twilio would; returns the moment just before."""
    sid = f"SM{secrets.token_hex(16)}"
    form = {
        "ToCountry": "US",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "SmsSid": sid,
        "SmsStatus": "received",
        "FromCountry": "US",
        "Body": "she has a fever",
        "To": NUMBER,
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": ACCOUNT,
        "From": number_of(family),
        "ApiVersion": "2010-04-01",
    }
    url = f"http://127.0.0.1:{port}/twilio/inbound"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": _SIGNED.compute_signature(url, form),
        "I-Twilio-Idempotency-Token": secrets.token_hex(16),
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    began = time.monotonic()
    try:
        connection.request("POST", "/twilio/inbound", urlencode(form), headers)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise ChildFailed(f"a family's text was answered with {answer.status}")
    return began


def _answers(server: Provider, numbers: set[str], seconds: float) -> dict[str, float]:
    """When the first text to each of these numbers reached the provider."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        first: dict[str, float] = {}
        for number, moment in server.arrived():
            first.setdefault(number, moment)
        if numbers <= first.keys():
            return {number: first[number] for number in numbers}
        time.sleep(0.2)
    raise ChildFailed(
        f"{len(numbers - first.keys())} of {len(numbers)} families got no text in {seconds:.0f} s"
    )
