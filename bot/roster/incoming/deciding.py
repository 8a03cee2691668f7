"""A person decides: a waiting file goes on or not, a held school too, a question is answered, an import taken back."""

from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot import audit, holds
from bot.errors import PresenteError
from bot.roster.apply import Approval
from bot.roster.incoming import receiving
from bot.roster.incoming.checking import Check, Office, problems_of
from bot.roster.incoming.coming import Coming, Options
from bot.roster.incoming.receiving import Received
from bot.roster.report import Report
from bot.roster.sources import Source
from bot.roster.undo import undo_import
from bot.store.session import Database
from bot.store.tables import FileContent, FileState, SchoolFile

LONGEST_REASON = 500
_WAITING = (FileState.ASKS, FileState.CHECKED, FileState.HELD)
_READY = (FileState.CHECKED, FileState.HELD)


class DecisionRefused(PresenteError):
    """A file cannot be decided about so; the message says why and what would do."""


def approve(
    database: Database,
    file_id: int,
    *,
    by: str,
    staff_id: int,
    because: str,
    office: Office,
    now: datetime,
) -> Received:
    """Apply a waiting file exactly as it was checked.

    It is read again in this transaction. Where that finds other changes, or a brake that nobody has
    seen, the new check is kept and DecisionRefused is raised: somebody must look again.
    """
    reason = " ".join(because.split())[:LONGEST_REASON]
    with database.begin() as session:
        file = _waiting(session, file_id, _READY)
        if file.state is FileState.HELD and not reason:
            raise DecisionRefused("A reason is missing; write why in a few words. Nothing was changed.")
        now_found = receiving.look(session, _coming(session, file), office, now)
        if _same(file, now_found):
            assert isinstance(now_found, Check)  # noqa: S101 - `_same` says so
            approval = Approval(by, reason) if now_found.against else None
            file.state, file.decided_at, file.decided_by, file.because = FileState.APPLIED, now, by, reason
            receiving.apply(session, file, now_found, now, approval)
            _forget_content(session, file.id)
            audit.note(session, staff_id, "approve_file", now=now, detail=f"{file.file_name}: {reason}")
            return Received(
                file.id,
                file.file_name,
                file.state,
                file.sha256,
                receiving.sentences_of(file),
                now_found.report,
            )
        _found_again(session, file, now_found, now)
    raise DecisionRefused(
        f"{file.file_name} would not change the same any more as when it was checked; "
        "the new check is shown. Look at it and decide again; nothing was changed."
    )


def _same(file: SchoolFile, found: "Check | receiving.NotRead") -> bool:
    """Whether a check found what the person who decides has seen."""
    if not isinstance(found, Check) or found.prepared.digest != file.found.get("digest"):
        return False
    seen = {reason for reason, _ in file.found.get("against", [])}
    return {reason for reason, _ in found.against} <= seen


def reject(
    database: Database, file_id: int, *, by: str, staff_id: int, because: str, now: datetime
) -> Received:
    """Let a waiting file change nothing, ever; what it holds is deleted."""
    reason = " ".join(because.split())[:LONGEST_REASON]
    with database.begin() as session:
        file = _waiting(session, file_id, _WAITING)
        file.state, file.decided_at, file.decided_by, file.because = FileState.REJECTED, now, by, reason
        _forget_content(session, file.id)
        audit.note(session, staff_id, "reject_file", now=now, detail=f"{file.file_name}: {reason}")
        session.flush()
        return receiving.received(file)


def answer(database: Database, file_id: int, *, office: Office, now: datetime, **said: object) -> Received:
    """Check a waiting file again with what a person has *said* of it: an encoding, a kind, or saved columns."""
    with database.begin() as session:
        file = _waiting(session, file_id, _WAITING)
        kind = said.pop("kind", None)
        options = replace(Options.read(file.options), **said)  # type: ignore[arg-type]
        file.options = options.written()
        if kind is not None:
            file.kind = str(kind)
        _found_again(session, file, receiving.look(session, _coming(session, file), office, now), now)
        return receiving.received(file)


