"""Files that a system of the district pushes: a token in a header, a file in the body, an answer in JSON."""

import hashlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from bot.roster.incoming import LARGEST_KEPT, Coming, Received, receive, tokens
from bot.roster.sources import Source
from bot.store.tables import FileState, FileWay
from bot.web.parts import Parts

_KINDS = ("roster", "attendance")
_LONGEST_NAME = 200
_PROBLEMS_TOLD = 100
_LOCAL = ("127.0.0.1", "::1")
_FORM_AROUND = 64 * 1024

# What a sender is told, and by which code: done, waits for a person, or send another file.
_TOLD = {
    FileState.APPLIED: ("applied", 200),
    FileState.UNDONE: ("undone", 200),
    FileState.ASKS: ("held", 202),
    FileState.CHECKED: ("held", 202),
    FileState.HELD: ("held", 202),
    FileState.REFUSED: ("refused", 422),
    FileState.REJECTED: ("rejected", 422),
}


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("push", __name__)

    @page.post("/push")
    @page.post("/push/<kind>")
    def take_in(kind: str = "") -> ResponseReturnValue:
        if not _safe_way(parts):
            return _no(403, "Files are taken over https only.")
        with parts.database.look() as session:
            sender = tokens.whose(session, _bearer())
        if sender is None:
            # Before a byte of the body is read: a stranger fills no disk.
            return _no(401, "A token is missing, unknown or revoked.", {"WWW-Authenticate": "Bearer"})
        if kind and kind not in _KINDS:
            return _no(404, f"Push to /push, or to /push/ and one of {', '.join(_KINDS)}.")
        request.max_content_length = LARGEST_KEPT + _FORM_AROUND
        try:
            parts_of_it = _files(kind)
        except RequestEntityTooLarge:
            return _no(413, f"The file is larger than {LARGEST_KEPT // 1024 // 1024} MB; import it by hand.")
        if parts_of_it is None:
            return _no(
                400, "There is no file in the body. Send the file itself, or a form with the part file."
            )
        file, contacts, calendar = parts_of_it
        asked = request.headers.get("Idempotency-Key", "")
        received = receive(
            parts.database,
            Coming(
                FileWay.PUSH,
                sender.name,
                file,
                contacts=contacts,
                calendar=calendar,
                kind=kind,
                made_at=_made_at(),
                key=hashlib.sha256(f"push\0{sender.id}\0{asked}".encode()).hexdigest() if asked else None,
            ),
            office=parts.office,
            now=parts.now,
        )
        with parts.database.begin() as session:
            tokens.used(session, sender.id, parts.now)
        if received.again and asked and received.sha256 != file.sha256:
            return _no(422, "This Idempotency-Key was used for another file. Nothing was changed.")
        if received.state is FileState.APPLIED:
            parts.wake()
        return _told(received)

    return page


def _safe_way(parts: Parts) -> bool:
    """Whether nobody on the way could read the file: over https, or from this very machine."""
    if request.is_secure or parts.public_url.startswith("https://"):
        return True
    return request.remote_addr in _LOCAL and "X-Forwarded-For" not in request.headers


def _bearer() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.casefold() == "bearer" else ""


def _files(kind: str) -> tuple[Source, Source | None, Source | None] | None:
    """The file, and with a form the contacts and the calendar beside it; None without a file."""
    if request.mimetype == "multipart/form-data":
        sent = {
            part: Source(kind if part == "file" else part, _name(found.filename or ""), found.read())
            for part in ("file", "contacts", "calendar")
            if (found := request.files.get(part)) is not None
        }
        if "file" not in sent:
            return None
        return sent["file"], sent.get("contacts"), sent.get("calendar")
    # The stream and not the parsed form: a client that says it sends a form sends its file all the same.
    raw = request.stream.read()
    return (Source(kind, _name(request.headers.get("X-File-Name", "")), raw), None, None) if raw else None


def _name(said: str) -> str:
    name = "".join(sign for sign in said.replace("\\", "/").rpartition("/")[2] if sign.isprintable())
    return name[-_LONGEST_NAME:] or "pushed file"


def _made_at() -> datetime | None:
    """When the sender says the file was written (Last-Modified); None when it says nothing that can be read."""
    try:
        said = parsedate_to_datetime(request.headers.get("Last-Modified", ""))
    except ValueError:
        return None
    return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)


def _no(code: int, sentence: str, headers: dict[str, str] | None = None) -> ResponseReturnValue:
    return jsonify(state="refused", sentences=[sentence]), code, headers or {}


def _told(received: Received) -> ResponseReturnValue:
    state, code = _TOLD[received.state]
    report = received.report
    return (
        jsonify(
            file=received.id,
            state=state,
            again=received.again,
            sentences=list(received.sentences),
            rows_read=report.rows_read if report else None,
            changes={table: vars(change) for table, change in report.changes.items() if change}
            if report
            else {},
            problems=[
                {
                    "file": one.file,
                    "line": one.line,
                    "column": one.column,
                    "what": one.reason,
                    "mend": one.mend,
                }
                for one in (sorted(report.problems)[:_PROBLEMS_TOLD] if report else ())
            ],
            problem_count=len(report.problems) if report else 0,
        ),
        code,
    )
