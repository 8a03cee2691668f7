"""Ready for its work or not, and why; and the figures for whoever watches the program."""

import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert

from bot import counters, outbox, spool, stopping, watch
from bot.language import Language
from bot.spool import Post
from bot.store import migrate
from bot.store.session import Database, connect
from bot.store.tables import (
    Channel,
    Conversation,
    Handoff,
    HandoffState,
    InboundText,
    OutboundText,
    SenderState,
    TextState,
    Tick,
)
from bot.texts import Rendered
from bot.vocabulary import Owner, Purpose, PurposeClass, Queue, Urgency
from bot.watch import Check, Figure, Standing
from tests.builders import FRIDAY, NOW, a_number, a_phone, a_staff_member
from tests.conftest import ROOT

HEAD = migrate.head(ROOT / "migrations")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
# As the provider writes them; the last four may be seen, the rest may not.
A_NUMBER = re.compile(r"\+?\d{7,}")


def a_worker_at_work(database: Database, at: datetime = NOW) -> None:
    with database.begin() as session:
        session.merge(Tick(job=watch.WORKER, at=at))


def texts(
    database: Database,
    number: int = 1,
    *,
    due: datetime = NOW,
    queued: datetime | None = None,
    purpose: Purpose = Purpose.CHECK_IN,
    too_late: datetime = NOW + timedelta(hours=8),
    **changed: object,
) -> None:
    """So many texts to one phone, queued at the moment they are due unless *queued* says otherwise."""
    with database.begin() as session:
        phone = a_phone(session, a_number()).id
        row = outbox.row(
            Rendered("Good morning.", "", Language.ENGLISH, 1),
            conversation_id=None,
            phone_id=phone,
            purpose=purpose,
            law=PurposeClass.MISSION,
            not_before=due,
            not_after=too_late,
            now=queued or due,
        )
        rows = [{**row, "token": f"{phone}-{place}", **changed} for place in range(number)]
        session.execute(insert(OutboundText), rows)


def a_familys_text(database: Database, at: datetime, *, read: bool = False) -> None:
    with database.begin() as session:
        session.add(
            InboundText(
                provider_sid=f"SM{at:%H%M%S%f}",
                sender=a_number(),
                channel=Channel.SMS,
                words="fever",
                received_at=at,
                handled_at=at if read else None,
            )
        )


def a_sender(database: Database, *, closed_until: datetime | None = None, why: str = "") -> None:
    with database.begin() as session:
        session.add(
            SenderState(
                key="+12035550123",
                room=-2.5,
                filled_at=NOW,
                day=FRIDAY,
                segments_today=240,
                faults=3 if closed_until else 0,
                closed_until=closed_until,
                closed_why=why,
            )
        )


def press(database: Database, stop: bool, at: datetime = NOW) -> None:
    with database.begin() as session:
        use = stopping.stop if stop else stopping.go
        assert use(session, by="Ms. Rivera", reason="a wrong roster", now=at)


def look(database: Database, now: datetime = NOW, disk: Path | None = None) -> dict[str, Check]:
    return {check.name: check for check in watch.look(database, migration=HEAD, disk=disk, now=now)}


def figures(database: Database, now: datetime = NOW, disk: Path | None = None) -> dict[str, Figure]:
    return {figure.name: figure for figure in watch.figures(database, disk=disk, now=now)}


def value(found: dict[str, Figure], name: str, *labels: str) -> float:
    return found[f"presente_{name}"].values[labels]


# --- ready or not -------------------------------------------------------------------------------------------


def test_with_a_worker_at_work_and_nothing_waiting_the_program_is_ready(database: Database) -> None:
    a_worker_at_work(database)

    checks = look(database)

    assert watch.is_ready(checks.values())
    assert {check.standing for check in checks.values()} == {Standing.WELL}
    assert list(checks) == ["database", "migration", "worker", "outbox", "inbound", "stop button"]
    assert checks["worker"].says == "A worker was at work 0 seconds ago."


def test_a_program_without_a_worker_is_not_ready(database: Database) -> None:
    check = look(database)["worker"]

    assert check.standing is Standing.ILL
    assert "start `presente worker`" in check.says


@pytest.mark.parametrize(("silent", "standing"), [(60 * SECOND, Standing.WELL), (61 * SECOND, Standing.ILL)])
def test_a_worker_that_is_silent_for_more_than_a_minute_is_missed(
    database: Database, silent: timedelta, standing: Standing
) -> None:
    a_worker_at_work(database, NOW - silent)

    assert look(database)["worker"].standing is standing


