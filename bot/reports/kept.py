"""Measures kept per student and tiers per week, written anew from the marks by a few statements."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot import measures, ticks
from bot.clock import school_day
from bot.measures import Tier
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    CallOutcome,
    ContactMade,
    ConversationStudent,
    Excuse,
    HomeVisit,
    Import,
    InboundText,
    MarkStatus,
    School,
    Student,
    StudentMeasure,
    TierWeek,
)
from bot.vocabulary import VisitOutcome

# What the kept rows were made from was older than this tick when a newer file came.
_DONE = "measures"
# When somebody of the family was spoken to.
_MET = (VisitOutcome.MET_GUARDIAN, VisitOutcome.MET_OTHER_ADULT)
# Two looks at new texts overlap by so much: a text is stored a moment after it came.
_OVERLAP = timedelta(minutes=5)


def keep_up(session: Session, now: datetime) -> bool:
    """Bring everything kept to this moment, if a file came or a day began since; returns whether it did.

    Who has been in touch since the last look is noted each time.
    """
    done = ticks.last(session, _DONE)
    newest = session.scalar(select(func.max(Import.applied_at)))
    today = {school_day(now, zone) for zone in _zones(session)}
    before = {school_day(done, zone) for zone in _zones(session)} if done else set()
    stale = done is None or today != before or (newest is not None and newest >= done)
    if stale:
        refresh(session, now)
        note_contacts(session, None)
        refresh_weeks(session, now)
    else:
        note_contacts(session, done - _OVERLAP if done else None)
    ticks.done(session, _DONE, now)
    return stale


def refresh(session: Session, now: datetime, schools: Collection[int] | None = None) -> None:
    """Write the measures of every active student anew, of these schools or of all, as the marks stand now.

    Each school is measured up to the last day of this school year, not after today, that its files speak
    of: before today's file has come nobody is taken for present.
    """
    session.flush()
    if schools is None:
        active = select(Student.id).join(School).where(Student.active, School.active)
        session.execute(delete(StudentMeasure).where(StudentMeasure.student_id.notin_(active)))
    for today, some in _schools_by_day(session, now, schools).items():
        begins = date(measures.school_year(today) - 1, 7, 1)
        # With the days as values both databases plan well; schools have few last days between them.
        for through, these in _by_last_day(session, begins, today, some).items():
            _write(session, _measured(begins, through, these, now))
    session.expire_all()


def _write(session: Session, rows: Select[*tuple[Any, ...]]) -> None:
    columns = [
        "student_id",
        "day",
        "enrolled",
        "excused",
        "unexcused",
        "disciplinary",
        "streak",
        "updated_at",
    ]
    postgresql = session.get_bind().dialect.name == "postgresql"
    writing: Any = (postgres_insert if postgresql else sqlite_insert)(StudentMeasure)
    writing = writing.from_select(columns, rows)
    changed = {name: writing.excluded[name] for name in columns[1:]}
    session.execute(writing.on_conflict_do_update(index_elements=["student_id"], set_=changed))


def _by_last_day(
    session: Session, begins: date, today: date, schools: Collection[int]
) -> dict[date | None, list[int]]:
    """The schools by the last day that their files speak of; None where they have not spoken this year."""
    days = {school: day for school, day in session.execute(last_days(begins, today, schools))}
    found: dict[date | None, list[int]] = defaultdict(list)
    for school in schools:
        found[days.get(school)].append(school)
    return found


def _zones(session: Session) -> set[ZoneInfo]:
    return {ZoneInfo(name) for name in session.scalars(select(School.zone).distinct())}


def _schools_by_day(
    session: Session, now: datetime, schools: Collection[int] | None
) -> dict[date, list[int]]:
    """The active schools by the date that it is there."""
    found: dict[date, list[int]] = defaultdict(list)
    for id_, zone in session.execute(select(School.id, School.zone).where(School.active)):
        if schools is None or id_ in schools:
            found[school_day(now, ZoneInfo(zone))].append(id_)
    return found


def _measured(
    begins: date, through: date | None, schools: Collection[int], now: datetime
) -> Select[*tuple[Any, ...]]:
    """One row a student.

    Both kinds of days are counted from the end: where the nth absence is the nth day back, no day lies
    between, so that those are the streak.
    """
    last = through or begins - timedelta(days=1)
    days = (
        select(
            CalendarDay.school_id,
            CalendarDay.day,
            func.row_number()
            .over(partition_by=CalendarDay.school_id, order_by=CalendarDay.day.desc())
            .label("back"),
        )
        .where(CalendarDay.school_id.in_(schools), CalendarDay.day.between(begins, last), CalendarDay.teaches)
        .subquery()
    )
    missed = (
        select(
            AttendanceMark.student_id,
            AttendanceMark.excuse,
            days.c.back,
            func.row_number().over(partition_by=AttendanceMark.student_id, order_by=days.c.back).label("nth"),
        )
        .join(Student, Student.id == AttendanceMark.student_id)
        .join(days, and_(days.c.school_id == Student.school_id, days.c.day == AttendanceMark.day))
        .where(
            Student.school_id.in_(schools),
            AttendanceMark.day.between(begins, last),
            AttendanceMark.superseded_at.is_(None),
            AttendanceMark.status == MarkStatus.ABSENT,
            AttendanceMark.excuse != Excuse.EXEMPT,
            or_(Student.enrolled_from.is_(None), AttendanceMark.day >= Student.enrolled_from),
        )
        .subquery()
    )
    counts = (
        select(
            missed.c.student_id,
            _number_of(missed.c.excuse == Excuse.EXCUSED).label("excused"),
            _number_of(missed.c.excuse.in_([Excuse.UNEXCUSED, Excuse.UNKNOWN])).label("unexcused"),
            _number_of(missed.c.excuse == Excuse.DISCIPLINARY).label("disciplinary"),
            _number_of(missed.c.nth == missed.c.back).label("streak"),
        )
        .group_by(missed.c.student_id)
        # Once, and not for each student: without figures of the tables PostgreSQL would choose that.
        .cte("counts")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    # How many days a school has taught from each first day on; a school has few of those.
    firsts = (
        select(Student.school_id, Student.enrolled_from)
        .where(Student.active, Student.school_id.in_(schools))
        .distinct()
        .subquery()
    )
    taught = (
        select(firsts.c.school_id, firsts.c.enrolled_from, func.count(days.c.day).label("enrolled"))
        .outerjoin(
            days,
            and_(
                days.c.school_id == firsts.c.school_id,
                or_(firsts.c.enrolled_from.is_(None), days.c.day >= firsts.c.enrolled_from),
            ),
        )
        .group_by(firsts.c.school_id, firsts.c.enrolled_from)
        .cte("taught")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return (
        select(
            Student.id,
            literal(through, StudentMeasure.day.type),
            taught.c.enrolled,
            *(
                func.coalesce(counts.c[name], 0)
                for name in ("excused", "unexcused", "disciplinary", "streak")
            ),
            literal(now, StudentMeasure.updated_at.type),
        )
        .join(
            taught,
            and_(
                taught.c.school_id == Student.school_id,
                taught.c.enrolled_from.is_not_distinct_from(Student.enrolled_from),
            ),
        )
        .outerjoin(counts, counts.c.student_id == Student.id)
        .where(Student.active, Student.school_id.in_(schools))
    )


def last_days(begins: date, today: date, schools: Collection[int]) -> Select[int, date]:
    """For each of these schools the last day, up to *today*, on which it taught and of which its files speak."""
    spoken_of = (
        select(AttendanceMark.id)
        .where(AttendanceMark.day == CalendarDay.day, AttendanceMark.school_id == CalendarDay.school_id)
        .exists()
    )
    return (
        select(CalendarDay.school_id, func.max(CalendarDay.day).label("day"))
        .where(
            CalendarDay.school_id.in_(schools),
            CalendarDay.day.between(begins, today),
            CalendarDay.teaches,
            spoken_of,
        )
        .group_by(CalendarDay.school_id)
    )


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


# --- who was in touch -------------------------------------------------------------------------------------


def note_contacts(session: Session, since: datetime | None) -> None:
    """Keep when each student's family last wrote, was reached by a call or met on a visit: since then, or ever."""
    latest: dict[int, datetime] = {}
    for query in _contacts(since):
        for student, at in session.execute(query):
            latest[student] = max(at, latest.get(student, at))
    if not latest:
        return
    kept = StudentMeasure.last_contact_at
    at = bindparam("contact_at", type_=kept.type)
    session.connection().execute(
        update(StudentMeasure)
        .where(StudentMeasure.student_id == bindparam("which"), or_(kept.is_(None), kept < at))
        .values(last_contact_at=at),
        [{"which": student, "contact_at": latest[student]} for student in sorted(latest)],
    )
    session.expire_all()


