"""The sender: strict classes, pace, the breaker, the stop button, and a database that goes away; on both databases."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot import delivery, outbox, stopping
from bot.advance import Script
from bot.delivery import Sender
from bot.language import Language
from bot.outbox import Pace
from bot.provider import Accepted, Outgoing, Passing, Refused, Unknown
from bot.provider.meaning import of
from bot.provider.simulator import Simulator
from bot.store.session import Database
from bot.store.tables import OutboundText, Phone, PhoneState, SenderState, TextState
from bot.texts import Rendered
from bot.vocabulary import Purpose, PurposeClass
from tests.builders import NOW, a_phone


class Desk:
    """A database with texts to send, and a clock that stands."""

    def __init__(self, database: Database, script: Script) -> None:
        self.database, self.script, self.now = database, script, NOW
        self._numbers = 0

    def texts(self, many: int, purpose: Purpose = Purpose.CONSENT, **changes: object) -> list[int]:
        with self.database.begin() as session:
            found = []
            for _ in range(many):
                self._numbers += 1
                phone = a_phone(session, f"+1860{self._numbers:07d}")
                values = {
                    "conversation_id": None,
                    "phone_id": phone.id,
                    "purpose": purpose,
                    "law": PurposeClass.MISSION,
                    "not_before": self.now,
                    "not_after": self.now + timedelta(hours=3),
                    "now": self.now,
                    **changes,
                }
                segments = values.pop("segments", 1)
                rendered = Rendered("hello", "hello", Language.ENGLISH, segments)  # type: ignore[arg-type]
                found.append(outbox.queue(session, rendered, **values))
            return found

    def states(self) -> Counter[TextState]:
        with self.database.begin() as session:
            return Counter(session.scalars(select(OutboundText.state)))

    def sender(self, provider: Simulator, at_once: int = 4, pace: Pace | None = None) -> Sender:
        return Sender(
            self.database, provider, script=self.script, clock=lambda: self.now, at_once=at_once, pace=pace
        )


@pytest.fixture
def desk(database: Database, script: Script) -> Desk:
    return Desk(database, script)


@contextmanager
def at_work(sender: Sender) -> Iterator[None]:
    wake = threading.Event()
    thread = threading.Thread(target=sender.run, args=(wake, 0.05))
    thread.start()
    try:
        yield
    finally:
        sender.end()
        thread.join(20)
        sender.close()


def eventually(fact: Callable[[], object], seconds: float = 8) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.01)
    return False


class Phones(Simulator):
    """Takes a text after a while, and says which were in hand at the same time."""

    def __init__(
        self, seconds: float = 0.0, answer: Callable[[Outgoing], Exception | None] | None = None
    ) -> None:
        super().__init__()
        self.seconds, self.answer = seconds, answer
        self.in_hand = self.most = 0
        self._count = threading.Lock()

    def send(self, text: Outgoing) -> Accepted:
        with self._count:
            self.in_hand += 1
            self.most = max(self.most, self.in_hand)
        try:
            time.sleep(self.seconds)
            failure = self.answer(text) if self.answer else None
            if failure is not None:
                raise failure
            self.book.append(text)
            return Accepted(f"SM{text.token}", "queued")
        finally:
            with self._count:
                self.in_hand -= 1


def test_many_texts_leave_at_once_and_each_is_recorded_with_its_sid(desk: Desk) -> None:
    desk.texts(60)
    phones = Phones(0.01)

    desk.sender(phones, at_once=8).drain()

    assert len(phones.book) == 60
    assert 1 < phones.most <= 10  # eight, and two for what is urgent
    with desk.database.begin() as session:
        rows = session.execute(select(OutboundText.token, OutboundText.provider_sid, OutboundText.state))
        assert all(sid == f"SM{token}" and state is TextState.SENT for token, sid, state in rows)


def test_an_answer_to_a_family_does_not_wait_behind_a_batch_on_a_slow_line(desk: Desk) -> None:
    """TW-84: the batch holds every thread for seconds, and the answer leaves all the same."""
    go_on = threading.Event()

    def slow(text: Outgoing) -> None:
        if not text.to.endswith("9999"):
            go_on.wait(10)

    desk.texts(40, Purpose.CHECK_IN)
    phones = Phones(answer=slow)
    with at_work(desk.sender(phones, at_once=4)):
        assert eventually(lambda: phones.in_hand == 4)
        with desk.database.begin() as session:
            outbox.queue(
                session,
                Rendered("we will call you", "", Language.ENGLISH, 1),
                conversation_id=None,
                phone_id=a_phone(session, "+18605559999").id,
                purpose=Purpose.REPLY,
                law=PurposeClass.MISSION,
                not_before=desk.now,
                not_after=desk.now + timedelta(hours=1),
                now=desk.now,
            )
        answered = eventually(lambda: [text for text in phones.book if text.to.endswith("9999")], 3)
        go_on.set()
        assert answered
        assert eventually(lambda: len(phones.book) == 41)


def test_safety_leaves_first_then_answers_then_todays_absences(desk: Desk) -> None:
    for purpose in (Purpose.REMINDER, Purpose.CHECK_IN, Purpose.REPLY, Purpose.CONSENT, Purpose.SAFETY):
        desk.texts(1, purpose)

    with desk.database.begin() as session:
        claimed = outbox.claim(session, desk.script.policy, desk.now).claimed

    assert [each.rank for each in claimed] == [0, 1, 1, 2, 2]


# --- pace and cap -----------------------------------------------------------------------------------------


def test_a_batch_leaves_no_faster_than_its_sender_may_in_segments(desk: Desk) -> None:
    """TW-80: at 3 segments a second, texts of 2 segments leave three in two seconds, whoever claims them."""
    desk.texts(40, Purpose.CHECK_IN, segments=2)
    pace = Pace("+12035550100", segments_per_second=3.0)
    phones = Phones()

    for _ in range(20):
        desk.sender(phones, pace=pace).drain()
        desk.sender(phones, pace=pace).drain()  # another worker, in the same moment
        desk.now += timedelta(seconds=1)

    segments = 2 * len(phones.book)
    assert 3 * 19 <= segments <= 3 * 20 + 2


def test_an_answer_goes_at_once_and_the_batch_pays_for_it(desk: Desk) -> None:
    """TW-84."""
    pace = Pace("+12035550100", segments_per_second=1.0)
    phones = Phones()
    desk.texts(5, Purpose.CHECK_IN)
    desk.texts(3, Purpose.REPLY)

    desk.sender(phones, pace=pace).drain()
    assert len(phones.book) == 3  # the answers; they have used up this second and two more

    desk.now += timedelta(seconds=2)
    desk.sender(phones, pace=pace).drain()
    assert len(phones.book) == 3
    desk.now += timedelta(seconds=2)
    desk.sender(phones, pace=pace).drain()
    assert len(phones.book) > 3


def test_the_days_cap_refuses_a_batch_and_not_an_answer_and_begins_anew_at_the_carriers_midnight(
    desk: Desk,
) -> None:
    """TW-81, 30023: the day is that of the US Pacific coast."""
    pace = Pace("+12035550100", segments_a_day=4)
    desk.texts(6, Purpose.CHECK_IN, not_after=desk.now + timedelta(days=3))
    phones = Phones()

    desk.sender(phones, pace=pace).drain()
    assert len(phones.book) == 4
    assert desk.states() == {TextState.SENT: 4, TextState.NOT_SENT: 2}

    desk.texts(1, Purpose.REPLY)
    desk.sender(phones, pace=pace).drain()
    assert len(phones.book) == 5

    desk.now = desk.now.replace(hour=6, minute=59) + timedelta(days=1)  # 23:59 there
    desk.texts(1, Purpose.CHECK_IN)
    desk.sender(phones, pace=pace).drain()
    assert len(phones.book) == 5
    desk.now += timedelta(minutes=2)
    desk.texts(1, Purpose.CHECK_IN)
    desk.sender(phones, pace=pace).drain()
    assert len(phones.book) == 6


# --- the breaker ------------------------------------------------------------------------------------------


def test_faults_of_our_sender_stop_the_run_and_mark_no_family(desk: Desk) -> None:
    """TW-71: three refusals, and the other two hundred families' texts wait untouched."""
    desk.texts(200, Purpose.CHECK_IN)
    pace = Pace("+12035550100")
    tried: list[str] = []

    def unregistered(text: Outgoing) -> Exception:
        tried.append(text.to)
        return Refused(of("30034"))

    phones = Phones(answer=unregistered)
    desk.sender(phones, at_once=0, pace=pace).drain()

    assert len(tried) <= 25  # one batch at most
    assert desk.states() == {TextState.QUEUED: 200}
    with desk.database.begin() as session:
        assert set(session.scalars(select(Phone.state))) == {PhoneState.TEXTABLE}
        assert [closed.code for closed in outbox.closed(session)] == ["30034"]

    desk.now += timedelta(minutes=2)
    desk.sender(phones, at_once=0, pace=pace).drain()
    assert len(tried) <= 25


