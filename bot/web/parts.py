"""What the web pages are built from; app.py makes it once and hands it down."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.advance import Script
from bot.clock import Clock
from bot.store.session import Database


@dataclass(frozen=True)
class Parts:
    """`signed` says whether the provider signed (address, form, signature); it never raises.

    `simulated_phones` is true with the simulator only: the phones page exists, and a visitor may open
    the desk as a specialist. `wake` tells a worker of this process that something arrived.
    """

    database: Database
    clock: Clock
    script: Script
    secret_key: str
    public_url: str
    signed: Callable[[str, Any, str | None], bool]
    simulated_phones: bool
    wake: Callable[[], None]

    @property
    def now(self) -> datetime:
        return self.clock()
