"""By when the absent students of each day were accounted for."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select
from sqlalchemy.orm import Session

from bot.reports.span import Span
from bot.store.tables import Absence, School

# The hours of a school's day by which it is asked how many are known of.
HOURS = (9, 10, 11, 12, 13, 14, 15, 16)


@dataclass(frozen=True)
class Morning:
    """One day. `by` counts those accounted for before each of HOURS, the school's time; `that_day` before midnight.

    `absent` are the students of the day's ledger, also those who proved to be at school after all.
    """

    day: date
    absent: int
    by: tuple[int, ...]
    that_day: int
    later: int

    @property
    def still_open(self) -> int:
        return self.absent - self.that_day - self.later


def mornings(session: Session, span: Span) -> list[Morning]:
    """Each day of the span that has absent students, by one query.

    Counted by full hours of UTC, so that no more rows come back than there are hours: the zones of
    schools are whole hours away from it.
    """
    hour = _hour(session, Absence.accounted_at)
    query = (
        select(Absence.day, School.zone, hour, func.count())
        .join(School, School.id == Absence.school_id)
        .where(Absence.day.between(span.first, span.last), Absence.school_id.in_(span.school_ids))
        .group_by(Absence.day, School.zone, hour)
    )
    days: dict[date, list[tuple[date | None, int, int]]] = defaultdict(list)
    for day, zone, accounted, number in session.execute(query):
        if accounted is None:
            days[day].append((None, 0, number))
            continue
        local = datetime.strptime(accounted, "%Y-%m-%d %H").replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        days[day].append((local.date(), local.hour, number))
    return [_morning(day, rows) for day, rows in sorted(days.items())]


def _morning(day: date, rows: Sequence[tuple[date | None, int, int]]) -> Morning:
    def known(by: int) -> int:
        return sum(
            number for on, hour, number in rows if on is not None and (on < day or (on == day and hour < by))
        )

    that_day = known(24)
    return Morning(
        day=day,
        absent=sum(number for *_, number in rows),
        by=tuple(known(hour) for hour in HOURS),
        that_day=that_day,
        later=sum(number for on, _, number in rows if on is not None) - that_day,
    )


def _hour(session: Session, moment: SQLColumnExpression[datetime | None]) -> ColumnElement[str | None]:
    """The full hour of UTC as "2021-10-22 13"; SQLite keeps instants as such texts."""
    if session.get_bind().dialect.name == "sqlite":
        return func.strftime("%Y-%m-%d %H", moment)
    return func.to_char(func.timezone("UTC", moment), "YYYY-MM-DD HH24")
