"""The processes of one installation, each ended by its own id; and the monkey that kills them by a plan."""

import contextlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.places import Place
from tests.conftest import ROOT

# As `presente` runs, but telling everything: the figures of a storm are read from its logs.
_PRESENTE = [
    sys.executable,
    "-c",
    "import app; from bot import cli; cli.main(app.Program, lambda _: app.log_to_stderr('info'))",
]
_ENDS_WITHIN = 40

ACCOUNT, TOKEN, OUR_NUMBER = "AC" + "c" * 32, "the token of the chaos", "+19895550199"
# The shortest that may be set, so that whatever a dead process had in hand is settled within the minute.
LEASE, SETTLE_AFTER = 15, 5


def settings_of(where: Place, folder: Path, provider: str, address: str) -> dict[str, str]:
    """What every process of an installation is told: *provider* and *address* are theirs and ours."""
    return {
        "PRESENTE_DATABASE_URL": where.url,
        "PRESENTE_SECRET_KEY": "a key of the chaos that signs nothing of value",
        "PRESENTE_PUBLIC_URL": address,
        "PRESENTE_LISTEN": address.removeprefix("http://"),
        "PRESENTE_PROVIDER": "twilio",
        "PRESENTE_TWILIO_ACCOUNT_SID": ACCOUNT,
        "PRESENTE_TWILIO_AUTH_TOKENS": TOKEN,
        "PRESENTE_TWILIO_FROM": OUR_NUMBER,
        "PRESENTE_TWILIO_API_BASE": provider,
        "PRESENTE_SEGMENTS_PER_SECOND": "1000",
        "PRESENTE_LEASE_SECONDS": str(LEASE),
        "PRESENTE_SETTLE_AFTER_SECONDS": str(SETTLE_AFTER),
        "PRESENTE_SPOOL_FOLDER": str(folder / "spool"),
    }


class Member:
    """One process that is started again whenever it has ended, with a log of its own for all its lives."""

    def __init__(self, name: str, words: Sequence[str], settings: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._words, self._settings = words, settings
        self._said, self._log = folder / f"{name}.out", folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen_until: float | None = None
        self.lives = self.kills = self.fell = 0
        self.away = 0.0  # seconds in which it was not at work
        self._looked_at = time.monotonic()

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESENTE_")}
        with self._said.open("wb") as said, self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own words only
                [*_PRESENTE, *self._words],
                cwd=ROOT,
                env=environment | dict(self._settings),
                stdout=said,
                stderr=log,
                start_new_session=True,  # what it forks is killed with it, as by a service manager
            )
        self.lives += 1

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """It has said that it is at work."""
        return self.runs and self._said.stat().st_size > 0

    def keep_alive(self) -> None:
        """Start it again when it is not there, and thaw it when its time has come."""
        now = time.monotonic()
        if not self.is_ready or self.is_frozen:
            self.away += now - self._looked_at
        self._looked_at = now
        if self._frozen_until is not None and now >= self._frozen_until:
            self.thaw()
        if not self.runs:
            if self._process is not None and self._process.returncode != -signal.SIGKILL:
                self.fell += 1
            self.start()

    def kill(self) -> bool:
        """SIGKILL, to all of it at once; False when it was not running."""
        if not self.runs:
            return False
        self._signal(signal.SIGKILL)
        self._wait()
        self._frozen_until = None
        self.kills += 1
        return True

    def freeze(self, seconds: float) -> bool:
        """It stands still for so long, like a machine that is put to sleep."""
        if not self.is_ready or self._frozen_until is not None:
            return False
        self._signal(signal.SIGSTOP)
        self._frozen_until = time.monotonic() + seconds
        return True

    @property
    def is_frozen(self) -> bool:
        return self._frozen_until is not None

    def thaw(self) -> None:
        self._frozen_until = None
        self._signal(signal.SIGCONT)

    def end(self) -> int | None:
        """Stop it in an orderly way; its exit code, or None when it had to be killed."""
        if self._process is None:
            return 0
        if self._frozen_until is not None:
            self.thaw()
        if self.runs:
            self._process.terminate()
        try:
            return self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._signal(signal.SIGKILL)
            self._wait()

    def logged(self) -> Iterator[dict[str, object]]:
        """What it has logged in all its lives; lines that are no JSON are left out."""
        for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                yield said

    def last_words(self, lines: int = 5) -> list[str]:
        return self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]

    def _signal(self, kind: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, kind)  # its own group: nothing else is in it

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(_ENDS_WITHIN)


