"""The reports count what the rows say: beside each figure stands a second count, made one row at a time."""

import csv
import io
import math
import re
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import ledger
from bot.advance import Script
from bot.language import Language
from bot.policy import Policy
from bot.reports import answers, happened, kept, mornings, returning, tiers
from bot.reports.happened import Kind
from bot.reports.mornings import HOURS
from bot.reports.returning import After, Return
from bot.reports.span import Span
from bot.staff import SchoolSeen
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    AttendanceMark,
    AuditLine,
    BarrierFound,
    CalendarDay,
    CallOutcome,
    ContactMade,
    Conversation,
    ConversationStudent,
    Excuse,
    Guardian,
    Handoff,
    HandoffState,
    InboundText,
    MarkStatus,
    OutboundText,
    Outreach,
    School,
    Student,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import Barrier, NotContacted, Outcome, Owner, Purpose, Queue, Role, Urgency
from tests.builders import NOW, a_file, a_guardian, a_school, a_staff_member, a_student, absent
from tests.town import Town
from tests.web import Browser, pages, words_of

CHICAGO = ZoneInfo("America/Chicago")
FIRST, LAST, TODAY = date(2021, 10, 11), date(2021, 11, 12), date(2021, 11, 12)  # summer time ends in it
DAYS = [FIRST + timedelta(days=n) for n in range(-14, (LAST - FIRST).days + 1)]
WITHIN = datetime(2021, 9, 27, 4, tzinfo=UTC)

moments = st.integers(0, 47 * 24 * 60).map(lambda minutes: WITHIN + timedelta(minutes=minutes))


@pytest.fixture
def district(database: Database) -> Database:
    """Two schools in two zones, six students with a mother each, and a staff member."""
    with database.begin() as session:
        burns, lake = (
            a_school(session, name, first=date(2021, 9, 6), weeks=14)
            for name in ("Burns School", "Lake School")
        )
        lake.zone = CHICAGO.key
        for n in range(6):
            student = a_student(session, (burns, lake)[n % 2], f"Child{n}")
            a_guardian(session, student, speaks=(Language.ENGLISH, Language.SPANISH)[n % 3 == 0])
        a_staff_member(session, burns, lake)
        a_file(session)
    return database


def a_span(session: Session, schools: int = 2, first: date = FIRST, last: date = LAST) -> Span:
    found = session.scalars(select(School).order_by(School.id)).all()[:schools]
    return Span(tuple(SchoolSeen(each.id, each.name, each.zone) for each in found), first, last, TODAY)


def local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone))


def zones(session: Session) -> dict[int, str]:
    return {school.id: school.zone for school in session.scalars(select(School))}


# --- accounted for, by hour and day -------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.sampled_from(DAYS)), st.tuples(moments, st.booleans()), max_size=25
    ),
    st.integers(1, 2),
)
@settings(max_examples=15)
def test_the_mornings_add_up_to_the_ledger_hour_by_hour(
    district: Database, absences: dict[tuple[int, date], tuple[datetime, bool]], schools: int
) -> None:
    with district.begin(undo=True) as session:
        students = session.scalars(select(Student).order_by(Student.id)).all()
        for (who, day), (moment, known) in absences.items():
            session.add(
                Absence(
                    student_id=students[who].id,
                    school_id=students[who].school_id,
                    day=day,
                    outcome=Outcome.EXPLAINED if known else Outcome.ATTEMPTED,
                    changed_at=moment,
                    accounted_at=moment if known else None,
                )
            )
        session.flush()
        span = a_span(session, schools)

        found = {morning.day: morning for morning in mornings.mornings(session, span)}

        zone = zones(session)
        rows = [row for row in session.scalars(select(Absence)) if row.school_id in span.school_ids]
        rows = [row for row in rows if FIRST <= row.day <= LAST]
        assert set(found) == {row.day for row in rows}
        for day, morning in found.items():
            of_day = [row for row in rows if row.day == day]
            known_at = [local(row.accounted_at, zone[row.school_id]) for row in of_day if row.accounted_at]
            assert morning.absent == len(of_day)
            for hour, number in zip(HOURS, morning.by, strict=True):
                by = datetime.combine(day, time(hour))
                assert number == sum(at.replace(tzinfo=None) < by for at in known_at)
            assert morning.that_day == sum(at.date() <= day for at in known_at)
            assert morning.later == sum(at.date() > day for at in known_at)
            assert morning.still_open == len(of_day) - len(known_at)


