"""The partner directory as a file: written for a spreadsheet, and read back row by row."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.casework.partners import PartnerEntry, directory, keep
from bot.casework.written import CaseworkRefused
from bot.export import csv_file
from bot.store.tables import Partner
from bot.vocabulary import Service

COLUMNS = ("name", "services", "phone", "email", "languages", "area", "hours", "note", "active")
# As export.py writes a text that begins like a formula.
_MADE_SAFE = re.compile(r"'\s*[=+\-@|]")
_NO = frozenset({"no", "false", "0", "n"})
_ROWS_AT_MOST = 2000


@dataclass(frozen=True)
class PartnersRead:
    """What a file did: how many rows were kept, and a sentence for each that was not."""

    kept: int
    refused: tuple[str, ...]


def as_file(session: Session) -> bytes:
    """Every partner, active or not, as CSV."""
    entries = (*directory(session), *directory(session, retired=True))
    return csv_file(
        COLUMNS,
        (
            (
                entry.name,
                "; ".join(entry.services),
                *(getattr(entry, column) for column in COLUMNS[2:8]),
                "yes" if entry.active else "no",
            )
            for entry in entries
        ),
    )


def read(session: Session, content: bytes, *, staff_id: int, now: datetime) -> PartnersRead:
    """Add or change the partners of a file by their names. Rows that cannot be kept are named, the rest are kept.

    Raises CaseworkRefused for a file without the columns `name` and `services`.
    """
    rows = _rows(content)
    rows_there = session.execute(select(func.lower(Partner.name), Partner.id))
    ids = {name: id_ for name, id_ in rows_there}
    kept, refused = 0, []
    for line, row in rows:
        try:
            entry = _entry(row, ids.get(row["name"].lower(), 0))
            ids[entry.name.lower()] = keep(session, entry, staff_id=staff_id, now=now)
            kept += 1
        except CaseworkRefused as why:
            refused.append(f"line {line}: {why}")
    return PartnersRead(kept, tuple(refused))


def _rows(content: bytes) -> list[tuple[int, dict[str, str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    reader = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""))
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        if not {"name", "services"} <= set(header):
            raise CaseworkRefused(
                "The file has no columns name and services in its first line; download the directory to see one."
            )
        rows = [
            (reader.line_num, _row(header, cells)) for cells in reader if any(cell.strip() for cell in cells)
        ]
    except csv.Error as wrong:
        raise CaseworkRefused(
            f"The file is no CSV that can be read ({wrong}); save it as CSV again."
        ) from None
    if len(rows) > _ROWS_AT_MOST:
        raise CaseworkRefused(f"The file has {len(rows):,} rows; a directory may have {_ROWS_AT_MOST:,}.")
    return rows


def _row(header: list[str], cells: list[str]) -> dict[str, str]:
    values = {name: _as_written(cell.strip()) for name, cell in zip(header, cells, strict=False)}
    return {name: values.get(name, "") for name in COLUMNS}


def _entry(row: dict[str, str], known: int) -> PartnerEntry:
    wanted = [each.strip().lower().replace(" ", "_") for each in row["services"].replace(",", ";").split(";")]
    services = [each for each in wanted if each]
    unknown = [each for each in services if each not in set(Service)]
    if unknown:
        raise CaseworkRefused(
            f"{row['name'] or 'The partner'}: {unknown[0]!r} is no service; use {', '.join(Service)}."
        )
    texts = {column: row[column] for column in COLUMNS[2:8]}
    return PartnerEntry(
        name=row["name"],
        services=tuple(Service(each) for each in services),
        **texts,
        active=row["active"].lower() not in _NO,
        id=known,
    )


def _as_written(cell: str) -> str:
    """A cell as it was before it was made safe for a spreadsheet: "'+1 860 555 0100" is a number again."""
    return cell[1:] if _MADE_SAFE.match(cell) else cell
