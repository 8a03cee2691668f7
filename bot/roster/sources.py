"""A school's export as it came, a file or a folder, and which kind of roster it is."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from bot.roster import sds
from bot.roster.columns import ColumnMapping
from bot.roster.files import open_file, unpack
from bot.roster.oneroster import read_archive
from bot.roster.people import Earlier
from bot.roster.records import Contacts, Roster
from bot.roster.report import FileRefused, Problem
from bot.roster.table import read_table

_LISTS = (".csv", ".xlsx", ".xlsm", ".txt", ".tsv")


class ColumnsUnknown(FileRefused):
    """An office's own list whose columns nobody has explained yet; at the desk a person can point at them."""


@dataclass(frozen=True)
class Source:
    """A file as it came; one row of the imports table once it is applied. A folder has `parts`."""

    kind: str
    name: str
    raw: bytes
    parts: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        return len(self.raw) + sum(len(raw) for _, raw in self.parts)

    @property
    def looks_like_a_list(self) -> bool:
        """Whether an office may have written it: separated text, or a workbook."""
        if not self.raw.startswith(b"PK"):
            return True
        try:
            return "xl/workbook.xml" in unpack(self.name, self.raw, ())[0]
        except FileRefused:
            return False

    @classmethod
    def open(cls, kind: str, path: Path) -> "Source":
        if not path.is_dir():
            return cls(kind, path.name, open_file(path))
        # Only files that are read are opened: what a folder holds beside them is nobody's business.
        wanted = {name.casefold(): name for name in sds.READ}
        found = sorted(one for one in path.iterdir() if one.is_file())
        if not sds.is_sds({one.name for one in found}):
            raise FileRefused(
                f"{path.name} is a folder without School Data Sync's relationships.csv; "
                "zip a OneRoster export; nothing was changed"
            )
        parts = {
            wanted[one.name.casefold()]: open_file(one) for one in found if one.name.casefold() in wanted
        }
        return cls(kind, path.name, b"", tuple(parts.items()))

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256(self.raw)
        for name, raw in self.parts:
            digest.update(name.encode() + b"\0" + raw)
        return digest.hexdigest()


def read_roster(
    source: Source,
    columns: ColumnMapping | None,
    today: date,
    problems: list[Problem],
    *,
    encoding: str,
    earlier: Callable[[], Earlier],
) -> tuple[Roster, Contacts | None]:
    """Read a OneRoster zip, School Data Sync's zip or folder, or an office's list by its *columns*.

    Only a list brings contacts of its own. Raises FileRefused for what is none of these.
    """
    if source.parts:
        return sds.read_sds(source.name, dict(source.parts), today, problems, encoding=encoding), None
    zipped = source.raw.startswith(b"PK")
    names = unpack(source.name, source.raw, ())[0] if zipped else set()
    if columns and (not zipped or "xl/workbook.xml" in names):
        return read_table(source.name, source.raw, columns, problems, encoding)
    if "xl/workbook.xml" in names or (not zipped and source.name.casefold().endswith(_LISTS)):
        raise ColumnsUnknown(
            f"{source.name} is a list whose columns nobody has explained yet; "
            "give --columns with a file that does; nothing was changed"
        )
    if columns:
        raise FileRefused(f"{source.name} is no list that --columns could explain; nothing was changed")
    if sds.is_sds(names):
        contents = unpack(source.name, source.raw, sds.READ)[1]
        return sds.read_sds(source.name, contents, today, problems, encoding=encoding), None
    roster = read_archive(source.name, source.raw, today, problems, encoding=encoding, earlier=earlier)
    return roster, None
