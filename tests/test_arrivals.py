"""What the provider posts is kept once, whatever comes at the same moment and whatever fails."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from bot import arrivals, counters, delivery, spool
from bot.advance import Script
from bot.arrivals import Intake, Kept, NotKept
from bot.spool import Post
from bot.store.session import Database, connect
from bot.store.tables import Channel, ConsentEvent, Delivery, InboundText, OutboundText, Phone, Receipt
from bot.understanding import Understanding
from tests.builders import NOW
from tests.town import Town
from tests.web import a_family

AWAY = "sqlite:////no/such/folder/x.db"


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def intake(town: Town, folder: Path) -> Intake:
    return Intake(town.database, receipt=partial(delivery.receipt, script=town.script), folder=folder)


def a_post(n: int = 1, words: str = "está enferma", *, sender: str = "+12035550100", **more: str) -> Post:
    said = {"MessageSid": f"SM{n:032x}", "From": sender, "Body": words, "NumMedia": "0", **more}
    return Post(tuple(said.items()), NOW, retry_token=f"try-{n}")


def a_receipt(token: str, status: str, **more: str) -> Post:
    return Post(tuple({"MessageStatus": status, **more}.items()), NOW, token=token)


def stored(database: Database) -> list[InboundText]:
    with database.begin() as session:
        return list(session.scalars(select(InboundText).order_by(InboundText.id)))


def counted(database: Database) -> dict[str, int]:
    with database.begin() as session:
        return counters.totals(session)


# --- one text ------------------------------------------------------------------------------------------


def test_a_text_is_stored_as_it_came(town: Town) -> None:
    with town.database.begin() as session:
        new = arrivals.receive(
            session,
            provider_sid="SM1",
            sender="+12035550100",
            words="  hola\x00 🤒\n",
            media_count=2,
            retry_token="again",
            incomplete=True,
            now=NOW,
        )

    (kept,) = stored(town.database)
    assert new
    assert (kept.words, kept.media_count, kept.channel) == ("  hola 🤒\n", 2, Channel.SMS)
    assert (kept.retry_token, kept.incomplete) == ("again", True)
    assert (kept.received_at, kept.handled_at) == (NOW, None)


@pytest.mark.parametrize(
    ("sid", "token"), [("SM1", "another"), ("SM2", "again")], ids=["the same id", "the same token"]
)
def test_a_text_that_is_stored_already_changes_nothing(town: Town, sid: str, token: str) -> None:
    """TW-24: the id is the first key, and the token of the webhook's tries the second."""
    for provider_sid, retry_token, new in (("SM1", "again", True), (sid, token, False)):
        with town.database.begin() as session:
            assert new is arrivals.receive(
                session, provider_sid=provider_sid, sender="+1", words="a", retry_token=retry_token, now=NOW
            )

    assert len(stored(town.database)) == 1


def test_texts_without_a_token_are_not_taken_for_one_another(town: Town) -> None:
    with town.database.begin() as session:
        for sid in ("SM1", "SM2"):
            assert arrivals.receive(session, provider_sid=sid, sender="+1", words="a", now=NOW)


def test_an_opt_out_goes_with_its_text_or_not_at_all(town: Town) -> None:
    """Promise 6: in one transaction, so that neither is ever there without the other."""
    number, _ = a_family(town)
    with town.database.begin(undo=True) as session:
        arrivals.receive(session, provider_sid="SM1", sender=number, words="STOP", now=NOW)

    assert stored(town.database) == []
    with town.database.begin() as session:
        assert not session.scalars(select(Phone).where(Phone.number == number)).one().opted_out


def test_a_stop_of_a_number_nobody_knows_is_remembered(town: Town) -> None:
    with town.database.begin() as session:
        arrivals.receive(session, provider_sid="SM1", sender="+12035550177", words="stop", now=NOW)

    with town.database.begin() as session:
        assert session.scalars(select(Phone)).one().opted_out


def test_a_stop_that_is_heard_at_the_door_and_in_its_turn_is_one_event(town: Town) -> None:
    number, _ = a_family(town)

    town.family_writes(number, "alto")

    with town.database.begin() as session:
        assert session.scalar(select(func.count()).select_from(ConsentEvent)) == 1
    assert len(town.texts_to(number)) == 1, "the family is told once that it will hear no more"


# --- many at once --------------------------------------------------------------------------------------


