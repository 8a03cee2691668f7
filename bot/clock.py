"""The only place that reads the clock; school days, wall times and windows as functions of a given moment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]


def now() -> datetime:
    """This moment, aware and in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


def starting_at(moment: datetime) -> Clock:
    """A clock that stands at *moment* when made and then runs on: the demo's morning of 2021."""
    offset = moment.astimezone(UTC) - now()
    return lambda: now() + offset


def school_day(moment: datetime, zone: ZoneInfo) -> date:
    """The date at a school: at 20:00 in Hartford it is already tomorrow in UTC (CT-3)."""
    return moment.astimezone(zone).date()


@lru_cache(4096)  # every text of a day asks for the same few
def instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a wall time on a day.

    On the two daylight-saving days a missing wall time moves to the later one and a doubled one
    means its first occurrence (CT-2).
    """
    return datetime.combine(day, wall, zone).replace(fold=0).astimezone(UTC)


@dataclass(frozen=True)
class Window:
    """The wall times at a school between which a kind of text may leave: `opens` <= t < `closes`."""

    opens: time
    closes: time
    zone: ZoneInfo

    def on(self, day: date) -> tuple[datetime, datetime]:
        """The window of *day* as two UTC instants, built from that day's own wall times (CT-2)."""
        return instant(day, self.opens, self.zone), instant(day, self.closes, self.zone)

    def contains(self, moment: datetime) -> bool:
        opens, closes = self.on(school_day(moment, self.zone))
        return opens <= moment < closes

    def next_opening(self, moment: datetime) -> datetime:
        """*moment* itself when the window is open, else the next instant at which it opens."""
        day = school_day(moment, self.zone)
        opens, closes = self.on(day)
        if moment < opens:
            return opens
        if moment < closes:
            return moment
        return self.on(day + timedelta(days=1))[0]


def narrower(first: Window, second: Window) -> Window:
    """The hours that are in both windows; both must be of one zone."""
    return Window(max(first.opens, second.opens), min(first.closes, second.closes), first.zone)
