"""The student list: who misses how much school, for how long, what is in the way, and who was in touch when."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, case, func, or_, select
from sqlalchemy.orm import Session

from bot.clock import instant
from bot.measures import Tier, in_tier, tier
from bot.store.tables import BarrierFound, CalendarDay, Plan, School, Student, StudentMeasure
from bot.vocabulary import Barrier

PAGE = 50


class Order(StrEnum):
    """By what the list is sorted; the name decides among equals."""

    RATE = "rate"
    STREAK = "streak"
    CONTACT = "contact"  # who was heard of longest ago comes first
    NAME = "name"
    SCHOOL = "school"


@dataclass(frozen=True)
class Asked:
    """Which students are wanted. `schools` are those the reader may see, or fewer.

    `silent` counts school days, today among them, on which nobody was in touch with the family.
    """

    schools: frozenset[int]
    today: date
    tiers: frozenset[Tier] = frozenset()
    grade: str = ""
    barrier: Barrier | None = None
    streak: int = 0
    silent: int = 0
    name: str = ""
    order: Order = Order.RATE


@dataclass(frozen=True)
class Line:
    """One student. `day` is the last one counted; None when the school has sent no marks this year."""

    student_id: int
    number: str
    name: str
    grade: str
    school: str
    zone: ZoneInfo
    day: date | None
    enrolled: int
    excused: int
    unexcused: int
    disciplinary: int
    streak: int
    last_contact_at: datetime | None
    barriers: tuple[Barrier, ...] = ()
    plan_tier: int | None = None

    @property
    def absent(self) -> int:
        return self.excused + self.unexcused + self.disciplinary

    @property
    def rate(self) -> float | None:
        return self.absent / self.enrolled if self.enrolled else None

    @property
    def tier(self) -> Tier | None:
        return tier(self.absent, self.enrolled) if self.enrolled else None


_ABSENT = StudentMeasure.excused + StudentMeasure.unexcused + StudentMeasure.disciplinary


def by_tier(session: Session, asked: Asked) -> tuple[dict[Tier, int], int]:
    """How many of those asked for stand in each tier, whichever tiers are asked for; and how many in none yet."""
    counts = [func.sum(case((in_tier(each, _ABSENT, StudentMeasure.enrolled), 1), else_=0)) for each in Tier]
    query = _students(session, asked, every_tier=True).with_only_columns(*counts, func.count(Student.id))
    *tiers, everybody = session.execute(query).one()
    found = {each: int(count or 0) for each, count in zip(Tier, tiers, strict=True)}
    return found, everybody - sum(found.values())


def lines(session: Session, asked: Asked, *, start: int = 0, most: int | None = PAGE) -> list[Line]:
    """Those asked for, in their order; four queries however many they are."""
    query = _students(session, asked).order_by(*_order(asked.order)).offset(start)
    if most is not None:
        query = query.limit(most)
    rows = session.execute(query).all()
    students = [row.id for row in rows]
    # One page asks for its own students; the whole list for everybody of the schools.
    these = Student.id.in_(students) if most is not None else Student.school_id.in_(asked.schools)
    barriers, plans = _open_barriers(session, these), _plan_tiers(session, these)
    return [
        Line(
            student_id=row.id,
            number=row.number,
            name=f"{row.preferred_name or row.given_name} {row.family_name}",
            grade=row.grade,
            school=row.school,
            zone=ZoneInfo(row.zone),
            day=row.day,
            enrolled=row.enrolled or 0,
            excused=row.excused or 0,
            unexcused=row.unexcused or 0,
            disciplinary=row.disciplinary or 0,
            streak=row.streak or 0,
            last_contact_at=row.last_contact_at,
            barriers=barriers.get(row.id, ()),
            plan_tier=plans.get(row.id),
        )
        for row in rows
    ]


def grades(session: Session, schools: Collection[int]) -> list[str]:
    """The grades there are at these schools, as the roster writes them."""
    found = session.scalars(
        select(Student.grade).where(Student.active, Student.school_id.in_(schools)).distinct()
    )
    return sorted(grade for grade in found if grade)


def _students(session: Session, asked: Asked, *, every_tier: bool = False) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = (
        select(
            Student.id,
            Student.number,
            Student.given_name,
            Student.preferred_name,
            Student.family_name,
            Student.grade,
            School.name.label("school"),
            School.zone,
            StudentMeasure.day,
            StudentMeasure.enrolled,
            StudentMeasure.excused,
            StudentMeasure.unexcused,
            StudentMeasure.disciplinary,
            StudentMeasure.streak,
            StudentMeasure.last_contact_at,
        )
        .select_from(Student)
        .join(School, School.id == Student.school_id)
        .outerjoin(StudentMeasure, StudentMeasure.student_id == Student.id)
        .where(Student.active, School.active, Student.school_id.in_(asked.schools))
    )
    if asked.tiers and not every_tier:
        query = query.where(or_(*(in_tier(each, _ABSENT, StudentMeasure.enrolled) for each in asked.tiers)))
    if asked.grade:
        query = query.where(Student.grade == asked.grade)
    if asked.barrier:
        open_one = select(BarrierFound.id).where(
            BarrierFound.student_id == Student.id,
            BarrierFound.code == asked.barrier,
            BarrierFound.resolved_at.is_(None),
        )
        query = query.where(open_one.exists())
    if asked.streak:
        query = query.where(StudentMeasure.streak >= asked.streak)
    if asked.silent:
        query = query.where(_silent(session, asked))
    for word in asked.name.split():
        names = (Student.given_name, Student.preferred_name, Student.family_name)
        is_named = (column.icontains(word, autoescape=True) for column in names)
        query = query.where(or_(*is_named, Student.number == word))
    return query


def _silent(session: Session, asked: Asked) -> ColumnElement[bool]:
    """Nobody was in touch since the school opened on the first of the last so many school days."""
    back = func.row_number().over(partition_by=CalendarDay.school_id, order_by=CalendarDay.day.desc())
    days = (
        select(CalendarDay.school_id, CalendarDay.day, back.label("back"))
        .where(CalendarDay.school_id.in_(asked.schools), CalendarDay.day <= asked.today, CalendarDay.teaches)
        .subquery()
    )
    since: Mapping[datetime, list[int]] = defaultdict(list)
    for school, zone, day in session.execute(
        select(School.id, School.zone, days.c.day)
        .join(days, days.c.school_id == School.id)
        .where(days.c.back == asked.silent)
    ):
        since[instant(day, time(0), ZoneInfo(zone))].append(school)
    return or_(
        StudentMeasure.last_contact_at.is_(None),
        *(
            and_(Student.school_id.in_(schools), StudentMeasure.last_contact_at < moment)
            for moment, schools in since.items()
        ),
    )


def _order(order: Order) -> Sequence[SQLColumnExpression[Any]]:
    by_name = (func.lower(Student.family_name), func.lower(Student.given_name), Student.id)
    rate = case((StudentMeasure.enrolled > 0, _ABSENT * 1.0 / StudentMeasure.enrolled), else_=-1)
    match order:
        case Order.RATE:
            return rate.desc(), *by_name
        case Order.STREAK:
            return func.coalesce(StudentMeasure.streak, 0).desc(), rate.desc(), *by_name
        case Order.CONTACT:
            return StudentMeasure.last_contact_at.is_not(None), StudentMeasure.last_contact_at, *by_name
        case Order.NAME:
            return by_name
        case Order.SCHOOL:
            return School.name, *by_name


def _open_barriers(session: Session, these: ColumnElement[bool]) -> dict[int, tuple[Barrier, ...]]:
    found: dict[int, dict[Barrier, None]] = defaultdict(dict)
    for student, code in session.execute(
        select(BarrierFound.student_id, BarrierFound.code)
        .join(Student, Student.id == BarrierFound.student_id)
        .where(these, BarrierFound.resolved_at.is_(None))
        .order_by(BarrierFound.id)
    ):
        found[student][code] = None
    return {student: tuple(codes) for student, codes in found.items()}


def _plan_tiers(session: Session, these: ColumnElement[bool]) -> dict[int, int]:
    """The tier of each one's newest plan."""
    rows = session.execute(
        select(Plan.student_id, Plan.tier)
        .join(Student, Student.id == Plan.student_id)
        .where(these)
        .order_by(Plan.at, Plan.id)
    )
    return {student: found for student, found in rows}