def test_posts_of_one_moment_are_each_kept_once_and_answered_each_for_itself(
    town: Town, intake: Intake
) -> None:
    """Each comes three times, from sixteen threads: one of the three is new, and no two are mixed up."""
    posts = [a_post(n, f"text {n}") for n in range(200)] * 3
    with ThreadPoolExecutor(16) as pool:
        kept = Counter(pool.map(intake.take, posts))

    assert kept == {Kept.STORED: 200, Kept.REPEATED: 400}
    assert sorted(text.words for text in stored(town.database)) == sorted(f"text {n}" for n in range(200))
    assert counted(town.database) == {"webhook_repeated": 400}


def test_two_processes_that_get_the_same_post_keep_it_once(town: Town, folder: Path) -> None:
    receipt = partial(delivery.receipt, script=town.script)
    ours, theirs = (Intake(town.database, receipt=receipt, folder=folder) for _ in range(2))
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(one.take, a_post(n)).result for n in range(100) for one in (ours, theirs)]
        kept = Counter(answer() for answer in answers)

    assert kept == {Kept.STORED: 100, Kept.REPEATED: 100}
    assert len(stored(town.database)) == 100
    assert spool.waiting(folder) == 0


def test_in_one_statement_each_text_is_known_to_be_new_or_not(town: Town, intake: Intake) -> None:
    intake.take(a_post(1))
    intake.take(a_post(2))
    texts = [arrivals._text_of(a_post(n)) for n in (3, 1, 3, 4, 2)]

    kept = intake._keep_texts(texts)

    assert kept == [Kept.STORED, Kept.REPEATED, Kept.REPEATED, Kept.STORED, Kept.REPEATED]


def test_one_text_that_cannot_be_kept_does_not_take_others_with_it(
    town: Town, intake: Intake, folder: Path
) -> None:
    """Half a character, as no form decodes it: it is put aside whole, for a person."""
    texts = [arrivals._text_of(post) for post in (a_post(1), a_post(2, "\ud83e"), a_post(3))]

    first, broken, last = intake._keep_texts(texts)

    assert (first, last) == (Kept.STORED, Kept.STORED)
    assert isinstance(broken, UnicodeEncodeError)
    assert intake.take(a_post(4, "\ud83e")) is Kept.SPOOLED
    assert spool.waiting(folder) == 1


def test_texts_opt_outs_and_receipts_at_once_are_all_kept(town: Town, intake: Intake) -> None:
    number, _ = a_family(town)
    town.morning()
    with town.database.begin() as session:
        sent = session.scalars(select(OutboundText)).one()
        sent.delivery = Delivery.SENT
    posts = [
        *(a_post(n) for n in range(40)),
        a_post(98, "STOP", sender=number),
        *(a_receipt(sent.token, "delivered", MessageSid=sent.provider_sid or "") for _ in range(10)),
        a_receipt("unheard-of", "sent"),
    ]
    with ThreadPoolExecutor(16) as pool:
        kept = Counter(pool.map(intake.take, posts))

    assert kept == {Kept.STORED: 51, Kept.NOT_OURS: 1}
    assert counted(town.database)["receipt_unknown"] == 1
    with town.database.begin() as session:
        assert session.get_one(OutboundText, sent.id).delivery is Delivery.DELIVERED
        assert session.scalars(select(Phone).where(Phone.number == number)).one().opted_out


def test_a_text_is_kept_while_somebody_holds_the_row_of_a_receipt(town: Town, intake: Intake) -> None:
    """On PostgreSQL a text waits for nobody's row, and so not for a receipt that does."""
    if town.database.engine.dialect.name == "sqlite":
        return  # SQLite has one writer
    a_family(town)
    town.morning()
    with ThreadPoolExecutor(2) as pool, town.database.begin() as session:
        sent = session.scalars(select(OutboundText).with_for_update()).one()
        waits = pool.submit(intake.take, a_receipt(sent.token, "delivered"))
        assert pool.submit(intake.take, a_post()).result(5) is Kept.STORED
        assert not waits.done()
    assert waits.result(5) is Kept.STORED


def test_a_connection_that_broke_meanwhile_is_replaced(town: Town, intake: Intake, folder: Path) -> None:
    if town.database.engine.dialect.name == "sqlite":
        return  # SQLite's connections do not break
    intake.take(a_post(1))
    with town.database.engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    assert intake.take(a_post(2)) is Kept.STORED
    assert spool.waiting(folder) == 0


# --- when it cannot be kept in the tables ---------------------------------------------------------------


