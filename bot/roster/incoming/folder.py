"""A folder that is watched: whole files only, once each, moved to done, held or refused with a report beside them."""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bot.clock import Clock
from bot.roster.incoming.checking import Office, report_of
from bot.roster.incoming.coming import Coming
from bot.roster.incoming.receiving import Received, receive
from bot.roster.report import FileRefused, Report
from bot.roster.sources import Source
from bot.store.session import Database
from bot.store.tables import FileState, FileWay, SchoolFile

_log = structlog.get_logger(__name__)

_LARGEST = 1_000_000_000
# Names under which programs write what is not whole yet.
_TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~", ".lock")
_DONE, _HELD, _REFUSED = "done", "held", "refused"
_PLACES = {
    FileState.APPLIED: _DONE,
    FileState.UNDONE: _DONE,
    FileState.REJECTED: _REFUSED,
    FileState.REFUSED: _REFUSED,
}


@dataclass(frozen=True)
class Moved:
    """One file that was dealt with: where it lies now."""

    name: str
    place: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Look:
    """How a file looked, and since when it has looked so."""

    size: int
    modified: int
    since: float


@dataclass
class Folder:
    """One folder, looked at again and again. Whoever is killed at any point leaves the file where it lay, or moved.

    A file counts as whole when its size and its time have not changed for *settled* seconds between two
    looks; one that is renamed in, under its final name, is whole at its second look.
    """

    path: Path
    settled: float = 5.0
    _seen: dict[str, _Look] = field(default_factory=dict)

    def look(
        self, database: Database, *, office: Office, clock: Clock, ticking: float, by: str = "watched folder"
    ) -> list[Moved]:
        """Take in what is whole by now, the oldest first; *ticking* is a clock of seconds that only goes on."""
        moved = []
        for path in self._whole(ticking):
            try:
                done = self._take(path, database, office, clock, by)
            except OSError as fault:
                # No room for its report, or no right to move it: it stays, and is tried at the next look.
                _log.warning("a file stays in the folder", error=fault.strerror)
                continue
            except Exception:  # noqa: BLE001 - one file, or a database that is away, holds up no other file
                _log.exception("a file stays in the folder")
                continue
            if done is not None:
                moved.append(done)
        return moved

    def waits(self) -> bool:
        """Whether a file is there that is not whole yet, or was not taken in."""
        return bool(self._seen)

    # --- which files are whole ------------------------------------------------------------------------------

    def _whole(self, ticking: float) -> list[Path]:
        there: dict[str, _Look] = {}
        for name, found in self._files():
            before = self._seen.get(name)
            same = before and (before.size, before.modified) == (found.st_size, found.st_mtime_ns)
            since = before.since if before and same else ticking
            there[name] = _Look(found.st_size, found.st_mtime_ns, since)
        whole = [
            name
            for name, look in there.items()
            if name in self._seen and ticking - look.since >= self.settled
        ]
        self._seen = there
        return [self.path / name for name in sorted(whole, key=lambda one: (there[one].modified, one))]

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Plain files that may be whole: no link, no folder, nothing hidden, empty or half-written by its name."""
        with os.scandir(self.path) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith((".", "~")) or name.casefold().endswith(_TEMPORARY):
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # somebody has just moved it
                if stat.S_ISREG(found.st_mode) and found.st_size:
                    yield name, found

    # --- one file ---------------------------------------------------------------------------------------------

    def _take(self, path: Path, database: Database, office: Office, clock: Clock, by: str) -> Moved | None:
        with _alone(path) as handle:
            if handle is None:
                return None
            now = clock()
            try:
                raw = _read(path, handle)
            except FileRefused as refused:
                return self._move(path, "", _REFUSED, (str(refused),), None, now)
            if not _still_there(path, handle) or len(raw) != path.stat().st_size:
                return None  # somebody is still writing it after all
            digest = hashlib.sha256(raw).hexdigest()
            modified = os.fstat(handle).st_mtime_ns
            coming = Coming(
                FileWay.FOLDER,
                by,
                Source("", path.name, raw),
                made_at=datetime.fromtimestamp(os.fstat(handle).st_mtime, UTC),
                key=hashlib.sha256(f"folder\0{path.name}\0{digest}\0{modified}".encode()).hexdigest(),
            )
            received = receive(database, coming, office=office, now=now)
            report = received.report or _report_kept(database, received)
            sentences = (
                *((f"This file came before, as file {received.id}.",) if received.again else ()),
                *received.sentences,
            )
            return self._move(
                path, digest, _PLACES.get(received.state, _HELD), sentences, report, now, received
            )

    def _move(
        self,
        path: Path,
        digest: str,
        place: str,
        sentences: tuple[str, ...],
        report: Report | None,
        now: datetime,
        received: Received | None = None,
    ) -> Moved:
        """First the report, then the file: whoever finds the file there finds the report as well."""
        folder = self.path / place
        folder.mkdir(mode=0o700, exist_ok=True)
        name = path.name
        if (folder / name).exists():
            # Another day's file of the same name stays beside it.
            name = f"{path.stem}-{now:%Y%m%d-%H%M%S}-{digest[:8] or 'unread'}{path.suffix}"
        _write(
            folder / f"{name}.report.txt", "\n".join(_lines(path.name, place, sentences, report, received))
        )
        if report is not None and report.problems:
            _write(folder / f"{name}.report.csv", report.as_csv())
        path.replace(folder / name)
        self._seen.pop(path.name, None)
        return Moved(name, place, sentences)


@contextmanager
def _alone(path: Path) -> Iterator[int | None]:
    """The open file, locked so that of two watchers one takes it; None when somebody else has it, or had it.

    The lock goes with the process, however it ends. Where the file system has no locks the file's key in
    the database still lets it be applied once.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield None
        return
    except OSError as fault:
        if fault.errno in (errno.ELOOP, errno.ENXIO):
            yield None  # it has become a link meanwhile
            return
        if fault.errno not in (errno.EACCES, errno.EPERM):
            raise
        yield -1
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        except OSError:
            _log.info("the folder's file system has no locks")
        yield handle if _still_there(path, handle) else None
    finally:
        os.close(handle)