steps = st.lists(
    st.tuples(
        st.sampled_from(Outcome),
        st.sampled_from(NotContacted),
        st.booleans(),
        st.integers(0, 300),
    ),
    max_size=12,
)


@given(steps)
@settings(max_examples=40)
def test_the_hour_is_the_first_at_which_it_was_known_and_is_cleared_when_set_back(
    district: Database, told: list[tuple[Outcome, NotContacted, bool, int]]
) -> None:
    """The ledger itself keeps it, whatever is recorded and in whatever order."""
    with district.begin(undo=True) as session:
        student = session.scalars(select(Student)).first()
        assert student
        ledger.enter(session, [(student.id, student.school_id, Outcome.HELD, None)], FIRST, NOW)
        now, expected = NOW, None
        for outcome, why, anyway, minutes in told:
            now += timedelta(minutes=minutes)
            reason = why if outcome is Outcome.NOT_CONTACTED else None
            ledger.record(
                session,
                [student.id],
                FIRST,
                outcome,
                now,
                not_contacted=reason,
                instead_of=tuple(Outcome) if anyway else (),
            )
            session.expire_all()
            row = session.get_one(Absence, (student.id, FIRST))
            accounted = (
                row.outcome
                in (
                    Outcome.EXPLAINED,
                    Outcome.EXPLAINED_NEEDS_HELP,
                    Outcome.PRESENT_CORRECTED,
                )
                or row.not_contacted is NotContacted.ALREADY_EXCUSED
            )
            expected = (expected or now) if accounted else None
            assert row.accounted_at == expected


def test_who_is_entered_as_excused_is_accounted_for_from_then_on(district: Database) -> None:
    with district.begin(undo=True) as session:
        one, two = session.scalars(select(Student).limit(2)).all()
        excused = (one.id, one.school_id, Outcome.NOT_CONTACTED, NotContacted.ALREADY_EXCUSED)
        ledger.enter(session, [excused, (two.id, two.school_id, Outcome.ATTEMPTED, None)], FIRST, NOW)

        assert session.get_one(Absence, (one.id, FIRST)).accounted_at == NOW
        assert session.get_one(Absence, (two.id, FIRST)).accounted_at is None


# --- barriers, calls ------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(list(Barrier)[:4]), moments, st.booleans()), max_size=25
    ),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(CallOutcome), moments), max_size=15),
)
@settings(max_examples=15)
def test_what_was_named_and_who_was_called_is_counted_by_school_and_week_and_listed_whole(
    district: Database,
    named: list[tuple[int, Barrier, datetime, bool]],
    called: list[tuple[int, CallOutcome, datetime]],
) -> None:
    with district.begin(undo=True) as session:
        students = session.scalars(select(Student).order_by(Student.id)).all()
        caller = a_staff_member(session)
        for who, code, moment, wrong in named:
            session.add(
                BarrierFound(
                    student_id=students[who].id,
                    code=code,
                    words="",
                    opened_at=moment,
                    resolved_at=moment if wrong else None,
                    withdrawn_at=moment if wrong else None,
                )
            )
        session.add_all(
            ContactMade(student_id=students[who].id, staff_id=caller.id, outcome=outcome, at=moment)
            for who, outcome, moment in called
        )
        session.flush()
        span, zone = a_span(session), zones(session)
        things = {
            Kind.BARRIER: [
                (code.value, students[who], moment) for who, code, moment, wrong in named if not wrong
            ],
            Kind.CALL: [(outcome.value, students[who], moment) for who, outcome, moment in called],
        }

        for kind, rows in things.items():
            by_school: Counter[tuple[str, int]] = Counter()
            by_week: Counter[tuple[str, date]] = Counter()
            for key, student, moment in rows:
                day = local(moment, zone[student.school_id]).date()
                if FIRST <= day <= LAST:
                    by_school[key, student.school_id] += 1
                    by_week[key, day - timedelta(days=day.weekday())] += 1
            found = happened.count(session, span, kind)
            assert found.by_school == by_school
            assert {(key, span.weeks[place]): n for (key, place), n in found.by_week.items()} == by_week
            for key, _ in by_school:
                listed = happened.behind(session, span, kind, key)
                assert len(listed) == sum(n for (each, _), n in by_school.items() if each == key)
            for (key, monday), number in by_week.items():
                assert len(happened.behind(session, span, kind, key, week=monday)) == number