def test_while_the_database_is_away_every_post_goes_to_the_folder(script: Script, folder: Path) -> None:
    away = Intake(Database(connect(AWAY)), receipt=partial(delivery.receipt, script=script), folder=folder)
    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(away.take, [a_post(n) for n in range(50)] + [a_receipt("ours", "sent")]))
    away.count("webhook_refused", NOW)

    assert kept == {Kept.SPOOLED}
    assert spool.waiting(folder) == 51


def test_a_failure_of_ours_loses_no_receipt_either(town: Town, folder: Path) -> None:
    def fails(*_asked: object, **_said: object) -> bool:
        raise KeyError("a mistake in our code")

    intake = Intake(town.database, receipt=fails, folder=folder)

    assert intake.take(a_receipt("ours", "delivered")) is Kept.SPOOLED


def test_without_a_folder_it_is_said_that_nobody_kept_it(script: Script) -> None:
    away = Intake(Database(connect(AWAY)), receipt=partial(delivery.receipt, script=script))

    with pytest.raises(NotKept):
        away.take(a_post())
    with pytest.raises(NotKept):
        away.set_aside(a_post())


# --- and when it is back --------------------------------------------------------------------------------


def replay(town: Town, folder: Path) -> int:
    return arrivals.replay_spool(
        town.database, folder, receipt=partial(delivery.receipt, script=town.script), now=town.now
    )


def test_after_an_outage_everything_is_taken_in_as_if_it_came_now(town: Town, folder: Path) -> None:
    number, _ = a_family(town)
    town.morning()
    with town.database.begin() as session:
        sent = session.scalars(select(OutboundText)).one()
        sent.delivery = Delivery.SENT
    before = town.now
    for n, post in enumerate(
        (
            a_post(1, "hola", sender=number),
            a_receipt(sent.token, "delivered"),
            a_post(2, "STOP", sender=number),
        )
    ):
        spool.keep(folder, replace(post, received_at=before + timedelta(seconds=n)))
    town.now += timedelta(minutes=20)

    assert replay(town, folder) == 3
    assert [(text.words, text.received_at) for text in stored(town.database)] == [
        ("hola", before),
        ("STOP", before + timedelta(seconds=2)),
    ]
    assert counted(town.database)["webhook_spooled"] == 3
    with town.database.begin() as session:
        assert session.get_one(OutboundText, sent.id).delivery is Delivery.DELIVERED
        assert session.scalars(select(Receipt.at).order_by(Receipt.id.desc())).first() == town.now
        assert session.scalars(select(Phone).where(Phone.number == number)).one().opted_out


def test_a_death_between_the_commit_and_the_file_doubles_no_text(
    town: Town, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.keep(folder, a_post())

    def dies(_path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", dies)
        with pytest.raises(KeyboardInterrupt):
            replay(town, folder)

    assert (len(stored(town.database)), spool.waiting(folder)) == (1, 1)
    assert replay(town, folder) == 1
    assert (len(stored(town.database)), spool.waiting(folder)) == (1, 0)


def test_a_replay_in_the_middle_of_an_outage_leaves_everything_where_it_is(
    script: Script, folder: Path
) -> None:
    spool.keep(folder, a_post())
    spool.keep(folder, a_receipt("ours", "sent"))

    taken = arrivals.replay_spool(
        Database(connect(AWAY)), folder, receipt=partial(delivery.receipt, script=script), now=NOW
    )

    assert (taken, spool.waiting(folder), spool.refused(folder)) == (0, 2, 0)


def test_a_post_that_cannot_be_taken_at_all_is_put_before_a_person(town: Town, folder: Path) -> None:
    spool.keep(folder, a_post(1, "\ud83e"))
    spool.keep(folder, a_post(2, "good"))

    assert replay(town, folder) == 1
    assert [text.words for text in stored(town.database)] == ["good"]
    assert (spool.waiting(folder), spool.refused(folder)) == (0, 1)


# --- nothing shared across a fork -----------------------------------------------------------------------


def test_an_intake_that_nobody_asked_has_opened_nothing(script: Script) -> None:
    """`presente serve` builds everything once before it forks."""
    before = threading.active_count()
    Intake(Database(connect(AWAY)), receipt=partial(delivery.receipt, script=script))

    assert threading.active_count() == before


def test_the_day_of_a_count_is_the_day_it_came(town: Town, intake: Intake) -> None:
    intake.count("webhook_refused", datetime(2021, 10, 22, 23, 59, 59, tzinfo=UTC))
    intake.count("webhook_refused", datetime(2021, 10, 23, 0, 0, 0, tzinfo=UTC))

    with town.database.begin() as session:
        days = session.execute(text("SELECT count(DISTINCT day) FROM counters")).scalar_one()
    assert days == 2
