"""What the database holds of the roster, by the school's own ids, and how a difference is written there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bot.language import Language
from bot.roster.compare import Difference, Values
from bot.roster.people import Earlier
from bot.roster.records import Pair
from bot.roster.report import Change
from bot.store.tables import (
    CalendarDay,
    Guardian,
    GuardianPhone,
    Guardianship,
    Phone,
    School,
    Student,
    Table,
)

# A school's sourcedId and a date.
SchoolDay = tuple[str, date]

_NEW_GUARDIAN = {"language": Language.ENGLISH, "language_chosen_by_family": False}


@dataclass
class Known:
    """The roster as the database holds it, the inactive rows too."""

    schools: dict[str, Values]
    days: dict[SchoolDay, Values]
    students: dict[str, Values]
    guardians: dict[str, Values]
    links: dict[Pair, Values]
    numbers: dict[Pair, Values]


@dataclass
class Plan:
    """What an import will do to each table."""

    schools: Difference[str]
    days: Difference[SchoolDay]
    students: Difference[str]
    guardians: Difference[str]
    links: Difference[Pair]
    numbers: Difference[Pair]


def load(session: Session, first_day: date | None) -> Known:
    """Load everything by the school's ids; the calendar from *first_day* on (None: none of it)."""
    return Known(
        schools=_by_id(session, School, "name", "district", "zone", "morning_at"),
        days=load_days(session, first_day),
        students=_students(session),
        guardians=_by_id(
            session,
            Guardian,
            "given_name",
            "family_name",
            "language",
            "language_chosen_by_family",
            "email",
        ),
        links=_links(session),
        numbers=_numbers(session),
    )


