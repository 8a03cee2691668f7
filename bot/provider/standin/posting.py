"""Signed posts to our webhooks, tried again as Twilio's connection overrides say; never to another machine."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
from yarl import URL

_KINDS = frozenset({"ct", "rt", "4xx", "5xx"})


@dataclass(frozen=True)
class Overrides:
    """The fragment of a webhook's address, as `#rc=2&rp=ct,rt,5xx` (TW-20). What is not allowed is not heard."""

    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    total_seconds: float = 15.0
    retries: int = 1
    retried: frozenset[str] = frozenset({"ct"})

    @classmethod
    def of(cls, fragment: str) -> "Overrides":
        said = {name: values[-1] for name, values in parse_qs(fragment).items()}

        def seconds(name: str, most: int, default: float) -> float:
            value = said.get(name, "")
            return int(value) / 1000 if value.isdecimal() and 100 <= int(value) <= most else default

        retries = said.get("rc", "")
        kinds = frozenset(said.get("rp", "ct").split(","))
        return cls(
            connect_seconds=seconds("ct", 10_000, 5.0),
            read_seconds=seconds("rt", 15_000, 15.0),
            total_seconds=seconds("tt", 15_000, 15.0),
            retries=int(retries) if retries.isdecimal() and int(retries) <= 5 else 1,
            retried=_KINDS if "all" in kinds else kinds & _KINDS,
        )


@dataclass(frozen=True)
class Answered:
    """What became of one post. `failure` is "" or the last one's kind: ct, rt, 3xx, 4xx, 5xx."""

    failure: str
    tries: int
    content_type: str = ""
    body: str = ""

    @property
    def error_code(self) -> int:
        """How Twilio names the failure: nobody there, or an answer that cannot be used."""
        return {"": 0, "ct": 11205}.get(self.failure, 11200)


def signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """X-Twilio-Signature of a form post to *url*, which has no fragment (TW-30, TW-38)."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


class Poster:
    """Posts forms from inside a running event loop."""

    def __init__(self) -> None:
        # A connection of its own for each post: one that was kept could be closed by the other side
        # at the moment of use, and a receipt would be lost that no trouble was meant to lose.
        connector = aiohttp.TCPConnector(limit=64, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": "TwilioProxy/1.1"})

    async def close(self) -> None:
        await self._session.close()

    async def post(self, url: str, form: Mapping[str, str], *, token: str, idempotency: str) -> Answered:
        """Post until it succeeds, or fails in a way that is not tried again, or the time for all is over."""
        plain, _, fragment = url.partition("#")
        if not on_this_machine(plain):
            return Answered("ct", 0)
        overrides = Overrides.of(fragment)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": signature(token, plain, form),
            "I-Twilio-Idempotency-Token": idempotency,
        }
        body = urlencode(form).encode()
        ends = monotonic() + overrides.total_seconds
        tries = 0
        while True:
            tries += 1
            failure, content_type, answer = await self._once(
                plain, body, headers, overrides, ends - monotonic()
            )
            if failure not in overrides.retried or tries > overrides.retries or monotonic() >= ends:
                return Answered(failure, tries, content_type, answer)

    async def _once(
        self, url: str, body: bytes, headers: Mapping[str, str], overrides: Overrides, left: float
    ) -> tuple[str, str, str]:
        limits = aiohttp.ClientTimeout(
            total=max(left, 0.001),
            sock_connect=overrides.connect_seconds,
            sock_read=overrides.read_seconds,
        )
        try:
            async with self._session.post(
                URL(url, encoded=True), data=body, headers=headers, timeout=limits, allow_redirects=False
            ) as answer:
                text = (await answer.read()).decode("utf-8", "replace")
                failure = f"{answer.status // 100}xx" if answer.status >= 300 else ""
                return failure, answer.headers.get("Content-Type", "").partition(";")[0].strip().lower(), text
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return "ct", "", ""
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return "rt", "", ""


def on_this_machine(url: str) -> bool:
    """A rehearsal may carry real-looking families: it tells nobody outside."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "::1") or host.startswith("127.")
