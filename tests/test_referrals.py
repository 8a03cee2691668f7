"""Referrals and the partner directory: forward only, back after ten school days, nothing sent to anybody."""

import threading
from datetime import date, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from bot.advance import Script
from bot.casework import partner_files, partners, referral_lists, referrals, tasks
from bot.casework.written import CaseworkRefused, StatusMentioned, status_words, written
from bot.store.session import Database
from bot.store.tables import (
    AuditLine,
    BarrierFound,
    CalendarDay,
    OutboundText,
    Referral,
    ReferralOutcome,
    ReferralState,
    ReferralStep,
    Task,
)
from bot.understanding import Understanding
from bot.vocabulary import Barrier, Service
from bot.web.desk import sent
from tests.builders import NOW, a_student
from tests.cases import Cast, a_barrier, a_cast, a_partner
from tests.conftest import ROOT
from tests.town import Town
from tests.web import Browser, pages, words_of

HARTFORD = ZoneInfo("America/New_York")
# Ten school days after Friday, October 22: two weeks later, as every weekday is one.
TENTH = date(2021, 11, 5)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=HARTFORD)


def opened(session: Session, cast: Cast, key: str = "k1", **more: object) -> int:
    values: dict[str, object] = {
        "partner_id": cast.pantry,
        "service": Service.FOOD,
        "agreed": "Rosa said yes",
    }
    return referrals.open_one(
        session,
        cast.maya.id,
        cast.rivera.id,
        form_key=key,
        now=NOW,
        **{**values, **more},  # type: ignore[arg-type]
    )


def state_of(session: Session, referral_id: int) -> ReferralState:
    return session.get_one(Referral, referral_id, populate_existing=True).state


# --- forward only -----------------------------------------------------------------------------------------


