"""A server that stands in for Twilio and answers as it is told, and what it may be told."""

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.provider import Outgoing
from bot.provider.twilio import Twilio
from tests.conftest import ROOT

SPEC = json.loads((ROOT / "tests" / "data" / "twilio" / "messages_create.json").read_text(encoding="utf-8"))
ACCOUNT, TOKEN, SERVICE = "AC" + "5" * 32, "the-auth-token", "MG" + "a" * 32
CERTIFICATE = ROOT / "tests" / "data" / "twilio" / "localhost.pem"
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
OF_SERVICE = f"/v1/Services/{SERVICE}"
TEXT = Outgoing("0123abcd", "+18605550123", "Buenos días: ¿está bien Maya? 100% & más", 1800)
SINCE = datetime(2021, 10, 22, 13, 30, 0, 500_000, tzinfo=UTC)

Answer = Callable[[BaseHTTPRequestHandler], None]


class Listener(ThreadingHTTPServer):
    """Counts the connections that were opened."""

    daemon_threads = True
    request_queue_size = 64
    connections = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        return super().get_request()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    command: str
    path: str
    headers: Message


class Stand:
    """Stands in for Twilio: keeps every request, and answers as it is told."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.forms: list[dict[str, list[str]]] = []
        self.answer: Answer = answering(201, SPEC["answers"]["createWoService"])
        self.release = threading.Event()
        stand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                stand.seen.append(Seen(self.command, self.path, self.headers))
                stand.forms.append(parse_qs(body, keep_blank_values=True, strict_parsing=bool(body)))
                stand.answer(self)

            do_GET = do_POST  # noqa: N815 - the name is the server's

            def log_message(self, *_: object) -> None:
                """A test says what it must itself."""

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


def answering(status: int, body: Any, content_type: str = "application/json", **headers: str) -> Answer:
    if isinstance(body, str):
        body = body.encode()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {
            **headers,
            "Content-Type": content_type,
            "Content-Length": str(len(content)),
        }.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def by_path(answers: dict[str, Answer]) -> Answer:
    """One answer for each address, its query apart; 404 for any other."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        answers.get(urlsplit(request.path).path, refusing(404, 20404))(request)

    return answer


def refusing(status: int, code: int) -> Answer:
    """An error as Twilio words it."""
    said = {
        "code": code,
        "message": "No.",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return answering(status, said)


def resetting(request: BaseHTTPRequestHandler) -> None:
    """The text was read, and the connection is cut instead of an answer."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.close_connection = True
    request.connection.close()


def hanging_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


def breaking_off(request: BaseHTTPRequestHandler) -> None:
    request.send_response(201)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "4000")
    request.end_headers()
    request.wfile.write(b'{"sid": "SM')
    request.close_connection = True


def talking_nonsense(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    request.close_connection = True


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as empty:
        empty.bind(("127.0.0.1", 0))
        return int(empty.getsockname()[1])


def twilio(
    base: str, *, service: str = "", seconds: float = 5, account: str = ACCOUNT, at_once: int = 16
) -> Twilio:
    return Twilio(
        account_sid=account,
        auth_token=TOKEN,
        sender="+18605550100",
        messaging_service=service,
        callback_base="https://texts.example.org/presente",
        api_base=base,
        seconds=seconds,
        at_once=at_once,
    )


def listed(n: int, minutes: float, **other: Any) -> dict[str, Any]:
    """A message as the list has it, created so many minutes after half past."""
    at = SINCE.replace(microsecond=0) + timedelta(minutes=minutes)
    return {
        **SPEC["answers"]["createWoService"],
        "sid": f"SM{n:032x}",
        "body": f"text {n}",
        "direction": "outbound-api",
        "status": "delivered",
        "error_code": None,
        "date_created": format_datetime(at),
        "date_sent": None,
        **other,
    }


def numbers_of(*numbers: str, capabilities: tuple[str, ...] = ("SMS", "MMS")) -> Answer:
    found = [{"sid": "PN1", "phone_number": each, "capabilities": list(capabilities)} for each in numbers]
    return answering(200, {"phone_numbers": found, "meta": {"key": "phone_numbers"}})


def codes_of(*codes: str) -> Answer:
    found = [{"sid": "SC1", "short_code": each} for each in codes]
    return answering(200, {"short_codes": found, "meta": {"key": "short_codes"}})
