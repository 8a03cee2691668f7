"""Terms and closures: which days are school days, and that a broken calendar never opens a closed school."""

from datetime import date, timedelta

import pytest

from bot.roster import Change, FileRefused
from bot.store.tables import CalendarDay, School

from .conftest import Office
from .district import District, calendar, event

_AT_NORTH = (CalendarDay.school_id == School.id) & (School.sourced_id == "N")


def closed(office: Office) -> dict[date, str]:
    rows = office.rows(CalendarDay.day, CalendarDay.summary, where=_AT_NORTH & ~CalendarDay.instructional)
    return dict(rows)


def taught(office: Office) -> list[date]:
    return [day for (day,) in office.rows(CalendarDay.day, where=_AT_NORTH & CalendarDay.instructional)]


def _days(*written: str) -> set[date]:
    return {date.fromisoformat(day) for day in written}


def test_or_8_a_term_ends_on_the_day_before_its_end_date(office: Office, district: District) -> None:
    report = office.roster(district)
    days = taught(office)
    assert (days[0], days[-1], len(days)) == (date(2021, 8, 23), date(2021, 9, 17), 20)
    assert all(day.weekday() < 5 for day in days)
    assert report.figures["school days at North School"] == 20


def test_terms_decide_where_there_are_any(office: Office, district: District) -> None:
    district.divide_the_year()
    office.roster(district)
    assert len(taught(office)) == 15
    assert date(2021, 9, 6) not in taught(office)


def test_a_day_in_no_term_any_more_is_no_school_day_any_more(office: Office, district: District) -> None:
    office.roster(district)
    district.sessions[0]["endDate"] = "2021-09-15"
    report = office.roster(district)
    assert report.changes["calendar_days"] == Change(removed=6)
    assert taught(office)[-1] == date(2021, 9, 14)


def test_last_years_days_stay_as_history(office: Office, district: District) -> None:
    office.roster(district)
    for session in district.sessions:
        session |= {"startDate": "2022-08-22", "endDate": "2022-09-17", "schoolYear": "2023"}
    office.roster(district)
    assert len(taught(office)) == 40


def test_or_5_half_a_year_never_vanishes_at_once(office: Office, district: District) -> None:
    office.roster(district)
    district.sessions[0]["endDate"] = "2021-09-01"
    with pytest.raises(FileRefused, match="26 of 40 days of the school calendar"):
        office.roster(district)


@pytest.mark.parametrize(
    ("first", "end"),
    [("8/12/2021", "2021-09-18"), ("2021-09-18", "2021-08-23"), ("2021-08-23", "2121-01-01")],
)
def test_or_13_a_session_that_is_no_term_is_named(
    office: Office, district: District, first: str, end: str
) -> None:
    district.sessions.append(district.sessions[0] | {"type": "term", "startDate": first, "endDate": end})
    report = office.roster(district)
    assert [problem.line for problem in report.problems if problem.file == "academicSessions.csv"] == [3]
    assert len(taught(office)) == 20


@pytest.mark.parametrize(
    ("events", "days"),
    [
        ([event("20210906")], _days("2021-09-06")),
        ([event("20210906", "20210907")], _days("2021-09-06")),
        ([event("20210906", "20210906")], _days("2021-09-06")),
        ([event("20210906", "20210908")], _days("2021-09-06", "2021-09-07")),
        ([event("20210906", DURATION="P3D")], _days("2021-09-06", "2021-09-07", "2021-09-08")),
        ([event("20210904", "20210907")], _days("2021-09-06")),
        ([event("20210906", STATUS="CANCELLED")], set()),
        ([event("20210906", UID="a"), event("20210907", UID="a", SEQUENCE="1")], _days("2021-09-07")),
        ([event("20210907", UID="a", SEQUENCE="1"), event("20210906", UID="a")], _days("2021-09-07")),
        ([event("20210906", RRULE="FREQ=DAILY;COUNT=2")], _days("2021-09-06", "2021-09-07")),
        ([event("20210903", RRULE="FREQ=WEEKLY")], _days("2021-09-03", "2021-09-10", "2021-09-17")),
        (
            [event("20210830", RRULE="FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=20210907")],
            _days("2021-08-30", "2021-08-31", "2021-09-06", "2021-09-07"),
        ),
        ([event("20190906", RRULE="FREQ=YEARLY")], _days("2021-09-06")),
        (
            [event("20210903", RRULE="FREQ=WEEKLY;INTERVAL=2"), event("20210914")],
            _days("2021-09-03", "2021-09-14", "2021-09-17"),
        ),
        (
            [event("20210903", RRULE="FREQ=WEEKLY", **{"EXDATE;VALUE=DATE": "20210910"})],
            _days("2021-09-03", "2021-09-17"),
        ),
        (
            [
                event("20210903", UID="a", RRULE="FREQ=WEEKLY"),
                event("20210909", UID="a", **{"RECURRENCE-ID;VALUE=DATE": "20210910"}),
            ],
            _days("2021-09-03", "2021-09-09", "2021-09-17"),
        ),
    ],
)
def test_ct_7_events_close_the_days_they_mean(
    office: Office, district: District, events: list[str], days: set[date]
) -> None:
    report = office.roster(district, calendar=calendar(*events, event("20211001", title="No school")))
    assert closed(office).keys() == days
    assert [problem for problem in report.problems if "term of the roster" not in problem.reason] == []


def test_ct_7_titles_are_read_unescaped_and_unfolded(office: Office, district: District) -> None:
    office.roster(district, calendar=calendar(event("20210906", title="Labor Day\\, no sch\r\n ool")))
    assert closed(office) == {date(2021, 9, 6): "Labor Day, no school"}


