"""The calendar's address: fetched once a day, within limits, and a failure keeps the last good calendar (CT-8, CT-9)."""

import http.client
import ipaddress
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.errors import PresenteError
from bot.roster.report import FileRefused
from bot.roster.yearplan import import_calendar
from bot.store.session import Database
from bot.store.tables import CalendarFeed

_log = structlog.get_logger(__name__)

_EVERY = timedelta(hours=20)
_AGAIN_AFTER = timedelta(hours=1)
_LARGEST = 5_000_000
_SECONDS_EACH, _SECONDS_IN_ALL = 15, 60
_MOST_REDIRECTS = 3
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


class FeedFailed(PresenteError):
    """The address brought no calendar; the sentence is for the page."""


@dataclass(frozen=True)
class Last:
    """The last fetch: from which host, when it went well, and what went wrong since."""

    host: str
    tried_at: datetime
    good_at: datetime | None
    failure: str


def last(session: Session) -> Last | None:
    """What became of the newest fetch; None where none was made."""
    row = session.scalars(select(CalendarFeed).order_by(CalendarFeed.tried_at.desc()).limit(1)).first()
    if row is None:
        return None
    return Last(urlsplit(row.address).hostname or "", row.tried_at, row.good_at, row.failure)


def follow(database: Database, address: str, *, now: datetime) -> bool:
    """Fetch the calendar if a day has passed, and let it count; True when something was changed.

    What fails is said on the calendar page and tried again in an hour. Never raises for it.
    """
    with database.begin() as session:
        known = session.get(CalendarFeed, address, with_for_update=True)
        if known is not None and now < _due(known):
            return False
        if known is None:
            known = CalendarFeed(address=address, etag="", last_modified="", tried_at=now, failure="")
            session.add(known)
        known.tried_at = now  # before the fetch: a second worker does not ask as well
        etag, modified = known.etag, known.last_modified
    try:
        fetched = fetch(address, etag=etag, last_modified=modified)
        changed = _count(database, address, fetched, now)
    except (FeedFailed, FileRefused) as failed:
        _log.warning("calendar feed failed", why=type(failed).__name__)
        with database.begin() as session:
            session.get_one(CalendarFeed, address).failure = f"{failed}."
        return False
    return changed


def _due(known: CalendarFeed) -> datetime:
    return known.tried_at + (_AGAIN_AFTER if known.failure or known.good_at is None else _EVERY)


def _count(database: Database, address: str, fetched: "Fetched | None", now: datetime) -> bool:
    with database.begin() as session:
        known = session.get_one(CalendarFeed, address)
        changed = False
        if fetched is not None:
            changed = not import_calendar(
                session, "the calendar's address", fetched.raw, now=now
            ).changed_nothing
            # Only what was read well is asked about next time: a bad one must come again whole.
            known.etag, known.last_modified = fetched.etag, fetched.last_modified
        known.good_at, known.failure = now, ""
    return changed


# --- the fetch ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fetched:
    raw: bytes
    etag: str
    last_modified: str


def fetch(address: str, *, etag: str = "", last_modified: str = "") -> Fetched | None:
    """The file behind *address*; None when it is what we have read already.

    https only, but for this machine; no private address, three redirects, 5 MB and a minute at most.
    Raises FeedFailed.
    """
    _check(address, first=address)
    request = urllib.request.Request(address, headers={"Accept": "text/calendar"})  # noqa: S310 - checked above
    if etag:
        request.add_header("If-None-Match", etag)
    if last_modified:
        request.add_header("If-Modified-Since", last_modified)
    opener = urllib.request.build_opener(_Careful(address), urllib.request.ProxyHandler({}))
    until = time.monotonic() + _SECONDS_IN_ALL
    try:
        with opener.open(request, timeout=_SECONDS_EACH) as answer:
            raw = _read(answer, until)
            return Fetched(raw, answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))
    except urllib.error.HTTPError as refused:
        if refused.code == http.HTTPStatus.NOT_MODIFIED:
            return None
        raise FeedFailed(f"the address answered {refused.code}; check PRESENTE_CALENDAR_URL") from None
    except (OSError, http.client.HTTPException) as away:
        raise FeedFailed(f"the address did not answer ({type(away).__name__}); it is tried again") from None


def _read(answer: Any, until: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > _LARGEST:
            raise FeedFailed("the file is larger than a school calendar can be; check PRESENTE_CALENDAR_URL")
        if time.monotonic() > until:
            raise FeedFailed("the file took more than a minute; it is tried again")
    return b"".join(parts)


class _Careful(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and only to where the address itself might have pointed."""

    max_redirections = _MOST_REDIRECTS

    def __init__(self, first: str) -> None:
        self._first = first

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check(newurl, first=self._first)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check(address: str, *, first: str) -> None:
    """An address inside the district's network must not be read through us; the same machine may be asked."""
    parts, began = urlsplit(address), urlsplit(first)
    if began.hostname in _HERE and parts.hostname in _HERE and parts.scheme in ("http", "https"):
        return
    if parts.scheme != "https" or not parts.hostname:
        raise FeedFailed("the address is not https; set PRESENTE_CALENDAR_URL to one that is")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        raise FeedFailed("the address has a name that nobody knows; check PRESENTE_CALENDAR_URL") from None
    if not all(ipaddress.ip_address(each[4][0]).is_global for each in found):
        raise FeedFailed(
            "the address points into a private network; set PRESENTE_CALENDAR_URL to a public one"
        )
