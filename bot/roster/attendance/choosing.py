"""Which mapping a file is read with: the one that is named, else the only one whose columns are all there."""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from types import MappingProxyType

from bot.roster.attendance.mapping import Mapping, Shape, load
from bot.roster.attendance.shapes.events import events, is_json
from bot.roster.attendance.shapes.sheet import Sheet, same_name
from bot.roster.attendance.shapes.text import dumped, is_dump, separated, text_of
from bot.roster.attendance.shapes.workbook import is_workbook, workbook
from bot.roster.attendance.shapes.xml import elements, is_xml
from bot.roster.report import FileRefused, Problem

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class NoMappingFits(FileRefused):
    """Nobody has said yet what the columns of this file mean; at the desk a person can point at them."""


def named(name: str, mappings: Iterable[Mapping]) -> Mapping:
    """The one of *mappings* called *name*, or the one in the file of that path."""
    if name.endswith(".toml"):
        return load(Path(name))
    by_name = {mapping.name: mapping for mapping in mappings}
    if name not in by_name:
        raise FileRefused(
            f"no mapping is called {name!r}; there are {', '.join(by_name)}; nothing was changed"
        )
    return by_name[name]


def open_sheet(
    name: str,
    raw: bytes,
    mapping: Mapping | None,
    mappings: Sequence[Mapping],
    problems: list[Problem],
    made_for: AnyMapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[Mapping, Sheet]:
    """The sheet of this file and the mapping that fits it; one *made_for* exactly its header comes first.

    Raises NoMappingFits when none fits or several do, FileRefused when *mapping* was named and lacks a column.
    """
    asked = [mapping] if mapping else [some for some in mappings if some.header]
    opened = [(some, sheet, _missing(some, sheet)) for some, sheet in _sheets(name, raw, asked, problems)]
    fitting = [(some, sheet) for some, sheet, missing in opened if not missing]
    exact = [(some, sheet) for some, sheet in fitting if made_for.get(some.name) == plain(sheet.header)]
    fitting = exact or fitting
    if len(fitting) == 1:
        chosen, sheet = fitting[0]
        _refuse_twice(name, chosen, sheet)
        return chosen, sheet
    if fitting:
        names = ", ".join(candidate.name for candidate, _ in fitting)
        raise NoMappingFits(f"{name} fits the mappings {names}; name one with --mapping; nothing was changed")
    if not opened:
        wanted = (
            f"mapping {mapping.name} reads {mapping.shape} files"
            if mapping
            else "no mapping reads its format"
        )
        raise NoMappingFits(f"{name}: {wanted}, and this is none; nothing was changed")
    closest, _, missing = max(opened, key=lambda some: (len(some[0].needed) - len(some[2]), -len(some[2])))
    raise NoMappingFits(
        f"{name}: the header has no column {', '.join(missing)}, as mapping {closest.name} needs; "
        "export it with that or name another mapping; nothing was changed"
    )


def plain(header: Iterable[str]) -> tuple[str, ...]:
    """A header as a saved mapping keeps it: without doubled blanks."""
    return tuple(" ".join(column.split()) for column in header)


def _missing(mapping: Mapping, sheet: Sheet) -> list[str]:
    """XML and JSON name their columns row by row: with no row there is nobody absent and nothing to miss."""
    if mapping.shape in (Shape.XML, Shape.JSON) and not sheet.header:
        return []
    return mapping.missing(sheet.header)


def _sheets(
    name: str, raw: bytes, asked: Iterable[Mapping], problems: list[Problem]
) -> Iterable[tuple[Mapping, Sheet]]:
    """The file as each of these mappings would open it, without those of another format."""
    asked = list(asked)
    if is_workbook(raw):
        sheet = workbook(name, raw)
        return [(some, sheet) for some in asked if some.shape is Shape.TABLE and some.header]
    if is_xml(raw):
        return [(some, elements(name, raw, some.row)) for some in asked if some.shape is Shape.XML]
    if is_json(raw):
        sheet = events(name, raw)
        return [(some, sheet) for some in asked if some.shape is Shape.JSON]
    return _texts(name, text_of(name, raw, problems), asked)


def _texts(name: str, text: str, asked: list[Mapping]) -> list[tuple[Mapping, Sheet]]:
    if is_dump(text):
        return [(some, dumped(name, text)) for some in asked if some.shape is Shape.DUMP]
    tables = [some for some in asked if some.shape is Shape.TABLE]
    first = text.partition("\n")[0]
    for separator, word in _SEPARATORS.items():
        if (
            separator in first
            and "," not in first
            and not any(some.separator == separator for some in tables)
        ):
            raise NoMappingFits(
                f"{name} is separated by {word}; save it with commas, or say separator in its mapping; "
                "nothing was changed"
            )
    return [(some, separated(name, text, some.separator, header=some.header)) for some in tables]


def _refuse_twice(name: str, mapping: Mapping, sheet: Sheet) -> None:
    header = [same_name(column) for column in sheet.header]
    named_columns = {column for columns in mapping.columns.values() for column in columns}
    twice = sorted(
        column for column in {*named_columns, *mapping.needed} if header.count(same_name(column)) > 1
    )
    if twice:
        raise FileRefused(f"{name}: the header has {', '.join(twice)} twice; nothing was changed")