def _still_there(path: Path, handle: int) -> bool:
    try:
        found, ours = path.stat(follow_symlinks=False), os.fstat(handle)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)


def _read(path: Path, handle: int) -> bytes:
    if handle < 0:
        raise FileRefused(f"{path.name} may not be read; change its permissions; nothing was changed")
    if os.fstat(handle).st_size > _LARGEST:
        raise FileRefused(f"{path.name} is larger than 1 GB; nothing was changed")
    with os.fdopen(os.dup(handle), "rb") as file:
        return file.read()


def _report_kept(database: Database, received: Received) -> Report | None:
    """The report of a file that had come before: the one who took it in may have been killed before writing it."""
    with database.look() as session:
        file = session.get(SchoolFile, received.id)
        return report_of(file) if file is not None and file.problems else None


def _lines(
    name: str, place: str, sentences: tuple[str, ...], report: Report | None, received: Received | None
) -> list[str]:
    said = {
        _DONE: f"{name} was applied.",
        _HELD: f"{name} waits for a person; nothing of it was applied.",
        _REFUSED: f"{name} was refused; nothing of it was applied.",
    }
    lines = [said[place], *sentences]
    if received is not None and received.waits:
        lines.append(
            f"Open the desk's import page, or run: presente approve {received.id} --because REASON --by E-MAIL"
        )
    if report is not None:
        lines += ["", *report.lines()]
    return [*lines, ""]


def _write(path: Path, words: str) -> None:
    """Whole or not at all, and readable by us alone: student numbers are in it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # With a byte order mark, because the spreadsheet that opens it would take accents for something else.
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
            file.write(words)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
