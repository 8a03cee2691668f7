"""The last roster import taken back: what it changed is kept until then, table by table."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bot.errors import PresenteError
from bot.language import Language
from bot.roster import rows
from bot.roster.compare import Difference, Values
from bot.roster.report import Report, summary
from bot.store.tables import FileState, Import, ImportChanges, SchoolFile

# So many imports can be taken back, the newest first; older ones' changes are personal data without a use.
_KEPT = 5

_TABLES = ("schools", "days", "students", "guardians", "links", "numbers")


class NothingToUndo(PresenteError):
    """No roster import is left whose changes are kept; the message says so."""


def recorded(plan: rows.Plan, known: rows.Known) -> dict[str, Any]:
    """What *plan* will change, as JSON: keys that are new, and of the others each value before and after."""
    return {
        table: changes
        for table in _TABLES
        if (changes := _of_table(getattr(plan, table), getattr(known, table)))
    }


def _of_table(difference: Difference[Any], known: Mapping[Any, Values]) -> dict[str, Any]:
    changed = [
        [
            _json(key),
            {column: [_json(known[key].get(column)), _json(value)] for column, value in after.items()},
        ]
        for key, values in difference.changed.items()
        if (after := _after(known[key], values))
    ]
    found = {
        "added": [_json(key) for key in difference.added],
        "changed": changed,
        "removed": [[_json(key), {c: _json(v) for c, v in known[key].items()}] for key in difference.removed],
    }
    return found if any(found.values()) else {}


def _after(before: Values, values: Values) -> Values:
    """The columns that really change; a row that comes back becomes active as well."""
    return {column: value for column, value in values.items() if before.get(column) != value} | (
        {} if before["active"] else {"active": True}
    )


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    return value.isoformat() if isinstance(value, date | time) else value


def keep(session: Session, import_id: int, changes: dict[str, Any]) -> None:
    """Keep what an import changed, and forget what an import long ago did."""
    session.execute(
        insert(ImportChanges),
        [{"import_id": import_id, "table_name": table, "changes": rows} for table, rows in changes.items()],
    )
    newest = select(ImportChanges.import_id).distinct().order_by(ImportChanges.import_id.desc()).limit(_KEPT)
    oldest = min(session.scalars(newest))
    session.execute(delete(ImportChanges).where(ImportChanges.import_id < oldest))


def may_be_undone(session: Session) -> int | None:
    """The newest roster import whose changes are kept, the only one that can be taken back now."""
    return session.scalar(select(ImportChanges.import_id).order_by(ImportChanges.import_id.desc()).limit(1))


def undo_import(session: Session, *, by: str, now: datetime, only: int | None = None) -> Report:
    """Take back the newest roster import that is left: every row as it was before.

    Whom it added becomes inactive, for what has happened with them since stays. A value that somebody
    has changed since stays as well, and so does a language that the family has chosen; consent is the
    phone's and no import touches it (OR-12, OR-17). Raises NothingToUndo, also when *only*, the import
    that somebody has seen, is not the newest any more.
    """
    newest = may_be_undone(session)
    if only is not None and newest != only:
        raise NothingToUndo("a newer roster has come since, or this one was taken back; nothing was changed")
    undone = session.get(Import, newest) if newest is not None else None
    if undone is None:
        raise NothingToUndo("no roster import is left that could be taken back; nothing was changed")
    kept: dict[str, Any] = dict(
        session.execute(
            select(ImportChanges.table_name, ImportChanges.changes).where(
                ImportChanges.import_id == undone.id
            )
        ).all()
    )
    days = kept.get("days", {})
    named = [
        *days.get("added", []),
        *(key for key, _ in [*days.get("changed", []), *days.get("removed", [])]),
    ]
    known = rows.load(session, min((date.fromisoformat(day) for _, day in named), default=None))
    plan = rows.Plan(
        **{table: _reversed(table, kept.get(table, {}), getattr(known, table)) for table in _TABLES}
    )
    report = Report("undo", undone.file_name)
    report.changes = rows.write(session, plan)
    session.execute(delete(ImportChanges).where(ImportChanges.import_id == undone.id))
    session.execute(
        update(SchoolFile)
        .where(SchoolFile.import_id == undone.id, SchoolFile.state == FileState.APPLIED)
        .values(state=FileState.UNDONE, decided_at=now, decided_by=by)
    )
    note = summary(report, 0, []) | {"undid": undone.id, "by": by}
    session.execute(
        insert(Import),
        {
            "kind": "undo",
            "file_name": undone.file_name,
            "sha256": undone.sha256,
            "applied_at": now,
            "summary": note,
        },
    )
    session.expire_all()
    return report


def _reversed(table: str, changes: dict[str, Any], known: Mapping[Any, Values]) -> Difference[Any]:
    difference: Difference[Any] = Difference()
    for written in changes.get("added", []):
        key = _key(table, written)
        if known.get(key, {}).get("active"):
            difference.removed.append(key)
    for written, columns in changes.get("changed", []):
        key = _key(table, written)
        if row := known.get(key):
            before = {
                column: _value(column, before)
                for column, (before, after) in columns.items()
                if row[column] == _value(column, after) and not _chosen_by_family(row, column)
            }
            if before:
                difference.changed[key] = {"active": row["active"]} | before
    for written, columns in changes.get("removed", []):
        key = _key(table, written)
        values = {column: _value(column, value) for column, value in columns.items()}
        if table == "days":
            difference.added[key] = values
        elif key in known and not known[key]["active"]:
            difference.changed[key] = {"active": True}
            difference.revived += 1
    if table == "days":
        for values in (*difference.added.values(), *difference.changed.values()):
            values.pop("active", None)
    return difference


def _chosen_by_family(row: Values, column: str) -> bool:
    return column == "language" and bool(row["language_chosen_by_family"])


def _key(table: str, written: Any) -> Any:
    if table == "days":
        return written[0], date.fromisoformat(written[1])
    return tuple(written) if isinstance(written, list) else written


def _value(column: str, written: Any) -> Any:
    if column == "enrolled_from" and written is not None:
        return date.fromisoformat(written)
    if column == "morning_at":
        return time.fromisoformat(written)
    return Language(written) if column == "language" else written
