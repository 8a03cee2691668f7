"""Every text once, only when it may leave, and what becomes of it: on both databases."""

import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import consent, delivery, outbox, outreach
from bot.advance import Script
from bot.language import Language
from bot.policy import Policy
from bot.provider import Accepted, Outgoing, Passing, Refused, Unknown
from bot.provider.meaning import of
from bot.provider.simulator import Simulator
from bot.store.session import Database, connect
from bot.store.tables import (
    AttendanceMark,
    Conversation,
    Delivery,
    OutboundText,
    Phone,
    PhoneState,
    TextState,
)
from bot.texts import Rendered
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Purpose, PurposeClass
from tests.builders import NOW, a_guardian, a_phone, a_school, a_student, absent, number_of
from tests.town import Town


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


class Answering(Simulator):
    """A provider that answers as it is told, and keeps its own book of what it was handed."""

    def __init__(self, *answers: Accepted | Exception | Callable[[Outgoing], Accepted]) -> None:
        super().__init__()
        self.answers = list(answers)

    def send(self, text: Outgoing) -> Accepted:
        self.book.append(text)
        answer = self.answers.pop(0) if self.answers else Accepted(f"SM{text.token}", "queued")
        if isinstance(answer, Exception):
            raise answer
        return answer(text) if callable(answer) else answer


def a_text(town: Town, purpose: Purpose = Purpose.REPLY, number: str = "+18605550142", **changes: Any) -> int:
    with town.database.begin() as session:
        phone = a_phone(session, number)
        return outbox.queue(
            session,
            Rendered("hello", "hello", Language.ENGLISH, 1),
            conversation_id=None,
            phone_id=phone.id,
            purpose=purpose,
            law=PurposeClass.MISSION,
            not_before=changes.pop("not_before", town.now),
            not_after=changes.pop("not_after", town.now + timedelta(hours=1)),
            now=town.now,
            **changes,
        )


def the_text(town: Town, text_id: int) -> OutboundText:
    with town.database.begin() as session:
        return session.get_one(OutboundText, text_id)


def send(town: Town, provider: Answering) -> None:
    delivery.send_due(town.database, provider, script=town.script, clock=town.clock)


def a_morning(town: Town) -> str:
    with town.database.begin() as session:
        student = a_student(session, a_school(session))
        number = number_of(session, a_guardian(session, student))
        absent(session, student)
    return number


def test_a_lost_answer_is_unknown_and_never_sent_again_by_itself(town: Town) -> None:
    """TW-43."""
    text = a_text(town)
    provider = Answering(Unknown("the connection was reset"))

    for _ in range(5):
        send(town, provider)
        town.now += timedelta(minutes=2)

    assert len(provider.book) == 1
    assert the_text(town, text).state is TextState.UNKNOWN


def test_the_receipt_settles_an_unknown_text_by_our_own_token(town: Town) -> None:
    """TW-44."""
    text = a_text(town)
    send(town, Answering(Unknown("time-out")))
    token = the_text(town, text).token

    with town.database.begin() as session:
        delivery.receipt(
            session,
            token=token,
            status="delivered",
            error_code="",
            provider_sid="SM1",
            script=town.script,
            now=town.now,
        )

    settled = the_text(town, text)
    assert (settled.state, settled.delivery, settled.provider_sid) == (
        TextState.SENT,
        Delivery.DELIVERED,
        "SM1",
    )


@pytest.mark.parametrize(
    "words",
    [
        ["queued", "sent", "delivered"],
        ["delivered", "sent", "queued"],
        ["sent", "delivered", "undelivered", "sent", "delivered"],
    ],
)
def test_receipts_in_any_order_and_twice_never_lower_what_is_known(town: Town, words: list[str]) -> None:
    """TW-53."""
    text = a_text(town)
    send(town, Answering())

    with town.database.begin() as session:
        for word in words * 2:
            outbox.record_receipt(
                session,
                token=session.get_one(OutboundText, text).token,
                status=word,
                error_code="",
                provider_sid=None,
                now=town.now,
            )

    assert the_text(town, text).delivery is Delivery.DELIVERED


def test_a_receipt_before_the_answer_to_our_request_stands(town: Town) -> None:
    text = a_text(town)

    def receipt_first(outgoing: Outgoing) -> Accepted:
        with town.database.begin() as session:
            outbox.record_receipt(
                session,
                token=outgoing.token,
                status="delivered",
                error_code="",
                provider_sid="SM9",
                now=town.now,
            )
        return Accepted("SM9", "queued")

    send(town, Answering(receipt_first))

    settled = the_text(town, text)
    assert (settled.state, settled.delivery) == (TextState.SENT, Delivery.DELIVERED)


def test_a_busy_provider_is_asked_again_later_and_gets_the_text_once(town: Town) -> None:
    """20429: never processed, always safe to hand over again."""
    text = a_text(town)
    provider = Answering(Passing("busy", "20429"))
    send(town, provider)
    assert the_text(town, text).state is TextState.QUEUED

    town.now += timedelta(minutes=1)
    send(town, provider)

    assert len(provider.book) == 2
    assert the_text(town, text).state is TextState.SENT


def test_a_text_whose_time_has_passed_is_not_sent(town: Town) -> None:
    """Promise 5."""
    text = a_text(town, not_after=town.now + timedelta(minutes=5))
    town.now += timedelta(minutes=5)
    provider = Answering()

    send(town, provider)

    assert not provider.book
    assert (the_text(town, text).state, the_text(town, text).why_not) == (TextState.NOT_SENT, "too_late")


