"""The whole sample district, three schools and 960 students, and a small one through its changes."""

from datetime import UTC, date, datetime, time
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.language import Language
from bot.roster import Change, Report, import_attendance, import_roster
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Excuse,
    Guardian,
    GuardianPhone,
    Guardianship,
    Import,
    MarkStatus,
    School,
    Student,
)

from .conftest import Office
from .district import District, calendar, event

SAMPLE = Path(__file__).parents[2] / "sample" / "grandbend"
NOW = datetime(2021, 10, 4, 13, 0, tzinfo=UTC)


def _import(session: Session) -> Report:
    return import_roster(
        session,
        SAMPLE / "oneroster.zip",
        contacts=SAMPLE / "contacts.csv",
        calendar=SAMPLE / "calendar.ics",
        zone="America/Chicago",
        morning_at=time(9, 30),
        now=NOW,
    )


def _count(session: Session, entity: type) -> int:
    return session.scalar(select(func.count()).select_from(entity)) or 0


def test_everybody_of_the_sample_is_imported(database: Database) -> None:
    with database.begin() as session:
        report = _import(session)
        assert report.changes["schools"] == Change(added=3)
        assert report.changes["students"] == Change(added=960)
        assert report.changes["guardians"] == Change(added=1716)
        assert report.changes["guardianships"] == Change(added=1867)
        assert {school.district for school in session.scalars(select(School))} == {"Grand Bend ISD"}
        ty = session.scalars(select(Student).where(Student.number == "604821")).one()
        assert (ty.first_name, ty.given_name, ty.family_name, ty.grade) == ("Ty", "Tyrone", "Dyer", "02")


def test_contacts_bring_language_order_and_numbers(database: Database) -> None:
    with database.begin() as session:
        _import(session)
        mother = session.scalars(select(Guardian).where(Guardian.sourced_id == "C778393")).one()
        assert mother.language is Language.SPANISH
        link = session.scalars(select(Guardianship).where(Guardianship.guardian_id == mother.id)).one()
        assert (link.relation, link.contact_order, link.lives_with) == ("Mother", 1, True)
        assert (link.may_receive_texts, link.court_order) == (True, False)
        phones = session.scalars(select(GuardianPhone).where(GuardianPhone.guardian_id == mother.id)).all()
        assert {(phone.kind, phone.position) for phone in phones} == {("mobile", 1), ("home", 2)}
        barred = session.scalar(select(func.count()).where(Guardianship.court_order))
        assert barred == 23


def test_ct_7_the_two_terms_count_81_and_88_school_days(database: Database) -> None:
    with database.begin() as session:
        _import(session)
        for school in session.scalars(select(School.id)).all():
            days = session.scalars(
                select(CalendarDay.day).where(CalendarDay.school_id == school, CalendarDay.instructional)
            ).all()
            fall = [day for day in days if day < date(2022, 1, 1)]
            assert (len(fall), len(days) - len(fall)) == (81, 88)


def test_every_unusable_number_of_the_sample_is_named_without_being_shown(database: Database) -> None:
    with database.begin() as session:
        report = _import(session)
    assert len(report.problems) == 26
    lines = [str(problem) for problem in report.problems]
    assert (
        'contacts.csv line 595: mobile "call grandma": it holds words; enter the number alone; '
        "the number was left out" in lines
    )
    assert not any("555" in line.partition(": ")[2] for line in lines)


def test_or_10_coverage_counts_students_with_a_guardian_who_can_be_texted(database: Database) -> None:
    with database.begin() as session:
        coverage = _import(session).coverage
    assert coverage is not None
    assert (coverage.students, coverage.reachable) == (960, 934)


def test_a_second_import_of_the_same_files_changes_nothing(database: Database) -> None:
    with database.begin() as session:
        _import(session)
    with database.begin() as session:
        again = _import(session)
        assert again.changed_nothing
        assert "nothing changed" in again.lines()
        assert _count(session, Import) == 3


def test_a_year_of_changes_is_written_alike_on_each_engine(office_on_each: Office) -> None:
    office, district = office_on_each, District(size=20)
    office.roster(district, calendar=calendar(event("20210906"), event("20210910")))
    district.lose("s7", "g7")
    district.user("s1").update(preferredGivenName="Zoë", familyName="Ñandú")
    district.enrollments[1]["schoolSourcedId"] = "N"
    district.contact("g2").update(mobile="860-555-0177", preferred_language="ukr", court_order="Y")
    district.sessions[0]["endDate"] = "2021-09-17"
    report = office.roster(district, calendar=calendar(event("20210906", title="Labor Day")))
    assert report.changes == {
        "schools": Change(),
        "calendar_days": Change(changed=4, removed=2),
        "students": Change(changed=2, removed=1),
        "guardians": Change(changed=1, removed=1),
        "guardianships": Change(changed=1, removed=1),
        "phones": Change(added=1),
        "guardian_phones": Change(added=1, removed=2),
    }
    again = office.roster(district, calendar=calendar(event("20210906", title="Labor Day")))
    assert again.changed_nothing
    report = office.roster(District(size=20))
    assert report.changes["students"] == Change(added=1, changed=2)
    assert report.changes["guardian_phones"] == Change(added=2, removed=1)


def test_the_years_attendance_is_imported_and_then_changes_nothing(database: Database) -> None:
    file = SAMPLE / "attendance-2021-2022.csv"
    with database.begin() as session:
        _import(session)
        first = import_attendance(session, file, through=date(2021, 10, 4), now=NOW)
        rest = import_attendance(session, file, through=None, now=NOW)
        again = import_attendance(session, file, through=None, now=NOW)
        assert first.changes["attendance_marks"] == Change(added=358)
        assert rest.changes["attendance_marks"] == Change(added=1558)
        assert again.changed_nothing
        counts = dict(
            session.execute(
                select(AttendanceMark.excuse, func.count())
                .where(AttendanceMark.status == MarkStatus.ABSENT)
                .group_by(AttendanceMark.excuse)
            ).all()
        )
        # One of the 1,077 excused was there for part of the day after all.
        assert counts == {Excuse.EXCUSED: 1076, Excuse.UNEXCUSED: 773}


def test_ed_3_the_three_weekend_events_of_the_sample_are_named_and_kept(database: Database) -> None:
    with database.begin() as session:
        _import(session)
        report = import_attendance(session, SAMPLE / "attendance-2021-2022.csv", through=None, now=NOW)
        named = [problem.line for problem in report.problems if "no school day" in problem.reason]
        assert named == [1827, 1828, 1829]
        kept = select(func.count()).where(AttendanceMark.day == date(2022, 5, 15))
        assert session.scalar(kept) == 3
