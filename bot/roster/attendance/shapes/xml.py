"""XML exports: one row an element, with its attributes and those of the elements around it (AT-4)."""

from xml.parsers import expat

from bot.roster.attendance.shapes.sheet import Sheet
from bot.roster.report import FileRefused

_DEEPEST = 50


def is_xml(raw: bytes) -> bool:
    # UTF-16 too: its letters stand among zeros.
    return raw[:200].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<")


class _Unsafe(Exception):
    """The file declares a document type or an entity, which no school's export does."""


def elements(name: str, raw: bytes, row: str) -> Sheet:
    """Every element called *row*. Columns are "Attribute" for its own and "Element@Attribute" for outer ones.

    Elements inside it, such as the periods of a day, are left alone (ED-4). A document type is refused
    at its first character: entities that unfold to gigabytes, or read files, never begin to.
    """
    if b"<html" in raw[:1000].lower():
        raise FileRefused(f"{name} is a web page, perhaps to sign in; export it again; nothing was changed")
    found: list[tuple[int, dict[str, str]]] = []
    around: list[dict[str, str]] = []
    parser = expat.ParserCreate()

    def begin(element: str, attributes: dict[str, str]) -> None:
        if len(around) >= _DEEPEST:
            raise _Unsafe
        element = element.rpartition(":")[2]
        if element == row:
            outer = {key: value for some in around for key, value in some.items()}
            found.append((parser.CurrentLineNumber, outer | attributes))
        around.append({f"{element}@{key}": value for key, value in attributes.items()})

    def end(_element: str) -> None:
        around.pop()

    def refuse(*_declared: object) -> int:
        raise _Unsafe

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(raw, True)
    except _Unsafe:
        raise FileRefused(
            f"{name} line {parser.CurrentLineNumber}: it declares a document type or an entity, or nests "
            f"deeper than {_DEEPEST}, as no export does; export it again; nothing was changed"
        ) from None
    except (expat.ExpatError, ValueError, LookupError) as fault:
        raise FileRefused(
            f"{name} is not whole XML ({fault}); export it again; nothing was changed"
        ) from None
    return _sheet(found)


def _sheet(found: list[tuple[int, dict[str, str]]]) -> Sheet:
    header = tuple(dict.fromkeys(key for _, attributes in found for key in attributes))
    rows = [(line, [attributes.get(key, "") for key in header]) for line, attributes in found]
    return Sheet(header, rows)
