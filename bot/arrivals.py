"""What the provider posts to us, kept before anything else happens to it: in the tables, else in a folder."""

import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import Session

from bot import consent, counters, spool
from bot.phone import PhoneNumber, PhoneRefused
from bot.spool import Post
from bot.store import turnstile
from bot.store.session import Database, insert_unless_there
from bot.store.tables import Channel, InboundText, OutboundText, Phone
from bot.store.together import Together
from bot.store.turnstile import Turnstile
from bot.understanding.keywords import Keywords
from bot.understanding.reader import DATA
from bot.vocabulary import Keyword

_log = structlog.get_logger(__name__)

# A part of the text was lost on its way (TW-6).
_PART_LOST = "30009"

# Replays follow one another within seconds; after so long nobody is at work who could take a post in.
_WAIT_BEHIND_SECONDS = 60.0

# The columns' lengths; the provider's own values are far shorter.
_LONGEST_ID, _LONGEST_SENDER, _LONGEST_TOKEN = 64, 80, 80


# --- one text -------------------------------------------------------------------------------------------


def receive(
    session: Session,
    *,
    provider_sid: str,
    sender: str,
    words: str,
    media_count: int = 0,
    opt_out_type: str = "",
    channel: Channel = Channel.SMS,
    through: int | None = None,
    retry_token: str = "",
    incomplete: bool = False,
    now: datetime,
) -> bool:
    """Store a text before anything else happens to it; False for one that is already stored.

    *through* is the conversation whose chat page it was written on; a text on the phone has none yet.
    *retry_token* is the same on every try of one webhook (TW-24); *incomplete* says that a part of
    the text was lost on its way (TW-6).

    A legal opt-out takes effect in this very transaction, whether the provider has matched it or the
    whole text is one of our stop words in any language: it must not wait for its turn (promise 6).
    """
    row = _row(
        provider_sid=provider_sid,
        sender=sender,
        words=words,
        media_count=media_count,
        opt_out_type=opt_out_type,
        channel=channel,
        through=through,
        retry_token=retry_token,
        incomplete=incomplete,
        received_at=now,
    )
    stored = _insert(session.connection(), row)
    if stored is not None and _says_stop(row):
        _heed_stop(session, row, stored)
    return stored is not None


def _row(
    *,
    provider_sid: str,
    sender: str,
    words: str,
    media_count: int,
    opt_out_type: str,
    channel: Channel = Channel.SMS,
    through: int | None = None,
    retry_token: str,
    incomplete: bool,
    received_at: datetime,
) -> dict[str, Any]:
    return {
        "provider_sid": _kept(provider_sid)[:_LONGEST_ID],
        "sender": _kept(sender)[:_LONGEST_SENDER],
        "words": _kept(words),
        "media_count": media_count,
        "opt_out_type": _kept(opt_out_type)[:10],
        "channel": channel,
        "conversation_id": through,
        "retry_token": _kept(retry_token)[:_LONGEST_TOKEN] or None,
        "incomplete": incomplete,
        "received_at": received_at,
    }


def _kept(value: str) -> str:
    """As the database can hold it: PostgreSQL knows no NUL in a text; nothing a family typed is lost by this."""
    return value.replace("\x00", "") if "\x00" in value else value


@cache
def _insertion(dialect: str) -> Any:
    """Built once: neither key of a text that is there already lets a second row in (TW-24)."""
    insert = sqlite_insert if dialect == "sqlite" else postgres_insert
    texts = InboundText.__table__
    return insert(texts).on_conflict_do_nothing().returning(texts.c.id)  # type: ignore[arg-type]


def _insert(connection: Connection, row: dict[str, Any]) -> int | None:
    stored: int | None = connection.execute(_insertion(connection.dialect.name), row).scalar()
    return stored


# --- an opt-out is heard at the door ----------------------------------------------------------------------


@cache
def _keywords() -> Keywords:
    return Keywords.from_file(DATA / "keywords.txt")


def _says_stop(row: dict[str, Any]) -> bool:
    return row["opt_out_type"] == "STOP" or _keywords().keyword(row["words"]) is Keyword.STOP


def _heed_stop(session: Session, row: dict[str, Any], stored: int) -> None:
    by = "provider" if row["opt_out_type"] == "STOP" else "family"
    phone = phone_of(session, row["sender"])
    consent.opt_out(session, phone.id, by, row["received_at"], inbound_text_id=stored)


def phone_of(session: Session, sender: str) -> Phone:
    """The phone a text came from; one nobody knows is kept too, as it was written."""
    try:
        number = PhoneNumber.parse(sender).e164
    except PhoneRefused:
        number = sender[:20]
    phone = session.scalar(select(Phone).where(Phone.number == number))
    if phone is None:
        session.execute(insert_unless_there(session, Phone, ("number",), {"number": number}))
        phone = session.scalars(select(Phone).where(Phone.number == number)).one()
    return phone


