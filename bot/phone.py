"""PhoneNumber: E.164 or refused; masked whenever it is printed."""

import re
from dataclasses import dataclass
from functools import cache

import phonenumbers

from bot.errors import PresenteError


class PhoneRefused(PresenteError):
    """What was written cannot be a number that receives texts; the message says why, without the digits."""


@dataclass(frozen=True)
class PhoneNumber:
    """A valid telephone number. `e164` is the whole of it; `str` and `repr` show the last four digits (PH-3)."""

    e164: str

    @classmethod
    def parse(cls, written: str, region: str = "US") -> "PhoneNumber":
        """Read a number as offices write it: "(860) 555-0123", "860.555.0123", "+18605550123".

        Raises PhoneRefused for anything that is not one valid number, and for a number with an
        extension, which nobody can text (PH-1).
        """
        if region == "US" and (plain := _plain(written)):
            return cls(f"+1{plain}")
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            raise PhoneRefused("it is not a telephone number") from None
        if number.extension:
            raise PhoneRefused("it has an extension, which cannot be texted")
        if not phonenumbers.is_valid_number(number):
            digits = sum(character.isdigit() for character in written)
            if digits in (10, 11):
                raise PhoneRefused("no such number exists; check it with the family")
            raise PhoneRefused(f"it has {digits} digits; expected 10 with area code")
        return cls(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    @property
    def masked(self) -> str:
        return f"…{self.e164[-4:]}"

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"PhoneNumber({self.masked})"


# How nearly every number of a roster is written. Reading one in full takes fifty times as long, which
# a district's thirty thousand guardians would wait for every night.
_PLAIN = re.compile(r"(?:\+?1[ .-]?)?\(?([0-9]{3})\)?[ .-]{0,2}([0-9]{3})[ .-]?([0-9]{4})")


def _plain(written: str) -> str:
    """The ten digits of a plainly written number that the library's own table says exists; else nothing."""
    match = _PLAIN.fullmatch(written)
    digits = "".join(match.groups()) if match else ""
    return digits if digits and all(pattern.fullmatch(digits) for pattern in _existing()) else ""


@cache
def _existing() -> tuple[re.Pattern[str], ...]:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region("US")
    found = (metadata.general_desc, metadata.fixed_line) if metadata else ()
    patterns = [desc.national_number_pattern for desc in found if desc and desc.national_number_pattern]
    # Without both tables nothing is plain, and the library reads everything.
    return tuple(re.compile(one) for one in patterns) if len(patterns) == 2 else (re.compile("(?!)"),)


def as_dialled(e164: str) -> str:
    """A number as people here write it, for staff who call: (860) 555-0123; one of another country keeps its +."""
    if len(e164) == 12 and e164.startswith("+1"):
        return f"({e164[2:5]}) {e164[5:8]}-{e164[8:]}"
    return e164
