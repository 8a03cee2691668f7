"""A student's plan: versions that stay, steps that are tasks, and the tier the days missed speak for."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from bot.advance import Script
from bot.casework import plans, tasks
from bot.casework.plans import NextStep
from bot.casework.written import CaseworkRefused, StatusMentioned
from bot.store.session import Database
from bot.store.tables import Plan
from bot.understanding import Understanding
from tests.builders import FRIDAY, NOW, absent
from tests.cases import Cast, a_cast
from tests.town import Town
from tests.web import Browser, pages, words_of

MONDAY = FRIDAY + timedelta(days=3)


def made(
    session: Session, cast: Cast, *steps: NextStep, key: str = "p1", seen: int = 0, **more: object
) -> int:
    values: dict[str, object] = {"tier": 2, "hopes": "Wants to be a nurse", "mornings": "", "review_on": None}
    return plans.make(
        session, cast.maya.id, cast.rivera.id,
        steps=steps or (NextStep("Call about the bus", cast.okafor.id, MONDAY),),
        form_key=key, seen=seen, today=FRIDAY, now=NOW, **{**values, **more},  # type: ignore[arg-type]
    )  # fmt: skip


def open_tasks(session: Session, cast: Cast) -> list[tuple[str, str, date]]:
    return [(task.what, task.owner, task.due_on) for task in tasks.open_for(session, [cast.school.id])]


def test_each_step_and_the_review_become_tasks_of_their_owners(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        made(session, cast, review_on=MONDAY + timedelta(days=14))

        assert open_tasks(session, cast) == [
            ("Call about the bus", "Mr. Okafor", MONDAY),
            (
                "Look at the plan together: what has helped, and what comes next.",
                "Ms. Rivera",
                MONDAY + timedelta(days=14),
            ),
        ]


def test_a_new_plan_keeps_the_task_of_a_step_that_stands_and_ends_the_others(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        bus, shoes = (
            NextStep("Call about the bus", cast.okafor.id, MONDAY),
            NextStep("Shoes", cast.rivera.id, MONDAY),
        )
        first = made(session, cast, bus, shoes)
        second = made(session, cast, bus, key="p2", seen=first, tier=3)
        assert open_tasks(session, cast) == [("Call about the bus", "Mr. Okafor", MONDAY)]

        # A step that comes again after it was dropped is asked for again.
        made(session, cast, bus, shoes, key="p3", seen=second)
        assert len(open_tasks(session, cast)) == 2
        assert [version.tier for version in plans.history(session, cast.maya.id)] == [2, 3, 2]


def test_a_task_that_was_done_is_not_asked_for_again_by_the_next_plan(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        bus = NextStep("Call about the bus", cast.okafor.id, MONDAY)
        first = made(session, cast, bus)
        (task,) = tasks.open_for(session, [cast.school.id])
        tasks.done(session, task.id, cast.okafor.id, NOW)

        made(session, cast, bus, key="p2", seen=first, tier=3)

        assert open_tasks(session, cast) == []


def test_versions_cannot_be_changed_even_by_hand(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        made(session, cast)
    with pytest.raises(DatabaseError, match="append only"), database.begin() as session:
        session.scalars(select(Plan)).one().tier = 1


def test_two_who_write_at_once_do_not_lose_each_others_plan(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        made(session, cast, key="hers")
        with pytest.raises(CaseworkRefused, match=r"Ms\. Rivera has written another plan meanwhile"):
            made(session, cast, key="his", seen=0)
        assert made(session, cast, key="hers") == plans.history(session, cast.maya.id)[0].id  # a second click


def test_what_a_plan_must_have_is_said_by_name(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        for wrong, said in (
            ({"tier": 4}, "Choose a tier"),
            ({"steps": ()}, "one to three next steps"),
            ({"steps": (NextStep("x", cast.elsewhere.id, MONDAY),)}, "has no owner at the student's school"),
            ({"steps": (NextStep("x", cast.rivera.id, FRIDAY - timedelta(days=1)),)}, "is over already"),
            ({"review_on": FRIDAY - timedelta(days=1)}, "review is over already"),
        ):
            with pytest.raises(CaseworkRefused, match=said):
                plans.make(
                    session, cast.maya.id, cast.rivera.id, form_key="k", seen=0, today=FRIDAY, now=NOW,
                    **{"tier": 1, "hopes": "", "mornings": "", "review_on": None,
                       "steps": (NextStep("x", cast.rivera.id, FRIDAY),), **wrong},  # type: ignore[arg-type]
                )  # fmt: skip
        with pytest.raises(StatusMentioned):
            made(session, cast, mornings="afraid of ICE at the bus stop")
        assert plans.history(session, cast.maya.id) == []


@pytest.mark.parametrize(("days", "tier"), [(0, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_the_days_missed_speak_for_a_tier(database: Database, days: int, tier: int) -> None:
    """Of 45 school days up to October 22 a tenth is 4.5 and a fifth is 9 (field.md, B)."""
    with database.begin() as session:
        cast = a_cast(session)
        for n in range(days):
            absent(session, cast.maya, day=date(2021, 9, 6) + timedelta(days=7 * (n // 5) + n % 5))

        assert plans.suggested_tier(session, cast.maya.id, FRIDAY) == tier


def test_no_tier_is_spoken_for_in_the_first_weeks(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        absent(session, cast.maya, day=date(2021, 8, 24))

        assert plans.suggested_tier(session, cast.maya.id, date(2021, 8, 27)) is None


# --- the pages ------------------------------------------------------------------------------------------------


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def cast(town: Town) -> Cast:
    with town.database.begin() as session:
        return a_cast(session)


def desk(town: Town, member: object) -> Browser:
    return Browser(pages(town), town).signed_in_as(member)  # type: ignore[arg-type]


def test_a_plan_is_made_changed_and_shown_on_the_students_page(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    page = f"/desk/student/{cast.maya.id}/plan"
    step = {"what1": "Call about the bus", "owner1": str(cast.okafor.id), "due1": MONDAY.isoformat()}

    assert browser.fill(page, page, tier="2", hopes="A nurse", mornings="Up late", **step).status_code == 303
    said = words_of(browser.get(f"/desk/student/{cast.maya.id}"))
    assert "Tier 2: early help" in said
    assert "Call about the bus Mr. Okafor, by Mon, Oct 25" in said
    assert browser.fill(page, page, tier="3", hopes="A nurse", **step).status_code == 303

    said = words_of(browser.get(f"/desk/student/{cast.maya.id}"))
    assert "Tier 3: help from several people" in said
    assert "Tiers so far" in said


def test_a_plan_that_is_refused_keeps_what_was_typed(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    page = f"/desk/student/{cast.maya.id}/plan"

    answer = browser.fill(page, page, tier="2", hopes="A <nurse>", what1="Call", owner1=str(cast.rivera.id))

    assert answer.status_code == 422
    assert "“Call” has no day" in words_of(answer)
    assert "A &lt;nurse&gt;</textarea>" in answer.text
    assert 'value="Call"' in answer.text


def test_a_plan_written_meanwhile_is_read_before_it_is_replaced(town: Town, cast: Cast) -> None:
    browser, okafor = desk(town, cast.rivera), desk(town, cast.okafor)
    page = f"/desk/student/{cast.maya.id}/plan"
    step = {"what1": "Call", "owner1": str(cast.okafor.id), "due1": MONDAY.isoformat()}
    stale = browser.hidden_fields(page, page)
    okafor.fill(page, page, tier="1", hopes="his words", **step)

    late = browser.post(page, **stale, tier="3", hopes="her words", **step)

    assert late.status_code == 422
    assert "Mr. Okafor has written another plan meanwhile" in words_of(late)
    assert "his words" in late.text
    assert "her words</textarea>" in late.text


def test_another_schools_student_has_no_plan_here(town: Town, cast: Cast) -> None:
    elsewhere = desk(town, cast.elsewhere)
    token = elsewhere.hidden_fields("/desk/partners", "/sign-out")
    page = f"/desk/student/{cast.maya.id}/plan"

    assert elsewhere.get(page).status_code == 404
    assert elsewhere.post(page, **token, tier="1").status_code == 404
