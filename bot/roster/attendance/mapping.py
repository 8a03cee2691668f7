"""What the columns and codes of one district's files mean: data that an office can read and correct.

The ready ones are bot/roster/mappings/*.toml; README.md there explains every key.
"""

import re
import tomllib
from collections.abc import Iterable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from bot.roster.attendance.dates import DayFormat
from bot.roster.attendance.shapes import same_name
from bot.roster.report import FileRefused
from bot.store.tables import Excuse, MarkStatus

READY = Path(__file__).parent.parent / "mappings"

# Of one column each; the flags may have a second half of the day.
_SINGLE = ("student", "day", "school", "code", "state", "excuse", "portion")
_FLAGS = ("absent", "tardy", "left_early", "excused")
_KEYS = {
    "title", "shape", "separator", "header", "row", "rows", "of_two", "future", "nulls", "columns", "optional",
    "day", "student", "school", "schools", "states", "excuses", "excuse_otherwise", "codes", "codes_at", "flags",
    "full_day_from", "only", "only_filled", "unless_filled",
}  # fmt: skip


class Shape(StrEnum):
    """The formats: separated text or a workbook, a table dump, XML, and pages of JSON events."""

    TABLE = "table"
    DUMP = "dump"
    XML = "xml"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code says. `excuse` is None where another column says it."""

    state: MarkStatus
    excuse: Excuse | None = None


@dataclass(frozen=True)
class CodesAt:
    """The code list of one school (or of all: "") for some days; it stands in the place of the general one."""

    school: str
    first: date
    last: date
    codes: dict[str, Meaning]


@dataclass(frozen=True)
class Looks:
    """What an id looks like: `width` digits with its zeros, or digits without zeros in front, or anything."""

    digits: bool = False
    width: int = 0


@dataclass(frozen=True)
class Mapping:
    """One saved mapping.

    `exceptions`: who has no row was present; else every student has one and a missing row says nothing.
    `came_wins`: of two rows for a day the one that says the student came counts; else the worst one does.
    `by_sourced_id`: students are named by the school system's id, not by their number.
    """

    name: str
    title: str
    shape: Shape
    columns: dict[str, tuple[str, ...]]
    optional: frozenset[str]
    days: tuple[DayFormat, ...]
    separator: str = ","
    header: bool = True
    row: str = ""
    exceptions: bool = True
    came_wins: bool = True
    skips_future: bool = True
    skips_no_day: bool = False
    nulls: frozenset[str] = frozenset()
    by_sourced_id: bool = False
    student_looks: Looks = Looks()
    school_looks: Looks = Looks()
    schools: AnyMapping[str, str] = field(default_factory=dict)
    states: AnyMapping[str, MarkStatus] = field(default_factory=dict)
    excuses: AnyMapping[str, Excuse] = field(default_factory=dict)
    excuse_otherwise: Excuse | None = None
    codes: AnyMapping[str, Meaning] = field(default_factory=dict)
    codes_at: tuple[CodesAt, ...] = ()
    true: frozenset[str] = frozenset()
    false: frozenset[str] = frozenset()
    full_day_from: float = 1.0
    only: AnyMapping[str, frozenset[str]] = field(default_factory=dict)
    only_filled: tuple[str, ...] = ()
    unless_filled: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a file must have, as the mapping writes them."""
        named = [
            column
            for meant, columns in self.columns.items()
            if meant not in self.optional
            for column in columns
        ]
        return tuple(dict.fromkeys([*named, *self.only, *self.only_filled]))

    def missing(self, header: tuple[str, ...]) -> list[str]:
        there = {same_name(column) for column in header}
        return [column for column in self.needed if same_name(column) not in there]


# --- reading a mapping file -----------------------------------------------------------------------------------


@cache
def ready() -> tuple[Mapping, ...]:
    """The mappings that come with the program."""
    return tuple(load(path) for path in sorted(READY.glob("*.toml")))


