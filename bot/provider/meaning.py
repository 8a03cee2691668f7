"""What a provider's error code means for the text, the phone and the sender; read from errors.toml."""

import tomllib
from functools import cache
from pathlib import Path

from bot.provider import Meaning, PhoneFate, SenderFate, TextFate

_TABLE = Path(__file__).with_name("errors.toml")

# A code nobody has listed. The text is lost and a person calls; no number and no sender is marked for
# something we do not understand (TW-55).
_UNLISTED = ("the provider gave a reason we do not know", TextFate.GONE, PhoneFate.UNTOUCHED, SenderFate.WELL)

_TOLL_FREE = tuple(f"+1{area}" for area in (800, 833, 844, 855, 866, 877, 888))


@cache
def listed(toll_free: bool = False) -> dict[str, Meaning]:
    """Every code of errors.toml, as it is for a text that left by an ordinary or by a *toll_free* number."""
    with _TABLE.open("rb") as file:
        written = tomllib.load(file)
    return {
        code: Meaning(
            code,
            line["means"],
            TextFate(line["text"]),
            PhoneFate(line.get("phone_if_toll_free", line["phone"]) if toll_free else line["phone"]),
            SenderFate(line["sender"]),
        )
        for code, line in written.items()
    }


def of(code: str, *, toll_free: bool = False) -> Meaning:
    """What *code* means; a code that is not in the table falls into the safe class (TW-55).

    *toll_free* says by what number the text left: networks keep STOP to a toll-free number to
    themselves, and only such a code tells of it (TW-95).
    """
    found = listed(toll_free).get(code)
    return found or Meaning(code, *_UNLISTED)


def is_toll_free(sender: str) -> bool:
    """Whether *sender* is a US toll-free number (+1800...); a service or a short code is none."""
    return sender.startswith(_TOLL_FREE)