# --- replies, and time to a person ----------------------------------------------------------------------------


def a_talk(
    session: Session, student: Student, day: date, opened: datetime, *, asked: bool = True
) -> Conversation:
    guardian = session.scalars(select(Guardian).where(Guardian.id == student.id)).one()
    talk = Conversation(
        phone_id=student.id,
        guardian_id=guardian.id,
        school_id=student.school_id,
        day=day,
        flow="absence_check",
        flow_version="1",
        language=guardian.language,
        state={},
        owner=Owner.NOBODY,
        opened_at=opened,
        touched_at=opened,
    )
    session.add(talk)
    session.flush()
    session.add(ConversationStudent(conversation_id=talk.id, student_id=student.id))
    if asked:
        session.add(
            Outreach(
                student_id=student.id,
                day=day,
                purpose=Purpose.CHECK_IN,
                guardian_id=guardian.id,
                conversation_id=talk.id,
                at=opened,
            )
        )
    return talk


def a_reply(talk: Conversation, staff_id: int, at: datetime, n: int) -> OutboundText:
    return OutboundText(
        token=f"t{talk.id}-{n}",
        conversation_id=talk.id,
        phone_id=talk.phone_id,
        purpose=Purpose.REPLY,
        staff_id=staff_id,
        body="",
        language=talk.language,
        segments=1,
        state=TextState.SENT,
        not_before=at,
        not_after=at,
        queued_at=at,
    )


def office_minutes(session: Session, school: int, zone: str, since: datetime, until: datetime) -> int:
    """Minute by minute, as nobody would compute it."""
    days = {
        each.day
        for each in session.scalars(select(CalendarDay).where(CalendarDay.school_id == school))
        if each.instructional
    }
    minutes = 0
    while since < until:
        wall = local(since, zone)
        minutes += wall.date() in days and time(8) <= wall.time() < time(16)
        since += timedelta(minutes=1)
    return minutes


talks = st.tuples(
    st.integers(0, 5),
    st.integers(0, 30),  # the day after the first one
    st.booleans(),  # whether an outreach began it
    st.booleans(),  # whether the family wrote
    st.booleans(),  # whether a case was opened
    st.lists(
        st.tuples(st.booleans(), st.integers(-60, 4000)), max_size=2
    ),  # replies and calls, minutes after
)


@given(st.lists(talks, max_size=10, unique_by=lambda each: (each[0], each[1])))
@settings(max_examples=12)
def test_replies_and_waits_are_those_of_the_talks_themselves(district: Database, held: list[Any]) -> None:
    with district.begin(undo=True) as session:
        students = session.scalars(select(Student).order_by(Student.id)).all()
        member = a_staff_member(session).id
        zone = zones(session)
        asked: Counter[Language] = Counter()
        wrote: Counter[Language] = Counter()
        waiting: Counter[Language] = Counter()
        waits: dict[Language, list[tuple[int, int]]] = {}
        for n, (who, days, began, family_wrote, case, reached) in enumerate(held):
            student = students[who]
            day = FIRST + timedelta(days=days)
            opened = datetime.combine(day, time(14), UTC)
            talk = a_talk(session, student, day, opened, asked=began)
            language = talk.language
            asked[language] += began
            if family_wrote:
                session.add(
                    InboundText(
                        provider_sid=f"SM{n}",
                        sender="",
                        words="",
                        received_at=opened,
                        conversation_id=talk.id,
                    )
                )
                wrote[language] += began
            for place, (by_text, minutes) in enumerate(reached):
                at = opened + timedelta(minutes=minutes)
                if by_text:
                    session.add(a_reply(talk, member, at, place))
                else:
                    session.add(
                        ContactMade(
                            conversation_id=talk.id, staff_id=member, outcome=CallOutcome.NO_ANSWER, at=at
                        )
                    )
            if case:
                session.add(
                    Handoff(
                        conversation_id=talk.id,
                        school_id=student.school_id,
                        queue=Queue.ENGAGEMENT,
                        urgency=Urgency.P1,
                        why="asked_for_person",
                        state=HandoffState.OPEN,
                        opened_at=opened,
                        due_at=opened,
                    )
                )
                after = [minutes for _, minutes in reached if minutes >= 0]
                if after:
                    until = opened + timedelta(minutes=min(after))
                    school = student.school_id
                    office = office_minutes(session, school, zone[school], opened, until)
                    waits.setdefault(language, []).append((office, min(after)))
                else:
                    waiting[language] += 1
        session.flush()
        span = a_span(session)

        replies = answers.replies(session, span)
        found = answers.waits(session, span, Policy())

        assert {language: each.asked for language, each in replies.items()} == +asked
        assert {language: each.answered for language, each in replies.items() if each.answered} == +wrote
        assert set(found) == set(waits) | set(waiting)
        for language, each in found.items():
            of_language = waits.get(language, [])
            assert (each.answered, each.waiting) == (len(of_language), waiting[language])
            for place, half, most in (
                (0, each.median_office, each.most_office),
                (1, each.median_wall, each.most_wall),
            ):
                lengths = sorted(wait[place] for wait in of_language)
                assert half == nearest(lengths, 50)
                assert most == nearest(lengths, 90)