# --- posts, many at once ----------------------------------------------------------------------------------


class TakeReceipt(Protocol):
    """The provider's word on a text of ours; True when it told us something new (delivery.receipt)."""

    def __call__(
        self,
        session: Session,
        *,
        token: str,
        status: str,
        error_code: str,
        provider_sid: str | None,
        now: datetime,
        sender: str,
    ) -> bool: ...


class NotKept(Exception):
    """Neither the tables nor the folder took a post: only the provider still has it."""


class Kept(StrEnum):
    """What became of a post; the value is the name under which it is counted, where it is counted."""

    STORED = "webhook_stored"
    REPEATED = "webhook_repeated"
    SPOOLED = "webhook_spooled"
    WITHOUT_ID = "webhook_without_id"
    NOT_OURS = "receipt_unknown"


_COUNTED = frozenset({Kept.REPEATED, Kept.NOT_OURS})


@dataclass(frozen=True, slots=True)
class _Text:
    """A family's text as its row, and whether it is an opt-out."""

    row: dict[str, Any]
    stop: bool


@dataclass(frozen=True, slots=True)
class _Tally:
    """Something to count for a day, and nothing else."""

    name: str
    day: date


_Item = _Text | Post | _Tally


class Intake:
    """Keeps what the provider posts; one for each process that serves, made after it forked.

    Texts that come together are one statement, and so are answered after one commit. What touches
    other rows (an opt-out, a receipt) has a transaction of its own: it may have to wait for a row that
    somebody holds, and must not make texts wait. On SQLite these share one too, for there is one writer.
    """

    def __init__(self, database: Database, *, receipt: TakeReceipt, folder: Path | None = None) -> None:
        self._engine = database.engine
        self._receipt = receipt
        self._folder = folder
        self._empty_as_of = 0  # the folder's own time when it was last seen without a post
        self._waited_since: float | None = None
        self._one_writer = database.engine.dialect.name == "sqlite"
        self._shortest = _ShortestWay(database)
        self._texts: Together[_Text, Kept] = Together(
            self._keep_texts, turn=self._shortest.turn, at_once=self._shortest.at_once
        )
        self._others: Together[_Item, Kept] = Together(self._keep_all)

    def take(self, post: Post) -> Kept:
        """Keep *post* in the tables or, where they do not take it, in the folder. Raises NotKept.

        While posts wait in the folder a text goes there too: it must not pass an older one of its family.
        """
        if not _has_id(post):
            self.count(Kept.WITHOUT_ID, post.received_at)
            return Kept.WITHOUT_ID
        if not post.token and self._others_wait():
            return self.set_aside(post)
        try:
            return self._keep(post)
        except Exception:  # noqa: BLE001 - whatever it was that failed here, a family's words are not lost by it
            _log.exception("a post is spooled", receipt=bool(post.token))
            return self.set_aside(post)

    def set_aside(self, post: Post) -> Kept:
        """Keep *post* in the folder, without asking the database it may have failed by (TW-23). Raises NotKept."""
        if not _has_id(post):
            return Kept.WITHOUT_ID
        if self._folder is None:
            raise NotKept("no folder is set for posts that the database cannot take")
        try:
            spool.keep(self._folder, post)
        except OSError as full:
            raise NotKept(f"the spool's disk took nothing ({full.strerror})") from full
        return Kept.SPOOLED

    def _others_wait(self) -> bool:
        """Whether posts wait in the folder; what nobody takes in from there is not waited for longer than a minute."""
        if self._folder is None:
            return False
        try:
            changed = self._folder.stat().st_mtime_ns
        except OSError:
            return False
        if changed == self._empty_as_of:
            return False
        if not spool.waiting(self._folder):
            self._empty_as_of, self._waited_since = changed, None
            return False
        now = time.monotonic()
        self._waited_since = self._waited_since or now
        return now - self._waited_since < _WAIT_BEHIND_SECONDS

    def count(self, name: str, now: datetime) -> None:
        """Count something about which nothing may be kept (TW-32). Never raises."""
        try:
            self._others(_Tally(name, now.date()))
        except Exception:  # noqa: BLE001 - whoever posted gets the same answer, whatever our counting does
            _log.exception("not counted", name=name)

    def _keep(self, post: Post) -> Kept:
        if post.token:
            return self._others(post) if self._one_writer else self._keep_alone(post)
        text = _text_of(post)
        if text.stop:
            return self._others(text) if self._one_writer else self._keep_alone(text)
        kept = self._texts(text)
        if kept is Kept.REPEATED:
            self.count(kept, post.received_at)
        return kept

    def _keep_texts(self, texts: Sequence[_Text]) -> list[Kept | BaseException]:
        try:
            stored = self._shortest.store([text.row for text in texts])
        except Exception as failed:
            if len(texts) == 1 or _is_away(failed):
                raise
            return self._each_alone(texts)
        return [Kept.STORED if each else Kept.REPEATED for each in stored]

    def _keep_alone(self, item: _Item) -> Kept:
        with self._engine.begin() as connection:
            return _keep_in(connection, [item], self._receipt)[0]

    def _keep_all(self, items: Sequence[_Item]) -> list[Kept | BaseException]:
        """All of them in one transaction; if that fails, each in its own, so that none fails for another."""
        try:
            with self._engine.begin() as connection:
                return [*_keep_in(connection, items, self._receipt)]
        except Exception as failed:  # noqa: BLE001 - handed to the callers
            if len(items) == 1 or _is_away(failed):
                return [failed] * len(items)
        return self._each_alone(items)

    def _each_alone(self, items: Sequence[_Item]) -> list[Kept | BaseException]:
        kept: list[Kept | BaseException] = []
        for item in items:
            try:
                kept.append(self._keep_alone(item))
            except Exception as failed:  # noqa: BLE001 - handed to its caller
                kept.append(failed)
        return kept