@dataclass
class Fleet:
    """Every process of the installation."""

    members: list[Member]
    ended: dict[str, int | None] = field(default_factory=dict)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        try:
            for member in self.members:
                member.start()
            yield
        finally:
            for member in self.members:
                self.ended[member.name] = member.end()

    def keep_alive(self) -> None:
        for member in self.members:
            member.keep_alive()

    def logged(self) -> Counter[str]:
        """How often each thing was logged; an entry that counts texts counts them."""
        found: Counter[str] = Counter()
        for member in self.members:
            for line in member.logged():
                texts = line.get("texts")
                found[str(line.get("event"))] += texts if isinstance(texts, int) else 1
        return found

    def last_words(self) -> tuple[str, ...]:
        return tuple(f"{member.name}: {word}" for member in self.members for word in member.last_words())

    @property
    def kills(self) -> int:
        return sum(member.kills for member in self.members)


@dataclass(frozen=True)
class Act:
    """One blow: after a pause, against one of the processes, or (-1) against the database.

    *when_ready*: only once its victim is at work, and then so many seconds later.
    """

    pause: float
    victim: int
    when_ready: float | None = None
    freeze: float = 0.0


def plan(
    chance: random.Random,
    *,
    victims: int,
    kills: int,
    restarts: int = 0,
    freezes: int = 0,
    freeze_seconds: float = 0.0,
    every: float = 2.0,
    patient: float = 0.5,
) -> list[Act]:
    """So many blows in a random order: the same chance, the same plan.

    *every*: the mean pause in seconds; *patient*: how often a kill waits until its victim is at work.
    """
    kinds = ["kill"] * kills + ["restart"] * restarts + ["freeze"] * freezes
    chance.shuffle(kinds)
    acts = []
    for kind in kinds:
        pause, victim = chance.expovariate(1 / every), chance.randrange(victims)
        wait = chance.uniform(0.0, 3.0) if chance.random() < patient else None
        match kind:
            case "restart":
                acts.append(Act(pause, -1))
            case "freeze":
                acts.append(Act(pause, victim, wait or 0.0, freeze_seconds))
            case _:
                acts.append(Act(pause, victim, wait))
    return acts


class Monkey:
    """Carries a plan out, blow by blow, and starts again whatever has fallen. One call of `look` after the other."""

    def __init__(
        self, fleet: Fleet, acts: Sequence[Act], restart: Callable[[], None], *, idle: bool = False
    ) -> None:
        """*idle*: it strikes only after `wake`."""
        self._fleet = fleet
        self._acts = list(reversed(acts))
        self._restart = restart
        self._due = math.inf
        if not idle:
            self.wake()
        self._ready_at: float | None = None
        self.restarts = self.freezes = 0

    def wake(self) -> None:
        self._due = time.monotonic() + (self._acts[-1].pause if self._acts else 0)

    @property
    def left(self) -> int:
        return len(self._acts)

    def look(self) -> None:
        """Do what is due by now."""
        now = time.monotonic()
        if self._acts and now >= self._due and self._do(self._acts[-1], now):
            self._acts.pop()
            self._ready_at = None
            if self._acts:
                self._due = time.monotonic() + self._acts[-1].pause
        self._fleet.keep_alive()

    def _do(self, act: Act, now: float) -> bool:
        """Whether it was done; otherwise it is tried again at the next look."""
        if act.victim < 0:
            self._restart()
            self.restarts += 1
            return True
        victim = self._fleet.members[act.victim]
        if act.when_ready is not None:
            if not victim.is_ready:
                self._ready_at = None
                return False
            self._ready_at = self._ready_at or now + act.when_ready
            if now < self._ready_at:
                return False
        if act.freeze:
            frozen = victim.freeze(act.freeze)
            self.freezes += frozen
            return frozen
        return victim.kill()
