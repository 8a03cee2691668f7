"""PhoneNumber: E.164 or refused (PH-1), and never printed whole (PH-3)."""

import logging
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.phone import PhoneNumber, PhoneRefused


@pytest.mark.parametrize(
    "written",
    [
        "(860) 555-0123",
        "860.555.0123",
        "860-555-0123",
        "8605550123",
        "1 860 555 0123",
        "+18605550123",
        "+1 (860) 555-0123",
        "  860 555 0123\t",
        "tel:+18605550123",
        "860\u00a0555\u20110123",
        "８６０５５５０１２３",
    ],
)
def test_every_way_an_office_writes_a_number_is_the_same_number(written: str) -> None:
    """PH-2: two ways of writing one number must not become two phones."""
    assert PhoneNumber.parse(written) == PhoneNumber("+18605550123")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("5550123", "7 digits"),
        ("911", "3 digits"),
        ("0000000000", "no such number"),
        ("111 222 3333", "no such number"),
        ("603-123-4567", "no such number"),
        ("950-342-7522", "no such number"),
        ("1-603-123-4567", "no such number"),
        ("203-555-0123 x12", "extension"),
        ("203-555-0123 ext. 4", "extension"),
        ("2035550123,,12", "extension"),
        ("", "not a telephone number"),
        ("none", "not a telephone number"),
        ("ana@example.org", "not a telephone number"),
        ("203-555-0123 / 203-555-0124", "not a telephone number"),
        ("203-555-0123, 203-555-0124", "not a telephone number"),
        ("2" * 5000, "not a telephone number"),
        ("\x00", "not a telephone number"),
    ],
)
def test_what_nobody_can_text_is_refused_with_its_reason(written: str, why: str) -> None:
    """PH-1: invalid is refused, not merely impossible."""
    with pytest.raises(PhoneRefused, match=why):
        PhoneNumber.parse(written)


@given(st.text() | st.from_regex(r"\A[0-9+() .x-]{0,20}\Z"))
def test_anything_is_a_number_or_a_refusal_that_shows_no_digits(written: str) -> None:
    """PH-3: a refused number is often a real one with a slip in it."""
    try:
        number = PhoneNumber.parse(written)
    except PhoneRefused as refused:
        said = str(refused)
    else:
        said = ""
        assert PhoneNumber.parse(number.e164) == number
        assert number.e164[1:].isascii()
        assert number.e164[1:].isdigit()
        assert 8 <= len(number.e164) <= 16
    digits = "".join(c for c in written if c.isdigit())
    assert len(digits) < 4 or digits not in said


def test_a_printed_number_shows_its_last_four_digits(caplog: pytest.LogCaptureFixture) -> None:
    """PH-3, whichever way it gets into a log, an error or a page."""
    number = PhoneNumber.parse("860-555-0123")
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r %s", number, [number], {"to": number})

    for printed in (str(number), repr(number), f"{number}", f"{number!r}", caplog.text, number.masked):
        assert "0123" in printed
        assert "555" not in printed


def test_a_number_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        PhoneNumber("+18605550123").e164 = "+12035550100"  # type: ignore[misc]


def test_a_number_of_another_country_keeps_its_own_code() -> None:
    assert PhoneNumber.parse("+52 55 1234 5678").e164 == "+525512345678"
