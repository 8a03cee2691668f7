"""The provider's posts: a family's text came in, what became of one of ours, and the same when we were away.

They come in front of the pages: no cookie, no form of staff and no page is needed to answer them, and
at the morning's peak they are most of what is asked of us.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from flask import Response

from bot import delivery
from bot.arrivals import Intake, Kept, NotKept
from bot.spool import Post
from bot.web.parts import Parts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = structlog.get_logger(__name__)

_INBOUND, _FALLBACK, _STATUS = "/twilio/inbound", "/twilio/fallback", "/twilio/status/"
_FORM = "application/x-www-form-urlencoded"
# The provider's largest post is far below this.
_LARGEST_BODY = 64 * 1024

_EMPTY_TWIML = b"<Response></Response>"
_ALWAYS = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]


@dataclass(frozen=True)
class _Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes = b""


def _twiml(status: str, *headers: tuple[str, str]) -> _Answer:
    """Nothing to say, as TwiML: a plain "OK" would be texted to the family (TW-10, TW-11, TW-14)."""
    size = ("Content-Length", str(len(_EMPTY_TWIML)))
    return _Answer(
        status, [("Content-Type", "text/xml; charset=utf-8"), size, *headers, *_ALWAYS], _EMPTY_TWIML
    )


_HEARD = _twiml("200 OK")
_HEARD_RECEIPT = _Answer("204 No Content", _ALWAYS)  # TW-13
_BAD = _twiml("400 Bad Request")
_FORGED = _twiml("403 Forbidden")
_ONLY_POST = _twiml("405 Method Not Allowed", ("Allow", "POST"))
_TOO_LONG = _twiml("413 Content Too Large")
_OUR_FAULT = _twiml("500 Internal Server Error")
_NOT_KEPT = _twiml("507 Insufficient Storage")


def nothing_to_say(status: int = 200) -> Response:
    """An empty TwiML answer for whatever else is asked under the provider's addresses."""
    return Response(_EMPTY_TWIML, status, content_type="text/xml; charset=utf-8")


class Webhooks:
    """Answers the provider's addresses, and hands everything else to the pages."""

    def __init__(self, parts: Parts, pages: "WSGIApplication") -> None:
        self._parts = parts
        self._pages = pages
        receipt = partial(delivery.receipt, script=parts.script)
        self._intake = Intake(parts.database, receipt=receipt, folder=parts.spool)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        token = path.removeprefix(_STATUS) if path.startswith(_STATUS) else ""
        if path not in {_INBOUND, _FALLBACK} and (not token or "/" in token):
            return self._pages(environ, start_response)
        try:
            answer = self._answer(environ, path, token)
        except Exception:  # noqa: BLE001 - the provider gets XML and no words, whatever went wrong
            _log.exception("a webhook failed", path=path if not token else _STATUS)
            answer = _OUR_FAULT
        start_response(answer.status, answer.headers)
        return (answer.body,)

    def _answer(self, environ: "WSGIEnvironment", path: str, token: str) -> _Answer:
        if environ.get("REQUEST_METHOD") != "POST":
            return _ONLY_POST
        now = self._parts.now
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != _FORM:
            self._intake.count("webhook_refused", now)
            return _FORGED
        try:
            body = _body_of(environ)
        except _TooLong:
            self._intake.count("webhook_oversized", now)
            return _TOO_LONG
        except _Truncated:
            self._intake.count("webhook_truncated", now)
            return _BAD
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        if not self._signed(environ, pairs):
            # Nothing of it is stored or logged, it is only counted (TW-32).
            self._intake.count("webhook_refused", now)
            return _FORGED
        post = Post(
            pairs=tuple(pairs),
            received_at=now,
            token=token,
            retry_token=environ.get("HTTP_I_TWILIO_IDEMPOTENCY_TOKEN", ""),
        )
        try:
            kept = self._intake.set_aside(post) if path == _FALLBACK else self._intake.take(post)
        except NotKept:
            _log.exception("a post was not kept", receipt=bool(token))
            return _NOT_KEPT
        if kept is Kept.WITHOUT_ID:
            return _BAD
        if kept is Kept.STORED:
            self._parts.wake()
        return _HEARD_RECEIPT if token else _HEARD

    def _signed(self, environ: "WSGIEnvironment", pairs: list[tuple[str, str]]) -> bool:
        signature = environ.get("HTTP_X_TWILIO_SIGNATURE")
        try:
            return bool(signature) and self._parts.signed_pairs(
                self._parts.public_url + _target(environ),
                pairs,
                signature,
                environ.get("HTTP_X_TWILIO_WEBHOOKS_SIGNATURE_SETTINGS"),
            )
        except Exception:  # noqa: BLE001 - whatever a forger thinks of is a refusal, never an error (TW-32)
            return False


class _TooLong(Exception):
    """The body is larger than anything the provider posts; it was not read."""


class _Truncated(Exception):
    """Less came than was announced, or nobody can tell how much was meant to come."""


def _body_of(environ: "WSGIEnvironment") -> bytes:
    """Raises _TooLong or _Truncated."""
    said = environ.get("CONTENT_LENGTH") or ""
    try:
        if not said:
            # In chunks, whose end the server knows; without any length there is no body.
            body = (
                environ["wsgi.input"].read(_LARGEST_BODY + 1) if environ.get("wsgi.input_terminated") else b""
            )
            length = len(body)
        else:
            if not (said.isascii() and said.isdigit()):
                raise _Truncated
            length = int(said)
            body = environ["wsgi.input"].read(length) if length <= _LARGEST_BODY else b""
    except OSError:
        raise _Truncated from None
    if length > _LARGEST_BODY:
        raise _TooLong
    if len(body) < length:
        raise _Truncated
    return body


def _target(environ: "WSGIEnvironment") -> str:
    """The path and query exactly as they were sent: decoding and encoding again breaks signatures (TW-33)."""
    raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if not raw:
        path = quote(environ.get("PATH_INFO", "").encode("latin-1"), safe="/-._~!$&'()*+,;=:@")
        query = environ.get("QUERY_STRING", "")
        return f"{path}?{query}" if query else path
    if raw.startswith("/"):
        return raw
    whole = urlsplit(raw)  # a proxy may send the whole address on the request line
    return f"{whole.path}?{whole.query}" if whole.query else whole.path
