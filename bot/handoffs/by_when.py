"""By when a person must have answered, and how long a family has waited, both in hours in which staff work."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from bot import attendance
from bot.clock import school_day
from bot.policy import Policy
from bot.store.prepared import Query
from bot.store.tables import CalendarDay, School
from bot.vocabulary import Urgency

# A wait that is older was broken by no person for two months; its exact hours are no news to anybody.
_FARTHEST_BACK = timedelta(days=62)


def due(session: Session, urgency: Urgency, school_id: int | None, policy: Policy, now: datetime) -> datetime:
    """By when a person must have answered (conversation.md): P0 seen in five minutes, P1 within two
    office hours, P2 by noon of the next school day, P3 within five school days.

    Rounded up to the half hour a family is promised, except for P0.
    """
    if urgency is Urgency.P0:
        return now + timedelta(minutes=5)
    zone = zone_of(session, school_id)
    office = policy.office(zone)
    if urgency is Urgency.P1:
        start = _office_moment(session, school_id, policy, zone, now)
        _, closes = office.on(school_day(start, zone))
        moment = start + timedelta(hours=2)
        if moment <= closes:
            return half_hour(moment)
        left = moment - closes
        opens = next_opening(session, school_id, policy, zone, start)
        return half_hour(opens + left)
    days = 1 if urgency is Urgency.P2 else 5
    today = school_day(now, zone)
    ahead = attendance.next_school_days(session, school_id, today, days) if school_id is not None else []
    day = ahead[-1] if ahead else today + timedelta(days=days)
    opens, closes = office.on(day)
    return half_hour(min(opens + timedelta(hours=4), closes))


def zone_of(session: Session, school_id: int | None) -> ZoneInfo:
    """The school's zone; without a school, that of any school of the district."""
    if school_id is None:
        return _ANY_ZONE.first(session) or ZoneInfo("UTC")
    return _ZONE.first(session, id=school_id) or ZoneInfo("UTC")


_ZONE = Query(select(School.zone).where(School.id == bindparam("id")), ZoneInfo)
_ANY_ZONE = Query(select(School.zone).order_by(School.id).limit(1), ZoneInfo)


def _office_moment(
    session: Session, school_id: int | None, policy: Policy, zone: ZoneInfo, now: datetime
) -> datetime:
    """*now* when staff are at work, else the next moment at which they are."""
    today = school_day(now, zone)
    opens, closes = policy.office(zone).on(today)
    works_today = school_id is None or attendance.is_school_day(session, school_id, today)
    if works_today and now < closes:
        return max(now, opens)
    return next_opening(session, school_id, policy, zone, now)


def next_opening(
    session: Session, school_id: int | None, policy: Policy, zone: ZoneInfo, now: datetime
) -> datetime:
    """When staff are at work next, on a later day than *now*."""
    today = school_day(now, zone)
    ahead = attendance.next_school_days(session, school_id, today, 1) if school_id is not None else []
    return policy.office(zone).on(ahead[0] if ahead else today + timedelta(days=1))[0]


def half_hour(moment: datetime) -> datetime:
    """The next full or half hour: what a family is promised must be easy to remember."""
    past = timedelta(minutes=moment.minute % 30, seconds=moment.second, microseconds=moment.microsecond)
    return moment if not past else moment - past + timedelta(minutes=30)


# --- how long, in office hours --------------------------------------------------------------------------------


@dataclass(frozen=True)
class OfficeHours:
    """When staff of some schools are at work, from one look at their calendars.

    A text of Friday evening has waited for nobody on Monday at eight. A family of no school waits on
    any weekday.
    """

    policy: Policy
    first: date
    teaching: frozenset[tuple[int, date]]

    def lasted(self, school_id: int | None, zone: ZoneInfo, since: datetime, until: datetime) -> timedelta:
        """How much of the time from *since* to *until* staff were at work."""
        office = self.policy.office(zone)
        day, last = max(school_day(since, zone), self.first), school_day(until, zone)
        length = timedelta(0)
        while day <= last:
            if self.works(school_id, day):
                opens, closes = office.on(day)
                length += max(timedelta(0), min(closes, until) - max(opens, since))
            day += timedelta(days=1)
        return length

    def works(self, school_id: int | None, day: date) -> bool:
        """Whether staff of this school are at work on *day*."""
        return day.weekday() < 5 if school_id is None else (school_id, day) in self.teaching


def office_hours(
    session: Session, schools: Collection[int], since: datetime, policy: Policy, now: datetime
) -> OfficeHours:
    """The office hours of these schools from *since* until *now*."""
    # A day more on either side: whatever the zone, the school's date is among them.
    first = max(since, now - _FARTHEST_BACK).date() - timedelta(days=1)
    rows = session.execute(
        select(CalendarDay.school_id, CalendarDay.day).where(
            CalendarDay.school_id.in_(schools),
            CalendarDay.day.between(first, now.date() + timedelta(days=1)),
            CalendarDay.teaches,
        )
    )
    return OfficeHours(policy, first, frozenset((school, day) for school, day in rows))
