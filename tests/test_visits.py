"""Home visits: a pair plans, goes, logs and follows up; forward only, once, and nothing lost between two tabs."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot import answering, handoffs, thanks
from bot.advance import Script
from bot.answering import NotPossible
from bot.casework import plausible, story, tasks, visit_log, visits, visits_wanted
from bot.casework.follow_up import NextStep
from bot.casework.plausible import Mark
from bot.casework.visit_log import Made
from bot.casework.visits import Plan
from bot.casework.written import CaseworkRefused, StatusMentioned
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    BarrierFound,
    Conversation,
    Guardian,
    Handoff,
    HandoffState,
    HomeVisit,
    HomeVisitChange,
    LadderStep,
    OutboundText,
    School,
    Staff,
    Student,
    Task,
    VisitState,
)
from bot.understanding import Understanding
from bot.vocabulary import (
    Barrier,
    Outcome,
    Owner,
    PartOfDay,
    Queue,
    Role,
    Step,
    TaskKind,
    Urgency,
    VisitOutcome,
)
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent
from tests.town import Town
from tests.web import Browser, pages, words_of

SATURDAY = date(2021, 10, 23)
MONDAY = date(2021, 10, 25)


@dataclass(frozen=True)
class Household:
    school: School
    maya: Student
    rosa: Guardian
    lead: Staff
    pair: Staff
    stranger: Staff


def a_household(database: Database, **of_rosa: Any) -> Household:
    """Maya and her mother Rosa, two specialists of Maya's school and one of another."""
    with database.begin() as session:
        school, other = a_school(session), a_school(session, "Sand School")
        maya = a_student(session, school)
        return Household(
            school,
            maya,
            a_guardian(session, maya, **{"speaks": "es", "name": "Rosa"} | of_rosa),
            a_staff_member(session, school, name="Ms. Rivera"),
            a_staff_member(session, school, name="Mr. Okafor"),
            a_staff_member(session, other, name="Ms. Sand"),
        )


@pytest.fixture
def home(database: Database) -> Household:
    return a_household(database)


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def a_plan(home: Household, **other: Any) -> Plan:
    wanted = Plan(MONDAY, PartOfDay.AFTERNOON, home.lead.id, home.pair.id, "The library on Main Street")
    return replace(wanted, **other)


def planned(database: Database, home: Household, key: str = "k1", now: datetime = NOW, **other: Any) -> int:
    with database.begin() as session:
        return visits.plan(session, home.maya.id, home.lead.id, a_plan(home, **other), key=key, now=now)


A_STEP = NextStep("Ask for a later bus", None, MONDAY)
MET = Made(
    VisitOutcome.MET_GUARDIAN,
    NOW,
    "Rosa, the mother",
    "Hopes to be a nurse. The bus is early.",
    steps=(A_STEP,),
)


def logged(database: Database, visit_id: int, staff: Staff, made: Made = MET, now: datetime = NOW) -> None:
    with database.begin() as session:
        visit_log.log(session, visit_id, staff.id, made, now=now)


def asked_for(database: Database, home: Household, day: date = FRIDAY, *, number: bool = True) -> int | None:
    """The ladder asks for a visit; returns the line of the desk, which has a call beside it."""
    with database.begin() as session:
        line = None
        if number:
            talk = Conversation(
                phone_id=1,
                guardian_id=home.rosa.id,
                school_id=home.school.id,
                day=day,
                flow="absence_check",
                flow_version="",
                language=home.rosa.language,
                state={"is": "not_started"},
                owner=Owner.NOBODY,
                opened_at=NOW,
                touched_at=NOW,
            )
            session.add(talk)
            session.flush()
            kept: dict[str, Any] = {
                "conversation_id": talk.id,
                "school_id": home.school.id,
                "queue": Queue.ENGAGEMENT,
                "due_at": NOW + timedelta(days=4),
                "now": NOW,
                "beside": True,
            }
            handoffs.open_one(session, urgency=Urgency.P1, why="call_task", **kept)
            line = handoffs.open_one(session, urgency=Urgency.P2, why="home_visit", **kept)
        session.add(
            LadderStep(student_id=home.maya.id, day=day, step=Step.HOME_VISIT, handoff_id=line, at=NOW)
        )
    return line