@pytest.mark.parametrize(
    ("waits", "standing"), [(10 * MINUTE, Standing.WELL), (10 * MINUTE + SECOND, Standing.ILL)]
)
@pytest.mark.parametrize("purpose", [Purpose.SAFETY, Purpose.REPLY, Purpose.CHECK_IN])
def test_a_text_may_be_due_for_ten_minutes(
    database: Database, purpose: Purpose, waits: timedelta, standing: Standing
) -> None:
    texts(database, purpose=purpose, due=NOW - waits)

    assert look(database)["outbox"].standing is standing


def test_a_text_that_may_not_leave_yet_is_not_late(database: Database) -> None:
    texts(database, due=NOW + MINUTE, queued=NOW - timedelta(hours=12))

    assert look(database)["outbox"].says == "No text is due."


def test_a_text_written_after_its_window_opened_is_not_late_from_the_opening_on(database: Database) -> None:
    texts(database, due=NOW - timedelta(hours=1), queued=NOW - MINUTE)

    assert look(database)["outbox"].says == "1 text is due, the oldest for 60 seconds."


def test_a_batch_that_leaves_at_the_senders_pace_is_noted_and_no_alarm(database: Database) -> None:
    """A morning at one segment a second takes an hour (TW-80); that is no reason to call anybody."""
    texts(database, 40, due=NOW - 30 * MINUTE)
    assert look(database)["outbox"].standing is Standing.ILL
    texts(database, due=NOW - 30 * MINUTE, state=TextState.SENT, sent_at=NOW - MINUTE)

    check = look(database)["outbox"]

    assert check.standing is Standing.NOTED
    assert (
        check.says
        == "40 texts are due, the oldest for 30 minutes; they leave as fast as the sender may send."
    )


def test_an_answer_to_a_family_waits_behind_no_batch(database: Database) -> None:
    """TW-84: while the batch moves on, a reply that does not is an alarm."""
    texts(database, due=NOW - 30 * MINUTE, state=TextState.SENT, sent_at=NOW - MINUTE)
    texts(database, purpose=Purpose.REPLY, due=NOW - 11 * MINUTE)

    assert look(database)["outbox"].standing is Standing.ILL


def test_what_the_stop_button_holds_back_is_noted_and_no_alarm(database: Database) -> None:
    for purpose in (Purpose.CHECK_IN, Purpose.REPLY):
        texts(database, purpose=purpose, due=NOW - timedelta(hours=1))
    press(database, stop=True, at=NOW - timedelta(hours=2))

    checks = look(database)

    assert checks["outbox"].standing is Standing.NOTED
    assert checks["outbox"].says == "2 texts are due, the oldest for 60 minutes; they are held back."
    assert checks["stop button"].standing is Standing.NOTED
    assert "since 2021-10-22 11:30 UTC" in checks["stop button"].says


def test_a_safety_text_that_stays_behind_is_an_alarm_even_while_texts_are_stopped(database: Database) -> None:
    press(database, stop=True, at=NOW - timedelta(hours=2))
    texts(database, purpose=Purpose.SAFETY, due=NOW - 11 * MINUTE)

    assert look(database)["outbox"].standing is Standing.ILL


def test_after_go_the_ten_minutes_begin_anew(database: Database) -> None:
    texts(database, due=NOW - timedelta(hours=1))
    press(database, stop=True, at=NOW - timedelta(hours=2))
    press(database, stop=False, at=NOW)

    assert look(database, NOW + 10 * MINUTE)["outbox"].standing is Standing.WELL
    assert look(database, NOW + 11 * MINUTE)["outbox"].standing is Standing.ILL


def test_a_sender_that_is_refused_is_noted_with_its_code_and_without_its_number(database: Database) -> None:
    """TW-71: the breaker. Another instance of the program would be refused as well."""
    a_worker_at_work(database)
    texts(database, due=NOW - timedelta(hours=1))
    a_sender(database, closed_until=NOW + MINUTE, why="30034")

    checks = look(database)

    assert checks["sender"].standing is checks["outbox"].standing is Standing.NOTED
    assert "error 30034: " in checks["sender"].says
    assert "5550123" not in checks["sender"].says
    assert watch.is_ready(checks.values())


