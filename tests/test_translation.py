"""A machine's translation: the port, a server that speaks LibreTranslate's API, and what is kept."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.language import Language
from bot.store.session import Database
from bot.store.tables import MachineTranslation
from bot.translation import Translated, Unavailable, keep, kept
from bot.translation.libretranslate import LibreTranslate
from tests.builders import NOW

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


def answering(status: int, body: bytes, content_type: str = "application/json") -> Answer:
    def answer(request: BaseHTTPRequestHandler, _asked: dict[str, Any]) -> None:
        request.send_response(status)
        request.send_header("Content-Type", content_type)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def saying(words: object) -> Answer:
    return answering(200, json.dumps({"translatedText": words}).encode())


@contextmanager
def a_server(answer: Answer) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A translation server on this machine: its address, and what it was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body))
            try:
                answer(self, body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # who asked has not waited

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_text_goes_to_the_districts_server_and_comes_back_in_english() -> None:
    with a_server(saying("We have no car today")) as (address, asked):
        said = LibreTranslate(f"{address}/", "secret").translate(
            "hoy no tenemos carro", Language.SPANISH, Language.ENGLISH
        )

    assert said == Translated("We have no car today")
    assert asked == [
        (
            "/translate",
            {
                "q": "hoy no tenemos carro",
                "source": "es",
                "target": "en",
                "format": "text",
                "api_key": "secret",
            },
        )
    ]


def test_where_nobody_knows_the_language_the_server_finds_it_out() -> None:
    with a_server(saying("Hello")) as (address, asked):
        LibreTranslate(address).translate("Cześć", None, Language.ENGLISH)

    assert asked[0][1]["source"] == "auto"
    assert "api_key" not in asked[0][1]


@pytest.mark.parametrize(
    "answer",
    [
        answering(500, b'{"error": "boom"}'),
        answering(400, b'{"error": "ht is not supported"}'),
        answering(403, b'{"error": "Invalid API key"}'),
        answering(429, b'{"error": "Slowdown"}'),
        answering(200, b"<html><body>Please sign in</body></html>", "text/html"),
        answering(200, b"\xff\xfe\x00"),
        answering(200, b"[]"),
        answering(200, b"{}"),
        saying(""),
        saying(None),
        saying({"not": "words"}),
        saying("x" * 2_000_000),
    ],
    ids=["500", "400", "403", "429", "html", "bytes", "list", "empty", "nothing", "null", "object", "huge"],
)
def test_whatever_else_a_server_answers_is_a_sentence_for_the_desk(answer: Answer) -> None:
    with a_server(answer) as (address, _):
        said = LibreTranslate(address).translate("hola", Language.SPANISH, Language.ENGLISH)

    assert isinstance(said, Unavailable)
    assert said.why.endswith(".")
    assert "hola" not in said.why


def test_a_server_that_is_not_there_or_does_not_answer_holds_nobody_up() -> None:
    def slow(_request: BaseHTTPRequestHandler, _asked: dict[str, Any]) -> None:
        time.sleep(1.8)

    def trickling(request: BaseHTTPRequestHandler, _asked: dict[str, Any]) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        for _ in range(40):
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.05)

    for answer in (slow, trickling):
        with a_server(answer) as (address, _):
            begun = time.monotonic()
            said = LibreTranslate(address, seconds=0.2).translate("hola", None, Language.ENGLISH)
            assert isinstance(said, Unavailable)
            assert time.monotonic() - begun < 1.5

    assert isinstance(
        LibreTranslate(address, seconds=0.2).translate("hola", None, Language.ENGLISH), Unavailable
    )


def test_the_words_follow_no_redirect_to_another_server() -> None:
    with a_server(saying("stolen")) as (elsewhere, asked):

        def away(request: BaseHTTPRequestHandler, _asked: dict[str, Any]) -> None:
            request.send_response(307)
            request.send_header("Location", f"{elsewhere}/translate")
            request.send_header("Content-Length", "0")
            request.end_headers()

        with a_server(away) as (address, _):
            said = LibreTranslate(address).translate("hola", None, Language.ENGLISH)

    assert isinstance(said, Unavailable)
    assert asked == []


def test_nul_and_lone_surrogates_never_come_back() -> None:
    with a_server(answering(200, b'{"translatedText": "a\\u0000b\\ud800c"}')) as (address, _):
        said = LibreTranslate(address).translate("hola", None, Language.ENGLISH)

    assert said == Translated("abc")


def test_what_was_translated_once_is_kept_for_these_words_and_this_language_only(database: Database) -> None:
    text, unknown = ("no hay carro", Language.SPANISH), ("no hay carro", None)
    with database.begin() as session:
        keep(session, text, Language.ENGLISH, "there is no car", NOW)
        keep(session, text, Language.ENGLISH, "a second one that came at once", NOW)

    with database.begin() as session:
        found = kept(session, [text, unknown, ("hola", Language.SPANISH)], Language.ENGLISH)
        assert found == {text: "there is no car"}
        assert kept(session, [text], Language.POLISH) == {}
        assert kept(session, [], Language.ENGLISH) == {}
        assert session.scalar(select(func.count()).select_from(MachineTranslation)) == 1
