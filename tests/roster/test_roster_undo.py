"""The last roster import taken back: everything as before, but what families chose since."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.language import Language
from bot.roster import Approval, Change, undo_import
from bot.roster.undo import NothingToUndo
from bot.store.tables import (
    CalendarDay,
    Guardian,
    GuardianPhone,
    Guardianship,
    Import,
    ImportChanges,
    School,
    Student,
)

from .conftest import NOW, Office
from .district import District, calendar, event

YES = Approval(by="ana", reason="a test")


def _undo(office: Office) -> Any:
    with office.database.begin() as session:
        return undo_import(session, by="ana", now=NOW)


def _active(office: Office) -> dict[str, list[tuple[Any, ...]]]:
    """Everything a morning goes by. Rows an undo has made inactive are history, and stay."""
    with office.database.begin() as session:
        found = {
            table.__tablename__: sorted(
                (tuple(row) for row in session.execute(select(table.__table__).where(table.active))), key=repr
            )
            for table in (School, Student, Guardian, Guardianship, GuardianPhone)
        }
        found["days"] = sorted(tuple(row) for row in session.execute(select(CalendarDay.__table__)))
        return found


def test_or_5_an_undo_brings_back_who_was_there(office_on_each: Office) -> None:
    office = office_on_each
    office.roster(District(size=30))
    before = _active(office)
    changed = District(size=20)
    changed.user("s1")["familyName"] = "Renamed"
    changed.contact("g2")["preferred_language"] = "por"
    changed.contact("g3").update(may_receive_texts="N", mobile="860-555-0199")
    changed.sessions[0]["endDate"] = "2021-09-15"
    changed.add_student(31)
    office.roster(changed, approval=YES, calendar=calendar(event("20210906")))
    assert _active(office) != before
    report = _undo(office)
    assert report.changes["students"] == Change(added=10, changed=1, removed=1)
    assert _active(office) == before
    [(summary,)] = office.rows(Import.summary, where=Import.kind == "undo")
    assert summary["by"] == "ana"


def test_an_undone_import_can_be_done_again(office: Office) -> None:
    office.roster(District(size=30))
    office.roster(District(size=20), approval=YES)
    after = _active(office)
    _undo(office)
    office.roster(District(size=20), approval=YES)
    assert _active(office) == after


def test_imports_are_taken_back_newest_first_until_none_is_left(office: Office, district: District) -> None:
    states = []
    for name in ("One", "Two", "Three"):
        states.append(_active(office))
        district.user("s1")["familyName"] = name
        office.roster(district)
    for state in reversed(states):
        _undo(office)
        assert _active(office) == state
    before = office.everything()
    with pytest.raises(NothingToUndo, match="nothing was changed"):
        _undo(office)
    assert office.everything() == before


def test_or_12_a_language_the_family_chose_since_stays(office: Office, district: District) -> None:
    office.roster(district)
    district.contact("g1")["preferred_language"] = "por"
    office.roster(district)
    with office.database.begin() as session:
        guardian = session.scalars(select(Guardian).where(Guardian.sourced_id == "g1")).one()
        guardian.language, guardian.language_chosen_by_family = Language.POLISH, True
    _undo(office)
    found = office.rows(Guardian.language, where=Guardian.sourced_id == "g1")
    assert found == [(Language.POLISH,)]


def test_what_staff_changed_since_stays(office: Office, district: District) -> None:
    office.roster(district)
    district.contact("g1").update(may_receive_texts="N", contact_order="2")
    office.roster(district)
    with office.database.begin() as session:
        guardian = session.scalars(select(Guardian.id).where(Guardian.sourced_id == "g1")).one()
        link = session.scalars(select(Guardianship).where(Guardianship.guardian_id == guardian)).one()
        link.contact_order = 5
    _undo(office)
    [found] = office.rows(
        Guardianship.may_receive_texts, Guardianship.contact_order, where=Guardianship.guardian_id == guardian
    )
    assert found == (True, 5)


def test_only_the_last_imports_are_kept(office: Office, district: District) -> None:
    for name in "ABCDEFGH":
        district.user("s1")["familyName"] = name
        office.roster(district)
    assert len({import_id for (import_id,) in office.rows(ImportChanges.import_id)}) == 5


@st.composite
def _districts(draw: st.DrawFn) -> District:
    district = District(size=draw(st.integers(3, 8)))
    for row in district.users:
        row["familyName"] = draw(st.sampled_from([row["familyName"], "Other"]))
        if draw(st.booleans()) and row["sourcedId"].startswith("s"):
            row["agentSourcedIds"] = draw(st.sampled_from(["", "g1", "g1,g2", "g3"]))
    for row in district.contacts:
        row["preferred_language"] = draw(st.sampled_from(["spa", "por", ""]))
        row["mobile"] = draw(st.sampled_from([row["mobile"], "860-555-0150", ""]))
        row["court_order"] = draw(st.sampled_from(["Y", "N"]))
    if draw(st.booleans()):
        district.sessions[0]["endDate"] = draw(st.sampled_from(["2021-09-10", "2021-09-18", "2021-09-25"]))
    return district


@given(first=_districts(), second=_districts(), third=_districts())
def test_or_5_after_any_two_imports_an_undo_is_the_state_after_the_first(
    office: Office, first: District, second: District, third: District
) -> None:
    office.roster(first, approval=YES)
    before = _active(office)
    if office.roster(second, approval=YES).changed_nothing:
        return
    after = _active(office)
    if not office.roster(third, approval=YES).changed_nothing:
        _undo(office)
        assert _active(office) == after
    _undo(office)
    assert _active(office) == before
