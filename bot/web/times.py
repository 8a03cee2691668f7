"""Times as people at a school say them: "9:41 AM", "Thu 9:41 AM", "12 min", "Friday, October 22, 2021"."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


def clock_time(moment: datetime, zone: ZoneInfo) -> str:
    """The wall time alone: "9:41 AM"."""
    local = moment.astimezone(zone)
    return f"{local.hour % 12 or 12}:{local:%M} {'AM' if local.hour < 12 else 'PM'}"


def said(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """A moment with as much of its date as someone who reads it *now* needs."""
    day, today = moment.astimezone(zone).date(), now.astimezone(zone).date()
    wall = clock_time(moment, zone)
    if day == today:
        return wall
    if abs((day - today).days) < 7:
        return f"{day:%a} {wall}"
    year = "" if day.year == today.year else f", {day.year}"
    return f"{day:%b} {day.day}{year}, {wall}"


def lasted(length: timedelta) -> str:
    """How long somebody has waited, in one or two words a person would use."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days = hours // 24
    return "1 day" if days == 1 else f"{days} days"


def worked(length: timedelta) -> str:
    """How much of the office's time that is: never in days, which are a person's and not an office's."""
    hours, minutes = divmod(int(length.total_seconds() // 60), 60)
    if not hours:
        return f"{minutes} min of office time"
    return f"{hours} h {minutes} min of office time" if minutes else f"{hours} h of office time"


def day_said(day: date) -> str:
    """A school day in full: "Friday, October 22, 2021"."""
    return f"{day:%A}, {day:%B} {day.day}, {day.year}"


def short_day(day: date) -> str:
    """A day in a table: "Fri Oct 22"."""
    return f"{day:%a} {day:%b} {day.day}"
