"""A file comes: applied at once where nothing speaks against it, else kept for a person, or refused."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot import holds
from bot.roster import attendance as marks
from bot.roster.apply import Approval, apply_roster
from bot.roster.attendance import NoMappingFits
from bot.roster.encodings import NotUtf8
from bot.roster.incoming.checking import Check, Office, check, problems_of
from bot.roster.incoming.coming import Coming, without_passwords
from bot.roster.report import FileRefused, Report
from bot.roster.sources import ColumnsUnknown
from bot.store.session import Database
from bot.store.tables import FileContent, FileState, FileWay, SchoolFile

__all__ = ["Office", "Received", "receive"]

_log = structlog.get_logger(__name__)

# Two processes may receive one file; whoever loses looks again, and finds it there.
_TRIES = 3
_A_DAY = timedelta(hours=18)
_PROGRAM = "the program"

# What a person must say before such a file can be read at all.
ENCODING, COLUMNS = "encoding", "columns"


@dataclass(frozen=True)
class Received:
    """What became of a file. `sentences`: why it waits or was refused; `again`: it had come before."""

    id: int
    file_name: str
    state: FileState
    sha256: str
    sentences: tuple[str, ...] = ()
    report: Report | None = None
    again: bool = False

    @property
    def waits(self) -> bool:
        return self.state in (FileState.ASKS, FileState.CHECKED, FileState.HELD)


def receive(
    database: Database,
    coming: Coming,
    *,
    office: Office,
    now: datetime,
    approval: Approval | None = None,
    look_first: bool = False,
) -> Received:
    """Take a file in, once for each key; nothing is lost and nothing is half applied.

    With *look_first* a person sees what it would change before anything is (the desk); *approval* is
    somebody's word that what speaks against it was looked at.
    """
    for _ in range(_TRIES - 1):
        try:
            return _receive(database, coming, office, now, approval, look_first=look_first)
        except IntegrityError:
            continue
    return _receive(database, coming, office, now, approval, look_first=look_first)


def _receive(
    database: Database,
    coming: Coming,
    office: Office,
    now: datetime,
    approval: Approval | None,
    *,
    look_first: bool,
) -> Received:
    if look_first:
        # The check may take seconds, and must keep no family's text waiting: it writes nothing.
        with database.look() as session:
            known = _come_before(session, coming, now)
            outcome = None if known else look(session, coming, office, now)
        if known:
            return known
        with database.begin() as session:
            assert outcome is not None  # noqa: S101 - unless it had come before, which has returned
            return _keep(session, coming, outcome, now)
    with database.begin() as session:
        known = _come_before(session, coming, now)
        if known:
            return known
        outcome = look(session, coming, office, now)
        if isinstance(outcome, NotRead) and coming.way is FileWay.COMMAND:
            raise outcome.error  # somebody is there to read it and to answer with an option
        if not isinstance(outcome, Check) or (outcome.against and approval is None):
            return _keep(session, coming, outcome, now)
        file = _row(coming, FileState.APPLIED, now, outcome.kind)
        file.decided_at, file.decided_by = now, approval.by if approval else coming.sent_by
        file.because = approval.reason if approval else ""
        session.add(file)
        session.flush()
        apply(session, file, outcome, now, approval)
        return Received(
            file.id, file.file_name, file.state, file.sha256, _held_schools(outcome), outcome.report
        )


def _come_before(session: Session, coming: Coming, now: datetime) -> Received | None:
    if coming.key is not None:
        file = session.scalar(select(SchoolFile).where(SchoolFile.key == coming.key))
        if file is not None:
            return received(file, again=True)
    if coming.way in (FileWay.FOLDER, FileWay.PUSH) and not coming.contacts:
        file = _same_file(session, coming, now)
        if file is not None:
            return received(file, again=True)
    return None


def _same_file(session: Session, coming: Coming, now: datetime) -> SchoolFile | None:
    """The same content by the same way and name, where taking it in again would be wrong or would change nothing.

    What was applied may come again once another file has changed the truth since. Marks speak of a day,
    so yesterday's file of the same content says nothing about today's.
    """
    file = session.scalar(
        select(SchoolFile)
        .where(
            SchoolFile.sha256 == coming.file.sha256,
            SchoolFile.file_name == coming.file.name,
            SchoolFile.way == coming.way,
            SchoolFile.state != FileState.REFUSED,
        )
        .order_by(SchoolFile.id.desc())
        .limit(1)
    )
    if file is None or (file.kind != "roster" and file.received_at < now - _A_DAY):
        return None
    if file.state is not FileState.APPLIED:
        return file
    later = select(SchoolFile.id).where(
        SchoolFile.id > file.id,
        SchoolFile.kind == file.kind,
        SchoolFile.state.in_([FileState.APPLIED, FileState.UNDONE]),
    )
    return None if session.scalar(later.limit(1)) else file


def received(file: SchoolFile, *, again: bool = False) -> Received:
    """What became of a file that is there already."""
    return Received(file.id, file.file_name, file.state, file.sha256, sentences_of(file), again=again)


def sentences_of(file: SchoolFile) -> tuple[str, ...]:
    """Why it waits, was refused, or holds schools."""
    found = file.found
    said = [found["why"]] if found.get("why") else []
    said += [sentence for _, sentence in found.get("against", [])]
    said += [one["sentence"] for one in found.get("school_brakes", [])]
    return tuple(said)


@dataclass(frozen=True)
class NotRead:
    """Why a file could not be checked; `asks` is what a person may answer, empty for a broken file."""

    why: str
    error: FileRefused
    asks: str = ""
    kind: str = ""


def look(session: Session, coming: Coming, office: Office, now: datetime) -> Check | NotRead:
    """The check of a file, or why there is none."""
    try:
        return check(session, coming, office, now)
    except NotUtf8 as unclear:
        # Which names it has is shown to whoever may see the file, and kept nowhere.
        said = f"{coming.file.name} is not UTF-8: a person must look whether its names read right."
        return NotRead(said, unclear, ENCODING, "roster")
    except (NoMappingFits, ColumnsUnknown) as unclear:
        if coming.file.parts or not coming.file.looks_like_a_list:
            return NotRead(str(unclear), unclear, kind=coming.kind)
        said = f"{coming.file.name}: nobody has said yet what its columns mean."
        return NotRead(said, unclear, COLUMNS, coming.kind)
    except FileRefused as refused:
        return NotRead(str(refused), refused, kind=coming.kind)


def _keep(session: Session, coming: Coming, outcome: Check | NotRead, now: datetime) -> Received:
    """The file waits for a person with all that it holds but passwords, or is refused and not kept."""
    report = None
    if isinstance(outcome, NotRead):
        file = _row(coming, FileState.ASKS if outcome.asks else FileState.REFUSED, now, outcome.kind)
        file.found = {"why": outcome.why, "asks": outcome.asks}
    else:
        file = _row(coming, FileState.HELD if outcome.against else FileState.CHECKED, now, outcome.kind)
        file.found = outcome.foreseen(session)
        file.problems = problems_of(outcome.report)
        report = outcome.report
    parts = []
    if file.state is not FileState.REFUSED:
        try:
            parts = [(part.kind or "file", without_passwords(part)) for part in coming.parts]
        except FileRefused as refused:
            file.state, file.found = FileState.REFUSED, {"why": str(refused), "asks": ""}
    if file.state is FileState.REFUSED:
        # It may come again, corrected or with a mapping that fits by then.
        file.key, file.decided_at, file.decided_by = None, now, _PROGRAM
    session.add(file)
    session.flush()
    for kind, part in parts:
        _keep_part(session, file.id, kind, part.name, part.raw, part.parts)
    session.flush()
    _log.info("file kept", file=file.id, state=file.state.value, way=file.way.value)
    return Received(file.id, file.file_name, file.state, file.sha256, sentences_of(file), report)


def _keep_part(
    session: Session, file: int, kind: str, name: str, raw: bytes, parts: tuple[tuple[str, bytes], ...]
) -> None:
    if not parts:
        session.add(FileContent(file_id=file, part=kind, name=name, content=raw))
    for number, (inner, content) in enumerate(parts):
        session.add(FileContent(file_id=file, part=f"{kind}/{number}", name=inner, content=content))


def _row(coming: Coming, state: FileState, now: datetime, kind: str) -> SchoolFile:
    return SchoolFile(
        kind=kind,
        file_name=coming.file.name,
        sha256=coming.file.sha256,
        size=coming.file.size,
        way=coming.way,
        sent_by=coming.sent_by,
        staff_id=coming.staff_id,
        key=coming.key,
        made_at=coming.made_at,
        received_at=now,
        state=state,
        options=coming.options.written(),
        found={},
        problems=[],
    )


def apply(session: Session, file: SchoolFile, found: Check, now: datetime, approval: Approval | None) -> None:
    """Write what was checked, in the transaction that checked it; schools that look wrong are held."""
    if isinstance(found.prepared, marks.Prepared):
        file.import_id = marks.apply_attendance(session, found.prepared, now=now)
        # A file that says nothing of today neither holds nor frees a school of today.
        if found.today in found.prepared.days:
            better = f"file {file.file_name}"
            holds.raise_all(session, found.schools, found.today, file.id, now)
            holds.lift(session, found.schools, found.prepared.schools, found.today, better, now)
    else:
        file.import_id = apply_roster(session, found.prepared, now=now, approval=approval)
    file.found, file.problems = found.found(), problems_of(found.report)
    session.flush()
    _log.info("file applied", file=file.id, kind=file.kind, problems=len(found.report.problems))


def _held_schools(found: Check) -> tuple[str, ...]:
    return tuple(brake.sentence for brake in found.schools)
