"""The calendar page, the calendar file alone, and the calendar's address."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select

from bot import attendance
from bot.advance import Script
from bot.roster import FileRefused, feed, undo_import, yearplan
from bot.roster.apply import Approval
from bot.store.session import Database
from bot.store.tables import CalendarDay, CalendarFeed, Import, School, SchoolDayChanged, Staff
from bot.understanding import Understanding
from bot.vocabulary import Role
from tests.builders import FRIDAY, NOW, a_school, a_staff_member
from tests.town import Town
from tests.web import Browser, pages, words_of

MONDAY = FRIDAY + timedelta(days=3)


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


def ics(*closed: date, title: str = "Fall Break", more: str = "") -> bytes:
    events = "".join(
        f"BEGIN:VEVENT\r\nUID:{day}\r\nSUMMARY:{title}\r\nDTSTART;VALUE=DATE:{day:%Y%m%d}\r\nEND:VEVENT\r\n"
        for day in closed
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{events}{more}END:VCALENDAR\r\n".encode()


def people(town: Town, role: Role = Role.SUPERVISOR) -> tuple[School, School, Staff]:
    with town.database.begin() as session:
        burns, wolcott = a_school(session), a_school(session, "Wolcott School")
        return burns, wolcott, a_staff_member(session, burns, role=role, name="Ms. Santos")


def teaches(town: Town, school: School, day: date) -> bool:
    with town.database.begin() as session:
        return attendance.is_school_day(session, school.id, day)


# --- the page -------------------------------------------------------------------------------------------------


def test_the_page_shows_each_month_and_why_a_day_has_no_school(town: Town) -> None:
    burns, _, santos = people(town)
    with town.database.begin() as session:
        for offset in range(3):
            day = session.get_one(CalendarDay, (burns.id, MONDAY + timedelta(days=offset)))
            day.instructional, day.summary = False, "Fall Break"
    browser = Browser(pages(town), town).signed_in_as(santos)
    shown = words_of(browser.get("/desk/calendar"))
    assert "October 2021" in shown
    assert "25 to 27: Fall Break" in shown
    assert "Wolcott" not in shown


def test_a_supervisor_closes_a_day_and_takes_it_back(town: Town) -> None:
    burns, _, santos = people(town)
    browser = Browser(pages(town), town).signed_in_as(santos)
    done = browser.fill(
        "/desk/calendar",
        "/desk/calendar/day",
        kind="closed",
        day=FRIDAY.isoformat(),
        reason="snow",
        schools=str(burns.id),
    )
    assert done.status_code == 303
    assert not teaches(town, burns, FRIDAY)
    shown = words_of(browser.get("/desk/calendar"))
    assert "No school , Burns School, Friday, October 22, 2021: snow" in shown
    with town.database.begin() as session:
        change = session.scalars(select(SchoolDayChanged)).one()
    action = f"/desk/calendar/day/{change.id}/withdraw"
    assert browser.fill("/desk/calendar", action).status_code == 303
    assert teaches(town, burns, FRIDAY)
    assert "taken back" in words_of(browser.get("/desk/calendar"))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"kind": "closed", "reason": " "}, "Say why"),
        ({"kind": "opens_late", "at": ""}, "need a time"),
        ({"kind": "opens_late", "at": "09:00"}, "later than that"),
        ({"kind": "closed", "day": "soon"}, "not a date"),
        ({"kind": "closed", "day": "2021-10-23"}, "no school on 2021-10-23 anyway"),
        ({"kind": "holiday"}, "Choose what you say"),
        ({"kind": "closed", "schools": "x"}, "at least one school"),
    ],
)
def test_what_cannot_be_said_is_refused_and_what_was_typed_stays(
    town: Town, typed: dict[str, str], sentence: str
) -> None:
    burns, _, santos = people(town)
    browser = Browser(pages(town), town).signed_in_as(santos)
    form = {"day": FRIDAY.isoformat(), "reason": "a burst pipe", "schools": str(burns.id), **typed}
    answer = browser.fill("/desk/calendar", "/desk/calendar/day", **form)
    assert answer.status_code == 422
    assert sentence in words_of(answer)
    if typed.get("reason") is None:
        assert "a burst pipe" in answer.text
    assert teaches(town, burns, FRIDAY)


def test_nobody_closes_a_school_they_do_not_see(town: Town) -> None:
    _, wolcott, santos = people(town)
    browser = Browser(pages(town), town).signed_in_as(santos)
    answer = browser.fill(
        "/desk/calendar",
        "/desk/calendar/day",
        kind="closed",
        day=FRIDAY.isoformat(),
        reason="snow",
        schools=str(wolcott.id),
    )
    assert answer.status_code == 422
    assert teaches(town, wolcott, FRIDAY)


def test_a_specialist_reads_the_calendar_and_closes_nothing(town: Town) -> None:
    burns, _, rivera = people(town, Role.SPECIALIST)
    browser = Browser(pages(town), town).signed_in_as(rivera)
    shown = browser.get("/desk/calendar")
    assert shown.status_code == 200
    assert "/desk/calendar/day" not in shown.text
    token = browser.hidden_fields("/desk/calendar", "/desk/calendar/check")
    answer = browser.post("/desk/calendar/day", **token, kind="closed", schools=str(burns.id))
    assert answer.status_code == 403


def test_a_calendar_file_counts_only_after_it_was_looked_at(town: Town) -> None:
    burns, _, santos = people(town)
    browser = Browser(pages(town), town).signed_in_as(santos)
    form = browser.hidden_fields("/desk/calendar", "/desk/calendar/check")
    checked = browser.ask(
        "POST", "/desk/calendar/check", data={**form, "file": (io.BytesIO(ics(MONDAY)), "year.ics")}
    )
    assert "Monday, October 25, 2021 : no school, Fall Break" in words_of(checked)
    assert teaches(town, burns, MONDAY)
    content = checked.text.split('name="content" value="')[1].split('"')[0]
    done = browser.post("/desk/calendar/apply", **form, name="year.ics", content=content)
    assert done.status_code == 303
    assert not teaches(town, burns, MONDAY)


def test_a_broken_calendar_file_is_refused_on_the_page(town: Town) -> None:
    _, _, santos = people(town)
    browser = Browser(pages(town), town).signed_in_as(santos)
    form = browser.hidden_fields("/desk/calendar", "/desk/calendar/check")
    answer = browser.ask(
        "POST", "/desk/calendar/check", data={**form, "file": (io.BytesIO(b"not a calendar"), "year.ics")}
    )
    assert answer.status_code == 422
    assert "nothing was changed" in words_of(answer)


# --- the file alone ---------------------------------------------------------------------------------------------


def apply(town: Town, raw: bytes, approval: Approval | None = None) -> None:
    with town.database.begin() as session:
        yearplan.import_calendar(session, "year.ics", raw, now=town.now, approval=approval)


def test_ct_8_a_calendar_closes_days_ahead_opens_them_again_and_leaves_the_past(town: Town) -> None:
    burns, _, _ = people(town)
    past = FRIDAY - timedelta(days=1)
    apply(town, ics(MONDAY, past))
    assert (teaches(town, burns, MONDAY), teaches(town, burns, past)) == (False, True)
    apply(town, ics(MONDAY + timedelta(days=1)))
    assert teaches(town, burns, MONDAY)


def test_today_may_be_closed_by_a_calendar_and_is_never_opened_by_one(town: Town) -> None:
    burns, _, _ = people(town)
    apply(town, ics(FRIDAY, MONDAY))
    assert not teaches(town, burns, FRIDAY)
    apply(town, ics(MONDAY))
    assert not teaches(town, burns, FRIDAY)


def test_a_calendar_that_would_close_a_fifth_of_what_is_ahead_needs_a_person(town: Town) -> None:
    burns, _, _ = people(town)
    many = ics(*(MONDAY + timedelta(days=n) for n in range(40)))
    with pytest.raises(FileRefused):
        apply(town, many)
    assert teaches(town, burns, MONDAY)
    apply(town, many, Approval(by="Ms. Santos", reason="the building moves"))
    assert not teaches(town, burns, MONDAY)
    with pytest.raises(FileRefused):  # and back: most of the closed days would open
        apply(town, ics(MONDAY + timedelta(days=1)))


def test_a_calendar_is_taken_back_like_a_roster(town: Town) -> None:
    burns, _, _ = people(town)
    apply(town, ics(MONDAY))
    with town.database.begin() as session:
        undo_import(session, by="Ms. Santos", now=town.now)
    assert teaches(town, burns, MONDAY)


# --- the address ------------------------------------------------------------------------------------------------


class District:
    """A web server of a district on this machine, that answers as the test tells it."""

    def __init__(self) -> None:
        self.raw, self.status, self.etag = ics(MONDAY), 200, '"1"'
        self.asked: list[dict[str, str]] = []
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(dict(request.headers.items()))
        known = request.headers.get("If-None-Match")
        status = 304 if known == self.etag and self.status == 200 else self.status
        request.send_response(status)
        if status in (301, 302):
            request.send_header("Location", self.etag)
        else:
            request.send_header("ETag", self.etag)
        request.end_headers()
        if status == 200:
            request.wfile.write(self.raw)


@pytest.fixture
def district() -> Iterator[District]:
    with _serving(District()) as one:
        yield one


@contextmanager
def _serving(one: District) -> Iterator[District]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.url = f"http://127.0.0.1:{server.server_address[1]}/school.ics"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_feed_is_fetched_once_a_day_and_asks_only_for_what_is_new(town: Town, district: District) -> None:
    burns, _, _ = people(town)
    assert feed.follow(town.database, district.url, now=NOW)
    assert not teaches(town, burns, MONDAY)
    assert not feed.follow(town.database, district.url, now=NOW + timedelta(hours=1))
    assert len(district.asked) == 1
    assert not feed.follow(town.database, district.url, now=NOW + timedelta(hours=21))
    assert district.asked[1]["If-None-Match"] == '"1"'
    with town.database.begin() as session:
        assert len(session.scalars(select(Import).where(Import.kind == "calendar")).all()) == 1
        assert feed.last(session).good_at == NOW + timedelta(hours=21)  # type: ignore[union-attr]


@pytest.mark.parametrize("trouble", ["500", "not a calendar", "no events", "too large"])
def test_ct_8_a_feed_that_fails_keeps_the_last_good_one_and_says_so(
    town: Town, district: District, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    burns, _, santos = people(town)
    feed.follow(town.database, district.url, now=NOW)
    district.etag = '"2"'
    match trouble:
        case "500":
            district.status = 500
        case "too large":
            monkeypatch.setattr(feed, "_LARGEST", 100)
        case "no events":
            district.raw = ics()
        case _:
            district.raw = b"<html>sign in</html>"
    town.now = NOW + timedelta(hours=21)
    assert not feed.follow(town.database, district.url, now=town.now)
    assert not teaches(town, burns, MONDAY)
    shown = words_of(Browser(pages(town), town).signed_in_as(santos).get("/desk/calendar"))
    assert "The last good calendar is kept" in shown
    assert "Last read well Fri 9:30 AM" in shown
    district.status, district.raw, district.etag = 200, ics(MONDAY + timedelta(days=1)), '"3"'
    monkeypatch.undo()
    assert not feed.follow(town.database, district.url, now=town.now + timedelta(minutes=30))
    assert feed.follow(town.database, district.url, now=town.now + timedelta(hours=2))
    assert teaches(town, burns, MONDAY)
    with town.database.begin() as session:
        assert session.scalars(select(CalendarFeed)).one().failure == ""


@pytest.mark.parametrize(
    "address",
    ["http://example.org/school.ics", "file:///etc/passwd", "https://10.0.0.7/school.ics", "https://[::1]/x"],
)
def test_ct_9_only_a_public_https_address_is_fetched(address: str) -> None:
    with pytest.raises(feed.FeedFailed):
        feed.fetch(address)


def test_ct_9_a_redirect_into_a_private_network_is_not_followed(district: District) -> None:
    district.status, district.etag = 302, "http://192.168.0.1/school.ics"
    with pytest.raises(feed.FeedFailed):
        feed.fetch(district.url)


def test_ct_9_an_endless_circle_of_redirects_ends(district: District) -> None:
    district.status, district.etag = 302, district.url
    with pytest.raises(feed.FeedFailed):
        feed.fetch(district.url)
    assert len(district.asked) <= 5


def test_somebody_of_no_school_sees_an_empty_calendar_and_what_to_do(town: Town) -> None:
    with town.database.begin() as session:
        a_school(session)
        nobody = a_staff_member(session, role=Role.SPECIALIST)
    shown = Browser(pages(town), town).signed_in_as(nobody).get("/desk/calendar")
    assert shown.status_code == 200
    assert "No calendar for this year" in words_of(shown)
    assert "Burns" not in words_of(shown)


def test_a_year_without_days_says_what_to_do(town: Town) -> None:
    _, _, santos = people(town)
    shown = Browser(pages(town), town).signed_in_as(santos).get("/desk/calendar?year=2035&school=x")
    assert "Import the roster with its terms first" in words_of(shown)
