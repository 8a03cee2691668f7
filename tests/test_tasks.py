"""Tasks: raised once, done once, seen by the right people, and the overdue ones first."""

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from bot.advance import Script
from bot.casework import tasks
from bot.store.session import Database
from bot.store.tables import AuditLine, School, Staff, Student, Task
from bot.understanding import Understanding
from bot.vocabulary import Role, TaskKind
from tests.builders import FRIDAY, NOW, a_school, a_staff_member, a_student
from tests.town import Town
from tests.web import Browser, pages, words_of

MONDAY = date(2021, 10, 25)


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def people(database: Database) -> tuple[Student, Staff, Staff]:
    """A student, a specialist of the school, and one of another school."""
    with database.begin() as session:
        ours, theirs = a_school(session), a_school(session, "Sand School")
        return a_student(session, ours), a_staff_member(session, ours), a_staff_member(session, theirs)


def raised(database: Database, student: Student, key: str = "plan:1", **more: object) -> bool:
    wanted = {"what": "Ask for a later bus", "owner_id": None, "due_on": MONDAY} | more
    with database.begin() as session:
        return tasks.raise_once(
            session,
            key=key,
            student_id=student.id,
            kind=TaskKind.NEXT_STEP,
            now=NOW,
            **wanted,  # type: ignore[arg-type]
        )


# --- the tasks themselves -----------------------------------------------------------------------------------


def test_a_task_with_the_same_key_is_raised_once(database: Database) -> None:
    student, _, _ = people(database)

    assert raised(database, student)
    assert not raised(database, student, what="Something else")

    with database.begin() as session:
        assert [task.what for task in tasks.open_about(session, [student.id])] == ["Ask for a later bus"]


