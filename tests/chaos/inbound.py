"""Families' texts, each posted five times, while the database and the processes come and go: one turn each, in order."""

import json
import random
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from sqlalchemy import select

from benchmarks.district import noon_zone, number_of
from bot import arrivals, clock, inbound, outreach, spool
from bot.clock import school_day
from bot.provider.standin import Standin, read_book
from bot.provider.standin.posting import signature
from bot.store.session import Database
from bot.store.tables import (
    BarrierFound,
    ConsentEvent,
    Conversation,
    Handoff,
    InboundText,
    OutboundText,
    Phone,
)
from bot.understanding import Understanding
from tests.chaos import judge
from tests.chaos.district import fill, the_script
from tests.chaos.fleet import (
    ACCOUNT,
    OUR_NUMBER,
    TOKEN,
    Fleet,
    Member,
    Monkey,
    plan,
    settings_of,
)
from tests.chaos.outbound import SQUALL
from tests.chaos.places import Place, a_port, place, surely
from tests.chaos.rest import State, Verdict, state_of

# What families write, one after the other. Told in another order, a story ends elsewhere.
STORIES = (
    ("she has a fever", "thank you", "she will be back on Monday", "is there homework?", "ok"),
    ("3", "1", "2", "thanks", "can somebody call me?"),
    ("huh?", "what is this?", "no ride, the bus did not come", "2", "thank you"),
    ("en español por favor", "está enfermo", "gracias", "3", "quiero hablar con una persona"),
    ("STOP", "START", "my car broke down", "STOP", "START"),
    ("START", "he is sick", "STOP", "START", "STOP"),
    ("HELP", "3", "2", "1", "the laptop is broken"),
)
_POSTS = 5
_ANSWER_SECONDS = 15  # as long as Twilio waits (TW-20)
# No text fails on its way: that would end talks at moments of its own, and nothing could be compared.
_PROVIDER = replace(SQUALL, delivery_fails=0.0)


@dataclass(frozen=True)
class Flood:
    """How many families write, within about how many seconds; how often the database is away, and for how long."""

    families: int = 70
    seconds: float = 60.0
    kills: int = 12
    outages: int = 3
    outage: float = 4.0
    serves: int = 2
    workers: int = 2
    posters: int = 8
    calm: float = 180.0
    say: Callable[[str], None] = field(default=lambda _line: None, repr=False)


def run(kind: str, seed: int, flood: Flood, *, keep: Path | None = None) -> Verdict:
    """Let the families of one district write, and judge what became of each text.

    What was logged is copied to *keep*, whatever the verdict.
    """
    with tempfile.TemporaryDirectory(prefix="presente-chaos-") as named:
        folder = Path(named)
        try:
            with place(kind, folder) as (where, database):
                return _Day(kind, seed, flood, where, database, folder).pass_over()
        finally:
            if keep is not None:
                shutil.copytree(folder, keep, dirs_exist_ok=True)


# --- the posts --------------------------------------------------------------------------------------------


@dataclass
class Text:
    """A family's text: what is posted, when its first post began, and when one was first answered well."""

    family: int
    place: int
    sid: str
    words: str
    retry_token: str
    begun: float | None = None
    heard: float | None = None

    @property
    def form(self) -> dict[str, str]:
        return {
            "AccountSid": ACCOUNT,
            "ApiVersion": "2010-04-01",
            "Body": self.words,
            "From": number_of(self.family),
            "MessageSid": self.sid,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": self.sid,
            "SmsSid": self.sid,
            "SmsStatus": "received",
            "To": OUR_NUMBER,
        }