# --- prepare ------------------------------------------------------------------------------------------------


def test_a_visit_is_made_by_two_people_of_the_school(database: Database, home: Household) -> None:
    for other in (home.lead, home.stranger):
        with pytest.raises(CaseworkRefused), database.begin() as session:
            visits.plan(session, home.maya.id, home.lead.id, a_plan(home, pair_id=other.id), key="k", now=NOW)

    with database.begin() as session:
        assert session.scalar(select(func.count()).select_from(HomeVisit)) == 0


@pytest.mark.parametrize(
    ("day", "possible"),
    [
        (FRIDAY - timedelta(days=1), False),
        (FRIDAY, True),
        (FRIDAY + timedelta(days=90), True),
        (FRIDAY + timedelta(days=91), False),
    ],
)
def test_a_visit_is_planned_from_today_to_ninety_days_ahead(town: Town, day: date, possible: bool) -> None:
    home = a_household(town.database)
    if possible:
        assert planned(town.database, home, day=day)
    else:
        with pytest.raises(CaseworkRefused):
            planned(town.database, home, day=day)


def test_the_same_form_sent_twice_plans_one_visit(database: Database, home: Household) -> None:
    found: list[int] = []
    crowd = [threading.Thread(target=lambda: found.append(planned(database, home))) for _ in range(4)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()

    assert len(found) == 4
    assert len(set(found)) == 1
    with database.begin() as session:
        assert session.scalar(select(func.count()).select_from(HomeVisitChange)) == 1


def test_planning_takes_what_the_ladder_asked_for_and_leaves_the_call(
    database: Database, home: Household
) -> None:
    line = asked_for(database, home)
    planned(database, home)

    with database.begin() as session:
        states = {each.why: (each.state, each.taken_by) for each in session.scalars(select(Handoff))}
    assert line is not None
    assert states == {
        "home_visit": (HandoffState.TAKEN, home.lead.id),
        "call_task": (HandoffState.OPEN, None),
    }


def test_a_change_keeps_what_stood_before(database: Database, home: Household) -> None:
    visit = planned(database, home)
    with database.begin() as session:
        visits.change(session, visit, home.pair.id, a_plan(home, place="The front porch"), seen=1, now=NOW)

    with database.begin() as session:
        last = visits.history(session, visit)[-1]
        assert "The library on Main Street" in last.before
        assert "The front porch" in last.after
        assert last.by == "Mr. Okafor"


def test_a_tab_that_shows_an_old_plan_overwrites_nothing(database: Database, home: Household) -> None:
    visit = planned(database, home)
    with database.begin() as session:
        visits.change(session, visit, home.pair.id, a_plan(home, day=FRIDAY), seen=1, now=NOW)

    with pytest.raises(CaseworkRefused, match="while you were writing"), database.begin() as session:
        visits.change(session, visit, home.lead.id, a_plan(home, place="Elsewhere"), seen=1, now=NOW)
    with database.begin() as session:
        kept = session.get_one(HomeVisit, visit)
        assert (kept.day, kept.place) == (FRIDAY, "The library on Main Street")


# --- visit --------------------------------------------------------------------------------------------------


def test_logging_resolves_what_the_ladder_asked_for_and_leaves_the_call(
    database: Database, home: Household
) -> None:
    asked_for(database, home)
    visit = planned(database, home)
    logged(database, visit, home.pair)

    with database.begin() as session:
        states = {each.why: each.state for each in session.scalars(select(Handoff))}
        resolution = session.scalars(select(Handoff.resolution).where(Handoff.why == "home_visit")).one()
    assert states == {"home_visit": HandoffState.RESOLVED, "call_task": HandoffState.OPEN}
    assert resolution == "Home visit: met the guardian."


def test_a_logged_visit_raises_what_follows_from_it_once(database: Database, home: Household) -> None:
    """Field guide, home visits: thanks within a day, a look at two and four weeks, a second visit."""
    visit = planned(database, home)
    logged(database, visit, home.pair)
    logged(database, visit, home.pair)  # the same form, sent twice

    with database.begin() as session:
        due = {(task.kind, task.due_on): task.owner_id for task in session.scalars(select(Task))}
    assert due == {
        (TaskKind.NEXT_STEP, MONDAY): None,
        (TaskKind.THANK_YOU, SATURDAY): home.lead.id,
        (TaskKind.CHECK_ATTENDANCE, FRIDAY + timedelta(weeks=2)): home.lead.id,
        (TaskKind.CHECK_ATTENDANCE, FRIDAY + timedelta(weeks=4)): home.lead.id,
        (TaskKind.SECOND_VISIT, FRIDAY + timedelta(weeks=4)): home.lead.id,
    }


@pytest.mark.parametrize("outcome", VisitOutcome)
def test_every_outcome_leads_to_something(town: Town, outcome: VisitOutcome) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)
    logged(town.database, visit, home.lead, replace(MET, outcome=outcome, steps=(A_STEP,), safety="A dog"))

    with town.database.begin() as session:
        kinds = set(session.scalars(select(Task.kind)))
    assert kinds - {TaskKind.NEXT_STEP}
    assert (TaskKind.THANK_YOU in kinds) == outcome.value.startswith("met_")


