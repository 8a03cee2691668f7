"""Texts of which nobody knows whether they left: the receipt or the provider's whole list decides, never a guess."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from bot import delivery, outbox
from bot.advance import Script
from bot.language import Language
from bot.outbox import fingerprint
from bot.provider import Accepted, Listed, NotTold, Outgoing, Unknown
from bot.provider.simulator import Simulator
from bot.store.session import Database
from bot.store.tables import Delivery, Handoff, OutboundText, Phone, PhoneState, TextState
from bot.texts import Rendered
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Purpose, PurposeClass
from tests.builders import a_guardian, a_phone, a_school, a_student, absent, number_of
from tests.town import Town

AFTER = timedelta(minutes=15)


class Listing(Simulator):
    """A provider with a list; some creates lose their answer, and of those some were created all the same."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.clock = clock
        self.list: list[tuple[str, Listed]] = []
        self.loses_answers = self.creates_all_the_same = False
        self.tells = True
        self.status = "sent"

    def send(self, text: Outgoing) -> Accepted:
        sid = f"SM{len(self.list):032x}"
        if self.loses_answers and not self.creates_all_the_same:
            raise Unknown("time-out")
        self.book.append(text)
        self.list.append((text.to, Listed(sid, text.body, self.status, "", self.clock())))
        if self.loses_answers:
            raise Unknown("time-out")
        return Accepted(sid, "queued")

    def sent_to(self, number: str, since: datetime) -> list[Listed]:
        if not self.tells:
            raise NotTold("the list did not answer")
        return [listed for to, listed in self.list if to == number and listed.created_at >= since]


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


@pytest.fixture
def provider(town: Town) -> Listing:
    found = Listing(town.clock)
    found.loses_answers = True
    return found


def a_reply(
    town: Town, words: str = "we will call you", number: str = "+12035550142", **changes: object
) -> int:
    with town.database.begin() as session:
        values = {
            "conversation_id": None,
            "phone_id": a_phone(session, number).id,
            "purpose": Purpose.CONSENT,
            "law": PurposeClass.MISSION,
            "not_before": town.now,
            "not_after": town.now + timedelta(hours=4),
            "now": town.now,
            **changes,
        }
        return outbox.queue(session, Rendered(words, words, Language.ENGLISH, 1), **values)


def work(town: Town, provider: Listing) -> None:
    delivery.lost_claims(town.database, lease=timedelta(minutes=2), now=town.now)
    delivery.settle(town.database, provider, script=town.script, clock=town.clock, after=AFTER)
    delivery.send_due(town.database, provider, script=town.script, clock=town.clock)


def texts(town: Town) -> list[OutboundText]:
    with town.database.begin() as session:
        return list(session.scalars(select(OutboundText).order_by(OutboundText.id)))


def test_a_text_whose_answer_was_lost_is_found_in_the_list_and_not_sent_again(
    town: Town, provider: Listing
) -> None:
    """TW-60."""
    a_reply(town)
    provider.creates_all_the_same = True
    work(town, provider)
    assert texts(town)[0].state is TextState.UNKNOWN

    for _ in range(30):
        town.now += timedelta(minutes=1)
        work(town, provider)

    (text,) = texts(town)
    assert len(provider.book) == 1
    assert (text.state, text.delivery) == (TextState.SENT, Delivery.SENT)
    assert text.provider_sid == provider.list[0][1].sid


def test_a_text_that_the_whole_list_does_not_have_is_sent_once_more_and_no_sooner(
    town: Town, provider: Listing
) -> None:
    """TW-43, TW-62: not before the list has had its time."""
    a_reply(town)
    work(town, provider)
    provider.loses_answers = False

    town.now += timedelta(minutes=14)
    work(town, provider)
    assert not provider.book
    town.now += timedelta(minutes=2)
    work(town, provider)

    (text,) = texts(town)
    assert len(provider.book) == 1
    assert (text.state, text.attempts) == (TextState.SENT, 2)


def test_the_door_is_asked_again_before_the_second_attempt(town: Town, provider: Listing) -> None:
    """TW-70: what was true at nine need not be true at a quarter past."""
    a_reply(town, purpose=Purpose.REPLY)
    work(town, provider)
    provider.loses_answers = False
    with town.database.begin() as session:
        a_phone(session, "+12035550142").opted_out = True

    town.now += timedelta(minutes=16)
    work(town, provider)

    (text,) = texts(town)
    assert not provider.book
    assert (text.state, text.why_not) == (TextState.NOT_SENT, "opted_out")


def test_a_text_that_was_never_created_is_not_sent_too_late(town: Town, provider: Listing) -> None:
    """Promise 5."""
    a_reply(town, not_after=town.now + timedelta(minutes=10))
    work(town, provider)
    provider.loses_answers = False

    town.now += timedelta(minutes=16)
    work(town, provider)

    assert not provider.book
    assert texts(town)[0].why_not == "too_late"


def test_the_same_words_twice_to_one_number_are_two_texts(town: Town, provider: Listing) -> None:
    """One of the two was created: it settles one of the two rows, and the other is sent after its time."""
    a_reply(town)
    a_reply(town)
    provider.creates_all_the_same = True
    delivery.send_due(town.database, provider, script=town.script, clock=town.clock)
    del provider.list[1:], provider.book[1:]
    provider.loses_answers = False

    for minutes in (1, 16, 1):
        town.now += timedelta(minutes=minutes)
        work(town, provider)

    assert len(provider.book) == 2
    assert [text.state for text in texts(town)] == [TextState.SENT, TextState.SENT]
    assert len({text.provider_sid for text in texts(town)}) == 2


