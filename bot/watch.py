"""How the program is doing: ready for its work or not, and why; and the figures for whoever watches it.

Everything is asked of the database, in one transaction that only reads: the answer is the same on every
machine, outlives a restart, and a worker that is dead cannot say that it is well.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf
from pathlib import Path

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot import counters, spool, stopping
from bot.provider import meaning
from bot.stopping import Press
from bot.store import migrate
from bot.store.session import Database
from bot.store.tables import Handoff, HandoffState, InboundText, OutboundText, SenderState, TextState, Tick
from bot.vocabulary import Purpose, Urgency

# The job whose tick says that a worker is at work.
WORKER = "worker"

_WORKER_TICKS = timedelta(seconds=60)
_TEXT_LEAVES = timedelta(minutes=10)
_TEXT_IS_READ = timedelta(minutes=2)
# While others left so recently, the rest of a batch waits for its turn and for nothing else.
_MOVES = timedelta(minutes=2)
# Texts are counted over this time only: over all of history, each scrape would be slower than the last.
_LATELY = timedelta(hours=24)

# Safety, and answers to families, wait behind nothing; every other class goes at the sender's pace.
_SAFETY, _ANSWER, _ANY = 0, 1, 3


@dataclass(frozen=True)
class Due:
    """Texts of one class that could leave now and have not. `since`: from when on the oldest could."""

    rank: int
    texts: int
    since: datetime


def _due(session: Session, now: datetime) -> list[Due]:
    could_leave = case(
        (OutboundText.not_before > OutboundText.queued_at, OutboundText.not_before),
        else_=OutboundText.queued_at,
    )
    rows = session.execute(
        select(OutboundText.rank, func.count(), func.min(could_leave))
        .where(OutboundText.state == TextState.QUEUED, OutboundText.not_before <= now)
        .group_by(OutboundText.rank)
        .order_by(OutboundText.rank)
    )
    return [Due(*row) for row in rows]


def _unread(session: Session) -> tuple[int, datetime | None]:
    """How many texts of families wait to be read by the program, and since when the oldest does."""
    number, oldest = session.execute(
        select(func.count(), func.min(InboundText.received_at)).where(InboundText.handled_at.is_(None))
    ).one()
    return number, oldest


def _senders(session: Session) -> Sequence[SenderState]:
    return session.scalars(select(SenderState).order_by(SenderState.key)).all()


def _first_of_lately(session: Session, since: datetime) -> int:
    """An id before which every text is older than *since*: ids rise with time, and need no index beside them."""
    newest = session.scalar(select(func.max(OutboundText.id))) or 0
    back = 1024
    while back < newest:
        queued_at = session.scalar(
            select(OutboundText.queued_at)
            .where(OutboundText.id >= newest - back)
            .order_by(OutboundText.id)
            .limit(1)
        )
        if queued_at is not None and queued_at < since:
            break
        back *= 2
    return newest - back


@dataclass(frozen=True)
class HeldBack:
    """Texts that wait and could leave at this moment; `too_late` of them are of no use to a family any more."""

    texts: int
    too_late: int


def held_back(session: Session, now: datetime) -> HeldBack:
    late = func.count().filter(OutboundText.not_after <= now)
    texts, too_late = session.execute(
        select(func.count(), late).where(
            OutboundText.state == TextState.QUEUED, OutboundText.not_before <= now
        )
    ).one()
    return HeldBack(texts, too_late)


# --- ready or not -----------------------------------------------------------------------------------------


class Standing(StrEnum):
    WELL = "well"
    NOTED = "noted"  # somebody should know, and the program still does what it is there for
    ILL = "ill"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, in a sentence for whoever is called at night: no name, no number."""

    name: str
    standing: Standing
    says: str


def is_ready(checks: Iterable[Check]) -> bool:
    return all(check.standing is not Standing.ILL for check in checks)