def test_the_breaker_tries_one_text_and_lets_the_rest_go_when_it_was_taken(desk: Desk) -> None:
    desk.texts(30, Purpose.CHECK_IN)
    pace = Pace("+12035550100")
    broken = True
    tried: list[str] = []

    def answer(text: Outgoing) -> Exception | None:
        tried.append(text.to)
        return Refused(of("21606")) if broken else None

    phones = Phones(answer=answer)
    desk.sender(phones, at_once=0, pace=pace).drain()
    before = len(tried)

    desk.now += timedelta(minutes=6)
    desk.sender(phones, at_once=0, pace=pace).drain()
    assert len(tried) == before + 1  # one, to see whether it is well again; it is not

    broken = False
    desk.now += timedelta(minutes=6)
    desk.sender(phones, at_once=0, pace=pace).drain()
    assert len(phones.book) == 30
    with desk.database.begin() as session:
        assert not outbox.closed(session)


def test_a_safety_text_is_tried_even_while_the_breaker_is_open(desk: Desk) -> None:
    pace = Pace("+12035550100")
    with desk.database.begin() as session:
        outbox.claim(session, desk.script.policy, desk.now, pace=pace)
        session.execute(
            update(SenderState).values(closed_until=desk.now + timedelta(minutes=5), closed_why="30034")
        )
    desk.texts(1, Purpose.REPLY)
    phones = Phones()
    desk.sender(phones, pace=pace).drain()
    assert not phones.book

    desk.texts(1, Purpose.SAFETY)
    desk.sender(phones, pace=pace).drain()

    assert len(phones.book) == 2  # it was taken: so the sender is well again, and the answer follows