def test_a_colleague_who_logs_it_again_reads_who_has(database: Database, home: Household) -> None:
    visit = planned(database, home)
    logged(database, visit, home.pair)

    with pytest.raises(CaseworkRefused, match=r"Mr\. Okafor has logged this visit already"):
        logged(database, visit, home.lead, replace(MET, heard="Something else"))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (replace(MET, visited_at=NOW + timedelta(minutes=1)), "in the future"),
        (replace(MET, visited_at=NOW - timedelta(days=31)), "more than 30 days ago"),
        (replace(MET, met=" "), "whom you met"),
        (replace(MET, steps=()), "one next step"),
        (replace(MET, steps=(replace(A_STEP, due_on=FRIDAY - timedelta(days=1)),)), "a day that is over"),
        (Made(VisitOutcome.UNSAFE, NOW), "safety note"),
        (replace(MET, heard="x" * 4001), "Shorten it"),
    ],
)
def test_a_log_that_says_too_little_or_the_impossible_is_refused_with_a_sentence(
    town: Town, made: Made, sentence: str
) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)

    with pytest.raises(CaseworkRefused, match=sentence):
        logged(town.database, visit, home.lead, made)
    with town.database.begin() as session:
        assert session.get_one(HomeVisit, visit).state is VisitState.PLANNED
        assert session.scalar(select(func.count()).select_from(Task)) == 0


def test_words_about_immigration_status_are_asked_about(town: Town) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)
    made = replace(MET, heard="She likes to cook green cards of lettuce")

    with pytest.raises(StatusMentioned):
        logged(town.database, visit, home.lead, made)
    logged(town.database, visit, home.lead, replace(made, status_asked=True))


def test_what_was_told_at_the_door_is_a_barrier_of_no_talk(database: Database, home: Household) -> None:
    visit = planned(database, home)
    logged(
        database, visit, home.lead, replace(MET, barriers=(Barrier.TRANSPORTATION, Barrier.TRANSPORTATION))
    )

    with database.begin() as session:
        found = session.scalars(select(BarrierFound)).one()
        assert (found.code, found.visit_id, found.conversation_id) == (Barrier.TRANSPORTATION, visit, None)
        assert [each.code for each in story.barriers(session, home.maya.id)] == [Barrier.TRANSPORTATION]


