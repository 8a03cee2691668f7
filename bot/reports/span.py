"""What a report is about: some schools, from one day to another."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, case, false, literal, or_

from bot.clock import instant
from bot.staff import SchoolSeen


@dataclass(frozen=True)
class Span:
    """Both days are in it. `today` is the reader's."""

    schools: tuple[SchoolSeen, ...]
    first: date
    last: date
    today: date

    @property
    def school_ids(self) -> list[int]:
        return [school.id for school in self.schools]

    @property
    def by_zone(self) -> Mapping[ZoneInfo, list[int]]:
        """The schools by the zone in which their days begin."""
        found: dict[ZoneInfo, list[int]] = defaultdict(list)
        for school in self.schools:
            found[ZoneInfo(school.zone)].append(school.id)
        return found

    @property
    def weeks(self) -> list[date]:
        """The Monday of each week that has a day in it."""
        monday = self.first - timedelta(days=self.first.weekday())
        return [monday + timedelta(weeks=n) for n in range((self.last - monday).days // 7 + 1)]

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From the first instant of the first day until that of the day after the last."""
        return instant(self.first, time(0), zone), instant(self.last + timedelta(days=1), time(0), zone)

    def within(
        self, moment: SQLColumnExpression[Any], school: SQLColumnExpression[Any]
    ) -> ColumnElement[bool]:
        """Whether something of one of these schools happened on one of the days, by the school's own clock."""
        return or_(
            false(),  # somebody of no school
            *(
                and_(school.in_(schools), moment >= self.bounds(zone)[0], moment < self.bounds(zone)[1])
                for zone, schools in self.by_zone.items()
            ),
        )

    def week_of(
        self, moment: SQLColumnExpression[Any], school: SQLColumnExpression[Any]
    ) -> ColumnElement[int]:
        """Which of `weeks` a moment is in, by its place; weeks begin at the school's midnight."""
        ends = [
            (and_(school.in_(schools), moment < instant(monday + timedelta(weeks=1), time(0), zone)), place)
            for zone, schools in self.by_zone.items()
            for place, monday in enumerate(self.weeks)
        ]
        return case(*ends, else_=-1) if ends else literal(-1)
