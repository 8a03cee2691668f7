"""OneRoster deltas: only what changed is told, and everybody else stays (OR-4)."""

import pytest

from bot.roster import Change, FileRefused
from bot.store.tables import (
    CalendarDay,
    ConsentEvent,
    ConsentKind,
    Guardian,
    GuardianPhone,
    Guardianship,
    Phone,
    School,
    Student,
)

from .conftest import NOW, Office
from .district import District, Row

GONE = {"status": "tobedeleted"}


def _kept(office: Office, district: District) -> dict[str, list[tuple[object, ...]]]:
    """The office after a full import of the district, from OneRoster alone."""
    for index in range(1, district.size + 1):
        district.user(f"g{index}")["sms"] = f"860-555-01{index:02}"
    office.roster(district, contacts=False)
    return office.everything()


def _student(district: District, sourced_id: str, **changed: str) -> Row:
    return district.user(sourced_id) | changed


def test_or_4_who_is_not_in_a_delta_stays(office: Office, district: District) -> None:
    _kept(office, district)
    part = district.delta(users=[_student(district, "s1", familyName="Renamed")])
    report = office.roster(part, contacts=False)
    assert {name: change for name, change in report.changes.items() if change} == {
        "students": Change(changed=1)
    }
    assert office.rows(Student.family_name, where=Student.sourced_id == "s1") == [("Renamed",)]
    assert len(office.rows(Student.id, where=Student.active)) == 12
    assert len(office.rows(CalendarDay.day)) == 40
    assert office.roster(part, contacts=False).changed_nothing


def test_or_4_tobedeleted_makes_inactive_with_links_and_numbers(office: Office, district: District) -> None:
    _kept(office, district)
    part = district.delta(users=[_student(district, "g1") | GONE])
    report = office.roster(part, contacts=False)
    assert report.changes["guardians"] == Change(removed=1)
    assert report.changes["guardianships"] == Change(removed=1)
    assert report.changes["guardian_phones"] == Change(removed=1)
    assert report.coverage is not None
    assert report.coverage.reachable == 11


def test_or_4_a_deleted_guardian_revives_in_a_later_delta(office: Office, district: District) -> None:
    _kept(office, district)
    office.roster(district.delta(users=[_student(district, "g1") | GONE]), contacts=False)
    report = office.roster(district.delta(users=[_student(district, "g1")]), contacts=False)
    assert report.changes["guardians"] == Change(added=1)
    assert report.changes["guardianships"] == Change(added=1)
    assert report.coverage is not None
    assert report.coverage.reachable == 12


def test_or_4_new_people_of_a_delta_come_with_role_school_and_link(
    office: Office, district: District
) -> None:
    _kept(office, district)
    district.add_student(13)
    district.add_guardian(13)
    people = ("s13", "g13")
    part = district.delta(
        users=[district.user(one) for one in people],
        roles=[row for row in district.roles if row["userSourcedId"] in people],
        enrollments=[row for row in district.enrollments if row["userSourcedId"] in people],
    )
    report = office.roster(part, contacts=False)
    assert report.problems == []
    assert report.changes["students"] == Change(added=1)
    assert report.changes["guardianships"] == Change(added=1)


def test_or_4_9_a_new_guardian_is_linked_to_a_student_who_has_not_changed(
    office: Office, district: District
) -> None:
    _kept(office, district)
    district.add_guardian(13)
    district.user("g13")["agentSourcedIds"] = "s2"
    part = district.delta(
        users=[district.user("g13")], roles=[row for row in district.roles if row["userSourcedId"] == "g13"]
    )
    report = office.roster(part, contacts=False)
    assert report.changes["guardianships"] == Change(added=1)
    assert report.problems == []


def test_or_4_a_link_that_a_changed_row_names_no_more_ends(office: Office, district: District) -> None:
    """An empty list ends none, since many exporters fill one side only (OR-9)."""
    _kept(office, district)
    part = district.delta(users=[_student(district, "s1", agentSourcedIds="")])
    assert office.roster(part, contacts=False).changed_nothing
    part = district.delta(users=[_student(district, "s1", agentSourcedIds="g2")])
    assert office.roster(part, contacts=False).changes["guardianships"] == Change(added=1, removed=1)
    linked = (Guardianship.guardian_id == Guardian.id) & (Guardianship.student_id == Student.id)
    assert office.rows(
        Guardian.sourced_id, where=linked & Guardianship.active & (Student.sourced_id == "s1")
    ) == [("g2",)]


def test_or_4_a_student_moves_school_by_an_enrollment_alone(office: Office, district: District) -> None:
    _kept(office, district)
    moved = district.enrollments[0] | {"schoolSourcedId": "S"}
    report = office.roster(district.delta(enrollments=[moved]), contacts=False)
    assert report.changes["students"] == Change(changed=1)
    at = (Student.school_id == School.id) & (Student.sourced_id == "s1")
    assert office.rows(School.sourced_id, where=at) == [("S",)]