def test_many_who_raise_a_task_at_once_raise_one(database: Database) -> None:
    student, _, _ = people(database)
    news: list[bool] = []
    crowd = [threading.Thread(target=lambda: news.append(raised(database, student))) for _ in range(6)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()

    assert sorted(news) == [False] * 5 + [True]


def test_a_task_that_was_done_is_never_raised_again(database: Database) -> None:
    student, member, _ = people(database)
    raised(database, student)
    with database.begin() as session:
        task = session.scalars(select(Task)).one()
        assert tasks.done(session, task.id, member.id, NOW, ended_as="The bus comes at 8")
        assert not tasks.done(session, task.id, member.id, NOW + timedelta(hours=1))

    assert not raised(database, student)
    with database.begin() as session:
        kept = session.scalars(select(Task)).one()
        assert (kept.done_by, kept.done_at, kept.ended_as) == (member.id, NOW, "The bus comes at 8")


def test_a_task_that_is_not_needed_any_more_is_neither_open_nor_done(database: Database) -> None:
    student, member, _ = people(database)
    raised(database, student)
    with database.begin() as session:
        assert tasks.cancel(session, "plan:1", "The student moved.", NOW)
        assert not tasks.cancel(session, "plan:1", "Again.", NOW)
        assert not tasks.done(session, 1, member.id, NOW)
        assert tasks.open_about(session, [student.id]) == []


def test_open_tasks_are_those_of_ones_schools_soonest_first(database: Database) -> None:
    student, member, stranger = people(database)
    raised(database, student, "later", due_on=MONDAY, owner_id=member.id)
    raised(database, student, "soon", due_on=FRIDAY)
    raised(database, student, "not mine", due_on=FRIDAY, owner_id=stranger.id)
    with database.begin() as session:
        ours = {student.school_id}
        everything = tasks.open_for(session, ours)
        mine = tasks.open_for(session, ours, member.id)

        assert [task.due_on for task in everything] == [FRIDAY, FRIDAY, MONDAY]
        assert {task.owner_id for task in mine} == {None, member.id}
        assert tasks.open_for(session, {student.school_id + 1}) == []


# --- the page -----------------------------------------------------------------------------------------------


def desk_of(town: Town, member: Staff) -> Browser:
    return Browser(pages(town), town).signed_in_as(member)


def test_the_overdue_tasks_stand_first(town: Town) -> None:
    student, member, _ = people(town.database)
    raised(town.database, student, "a", what="Bring the hotspot", due_on=FRIDAY)
    raised(town.database, student, "b", what="Ask for a later bus", due_on=FRIDAY - timedelta(days=1))
    raised(town.database, student, "c", what="Call the clinic", due_on=MONDAY, owner_id=member.id)

    said = words_of(desk_of(town, member).get("/desk/tasks"))

    assert said.index("Overdue (1)") < said.index("Ask for a later bus") < said.index("Today (1)")
    assert said.index("Bring the hotspot") < said.index("Next (1)") < said.index("Call the clinic")
    assert "Was due yesterday · the school's team" in said
    assert "Due Mon, Oct 25 · you" in said


def test_a_task_is_done_with_one_click_and_a_second_changes_nothing(town: Town) -> None:
    student, member, _ = people(town.database)
    raised(town.database, student)
    desk = desk_of(town, member)

    first = desk.fill("/desk/tasks", "/desk/task/1/done", ended_as="The bus comes at 8")
    second = desk.post("/desk/task/1/done", **desk.hidden_fields("/desk/student/1", "/desk/student/1/task"))

    assert (first.status_code, second.status_code) == (303, 303)
    said = words_of(desk.get("/desk/tasks"))
    assert "Somebody has ended this task before." in said
    assert "Nothing is to do" in said
    with town.database.begin() as session:
        assert session.scalar(select(func.count()).where(AuditLine.act == "task_done")) == 1


def test_a_task_goes_to_a_colleague_of_the_school_only(town: Town) -> None:
    student, member, stranger = people(town.database)
    with town.database.begin() as session:
        school = session.get_one(School, student.school_id)
        colleague = a_staff_member(session, school, name="Mr. Okafor")
    raised(town.database, student)
    desk = desk_of(town, member)

    refused = desk.fill("/desk/tasks", "/desk/task/1/give", owner=str(stranger.id))
    given = desk.fill("/desk/tasks", "/desk/task/1/give", owner=str(colleague.id))

    assert refused.status_code == 422
    assert "must work with the student's school" in words_of(refused)
    assert given.status_code == 303
    with town.database.begin() as session:
        assert session.scalars(select(Task.owner_id)).one() == colleague.id


def test_another_schools_task_is_not_there(town: Town) -> None:
    student, _, stranger = people(town.database)
    raised(town.database, student)
    desk = desk_of(town, stranger)

    assert "Ask for a later bus" not in desk.get("/desk/tasks?show=all").text
    fields = desk.hidden_fields("/desk/stop", "/desk/stop")
    assert desk.post("/desk/task/1/done", **fields).status_code == 404
    assert desk.post("/desk/task/1/give", **fields).status_code == 404
    with town.database.begin() as session:
        assert session.scalars(select(Task.done_at)).one() is None


def test_an_auditor_reads_the_tasks_and_ends_none(town: Town) -> None:
    student, _, _ = people(town.database)
    raised(town.database, student)
    with town.database.begin() as session:
        auditor = a_staff_member(session, session.get_one(School, student.school_id), role=Role.AUDITOR)
    page = desk_of(town, auditor).get("/desk/tasks")

    assert "Ask for a later bus" in page.text
    assert "/done" not in page.text


@pytest.mark.parametrize("words", ["x" * 201, "<script>alert(1)</script>"])
def test_what_is_typed_into_a_task_is_refused_or_shown_as_words(town: Town, words: str) -> None:
    _, member, _ = people(town.database)
    desk = desk_of(town, member)

    answer = desk.fill(
        "/desk/student/1", "/desk/student/1/task", what=words, owner="", due_on=MONDAY.isoformat()
    )

    if len(words) > 200:
        assert answer.status_code == 422
        assert "Shorten it" in answer.text
        assert words in answer.text
    else:
        assert answer.status_code == 303
        assert "&lt;script&gt;alert(1)" in desk.get("/desk/tasks").text
