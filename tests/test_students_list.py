"""The student list shows whom it was asked for, in their order, and never anybody of another school."""

import csv
import io
from datetime import date, timedelta

import openpyxl
import pytest
from sqlalchemy import select

from bot.advance import Script
from bot.reports import kept, students
from bot.store.session import Database
from bot.store.tables import (
    AuditLine,
    BarrierFound,
    CallOutcome,
    ContactMade,
    Plan,
    School,
    Staff,
    Student,
    StudentMeasure,
)
from bot.understanding import Understanding
from bot.vocabulary import Barrier, Role
from tests.builders import FRIDAY, NOW, a_school, a_staff_member, a_student, absent
from tests.town import Town
from tests.web import Browser, pages, words_of


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    """Burns School: Maya away two days of ten and the last two in a row, Luis one day, Noah none. Hill School: Mei."""
    town = Town(database, script, understanding)
    with database.begin() as session:
        burns, hill = (
            a_school(session, name, first=date(2021, 10, 11), weeks=8)
            for name in ("Burns School", "Hill School")
        )
        maya, luis, noah = (a_student(session, burns, name) for name in ("Maya", "Luis", "Noah"))
        mei = a_student(session, hill, "Mei", "Chen")
        luis.grade = "11"
        absent(session, maya, mei, day=FRIDAY - timedelta(days=1))
        absent(session, maya, mei, noah)
        absent(session, luis, day=date(2021, 10, 12))
        noah.family_name = "Aguilar"
        caller = a_staff_member(session, burns)
        session.add(
            ContactMade(
                student_id=luis.id,
                staff_id=caller.id,
                outcome=CallOutcome.REACHED,
                at=NOW - timedelta(days=2),
            )
        )
        session.add(
            BarrierFound(student_id=maya.id, code=Barrier.TRANSPORTATION, words="no ride", opened_at=NOW)
        )
        session.flush()
        kept.keep_up(session, NOW)
    return town


def specialist(town: Town, *schools: str, role: Role = Role.SPECIALIST) -> Browser:
    with town.database.begin() as session:
        found = session.scalars(select(School).where(School.name.in_(schools))).all()
        member = a_staff_member(session, *found, role=role)
    return Browser(pages(town), town).signed_in_as(member)


def named(browser: Browser, query: str = "") -> list[str]:
    """Who is on the page, in order."""
    page = browser.get(f"/desk/students{query}")
    assert page.status_code == 200
    return [row.split("</a>")[0].split(">")[-1] for row in page.text.split('<th scope="row">')[1:]]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["Maya Rivera", "Noah Aguilar", "Luis Rivera"]),
        ("?tier=severe", ["Maya Rivera"]),
        ("?tier=moderate", ["Noah Aguilar", "Luis Rivera"]),
        ("?tier=chronic", ["Maya Rivera", "Noah Aguilar", "Luis Rivera"]),
        ("?tier=satisfactory", []),
        ("?grade=11", ["Luis Rivera"]),
        ("?barrier=transportation", ["Maya Rivera"]),
        ("?barrier=housing", []),
        ("?streak=2", ["Maya Rivera"]),
        ("?silent=2", ["Maya Rivera", "Noah Aguilar", "Luis Rivera"]),
        ("?silent=3", ["Maya Rivera", "Noah Aguilar"]),
        ("?name=mAY", ["Maya Rivera"]),
        ("?name=luis+riv", ["Luis Rivera"]),
        ("?name=%25", []),
        ("?order=name", ["Noah Aguilar", "Luis Rivera", "Maya Rivera"]),
        ("?order=streak", ["Maya Rivera", "Noah Aguilar", "Luis Rivera"]),
        ("?order=contact", ["Noah Aguilar", "Maya Rivera", "Luis Rivera"]),
        (
            "?tier=nonsense&order=nonsense&streak=x&silent=-1&barrier=x&page=x&grade=%00",
            ["Maya Rivera", "Noah Aguilar", "Luis Rivera"],
        ),
    ],
)
def test_each_filter_and_order_shows_those_it_names(town: Town, query: str, wanted: list[str]) -> None:
    browser = specialist(town, "Burns School")

    assert named(browser, query) == wanted


def test_the_last_school_days_without_contact_are_counted_with_today(town: Town) -> None:
    """Luis's family was reached on Wednesday: two school days of silence are Thursday and Friday."""
    browser = specialist(town, "Burns School")

    assert "Luis Rivera" in named(browser, "?silent=2")
    assert "Luis Rivera" not in named(browser, "?silent=3")