def look(database: Database, *, migration: str, disk: Path | None, now: datetime) -> list[Check]:
    """Look at everything the program needs for its work. What is wrong is an answer, never an error.

    *migration* is the one this program is written for; with "" it is not compared.
    """
    try:
        with database.look() as session:
            at = migrate.version_seen(session.connection())
            found = [Check("database", Standing.WELL, "The database answers."), _migration(at, migration)]
            if is_ready(found):
                found += _work(session, now)
    except SQLAlchemyError as wrong:
        # By its kind only: the message may quote an address with its password.
        found = [Check("database", Standing.ILL, f"The database does not answer ({type(wrong).__name__}).")]
    return [*found, *_posts_on_disk(disk)]


def _work(session: Session, now: datetime) -> Iterator[Check]:
    press, senders = stopping.last_press(session), _senders(session)
    yield _worker(session, now)
    yield _outbox(session, press, senders, now)
    yield _inbound(session, now)
    yield _button(press)
    yield from (_breaker(sender.closed_why) for sender in senders if sender.closed_until is not None)


def _migration(at: str | None, wanted: str) -> Check:
    if not wanted or at == wanted:
        return Check("migration", Standing.WELL, f"The database is at migration {at or 'none'}.")
    sentence = (
        f"The database is at migration {at or 'none'}, the program at {wanted}; run `presente migrate`."
    )
    return Check("migration", Standing.ILL, sentence)


def _worker(session: Session, now: datetime) -> Check:
    at = session.scalar(select(Tick.at).where(Tick.job == WORKER))
    if at is None:
        return Check("worker", Standing.ILL, "No worker has been at work yet; start `presente worker`.")
    if now - at > _WORKER_TICKS:
        sentence = f"No worker has been at work for {_said(now - at)}; is `presente worker` running?"
        return Check("worker", Standing.ILL, sentence)
    return Check("worker", Standing.WELL, f"A worker was at work {_said(now - at)} ago.")


def _outbox(session: Session, press: Press | None, senders: Iterable[SenderState], now: datetime) -> Check:
    due = _due(session, now)
    stopped = press is not None and press.stopped
    held = stopped or any(sender.closed_until is not None for sender in senders)
    # Who has let the texts go on a minute ago does not want to hear that they are an hour late.
    let_go = press.at if press is not None and not stopped else None
    urgent = _wait(due, _SAFETY if held else _ANSWER, let_go, now)
    oldest = _wait(due, _ANY, let_go, now)
    number = sum(each.texts for each in due)
    if urgent > _TEXT_LEAVES:
        sentence = f"A text that waits behind no other has been due for {_said(urgent)}."
        return Check("outbox", Standing.ILL, sentence)
    if not number:
        return Check("outbox", Standing.WELL, "No text is due.")
    fact = f"{number} {'text is' if number == 1 else 'texts are'} due, the oldest for {_said(oldest)}"
    if oldest <= _TEXT_LEAVES:
        return Check("outbox", Standing.WELL, f"{fact}.")
    if held:
        return Check("outbox", Standing.NOTED, f"{fact}; they are held back.")
    if _some_left(session, now):
        return Check("outbox", Standing.NOTED, f"{fact}; they leave as fast as the sender may send.")
    return Check("outbox", Standing.ILL, f"{fact}; none has left for {_said(_MOVES)}.")


def _wait(due: Iterable[Due], most: int, let_go: datetime | None, now: datetime) -> timedelta:
    """How long the oldest due text up to this class could have left, counted from *let_go* at the earliest."""
    sinces = (each.since for each in due if each.rank <= most)
    return max((now - max(since, let_go or since) for since in sinces), default=timedelta(0))


def _some_left(session: Session, now: datetime) -> bool:
    first = _first_of_lately(session, now - _LATELY)
    return (
        session.scalar(
            select(OutboundText.id)
            .where(OutboundText.id >= first, OutboundText.sent_at > now - _MOVES)
            .limit(1)
        )
        is not None
    )