def nearest(minutes: list[int], percent: int) -> timedelta | None:
    """The smallest wait that at least so many percent of the waits do not exceed."""
    for wait in minutes:
        if sum(each <= wait for each in minutes) * 100 >= percent * len(minutes):
            return timedelta(minutes=wait)
    return None


@given(st.lists(st.integers(0, 500), min_size=1, max_size=30), st.sampled_from([50, 90]))
def test_a_percentile_is_a_wait_that_somebody_had(minutes: list[int], percent: int) -> None:
    found = answers.percentile([timedelta(minutes=each) for each in minutes], percent)

    assert found == nearest(sorted(minutes), percent)
    assert found == timedelta(minutes=sorted(minutes)[math.ceil(len(minutes) * percent / 100) - 1])


# --- back within five school days -----------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(DAYS), st.integers(1, 9), st.sampled_from(Excuse)),
        max_size=9,
    ),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(DAYS)), max_size=6),
    st.sampled_from([date(2021, 10, 29), LAST]),
)
@settings(max_examples=20)
def test_each_time_away_ends_as_the_marks_say(  # noqa: C901 - counted by hand, in one place
    district: Database,
    away: list[tuple[int, date, int, Excuse]],
    texted: list[tuple[int, date]],
    last: date,
) -> None:
    with district.begin(undo=True) as session:
        students = session.scalars(select(Student).order_by(Student.id)).all()
        file = session.scalars(select(AttendanceMark.import_id)).first() or a_file(session).id
        marks: dict[tuple[int, date], Excuse] = {}
        for who, day, length, excuse in away:
            for n in range(length):
                if day + timedelta(days=n) <= TODAY:
                    marks.setdefault((students[who].id, day + timedelta(days=n)), excuse)
        school_of = {student.id: student.school_id for student in students}
        session.add_all(
            AttendanceMark(
                student_id=student,
                school_id=school_of[student],
                day=day,
                status=MarkStatus.ABSENT,
                excuse=excuse,
                code="",
                import_id=file,
                marked_at=NOW,
            )
            for (student, day), excuse in marks.items()
        )
        for who, day in dict.fromkeys(texted):
            a_talk(session, students[who], day, NOW)
        session.flush()
        span = a_span(session, last=last)

        taught = {
            school: sorted(
                each.day
                for each in session.scalars(select(CalendarDay).where(CalendarDay.school_id == school))
                if each.instructional
            )
            for school in set(school_of.values())
        }
        told = {
            school: max(
                (day for (student, day) in marks if school_of[student] == school and day in taught[school]),
                default=None,
            )
            for school in taught
        }
        outreaches = session.scalars(select(Outreach)).all()
        wanted: dict[After, Counter[tuple[Return, int]]] = {after: Counter() for after in After}
        for student, school in school_of.items():
            days = taught[school]
            gone = [(student, day) in marks and marks[student, day] is not Excuse.EXEMPT for day in days]
            for place, day in enumerate(days):
                if not gone[place] or (place and gone[place - 1]) or not FIRST <= day <= last:
                    continue
                end = place
                while end + 1 < len(days) and gone[end + 1]:
                    end += 1
                starts = {After.ABSENCE: place}
                contacted = [
                    each.day
                    for each in outreaches
                    if each.student_id == student and each.day in days[place : end + 1]
                ]
                if contacted:
                    starts[After.CONTACT] = days.index(min(contacted))
                for after, start in starts.items():
                    became = Return.NOT_KNOWN
                    for n in range(1, 6):
                        ahead = start + n
                        known = ahead < len(days) and days[ahead] <= (told[school] or date.min)
                        if known and not gone[ahead]:
                            became = Return.WITHIN_FIVE
                            break
                        if not known:
                            break
                    else:
                        became = Return.LATER
                    wanted[after][became, school] += 1

        for after in After:
            found = returning.returns(session, span)[after]
            assert found == wanted[after]
            for became in Return:
                number = sum(n for (each, _), n in found.items() if each is became)
                assert len(returning.behind(session, span, after, became)) == number