def test_a_referral_goes_step_by_step_to_its_end_and_keeps_who_took_each(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        referral = opened(session, cast)
        for state in (
            ReferralState.ACCEPTED,
            ReferralState.SENT,
            ReferralState.RECEIVED,
            ReferralState.CLOSED,
        ):
            assert referrals.step(session, referral, cast.okafor.id, state, note=f"to {state}", now=NOW)

        steps = referral_lists.history(session, referral)

        assert [step.state.value for step in steps] == ["offered", "accepted", "sent", "received", "closed"]
        assert [step.by for step in steps] == ["Ms. Rivera", *["Mr. Okafor"] * 4]
        assert steps[2].note == "to sent"
        assert len(session.scalars(select(AuditLine).where(AuditLine.act == "referral_step")).all()) == 4


@settings(max_examples=25)
@given(wanted=st.lists(st.sampled_from(ReferralState), max_size=12))
def test_no_order_of_clicks_takes_a_referral_back(sqlite: Database, wanted: list[ReferralState]) -> None:
    order = list(ReferralState)
    with sqlite.begin(undo=True) as session:
        cast = a_cast(session)
        referral = opened(session, cast)
        for state in wanted:
            before = state_of(session, referral)
            try:
                referrals.step(session, referral, cast.rivera.id, state, now=NOW)
            except CaseworkRefused:
                assert state_of(session, referral) is before
            after = state_of(session, referral)
            assert after is before or after in referrals.NEXT[before]
            assert order.index(after) >= order.index(before)
        found = session.get_one(Referral, referral)
        outcome_known = found.state not in list(ReferralState)[:3]
        assert (found.outcome is not None) is outcome_known


def test_a_second_click_on_a_step_changes_nothing(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        referral = opened(session, cast)

        assert referrals.step(session, referral, cast.rivera.id, ReferralState.ACCEPTED, now=NOW)
        assert not referrals.step(session, referral, cast.okafor.id, ReferralState.ACCEPTED, now=NOW)

        assert len(referral_lists.history(session, referral)) == 2


def test_the_same_form_opens_one_referral(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)

        assert opened(session, cast, "twice") == opened(session, cast, "twice")
        assert opened(session, cast, "another") != opened(session, cast, "twice")


def test_two_who_choose_different_outcomes_at_once_leave_one(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        referral = opened(session, cast)
    refused: list[str] = []
    start = threading.Barrier(2)

    def close(outcome: ReferralOutcome) -> None:
        start.wait()
        try:
            with database.begin() as session:
                referrals.close(session, referral, cast.rivera.id, outcome, now=NOW)
        except CaseworkRefused as why:
            refused.append(str(why))

    threads = [
        threading.Thread(target=close, args=(outcome,))
        for outcome in (ReferralOutcome.RECEIVED, ReferralOutcome.DECLINED)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1
    assert "another outcome already" in refused[0]
    with database.begin() as session:
        assert [step.state for step in referral_lists.history(session, referral)].count(
            ReferralState.CLOSED
        ) == 1


def test_history_cannot_be_changed_even_by_hand(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        opened(session, cast)
    with pytest.raises(DatabaseError, match="append only"), database.begin() as session:
        session.execute(select(ReferralStep)).scalars().one().note = "never happened"


def test_closing_with_help_received_resolves_the_barrier_it_answers(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        food, ride = a_barrier(session, cast.maya), a_barrier(session, cast.maya, Barrier.TRANSPORTATION)
        referral = opened(session, cast, barrier_id=food)

        referrals.close(
            session, referral, cast.rivera.id, ReferralOutcome.RECEIVED, barrier_removed=True, now=NOW
        )

        assert session.get_one(BarrierFound, food).resolved_at == NOW
        assert session.get_one(BarrierFound, ride).resolved_at is None


def test_a_barrier_of_another_student_is_never_answered(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        omar = a_barrier(session, a_student(session, cast.school, "Omar"))
        referral = opened(session, cast, barrier_id=omar)

        assert session.get_one(Referral, referral).barrier_id is None


def test_whoever_follows_it_up_works_at_the_school_and_the_family_agreed_to_something(
    database: Database,
) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        with pytest.raises(CaseworkRefused, match="must work at the student's school"):
            opened(session, cast, owner_id=cast.elsewhere.id)
        with pytest.raises(CaseworkRefused, match="What the family agreed to is empty"):
            opened(session, cast, agreed="  ")
        with pytest.raises(StatusMentioned, match="green card"):
            opened(session, cast, agreed="Rosa agreed; she waits for her green card")
        assert session.scalars(select(Referral)).all() == []


# --- it comes back ------------------------------------------------------------------------------------------


def test_without_an_outcome_it_comes_back_on_the_tenth_school_day_and_not_before(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        referral = opened(session, cast, accepted=True)

        assert referrals.bring_back(session, noon(TENTH - timedelta(days=1))) == 0
        assert not referral_lists.one(
            session, referral, [cast.school.id], noon(TENTH - timedelta(days=1))
        ).overdue  # type: ignore[union-attr]
        assert referrals.bring_back(session, noon(TENTH)) == 1
        assert referrals.bring_back(session, noon(TENTH)) == 0

        (task,) = tasks.open_for(session, [cast.school.id])
        assert (task.owner, task.student_id) == ("Ms. Rivera", cast.maya.id)
        assert "Burns Food Pantry" in task.what
        line = referral_lists.one(session, referral, [cast.school.id], noon(TENTH))
        assert line
        assert line.overdue
        assert referral_lists.history(session, referral)[-1].by == ""


def test_days_without_school_do_not_count(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        for day in (date(2021, 10, 25), date(2021, 11, 2)):
            session.get_one(CalendarDay, (cast.school.id, day)).instructional = False
        session.flush()

        referral = opened(session, cast)

        assert session.get_one(Referral, referral).due_on == date(2021, 11, 9)


def test_where_the_calendar_ends_it_comes_back_after_two_weeks(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        june = datetime(2022, 1, 7, 15, tzinfo=HARTFORD)
        referral = referrals.open_one(
            session, cast.maya.id, cast.rivera.id, partner_id=cast.pantry, service=Service.FOOD,
            agreed="yes", form_key="late", now=june,
        )  # fmt: skip

        assert session.get_one(Referral, referral).due_on == date(2022, 1, 21)


def test_a_second_time_it_comes_to_the_supervisor(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        opened(session, cast)
        referrals.bring_back(session, noon(TENTH))

        assert referrals.bring_back(session, noon(date(2021, 11, 18))) == 0
        assert referrals.bring_back(session, noon(date(2021, 11, 19))) == 1

        assert [task.owner for task in tasks.open_for(session, [cast.school.id])] == [
            "Ms. Rivera",
            "Dr. Lead",
        ]


def test_what_an_owner_who_left_would_have_followed_comes_to_the_supervisor_at_once(
    database: Database,
) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        opened(session, cast)
        cast.rivera.active = False
        session.merge(cast.rivera)
        session.flush()

        referrals.bring_back(session, noon(TENTH))

        assert [task.owner for task in tasks.open_for(session, [cast.school.id])] == ["Dr. Lead"]


def test_an_outcome_ends_the_task_and_nothing_comes_back_again(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        referral = opened(session, cast)
        referrals.bring_back(session, noon(TENTH))

        referrals.close(session, referral, cast.rivera.id, ReferralOutcome.NOT_RECEIVED, now=noon(TENTH))

        assert tasks.open_for(session, [cast.school.id]) == []
        assert referrals.bring_back(session, noon(date(2021, 12, 20))) == 0
        assert session.scalars(select(Task)).one().cancelled_at is not None


def test_two_schedulers_bring_it_back_once(database: Database) -> None:
    with database.begin() as session:
        opened(session, a_cast(session))
    brought: list[int] = []
    start = threading.Barrier(2)

    def bring() -> None:
        start.wait()
        with database.begin() as session:
            brought.append(referrals.bring_back(session, noon(TENTH)))

    threads = [threading.Thread(target=bring) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(brought) == 1
    with database.begin() as session:
        assert len(session.scalars(select(Task)).all()) == 1


# --- immigration status ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "The family is undocumented",
        "she waits for her Green Card",
        "afraid of ICE",
        "su papá es indocumentado",
        "están sin papeles",
        "le niegan la ciudadanía",
    ],
)
def test_words_about_status_are_asked_about(words: str) -> None:
    assert status_words(words)


@pytest.mark.parametrize(
    "words",
    ["ice on the road", "a nice visit", "documents for the school", "she visited", "papeles de la escuela"],
)
def test_other_words_are_not(words: str) -> None:
    assert status_words(words) == ()


def test_whoever_says_that_it_is_something_else_is_believed_and_nothing_is_redacted() -> None:
    assert written("Paid with a Visa card", "The note", status_asked=True) == "Paid with a Visa card"


# --- partners -------------------------------------------------------------------------------------------------


def test_the_directory_is_found_by_service_and_by_words(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        partners.keep(session, a_partner("Night Shelter", Service.HOUSING), staff_id=cast.office.id, now=NOW)

        assert [each.name for each in partners.directory(session, service=Service.HOUSING)] == [
            "Night Shelter"
        ]
        assert [each.name for each in partners.directory(session, find="FOOD")] == ["Burns Food Pantry"]
        assert partners.directory(session, find="100%") == []


def test_the_same_name_twice_is_refused_in_any_case(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        with pytest.raises(CaseworkRefused, match="in the directory already"):
            partners.keep(session, a_partner("burns food PANTRY"), staff_id=cast.office.id, now=NOW)


def test_a_file_read_back_is_the_directory_it_was_written_from(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        odd = a_partner("=SUM(A1)", Service.OTHER, Service.SAFETY)
        partners.keep(session, odd, staff_id=cast.office.id, now=NOW)
        before = partners.directory(session)
        file = partner_files.as_file(session)
        lines = session.query(AuditLine).count()

        done = partner_files.read(session, file, staff_id=cast.office.id, now=NOW)

        assert (done.kept, done.refused) == (2, ())
        assert partners.directory(session) == before
        assert session.query(AuditLine).count() == lines  # nothing changed, so nothing is said
        assert not any(line.startswith("=") for line in file.decode().splitlines())


def test_rows_that_cannot_be_kept_are_named_and_the_others_kept(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        file = "Name,Services,Phone\nClinic,health; mental health,+1 860 555 0101\nNobody,,\nOdd,flying,\n"

        done = partner_files.read(session, file.encode("utf-8-sig"), staff_id=cast.office.id, now=NOW)

        assert done.kept == 1
        assert [each.split(":")[0] for each in done.refused] == ["line 3", "line 4"]
        (clinic,) = partners.directory(session, service=Service.MENTAL_HEALTH)
        assert clinic.phone == "+1 860 555 0101"


def test_every_row_of_the_sample_directory_is_kept(sqlite: Database) -> None:
    content = (ROOT / "sample" / "grandbend" / "partners.csv").read_bytes()
    with sqlite.begin() as session:
        cast = a_cast(session)

        assert partner_files.read(session, content, staff_id=cast.office.id, now=NOW).refused == ()
        assert partners.directory(session, find="2-1-1")[0].phone == "2-1-1"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b'"unclosed'])
def test_what_is_no_directory_is_a_sentence(sqlite: Database, content: bytes) -> None:
    with sqlite.begin() as session:
        cast = a_cast(session)
        with pytest.raises(CaseworkRefused, match=r"name and services|no CSV"):
            partner_files.read(session, content, staff_id=cast.office.id, now=NOW)


# --- the pages --------------------------------------------------------------------------------------------------


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def cast(town: Town) -> Cast:
    with town.database.begin() as session:
        return a_cast(session)


def desk(town: Town, member: object) -> Browser:
    return Browser(pages(town), town).signed_in_as(member)  # type: ignore[arg-type]


def test_a_referral_is_opened_moved_and_closed_at_the_desk_and_nothing_is_sent(
    town: Town, cast: Cast
) -> None:
    browser = desk(town, cast.rivera)
    with town.database.begin() as session:
        barrier = a_barrier(session, cast.maya)
    new = f"/desk/student/{cast.maya.id}/referral"
    assert words_of(browser.get(new)).index("Food") > 0

    answer = browser.fill(
        new, new, partner=str(cast.pantry), service="food", agreed="Rosa: the pantry may call",
        barrier=str(barrier), owner=str(cast.rivera.id), wants="yes",
    )  # fmt: skip
    assert answer.status_code == 303
    page = answer.headers["Location"]
    said = words_of(browser.get(page))
    assert "The family wants it" in said
    assert "860 555 0155" in said
    assert "This program sends a partner nothing" in said

    assert browser.fill(page, f"{page}/step", state="sent", note="called Ms. Hall").status_code == 303
    assert "called Ms. Hall" in words_of(browser.get(page))
    closed = browser.fill(page, f"{page}/close", outcome="received", barrier_removed="yes")
    assert closed.status_code == 303
    assert "Closed: the help began" in words_of(browser.get(page))
    with town.database.begin() as session:
        assert session.get_one(BarrierFound, barrier).resolved_at is not None
        assert session.scalars(select(OutboundText)).all() == []


def test_a_form_that_is_refused_keeps_everything_that_was_typed(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    new = f"/desk/student/{cast.maya.id}/referral"

    answer = browser.fill(
        new, new, partner=str(cast.pantry), service="food", agreed="she has no visa <b>", wants="no", note="x"
    )

    assert answer.status_code == 422
    assert "“visa”" in words_of(answer)
    assert "she has no visa &lt;b&gt;</textarea>" in answer.text
    assert 'name="status_asked"' in answer.text
    again = browser.fill(
        new,
        new,
        partner=str(cast.pantry),
        service="food",
        agreed="a visa card",
        wants="no",
        status_asked="yes",
    )
    assert again.status_code == 303


def test_two_tabs_read_a_sentence_and_lose_nothing(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    with town.database.begin() as session:
        referral = opened(session, cast)
    page = f"/desk/referral/{referral}"
    fields = browser.hidden_fields(page, f"{page}/step")
    browser.post(f"{page}/step", **{**fields, "state": "declined"}, note="")

    late = browser.post(f"{page}/step", **{**fields, "state": "accepted"}, note="they called back")

    assert late.status_code == 409
    assert "moved this referral on meanwhile" in words_of(late)
    assert "they called back</textarea>" in late.text
    browser.fill(page, f"{page}/close", outcome="declined")
    later = browser.post(f"{page}/step", **{**fields, "state": "sent"}, note="they called back")
    assert "What you wrote they called back" in words_of(later)


def test_the_sheet_holds_a_first_name_and_the_school_and_nothing_else_about_the_child(
    town: Town, cast: Cast
) -> None:
    browser = desk(town, cast.rivera)
    with town.database.begin() as session:
        referral = opened(session, cast, note="father is away", agreed="Rosa said yes")

    said = words_of(browser.get(f"/desk/referral/{referral}/sheet"))

    assert "Maya" in said
    assert "Burns School" in said
    for private in ("Maya Rivera", "father is away", "Rosa said yes", cast.maya.number, "grade"):
        assert private not in said, private


def test_the_list_shows_the_overdue_first_and_only_my_schools(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    with town.database.begin() as session:
        late = opened(session, cast)
        zoe = a_student(session, cast.school, "Zoe")
        fresh = referrals.open_one(
            session, zoe.id, cast.okafor.id, partner_id=cast.pantry, service=Service.CLOTHING,
            agreed="yes", form_key="zoe", now=noon(date(2021, 11, 3)),
        )  # fmt: skip
    town.now = noon(TENTH)
    browser.signed_in_as(cast.rivera)

    page = browser.get("/desk/referrals")
    said = words_of(page)

    assert "2 wait for an outcome, 1 is overdue" in said
    assert page.text.index(f"/desk/referral/{late}") < page.text.index(f"/desk/referral/{fresh}")
    assert "Zoe" not in words_of(browser.get("/desk/referrals?show=mine"))
    elsewhere = desk(town, cast.elsewhere)
    assert "Maya" not in elsewhere.get("/desk/referrals").text
    for address in (
        f"/desk/referral/{late}",
        f"/desk/referral/{late}/sheet",
        f"/desk/student/{cast.maya.id}/referral",
    ):
        assert elsewhere.get(address).status_code == 404, address
    token = elsewhere.hidden_fields("/desk/partners", "/sign-out")
    assert elsewhere.post(f"/desk/referral/{late}/close", **token, outcome="declined").status_code == 404


def test_an_auditor_reads_and_changes_nothing(town: Town, cast: Cast) -> None:
    with town.database.begin() as session:
        referral = opened(session, cast)
    browser = desk(town, cast.auditor)

    page = browser.get(f"/desk/referral/{referral}")

    assert page.status_code == 200
    assert 'action="/desk/referral' not in page.text
    token = browser.hidden_fields("/desk/partners", "/sign-out")
    assert browser.post(f"/desk/referral/{referral}/step", **token, state="accepted").status_code == 403
    assert browser.get("/desk/partner/new").status_code == 403


def test_a_supervisor_keeps_the_directory_and_a_specialist_reads_it(town: Town, cast: Cast) -> None:
    lead, browser = desk(town, cast.supervisor), desk(town, cast.rivera)

    added = lead.fill("/desk/partner/new", "/desk/partner/new", name="2-1-1", service="other", phone="2-1-1")

    assert added.status_code == 303
    assert "2-1-1" in words_of(browser.get("/desk/partners"))
    assert "Add a partner" not in words_of(browser.get("/desk/partners"))
    page = f"/desk/partner/{cast.pantry}"
    away = lead.fill(page, page, name="Burns Food Pantry", service="food")
    assert away.status_code == 303
    assert "Burns Food Pantry" not in words_of(browser.get("/desk/partners"))
    assert "Burns Food Pantry" in words_of(lead.get("/desk/partners?show=retired"))


def test_a_list_of_partners_comes_in_as_a_file(town: Town, cast: Cast) -> None:
    lead = desk(town, cast.supervisor)
    token = lead.hidden_fields("/desk/partners", "/desk/partners/file")
    file = (BytesIO(b"name,services\nNew Shelter,housing\nBad,\n"), "partners.csv")

    answer = lead.ask(
        "POST", "/desk/partners/file", data={**token, "file": file}, content_type="multipart/form-data"
    )

    assert answer.status_code == 422
    assert "1 partner was kept; 1 rows were not" in words_of(answer)
    assert "line 3: Bad helps with nothing yet" in words_of(answer)
    assert lead.get("/desk/partners.csv").text.startswith("\ufeffname,services")


def test_the_way_back_leads_only_to_our_own_pages() -> None:
    for address in (
        "https://elsewhere.example/desk/family/1",
        "//x/desk/family/1",
        "/desk/family/1/../../x",
        "/x",
    ):
        assert not sent._BACK.fullmatch(address)
    assert sent._BACK.fullmatch("/desk/family/12")