class Poster:
    """Posts as Twilio does: to the address, and when that fails to the fallback; to any of our servers."""

    def __init__(self, address: str, ports: Sequence[int]) -> None:
        self._address, self._ports = address, ports
        self.counts: Counter[str] = Counter()

    def post(self, text: Text, chance: random.Random) -> bool:
        """Whether one of the two took it."""
        if text.begun is None:
            text.begun = time.monotonic()
        self.counts["posts"] += 1
        taken = self._to("/twilio/inbound", text, text.retry_token, chance)
        if not taken:
            self.counts["posts to the fallback"] += 1
            taken = self._to("/twilio/fallback", text, secrets.token_hex(16), chance)
        if taken and text.heard is None:
            text.heard = time.monotonic()
        self.counts["posts nobody took"] += not taken
        return taken

    def _to(self, path: str, text: Text, retry_token: str, chance: random.Random) -> bool:
        connection = HTTPConnection("127.0.0.1", chance.choice(self._ports), timeout=_ANSWER_SECONDS)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": signature(TOKEN, self._address + path, text.form),
            "I-Twilio-Idempotency-Token": retry_token,
        }
        try:
            connection.request("POST", path, urlencode(text.form), headers)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def shuffled(texts: Sequence[Text], chance: random.Random) -> list[Text]:
    """Five posts of each text in a random order, but the first ones of a family in the order it wrote."""
    unsaid: dict[int, list[Text]] = defaultdict(list)
    for text in sorted(texts, key=lambda text: -text.place):
        unsaid[text.family].append(text)
    repeats: list[Text] = []
    found: list[Text] = []
    while unsaid or repeats:
        if chance.randrange(len(unsaid) + len(repeats)) < len(unsaid):
            family = chance.choice(list(unsaid))
            text = unsaid[family].pop()
            if not unsaid[family]:
                del unsaid[family]
            repeats += [text] * (_POSTS - 1)
        else:
            text = repeats.pop(chance.randrange(len(repeats)))
        found.append(text)
    return found


# --- the day ----------------------------------------------------------------------------------------------