# --- the pages ------------------------------------------------------------------------------------------------


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    """At Burns School twelve families named an illness and three a lost home; at Hill School fifteen an illness."""
    town = Town(database, script, understanding)
    with database.begin() as session:
        burns, hill = (a_school(session, name) for name in ("Burns School", "Hill School"))
        for school, code, number in (
            (burns, Barrier.ILLNESS, 12),
            (burns, Barrier.HOUSING, 3),
            (hill, Barrier.ILLNESS, 15),
        ):
            for n in range(number):
                student = a_student(session, school, f"{school.name[0]}{code.value}{n}")
                session.add(BarrierFound(student_id=student.id, code=code, words="", opened_at=NOW))
        session.flush()
        kept.keep_up(session, NOW)
    return town


def reader(town: Town, role: Role = Role.SPECIALIST, *schools: str) -> Browser:
    with town.database.begin() as session:
        found = session.scalars(
            select(School).where(School.name.in_(schools or ("Burns School", "Hill School")))
        ).all()
        member = a_staff_member(session, *found, role=role)
    return Browser(pages(town), town).signed_in_as(member)


def table(browser: Browser, name: str, query: str = "") -> dict[str, dict[str, str]]:
    page = browser.get(f"/desk/reports.csv?table={name}{query}")
    assert page.status_code == 200
    rows = list(csv.reader(io.StringIO(page.data.decode("utf-8-sig"))))
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[1:]}


def test_a_small_group_is_hidden_and_cannot_be_computed_from_the_sums(town: Town) -> None:
    found = table(reader(town), "barriers_by_school")

    assert found["Housing"]["Burns School"] == found["Housing"]["All"] == "hidden"
    # What would give the three away is hidden with them: the sums less the illnesses.
    shown = [found["Illness"]["All"], found["All"]["All"]]
    assert "hidden" in shown
    assert found["Illness"]["Hill School"] == "15"
    by_week = table(reader(town), "barriers_by_week")
    assert (by_week["Illness"]["All"] == "hidden") == (found["Illness"]["All"] == "hidden")


def test_a_supervisor_may_see_small_groups_of_her_schools_for_half_an_hour_and_that_is_written_down(
    town: Town,
) -> None:
    browser = reader(town, Role.SUPERVISOR, "Burns School")
    assert table(browser, "barriers_by_school")["Housing"]["All"] == "hidden"

    browser.fill("/desk/reports", "/desk/reports/small-groups")

    found = table(browser, "barriers_by_school")
    assert found["Housing"] == {"Burns School": "3", "All": "3"}
    assert "Hill School" not in found["All"]
    with town.database.begin() as session:
        (line,) = session.scalars(select(AuditLine).where(AuditLine.act == "small_groups_shown")).all()
        assert line.detail == "Burns School"
    town.now += timedelta(minutes=31)
    assert table(browser, "barriers_by_school")["Housing"]["All"] == "hidden"