def test_only_who_knows_where_the_student_is_explains_the_absence(
    database: Database, home: Household
) -> None:
    with database.begin() as session:
        absent(session, home.maya)
        session.add(
            Absence(
                student_id=home.maya.id,
                day=FRIDAY,
                school_id=home.school.id,
                outcome=Outcome.ATTEMPTED,
                changed_at=NOW,
            )
        )
    logged(database, planned(database, home, "one"), home.lead)
    with database.begin() as session:
        assert session.scalars(select(Absence.outcome)).one() is Outcome.ATTEMPTED

    logged(database, planned(database, home, "two"), home.lead, replace(MET, known=True))
    with database.begin() as session:
        assert session.scalars(select(Absence.outcome)).one() is Outcome.EXPLAINED


acts = st.lists(st.sampled_from(["change", "cancel", "log", "thank"]), max_size=6)


@pytest.fixture(scope="module")
def one_home(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: bytes
) -> Iterator[tuple[Database, Household]]:
    from bot.store.session import connect

    path = tmp_path_factory.mktemp("visits") / "presente.db"
    path.write_bytes(sqlite_template)
    database = Database(connect(f"sqlite:///{path}"))
    yield database, a_household(database)
    database.close()


@given(acts=acts)
@settings(max_examples=40)
def test_whatever_is_done_in_whatever_order_a_visit_only_goes_forward(
    one_home: tuple[Database, Household], acts: list[str]
) -> None:
    database, home = one_home
    order = [VisitState.PLANNED, VisitState.CANCELLED, VisitState.DONE]
    with database.begin(undo=True) as session:
        visit = visits.plan(session, home.maya.id, home.lead.id, a_plan(home), key="k", now=NOW)
        states = [VisitState.PLANNED]
        for n, act in enumerate(acts):
            try:
                if act == "change":
                    seen = len(visits.history(session, visit))
                    visits.change(
                        session, visit, home.lead.id, a_plan(home, place=f"Place {n}"), seen=seen, now=NOW
                    )
                elif act == "cancel":
                    visits.cancel(session, visit, home.lead.id, "They moved", now=NOW)
                elif act == "log":
                    visit_log.log(session, visit, home.lead.id, MET, now=NOW)
                else:
                    visits.thanked(session, visit, home.lead.id, "By telephone", now=NOW)
            except CaseworkRefused:
                pass
            states.append(session.get_one(HomeVisit, visit).state)

        ended = [state for state in states if state is not VisitState.PLANNED]
        assert len(set(ended)) <= 1
        assert states == sorted(states, key=order.index)
        assert sum(step.act == "visit_logged" for step in visits.history(session, visit)) <= 1
        assert len({task.id for task in tasks.open_about(session, [home.maya.id])}) <= 5


# --- what a supervisor may ask about ------------------------------------------------------------------------


def the_marks(database: Database) -> dict[int, tuple[Mark, ...]]:
    with database.begin() as session:
        return plausible.marks(session, session.scalars(select(HomeVisit)).all())


def made_at(database: Database, home: Household, n: int, at: datetime, heard: str = "") -> int:
    visit = planned(database, home, f"m{n}", now=NOW - timedelta(days=1), day=FRIDAY)
    logged(
        database,
        visit,
        home.lead,
        Made(VisitOutcome.CARD_LEFT, at, heard=heard or f"Visit number {n}, nobody opened the door"),
        now=max(at, NOW),
    )
    return visit


@pytest.mark.parametrize(("visits_made", "marked"), [(3, 0), (4, 4)])
def test_more_visits_in_an_hour_than_can_be_driven_are_marked(
    town: Town, visits_made: int, marked: int
) -> None:
    home = a_household(town.database)
    for n in range(visits_made):
        made_at(town.database, home, n, NOW - timedelta(minutes=59) + timedelta(minutes=14 * n))

    found = the_marks(town.database)
    assert sum(Mark.MORE_THAN_CAN_BE_DRIVEN in marks for marks in found.values()) == marked


