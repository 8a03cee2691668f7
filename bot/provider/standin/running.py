"""Standin: the account, its API and its carrier, in a thread of their own."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from bot.provider.standin.account import Account
from bot.provider.standin.api import Api
from bot.provider.standin.carrier import Carrier, Written
from bot.provider.standin.posting import Poster
from bot.provider.standin.trouble import Dice

_LOOK_AGAIN_SECONDS = 0.005


@dataclass(kw_only=True, eq=False, repr=False)
class Standin(Account):
    """A stand-in for Twilio, from `with` to the end of it.

    with Standin(account_sid="AC...", auth_token="...", trouble=WILD, seed=7) as standin:
        standin.url; standin.book; standin.family_writes("+12035550123", "he is sick")

    close() and start() again keep the address and all that is known: a provider that was away.
    """

    seed: int = 0
    listen: str = "127.0.0.1:0"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._host, _, port = self.listen.rpartition(":")
        self._port = int(port)
        self._dice = Dice(self.seed)
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._could_not: BaseException | None = None
        # Made anew by each start, in its own thread.
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._carrier: Carrier

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it listens, once it has been started."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        self._ready.clear()
        self._could_not = None
        self._thread = threading.Thread(target=self._run, name="standin", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._could_not:
            raise self._could_not

    def close(self) -> None:
        """Stop: open connections are cut, and what would still have been posted is not."""
        if self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._thread = None

    def family_writes(
        self, number: str, words: str, *, to: str = "", media: Sequence[tuple[str, str]] = ()
    ) -> Written:
        """A family's text, posted to our webhook and, when that fails, to the fallback; waits for both.

        `media` are addresses of pictures with their content types. Any thread may call it.
        """
        writing = self._carrier.write(number, words, to=to or self.number, media=media)
        return asyncio.run_coroutine_threadsafe(writing, self._loop).result()

    def settle(self, seconds: float = 10.0) -> None:
        """Wait until every receipt that will come has come. Raises TimeoutError."""
        ends = time.monotonic() + seconds
        while not self._carrier.is_quiet:
            if time.monotonic() > ends:
                raise TimeoutError(f"the stand-in still had receipts to post after {seconds:g} seconds")
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as wrong:  # noqa: BLE001 - start() raises it in the thread that asked
            self._could_not = wrong
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        poster = Poster()
        self._carrier = Carrier(self, self._dice, poster)
        api = Api(self, self._dice, self._carrier)
        runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port, backlog=1024)
            await site.start()
            self._port = runner.addresses[0][1]
            self._book.open()
            self._ready.set()
            await self._stopping.wait()
        finally:
            await runner.cleanup()
            await self._carrier.close()
            await poster.close()
            self._book.close()