def _inbound(session: Session, now: datetime) -> Check:
    number, oldest = _unread(session)
    if oldest is None:
        return Check("inbound", Standing.WELL, "Every family's text has been read.")
    waiting = "1 family's text waits" if number == 1 else f"{number} families' texts wait"
    sentence = f"{waiting} to be read, the oldest for {_said(now - oldest)}."
    return Check("inbound", Standing.ILL if now - oldest > _TEXT_IS_READ else Standing.WELL, sentence)


def _button(press: Press | None) -> Check:
    if press is None or not press.stopped:
        return Check("stop button", Standing.WELL, "Texts may leave.")
    sentence = f"Texts are stopped since {press.at:%Y-%m-%d %H:%M} UTC; the desk says by whom and why."
    return Check("stop button", Standing.NOTED, sentence)


def _breaker(code: str) -> Check:
    sentence = f"The provider refuses our sender (error {code}: {meaning.of(code).means}); texts wait."
    return Check("sender", Standing.NOTED, sentence)


def _posts_on_disk(folder: Path | None) -> Iterator[Check]:
    waiting, refused = _on_disk(folder)
    if waiting:
        sentence = f"{waiting} of the provider's posts wait on this machine's disk for the database."
        yield Check("spool", Standing.NOTED, sentence)
    if refused:
        sentence = f"{refused} of the provider's posts could not be taken in; somebody must look at each."
        yield Check("spool refused", Standing.NOTED, sentence)


def _on_disk(folder: Path | None) -> tuple[int, int]:
    return (0, 0) if folder is None else (spool.waiting(folder), spool.refused(folder))


def _said(length: timedelta) -> str:
    seconds = max(0, int(length.total_seconds()))
    if seconds < 120:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = seconds // 60
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


# --- the figures ------------------------------------------------------------------------------------------


Values = dict[tuple[str, ...], float]


@dataclass(frozen=True)
class Figure:
    """One thing that is measured: a name, what it means, and a value for each set of labels.

    A label is a code of ours, never a number, a name or anybody's words. `rises`: it only grows.
    """

    name: str
    means: str
    values: Values
    labels: tuple[str, ...] = ()
    rises: bool = False


def figures(database: Database, *, disk: Path | None, now: datetime) -> list[Figure]:
    """Everything that is measured, read at this moment; little is left when the database does not answer."""
    means = "1 while the database answers."
    try:
        with database.look() as session:
            found = [_one("database_answers", means, 1), *_measured(session, now)]
    except SQLAlchemyError:
        found = [_one("database_answers", means, 0)]
    waiting, refused = _on_disk(disk)
    return [
        *found,
        _one("spool_waiting", "The provider's posts that wait on this machine's disk.", waiting),
        _one("spool_refused", "The provider's posts on disk that could not be taken in.", refused),
    ]


def _one(name: str, means: str, value: float) -> Figure:
    return Figure(f"presente_{name}", means, {(): value})


def _measured(session: Session, now: datetime) -> Iterator[Figure]:
    yield _texts(session, now)
    yield from _waiting(session, now)
    yield from _families(session, now)
    yield Figure(
        "presente_tick_age_seconds",
        "How long ago each job of the workers was last done; +Inf for a worker that never was at work.",
        {
            (WORKER,): inf,
            **{(job,): _seconds(at, now) for job, at in session.execute(select(Tick.job, Tick.at))},
        },
        ("job",),
    )
    yield from _sending(session)
    yield Figure(
        "presente_counted_total",
        "What is only counted because nothing about it may be kept, such as refused webhooks.",
        {(name,): total for name, total in counters.totals(session).items()},
        ("what",),
        rises=True,
    )