def test_four_visits_in_more_than_an_hour_are_no_mark(town: Town) -> None:
    home = a_household(town.database)
    for n in range(4):
        made_at(town.database, home, n, NOW - timedelta(minutes=60) + timedelta(minutes=20 * n))

    assert the_marks(town.database) == {}


def test_a_visit_on_a_day_without_school_is_marked(town: Town) -> None:
    home = a_household(town.database)
    on_friday = made_at(town.database, home, 1, NOW - timedelta(hours=3))
    on_saturday = made_at(town.database, home, 2, NOW + timedelta(days=1))

    assert the_marks(town.database) == {on_saturday: (Mark.NO_SCHOOL_DAY,)}
    assert on_friday


def test_the_same_note_twice_is_marked_and_a_short_one_is_not(town: Town) -> None:
    home = a_household(town.database)
    note = "Talked about the bus and the mornings."
    for n, heard in enumerate((note, f"  {note.upper()} ", "No answer", "No answer")):
        made_at(town.database, home, n, NOW - timedelta(hours=3 * (n + 1)), heard)

    found = the_marks(town.database)
    assert [Mark.SAME_WORDS in found.get(visit, ()) for visit in (1, 2, 3, 4)] == [True, True, False, False]


def test_a_visit_made_before_it_was_planned_here_is_marked(town: Town) -> None:
    home = a_household(town.database)
    logged(
        town.database,
        planned(town.database, home, day=FRIDAY),
        home.lead,
        replace(MET, visited_at=NOW - timedelta(hours=2)),
    )

    assert the_marks(town.database) == {1: (Mark.BEFORE_IT_WAS_PLANNED,)}


# --- the thank-you ------------------------------------------------------------------------------------------


def thank(town: Town, home: Household, visit: int, by: Staff | None = None) -> bool:
    with town.database.begin() as session:
        return thanks.send(session, visit, (by or home.lead).id, script=town.script, now=town.now)


def test_the_thank_you_leaves_once_in_the_familys_language(town: Town) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)
    logged(town.database, visit, home.lead)

    assert thank(town, home, visit)
    assert not thank(town, home, visit)
    town.work()

    (text,) = town.provider.book
    assert text.body.startswith("Gracias por su tiempo con nosotros. Nos ayuda a apoyar a Maya.")
    assert text.body.endswith("Ms. Rivera, Burns School")
    with town.database.begin() as session:
        kept = session.scalars(select(OutboundText)).one()
        assert kept.english.startswith("Thank you for your time with us.")
        assert session.scalars(select(Conversation.owner)).one() is Owner.NOBODY
        assert (
            session.scalars(select(Task.done_by).where(Task.kind == TaskKind.THANK_YOU)).one() == home.lead.id
        )


def test_a_courtesy_does_not_keep_tomorrows_question_from_the_family(town: Town) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)
    logged(town.database, visit, home.lead)
    thank(town, home, visit)
    town.work()
    town.now = NOW + timedelta(days=3)
    with town.database.begin() as session:
        absent(session, home.maya, day=MONDAY)

    town.morning(MONDAY)

    assert len(town.provider.book) == 2


def test_a_family_that_wants_no_texts_is_thanked_by_telephone(town: Town) -> None:
    home = a_household(town.database, opted_out=True)
    visit = planned(town.database, home)
    logged(town.database, visit, home.lead)

    with pytest.raises(NotPossible, match="Thank them by telephone"):
        thank(town, home, visit)
    with town.database.begin() as session:
        assert session.scalars(select(OutboundText)).all() == []
        assert visits.thanked(session, visit, home.lead.id, "By telephone", now=NOW)


def test_a_talk_that_a_colleague_has_is_left_to_them(town: Town) -> None:
    home = a_household(town.database)
    with town.database.begin() as session:
        absent(session, home.maya)
    town.morning()
    with town.database.begin() as session:
        answering.take(session, 1, home.pair.id, script=town.script, now=town.now)
    visit = planned(town.database, home)
    logged(town.database, visit, home.lead)

    with pytest.raises(NotPossible, match=r"Mr\. Okafor is talking with this family"):
        thank(town, home, visit)