def undo(database: Database, file_id: int, *, by: str, staff_id: int, now: datetime) -> Report:
    """Take a roster back, where no newer one has come since. Raises NothingToUndo or DecisionRefused."""
    with database.begin() as session:
        file = session.get(SchoolFile, file_id)
        if file is None or file.state is not FileState.APPLIED or file.import_id is None:
            raise DecisionRefused("This file has changed nothing that could be taken back.")
        report = undo_import(session, by=by, now=now, only=file.import_id)
        audit.note(session, staff_id, "undo_import", now=now, detail=file.file_name)
        return report


def release(
    session: Session, school_id: int, day: date, *, by: str, staff_id: int, because: str, now: datetime
) -> int:
    """Let a held school's morning go on; its families are asked at the next look, if it is not too late."""
    return holds.decide(
        session, school_id, day, release=True, by=by, staff_id=staff_id, because=because, now=now
    )


def reject_school(
    session: Session, school_id: int, day: date, *, by: str, staff_id: int, because: str, now: datetime
) -> int:
    """Keep a school held: nobody is texted, and staff call."""
    return holds.decide(
        session, school_id, day, release=False, by=by, staff_id=staff_id, because=because, now=now
    )


# --- the file as it waits ------------------------------------------------------------------------------------


def content(session: Session, file_id: int, kind: str = "") -> dict[str, Source]:
    """What a waiting file holds, by its part: the file itself, contacts, calendar."""
    rows = session.scalars(
        select(FileContent).where(FileContent.file_id == file_id).order_by(FileContent.part)
    )
    file = session.get_one(SchoolFile, file_id)
    found: dict[str, Source] = {}
    folders: dict[str, list[tuple[str, bytes]]] = {}
    for row in rows:
        part, inner, _ = row.part.partition("/")
        if inner:
            folders.setdefault(part, []).append((row.name, row.content))
        else:
            found[part] = Source(part, row.name, row.content)
    for part, contents in folders.items():
        found[part] = Source(part, file.file_name, b"", tuple(contents))
    # The file itself was kept under the kind that was known when it came.
    main = next((name for name in found if name not in ("contacts", "calendar")), "")
    if main:
        found["file"] = replace(found.pop(main), kind=kind or file.kind)
    return found


def as_it_came(session: Session, file_id: int) -> Coming:
    """A file that waits, as it came, with what people have said of it. Raises DecisionRefused."""
    file = session.get(SchoolFile, file_id)
    if file is None or file.state not in _WAITING:
        raise DecisionRefused(f"There is no file {file_id} that waits. Nothing was changed.")
    return _coming(session, file)


def _coming(session: Session, file: SchoolFile) -> Coming:
    parts = content(session, file.id)
    if "file" not in parts:
        raise DecisionRefused(f"{file.file_name} is not kept any more; send it again. Nothing was changed.")
    return Coming(
        way=file.way,
        sent_by=file.sent_by,
        file=parts["file"],
        contacts=parts.get("contacts"),
        calendar=parts.get("calendar"),
        kind=file.kind,
        options=Options.read(file.options),
        made_at=file.made_at,
        staff_id=file.staff_id,
    )


def _waiting(session: Session, file_id: int, states: tuple[FileState, ...]) -> SchoolFile:
    file = session.scalar(select(SchoolFile).where(SchoolFile.id == file_id).with_for_update())
    if file is None:
        raise DecisionRefused(f"There is no file {file_id}; `presente imports` lists those that wait.")
    if file.state not in states:
        decided = f" by {file.decided_by}" if file.decided_by else ""
        raise DecisionRefused(
            f"{file.file_name} does not wait for this: it is {file.state.value}{decided}. Nothing was changed."
        )
    return file


def _found_again(
    session: Session, file: SchoolFile, found: "Check | receiving.NotRead", now: datetime
) -> None:
    """Keep the newer check of a waiting file."""
    if isinstance(found, Check):
        file.kind, file.found = found.kind, found.foreseen(session)
        file.problems = problems_of(found.report)
        file.state = FileState.HELD if found.against else FileState.CHECKED
    else:
        file.found, file.problems = {"why": found.why, "asks": found.asks}, []
        file.state = FileState.ASKS if found.asks else FileState.REFUSED
        if not found.asks:
            file.decided_at, file.decided_by, file.key = now, "the program", None
            _forget_content(session, file.id)
    session.flush()


def _forget_content(session: Session, file_id: int) -> None:
    session.execute(delete(FileContent).where(FileContent.file_id == file_id))