def test_a_claim_of_a_process_that_died_is_unknown_and_not_sent_again(town: Town) -> None:
    """Promise 2: the text may have been handed over a moment before the process was killed."""
    text = a_text(town)
    with town.database.begin() as session:
        outbox.claim(session, town.script.policy, town.now)

    town.now += timedelta(minutes=6)
    with town.database.begin() as session:
        assert outbox.release_lost_claims(session, town.now, timedelta(minutes=5)) == 1
    provider = Answering()
    send(town, provider)

    assert not provider.book
    assert the_text(town, text).state is TextState.UNKNOWN


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("21614", PhoneState.LANDLINE),
        ("21211", PhoneState.DEAD),
        ("30034", PhoneState.TEXTABLE),
        ("21617", PhoneState.TEXTABLE),
        ("99999", PhoneState.TEXTABLE),
    ],
)
def test_a_number_is_marked_for_its_own_faults_and_never_for_ours(
    town: Town, code: str, state: PhoneState
) -> None:
    """TW-71."""
    text = a_text(town)
    send(town, Answering(Refused(of(code))))

    with town.database.begin() as session:
        assert session.get_one(Phone, session.get_one(OutboundText, text).phone_id).state is state


def test_a_check_in_that_cannot_arrive_makes_the_student_unreachable_and_asks_a_person_to_call(
    town: Town,
) -> None:
    number = a_morning(town)
    with town.database.begin() as session:
        outreach.run(
            session,
            outreach.plan(session, town.now.date(), script=town.script, now=town.now),
            script=town.script,
            now=town.now,
        )

    send(town, Answering(Refused(of("21614"))))
    town.later(400)

    assert not town.texts_to(number)
    assert town.ledger().outcomes == {Outcome.UNREACHABLE: 1}
    assert [handoff.why for handoff in town.handoffs()] == ["undelivered"]


def test_a_later_word_that_the_carrier_refused_is_as_good_as_a_refusal(town: Town) -> None:
    number = a_morning(town)
    town.morning()
    with town.database.begin() as session:
        text = session.scalars(select(OutboundText)).one()
        # The simulator delivered it; another carrier would not have.
        text.delivery = Delivery.SENT
        delivery.receipt(
            session,
            token=text.token,
            status="undelivered",
            error_code="30005",
            provider_sid=text.provider_sid,
            script=town.script,
            now=town.now,
        )

    with town.database.begin() as session:
        assert a_phone(session, number).state is PhoneState.DEAD
    assert town.ledger().outcomes == {Outcome.UNREACHABLE: 1}


def test_a_student_marked_present_cancels_the_text_that_has_not_left(town: Town) -> None:
    """Promise 8."""
    number = a_morning(town)
    with town.database.begin() as session:
        outreach.run(
            session,
            outreach.plan(session, town.now.date(), script=town.script, now=town.now),
            script=town.script,
            now=town.now,
        )
        session.scalars(select(AttendanceMark)).one().superseded_at = town.now
    town.work()

    assert not town.texts_to(number)


def test_the_safety_text_ignores_quiet_hours_and_everything_else_waits_for_morning(town: Town) -> None:
    """LAW-21, LAW-71."""
    number = a_morning(town)
    town.now = datetime(2021, 10, 22, 3, 0, tzinfo=UTC)  # 11 at night, the evening before
    town.family_writes(number, "hello, who do I talk to about the bus?")
    assert not town.texts_to(number)
    town.family_writes(number, "he has a gun and says he will kill us")
    assert len(town.texts_to(number)) == 1
    assert "911" in town.texts_to(number)[0]


def test_two_automated_texts_a_day_are_the_most_a_number_gets(town: Town) -> None:
    """The cap of conversation.md counts the number, whoever holds it."""
    number = a_morning(town)
    town.morning()
    town.later(91)
    assert len(town.texts_to(number)) == 2
    with town.database.begin() as session:
        conversation = town_conversation(session)
        outbox.queue(
            session,
            Rendered("again", "again", Language.ENGLISH, 1),
            conversation_id=conversation,
            phone_id=a_phone(session, number).id,
            purpose=Purpose.REMINDER,
            law=PurposeClass.MISSION,
            not_before=town.now,
            not_after=town.now + timedelta(hours=1),
            now=town.now,
        )
    town.work()

    assert len(town.texts_to(number)) == 2


def town_conversation(session: Session) -> int:
    return session.scalars(select(Conversation.id)).one()


def test_the_door_refuses_with_a_sentence_for_staff() -> None:
    assert all(refusal.sentence for refusal in consent.Refusal)


# --- many processes, one file ---------------------------------------------------------------------------


def _claim_until_empty(url: str, found: "multiprocessing.Queue[list[int]]") -> None:
    database = Database(connect(url))
    mine: list[int] = []
    while True:
        with database.begin() as session:
            batch = outbox.claim(session, Policy(), NOW, 7)
        if not batch.moved:
            break
        mine += [text.id for text in batch.claimed]
    database.close()
    found.put(mine)


def test_four_processes_share_an_outbox_and_no_text_is_claimed_twice(town: Town) -> None:
    """Promise 2; on SQLite this is what BEGIN IMMEDIATE is for."""
    texts = [a_text(town, number=f"+1860555{100 + n // 50:04d}") for n in range(120)]
    url = town.database.engine.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[list[int]] = context.Queue()
    processes = [context.Process(target=_claim_until_empty, args=(url, found)) for _ in range(4)]
    for process in processes:
        process.start()
    claimed = sorted(text for _ in processes for text in found.get(timeout=60))
    for process in processes:
        process.join(timeout=60)

    assert claimed == sorted(texts)