@dataclass(frozen=True)
class Saved:
    """What somebody has pointed out at the desk: mappings of their own, and what more codes mean.

    `headers`: the columns of the file that a mapping was made for; one with exactly these is read by it.
    `codes`: for a mapping's name what its code, state and excuse columns may say as well.
    """

    own: tuple[Mapping, ...] = ()
    headers: AnyMapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: AnyMapping[str, AnyMapping[str, AnyMapping[str, str]]] = field(default_factory=dict)

    def with_codes(self, mappings: Iterable[Mapping]) -> tuple[Mapping, ...]:
        """The mappings, each with the codes that were added to it."""
        return tuple(_with_codes(some, self.codes.get(some.name, {})) for some in mappings)


def _with_codes(mapping: Mapping, added: AnyMapping[str, AnyMapping[str, str]]) -> Mapping:
    if not added:
        return mapping
    codes = _codes(dict(added.get("code", {})))
    return replace(
        mapping,
        codes={**mapping.codes, **codes},
        # A school's own list for some days is no reason to ask for the same code twice.
        codes_at=tuple(replace(some, codes={**codes, **some.codes}) for some in mapping.codes_at),
        states={
            **mapping.states,
            **{said: MarkStatus(means) for said, means in added.get("state", {}).items()},
        },
        excuses={
            **mapping.excuses,
            **{said: Excuse(means) for said, means in added.get("excuse", {}).items()},
        },
    )


def known(folder: Path | None, saved: Iterable[Mapping] = ()) -> tuple[Mapping, ...]:
    """The ready mappings, the saved ones and the folder's; of one name the folder's, else the saved one, counts."""
    own = {path.stem: load(path) for path in sorted(folder.glob("*.toml"))} if folder else {}
    ours = {mapping.name: mapping for mapping in (*ready(), *saved)}
    return tuple((ours | own).values())


def pointed(name: str, written: dict[str, Any]) -> Mapping:
    """The mapping that was saved as *written*; its codes may be added later. Raises FileRefused."""
    try:
        return _mapping(name, written, codes_later=True)
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        said = f"{fault.args[0]} is missing" if isinstance(fault, KeyError) else str(fault)
        raise FileRefused(f"mapping {name}: {said}; correct it; nothing was changed") from None