def _texts(session: Session, now: datetime) -> Figure:
    since = now - _LATELY
    rows = session.execute(
        select(OutboundText.state, OutboundText.purpose, func.count())
        .where(OutboundText.id >= _first_of_lately(session, since), OutboundText.queued_at >= since)
        .group_by(OutboundText.state, OutboundText.purpose)
    )
    counted: Values = {(state.value, purpose.value): 0 for state in TextState for purpose in Purpose}
    counted |= {(state.value, purpose.value): number for state, purpose, number in rows}
    means = "Texts to families that were queued in the last 24 hours, by what became of them."
    return Figure("presente_texts", means, counted, ("state", "purpose"))


def _waiting(session: Session, now: datetime) -> Iterator[Figure]:
    due = _due(session, now)
    yield _one("texts_due", "Texts that could leave now and have not.", sum(each.texts for each in due))
    oldest = min((each.since for each in due), default=None)
    yield _one(
        "texts_due_oldest_seconds", "How long the oldest of them could have left.", _seconds(oldest, now)
    )
    states = (TextState.CLAIMED, TextState.UNKNOWN)
    # Written out: with parameters SQLite does not find its small index and reads the whole history.
    written_out = bindparam("states", states, OutboundText.state.type, expanding=True, literal_execute=True)
    rows = session.execute(
        select(OutboundText.state, func.count())
        .where(OutboundText.state.in_(written_out))
        .group_by(OutboundText.state)
    )
    in_doubt = {state: number for state, number in rows}
    yield Figure(
        "presente_texts_in_doubt",
        "Texts being handed over (claimed), and those nobody knows to have left (unknown), of any age.",
        {(state.value,): in_doubt.get(state, 0) for state in states},
        ("state",),
    )
    number, oldest = _unread(session)
    yield _one("inbound_unread", "Families' texts that the program has not read yet.", number)
    yield _one(
        "inbound_unread_oldest_seconds", "How long the oldest of them has waited.", _seconds(oldest, now)
    )


def _families(session: Session, now: datetime) -> Iterator[Figure]:
    unresolved = (HandoffState.OPEN, HandoffState.TAKEN)
    rows = session.execute(
        select(Handoff.state, Handoff.urgency, func.count(), func.min(Handoff.waiting_since))
        .where(Handoff.state.in_(unresolved))
        .group_by(Handoff.state, Handoff.urgency)
    ).all()
    counted: Values = {(urgency.value, state.value): 0 for urgency in Urgency for state in unresolved}
    counted |= {(urgency.value, state.value): number for state, urgency, number, _ in rows}
    yield Figure(
        "presente_handoffs",
        "Families with a person (taken) or waiting for one (open), by urgency.",
        counted,
        ("urgency", "state"),
    )
    unopened = [
        since for state, urgency, _, since in rows if (state, urgency) == (HandoffState.OPEN, Urgency.P0)
    ]
    yield _one(
        "p0_unopened_oldest_seconds",
        "How long the family longest in possible danger has waited without anybody having taken it.",
        _seconds(next(iter(unopened), None), now),
    )


def _sending(session: Session) -> Iterator[Figure]:
    press = stopping.last_press(session)
    stopped = press is not None and press.stopped
    yield _one("stopped", "1 while the stop button holds the texts back.", stopped)
    # A sender's own key is a telephone number: its place among them stands for it.
    senders = {(str(place),): sender for place, sender in enumerate(_senders(session), start=1)}
    for name, means, value in _OF_A_SENDER:
        values: Values = {place: value(sender) for place, sender in senders.items()}
        yield Figure(f"presente_sender_{name}", means, values, ("sender",))


_OF_A_SENDER: tuple[tuple[str, str, Callable[[SenderState], float]], ...] = (
    ("room", "Segments that could leave at its last look; below zero after urgent texts.", lambda s: s.room),
    ("segments_today", "Segments since the carriers' midnight.", lambda s: s.segments_today),
    ("faults", "Faults of ours in a row; enough of them close the sender.", lambda s: s.faults),
    ("closed", "1 while the provider refuses it and texts wait.", lambda s: s.closed_until is not None),
)


def _seconds(since: datetime | None, now: datetime) -> float:
    """How long ago that was; 0 when there is nothing."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0