def test_nobody_of_another_school_is_shown_counted_or_carried_out(town: Town) -> None:
    browser = specialist(town, "Burns School")
    with town.database.begin() as session:
        hill = session.scalars(select(School.id).where(School.name == "Hill School")).one()

    for query in ("", f"?school={hill}", "?name=Mei", "?name=Chen"):
        for path in ("/desk/students", "/desk/students.csv"):
            shown = browser.get(path + query).text
            assert "Mei" not in shown.replace('value="Mei"', "")
            assert "Hill School" not in shown
    assert named(browser, f"?school={hill}") == []
    assert named(browser, "?school=1%20OR%201=1") == []


def test_the_files_hold_exactly_what_is_shown_and_taking_them_is_written_down(town: Town) -> None:
    browser = specialist(town, "Burns School", "Hill School", role=Role.AUDITOR)
    query = "?streak=1&order=name"
    wanted = named(browser, query)

    page = browser.get(f"/desk/students.csv{query}")
    rows = list(csv.DictReader(io.StringIO(page.data.decode("utf-8-sig"))))
    book = openpyxl.load_workbook(io.BytesIO(browser.get(f"/desk/students.xlsx{query}").data))
    head, *lines = book.worksheets[0].iter_rows(values_only=True)

    assert (
        [row["name"] for row in rows]
        == [line[1] for line in lines]
        == wanted
        == [
            "Noah Aguilar",
            "Mei Chen",
            "Maya Rivera",
        ]
    )
    assert rows[2]["rate"] == "0.2"
    assert rows[2]["open barriers"] == "Transportation"
    assert tuple(rows[0]) == head
    assert page.headers["Content-Disposition"] == 'attachment; filename="students.csv"'
    with town.database.begin() as session:
        lines_kept = session.scalars(select(AuditLine).where(AuditLine.act == "list_exported")).all()
    assert [line.detail for line in lines_kept] == [
        "3 students as CSV; streak=1&order=name",
        "3 students as Excel; streak=1&order=name",
    ]


def test_a_line_says_how_much_and_for_how_long_and_what_is_in_the_way(town: Town) -> None:
    with town.database.begin() as session:
        maya = session.scalars(select(Student).where(Student.given_name == "Maya")).one()
        member = session.scalars(select(Staff)).first()
        assert member
        for number, tier in enumerate((1, 3)):
            session.add(
                Plan(
                    student_id=maya.id,
                    tier=tier,
                    hopes="",
                    mornings="",
                    staff_id=member.id,
                    at=NOW + timedelta(minutes=number),
                    form_key=f"plan {number}",
                )
            )

    said = words_of(specialist(town, "Burns School").get("/desk/students?name=maya"))

    assert "20.0 % 2 of 10 days" in said
    assert "20 % and more 2 none Transportation tier 3" in said


def test_fifty_are_on_a_page_and_the_rest_is_one_click_away(town: Town) -> None:
    with town.database.begin() as session:
        burns = session.scalars(select(School).where(School.name == "Burns School")).one()
        for n in range(60):
            a_student(session, burns, f"Child{n:02d}", "Zamora")
        kept.refresh(session, NOW)
    browser = specialist(town, "Burns School")

    first, second = named(browser, "?order=name"), named(browser, "?order=name&page=2")

    assert len(first) == students.PAGE
    assert len(set(first) | set(second)) == 63
    assert not set(first) & set(second)
    assert named(browser, "?order=name&page=99") == second
    assert "63 students, 51 to 63 shown" in words_of(browser.get("/desk/students?order=name&page=2"))


def test_a_school_without_any_mark_lists_its_students_without_a_rate(town: Town) -> None:
    with town.database.begin() as session:
        new = a_school(session, "New School")
        a_student(session, new, "Aisha")
        kept.refresh(session, NOW)
        row = session.scalars(select(StudentMeasure).where(StudentMeasure.day.is_(None))).one()
        assert row.enrolled == 0
    browser = specialist(town, "New School")

    assert named(browser) == ["Aisha Rivera"]
    assert "no marks yet" in words_of(browser.get("/desk/students"))
    assert named(browser, "?tier=satisfactory") == []


def test_an_empty_list_says_what_to_do_next(town: Town) -> None:
    with town.database.begin() as session:
        a_school(session, "Empty School")

    assert "has not been imported" in words_of(specialist(town, "Empty School").get("/desk/students"))
    assert "Take a filter away" in words_of(specialist(town, "Burns School").get("/desk/students?streak=40"))