@pytest.mark.parametrize("role", [Role.SPECIALIST, Role.AUDITOR])
def test_nobody_else_may_switch_the_hiding_off(town: Town, role: Role) -> None:
    browser = reader(town, role)
    token = browser.hidden_fields("/desk/reports", "/sign-out")["csrf_token"]

    assert browser.post("/desk/reports/small-groups", csrf_token=token, show="yes").status_code == 403
    assert "Show small groups" not in browser.get("/desk/reports").text
    assert table(browser, "barriers_by_school")["Housing"]["All"] == "hidden"


def test_every_number_opens_a_list_of_as_many(town: Town) -> None:
    browser = reader(town)
    page = browser.get("/desk/reports").text

    links = re.findall(r'<a href="(/desk/reports/list[^"]*)">([\d,]+)</a>', page)
    assert links
    for address, number in links:
        behind = browser.get(address.replace("&amp;", "&"))
        assert behind.status_code == 200
        assert behind.text.count('<th scope="row">') == int(number.replace(",", ""))


def test_another_school_and_an_unknown_list_are_no_page(town: Town) -> None:
    browser = reader(town, Role.SPECIALIST, "Burns School")
    with town.database.begin() as session:
        hill = session.scalars(select(School.id).where(School.name == "Hill School")).one()

    for address in (
        f"/desk/reports?school={hill}",
        f"/desk/reports/print?school={hill}",
        f"/desk/reports.xlsx?school={hill}",
        f"/desk/reports/list?what=barrier&key=illness&school={hill}",
        "/desk/reports/list?what=barrier&key=nonsense",
        "/desk/reports/list?what=back_never&key=later",
        "/desk/reports/list",
        "/desk/reports.csv?table=nonsense",
    ):
        assert browser.get(address).status_code == 404, address
    assert "Hill" not in browser.get("/desk/reports").text
    assert "Hill" not in browser.get("/desk/reports/list?what=barrier&key=illness").text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=2021-10-22&to=2021-10-01", "The first day is after the last one."),
        ("from=yesterday", "That is not a day"),
        ("from=2001-01-01&to=2021-10-01", "more than a year"),
    ],
)
def test_days_that_cannot_be_are_said_and_the_last_weeks_shown(town: Town, query: str, sentence: str) -> None:
    said = words_of(reader(town).get(f"/desk/reports?{query}"))

    assert sentence in said
    assert "Monday, September 27, 2021 to Friday, October 22, 2021" in said


def test_a_span_without_anything_says_so_in_each_report(town: Town) -> None:
    said = words_of(reader(town).get("/desk/reports?from=2021-07-01&to=2021-07-09"))

    assert said.count("Nothing of this kind on these days.") == 6


def test_the_workbook_has_a_sheet_for_each_table_and_hides_what_the_page_hides(town: Town) -> None:
    book = openpyxl.load_workbook(io.BytesIO(reader(town).get("/desk/reports.xlsx").data))
    barriers = {row[0]: row[1:] for row in book["barriers by school"].iter_rows(values_only=True)}

    assert len(book.sheetnames) == 13
    assert barriers["Housing"][0] == "hidden"
    assert barriers["Illness"][1] == 15


def test_the_page_for_the_meeting_ends_with_the_students_to_talk_about(town: Town) -> None:
    with town.database.begin() as session:
        maya = a_student(session, session.scalars(select(School)).first() or a_school(session), "Maya")
        for n in range(10):
            absent(session, maya, day=date(2021, 10, 22) - timedelta(days=n))
        kept.refresh(session, NOW)

    page = reader(town).get("/desk/reports/print")

    assert page.status_code == 200
    assert "Maya Rivera, 5 Burns School" in words_of(page)
    assert "Bhousing" not in words_of(page)


def test_tiers_of_a_week_are_those_of_the_schools_together(town: Town) -> None:
    with town.database.begin() as session:
        maya = session.scalars(select(Student)).first()
        assert maya
        absent(session, maya)
        kept.refresh_weeks(session, NOW)
        span = a_span(session, 2, date(2021, 8, 1), date(2021, 10, 22))

        weeks = tiers.by_week(session, span)
        newest = tiers.by_school(session, span)

    assert [week.monday for week in weeks] == [date(2021, 8, 23) + timedelta(weeks=n) for n in range(9)]
    assert weeks[-1].students == 15  # the other school's files have not spoken yet
    assert list(newest) == [maya.school_id]
