"""Home visits, planned and made, as entries of a family's story."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot.store.tables import HomeVisit, Student, VisitState
from bot.timeline.entries import VisitMade, VisitPlanned


def entries(
    session: Session,
    students: Collection[int],
    names: Mapping[int, str],
    *,
    since: datetime | None = None,
    before: datetime | None = None,
) -> Iterator[VisitPlanned | VisitMade]:
    """The visits of these students, each when it was planned and when it was made; unordered."""

    def inside(at: datetime) -> bool:
        return (since is None or at >= since) and (before is None or at < before)

    lately = [] if since is None else [or_(HomeVisit.planned_at >= since, HomeVisit.visited_at >= since)]
    rows = session.execute(
        select(HomeVisit, Student)
        .join(Student, Student.id == HomeVisit.student_id)
        .where(HomeVisit.student_id.in_(students), *lately)
    )
    for visit, student in rows:
        if inside(visit.planned_at):
            yield VisitPlanned(
                at=visit.planned_at,
                by=names.get(visit.planned_by, ""),
                visit_id=visit.id,
                student=student.first_name,
                day=visit.day,
                pair=(names.get(visit.lead_id, ""), names.get(visit.pair_id, "")),
                cancelled=visit.state is VisitState.CANCELLED,
            )
        if visit.outcome and visit.visited_at and inside(visit.visited_at):
            yield VisitMade(
                at=visit.visited_at,
                by=names.get(visit.logged_by or 0, ""),
                visit_id=visit.id,
                student=student.first_name,
                outcome=visit.outcome,
                heard=visit.heard,
            )
