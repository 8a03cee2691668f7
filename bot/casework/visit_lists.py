"""Home visits as the lists show them: what is planned, what was done, and one with the names that belong to it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, aliased

from bot.casework import plausible
from bot.language import Language
from bot.store.tables import (
    BarrierFound,
    Guardian,
    Guardianship,
    HomeVisit,
    School,
    Staff,
    Student,
    VisitState,
)
from bot.vocabulary import Barrier, PartOfDay, VisitOutcome

_DONE_LATELY = timedelta(days=14)
_MOST_DONE = 60

_PARTS = list(PartOfDay)


@dataclass(frozen=True)
class VisitSeen:
    """One visit with the names that belong to it. `marks` are for supervisors (plausible.py)."""

    id: int
    student_id: int
    student: str
    first_name: str
    school_id: int
    school: str
    zone: str
    guardian_id: int | None
    guardian: str
    language: Language | None
    state: VisitState
    day: date
    part: PartOfDay
    lead_id: int
    lead: str
    pair_id: int
    pair: str
    place: str
    bring: str
    safety: str
    outcome: VisitOutcome | None
    visited_at: datetime | None
    met: str
    heard: str
    logged_by: int | None
    logged_at: datetime | None
    cancelled_why: str
    thanked_at: datetime | None
    follows_id: int | None
    marks: tuple[plausible.Mark, ...] = ()


# --- visits ---------------------------------------------------------------------------------------------


def one(session: Session, visit_id: int, schools: Collection[int]) -> VisitSeen | None:
    """A visit, as someone of these schools may see it; None when there is none for them."""
    found = _seen(session, [HomeVisit.id == visit_id, Student.school_id.in_(schools)])
    return found[0] if found else None


def of_student(session: Session, student_id: int) -> list[VisitSeen]:
    """Every visit to a student, the newest first. The caller has asked whether they may be seen."""
    return _seen(session, [HomeVisit.student_id == student_id])[::-1]


def planned(
    session: Session,
    schools: Collection[int],
    *,
    day: date | None = None,
    staff_id: int | None = None,
) -> list[VisitSeen]:
    """What is planned at these schools, by day and part of it: of one day, or of one visitor, if given."""
    wanted = [HomeVisit.state == VisitState.PLANNED, Student.school_id.in_(schools)]
    if day is not None:
        wanted.append(HomeVisit.day == day)
    if staff_id is not None:
        wanted.append(or_(HomeVisit.lead_id == staff_id, HomeVisit.pair_id == staff_id))
    return _seen(session, wanted)


def done_lately(
    session: Session, schools: Collection[int], now: datetime, *, staff_id: int | None = None
) -> list[VisitSeen]:
    """What was done in the last two weeks, the newest first."""
    wanted = [
        HomeVisit.state == VisitState.DONE,
        HomeVisit.day >= (now - 2 * _DONE_LATELY).date(),
        HomeVisit.visited_at >= now - _DONE_LATELY,
        Student.school_id.in_(schools),
    ]
    if staff_id is not None:
        wanted.append(or_(HomeVisit.lead_id == staff_id, HomeVisit.pair_id == staff_id))
    found = _seen(session, wanted)
    return sorted(found, key=lambda visit: (visit.visited_at or now, visit.id), reverse=True)[:_MOST_DONE]


def _seen(session: Session, wanted: Sequence[ColumnElement[bool]]) -> list[VisitSeen]:
    lead, pair = aliased(Staff), aliased(Staff)
    rows = session.execute(
        select(HomeVisit, Student, School.name, School.zone, lead.name, pair.name)
        .join(Student, Student.id == HomeVisit.student_id)
        .join(School, School.id == Student.school_id)
        .join(lead, lead.id == HomeVisit.lead_id)
        .join(pair, pair.id == HomeVisit.pair_id)
        .where(*wanted)
        .order_by(HomeVisit.day, HomeVisit.id)
    ).all()
    visits = [visit for visit, *_ in rows]
    to_meet = _guardians(session, visits)
    marks = plausible.marks(session, visits)
    found = []
    for visit, student, school, zone, lead_name, pair_name in rows:
        guardian_id, guardian, language = to_meet.get(visit.id, (None, "", None))
        found.append(
            VisitSeen(
                id=visit.id,
                student_id=student.id,
                student=f"{student.first_name} {student.family_name}",
                first_name=student.first_name,
                school_id=student.school_id,
                school=school,
                zone=zone,
                guardian_id=guardian_id,
                guardian=guardian,
                language=language,
                state=visit.state,
                day=visit.day,
                part=visit.part,
                lead_id=visit.lead_id,
                lead=lead_name,
                pair_id=visit.pair_id,
                pair=pair_name,
                place=visit.place,
                bring=visit.bring,
                safety=visit.safety,
                outcome=visit.outcome,
                visited_at=visit.visited_at,
                met=visit.met,
                heard=visit.heard,
                logged_by=visit.logged_by,
                logged_at=visit.logged_at,
                cancelled_why=visit.cancelled_why,
                thanked_at=visit.thanked_at,
                follows_id=visit.follows_id,
                marks=marks.get(visit.id, ()),
            )
        )
    return sorted(found, key=lambda visit: (visit.day, _PARTS.index(visit.part), visit.id))


def _guardians(
    session: Session, visits: Sequence[HomeVisit]
) -> dict[int, tuple[int | None, str, Language | None]]:
    """Whom each visit is to meet: who was chosen, else the first whom no court order keeps away."""
    rows = session.execute(
        select(Guardianship.student_id, Guardian, Guardianship.court_order)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .where(
            Guardianship.student_id.in_({visit.student_id for visit in visits}),
            Guardianship.active,
            Guardian.active,
        )
        .order_by(Guardianship.contact_order, Guardian.id)
    )
    theirs: dict[int, list[tuple[Guardian, bool]]] = defaultdict(list)
    for student, guardian, court_order in rows:
        theirs[student].append((guardian, court_order))
    found: dict[int, tuple[int | None, str, Language | None]] = {}
    for visit in visits:
        some = [
            guardian
            for guardian, court_order in theirs[visit.student_id]
            if guardian.id == visit.guardian_id or (visit.guardian_id is None and not court_order)
        ]
        if some:
            name = f"{some[0].given_name} {some[0].family_name}"
            found[visit.id] = visit.guardian_id, name, some[0].language
    return found


def safety_notes(session: Session, students: Collection[int]) -> dict[int, tuple[str, ...]]:
    """What earlier and planned visits have noted for whoever knocks next: by student, the newest first."""
    found: dict[int, tuple[str, ...]] = {}
    for student, note in session.execute(
        select(HomeVisit.student_id, HomeVisit.safety)
        .where(HomeVisit.student_id.in_(students), HomeVisit.safety != "")
        .order_by(HomeVisit.day.desc(), HomeVisit.id.desc())
    ):
        known = found.get(student, ())
        if note not in known:
            found[student] = (*known, note)
    return found


def heard_at(session: Session, visit_id: int) -> list[Barrier]:
    """The barriers that were told at a visit."""
    return list(
        session.scalars(
            select(BarrierFound.code).where(BarrierFound.visit_id == visit_id).order_by(BarrierFound.id)
        )
    )