# So many statements may be under way in PostgreSQL for one process; more would only wait there.
_AT_ONCE = 3

_COLUMNS = (
    "provider_sid",
    "sender",
    "words",
    "media_count",
    "opt_out_type",
    "channel",
    "retry_token",
    "incomplete",
    "received_at",
)


class _ShortestWay:
    """Texts into their table by one statement that commits itself, on connections kept open for it.

    A transaction around it would be two more round trips to PostgreSQL; on SQLite the one writer's
    lock would be held while this process waits to run. Whoever stores stands inside `turn`.
    """

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        dialect = self._engine.dialect
        self._sqlite = dialect.name == "sqlite"
        # SQLite's writers stand in line, and a webhook's go first; PostgreSQL has many.
        self.turn: Callable[[], AbstractContextManager[object]] = (
            Turnstile(self._engine.url.database or "").first if self._sqlite else nullcontext
        )
        self.at_once = 1 if self._sqlite else _AT_ONCE
        columns = [InboundText.__table__.c[name] for name in _COLUMNS]
        self._written = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
        self._free: list[Any] = []
        weakref.finalize(self, _close_all, self._free)

    def store(self, rows: Sequence[dict[str, Any]]) -> list[bool]:
        """Whether each row was stored; False for one whose id or retry token is there already."""
        try:
            connection = self._free.pop()
        except IndexError:
            return self._store_by(self._open(), rows)
        try:
            return self._store_by(connection, rows)
        except Exception:  # noqa: BLE001 - the second try tells what is wrong
            # It may be left from before an outage. A repeat is harmless: both keys are unique.
            return self._store_by(self._open(), rows)

    def _store_by(self, connection: Any, rows: Sequence[dict[str, Any]]) -> list[bool]:
        """Store, and leave the connection for the next; one that failed is closed."""
        try:
            stored = self._store(connection.cursor(), rows)
        except BaseException:
            _close(connection)
            raise
        self._free.append(connection)
        return stored

    def _store(self, cursor: Any, rows: Sequence[dict[str, Any]]) -> list[bool]:
        values = [
            written(row[name]) if written else row[name]
            for row in rows
            for name, written in zip(_COLUMNS, self._written, strict=True)
        ]
        statement = _statement(len(rows), self._sqlite)
        if not (self._sqlite and turnstile.ask(cursor, statement, values)):
            cursor.execute(statement, values)
        if cursor.rowcount == len(rows):
            return [True] * len(rows)
        new = self._new(cursor)
        stored = []
        for row in rows:
            stored.append(row["provider_sid"] in new)
            new.discard(row["provider_sid"])  # the same id twice at once: only one of them was stored
        return stored

    def _new(self, cursor: Any) -> set[str]:
        """The ids that the statement just stored."""
        if self._sqlite:
            stored, last = cursor.rowcount, cursor.lastrowid
            if not stored:
                return set()
            cursor.execute(
                "SELECT provider_sid FROM inbound_texts WHERE id > ? AND id <= ?", (last - stored, last)
            )
        return {sid for (sid,) in cursor.fetchall()}

    def _open(self) -> Any:
        taken = self._engine.raw_connection()
        connection: Any = taken.driver_connection
        taken.detach()
        if not self._sqlite:
            connection.autocommit = True
        return connection


def _close(connection: Any) -> None:
    with suppress(Exception):
        connection.close()


def _close_all(connections: list[Any]) -> None:
    while connections:
        _close(connections.pop())


