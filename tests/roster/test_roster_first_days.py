"""From which day a student is enrolled, and the guardians' e-mail addresses, as rosters say them."""

from datetime import UTC, date, datetime

from sqlalchemy import select

from bot import measures
from bot.roster import undo_import
from bot.store.tables import Guardian, Student

from .conftest import NOW, Office
from .district import District

LATE = date(2021, 9, 8)


def first_day(office: Office, student: str = "s1") -> date | None:
    found: date | None = office.rows(Student.enrolled_from, where=Student.sourced_id == student)[0][0]
    return found


def email(office: Office, guardian: str = "g1") -> str:
    found: str = office.rows(Guardian.email, where=Guardian.sourced_id == guardian)[0][0]
    return found


def enrolled_since(district: District, day: str, student: str = "s1") -> None:
    for row in district.enrollments:
        if row["userSourcedId"] == student:
            row["beginDate"] = day


def days_enrolled(office: Office, student: str) -> int:
    with office.database.begin() as session:
        id_ = session.scalars(select(Student.id).where(Student.sourced_id == student)).one()
        return measures.standings(session, date(2021, 9, 17), students=[id_])[0].enrolled


def test_measures_count_who_came_late_from_their_first_day_on(office: Office, district: District) -> None:
    enrolled_since(district, LATE.isoformat())
    office.roster(district)
    assert first_day(office) == LATE
    assert (days_enrolled(office, "s1"), days_enrolled(office, "s2")) == (8, 20)


def test_a_student_who_changed_school_keeps_the_first_day(office: Office, district: District) -> None:
    office.roster(district)
    for row in district.enrollments:
        if row["userSourcedId"] == "s1":
            row |= {"schoolSourcedId": "S", "beginDate": LATE.isoformat()}
    district.roles = [row for row in district.roles if row["userSourcedId"] != "s1"] + [
        District._role("s1", "student", "S")
    ]
    office.roster(district)
    assert first_day(office) == date(2021, 8, 23)
    assert days_enrolled(office, "s1") == 20


def test_a_first_day_that_was_wrong_is_corrected_by_the_next_roster(
    office: Office, district: District
) -> None:
    office.roster(district)
    enrolled_since(district, LATE.isoformat())
    office.roster(district)
    assert first_day(office) == LATE


def test_the_earliest_of_several_enrollments_counts(office: Office, district: District) -> None:
    district.enrollments.append(
        {**district.enrollments[0], "sourcedId": "e1b", "schoolSourcedId": "S", "beginDate": LATE.isoformat()}
    )
    office.roster(district)
    assert first_day(office) == date(2021, 8, 23)


def test_a_roster_without_first_days_takes_none_back(office: Office, district: District) -> None:
    enrolled_since(district, LATE.isoformat())
    office.roster(district)
    enrolled_since(district, "")
    office.roster(district)
    assert first_day(office) == LATE
    again = office.roster(district)
    assert again.changed_nothing


def test_a_delta_that_speaks_of_something_else_keeps_the_first_day(
    office: Office, district: District
) -> None:
    office.roster(district)
    office.roster(
        district.delta(users=[district.user("s1") | {"givenName": "Mia", "role": "student"}]), contacts=False
    )
    assert first_day(office) == date(2021, 8, 23)


def test_first_days_and_addresses_are_taken_back_with_their_roster(
    office: Office, district: District
) -> None:
    for row in district.users:
        row["email"] = ""
    office.roster(district)
    enrolled_since(district, LATE.isoformat())
    district.user("g1")["email"] = "ana@example.org"
    office.roster(district)
    assert (first_day(office), email(office)) == (LATE, "ana@example.org")
    with office.database.begin() as session:
        undo_import(session, by="Ms. Santos", now=datetime(2021, 9, 2, tzinfo=UTC))
    assert (first_day(office), email(office)) == (date(2021, 8, 23), "")


def test_a_guardians_address_is_read_and_goes_when_the_school_has_removed_it(
    office: Office, district: District
) -> None:
    district.user("g1")["email"] = "ana@example.org"
    district.user("g2")["email"] = "not an address"
    office.roster(district)
    assert (email(office), email(office, "g2")) == ("ana@example.org", "")
    district.user("g1")["email"] = ""
    office.roster(district, now=NOW)
    assert email(office) == ""


def test_an_export_without_the_column_says_nothing_of_addresses(office: Office, district: District) -> None:
    district.user("g1")["email"] = "ana@example.org"
    office.roster(district)
    for row in district.users:
        row.pop("email", None)
    office.roster(district)
    assert email(office) == "ana@example.org"