def test_a_busy_provider_is_asked_less_at_once_and_every_text_leaves_in_the_end(desk: Desk) -> None:
    """20429: never processed, so always safe to hand over again."""
    desk.texts(30)
    said: Counter[str] = Counter()

    def busy_once(text: Outgoing) -> Exception | None:
        said[text.to] += 1
        return Passing("busy", "20429") if said[text.to] == 1 else None

    phones = Phones(0.002, answer=busy_once)
    sender = desk.sender(phones, at_once=8)
    for _ in range(4):
        sender.drain()
        desk.now += timedelta(minutes=1)

    assert sorted(text.to for text in phones.book) == sorted(said)
    assert desk.states() == {TextState.SENT: 30}


# --- the stop button --------------------------------------------------------------------------------------


def test_within_a_second_of_the_stop_nothing_leaves_but_the_safety_text(desk: Desk) -> None:
    """Also what was claimed already, and waits for a thread: it is given back."""
    desk.texts(200, Purpose.CHECK_IN)
    phones = Phones(0.02)
    with at_work(desk.sender(phones, at_once=4)):
        assert eventually(lambda: len(phones.book) > 20)
        with desk.database.begin() as session:
            stopping.stop(session, by="Ms. Rivera", reason="wrong roster", now=desk.now)
        time.sleep(1.0)
        left = len(phones.book)
        desk.texts(1, Purpose.SAFETY)
        assert eventually(lambda: len(phones.book) == left + 1)
        time.sleep(0.5)
        assert len(phones.book) == left + 1
        assert desk.states() == {TextState.SENT: left + 1, TextState.QUEUED: 200 - left}

        with desk.database.begin() as session:
            stopping.go(session, by="Ms. Rivera", reason="the right one is in", now=desk.now)
        assert eventually(lambda: len(phones.book) == 201, 20)


