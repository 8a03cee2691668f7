"""What the web pages are built from; app.py makes it once and hands it down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

from bot.advance import Script
from bot.clock import Clock
from bot.conversation.replies import Reply
from bot.language import Language
from bot.roster.incoming import Office
from bot.staff import District
from bot.store.session import Database
from bot.translation import Translator


def _nobody_knows(_words: str, _expected: Language) -> Language | None:
    return None


@dataclass(frozen=True)
class Parts:
    """`signed_pairs` says whether the provider signed (address, names and values, the signature's header, the
    header that names its algorithm); it never raises.

    `simulated_phones` is true with the simulator only: the phones page exists, and a visitor may open
    the desk as a specialist. `wake` tells the workers that something arrived.

    `spool` is the folder that keeps the provider's posts while the database cannot. `metrics_token` is
    what whoever watches the program must show; without one only this machine may look. `migration` is
    the one the program is written for; with "" the database's own is not compared with it.

    `proxies` is how many stand in front and may be believed about where a request came from; `district` is
    the district's own sign-in, if it has one; with `second_factor_required` a password alone opens nothing.

    `replies` are what staff may choose from; `language_of` guesses the language of words, given
    the one they are expected in; `translator` is the district's own server, if it runs one; `segment_price` is in dollars.
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
    office: Office = field(default_factory=lambda: Office("America/New_York", time(9, 30)))
    proxies: int = 0
    second_factor_required: bool = False
    district: District | None = None
    replies: tuple[Reply, ...] = ()
    language_of: Callable[[str, Language], Language | None] = _nobody_knows
    translator: Translator | None = None
    segment_price: Decimal | None = None

    @property
    def now(self) -> datetime:
        return self.clock()
