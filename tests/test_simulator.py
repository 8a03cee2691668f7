"""Phones on this machine: what reached them is in the book, and each word on delivery is given once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.provider import Accepted, Line, Listed, Outgoing, ReceiptHeld, Refused, SendFailed, meaning
from bot.provider.simulator import Simulator

NOON = datetime(2021, 10, 22, 16, 0, tzinfo=UTC)


def text(to: str = "+18605550123", ours: str = "t1") -> Outgoing:
    return Outgoing(ours, to, "Is Maya well?", 600)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+15005550001", "21211"),
        ("+15005550002", "21612"),
        ("+15005550003", "21408"),
        ("+15005550004", "21610"),
        ("+15005550009", "21614"),
    ],
)
def test_twilios_magic_numbers_refuse_as_they_do_there(number: str, code: str) -> None:
    """TW-109; what a code means is the same as with the real adapter."""
    phones = Simulator()

    with pytest.raises(Refused) as refused:
        phones.send(text(number))

    assert refused.value.meaning == meaning.of(code)
    assert phones.book == []
    assert list(phones.receipts()) == []


def test_the_magic_number_that_works_works() -> None:
    """TW-109."""
    assert Simulator().send(text("+15005550006")).status == "queued"


def test_a_text_is_in_the_book_and_its_receipt_is_given_once() -> None:
    phones = Simulator()

    accepted = phones.send(text())

    assert phones.book == [text()]
    assert list(phones.receipts()) == [ReceiptHeld("t1", accepted.sid, "delivered")]
    assert list(phones.receipts()) == []
    assert phones.book == [text()]


def test_two_texts_have_two_ids() -> None:
    phones = Simulator()

    assert phones.send(text(ours="a")).sid != phones.send(text(ours="b")).sid


@given(st.text() | st.from_regex(r"\A\+1[0-9]{10}\Z"))
def test_any_number_is_taken_or_refused_and_the_book_knows(number: str) -> None:
    phones = Simulator()
    try:
        accepted = phones.send(text(number))
    except SendFailed:
        assert phones.book == []
    else:
        assert isinstance(accepted, Accepted)
        assert [each.to for each in phones.book] == [number]
    assert len(list(phones.receipts())) == len(phones.book)


def test_many_senders_at_once_lose_nothing() -> None:
    """The sender hands over in threads, while another fetches receipts."""
    phones = Simulator()
    fetched: list[ReceiptHeld] = []
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: phones.send(text(ours=f"t{n}")), range(200)))
        for batch in pool.map(lambda _: list(phones.receipts()), range(8)):
            fetched += batch

    assert sorted(each.token for each in fetched) == sorted(f"t{n}" for n in range(200))
    assert len(phones.book) == 200


def test_the_list_has_what_reached_a_number_and_nothing_else() -> None:
    """TW-60: a text whose answer was lost is found there by its words."""
    phones = Simulator()
    accepted = phones.send(text())
    phones.send(text(to="+18605550124", ours="t2"))

    assert phones.sent_to("+18605550123", NOON) == [
        Listed(accepted.sid, "Is Maya well?", "delivered", "", NOON)
    ]
    assert phones.sent_to("+18605550125", NOON) == []


def test_a_simulator_knows_nothing_of_carriers_and_has_no_trouble() -> None:
    phones = Simulator()

    assert phones.sender == "simulator"
    assert phones.trouble() == []
    assert phones.arrived(NOON) == []
    assert phones.line("+18605550123") is Line.OTHER
    assert list(phones.deactivated(NOON.date())) == []


def test_redacting_leaves_what_the_phone_shows() -> None:
    phones = Simulator()

    phones.redact(phones.send(text()).sid)
    phones.redact("SIM of nothing")

    assert phones.book == [text()]
