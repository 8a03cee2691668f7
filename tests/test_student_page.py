"""The student page: the year, who may be reached, what was tried; and a call from it, talk or none."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, func, select

from bot import measures
from bot.advance import Script
from bot.casework import students, tasks
from bot.casework import year as years
from bot.casework.year import DaySeen
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    AttendanceMark,
    CallOutcome,
    ContactMade,
    Excuse,
    Handoff,
    MarkStatus,
    Phone,
    PhoneState,
    School,
    Staff,
    Student,
)
from bot.understanding import Understanding
from bot.vocabulary import Outcome, Role, TaskKind
from bot.web.desk import strip
from tests.builders import FRIDAY, NOW, a_file, a_guardian, a_school, a_staff_member, a_student, absent
from tests.town import Town
from tests.web import Browser, a_family, pages, words_of


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def desk_of(town: Town, member: Staff) -> Browser:
    return Browser(pages(town), town).signed_in_as(member)


def alone(town: Town) -> tuple[Browser, int]:
    """Maya, of whom nobody knows more than that she goes to Burns School: the desk, and her id."""
    with town.database.begin() as session:
        school = a_school(session)
        maya, member = a_student(session, school), a_staff_member(session, school)
    return desk_of(town, member), maya.id


def a_mother(town: Town, **more: object) -> tuple[Browser, Student, int, int]:
    """Maya and her mother, who reads Spanish: the desk, Maya, and the ids of her mother and her number."""
    with town.database.begin() as session:
        school = a_school(session)
        maya, member = a_student(session, school), a_staff_member(session, school)
        rosa = a_guardian(session, maya, speaks="es", name="Rosa", **more)  # type: ignore[arg-type]
        phone = session.scalars(select(Phone.id).order_by(Phone.id.desc())).first() or 0
    return desk_of(town, member), maya, rosa.id, phone


def call(desk: Browser, student_id: int, who: str, outcome: str = "reached", **more: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    page = f"/desk/student/{student_id}"
    return desk.fill(page, f"{page}/call", who=who, outcome=outcome, **more)


# --- who has neither phone nor talk ---------------------------------------------------------------------------


def test_a_student_without_guardian_or_talk_has_a_page_that_says_what_to_do(town: Town) -> None:
    desk, maya = alone(town)

    said = words_of(desk.get(f"/desk/student/{maya}"))

    assert "Maya Rivera Grade 5 · Burns School" in said
    assert "No guardian is on file. Ask the office" in said
    assert "Nobody has tried to reach this family yet." in said
    assert "The school has sent no attendance for this year yet." in said
    assert "Plan a home visit" in said


def test_another_schools_student_is_not_there(town: Town) -> None:
    _, maya = alone(town)
    with town.database.begin() as session:
        stranger = a_staff_member(session, a_school(session, "Sand School"))
    desk = desk_of(town, stranger)
    fields = desk.hidden_fields("/desk/stop", "/desk/stop")

    assert desk.get(f"/desk/student/{maya}").status_code == 404
    form = {"who": "1-0", "outcome": "reached", "what": "x", "due_on": FRIDAY.isoformat()} | fields
    for act in ("call", "task", "visit"):
        assert desk.post(f"/desk/student/{maya}/{act}", **form).status_code == 404


def test_an_auditor_reads_the_page_and_finds_no_form(town: Town) -> None:
    _, maya, _, _ = a_mother(town)
    with town.database.begin() as session:
        auditor = a_staff_member(session, session.get_one(School, maya.school_id), role=Role.AUDITOR)
    page = desk_of(town, auditor).get(f"/desk/student/{maya.id}")

    assert "Rosa Rivera" in page.text
    assert f"/desk/student/{maya.id}/call" not in page.text


# --- the year -------------------------------------------------------------------------------------------------


def marked(
    town: Town, student: Student, day: date, excuse: Excuse, status: MarkStatus = MarkStatus.ABSENT
) -> None:
    with town.database.begin() as session:
        session.add(
            AttendanceMark(
                student_id=student.id,
                school_id=student.school_id,
                day=day,
                status=status,
                excuse=excuse,
                code="A",
                import_id=a_file(session).id,
                marked_at=NOW,
            )
        )


def test_the_strip_and_the_figures_count_the_same_days(town: Town) -> None:
    """LAW-52: excused and unexcused absences count alike; an exempt one and a late arrival are none."""
    desk, maya, _, _ = a_mother(town)
    first = date(2021, 8, 23)
    for n, excuse in enumerate((Excuse.UNEXCUSED, Excuse.EXCUSED, Excuse.DISCIPLINARY, Excuse.UNKNOWN)):
        marked(town, maya, first + timedelta(days=n), excuse)
    marked(town, maya, first + timedelta(days=4), Excuse.EXEMPT)
    marked(town, maya, first + timedelta(days=7), Excuse.UNEXCUSED, MarkStatus.TARDY)
    marked(town, maya, first + timedelta(days=5), Excuse.UNEXCUSED)  # a Saturday: no school day (ED-3)
    marked(town, maya, FRIDAY, Excuse.UNEXCUSED)

    with town.database.begin() as session:
        seen = students.seen(session, maya.id, {maya.school_id})
        assert seen
        year = years.so_far(session, seen, FRIDAY)
        (standing,) = measures.standings(session, FRIDAY, students=[maya.id])
    kinds = [kind for _, kind in year.days]
    assert year.standing == standing
    assert len(kinds) == standing.enrolled == 45
    assert sum(kind is not DaySeen.PRESENT for kind in kinds) == standing.absent == 5

    page = desk.get(f"/desk/student/{maya.id}")
    said = words_of(page)
    assert "School days so far 45 Absent 5 Missed so far 11.1 % Absent in a row 1" in said
    assert "At 10 % or more a student is chronically absent" in said
    assert len(re.findall(r'<g class="unexcused"><title>', page.text)) == 3
    assert (
        "August 2021: Mon 23 (not excused), Tue 24 (excused), Wed 25 (disciplinary), Thu 26 (not excused)"
        in said
    )
    assert "October 2021: Fri 22 (not excused)" in said


def test_days_before_enrollment_are_drawn_as_such_and_not_counted(town: Town) -> None:
    _, maya, _, _ = a_mother(town)
    with town.database.begin() as session:
        session.get_one(Student, maya.id).enrolled_from = date(2021, 10, 18)
    marked(town, maya, FRIDAY, Excuse.UNEXCUSED)

    with town.database.begin() as session:
        seen = students.seen(session, maya.id, {maya.school_id})
        assert seen
        year = years.so_far(session, seen, FRIDAY)
    assert year.standing is not None
    assert year.standing.enrolled == 5
    assert sum(kind is not DaySeen.NOT_ENROLLED for _, kind in year.days) == 5


def test_the_strip_has_a_column_for_each_week_and_a_row_for_each_weekday() -> None:
    days = [(date(2021, 8, 25) + timedelta(days=n), DaySeen.PRESENT) for n in (0, 1, 2, 5, 12)]
    cells = strip.drawn(days).cells

    assert [(cell.x, cell.y) for cell in cells] == [(0, 44), (0, 58), (0, 72), (14, 16), (28, 16)]
    assert cells[3].title == "Mon, Aug 30: at school"


# --- calls ----------------------------------------------------------------------------------------------------


def test_a_call_without_a_talk_is_kept_with_the_student(town: Town) -> None:
    desk, maya, rosa, _ = a_mother(town, has_phone=False)

    answer = call(desk, maya.id, f"{rosa}-0", "voicemail", note="Said the school's name")

    assert answer.status_code == 303
    assert "Call to Rosa Rivera by Ms. Rivera: Left a voicemail Said the school's name" in words_of(
        desk.get(f"/desk/student/{maya.id}")
    )


def test_the_same_call_sent_twice_is_one_call(town: Town) -> None:
    desk, maya, rosa, _ = a_mother(town)
    page = f"/desk/student/{maya.id}"
    form = {**desk.hidden_fields(page, f"{page}/call"), "who": f"{rosa}-0", "outcome": "no_answer"}

    assert [desk.post(f"{page}/call", **form).status_code for _ in range(2)] == [303, 303]
    with town.database.begin() as session:
        assert session.scalar(select(func.count()).select_from(ContactMade)) == 1


def test_a_call_from_the_student_page_clears_the_clock_and_stands_in_the_familys_story(town: Town) -> None:
    number, member = a_family(town)
    town.morning()
    town.now += timedelta(minutes=11)
    town.family_writes(number, "quiero hablar con una persona")
    desk, talk = desk_of(town, member), town.conversation().id
    with town.database.begin() as session:
        maya = session.scalars(select(Student.id)).one()
        rosa = session.scalars(select(Phone.id)).one()

    assert call(desk, maya, f"{rosa}-{rosa}", note="Will come at noon").status_code == 303

    assert "Will come at noon" in words_of(desk.get(f"/desk/family/{talk}"))
    with town.database.begin() as session:
        assert set(session.scalars(select(Handoff.waiting_since))) == {None}
        assert session.scalars(select(Absence.outcome)).one() is Outcome.EXPLAINED


def test_an_unanswered_call_counts_as_an_attempt_where_no_text_could_leave(town: Town) -> None:
    desk, maya, rosa, _ = a_mother(town, has_phone=False)
    with town.database.begin() as session:
        absent(session, session.get_one(Student, maya.id))
    town.morning()
    with town.database.begin() as session:
        assert session.scalars(select(Absence.outcome)).one() is Outcome.NOT_CONTACTED

    call(desk, maya.id, f"{rosa}-0", "no_answer")

    with town.database.begin() as session:
        assert session.scalars(select(Absence.outcome)).one() is Outcome.ATTEMPTED


def test_a_wrong_number_is_called_and_texted_no_more(town: Town) -> None:
    desk, maya, rosa, phone = a_mother(town)

    call(desk, maya.id, f"{rosa}-{phone}", "wrong_number")

    with town.database.begin() as session:
        assert session.get_one(Phone, phone).state is PhoneState.WRONG_NUMBER
    page = desk.get(f"/desk/student/{maya.id}").text
    assert "belongs to somebody else: do not call" in page
    assert f'value="{rosa}-{phone}"' not in page


def test_nobody_is_called_against_a_court_order(town: Town) -> None:
    desk, maya, rosa, phone = a_mother(town, court_order=True)
    page = desk.get(f"/desk/student/{maya.id}")

    assert "Court order on file: no texts, no calls, no visit to this person." in page.text
    assert f'value="{rosa}-' not in page.text
    answer = call(desk, maya.id, f"{rosa}-{phone}")
    assert answer.status_code == 422
    assert "A court order is on file for this person: do not call." in words_of(answer)


def test_a_stranger_and_a_number_of_somebody_else_are_refused(town: Town) -> None:
    desk, maya, rosa, _ = a_mother(town)
    with town.database.begin() as session:
        other = a_guardian(session, a_student(session, session.get_one(School, maya.school_id), "Noah"))
        theirs = session.scalars(select(Phone.id).order_by(Phone.id.desc())).first()

    for who in (f"{other.id}-0", f"{rosa}-{theirs}"):
        assert call(desk, maya.id, who, "wrong_number").status_code == 422
    with town.database.begin() as session:
        assert session.scalars(select(ContactMade)).all() == []
        assert set(session.scalars(select(Phone.state))) == {PhoneState.TEXTABLE}


def test_what_a_machine_may_be_told_is_in_the_familys_language_and_names_no_student(town: Town) -> None:
    desk, maya, _, _ = a_mother(town)
    page = desk.get(f"/desk/student/{maya.id}").text
    script = re.search(r'<details class="script">.*?</details>', page, re.DOTALL)

    assert script
    assert "Hola, habla Ms. Rivera de Burns School." in script.group()
    assert "No student's name and no reason" in script.group()
    assert "Maya" not in script.group()


def test_a_refused_call_keeps_what_was_chosen_and_typed(town: Town) -> None:
    desk, maya, rosa, phone = a_mother(town)

    answer = call(desk, maya.id, f"{rosa}-{phone}", "", note='A note with "quotes" & <b>')

    assert answer.status_code == 422
    assert f'value="{rosa}-{phone}" selected' in answer.text
    assert 'value="A note with &#34;quotes&#34; &amp; &lt;b&gt;"' in answer.text


# --- what grows -------------------------------------------------------------------------------------------------


def test_the_page_asks_the_database_the_same_number_of_questions_for_a_long_story(town: Town) -> None:
    desk, maya, rosa, _ = a_mother(town)
    page = f"/desk/student/{maya.id}"

    def questions() -> int:
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
            asked.append(statement)

        event.listen(town.database.engine, "before_cursor_execute", note)
        try:
            assert desk.get(page).status_code == 200
        finally:
            event.remove(town.database.engine, "before_cursor_execute", note)
        return len(asked)

    with town.database.begin() as session:
        absent(session, session.get_one(Student, maya.id))
    town.morning()
    questions()  # fills what is kept once for a process
    before = questions()
    with town.database.begin() as session:
        member = session.scalars(select(Staff.id)).first() or 0
        for n in range(40):
            session.add(
                ContactMade(
                    student_id=maya.id,
                    guardian_id=rosa,
                    staff_id=member,
                    outcome=CallOutcome.NO_ANSWER,
                    note=f"Try {n}",
                    at=datetime(2021, 10, 1, 12, n, tzinfo=UTC),
                )
            )
            tasks.raise_once(
                session,
                key=f"t{n}",
                student_id=maya.id,
                what="Ask",
                kind=TaskKind.OTHER,
                owner_id=None,
                due_on=FRIDAY,
                now=NOW,
            )
    assert questions() == before
