"""How many students stood in each tier at the end of each week."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.measures import Tier
from bot.reports.span import Span
from bot.store.tables import TierWeek


@dataclass(frozen=True)
class Week:
    """The schools together, on the last school day of the week that begins on `monday`."""

    monday: date
    counts: dict[Tier, int]

    @property
    def students(self) -> int:
        return sum(self.counts.values())

    @property
    def chronic(self) -> int:
        return self.counts[Tier.MODERATE] + self.counts[Tier.SEVERE]


def by_week(session: Session, span: Span) -> list[Week]:
    """Each week that has its last school day in the span, as the marks say now (kept.refresh_weeks)."""
    weeks: dict[date, dict[Tier, int]] = defaultdict(lambda: dict.fromkeys(Tier, 0))
    for row in session.scalars(
        select(TierWeek).where(
            TierWeek.school_id.in_(span.school_ids), TierWeek.day.between(span.first, span.last)
        )
    ):
        monday = row.day - timedelta(days=row.day.weekday())
        for each in Tier:
            weeks[monday][each] += getattr(row, each.value)
    return [Week(monday, counts) for monday, counts in sorted(weeks.items())]


def by_school(session: Session, span: Span) -> dict[int, dict[Tier, int]]:
    """Each school's newest week of the span."""
    found: dict[int, dict[Tier, int]] = {}
    rows = session.scalars(
        select(TierWeek)
        .where(TierWeek.school_id.in_(span.school_ids), TierWeek.day.between(span.first, span.last))
        .order_by(TierWeek.day)
    )
    for row in rows:
        found[row.school_id] = {each: getattr(row, each.value) for each in Tier}
    return found
