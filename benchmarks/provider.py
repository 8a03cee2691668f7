"""A provider that takes every text and answers after a fixed time: as little work as possible, in its own process.

Far less than the stand-in does (bot/provider/standin), so that a measurement shows the clients and
not their server: nothing is checked, refused or posted back.
"""

import argparse
import asyncio
import http.client
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from benchmarks.children import child, first_line

ACCOUNT, TOKEN, NUMBER = "AC" + "5" * 32, "benchmark", "+19895550199"

# What a page of Twilio's list says when no text came in; the program asks for it now and then (TW-61).
_NOTHING_CAME_IN: dict[str, object] = {"messages": [], "next_page_uri": None, "page": 0, "page_size": 50}


class Provider:
    """The provider's process, as the measurement sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def arrived(self) -> list[tuple[str, float]]:
        """Number and moment (time.monotonic, which all processes of a machine share) of each create since `forget`."""
        return [(number, moment) for number, moment in json.loads(self._get("/arrived"))]

    def forget(self) -> None:
        self._get("/forget")

    def _get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def provider(milliseconds: int = 100) -> Iterator[Provider]:
    """Start one; it is gone afterwards."""
    command = [sys.executable, "-m", "benchmarks.provider", "--milliseconds", str(milliseconds)]
    with child(command) as process:
        yield Provider(first_line(process))


class _Connection(asyncio.Protocol):
    """One kept-alive connection. Requests come one after the other, as every client here sends them."""

    def __init__(self, seconds: float, book: list[tuple[str, float]]) -> None:
        self._seconds, self._book = seconds, book
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = _length(head)
        if len(rest) < length:
            return
        self._received = rest[length:]
        self._take(head, rest[:length])

    def _take(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            form = parse_qs(body.decode())
            self._book.append((form["To"][0], time.monotonic()))
            answer = _created(form, len(self._book))
            asyncio.get_running_loop().call_later(self._seconds, self._answer, b"201 Created", answer)
            return
        if head.startswith(b"GET /forget"):
            self._book.clear()
        told = self._book if head.startswith(b"GET /arrived") else _NOTHING_CAME_IN
        self._answer(b"200 OK", json.dumps(told).encode())

    def _answer(self, status: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            headers = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            self._transport.write(headers % (status, len(body)) + body)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _created(form: dict[str, list[str]], number: int) -> bytes:
    """A message resource, as a create of Twilio's is answered."""
    sid = f"SM{time.monotonic_ns():020x}{number:012x}"
    return json.dumps(
        {
            "account_sid": ACCOUNT,
            "api_version": "2010-04-01",
            "body": form["Body"][0],
            "date_created": "Fri, 22 Oct 2021 13:30:00 +0000",
            "date_sent": None,
            "date_updated": "Fri, 22 Oct 2021 13:30:00 +0000",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": form.get("From", [None])[0],
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "queued",
            "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media.json"},
            "to": form["To"][0],
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json",
        }
    ).encode()


async def _serve(seconds: float) -> None:
    book: list[tuple[str, float]] = []
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(seconds, book), "127.0.0.1", 0, backlog=512
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--milliseconds", type=int, default=100)
    asyncio.run(_serve(arguments.parse_args().milliseconds / 1000))
