"""A server that speaks LibreTranslate's API, run by the district: POST /translate, JSON both ways.

The words go to the one address of the settings and nowhere else: no redirect is followed and no proxy of
the environment is asked.
"""

import json
import logging
import time

import urllib3
from urllib3.exceptions import HTTPError

from bot.language import Language
from bot.translation.port import Translated, Unavailable

_log = logging.getLogger(__name__)

# Longer than a page keeps somebody waiting; a text of 1,600 characters takes a small server two or three.
_SECONDS = 10.0
_CONNECT_SECONDS = 2.0
# A text has 1,600 characters; what is a hundred times as long is no translation of one.
_LARGEST_ANSWER = 256 * 1024

_SILENT = "The translation server does not answer. Try again later, or ask somebody who reads the language."
_ODD = "The translation server answered with something that is no translation. Tell the office that runs it."
_REFUSED = "The translation server does not translate this: perhaps it does not know the language."
_KEY = "The translation server refuses our key (PRESENTE_TRANSLATE_KEY). Tell the office that runs it."


class LibreTranslate:
    """The adapter; one for the whole program. *address* is the server's, without /translate."""

    def __init__(self, address: str, key: str = "", *, seconds: float = _SECONDS) -> None:
        self._url = f"{address.rstrip('/')}/translate"
        self._key = key
        self._seconds = seconds
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=4, retries=False)

    def translate(self, text: str, source: Language | None, target: Language) -> Translated | Unavailable:
        asked = {
            "q": text,
            "source": source.value if source else "auto",
            "target": target.value,
            "format": "text",
        }
        if self._key:
            asked["api_key"] = self._key
        try:
            status, answer = self._post(json.dumps(asked).encode())
        except (HTTPError, OSError) as wrong:
            _log.warning("no translation: kind=%s", type(wrong).__name__)
            return Unavailable(_SILENT)
        if status == 200:
            return _read(answer)
        _log.warning("no translation: status=%s", status)
        if status in (401, 403):
            return Unavailable(_KEY)
        return Unavailable(_REFUSED if status == 400 else _SILENT)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body. Raises HTTPError or OSError, also for an answer that is too slow or too long."""
        until = time.monotonic() + self._seconds
        response = self._pool.request(
            "POST",
            self._url,
            body=body,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, self._seconds), read=self._seconds),
            preload_content=False,
            redirect=False,
        )
        read = b""
        try:
            while len(read) <= _LARGEST_ANSWER and time.monotonic() <= until:
                part = response.read1(16 * 1024)
                if not part:
                    return response.status, read
                read += part
        finally:
            response.close()
        raise TimeoutError(f"no end after {len(read)} bytes")


def _read(answer: bytes) -> Translated | Unavailable:
    try:
        said = json.loads(answer)
    except ValueError:  # not JSON, or not UTF-8
        return Unavailable(_ODD)
    words = said.get("translatedText") if isinstance(said, dict) else None
    if not isinstance(words, str) or not words.strip():
        return Unavailable(_ODD)
    # No database keeps a NUL, and no lone surrogate can be written down.
    return Translated(words.replace("\0", "").encode("utf-8", "ignore").decode().strip())
