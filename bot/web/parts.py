"""What the web pages are built from; app.py makes it once and hands it down."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.advance import Script
from bot.clock import Clock
from bot.store.session import Database


@dataclass(frozen=True)
class Parts:
    """`signed_pairs` says whether the provider signed (address, names and values, the signature's header, the
    header that names its algorithm); it never raises.

    `simulated_phones` is true with the simulator only: the phones page exists, and a visitor may open
    the desk as a specialist. `wake` tells the workers that something arrived.

    `spool` is the folder that keeps the provider's posts while the database cannot. `metrics_token` is
    what whoever watches the program must show; without one only this machine may look. `migration` is
    the one the program is written for; with "" the database's own is not compared with it.
    """

    database: Database
    clock: Clock
    script: Script
    secret_key: str
    public_url: str
    signed_pairs: Callable[[str, list[tuple[str, str]], str | None, str | None], bool]
    simulated_phones: bool
    wake: Callable[[], None]
    spool: Path | None = None
    metrics_token: str = ""
    migration: str = ""

    @property
    def now(self) -> datetime:
        return self.clock()