def load_earlier(session: Session) -> Earlier:
    """Who is active, as a delta builds on it; a link counts with both of its people."""
    schools = session.scalars(select(School.sourced_id).where(School.active))
    students = session.execute(
        select(Student.sourced_id, School.sourced_id).join(School, School.id == Student.school_id)
    )
    guardians = session.scalars(select(Guardian.sourced_id))
    links = session.execute(
        select(Student.sourced_id, Guardian.sourced_id)
        .join(Guardianship, Guardianship.student_id == Student.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .where(Guardianship.active)
    )
    return Earlier(
        students={student: school for student, school in students},
        guardians=dict.fromkeys(guardians, "guardian"),
        links=frozenset((student, guardian) for student, guardian in links),
        schools=frozenset(schools),
    )


def _by_id(session: Session, table: type[School | Guardian], *columns: str) -> dict[str, Values]:
    chosen = [getattr(table, column) for column in columns]
    rows = session.execute(select(table.sourced_id, table.active, *chosen))
    return {row[0]: dict(zip(("active", *columns), row[1:], strict=True)) for row in rows}


def load_days(session: Session, first_day: date | None) -> dict[SchoolDay, Values]:
    """The calendar from *first_day* on, as the files say; None: none of it."""
    if first_day is None:
        return {}
    rows = session.execute(
        select(School.sourced_id, CalendarDay.day, CalendarDay.instructional, CalendarDay.summary)
        .join(School, School.id == CalendarDay.school_id)
        .where(CalendarDay.day >= first_day)
    )
    return {
        (school, day): {"active": True, "instructional": instructional, "summary": summary}
        for school, day, instructional, summary in rows
    }


def _students(session: Session) -> dict[str, Values]:
    columns = (
        "active",
        "number",
        "given_name",
        "preferred_name",
        "family_name",
        "grade",
        "enrolled_from",
    )
    rows = session.execute(
        select(
            Student.sourced_id,
            School.sourced_id,
            Student.active,
            Student.number,
            Student.given_name,
            Student.preferred_name,
            Student.family_name,
            Student.grade,
            Student.enrolled_from,
        ).join(School, School.id == Student.school_id)
    )
    return {row[0]: {"school": row[1], **dict(zip(columns, row[2:], strict=True))} for row in rows}


def _links(session: Session) -> dict[Pair, Values]:
    columns = ("active", "relation", "contact_order", "lives_with", "may_receive_texts", "court_order")
    rows = session.execute(
        select(
            Student.sourced_id,
            Guardian.sourced_id,
            Guardianship.active,
            Guardianship.relation,
            Guardianship.contact_order,
            Guardianship.lives_with,
            Guardianship.may_receive_texts,
            Guardianship.court_order,
        )
        .join(Student, Student.id == Guardianship.student_id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
    )
    return {(row[0], row[1]): dict(zip(columns, row[2:], strict=True)) for row in rows}


def _numbers(session: Session) -> dict[Pair, Values]:
    rows = session.execute(
        select(
            Guardian.sourced_id,
            Phone.number,
            GuardianPhone.active,
            GuardianPhone.kind,
            GuardianPhone.position,
            GuardianPhone.given_by,
        )
        .join(Guardian, Guardian.id == GuardianPhone.guardian_id)
        .join(Phone, Phone.id == GuardianPhone.phone_id)
    )
    columns = ("active", "kind", "position", "given_by")
    return {(row[0], row[1]): dict(zip(columns, row[2:], strict=True)) for row in rows}


# --- writing ----------------------------------------------------------------------------------------------
# Everything goes in whole lists, a few statements per table: a district has tens of thousands of rows.


def write(session: Session, plan: Plan) -> dict[str, Change]:
    """Write every table of a plan, in the order in which their keys need each other."""
    schools = write_schools(session, plan.schools)
    write_days(session, plan.days, schools)
    students = write_students(session, plan.students, schools)
    guardians = write_guardians(session, plan.guardians)
    write_links(session, plan.links, students, guardians)
    new_phones = write_numbers(session, plan.numbers, guardians)
    return {
        "schools": plan.schools.change,
        "calendar_days": plan.days.change,
        "students": plan.students.change,
        "guardians": plan.guardians.change,
        "guardianships": plan.links.change,
        "phones": Change(added=new_phones),
        "guardian_phones": plan.numbers.change,
    }


def foreseen(session: Session, plan: Plan) -> dict[str, Change]:
    """What `write` would say of this plan, without writing it."""
    named = {number for _, number in plan.numbers.added}
    new = named - set(session.scalars(select(Phone.number))) if named else named
    return {
        "schools": plan.schools.change,
        "calendar_days": plan.days.change,
        "students": plan.students.change,
        "guardians": plan.guardians.change,
        "guardianships": plan.links.change,
        "phones": Change(added=len(new)),
        "guardian_phones": plan.numbers.change,
    }


def _insert(session: Session, table: type[Table], rows: list[Values]) -> None:
    if rows:
        session.execute(insert(table), rows)


def _update(session: Session, table: type[Table], rows: list[Values]) -> None:
    """Rows carry their primary key; those with the same columns go together."""
    by_columns: dict[tuple[str, ...], list[Values]] = {}
    for row in rows:
        by_columns.setdefault(tuple(sorted(row)), []).append(row)
    for alike in by_columns.values():
        session.execute(update(table), alike)


def _ids(session: Session, table: type[School | Student | Guardian]) -> dict[str, int]:
    rows = session.execute(select(table.sourced_id, table.id))
    return dict(rows.all())


def write_schools(session: Session, difference: Difference[str]) -> dict[str, int]:
    return _write_named(session, School, difference, {})


def write_guardians(session: Session, difference: Difference[str]) -> dict[str, int]:
    return _write_named(session, Guardian, difference, _NEW_GUARDIAN)


def write_students(
    session: Session, difference: Difference[str], schools: Mapping[str, int]
) -> dict[str, int]:
    def located(rows: Mapping[str, Values]) -> dict[str, Values]:
        return {
            key: {column: value for column, value in row.items() if column != "school"}
            | ({"school_id": schools[row["school"]]} if "school" in row else {})
            for key, row in rows.items()
        }

    moved = Difference(located(difference.added), located(difference.changed), difference.removed)
    return _write_named(session, Student, moved, {})


def _write_named(
    session: Session,
    table: type[School | Student | Guardian],
    difference: Difference[str],
    defaults: Values,
) -> dict[str, int]:
    """Write a table whose rows have a sourcedId, and return the ids of all of them."""
    _insert(
        session,
        table,
        [{"sourced_id": key, "active": True, **defaults, **row} for key, row in difference.added.items()],
    )
    ids = _ids(session, table)
    _update(
        session, table, [{"id": ids[key], "active": True, **row} for key, row in difference.changed.items()]
    )
    _update(session, table, [{"id": ids[key], "active": False} for key in difference.removed])
    return ids


def write_days(session: Session, difference: Difference[SchoolDay], schools: Mapping[str, int]) -> None:
    """Write the calendar; a day that is in no term any more is the one thing an import deletes."""

    def keyed(rows: Mapping[SchoolDay, Values]) -> list[Values]:
        return [{"school_id": schools[school], "day": day, **row} for (school, day), row in rows.items()]

    _insert(session, CalendarDay, keyed(difference.added))
    _update(session, CalendarDay, keyed(difference.changed))
    gone: dict[int, list[date]] = {}
    for school, day in difference.removed:
        gone.setdefault(schools[school], []).append(day)
    for school_id, days in gone.items():
        session.execute(
            delete(CalendarDay).where(CalendarDay.school_id == school_id, CalendarDay.day.in_(days))
        )


def write_links(
    session: Session, difference: Difference[Pair], students: Mapping[str, int], guardians: Mapping[str, int]
) -> None:
    def keyed(pairs: Iterable[tuple[Pair, Values]]) -> list[Values]:
        return [
            {"student_id": students[student], "guardian_id": guardians[guardian], **row}
            for (student, guardian), row in pairs
        ]

    _write_pairs(session, Guardianship, difference, keyed)


def write_numbers(session: Session, difference: Difference[Pair], guardians: Mapping[str, int]) -> int:
    """Write who has which number, and return how many phones are new. Phones are never deleted (OR-17)."""
    phones = dict(session.execute(select(Phone.number, Phone.id)).all())
    new = sorted({number for _, number in difference.added} - phones.keys())
    _insert(session, Phone, [{"number": number} for number in new])
    if new:
        phones = dict(session.execute(select(Phone.number, Phone.id)).all())

    def keyed(pairs: Iterable[tuple[Pair, Values]]) -> list[Values]:
        return [
            {"guardian_id": guardians[guardian], "phone_id": phones[number], **row}
            for (guardian, number), row in pairs
        ]

    _write_pairs(session, GuardianPhone, difference, keyed)
    return len(new)


def _write_pairs(
    session: Session, table: type[Guardianship | GuardianPhone], difference: Difference[Pair], keyed: Any
) -> None:
    def active(rows: Mapping[Pair, Values]) -> list[tuple[Pair, Values]]:
        return [(pair, {"active": True, **row}) for pair, row in rows.items()]

    _insert(session, table, keyed(active(difference.added)))
    _update(session, table, keyed(active(difference.changed)))
    _update(session, table, keyed((pair, {"active": False}) for pair in difference.removed))