@pytest.mark.parametrize(
    ("waits", "standing"), [(2 * MINUTE, Standing.WELL), (2 * MINUTE + SECOND, Standing.ILL)]
)
def test_a_familys_text_is_read_within_two_minutes(
    database: Database, waits: timedelta, standing: Standing
) -> None:
    """Once heard, always handled (promise 6)."""
    a_familys_text(database, NOW - timedelta(hours=3), read=True)
    a_familys_text(database, NOW - waits)

    check = look(database)["inbound"]

    assert check.standing is standing
    assert check.says.startswith("1 family's text waits to be read, the oldest for 2 minutes")


def test_posts_that_wait_on_disk_are_noted(sqlite: Database, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    assert "spool" not in look(sqlite, disk=folder)
    spool.keep(folder, Post((("Body", "fever"),), NOW))
    (folder / "refused").mkdir()
    (folder / "refused" / "broken.json").write_text("{")

    checks = look(sqlite, disk=folder)
    found = figures(sqlite, disk=folder)

    assert checks["spool"].standing is checks["spool refused"].standing is Standing.NOTED
    assert value(found, "spool_waiting") == value(found, "spool_refused") == 1


# --- a database that is not what the program needs ------------------------------------------------------------


def test_a_database_of_another_version_is_named_and_not_looked_into(database: Database) -> None:
    checks = watch.look(database, migration="9999", disk=None, now=NOW)

    assert [check.name for check in checks] == ["database", "migration"]
    assert not watch.is_ready(checks)
    assert checks[-1].says.endswith("the program at 9999; run `presente migrate`.")


def test_an_empty_database_is_not_ready_and_no_error(tmp_path: Path) -> None:
    empty = Database(connect(f"sqlite:///{tmp_path}/empty.db"))

    checks = watch.look(empty, migration=HEAD, disk=None, now=NOW)
    empty.close()

    assert not watch.is_ready(checks)
    assert "at migration none" in checks[-1].says


@pytest.mark.parametrize(
    "address", ["sqlite:////no/such/folder/presente.db", "postgresql://nobody:secret@127.0.0.1:9/none"]
)
def test_a_database_that_does_not_answer_is_said_without_its_address(address: str) -> None:
    away = Database(connect(address))

    (check,) = watch.look(away, migration=HEAD, disk=None, now=NOW)
    found = {figure.name: figure for figure in watch.figures(away, disk=None, now=NOW)}
    away.close()

    assert check.standing is Standing.ILL
    assert check.says == "The database does not answer (OperationalError)."
    assert value(found, "database_answers") == 0


def test_looking_waits_for_no_writer(database: Database) -> None:
    """A roster of an hour must not make the program look ill; on SQLite every writer is alone."""
    a_worker_at_work(database)
    with database.begin() as session:
        session.merge(Tick(job="a long import", at=NOW))
        session.flush()
        before = time.monotonic()
        assert watch.is_ready(look(database).values())
        assert value(figures(database), "database_answers") == 1
        assert time.monotonic() - before < 2


# --- the figures ------------------------------------------------------------------------------------------------


def test_texts_are_counted_over_the_last_day_by_state_and_purpose(database: Database) -> None:
    yesterday = NOW - timedelta(hours=24)
    texts(database, 1100, due=yesterday - MINUTE, state=TextState.SENT)
    texts(database, 2, due=yesterday, state=TextState.SENT)
    texts(database, 3, due=NOW - MINUTE, state=TextState.UNKNOWN, claimed_at=NOW)
    texts(database, 1, due=NOW - MINUTE, purpose=Purpose.REPLY)

    found = figures(database)

    assert value(found, "texts", "sent", "check_in") == 2
    assert value(found, "texts", "unknown", "check_in") == 3
    assert value(found, "texts", "queued", "reply") == 1
    assert sum(found["presente_texts"].values.values()) == 6
    assert len(found["presente_texts"].values) == len(TextState) * len(Purpose)
    assert value(found, "texts_in_doubt", "unknown") == 3


@pytest.mark.parametrize("old", [0, 1, 1023, 1024, 1025, 5000])
def test_the_last_day_is_found_in_a_history_of_any_length(sqlite: Database, old: int) -> None:
    if old:
        texts(sqlite, old, due=NOW - timedelta(days=30), state=TextState.SENT)
    texts(sqlite, 2000, due=NOW - timedelta(hours=2), state=TextState.SENT)

    assert value(figures(sqlite), "texts", "sent", "check_in") == 2000


def test_no_figure_and_no_check_reads_the_whole_history(sqlite: Database) -> None:
    """Each question finds its rows by an index; else a scrape would be slower every school day."""
    texts(sqlite, 3, due=NOW - timedelta(hours=1))
    asked: list[tuple[str, object]] = []

    @event.listens_for(sqlite.engine, "before_cursor_execute")
    def _keep(*given: Any) -> None:
        asked.append((given[2], given[3]))

    figures(sqlite)
    look(sqlite)
    event.remove(sqlite.engine, "before_cursor_execute", _keep)

    assert len(asked) > 15
    with sqlite.look() as session:
        for question, values in asked:
            if not question.startswith("SELECT"):
                continue
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", values)  # type: ignore[arg-type]
            for *_, step in plan:
                assert not re.search(r"SCAN (outbound_texts|inbound_texts|handoffs)$", step), question


def test_what_waits_is_measured_in_texts_and_seconds(database: Database) -> None:
    texts(database, 5, due=NOW - 4 * MINUTE)
    a_familys_text(database, NOW - 30 * SECOND)
    a_worker_at_work(database, NOW - 7 * SECOND)

    found = figures(database)

    assert value(found, "texts_due") == 5
    assert value(found, "texts_due_oldest_seconds") == 240
    assert value(found, "inbound_unread") == 1
    assert value(found, "inbound_unread_oldest_seconds") == 30
    assert value(found, "tick_age_seconds", "worker") == 7
    assert value(found, "stopped") == 0


def test_with_nothing_at_all_every_figure_is_still_there(database: Database) -> None:
    """An alarm on a figure that is missing never rings."""
    found = figures(database)

    assert value(found, "texts_due_oldest_seconds") == value(found, "inbound_unread_oldest_seconds") == 0
    assert value(found, "tick_age_seconds", "worker") == float("inf")
    assert value(found, "handoffs", "P0", "open") == value(found, "p0_unopened_oldest_seconds") == 0


def test_families_that_wait_are_counted_by_urgency_and_danger_by_its_seconds(database: Database) -> None:
    a_handoff(database, Urgency.P0, NOW - 3 * MINUTE)
    a_handoff(database, Urgency.P0, NOW - 9 * MINUTE, taken=True)
    a_handoff(database, Urgency.P2, NOW - timedelta(days=1))

    found = figures(database)

    assert value(found, "handoffs", "P0", "open") == value(found, "handoffs", "P0", "taken") == 1
    assert value(found, "handoffs", "P2", "open") == 1
    assert value(found, "p0_unopened_oldest_seconds") == 180


def a_handoff(database: Database, urgency: Urgency, since: datetime, *, taken: bool = False) -> None:
    with database.begin() as session:
        conversation = Conversation(
            phone_id=a_phone(session, a_number()).id,
            day=FRIDAY,
            flow="absence_check",
            flow_version="1",
            language=Language.ENGLISH,
            state={},
            owner=Owner.NOBODY,
            opened_at=since,
            touched_at=since,
        )
        session.add(conversation)
        session.flush()
        session.add(
            Handoff(
                conversation_id=conversation.id,
                queue=Queue.SAFETY,
                urgency=urgency,
                why="danger",
                state=HandoffState.TAKEN if taken else HandoffState.OPEN,
                taken_by=a_staff_member(session).id if taken else None,
                opened_at=since,
                waiting_since=since,
                due_at=since,
            )
        )


def test_a_sender_is_measured_under_its_place_and_never_its_number(database: Database) -> None:
    a_sender(database, closed_until=NOW + MINUTE, why="30034")
    press(database, stop=True)
    with database.begin() as session:
        counters.count(session, "webhook_refused", FRIDAY, 2)
        counters.count(session, "webhook_refused", FRIDAY + timedelta(days=1), 1)

    found = figures(database)

    assert value(found, "sender_room", "1") == -2.5
    assert value(found, "sender_segments_today", "1") == 240
    assert value(found, "sender_faults", "1") == 3
    assert value(found, "sender_closed", "1") == 1
    assert value(found, "stopped") == 1
    assert value(found, "counted_total", "webhook_refused") == 3
    assert not [
        label
        for each in found.values()
        for labels in each.values
        for label in labels
        if A_NUMBER.search(label)
    ]


def test_what_is_held_back_is_counted_with_what_is_too_late(database: Database) -> None:
    texts(database, 3, due=NOW - timedelta(hours=1))
    texts(database, 2, due=NOW - timedelta(hours=1), too_late=NOW)
    texts(database, 4, due=NOW + MINUTE)

    with database.look() as session:
        assert watch.held_back(session, NOW) == watch.HeldBack(texts=5, too_late=2)
