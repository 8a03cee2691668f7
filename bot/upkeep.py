"""What is asked of the provider on a timetable: lost texts, kinds of lines, numbers given up, its own copies."""

from datetime import datetime, timedelta
from itertools import islice

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from bot import arrivals, consent, counters, ticks
from bot.phone import PhoneNumber, PhoneRefused
from bot.provider import Line, NotTold, Provider
from bot.store.session import Database
from bot.store.tables import (
    GuardianPhone,
    InboundText,
    OutboundText,
    Phone,
    PhoneState,
    TextState,
)

_log = structlog.get_logger(__name__)

_LISTED = "inbound texts listed"
_SCRUBBED = "deactivated numbers read"
# A text is in the list a moment after it came; what was read before is read once more.
_OVERLAP = timedelta(minutes=10)
# After a first start, or a long silence, nothing older can be of use this morning.
_FURTHEST_BACK = timedelta(days=2)
_AT_ONCE = 500


def fetch_lost_texts(database: Database, provider: Provider, now: datetime) -> int:
    """Store the families' texts whose webhook never reached us (TW-61); returns how many were new.

    All of them are stored in one transaction, and an opt-out takes effect with it: no answer to an
    older text can leave before a newer STOP is known.
    """
    with database.begin() as session:
        mark = ticks.last(session, _LISTED)
    since = max(mark - _OVERLAP, now - _FURTHEST_BACK) if mark is not None else now - _FURTHEST_BACK
    try:
        found = provider.arrived(since)
    except NotTold:
        _log.warning("the provider's list of inbound texts could not be read")
        return 0
    with database.begin() as session:
        new = sum(
            arrivals.receive(
                session,
                provider_sid=each.sid,
                sender=each.sender,
                words=each.words,
                media_count=each.media_count,
                now=now,
            )
            for each in sorted(found, key=lambda each: each.at)
        )
        ticks.done(session, _LISTED, now)
        if new:
            counters.count_now(session, "webhook_missed", now)
            _log.warning("texts whose webhook was lost", texts=new)
    return new


def look_up_lines(database: Database, provider: Provider, now: datetime, most: int = 50) -> int:
    """Ask what kind of line each new number is, so that no morning is lost on a landline (TW-73)."""
    with database.begin() as session:
        waiting = session.execute(
            select(Phone.id, Phone.number)
            .join(GuardianPhone, GuardianPhone.phone_id == Phone.id)
            .where(Phone.looked_up_at.is_(None), Phone.state == PhoneState.TEXTABLE, GuardianPhone.active)
            .distinct()
            .order_by(Phone.id)
            .limit(most)
        ).all()
    asked = 0
    for phone_id, number in waiting:
        try:
            line = provider.line(number)
        except NotTold:
            _log.warning("a line could not be looked up", phone=phone_id)
            break
        with database.begin() as session:
            session.execute(update(Phone).where(Phone.id == phone_id).values(looked_up_at=now))
            if line is Line.LANDLINE:
                consent.mark_line(session, phone_id, PhoneState.LANDLINE)
        asked += 1
    return asked


def suspend_deactivated(database: Database, provider: Provider, now: datetime) -> int:
    """Suspend the numbers that the carriers gave up yesterday (TW-72); returns how many of ours they were."""
    day = now.date() - timedelta(days=1)
    with database.begin() as session:
        read = ticks.last(session, _SCRUBBED)
        if read is not None and read.date() >= now.date():
            return 0
    suspended = 0
    try:
        numbers = iter(provider.deactivated(day))
        while chunk := [_e164(each) for each in islice(numbers, _AT_ONCE)]:
            with database.begin() as session:
                suspended += _suspend(session, [each for each in chunk if each], now)
    except NotTold:
        _log.warning("the list of deactivated numbers could not be read", day=str(day))
        return suspended
    with database.begin() as session:
        ticks.done(session, _SCRUBBED, now)
    if suspended:
        _log.warning("numbers the carriers gave up", phones=suspended)
    return suspended


def _suspend(session: Session, numbers: list[str], now: datetime) -> int:
    ours = session.scalars(select(Phone.id).where(Phone.number.in_(numbers))).all()
    return sum(consent.suspend(session, phone_id, now) for phone_id in ours)


def _e164(written: str) -> str:
    try:
        return PhoneNumber.parse(written).e164
    except PhoneRefused:
        return ""


# --- the provider's own copies -------------------------------------------------------------------------------


def redact_old(
    database: Database, provider: Provider, before: datetime, now: datetime, most: int = 100
) -> int:
    """Empty the provider's copies of texts that left or came before this moment (TW-47); returns how many.

    A text whose fate is not known yet keeps its copy: the list is searched by its words.
    """
    with database.begin() as session:
        sent = _sent_copies(session, most, OutboundText.sent_at < before)
        came = _came_copies(session, most, InboundText.received_at < before)
    return _redact(database, provider, sent, came, now)


def redact_number(database: Database, provider: Provider, number: str, now: datetime) -> int:
    """Empty the provider's copies of all texts to and from this number, at a family's request."""
    done = 0
    while True:
        with database.begin() as session:
            phone_id = session.scalar(select(Phone.id).where(Phone.number == number))
            sent = _sent_copies(session, _AT_ONCE, OutboundText.phone_id == phone_id)
            came = _came_copies(session, _AT_ONCE, InboundText.sender == number)
        redacted = _redact(database, provider, sent, came, now)
        done += redacted
        if not redacted:
            return done


def _sent_copies(session: Session, most: int, which: ColumnElement[bool]) -> list[tuple[int, str]]:
    rows = session.execute(
        select(OutboundText.id, OutboundText.provider_sid)
        .where(
            which,
            OutboundText.provider_sid.is_not(None),
            OutboundText.redacted_at.is_(None),
            OutboundText.state == TextState.SENT,
        )
        .order_by(OutboundText.id)
        .limit(most)
    )
    return [(text_id, sid) for text_id, sid in rows if sid]


def _came_copies(session: Session, most: int, which: ColumnElement[bool]) -> list[tuple[int, str]]:
    rows = session.execute(
        select(InboundText.id, InboundText.provider_sid)
        .where(which, InboundText.redacted_at.is_(None), InboundText.handled_at.is_not(None))
        .order_by(InboundText.id)
        .limit(most)
    )
    return [(text_id, sid) for text_id, sid in rows]


def _redact(
    database: Database,
    provider: Provider,
    sent: list[tuple[int, str]],
    came: list[tuple[int, str]],
    now: datetime,
) -> int:
    done = 0
    copies = [(OutboundText, *each) for each in sent] + [(InboundText, *each) for each in came]
    for table, text_id, sid in copies:
        try:
            provider.redact(sid)
        except NotTold:
            _log.warning("a copy could not be emptied", kind=table.__tablename__, text=text_id)
            continue
        with database.begin() as session:
            session.execute(update(table).where(table.id == text_id).values(redacted_at=now))
        done += 1
    return done