def test_thanking_in_a_talk_the_program_waits_in_takes_it(town: Town) -> None:
    """Promise 3: two never speak in one conversation."""
    home = a_household(town.database)
    with town.database.begin() as session:
        absent(session, home.maya)
    town.morning()
    visit = planned(town.database, home)
    logged(town.database, visit, home.lead)

    assert thank(town, home, visit)
    with town.database.begin() as session:
        talk = session.get_one(Conversation, 1)
        assert (talk.owner, talk.staff_id) == (Owner.STAFF, home.lead.id)


# --- the lists ----------------------------------------------------------------------------------------------


def desk_of(town: Town, member: Staff) -> Browser:
    return Browser(pages(town), town).signed_in_as(member)


def test_a_family_waits_for_a_plan_until_there_is_one(database: Database, home: Household) -> None:
    asked_for(database, home)
    ours = {home.school.id}

    def waiting(schools: set[int]) -> list[str]:
        with database.begin() as session:
            return [
                name for each in visits_wanted.waiting(session, schools, NOW) for _, name in each.students
            ]

    assert waiting(ours) == ["Maya Rivera"]
    assert waiting({home.school.id + 1}) == []
    visit = planned(database, home)
    assert waiting(ours) == []
    with database.begin() as session:
        visits.cancel(session, visit, home.lead.id, "They asked for next week", now=NOW)
    assert waiting(ours) == ["Maya Rivera"]


def test_a_student_whom_nobody_can_call_is_shown_until_somebody_was_there(
    database: Database, home: Household
) -> None:
    with database.begin() as session:
        session.add(LadderStep(student_id=home.maya.id, day=FRIDAY, step=Step.CALL_TASK, at=NOW))

    def shown() -> list[str]:
        with database.begin() as session:
            found = visits_wanted.nobody_can_be_called(session, {home.school.id}, NOW)
            return [name for each in found for _, name in each.students]

    assert shown() == ["Maya Rivera"]
    visit = planned(database, home)
    assert shown() == []
    logged(database, visit, home.lead)
    assert shown() == []


def test_the_page_says_who_waits_what_is_planned_and_whom_nobody_can_call(town: Town) -> None:
    home = a_household(town.database, has_phone=False)
    with town.database.begin() as session:
        noah = a_student(session, session.get_one(School, home.school.id), "Noah", "Okoye")
        session.add(LadderStep(student_id=noah.id, day=FRIDAY, step=Step.CALL_TASK, at=NOW))
    asked_for(town.database, home, number=False)
    desk = desk_of(town, home.lead)

    before = words_of(desk.get("/desk/visits"))
    assert "Nobody can be called: visit, or mend the number (1) Noah Okoye" in before
    assert "Waiting for a plan (1) Maya Rivera" in before
    assert "no number on file" in before

    form = f"/desk/student/{home.maya.id}/visit"
    answer = desk.fill(
        form,
        form,
        day=MONDAY.isoformat(),
        part="afternoon",
        lead=str(home.lead.id),
        pair=str(home.pair.id),
        place="The library",
    )
    assert answer.status_code == 303
    after = words_of(desk.get("/desk/visits?who=mine"))
    assert "Monday, October 25, 2021 Maya Rivera Burns School · afternoon" in after
    assert "Ms. Rivera and Mr. Okafor · Rosa Rivera (Spanish) · The library" in after
    assert "Maya Rivera" not in words_of(desk_of(town, home.stranger).get("/desk/visits"))


def test_a_form_that_is_refused_keeps_every_word(town: Town) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)
    desk = desk_of(town, home.lead)

    answer = desk.fill(
        f"/desk/visit/{visit}",
        f"/desk/visit/{visit}/log",
        visited_on=FRIDAY.isoformat(),
        visited_at="09:15",
        outcome="met_guardian",
        met="Rosa & her <sister>",
        heard="The bus comes too early",
        barrier="transportation",
        what1="Ask for a later bus",
    )

    assert answer.status_code == 422
    assert "“Ask for a later bus” has no day" in words_of(answer)
    for kept in (
        'value="Rosa &amp; her &lt;sister&gt;"',
        ">The bus comes too early</textarea>",
        'value="09:15"',
        'value="transportation" checked',
        '<option value="met_guardian" selected>',
    ):
        assert kept in answer.text