class _Day:
    """One district whose families were asked in the morning, and now answer."""

    def __init__(
        self, kind: str, seed: int, flood: Flood, where: Place, database: Database, folder: Path
    ) -> None:
        self.kind, self.seed, self.flood = kind, seed, flood
        self.where, self.database, self.folder = where, database, folder
        self.chance = random.Random(f"{seed}/inbound")
        self.now = clock.now()
        self.zone = noon_zone(self.now)
        self.day = school_day(self.now, self.zone)
        self.began = self.said_at = time.monotonic()
        self.over = threading.Event()
        self.texts = [
            Text(family, place, f"SM{secrets.token_hex(16)}", words, secrets.token_hex(16))
            for family in range(1, flood.families + 1)
            for place, words in enumerate(STORIES[family % len(STORIES)])
        ]

    def pass_over(self) -> Verdict:
        fill(self.database, self.flood.families, zone=self.zone, now=self.now)
        serves = 1 if self.kind == "sqlite" else self.flood.serves
        ports = [a_port() for _ in range(serves)]
        address = f"http://127.0.0.1:{ports[0]}"
        provider = Standin(
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            seed=self.seed,
            trouble=_PROVIDER,
            number=OUR_NUMBER,
            book_file=self.folder / "book",
        )
        poster = Poster(address, ports)
        with provider:
            fleet = self._fleet(provider.url, address, ports)
            monkey = self._monkey(fleet)
            with fleet.at_work(), self._posting(poster) as post:
                stuck = self._until_rest(fleet, monkey, post)
            rested = clock.now()
            provider.settle(60)
        case = judge.Case(
            database=self.database,
            accepted=provider.accepted,
            book=read_book(self.folder / "book"),
            families=self.flood.families,
            refused=set(),
            learned=(),
            day=self.day,
            rested=rested,
        )
        turned_round, unlike = self._in_order(), self._as_if_calm()
        faults = [*stuck, *judge.texts(case), *self._stored_once(), *turned_round, *unlike]
        if spool.refused(self.folder / "spool"):
            faults.append("a post was refused by the spool")
        return Verdict(
            what=f"{len(self.texts)} texts of {self.flood.families} families on {self.kind}",
            seed=self.seed,
            seconds=time.monotonic() - self.began,
            kills=fleet.kills,
            restarts=monkey.restarts,
            freezes=0,
            counts={**poster.counts, **judge.counts(case, provider.counts, fleet)},
            faults=tuple(faults),
            words=fleet.last_words() if faults else (),
        )

    def _fleet(self, provider: str, address: str, ports: Sequence[int]) -> Fleet:
        settings = settings_of(self.where, self.folder, provider, address)
        if self.kind == "sqlite":
            return Fleet([Member("run", ["run"], settings, self.folder)])
        serves = [
            Member(f"serve {n}", ["serve"], settings | {"PRESENTE_LISTEN": f"127.0.0.1:{port}"}, self.folder)
            for n, port in enumerate(ports, 1)
        ]
        workers = [
            Member(f"worker {n}", ["worker"], settings, self.folder) for n in range(1, self.flood.workers + 1)
        ]
        return Fleet([*serves, *workers])

    def _monkey(self, fleet: Fleet) -> Monkey:
        flood = self.flood
        outages = 0 if self.kind == "sqlite" else flood.outages
        acts = plan(
            random.Random(f"{self.seed}/monkey"),
            victims=len(fleet.members),
            kills=flood.kills,
            restarts=outages,
            every=max(0.2, (flood.seconds - outages * flood.outage) / (flood.kills + outages) - 1.0),
            patient=0.5,
        )
        return Monkey(fleet, acts, lambda: self.where.down(flood.outage), idle=True)

    @contextmanager
    def _posting(self, poster: Poster) -> Iterator[Callable[[], list[Future[None]]]]:
        """How to begin: each thread posts what the families of its own write; it ends with the storm."""
        flood = self.flood
        with ThreadPoolExecutor(flood.posters, thread_name_prefix="poster") as pool:

            def begin() -> list[Future[None]]:
                return [pool.submit(self._post, poster, n) for n in range(flood.posters)]

            try:
                yield begin
            finally:
                self.over.set()
                pool.shutdown(cancel_futures=True)

    def _post(self, poster: Poster, place: int) -> None:
        chance = random.Random(f"{self.seed}/poster/{place}")
        mine = [text for text in self.texts if text.family % self.flood.posters == place]
        posts = shuffled(mine, chance)
        for text in posts:
            if self.over.wait(chance.uniform(0, 2 * self.flood.seconds / len(posts))):
                return
            poster.post(text, chance)
        # The provider's list would bring what five posts could not; here it is posted until it is heard.
        for text in mine:
            while text.heard is None and not poster.post(text, chance):
                if self.over.wait(0.5):
                    return

    def _until_rest(self, fleet: Fleet, monkey: Monkey, post: Callable[[], list[Future[None]]]) -> list[str]:
        posts: list[Future[None]] = []
        patience: float | None = None
        while True:
            monkey.look()
            time.sleep(0.05)
            if time.monotonic() - self.said_at < 2.0:
                continue
            self.said_at = time.monotonic()
            state = surely(self.database, state_of)
            self._say(fleet, monkey, state)
            if not posts:
                if state.asked >= self.flood.families:
                    posts = post()
                    monkey.wake()
                continue
            if monkey.left or not all(each.done() for each in posts):
                continue
            if state.is_at_rest and not spool.waiting(self.folder / "spool"):
                for each in posts:
                    each.result()
                return []
            patience = patience or time.monotonic() + self.flood.calm
            if time.monotonic() > patience:
                return [f"nothing came to rest within {self.flood.calm:g} seconds: {state}"]

    def _say(self, fleet: Fleet, monkey: Monkey, state: State) -> None:
        heard = sum(text.heard is not None for text in self.texts)
        self.flood.say(
            f"{time.monotonic() - self.began:5.0f} s  {fleet.kills} kills, {monkey.restarts} outages, "
            f"{monkey.left} blows to come; {heard} of {len(self.texts)} heard; {state}"
        )

    # --- the judge --------------------------------------------------------------------------------------

    def _stored(self) -> dict[str, int]:
        """The place of each text in the order in which they were stored, by the provider's id."""
        with self.database.begin() as session:
            rows = session.execute(select(InboundText.provider_sid, InboundText.id).order_by(InboundText.id))
            return {sid: place for sid, place in rows}

    def _stored_once(self) -> Iterator[str]:
        with self.database.begin() as session:
            rows = list(session.scalars(select(InboundText).order_by(InboundText.id)))
        found = Counter(row.provider_sid for row in rows)
        for text in self.texts:
            if found[text.sid] != 1:
                yield f"a text of family {text.family} was stored {found[text.sid]} times"
        if len(rows) != len(self.texts):
            yield f"{len(self.texts)} texts were written, and {len(rows)} stored"
        for row in rows:
            if row.handled_at is None or row.conversation_id is None:
                yield f"text {row.id} had no turn"

    def _in_order(self) -> Iterator[str]:
        """A text that was heard before the next one was even posted is stored before it."""
        stored = self._stored()
        families: dict[int, list[Text]] = defaultdict(list)
        for text in self.texts:
            families[text.family].append(text)
        for family, texts in families.items():
            for text in texts:
                for other in texts:
                    if text.heard is None or other.begun is None or text.heard >= other.begun:
                        continue
                    if stored.get(text.sid, 0) > stored.get(other.sid, 0):
                        yield (
                            f"family {family}: its text {text.place + 1} was heard "
                            f"{other.begun - text.heard:.2f} s before text {other.place + 1} was posted, "
                            "and is stored behind it"
                        )

    def _as_if_calm(self) -> Iterator[str]:
        """Everything is as after a calm day on which each text came once, in the order in which they were stored."""
        stored = self._stored()
        with place("sqlite", self._calm_folder()) as (_, calm):
            fill(calm, self.flood.families, zone=self.zone, now=self.now)
            outreach.run_due(calm, script=the_script(), now=clock.now())
            understanding = Understanding.load()
            for text in sorted(self.texts, key=lambda text: stored.get(text.sid, 0)):
                with calm.begin() as session:
                    arrivals.receive(
                        session,
                        provider_sid=text.sid,
                        sender=number_of(text.family),
                        words=text.words,
                        now=clock.now(),
                    )
                inbound.take_turns(calm, script=the_script(), understanding=understanding, now=clock.now())
            wanted = what_became(calm)
        found = what_became(self.database)
        for family in range(1, self.flood.families + 1):
            for name, became in wanted[family]._asdict().items():
                here = getattr(found[family], name)
                if here != became and not (name == "handoffs" and wanted[family].stopped):
                    yield f"family {family}: {name} {here}, and on a calm day {became}"

    def _calm_folder(self) -> Path:
        folder = self.folder / "calm"
        folder.mkdir()
        return folder