def load(path: Path) -> Mapping:
    """Read one mapping. Raises FileRefused with the file, the key and what is wrong with it."""
    try:
        with path.open("rb") as file:
            written = tomllib.load(file)
        return _mapping(path.stem, written)
    except OSError as fault:
        raise FileRefused(
            f"mapping {path.name} cannot be opened ({fault.strerror}); check the path"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        said = f"{fault.args[0]} is missing" if isinstance(fault, KeyError) else str(fault)
        raise FileRefused(f"mapping {path.name}: {said}; correct it; nothing was changed") from None


def _mapping(name: str, written: dict[str, Any], *, codes_later: bool = False) -> Mapping:
    if strange := sorted(written.keys() - _KEYS):
        raise ValueError(f"{', '.join(strange)} is no key of a mapping")
    day, student, flags = written["day"], written.get("student", {}), written.get("flags", {})
    mapping = Mapping(
        name=name,
        title=str(written["title"]),
        shape=Shape(written["shape"]),
        columns=_columns(written["columns"]),
        optional=frozenset(written.get("optional", [])),
        days=tuple(DayFormat(words) for words in day["formats"]),
        separator=written.get("separator", ","),
        header=written.get("header", True),
        row=written.get("row", ""),
        exceptions=_either(written, "rows", "exceptions", "everybody"),
        came_wins=_either(written, "of_two", "came", "worst"),
        skips_future=_either(written, "future", "skip", "keep"),
        skips_no_day=not _either(day, "empty", "fault", "skip"),
        nulls=frozenset(written.get("nulls", [])),
        by_sourced_id=not _either(student, "matched_by", "number", "sourcedId"),
        student_looks=_looks(student),
        school_looks=_looks(written.get("school", {})),
        schools={str(key): str(value) for key, value in written.get("schools", {}).items()},
        states={key: MarkStatus(value) for key, value in written.get("states", {}).items()},
        excuses={key: Excuse(value) for key, value in written.get("excuses", {}).items()},
        excuse_otherwise=Excuse(written["excuse_otherwise"]) if "excuse_otherwise" in written else None,
        codes=_codes(written.get("codes", {})),
        codes_at=tuple(_codes_at(some) for some in written.get("codes_at", [])),
        true=_spellings(flags, "true"),
        false=_spellings(flags, "false"),
        full_day_from=float(written.get("full_day_from", 1.0)),
        only={column: frozenset(values) for column, values in written.get("only", {}).items()},
        only_filled=tuple(written.get("only_filled", [])),
        unless_filled=tuple(written.get("unless_filled", [])),
    )
    _refuse_useless(mapping, codes_later=codes_later)
    return mapping


def _refuse_useless(mapping: Mapping, *, codes_later: bool) -> None:
    columns = mapping.columns
    if not {"student", "day"} <= columns.keys():
        raise ValueError("columns names no student or no day")
    says = {"state": mapping.states, "code": mapping.codes or mapping.codes_at, "absent": mapping.true}
    if not (codes_later and "code" in columns) and not any(
        meant in columns and meanings for meant, meanings in says.items()
    ):
        raise ValueError("it has no states, codes or flags, so no row would say anything")
    if mapping.shape is Shape.XML and not mapping.row:
        raise ValueError("row, the element that holds a day's mark, is missing")
    if len(mapping.separator) != 1 or mapping.separator in '"\r\n':
        raise ValueError("separator is not one sign")
    if not mapping.header and not all(column.isdecimal() for names in columns.values() for column in names):
        raise ValueError("a file without a header has its columns by number, 1 for the first")
    if {same_name(value) for value in mapping.true} & {same_name(value) for value in mapping.false}:
        raise ValueError("one spelling of a flag is both true and false")
    halves = {len(columns[flag]) for flag in _FLAGS if flag in columns}
    if halves and (max(halves) > 2 or len(columns.get("absent", ())) != max(halves)):
        raise ValueError("a flag has two columns, one each half of the day, and absent as many as any other")


def _columns(written: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    if strange := sorted(written.keys() - {*_SINGLE, *_FLAGS}):
        raise ValueError(
            f"columns has {', '.join(strange)}, which is none of {', '.join((*_SINGLE, *_FLAGS))}"
        )
    columns = {}
    for meant, named in written.items():
        names = tuple(str(name) for name in (named if isinstance(named, list) else [named]))
        if meant in _SINGLE and len(names) != 1:
            raise ValueError(f"columns.{meant} is not one column")
        columns[meant] = names
    return columns


def _either(written: dict[str, Any], key: str, first: str, second: str) -> bool:
    """Whether *key* says *first*, which is also what its absence means."""
    said = written.get(key, first)
    if said not in (first, second):
        raise ValueError(f"{key} is {said!r}, neither {first!r} nor {second!r}")
    return bool(said == first)


def _looks(written: dict[str, Any]) -> Looks:
    return Looks(digits=bool(written.get("digits", False)), width=int(written.get("width", 0)))


def _spellings(flags: dict[str, Any], key: str) -> frozenset[str]:
    return frozenset(str(value) for value in flags.get(key, []))


def _codes(written: dict[str, Any]) -> dict[str, Meaning]:
    return {code: _meaning(code, words) for code, words in written.items()}


def _meaning(code: str, words: object) -> Meaning:
    """Read "tardy" or "absent excused"."""
    state, *excuse = re.split(r"\s+", str(words).strip())
    if len(excuse) > 1:
        raise ValueError(f"code {code!r} means {words!r}, which is more than a state and an excuse")
    return Meaning(MarkStatus(state), Excuse(excuse[0]) if excuse else None)


def _codes_at(written: dict[str, Any]) -> CodesAt:
    first, last = written["first"], written["last"]
    if type(first) is not date or type(last) is not date:
        raise ValueError("codes_at needs first and last as days, such as 2026-08-24 without quotes")
    return CodesAt(str(written.get("school", "")), first, last, _codes(written["codes"]))