def _contacts(since: datetime | None) -> tuple[Select[*tuple[Any, ...]], ...]:
    """Student and moment of the newest contact of each kind. Texts of ours that nobody answered are none."""
    of_talk = ConversationStudent.student_id
    wrote = (
        select(of_talk, func.max(InboundText.received_at))
        .join(InboundText, InboundText.conversation_id == ConversationStudent.conversation_id)
        .group_by(of_talk)
    )
    called = (
        select(of_talk, func.max(ContactMade.at))
        .join(ContactMade, ContactMade.conversation_id == ConversationStudent.conversation_id)
        .where(ContactMade.outcome == CallOutcome.REACHED)
        .group_by(of_talk)
    )
    called_about = (
        select(ContactMade.student_id, func.max(ContactMade.at))
        .where(ContactMade.outcome == CallOutcome.REACHED, ContactMade.student_id.is_not(None))
        .group_by(ContactMade.student_id)
    )
    met = (
        select(HomeVisit.student_id, func.max(HomeVisit.visited_at))
        .where(HomeVisit.outcome.in_(_MET))
        .group_by(HomeVisit.student_id)
    )
    if since is None:
        return wrote, called, called_about, met
    return (
        wrote.where(InboundText.received_at >= since),
        called.where(ContactMade.at >= since),
        called_about.where(ContactMade.at >= since),
        # A visit is written down later than it was made.
        met.where(HomeVisit.logged_at >= since),
    )


# --- tiers, week by week ----------------------------------------------------------------------------------


def refresh_weeks(session: Session, now: datetime) -> None:
    """Write anew how many students stood in each tier at the end of each week of this school year.

    The students are those enrolled now, and the marks as they stand now: a week corrected later is told
    as it was, not as it seemed.
    """
    session.flush()
    for today, schools in _schools_by_day(session, now, None).items():
        begins = date(measures.school_year(today) - 1, 7, 1)
        through = {school: day for school, day in session.execute(last_days(begins, today, schools))}
        rows = [
            {"school_id": school, "day": day} | {tier.value: counts.get(tier, 0) for tier in Tier}
            for (school, day), counts in measures.tiers_by_week(session, today, through).items()
        ]
        session.execute(
            delete(TierWeek).where(TierWeek.school_id.in_(schools), TierWeek.day.between(begins, date.max))
        )
        if rows:
            session.execute(insert(TierWeek), rows)