@cache
def _statement(rows: int, sqlite: bool) -> str:
    """SQLite tells which rows it stored by their place; asking it to return them would hold its lock longer."""
    mark = "?" if sqlite else "%s"
    row = f"({', '.join([mark] * len(_COLUMNS))})"
    returning = "" if sqlite else " RETURNING provider_sid"
    return (
        f"INSERT INTO inbound_texts ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)} "  # noqa: S608
        f"ON CONFLICT DO NOTHING{returning}"
    )


def replay_spool(database: Database, folder: Path, *, receipt: TakeReceipt, now: datetime) -> int:
    """Take in, oldest first, what came while the database was away; returns how many posts.

    It must run before texts leave again: an opt-out may be among them.
    """

    def take(post: Post) -> None:
        if post.token:
            item: _Item = replace(post, received_at=now)  # what follows from it is due from now on
        else:
            item = _text_of(post)
        try:
            with database.engine.begin() as connection:
                _keep_in(connection, [item, _Tally(Kept.SPOOLED, now.date())], receipt)
        except Exception as failed:
            if _is_away(failed):
                raise spool.Away from failed
            raise

    return spool.replay(folder, take)


def _keep_in(connection: Connection, items: Sequence[_Item], receipt: TakeReceipt) -> list[Kept]:
    """Store texts and receipts in this transaction, and count at its end what is to be counted."""
    kept: list[Kept] = []
    counted: Counter[tuple[str, date]] = Counter()
    with _session_in(connection) as session:
        for item in items:
            match item:
                case _Text():
                    became = _keep_text(connection, session, item)
                    day = item.row["received_at"].date()
                case Post():
                    became = _keep_receipt(session(), item, receipt)
                    day = item.received_at.date()
                case _Tally():
                    became = Kept.STORED
                    counted[item.name, item.day] += 1
            if became in _COUNTED:
                counted[became, day] += 1
            kept.append(became)
        # Always in one order, so that two processes that count at once wait and never block each other.
        for (name, day), times in sorted(counted.items()):
            counters.count(session(), name, day, times)
    return kept


@contextmanager
def _session_in(connection: Connection) -> Iterator[Callable[[], Session]]:
    """A session in the transaction of *connection*, made when first asked for: a plain text needs none."""
    made: list[Session] = []

    def session() -> Session:
        if not made:
            made.append(Session(connection, expire_on_commit=False))
        return made[0]

    try:
        yield session
        for one in made:
            one.commit()  # writes what is left; the transaction itself stays the connection's
    finally:
        for one in made:
            one.close()


def _keep_text(connection: Connection, session: Callable[[], Session], text: _Text) -> Kept:
    stored = _insert(connection, text.row)
    if stored is None:
        return Kept.REPEATED
    if text.stop:
        _heed_stop(session(), text.row, stored)
    return Kept.STORED


def _keep_receipt(session: Session, post: Post, receipt: TakeReceipt) -> Kept:
    said = post.said
    token = _kept(post.token)[:_LONGEST_ID]
    told = receipt(
        session,
        token=token,
        status=_kept(said.get("MessageStatus") or said.get("SmsStatus") or ""),
        error_code=_kept(said.get("ErrorCode", "")),
        provider_sid=_kept(said.get("MessageSid", ""))[:_LONGEST_ID] or None,
        now=post.received_at,
        sender=said.get("From", ""),
    )
    if told or session.scalar(select(OutboundText.id).where(OutboundText.token == token)) is not None:
        return Kept.STORED
    return Kept.NOT_OURS


def _has_id(post: Post) -> bool:
    return bool(post.token or _sid(post))


def _sid(post: Post) -> str:
    """The text's id; the two older names of it still come (TW-2)."""
    said = post.said
    return _kept(said.get("MessageSid") or said.get("SmsSid") or said.get("SmsMessageSid") or "")


def _text_of(post: Post) -> _Text:
    said = post.said
    row = _row(
        provider_sid=_sid(post),
        sender=said.get("From", ""),
        words=said.get("Body", ""),
        media_count=_number(said.get("NumMedia", "")),
        opt_out_type=said.get("OptOutType", ""),
        retry_token=post.retry_token,
        incomplete=said.get("ErrorCode") == _PART_LOST,
        received_at=post.received_at,
    )
    return _Text(row, _says_stop(row))


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 2 else 0


_IN_TROUBLE = frozenset({"OperationalError", "InterfaceError", "InternalError"})


def _is_away(failed: Exception) -> bool:
    """Whether the database itself is away or in trouble, so that the next post would fare no better.

    The names are the same in SQLAlchemy and in every driver (PEP 249).
    """
    if isinstance(failed, NoConnectionLeft):
        return True
    # Two transactions in each other's way: only this one lost, and tried again alone it passes.
    if str(getattr(getattr(failed, "orig", failed), "sqlstate", "")).startswith("40"):
        return False
    return any(kind.__name__ in _IN_TROUBLE for kind in type(failed).__mro__)