def test_an_older_text_with_the_same_words_settles_nothing(town: Town, provider: Listing) -> None:
    provider.loses_answers = False
    a_reply(town)
    work(town, provider)
    town.now += timedelta(minutes=1)
    provider.loses_answers = True
    a_reply(town)
    work(town, provider)

    town.now += timedelta(minutes=5)
    work(town, provider)

    assert [text.state for text in texts(town)] == [TextState.SENT, TextState.UNKNOWN]


def test_while_the_list_is_silent_nothing_is_sent_and_after_an_hour_a_person_is_asked_once(
    town: Town, provider: Listing
) -> None:
    """TW-62."""
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number_of(session, a_guardian(session, student))
        absent(session, student)
    provider.tells = False
    town.provider = provider
    town.morning()
    for _ in range(20):
        town.now += timedelta(minutes=5)
        work(town, provider)

    assert not provider.book
    assert texts(town)[0].state is TextState.UNKNOWN
    with town.database.begin() as session:
        whys = session.scalars(select(Handoff.why)).all()
    assert whys.count("unknown_outcome") == 1


def test_a_receipt_that_comes_late_settles_what_the_list_could_not(town: Town, provider: Listing) -> None:
    """TW-44, TW-53."""
    a_reply(town)
    work(town, provider)

    receipt(town, texts(town)[0].token, "delivered")
    town.now += timedelta(minutes=20)
    work(town, provider)

    assert not provider.book
    assert texts(town)[0].delivery is Delivery.DELIVERED


def receipt(town: Town, token: str, status: str, code: str = "", sender: str = "") -> None:
    with town.database.begin() as session:
        delivery.receipt(
            session,
            token=token,
            status=status,
            error_code=code,
            provider_sid=None,
            script=town.script,
            now=town.now,
            sender=sender,
        )


def test_a_receipt_for_a_text_that_was_queued_again_stops_the_second_attempt(
    town: Town, provider: Listing
) -> None:
    """The list was wrong after all: the receipt is proof, and wins while the text has not left again."""
    text = a_reply(town)
    work(town, provider)
    with town.database.begin() as session:
        assert outbox.never_left(session, text, 1, town.now + timedelta(minutes=5))

    receipt(town, texts(town)[0].token, "sent")
    town.now += timedelta(minutes=6)
    provider.loses_answers = False
    work(town, provider)

    assert not provider.book
    assert texts(town)[0].state is TextState.SENT


def test_a_list_is_matched_by_what_left_and_our_copy_holds_no_way_to_open_a_page() -> None:
    assert fingerprint(" hello ") == fingerprint("hello") != fingerprint("hello.")


# --- after it was taken ---------------------------------------------------------------------------------------


def a_check_in(town: Town) -> str:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
        absent(session, student)
    town.provider = Listing(town.clock)
    town.morning()
    return number


def test_a_handset_that_was_off_is_tried_once_more_the_same_day_and_then_a_person_calls(town: Town) -> None:
    """30003, TW-70: consecutive failures are counted at the number."""
    number = a_check_in(town)

    receipt(town, texts(town)[0].token, "undelivered", "30003")
    assert town.ledger().outcomes == {Outcome.ATTEMPTED: 1}
    town.later(31)
    assert len(town.texts_to(number)) == 2

    receipt(town, texts(town)[1].token, "undelivered", "30003")
    assert town.ledger().outcomes == {Outcome.UNREACHABLE: 1}
    town.later(31)
    assert len(town.texts_to(number)) == 2
    with town.database.begin() as session:
        phone = session.scalars(select(Phone).where(Phone.number == number)).one()
        assert (phone.failures, phone.state) == (2, PhoneState.TEXTABLE)


def test_a_text_that_was_called_lost_and_came_all_the_same_is_not_sent_twice(town: Town) -> None:
    """Delivered wins."""
    number = a_check_in(town)

    receipt(town, texts(town)[0].token, "undelivered", "30008")
    receipt(town, texts(town)[0].token, "delivered")
    town.later(40)

    assert len(town.texts_to(number)) == 1
    assert town.ledger().outcomes == {Outcome.ATTEMPTED: 1}


def test_a_fault_of_our_sender_found_later_marks_no_family(town: Town) -> None:
    """30034, TW-71: the number is not registered; the family's is fine, and its text is tried again."""
    number = a_check_in(town)

    receipt(town, texts(town)[0].token, "undelivered", "30034", sender="+12035550100")
    town.later(6)

    assert len(town.texts_to(number)) == 2
    with town.database.begin() as session:
        assert session.scalars(select(Phone.state)).all() == [PhoneState.TEXTABLE]


@pytest.mark.parametrize(("sender", "opted_out"), [("+18885550100", True), ("+12035550100", False)])
def test_blocked_means_stop_on_a_toll_free_number_only(town: Town, sender: str, opted_out: bool) -> None:
    """TW-95, 30004: the network took the STOP, and nobody told us."""
    a_check_in(town)

    receipt(town, texts(town)[0].token, "undelivered", "30004", sender=sender)

    with town.database.begin() as session:
        assert session.scalar(select(Phone.opted_out)) is opted_out


def test_a_code_nobody_has_listed_marks_no_number_and_asks_a_person_to_call(town: Town) -> None:
    """TW-55."""
    a_check_in(town)

    receipt(town, texts(town)[0].token, "failed", "39999")

    assert town.ledger().outcomes == {Outcome.UNREACHABLE: 1}
    with town.database.begin() as session:
        assert session.scalars(select(Phone.state)).all() == [PhoneState.TEXTABLE]
