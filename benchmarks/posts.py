"""A load of signed posts over kept-alive connections, from a process of its own: `python -m benchmarks.posts`.

One thread and one selector, so that the machine's two cores are the server's as far as may be. Each
connection sends its next post when its last one is answered, and no post is sent twice.
"""

import base64
import hmac
import json
import secrets
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from benchmarks.district import number_of
from benchmarks.provider import ACCOUNT, NUMBER, TOKEN

WORDS = (
    "she has a fever",
    "1",
    "está enferma hoy",
    "no ride this morning, sorry!",
    "He will be back tomorrow. He threw up all night",
    "2",
    "my car broke down",
    "gracias",
)
_ENOUGH = 10_000


@dataclass
class Load:
    """What a load came to; latencies in seconds, from the first byte sent to the whole answer."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    all_statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def a_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds


def _signature(url: str, form: dict[str, str]) -> str:
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(TOKEN.encode(), signed.encode(), "sha1").digest()).decode()


def _posts(port: int, path: str, families: int) -> Iterator[bytes]:
    """Endless posts, each a text of its own, as Twilio writes them."""
    url = f"http://127.0.0.1:{port}{path}"
    n = 0
    while True:
        n += 1
        sid = f"SM{secrets.token_hex(16)}"
        form = {
            "ToCountry": "US",
            "ToState": "CT",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ToCity": "HARTFORD",
            "FromZip": "06103",
            "SmsSid": sid,
            "FromState": "CT",
            "SmsStatus": "received",
            "FromCity": "HARTFORD",
            "Body": WORDS[n % len(WORDS)],
            "FromCountry": "US",
            "To": NUMBER,
            "ToZip": "06103",
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": ACCOUNT,
            "From": number_of(n * 7919 % families + 1),
            "ApiVersion": "2010-04-01",
        }
        body = urlencode(form)
        yield (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: TwilioProxy/1.1\r\n"
            f"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
            f"X-Twilio-Signature: {_signature(url, form)}\r\n"
            f"I-Twilio-Idempotency-Token: {secrets.token_hex(16)}\r\n"
            f"Accept: */*\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


class _Line:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.came = b""

    def send(self, post: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(post)

    def answer(self) -> tuple[int, bool] | None:
        """Status, and whether the server closes; None until all of it has come."""
        more = self.socket.recv(65536)
        if not more:
            return 0, True
        self.came += more
        head, end, body = self.came.partition(b"\r\n\r\n")
        if not end:
            return None
        lower = head.lower()
        length = 0
        if b"content-length: " in lower:
            length = int(lower.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        if len(body) < length:
            return None
        self.came = b""
        return int(head[9:12]), b"connection: close" in lower


def run(port: int, path: str, *, seconds: float, warm_up: float, connections: int, families: int) -> Load:
    posts = _posts(port, path, families)
    ready = [next(posts) for _ in range(_ENOUGH)]
    load = Load()
    with selectors.DefaultSelector() as waiting:
        lines = [_Line(port) for _ in range(connections)]
        for line in lines:
            waiting.register(line.socket, selectors.EVENT_READ, line)
            line.send(ready.pop())
        began = time.perf_counter()
        measured_from, until = began + warm_up, began + warm_up + seconds
        busy = connections
        while busy:
            for key, _ in waiting.select(30):
                line = key.data
                answered = line.answer()
                if answered is None:
                    continue
                moment = time.perf_counter()
                status, closes = answered
                load.all_statuses[status] += 1
                if measured_from <= moment < until:
                    load.statuses[status] += 1
                    load.latencies.append(moment - line.sent_at)
                if closes:
                    waiting.unregister(line.socket)
                    line.socket.close()
                    line.connect()
                    waiting.register(line.socket, selectors.EVENT_READ, line)
                if moment < until:
                    line.send(ready.pop() if ready else next(posts))
                else:
                    busy -= 1
        load.seconds = seconds
        for line in lines:
            line.socket.close()
    return load


def main() -> None:
    asked = json.loads(sys.argv[1])
    load = run(**asked)
    json.dump(
        {
            "seconds": load.seconds,
            "statuses": load.statuses,
            "all_statuses": load.all_statuses,
            "latencies": [round(each, 6) for each in load.latencies],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
