"""HTTP under Twilio's client: one pool of connections for all threads, and never the same request twice.

The library's own transport looks for proxies and certificates in the environment on each call, guesses
each answer's alphabet and keeps fewer connections than we have threads; half of a text's cost went there.
"""

import logging
import os
import ssl
from collections.abc import Iterator
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    get_auth_from_url,
    get_environ_proxies,
    prepend_scheme_if_needed,
    select_proxy,
)
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.util import Timeout, make_headers

# Nobody who is well takes longer to pick up, and until then nothing of the text has left.
_CONNECT_SECONDS = 5.0


class NotReached(Exception):
    """Nothing of the request can have left: nobody listened there, or nobody we may trust."""


class Wire(HttpClient):  # type: ignore[misc] # the library has no types
    """One for all threads. `at_once` is how many of them send; more only wait for new connections."""

    def __init__(self, *, seconds: float, at_once: int) -> None:
        """*seconds* is how long an answer may take; a hung connection would hang a sender for ever (TW-102)."""
        super().__init__(logging.getLogger(__name__), False, seconds)
        self._timeout = Timeout(connect=min(_CONNECT_SECONDS, seconds), read=seconds)
        self._at_once = at_once
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        # Their warnings name the whole address, and the address of a list holds a number (TW-108).
        for library in ("urllib3.connection", "urllib3.connectionpool"):
            logging.getLogger(library).setLevel(logging.ERROR)

    def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - one for all
        allow_redirects: bool = False,  # noqa: ARG002 - never: a text would be posted to whoever stands there
    ) -> Response:
        """Raises NotReached, or whatever else went wrong: then the request may have been taken."""
        if params:
            url = f"{url}?{urlencode(params, doseq=True)}"
        told = dict(headers or {})
        if auth:
            told |= make_headers(basic_auth=":".join(auth))
        if method == "GET":
            told["Accept-Encoding"] = "gzip"
        body = urlencode(data, doseq=True) if data else None
        answer = self._open(method, url, body=body, headers=told)
        # JSON is UTF-8. A refusal is told by its status, whatever its words are.
        words = answer.data.decode("utf-8", "strict" if answer.status < 300 else "replace")
        return Response(answer.status, words, answer.headers)

    def lines(self, url: str) -> Iterator[str]:
        """The lines of a file that lies elsewhere: read as they come, and without our keys."""
        answer = self._open("GET", url, preload_content=False)
        try:
            if answer.status != 200:
                raise OSError(f"HTTP {answer.status}")
            begun = b""
            for piece in answer.stream():
                *whole, begun = (begun + piece).split(b"\n")
                yield from (line.decode("ascii", "replace").strip() for line in whole)
            yield begun.decode("ascii", "replace").strip()
        finally:
            answer.close()

    def _open(self, method: str, url: str, **asked: Any) -> urllib3.BaseHTTPResponse:
        try:
            pool = self._pool(url)
        except Exception as wrong:  # noqa: BLE001 - whatever is wrong with the address, nothing has left yet
            raise NotReached(type(wrong).__name__) from None
        try:
            return pool.urlopen(method, url, retries=False, redirect=False, timeout=self._timeout, **asked)
        except Exception as lost:
            if _never_left(lost):
                raise NotReached(type(lost).__name__) from None
            raise

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections to the host of *url*, by the environment's proxy if it names one for that host."""
        address = urlsplit(url)
        origin = (address.scheme, address.netloc)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools.setdefault(origin, self._new_pool(url))
        return pool

    def _new_pool(self, url: str) -> urllib3.PoolManager:
        chosen: dict[str, Any] = {"maxsize": self._at_once, "block": False}
        if url.startswith("https://"):
            chosen["ssl_context"] = self._trust
        elif not url.startswith("http://"):
            raise LocationValueError("an address begins with https:// (or http:// on this machine)")
        proxy = select_proxy(url, get_environ_proxies(url))
        if not proxy:
            return urllib3.PoolManager(1, **chosen)
        proxy = prepend_scheme_if_needed(proxy, "http")
        user, password = get_auth_from_url(proxy)
        keys = make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
        return urllib3.ProxyManager(proxy, 1, proxy_headers=keys, **chosen)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Whom we trust, read once: the environment's bundle as curl and requests know it, or certifi's."""
        bundle = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
        )
        if os.path.isdir(bundle):  # noqa: PTH112 - it is a word of the environment
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)


def _never_left(lost: Exception) -> bool:
    """Whether nothing of a request can have been sent: nobody listened, or nobody we may trust."""
    if isinstance(lost, ProxyError):
        # The library calls it a proxy's failure as well when one that forwards was cut off at the end.
        why = lost.original_error
        return _never_left(why) or (isinstance(why, OSError) and "Tunnel connection failed" in str(why))
    if isinstance(lost, SSLError):
        # Any other failure of TLS may come after the request was handed over.
        return bool(lost.args) and isinstance(lost.args[0], ssl.SSLCertVerificationError)
    return isinstance(lost, NewConnectionError | ConnectTimeoutError | LocationValueError)
