"""Saved answers of an Ed-Fi API: pages of JSON events, one row an event (ED-2)."""

import json
from typing import Any

from bot.roster.attendance.shapes.sheet import Sheet
from bot.roster.report import FileRefused

_DEEPEST = 5


def is_json(raw: bytes) -> bool:
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"[", b"{"))


def events(name: str, raw: bytes) -> Sheet:
    """The events of one or more pages, written one after the other. A line is the event's number.

    Inner objects become "schoolReference.schoolId". Numbers stay as they are written (AT-3).
    """
    try:
        pages = _pages(raw.decode("utf-8-sig"))
        flat = [_flat(event) for event in pages]
    except (ValueError, RecursionError) as fault:
        raise FileRefused(
            f"{name} is not whole JSON of attendance events ({str(fault)[:80]}); save the API's answer again; "
            "nothing was changed"
        ) from None
    header = tuple(dict.fromkeys(key for event in flat for key in event))
    rows = [(number, [event.get(key, "") for key in header]) for number, event in enumerate(flat, start=1)]
    return Sheet(header, rows)


def _pages(text: str) -> list[Any]:
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    found: list[Any] = []
    at = _next(text, 0)
    while at < len(text):
        page, at = decoder.raw_decode(text, at)
        found += page if isinstance(page, list) else [page]
        at = _next(text, at)
    return found


def _next(text: str, at: int) -> int:
    """Where the next page begins: pages may stand one after the other, with blanks between."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _flat(event: Any, prefix: str = "", depth: int = 0) -> dict[str, str]:
    if not isinstance(event, dict) or depth > _DEEPEST:
        raise ValueError("an event is not an object")
    cells: dict[str, str] = {}
    for key, value in event.items():
        if isinstance(value, dict):
            cells |= _flat(value, f"{prefix}{key}.", depth + 1)
        elif isinstance(value, str):
            cells[prefix + key] = value
        elif isinstance(value, bool):
            cells[prefix + key] = "true" if value else "false"
    return cells