def test_ending_the_sender_finishes_what_is_on_its_way_and_gives_back_the_rest(desk: Desk) -> None:
    desk.texts(100, Purpose.CHECK_IN)
    phones = Phones(0.05)
    with at_work(desk.sender(phones, at_once=4)):
        assert eventually(lambda: len(phones.book) > 8)

    assert phones.in_hand == 0
    assert desk.states() == {TextState.SENT: len(phones.book), TextState.QUEUED: 100 - len(phones.book)}


# --- when something breaks --------------------------------------------------------------------------------


class Away(Database):
    """A database that goes away for a moment whenever it is told."""

    away = False

    @contextmanager
    def begin(self, *, undo: bool = False, durable: bool = False) -> Iterator[Session]:
        if self.away:
            raise OperationalError("connect", None, Exception("the server has gone away"))
        with super().begin(undo=undo, durable=durable) as session:
            yield session


def test_what_came_back_while_the_database_was_away_is_recorded_when_it_returns(desk: Desk) -> None:
    """Nothing is lost and nothing is handed over twice."""
    desk.texts(12, Purpose.CHECK_IN)
    away = Away(desk.database.engine)
    phones = Phones(0.05)
    sender = Sender(away, phones, script=desk.script, clock=lambda: desk.now, at_once=4)
    with at_work(sender):
        assert eventually(lambda: phones.in_hand)
        away.away = True
        time.sleep(0.5)
        assert phones.in_hand == 0
        away.away = False
        assert eventually(lambda: desk.states() == {TextState.SENT: 12})

    assert len(phones.book) == len({text.token for text in phones.book}) == 12


def test_an_adapter_that_breaks_leaves_its_text_in_doubt_and_the_others_leave(desk: Desk) -> None:
    desk.texts(5)
    first: list[str] = []

    def breaks(text: Outgoing) -> Exception | None:
        if not first:
            first.append(text.to)
            return RuntimeError("nobody foresaw this")
        return None

    desk.sender(Phones(answer=breaks)).drain()

    assert desk.states() == {TextState.SENT: 4, TextState.UNKNOWN: 1}


def test_a_late_word_on_an_earlier_attempt_changes_nothing_of_the_next(desk: Desk) -> None:
    """Leases carry the attempt: a sender that comes back from the dead is not believed about another's work."""
    (text,) = desk.texts(1)
    with desk.database.begin() as session:
        first = outbox.claim(session, desk.script.policy, desk.now).claimed[0]
        assert outbox.put_back(session, text, first.attempt, desk.now)
    with desk.database.begin() as session:
        second = outbox.claim(session, desk.script.policy, desk.now).claimed[0]

    assert (first.attempt, second.attempt) == (1, 2)
    with desk.database.begin() as session:
        assert not outbox.record_unknown(session, text, first.attempt)
        assert not outbox.put_back(session, text, first.attempt, desk.now)
        assert not outbox.record_refused(session, text, first.attempt, "21614")
    assert desk.states() == {TextState.CLAIMED: 1}


def test_a_look_costs_the_same_number_of_statements_for_one_text_and_for_forty(desk: Desk) -> None:
    """Consent is asked for a whole batch, not text by text."""
    counted = []
    for many in (1, 40):
        desk.texts(many, Purpose.CHECK_IN)
        with statements(desk.database) as seen, desk.database.begin() as session:
            assert len(outbox.claim(session, desk.script.policy, desk.now, 40).claimed) == many
        counted.append(len(seen))

    assert counted[0] == counted[1]


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_provider_that_took_a_text_and_lost_the_answer_is_asked_no_second_time(desk: Desk) -> None:
    """TW-43."""
    desk.texts(3)
    phones = Phones(answer=lambda _: Unknown("time-out"))
    for _ in range(5):
        delivery.send_due(desk.database, phones, script=desk.script, clock=lambda: desk.now)
        desk.now += timedelta(minutes=10)

    assert desk.states() == {TextState.UNKNOWN: 3}
