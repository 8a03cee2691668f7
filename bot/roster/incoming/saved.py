"""Mappings that somebody has pointed out at the desk, kept for the next file with the same columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.roster.attendance.mapping import Mapping as Marks
from bot.roster.attendance.mapping import Saved, pointed
from bot.roster.columns import ColumnMapping, columns_of
from bot.roster.report import FileRefused
from bot.store.tables import SavedMapping

_LONGEST_NAME = 60
_ROSTER, _ATTENDANCE, _CODES = "roster", "attendance", "codes"


@dataclass(frozen=True)
class Known:
    """Everything that was pointed out so far: for attendance files, and for lists by their headers."""

    attendance: Saved = field(default_factory=Saved)
    lists: Mapping[tuple[str, ...], ColumnMapping] = field(default_factory=dict)

    def columns_for(self, header: Iterable[str]) -> ColumnMapping | None:
        """What the columns of a list with exactly this header mean."""
        return self.lists.get(tuple(header))


def load(session: Session) -> Known:
    own: list[Marks] = []
    headers: dict[str, tuple[str, ...]] = {}
    codes: dict[str, dict[str, dict[str, str]]] = {}
    lists: dict[tuple[str, ...], ColumnMapping] = {}
    for row in session.scalars(select(SavedMapping).order_by(SavedMapping.id)):
        if row.kind == _ROSTER:
            lists[tuple(row.headers)] = columns_of(row.name, row.written)
        elif row.kind == _ATTENDANCE:
            own.append(pointed(row.name, row.written))
            headers[row.name] = tuple(row.headers)
        else:
            codes[row.name] = row.written
    return Known(Saved(tuple(own), headers, codes), lists)


def save_columns(
    session: Session, name: str, written: dict[str, Any], headers: Iterable[str], by: str, now: datetime
) -> None:
    """Keep what the columns of an office's own list mean. Raises FileRefused for a mapping that says too little."""
    columns_of(name or "the list", written)
    _keep(session, _ROSTER, name, written, headers, by, now)


def save_marks(
    session: Session, name: str, written: dict[str, Any], headers: Iterable[str], by: str, now: datetime
) -> None:
    """Keep what the columns of an attendance file mean. Raises FileRefused for a mapping that says too little."""
    pointed(name or "the file", written)
    _keep(session, _ATTENDANCE, name, written, headers, by, now)


def save_codes(
    session: Session, mapping: str, added: Mapping[str, Mapping[str, str]], by: str, now: datetime
) -> None:
    """Keep what more codes of *mapping* mean: {"code": {"AE": "absent excused"}}; a later word replaces an earlier."""
    row = session.scalar(
        select(SavedMapping).where(SavedMapping.kind == _CODES, SavedMapping.name == mapping)
    )
    before: dict[str, dict[str, str]] = row.written if row is not None else {}
    written = {
        which: {**before.get(which, {}), **added.get(which, {})} for which in before.keys() | added.keys()
    }
    _keep(session, _CODES, mapping, written, (), by, now)


def _keep(
    session: Session,
    kind: str,
    name: str,
    written: dict[str, Any],
    headers: Iterable[str],
    by: str,
    now: datetime,
) -> None:
    plain = " ".join(name.split())
    if not plain or len(plain) > _LONGEST_NAME or plain.endswith(".toml"):
        raise FileRefused(
            f"a mapping needs a name of at most {_LONGEST_NAME} letters, such as {'Front office list'!r}; "
            "nothing was changed"
        )
    row = session.scalar(select(SavedMapping).where(SavedMapping.kind == kind, SavedMapping.name == plain))
    if row is None:
        row = SavedMapping(kind=kind, name=plain)
        session.add(row)
    row.written, row.headers, row.made_by, row.made_at = written, list(headers), by, now
    session.flush()