def test_or_4_an_unknown_id_to_delete_is_named(office: Office, district: District) -> None:
    _kept(office, district)
    part = district.delta(users=[_student(district, "s1", sourcedId="nobody") | GONE])
    report = office.roster(part, contacts=False)
    assert report.changed_nothing
    assert [problem.reason for problem in report.problems] == [
        "'nobody' is to be deleted, but nobody here has that id"
    ]


def test_or_4_somebody_new_without_a_role_is_named(office: Office, district: District) -> None:
    _kept(office, district)
    part = district.delta(users=[_student(district, "s1", sourcedId="new")])
    report = office.roster(part, contacts=False)
    assert "the user has no role; the row was left out" in [problem.reason for problem in report.problems]
    assert len(office.rows(Student.id)) == 12


def test_or_4_a_role_that_ends_is_left_to_a_person(office: Office, district: District) -> None:
    _kept(office, district)
    role = next(row for row in district.roles if row["userSourcedId"] == "g1")
    report = office.roster(district.delta(roles=[role | GONE]), contacts=False)
    assert report.changed_nothing
    assert "the role 'parent' of 'g1' has ended, but not the user" in report.problems[0].reason


@pytest.mark.parametrize(("deleted_at", "stays"), [("07", True), ("09", False)])
def test_or_4_of_two_rows_for_one_person_the_later_one_counts(
    office: Office, district: District, deleted_at: str, stays: bool
) -> None:
    _kept(office, district)
    part = district.delta(
        users=[
            _student(district, "g1", familyName="Older", dateLastModified="2021-09-01T06:00:00Z"),
            _student(district, "g1", familyName="Newer"),
            _student(district, "g1", dateLastModified=f"2021-09-01T{deleted_at}:00:00Z") | GONE,
        ]
    )
    report = office.roster(part, contacts=False)
    assert bool(report.changes["guardianships"].removed) is not stays
    found = office.rows(Guardian.family_name, Guardian.active, where=Guardian.sourced_id == "g1")
    assert found == [("Newer", True)] if stays else [("Family1", False)]


def test_or_5_a_delta_that_deletes_a_tenth_of_the_students_needs_a_word_too(
    office: Office, district: District
) -> None:
    before = _kept(office, district)
    part = district.delta(users=[_student(district, f"s{index}") | GONE for index in (1, 2)])
    with pytest.raises(FileRefused, match="2 of 12 active students"):
        office.roster(part, contacts=False)
    assert office.everything() == before


def test_or_4_changed_terms_wait_for_a_full_export(office: Office, district: District) -> None:
    _kept(office, district)
    session = district.sessions[0] | {"endDate": "2021-09-10"}
    report = office.roster(district.delta(academicSessions=[session]), contacts=False)
    assert len(office.rows(CalendarDay.day)) == 40
    assert "changes of terms are read from a full export only" in report.problems[-1].reason


def test_a_contacts_file_cannot_go_with_a_delta(office: Office, district: District) -> None:
    _kept(office, district)
    part = district.delta(users=[_student(district, "s1")])
    with pytest.raises(FileRefused, match=r"holds only what changed, so contacts\.csv cannot go with it"):
        office.roster(part, contacts=b"student_id,contact_id\r\n")


def test_or_3_rows_without_a_status_in_a_delta_remove_nobody(office: Office, district: District) -> None:
    """The manifest says delta and the rows look like a full export: the harmless reading counts."""
    _kept(office, district)
    part = district.delta(users=[_student(district, "s1", familyName="Renamed", status="")])
    assert office.roster(part, contacts=False).changes["students"] == Change(changed=1)
    assert len(office.rows(Student.id, where=Student.active)) == 12


def test_or_17_an_opt_out_survives_deletion_and_a_new_id(office: Office, district: District) -> None:
    _kept(office, district)
    with office.database.begin() as session:
        phone = session.get(Phone, office.rows(Phone.id, where=Phone.number == "+18605550101")[0][0])
        assert phone is not None
        phone.opted_out = True
        session.add(ConsentEvent(phone_id=phone.id, kind=ConsentKind.OPT_OUT, source="family", at=NOW))
    office.roster(district.delta(users=[_student(district, "g1") | GONE]), contacts=False)
    again = _student(district, "g1", sourcedId="g1-new", role="parent", orgSourcedIds="N")
    report = office.roster(district.delta(users=[again]), contacts=False)
    assert report.changes["guardians"] == Change(added=1)
    assert report.changes["phones"] == Change()
    assert office.rows(Phone.opted_out, where=Phone.number == "+18605550101") == [(True,)]
    active = GuardianPhone.active & (GuardianPhone.phone_id == Phone.id)
    assert len(office.rows(GuardianPhone.guardian_id, where=active & Phone.opted_out)) == 1
    assert report.coverage is not None
    assert report.coverage.reachable == 11