class Became(NamedTuple):
    """What a family's texts have led to. Nothing of it depends on when a text left or a turn was taken."""

    said: list[tuple[str, str, str]]
    talks: list[tuple[str, str, str]]
    barriers: Counter[str]
    handoffs: Counter[tuple[str, str]]
    consent: Counter[str]
    phone: tuple[str, bool, bool]

    @property
    def stopped(self) -> bool:
        """An answer that waited to leave when STOP came was refused, and a person was told of it: or it was quicker."""
        return bool(self.consent["opt_out"])


def what_became(database: Database) -> dict[int, Became]:
    """By family."""
    found: dict[int, Became] = {}
    with database.begin() as session:
        for phone in session.scalars(select(Phone)):
            flags = (phone.state.value, phone.opted_out, phone.held)
            found[phone.id] = Became([], [], Counter(), Counter(), Counter(), flags)
        talks = {}
        for talk in session.scalars(select(Conversation).order_by(Conversation.id)):
            talks[talk.id] = talk.phone_id
            state = json.dumps(talk.state, sort_keys=True)
            found[talk.phone_id].talks.append((state, talk.owner.value, talk.language.value))
        for text in session.scalars(select(OutboundText).order_by(OutboundText.id)):
            found[text.phone_id].said.append((text.purpose.value, text.key, text.language.value))
        for barrier in session.scalars(select(BarrierFound).where(BarrierFound.conversation_id.is_not(None))):
            found[talks[barrier.conversation_id or 0]].barriers[barrier.code.value] += 1
        for handoff in session.scalars(select(Handoff)):
            found[talks[handoff.conversation_id]].handoffs[handoff.queue.value, handoff.why] += 1
        for event in session.scalars(select(ConsentEvent)):
            found[event.phone_id].consent[event.kind.value] += 1
    return found
