"""Devices and hotspots: one holder at a time, whoever clicks when, and every hand they went through."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.advance import Script
from bot.casework import device_lists, devices
from bot.casework.written import CaseworkRefused
from bot.store.session import Database
from bot.store.tables import AuditLine, BarrierFound, Device, DeviceKind, DeviceLoan, DeviceState
from bot.understanding import Understanding
from bot.vocabulary import Barrier
from tests.builders import NOW, a_student
from tests.cases import Cast, a_barrier, a_cast
from tests.town import Town
from tests.web import Browser, pages, words_of


def a_device(session: Session, cast: Cast, tag: str = "hs-01", school_id: int | None = None) -> int:
    return devices.add(
        session, cast.supervisor.id, kind=DeviceKind.HOTSPOT, tag=tag, school_id=school_id, note="", now=NOW
    )


def test_a_device_goes_out_comes_back_and_every_hand_is_kept(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        device = a_device(session, cast)

        assert devices.issue(session, device, cast.maya.id, cast.rivera.id, note="with charger", now=NOW)
        (loan,) = device_lists.lent_to(session, cast.maya.id, [cast.school.id])
        assert devices.take_back(
            session, loan.id, cast.okafor.id, condition=DeviceState.BROKEN, note="screen", now=NOW
        )

        (loan,) = device_lists.history(session, device, [cast.school.id])
        assert (loan.student, loan.issued_by, loan.returned_to) == ("Maya Rivera", "Ms. Rivera", "Mr. Okafor")
        assert session.get_one(Device, device).state is DeviceState.BROKEN
        with pytest.raises(CaseworkRefused, match="cannot be issued"):
            devices.issue(session, device, cast.maya.id, cast.rivera.id, now=NOW)
        assert devices.change(
            session, device, cast.supervisor.id, state=DeviceState.IN_STOCK, note="mended", now=NOW
        )
        acts = session.scalars(select(AuditLine.act).where(AuditLine.act.startswith("device"))).all()
        assert sorted(acts) == ["device_added", "device_changed", "device_issued", "device_returned"]


def test_two_who_issue_one_device_at_once_leave_one_holder(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        zoe = a_student(session, cast.school, "Zoe")
        device = a_device(session, cast)
    refused: list[str] = []
    start = threading.Barrier(2)

    def give(student_id: int) -> None:
        start.wait()
        try:
            with database.begin() as session:
                devices.issue(session, device, student_id, cast.rivera.id, now=NOW)
        except CaseworkRefused as why:
            refused.append(str(why))

    threads = [threading.Thread(target=give, args=(each.id,)) for each in (cast.maya, zoe)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1
    assert "issued HS-01 to another student meanwhile" in refused[0]
    with database.begin() as session:
        assert session.scalar(select(func.count()).select_from(DeviceLoan)) == 1


def test_the_database_itself_knows_one_holder(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        device = a_device(session, cast)
        devices.issue(session, device, cast.maya.id, cast.rivera.id, now=NOW)
    with pytest.raises(IntegrityError), database.begin() as session:
        session.add(
            DeviceLoan(
                device_id=device,
                student_id=cast.maya.id,
                barrier_id=None,
                issued_by=cast.rivera.id,
                issued_at=NOW,
                returned_to=None,
                returned_at=None,
                condition=None,
            )
        )


@settings(max_examples=25)
@given(
    clicks=st.lists(
        st.tuples(
            st.sampled_from(["issue", "return", "change"]), st.booleans(), st.sampled_from(DeviceState)
        ),
        max_size=12,
    )
)
def test_in_any_order_of_clicks_the_shelf_and_the_loans_agree(
    sqlite: Database, clicks: list[tuple[str, bool, DeviceState]]
) -> None:
    with sqlite.begin(undo=True) as session:
        cast = a_cast(session)
        zoe = a_student(session, cast.school, "Zoe")
        device = a_device(session, cast)
        for act, first, state in clicks:
            loans = device_lists.history(session, device, [cast.school.id])
            try:
                if act == "issue":
                    devices.issue(session, device, (cast.maya if first else zoe).id, cast.rivera.id, now=NOW)
                elif act == "return" and loans:
                    loan = loans[0 if first else -1].id
                    devices.take_back(session, loan, cast.rivera.id, condition=state, now=NOW)
                elif act == "change":
                    devices.change(session, device, cast.supervisor.id, state=state, note="", now=NOW)
            except CaseworkRefused:
                pass
            held = [
                each
                for each in device_lists.history(session, device, [cast.school.id])
                if each.returned_at is None
            ]
            assert len(held) == (session.get_one(Device, device).state is DeviceState.ISSUED)


def test_a_second_click_issues_and_returns_once(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        device = a_device(session, cast)
        assert devices.issue(session, device, cast.maya.id, cast.rivera.id, now=NOW)
        assert not devices.issue(session, device, cast.maya.id, cast.rivera.id, now=NOW)
        (loan,) = device_lists.lent_to(session, cast.maya.id, [cast.school.id])
        assert devices.take_back(session, loan.id, cast.rivera.id, condition=DeviceState.IN_STOCK, now=NOW)
        assert not devices.take_back(
            session, loan.id, cast.rivera.id, condition=DeviceState.IN_STOCK, now=NOW
        )
        with pytest.raises(CaseworkRefused, match="taken HS-01 back meanwhile"):
            devices.take_back(session, loan.id, cast.okafor.id, condition=DeviceState.LOST, now=NOW)


def test_issuing_one_takes_the_barrier_away(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        internet = a_barrier(session, cast.maya, Barrier.INTERNET)
        again = a_barrier(session, cast.maya, Barrier.INTERNET)
        food = a_barrier(session, cast.maya)

        devices.issue(
            session, a_device(session, cast), cast.maya.id, cast.rivera.id, barrier_id=internet, now=NOW
        )

        assert session.get_one(BarrierFound, internet).resolved_at == NOW
        assert session.get_one(BarrierFound, again).resolved_at == NOW
        assert session.get_one(BarrierFound, food).resolved_at is None


def test_a_tag_stands_on_one_device(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        a_device(session, cast, "HS-07")
        with pytest.raises(CaseworkRefused, match="HS-07 is on the list already"):
            a_device(session, cast, " hs-07 ")


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


def test_a_hotspot_is_added_issued_and_taken_back_at_the_desk(town: Town, cast: Cast) -> None:
    lead, browser = desk(town, cast.supervisor), desk(town, cast.rivera)
    with town.database.begin() as session:
        a_barrier(session, cast.maya, Barrier.DEVICE)
    added = lead.fill("/desk/devices", "/desk/devices", kind="hotspot", tag="hs-03", school="", note="blue")
    assert added.status_code == 303
    with town.database.begin() as session:
        device = session.scalars(select(Device)).one().id

    issue = f"/desk/student/{cast.maya.id}/device"
    assert "HS-03 (blue)" in words_of(browser.get(issue))
    assert browser.fill(issue, issue, device=str(device)).status_code == 303
    assert "Maya Rivera , since" in words_of(browser.get("/desk/devices"))

    page = f"/desk/device/{device}"
    back = browser.fill(page, f"{page}/return", condition="lost", return_note="moved away")
    assert back.status_code == 303
    said = words_of(browser.get(page))
    assert "Lost, did not come back" in said
    assert "moved away" in said
    assert "Lost: 1" in words_of(browser.get("/desk/devices"))


def test_the_holder_is_named_to_the_schools_of_that_student_alone(town: Town, cast: Cast) -> None:
    with town.database.begin() as session:
        ours, theirs = a_device(session, cast, "ANY"), a_device(session, cast, "BURNS", cast.school.id)
        for each in (ours, theirs):
            devices.issue(session, each, cast.maya.id, cast.rivera.id, now=NOW)
    elsewhere = desk(town, cast.elsewhere)

    listed = elsewhere.get("/desk/devices").text

    assert "ANY" in listed
    assert "With a student of another school" in listed
    assert "BURNS" not in listed
    assert "Maya" not in listed
    assert "Maya" not in elsewhere.get(f"/desk/device/{ours}").text
    assert elsewhere.get(f"/desk/device/{theirs}").status_code == 404
    assert elsewhere.get(f"/desk/student/{cast.maya.id}/device").status_code == 404


def test_a_specialist_issues_but_does_not_change_the_list(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    token = browser.hidden_fields("/desk/partners", "/sign-out")

    assert "Add a device" not in words_of(browser.get("/desk/devices"))
    assert browser.post("/desk/devices", **token, kind="laptop", tag="X").status_code == 403
    assert "Nothing is on the shelf" in words_of(browser.get(f"/desk/student/{cast.maya.id}/device"))


def test_a_tag_that_is_there_keeps_what_was_typed(town: Town, cast: Cast) -> None:
    lead = desk(town, cast.supervisor)
    with town.database.begin() as session:
        a_device(session, cast, "HS-09")

    answer = lead.fill(
        "/desk/devices", "/desk/devices", kind="laptop", tag="hs-09", school="", note="new one"
    )

    assert answer.status_code == 422
    assert "HS-09 is on the list already" in words_of(answer)
    assert 'value="hs-09"' in answer.text
    assert 'value="new one"' in answer.text
