"""The big stop button: at the desk, on the command line, and the banner while texts stand still."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from app import Program
from bot import settings, stopping
from bot.advance import Script
from bot.cli.stopping import go_command, stop_command
from bot.provider import meaning
from bot.stopping import StopRefused
from bot.store.session import Database
from bot.store.tables import AuditLine, SenderState, Staff, StopEvent
from bot.understanding import Understanding
from bot.vocabulary import Purpose, Role
from tests.builders import FRIDAY, NOW, a_school, a_staff_member
from tests.test_browser import chromium, context, served
from tests.test_watch import texts
from tests.town import Town
from tests.web import Browser, a_family, pages, words_of

__all__ = ["chromium", "context"]  # the fixtures


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def stop(database: Database, reason: str = "a wrong roster", by: str = "Ms. Rivera", **more: int) -> bool:
    with database.begin() as session:
        return stopping.stop(session, by=by, reason=reason, now=NOW, **more)


def go(database: Database, reason: str = "the roster is right again", **more: int) -> bool:
    with database.begin() as session:
        return stopping.go(session, by="Mr. Okafor", reason=reason, now=NOW, **more)


def presses(database: Database) -> list[tuple[bool, str]]:
    with database.look() as session:
        return [(press.stopped, press.reason) for press in stopping.presses(session, 100)]


# --- the button itself ------------------------------------------------------------------------------------------


def test_texts_stand_still_from_stop_to_go(database: Database) -> None:
    with database.begin() as session:
        assert stopping.stopped(session) is None

    assert stop(database)
    with database.begin() as session:
        holds = stopping.stopped(session)
    assert holds is not None
    assert (holds.by, holds.reason, holds.at) == ("Ms. Rivera", "a wrong roster", NOW)

    assert go(database)
    with database.begin() as session:
        assert stopping.stopped(session) is None


def test_pressing_twice_is_pressing_once_and_the_first_reason_stands(database: Database) -> None:
    assert not go(database)
    assert stop(database)
    assert not stop(database, "somebody else noticed it too", by="Mr. Okafor")
    assert go(database)
    assert not go(database)

    assert presses(database) == [(False, "the roster is right again"), (True, "a wrong roster")]


@pytest.mark.parametrize("reason", ["", "   ", "\n\t", "\x00"])
def test_the_button_wants_a_reason(database: Database, reason: str) -> None:
    with pytest.raises(StopRefused, match="Say why"):
        stop(database, reason)

    assert presses(database) == []


def test_a_reason_is_kept_on_one_line_and_of_a_length_to_read(database: Database) -> None:
    stop(database, "wrong\x00\n roster " + "x" * 600)

    ((_, reason),) = presses(database)
    assert reason.startswith("wrong roster xxx")
    assert len(reason) == stopping.LONGEST_REASON


def test_who_lets_the_texts_go_on_has_read_the_stop_that_holds(database: Database) -> None:
    stop(database)
    with database.begin() as session:
        shown = stopping.stopped(session)
    assert shown is not None
    go(database)
    stop(database, "texts about the wrong child")

    with pytest.raises(StopRefused, match="since this page was opened"):
        go(database, seen=shown.id)

    assert presses(database)[0] == (True, "texts about the wrong child")


def test_two_who_press_in_the_same_moment_press_once(database: Database) -> None:
    start, done = threading.Barrier(4), []

    def press() -> None:
        start.wait()
        done.append(stop(database, seen=0))

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == [False, False, False, True]
    assert len(presses(database)) == 1


@pytest.mark.parametrize("change", [update(StopEvent).values(reason="nothing"), delete(StopEvent)], ids=str)
def test_nobody_changes_afterwards_who_pressed_the_button(database: Database, change: object) -> None:
    stop(database)

    with pytest.raises(DBAPIError, match="append only"), database.begin() as session:
        session.execute(change)  # type: ignore[call-overload]


def test_nothing_leaves_while_texts_are_stopped_and_everything_once_they_go_on(town: Town) -> None:
    number, _ = a_family(town)
    stop(town.database)
    town.morning()
    assert town.texts_to(number) == []
    assert len(town.waiting_texts()) == 1

    go(town.database)
    town.work()

    assert len(town.texts_to(number)) == 1


def test_danger_is_answered_even_while_texts_are_stopped(town: Town) -> None:
    number, _ = a_family(town, speaks="en")
    town.morning()
    before = len(town.texts_to(number))
    stop(town.database)

    town.now += timedelta(minutes=1)
    town.family_writes(number, "he has a gun and wont let us leave")

    assert len(town.texts_to(number)) == before + 1
    assert {text.purpose for text in town.waiting_texts()} <= set(Purpose) - {Purpose.SAFETY}


# --- at the desk --------------------------------------------------------------------------------------------------

STOP, GO = "/desk/stop", "/desk/go"


def at_desk(town: Town, role: Role = Role.SUPERVISOR, name: str = "Ms. Rivera") -> Browser:
    with town.database.begin() as session:
        member = a_staff_member(session, a_school(session, f"School of {name}"), name=name, role=role)
    return Browser(pages(town), town).signed_in_as(member)


def test_a_supervisor_stops_the_texts_and_every_page_says_so_until_she_lets_them_go(town: Town) -> None:
    desk = at_desk(town)
    assert "Texts are stopped" not in words_of(desk.get("/desk/"))

    answer = desk.fill(STOP, STOP, because="wrong roster.")

    assert (answer.status_code, answer.location) == (303, STOP)
    said = "Texts are stopped since 9:30 AM by Ms. Rivera: wrong roster. Nothing leaves but safety texts."
    for page in ("/desk/", "/desk/ledger", "/desk/conversations", STOP):
        shown = desk.get(page)
        assert said in words_of(shown), page
        assert re.search(r'<div id="standstill" role="status"', shown.text), page

    answer = desk.fill(STOP, GO, because="the right one is in")

    assert (answer.status_code, answer.location) == (303, STOP)
    after = words_of(desk.get(STOP))
    assert "Nothing leaves but safety texts." not in after
    assert "Texts go on." in after
    assert "9:30 AM: Ms. Rivera let the texts go on: the right one is in" in after
    assert "9:30 AM: Ms. Rivera stopped the texts: wrong roster." in after


def test_the_button_is_in_the_menu_of_every_page(town: Town) -> None:
    for page in ("/desk/", "/desk/ledger", STOP):
        assert f'href="{STOP}"' in at_desk(town).get(page).text


def test_each_press_is_in_the_audit_with_who_and_why(town: Town) -> None:
    desk = at_desk(town)
    desk.fill(STOP, STOP, because="wrong roster")
    desk.fill(STOP, GO, because="mended")

    with town.database.begin() as session:
        lines = session.execute(
            select(Staff.name, AuditLine.act, AuditLine.detail).join(Staff, Staff.id == AuditLine.staff_id)
        ).all()
    assert [tuple(line) for line in lines] == [
        ("Ms. Rivera", "stop_texts", "wrong roster"),
        ("Ms. Rivera", "let_texts_go", "mended"),
    ]


@pytest.mark.parametrize(
    ("role", "may_stop", "may_let_go"),
    [
        (Role.SPECIALIST, True, False),
        (Role.SUPERVISOR, True, True),
        (Role.DISTRICT_ADMINISTRATOR, True, True),
        (Role.AUDITOR, False, False),
    ],
)
def test_who_may_press_what(town: Town, role: Role, may_stop: bool, may_let_go: bool) -> None:
    """Whoever works the desk may stop: a stop too many costs minutes. Going on is for who answers for it."""
    desk = at_desk(town, role)
    hidden = desk.hidden_fields("/desk/", "/sign-out")

    assert (f'action="{STOP}"' in desk.get(STOP).text) is may_stop
    stopped = desk.post(STOP, **hidden, because="why not", seen="0")
    assert stopped.status_code == (303 if may_stop else 403)

    stop(town.database, "by somebody else")
    with town.database.begin() as session:
        holds = stopping.stopped(session)
    assert holds is not None
    assert (f'action="{GO}"' in desk.get(STOP).text) is may_let_go
    went = desk.post(GO, **hidden, because="why not", seen=str(holds.id))
    assert went.status_code == (303 if may_let_go else 403)
    if role is Role.SPECIALIST:
        assert "A supervisor or a district administrator lets the texts go on." in words_of(desk.get(STOP))


def test_without_a_reason_nothing_happens_and_the_page_asks_for_one(town: Town) -> None:
    desk = at_desk(town)

    answer = desk.fill(STOP, STOP, because="  ")

    assert answer.status_code == 409
    assert "Say why in a few words" in words_of(answer)
    assert presses(town.database) == []


def test_a_second_click_presses_nothing(town: Town) -> None:
    desk = at_desk(town)
    form = {**desk.hidden_fields(STOP, STOP), "because": "wrong roster"}

    first, second = desk.post(STOP, **form), desk.post(STOP, **form)

    assert first.status_code == second.status_code == 303
    assert len(presses(town.database)) == 1
    with town.database.begin() as session:
        assert len(session.scalars(select(AuditLine.id)).all()) == 1


def test_a_form_kept_open_does_not_undo_a_stop_it_does_not_show(town: Town) -> None:
    rivera, okafor = at_desk(town), at_desk(town, name="Mr. Okafor")
    rivera.fill(STOP, STOP, because="wrong roster")
    kept = {**rivera.hidden_fields(STOP, GO), "because": "mended"}
    okafor.fill(STOP, GO, because="mended")
    okafor.fill(STOP, STOP, because="texts about the wrong child")

    answer = rivera.post(GO, **kept)

    assert answer.status_code == 409
    said = words_of(answer)
    assert "Somebody has used the button since this page was opened." in said
    assert "by Mr. Okafor: texts about the wrong child" in said
    assert 'value="mended"' in answer.text, "what was typed is still there"
    assert presses(town.database)[0][0] is True


def test_going_on_wakes_the_worker_at_once(town: Town) -> None:
    woken: list[bool] = []
    with town.database.begin() as session:
        member = a_staff_member(session, role=Role.SUPERVISOR)
    desk = Browser(pages(town, wake=lambda: woken.append(True)), town).signed_in_as(member)
    stop(town.database)

    desk.fill(STOP, GO, because="mended")

    assert woken == [True]


def test_the_page_says_what_waits_and_what_is_too_late_by_now(town: Town) -> None:
    desk = at_desk(town)
    stop(town.database)
    assert "No text waits at the moment." in words_of(desk.get(STOP))
    texts(town.database, 3, due=NOW - timedelta(hours=1))
    texts(town.database, 1, due=NOW - timedelta(hours=1), too_late=NOW)

    assert "4 texts wait. 1 of them is too late by now" in words_of(desk.get(STOP))


def test_a_reason_is_shown_as_words(town: Town) -> None:
    desk = at_desk(town)

    desk.fill(STOP, STOP, because="<script>alert(1)</script>")

    assert "<script>alert" not in desk.get("/desk/").text


def test_an_open_page_learns_of_the_stop_by_itself(town: Town) -> None:
    desk = at_desk(town)
    (news,) = re.findall(r'hx-get="(/desk/standstill[^"]*)"', desk.get("/desk/ledger").text)
    assert desk.get(news).status_code == 204

    stop(town.database)
    changed = desk.get(news)

    assert "Texts are stopped since 9:30 AM by Ms. Rivera: a wrong roster." in words_of(changed)
    (news,) = re.findall(r'hx-get="(/desk/standstill[^"]*)"', changed.text)
    assert desk.get(news.replace("&amp;", "&")).status_code == 204
    go(town.database)
    assert "stopped" not in words_of(desk.get(news.replace("&amp;", "&")))


def test_a_banner_that_asks_by_itself_keeps_nobody_signed_in(town: Town) -> None:
    desk = at_desk(town)
    for _ in range(9):
        town.now += timedelta(hours=1)
        answer = desk.get("/desk/standstill?seen=")

    assert answer.status_code == 303


# --- a sender that is refused ---------------------------------------------------------------------------------------


def a_refused_sender(town: Town, number: str = "+12035550123", *, code: str = "30034") -> None:
    with town.database.begin() as session:
        session.add(
            SenderState(
                key=number,
                room=0,
                filled_at=NOW,
                day=FRIDAY,
                segments_today=0,
                faults=3,
                closed_until=NOW + timedelta(minutes=5),
                closed_why=code,
            )
        )


def test_a_sender_that_twilio_refuses_is_said_with_what_the_error_means(town: Town) -> None:
    """TW-71: the breaker is open, and whoever wonders why nobody answers reads it on the page."""
    a_refused_sender(town)
    desk = at_desk(town)

    said = words_of(desk.get("/desk/"))

    assert f"Texts wait: Twilio refuses our sender (error 30034: {meaning.of('30034').means})." in said
    assert "It is tried again at 9:35 AM." in said
    assert "5550123" not in said
    town.now += timedelta(minutes=6)
    assert "It is tried again with the next text." in words_of(desk.get("/desk/"))


def test_two_senders_refused_for_one_reason_are_one_sentence(town: Town) -> None:
    a_refused_sender(town)
    a_refused_sender(town, "+12035550124")
    a_refused_sender(town, "+12035550125", code="20003")

    assert words_of(at_desk(town).get("/desk/")).count("Twilio refuses our sender") == 2


# --- on the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def program(town: Town) -> Iterator[Program]:
    chosen = settings.read(database_url=str(town.database.engine.url))
    program = Program(chosen, at=town.clock)
    yield program
    program.database.close()


def run(program: Program, command: object, *words: str) -> str:
    done = CliRunner().invoke(command, words, obj=program)  # type: ignore[arg-type]
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_whoever_is_at_the_machine_stops_the_texts_and_lets_them_go_on(
    town: Town, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "rivera")
    texts(town.database, 3, due=NOW - timedelta(hours=1))
    texts(town.database, 1, due=NOW - timedelta(hours=1), too_late=NOW)

    assert "Texts are not stopped" in run(program, go_command, "--because", "nothing")
    said = run(program, stop_command, "--because", "wrong roster")
    assert "Texts are stopped: nothing leaves but safety texts. Waiting now: 4." in said
    assert "by rivera: wrong roster" in words_of(at_desk(town).get("/desk/"))
    again = run(program, stop_command, "--because", "really")
    assert again.endswith("Texts are stopped already, since 2021-10-22 13:30 UTC by rivera: wrong roster\n")
    said = run(program, go_command, "--because", "mended")
    assert said.endswith("Texts go on. Waiting now: 4, 1 of them too late to be sent.\n")
    assert [stopped for stopped, _ in presses(town.database)] == [False, True]


def test_the_command_line_wants_a_reason_too(program: Program) -> None:
    assert "Missing option '--because'" in run(program, stop_command)
    with pytest.raises(StopRefused, match="Say why"):
        run(program, stop_command, "--because", " ")


# --- in a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture
def address(sqlite: Database, script: Script, understanding: Understanding) -> Iterator[str]:
    with sqlite.begin() as session:
        a_staff_member(session, a_school(session))
    with served(sqlite, script, understanding) as address:
        yield address


def a_desk(context: BrowserContext, address: str, width: int = 1366) -> Page:
    """A specialist's page of the desk, entered through the phones."""
    page = context.new_page()
    page.goto(f"{address}/phones")
    with context.expect_page() as opened:
        page.get_by_role("button", name="Open the desk as Ms. Rivera").click()
    opened.value.set_viewport_size({"width": width, "height": 740})
    return opened.value


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1366])
def test_the_banner_appears_by_itself_and_fits_the_screen(
    context: BrowserContext, address: str, sqlite: Database, width: int
) -> None:
    desk = a_desk(context, address, width)
    desk.goto(f"{address}/desk/ledger")
    expect(desk.locator("#standstill")).to_have_text(re.compile(r"^\s*$"))

    stop(sqlite, "wrong roster: " + "theschoolofthewrongdistrict" * 3)

    banner = desk.get_by_role("status").filter(has_text="Texts are stopped")
    expect(banner).to_be_visible(timeout=15_000)
    for where in ("/desk/", "/desk/ledger", "/desk/stop"):
        desk.goto(address + where)
        expect(banner).to_contain_text("Nothing leaves but safety texts.")
        assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth"), where


@pytest.mark.browser
def test_without_a_mouse_a_specialist_stops_the_texts(
    context: BrowserContext, address: str, sqlite: Database
) -> None:
    desk = a_desk(context, address)
    desk.get_by_text("More", exact=True).focus()
    desk.keyboard.press("Enter")
    desk.get_by_role("link", name="Stop texts").focus()
    desk.keyboard.press("Enter")
    desk.get_by_label("Why?").focus()
    desk.keyboard.type("wrong roster")
    desk.keyboard.press("Enter")

    expect(desk.get_by_role("heading", name="Texts are stopped", level=1)).to_be_visible()
    assert presses(sqlite) == [(True, "wrong roster")]
