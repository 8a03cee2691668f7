"""From bytes to text: a byte order mark, else UTF-8, else what a person has said the file is written in."""

import codecs
from collections.abc import Callable
from typing import Final

from bot.roster.report import FileRefused, Problem

UTF_8: Final = "utf-8"

# What an office may answer, by the name it reads and the name Python knows.
ENCODINGS: Final = {UTF_8: "utf-8", "windows-1252": "cp1252", "mac-roman": "mac_roman"}

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class NotUtf8(FileRefused):
    """A person must say what the file is written in; `names` are some of it, read as Windows-1252."""

    def __init__(self, said: str, names: list[str]) -> None:
        super().__init__(said)
        self.names = names


def decode(
    name: str,
    raw: bytes,
    problems: list[Problem],
    encoding: str | None = None,
    *,
    names: Callable[[str], list[str]] = lambda _: [],
) -> str:
    """Read a file's text (OR-14).

    *encoding* is a person's word for what is not UTF-8, one of ENCODINGS; "utf-8" refuses such a file
    and shows the *names* it would hold, so that a person can tell whether Windows-1252 is right. None
    is for files without names: Windows-1252 is taken and told. Raises FileRefused for what is no text.
    """
    by_mark = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if raw.startswith(mark)), None)
    try:
        text = raw.decode(by_mark or "utf-8")
    except UnicodeDecodeError as fault:
        if by_mark:
            raise FileRefused(_not_text(name)) from None
        text = _other_text(name, raw, fault.start, encoding, problems, names)
    if "\0" in text:
        raise FileRefused(_not_text(name))
    return text


def _other_text(
    name: str,
    raw: bytes,
    first: int,
    encoding: str | None,
    problems: list[Problem],
    names: Callable[[str], list[str]],
) -> str:
    line = raw.count(b"\n", 0, first) + 1
    confirmed = encoding is not None and encoding != UTF_8
    try:
        text = raw.decode(ENCODINGS[encoding] if encoding and confirmed else "cp1252")
    except UnicodeDecodeError:
        raise FileRefused(_not_text(name)) from None
    if "\0" in text:
        raise FileRefused(_not_text(name))
    if encoding is None:
        reason = "the file is not UTF-8 and was read as Windows-1252; check the names with accents"
        problems.append(Problem(name, line, reason))
    elif not confirmed:
        found = names(text)
        shown = ", ".join(found) or "nothing with an accent in the columns we read"
        raise NotUtf8(
            f"{name} line {line} is not UTF-8; as Windows-1252 its names are: {shown}; "
            "if they are right, import again with --encoding windows-1252; nothing was changed",
            found,
        )
    return text


def _not_text(name: str) -> str:
    return f"{name} is not a text file; export it as CSV in UTF-8; nothing was changed"
