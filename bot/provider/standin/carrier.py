"""The life of a text after it was accepted, with its receipts; and a family's text on its way to us."""

import asyncio
import contextlib
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from bot.provider.standin import resources
from bot.provider.standin.account import Account, Message, Spoken
from bot.provider.standin.posting import Answered, Poster
from bot.provider.standin.trouble import Dice, Fate

# How long a create's answer waits for the receipt that shall come before it.
_PATIENCE_SECONDS = 2.0

_TWIML = ("text/xml", "application/xml")
_VERBS = ("Message", "Redirect")


@dataclass(frozen=True)
class Written:
    """What became of a family's text: whether we took it, at which of the two addresses, and after how many posts."""

    sid: str
    taken: bool
    by_fallback: bool = False
    tries: int = 0


class Carrier:
    """Whatever happens without being asked for. Lives inside a running event loop."""

    def __init__(self, account: Account, dice: Dice, poster: Poster) -> None:
        self._account = account
        self._dice = dice
        self._poster = poster
        self._under_way: set[asyncio.Task[Any]] = set()

    @property
    def is_quiet(self) -> bool:
        """Nothing is left that would still be posted now."""
        return not self._under_way

    async def close(self) -> None:
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    # --- our texts ------------------------------------------------------------------------------------------

    async def carry(self, message: Message, fate: Fate) -> None:
        """Begin the life of a text. Returns at once, or when its first receipt was posted if that comes early."""
        if message.send_at:
            wait = (message.send_at - self._account.clock()).total_seconds()
            asyncio.get_running_loop().call_later(wait, self._leave, message, fate)
            return
        told = asyncio.Event()
        self._start(self._live(message, fate, told))
        if fate.early and message.status_callback and self._account.posts_receipts:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), _PATIENCE_SECONDS)

    def _leave(self, message: Message, fate: Fate) -> None:
        if message.status == "scheduled":
            self._account.scheduled_leaves(message)
            self._start(self._live(message, fate, asyncio.Event()))

    async def _live(self, message: Message, fate: Fate, told: asyncio.Event) -> None:
        """Go through the statuses; *told* is set once the first receipt was posted, or will come later or never."""
        if not fate.early:
            await asyncio.sleep(fate.latency)
        late: list[tuple[dict[str, str], int]] = []
        for place, status in enumerate(_statuses(message, fate)):
            await asyncio.sleep(fate.pauses[place])
            self._account.went_on(message, status, self._account.clock())
            if not message.status_callback or not self._account.posts_receipts:
                continue
            word, times = resources.receipt(self._account, message, status), 1 + fate.repeated[place]
            if fate.lost[place]:
                self._account.count("receipts_lost")
            elif fate.reordered or fate.delay:
                late.append((word, times))
            else:
                await self._tell(message, word, times)
            told.set()
        await asyncio.sleep(fate.delay)
        for word, times in reversed(late) if fate.reordered else late:
            await self._tell(message, word, times)

    async def _tell(self, message: Message, word: dict[str, str], times: int) -> None:
        token = str(uuid.uuid4())  # one for a word, however often it is posted (TW-24)
        for _ in range(times):
            answer = await self._poster.post(
                message.status_callback, word, token=self._account.auth_token, idempotency=token
            )
            self._account.count("receipts_failed" if answer.failure else "receipts_posted")

    # --- families' texts ------------------------------------------------------------------------------------

    async def write(
        self, number: str, words: str, *, to: str, media: Sequence[tuple[str, str]] = ()
    ) -> Written:
        """A family's text: obeyed if it is a keyword, kept in the list, posted to the address and then the other."""
        account = self._account
        opt_out_type = account.heard(number, words, to)
        message = account.arrived(number, words, to, media=len(media), at=account.clock())
        account.count("inbound")
        if not account.receiving:
            return Written(message.sid, taken=False)
        form = resources.family_text(account, message, opt_out_type)
        for place, (url, content_type) in enumerate(media):
            form |= {f"MediaUrl{place}": url, f"MediaContentType{place}": content_type}
        lost, repeated = self._dice.webhook(account.trouble)
        if lost:
            account.count("webhooks_lost")
            return Written(message.sid, taken=False)
        answer_url, fallback_url = account.inbound_urls()
        if not answer_url:
            return Written(message.sid, taken=False)
        token = str(uuid.uuid4())
        answer = await self._webhook(answer_url, form, message, token)
        if repeated:
            answer = await self._webhook(answer_url, form, message, token)
        if not answer.failure or not fallback_url:
            return Written(message.sid, taken=not answer.failure, tries=answer.tries)
        form |= {"ErrorCode": str(answer.error_code), "ErrorUrl": answer_url.partition("#")[0]}
        second = await self._webhook(fallback_url, form, message, str(uuid.uuid4()))
        return Written(
            message.sid, taken=not second.failure, by_fallback=True, tries=answer.tries + second.tries
        )

    async def _webhook(self, url: str, form: dict[str, str], message: Message, token: str) -> Answered:
        account = self._account
        answer = await self._poster.post(url, form, token=account.auth_token, idempotency=token)
        account.count("webhooks_failed" if answer.failure else "webhooks_posted")
        if not answer.failure:
            said, warning = said_in(answer.content_type, answer.body)
            account.spoken_by_twiml += [Spoken(message.sender, words, message.sid) for words in said]
            if warning:
                account.warnings.append((warning, message.sid))
        return answer


def _statuses(message: Message, fate: Fate) -> tuple[str, ...]:
    """The statuses that follow the first, of which nobody is told (TW-51)."""
    chosen = ("queued",) if message.service_sid else ()
    if not message.error_code:
        return (*chosen, "sent", "delivered")
    return (*chosen, "failed") if fate.fails_before_carrier else (*chosen, "sent", "undelivered")


def said_in(content_type: str, body: str) -> tuple[list[str], int]:
    """What an answer to a family's text says to the family, and the error for an answer that is no TwiML.

    Plain text is texted as it stands (TW-11); in TwiML it is each Message's Body, or its own words.
    """
    if not body.strip():
        return [], 0
    if content_type == "text/plain":
        return [body], 0
    if content_type not in _TWIML:
        return [], 12300
    try:
        root = ET.fromstring(body)  # noqa: S314 - our own webhook's answer, on this machine
    except ET.ParseError:
        return [], 12100
    if root.tag != "Response":
        return [], 12100
    messages = [(verb, verb.find("Body")) for verb in root.iter("Message")]
    said = ["".join((verb if inner is None else inner).itertext()) for verb, inner in messages]
    return said, 12200 if any(verb.tag not in _VERBS for verb in root) else 0
