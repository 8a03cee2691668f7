"""A plainly written number is read by a short way, which must never differ from the long one (PH-1)."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.phone import PhoneNumber, PhoneRefused

_FORMATS = st.sampled_from(
    [
        "{}{}{}",
        "{}-{}-{}",
        "({}) {}-{}",
        "{}.{}.{}",
        "+1{}{}{}",
        "1 {} {} {}",
        "+1 ({}) {}-{}",
        "1-{}-{}-{}",
        "({}{}{}",
    ]
)


def _read(written: str) -> str | None:
    try:
        return PhoneNumber.parse(written).e164
    except PhoneRefused:
        return None


def _in_full(written: str) -> str | None:
    try:
        number = phonenumbers.parse(written, "US")
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@given(
    form=_FORMATS,
    parts=st.tuples(
        st.integers(0, 999).map("{:03}".format),
        st.integers(0, 999).map("{:03}".format),
        st.integers(0, 9999).map("{:04}".format),
    ),
)
def test_ph_1_the_short_way_agrees_with_the_library(form: str, parts: tuple[str, str, str]) -> None:
    written = form.format(*parts)
    assert _read(written) == _in_full(written)


@given(written=st.text("0123456789+-(). x１", max_size=18))
def test_ph_1_it_agrees_on_anything_that_looks_like_a_number(written: str) -> None:
    assert _read(written) == _in_full(written)


@pytest.mark.parametrize("area", range(200, 1000, 7))
def test_ph_1_it_agrees_on_area_codes(area: int) -> None:
    written = f"{area}-555-0123"
    assert _read(written) == _in_full(written)