def test_a_visit_is_played_from_plan_to_thanks_at_the_desk(town: Town) -> None:
    home = a_household(town.database)
    visit = f"/desk/visit/{planned(town.database, home)}"
    desk = desk_of(town, home.lead)
    assert "Speaks: Rosa Rivera (Mother) Spanish" in words_of(desk.get(visit))

    town.now += timedelta(hours=3)
    answer = desk.fill(
        visit,
        f"{visit}/log",
        visited_on=FRIDAY.isoformat(),
        visited_at="10:15",
        outcome="met_guardian",
        met="Rosa",
        heard="The bus comes too early",
        what1="Ask for a later bus",
        due1=MONDAY.isoformat(),
    )
    assert answer.status_code == 303
    shown = words_of(desk.get(visit))
    assert "Gracias por su tiempo con nosotros" in shown
    assert "Look at attendance 2 weeks after the visit Due Fri, Nov 5" in shown
    assert desk.fill(visit, f"{visit}/thank").status_code == 303
    assert "The family was thanked 12:30 PM." in words_of(desk.get(visit))


def test_marks_are_shown_to_supervisors_only(town: Town) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home, day=FRIDAY)
    logged(town.database, visit, home.lead, replace(MET, visited_at=NOW - timedelta(hours=2)))
    with town.database.begin() as session:
        leader = a_staff_member(
            session, session.get_one(School, home.school.id), name="Dr. Lead", role=Role.SUPERVISOR
        )

    for address in ("/desk/visits", f"/desk/visit/{visit}"):
        assert "Made before it was planned here" in desk_of(town, leader).get(address).text
        assert "Made before it was planned here" not in desk_of(town, home.lead).get(address).text


@pytest.mark.parametrize("act", ["", "/change", "/cancel", "/log", "/thank", "/thanked"])
def test_another_schools_visit_is_not_there(town: Town, act: str) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)
    desk = desk_of(town, home.stranger)
    fields = desk.hidden_fields("/desk/stop", "/desk/stop")

    if act:
        assert desk.post(f"/desk/visit/{visit}{act}", **fields).status_code == 404
    else:
        assert desk.get(f"/desk/visit/{visit}").status_code == 404
    assert desk.get(f"/desk/student/{home.maya.id}/visit").status_code == 404
    assert "Maya" not in desk.get(f"/desk/visits/list?date={MONDAY}").text


def test_an_auditor_reads_a_visit_and_changes_none(town: Town) -> None:
    home = a_household(town.database)
    visit = planned(town.database, home)
    with town.database.begin() as session:
        auditor = a_staff_member(session, session.get_one(School, home.school.id), role=Role.AUDITOR)
    desk = desk_of(town, auditor)

    page = desk.get(f"/desk/visit/{visit}")
    assert page.status_code == 200
    assert f"/desk/visit/{visit}/log" not in page.text
    assert desk.get(f"/desk/student/{home.maya.id}/visit").status_code == 403


def test_the_list_of_an_afternoon_holds_what_the_visitors_need_and_no_more(town: Town) -> None:
    home = a_household(town.database)
    planned(town.database, home, safety="Dog in the yard", bring="Bus schedule")
    page = words_of(desk_of(town, home.lead).get(f"/desk/visits/list?date={MONDAY}"))

    for needed in (
        "Visits of Monday, October 25, 2021",
        "Maya Rivera",
        "Rosa Rivera Spanish",
        "The library on Main Street",
        "Dog in the yard Bus schedule",
        "No answer, card left",
    ):
        assert needed in page
    assert not re.search(r"\b05\b|\b6\d{5}\b|absent|55501", page)