@pytest.mark.parametrize(
    ("times", "days"),
    [
        # Floating: the school's own midnight.
        ("DTSTART:20210906T000000\r\nDTEND:20210907T000000", _days("2021-09-06")),
        # The same in UTC, at a school four hours behind it.
        ("DTSTART:20210906T040000Z\r\nDTEND:20210908T040000Z", _days("2021-09-06", "2021-09-07")),
        (
            "DTSTART;TZID=Eastern Standard Time:20210906T000000\r\nDURATION:P1D",
            _days("2021-09-06"),
        ),
        # In the evening in New York it is already tomorrow in UTC (CT-3).
        ("DTSTART:20210907T010000Z\r\nDTEND:20210907T020000Z", _days("2021-09-06")),
        ("DTSTART:20210906T080000\r\nDTEND:20210906T150000", _days("2021-09-06")),
    ],
)
def test_ct_7_times_are_the_schools(office: Office, district: District, times: str, days: set[date]) -> None:
    timed = f"BEGIN:VEVENT\r\n{times}\r\nSUMMARY:No school\r\nEND:VEVENT"
    office.roster(district, calendar=calendar(timed))
    assert closed(office).keys() == days


@pytest.mark.parametrize(
    "title",
    [
        "1/2 day",
        "Half day",
        "Early dismissal",
        "No school for grades 9-12",
        "Delayed opening",
        "Back to School Night",
        "School resumes",
    ],
)
def test_ct_9_a_title_that_may_not_close_everybody_is_left_to_a_person(
    office: Office, district: District, title: str
) -> None:
    report = office.roster(district, calendar=calendar(event("20210906", title=title), event("20210907")))
    assert closed(office).keys() == _days("2021-09-07")
    assert str(report.problems[0]) == (
        f'calendar.ics line 3: "{title}" may not close the school for everyone all day; it stays a school day'
    )


@pytest.mark.parametrize(
    "title", ["Labor Day", "No School - PD Day", "Winter break begins", "Snow day", "Closed"]
)
def test_other_whole_days_close_the_school(office: Office, district: District, title: str) -> None:
    office.roster(district, calendar=calendar(event("20210906", title=title)))
    assert closed(office) == {date(2021, 9, 6): title}


def test_an_evening_at_school_closes_nothing_and_needs_nobody(office: Office, district: District) -> None:
    times = "DTSTART:20210907T180000\r\nDTEND:20210907T200000\r\nRRULE:FREQ=MONTHLY;BYDAY=1TU"
    evening = f"BEGIN:VEVENT\r\n{times}\r\nSUMMARY:Board meeting\r\nEND:VEVENT"
    report = office.roster(district, calendar=calendar(evening, event("20210906")))
    assert closed(office).keys() == _days("2021-09-06")
    assert report.problems == []


def test_a_closure_that_vanished_is_a_school_day_again(office: Office, district: District) -> None:
    office.roster(district, calendar=calendar(event("20210906"), event("20210910")))
    report = office.roster(district, calendar=calendar(event("20210906", title="Labor Day")))
    assert report.changes["calendar_days"] == Change(changed=4)
    assert closed(office) == {date(2021, 9, 6): "Labor Day"}


def test_without_a_calendar_file_closures_stay(office: Office, district: District) -> None:
    office.roster(district, calendar=calendar(event("20210906")))
    assert office.roster(district).changed_nothing


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>Sign in</html>",
        calendar(event("20210910")).replace(b"END:VCALENDAR", b""),
        calendar(event("20210910"))[:60],
        calendar(),
        b"\xff\xfe\x00",
    ],
)
def test_ct_8_a_calendar_that_fails_to_parse_keeps_the_last_good_one(
    office: Office, district: District, raw: bytes
) -> None:
    office.roster(district, calendar=calendar(event("20210906")))
    before = office.everything()
    with pytest.raises(FileRefused, match=r"calendar\.ics .*nothing was changed"):
        office.roster(district, calendar=raw)
    assert office.everything() == before


@pytest.mark.parametrize(
    "unread",
    [
        event("sometime"),
        event("20210913", "20210901"),
        event("20210913", "20220913"),
        event("20210913", RRULE="FREQ=MONTHLY;BYDAY=2MO"),
        event("20210913", RRULE="FREQ=WEEKLY;BYDAY=2MO"),
        event("20210913", RRULE="FREQ=WEEKLY;COUNT=-1"),
        event("20210913", **{"RDATE;VALUE=DATE": "20210914"}),
    ],
)
def test_ct_8_an_event_nobody_can_read_is_named_and_opens_no_closed_day(
    office: Office, district: District, unread: str
) -> None:
    office.roster(district, calendar=calendar(event("20210906")))
    report = office.roster(district, calendar=calendar(event("20210907"), unread))
    assert closed(office).keys() == _days("2021-09-06", "2021-09-07")
    [problem] = report.problems
    assert (problem.file, problem.line) == ("calendar.ics", 7)
    assert "the event was left out" in problem.reason


def test_last_years_calendar_opens_nothing(office: Office, district: District) -> None:
    office.roster(district, calendar=calendar(event("20210906")))
    report = office.roster(district, calendar=calendar(event("20200907")))
    assert report.changed_nothing
    assert "none of its closed days is in a term" in str(report.problems[0])


def test_both_schools_have_the_whole_calendar(office: Office, district: District) -> None:
    office.roster(district, calendar=calendar(event("20210906")))
    assert len(office.rows(CalendarDay.day)) == 2 * 20
    assert taught(office)[9] + timedelta(days=4) == taught(office)[10]
