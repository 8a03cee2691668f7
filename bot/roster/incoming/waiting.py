"""The files that wait for a person, what became of the others, and who may see which."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.roster.incoming.checking import report_of
from bot.roster.incoming.receiving import sentences_of
from bot.roster.undo import may_be_undone
from bot.store.tables import FileState, FileWay, School, SchoolFile

_WAITING = (FileState.ASKS, FileState.CHECKED, FileState.HELD)


@dataclass(frozen=True)
class Filed:
    """A file for staff to read: what it is, what it would change or changed, and who decided."""

    id: int
    kind: str
    file_name: str
    way: FileWay
    sent_by: str
    staff_id: int | None
    received_at: datetime
    state: FileState
    sentences: tuple[str, ...]
    found: dict[str, Any]
    options: dict[str, Any]
    decided_at: datetime | None
    decided_by: str
    because: str
    may_be_undone: bool = False
    problems: tuple[tuple[Any, ...], ...] = ()

    @property
    def waits(self) -> bool:
        return self.state in _WAITING

    @property
    def asks(self) -> str:
        """What a person must say before it can be read: encoding or columns; empty for most."""
        return str(self.found.get("asks", "")) if self.state is FileState.ASKS else ""


def waiting(session: Session) -> list[Filed]:
    """Every file that waits, the oldest first."""
    rows = session.scalars(
        select(SchoolFile).where(SchoolFile.state.in_(_WAITING)).order_by(SchoolFile.id).limit(200)
    )
    return [_filed(session, row) for row in rows]


def recent(session: Session, most: int = 50) -> list[Filed]:
    """The newest files that were decided about."""
    rows = session.scalars(
        select(SchoolFile).where(SchoolFile.state.not_in(_WAITING)).order_by(SchoolFile.id.desc()).limit(most)
    )
    return [_filed(session, row) for row in rows]


def one(session: Session, file_id: int) -> Filed | None:
    """One file, with its lines at fault and whether it may be taken back."""
    row = session.get(SchoolFile, file_id)
    return _filed(session, row, look=True) if row is not None else None


def report_csv(session: Session, file_id: int) -> bytes:
    """Every line at fault, for a spreadsheet that takes none of it for a formula (OR-14)."""
    return report_of(session.get_one(SchoolFile, file_id)).as_csv().encode("utf-8-sig")


def may_see(session: Session, file: Filed, schools: Collection[int], staff_id: int) -> bool:
    """Whether somebody who sees these *schools* may see this file: all of its schools, or it is their own.

    A roster speaks of every school of the district, and so does a file that nobody could read.
    """
    if file.staff_id == staff_id:
        return True
    named = {one["id"] for one in file.found.get("schools", [])} if file.kind == "attendance" else set()
    if not named:
        named = set(session.scalars(select(School.id).where(School.active)))
    return named <= set(schools)


def _filed(session: Session, row: SchoolFile, *, look: bool = False) -> Filed:
    undoable = (
        look
        and row.state is FileState.APPLIED
        and row.import_id is not None
        and may_be_undone(session) == row.import_id
    )
    return Filed(
        id=row.id,
        kind=row.kind,
        file_name=row.file_name,
        way=row.way,
        sent_by=row.sent_by,
        staff_id=row.staff_id,
        received_at=row.received_at,
        state=row.state,
        sentences=sentences_of(row),
        found=row.found,
        options=row.options,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        because=row.because,
        may_be_undone=undoable,
        problems=tuple(tuple(one) for one in row.problems) if look else (),
    )
