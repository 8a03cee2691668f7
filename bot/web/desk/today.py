"""Today: where each school stands this morning, what waits for somebody, and the last run of each job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from bot import handoffs, staff, stopping
from bot import today as days
from bot.access import Act
from bot.clock import school_day
from bot.staff import StaffMember
from bot.today import SchoolToday
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.desk.waiting import Notice, notices
from bot.web.parts import Parts


@dataclass(frozen=True)
class Today:
    """What one staff member sees of this day."""

    day: date
    day_said: str
    schools: Sequence[SchoolToday]
    together: SchoolToday
    notices: Sequence[Notice]
    jobs: Sequence[tuple[str, str]]
    at: str
    mark: str


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/today")
    @guard.needs(Act.READ)
    def today() -> ResponseReturnValue:
        me = guard.me()
        with parts.database.look() as session:
            press = stopping.last_press(session)
        return render_template(
            "desk/today.html",
            today=_read(parts, me),
            may_stop=me.can(Act.STOP) and not (press and press.stopped),
            button_seen=press.id if press else 0,
            longest=stopping.LONGEST_REASON,
        )

    @page.get("/today/news")
    @guard.needs(Act.READ)
    def today_news() -> ResponseReturnValue:
        """204 while nothing has changed in ledger and queue, for a minute at most."""
        me = guard.me()
        if request.args.get("seen") == _mark(parts, me):
            return "", 204
        return render_template("desk/_today.html", today=_read(parts, me))


def _mark(parts: Parts, me: StaffMember) -> str:
    with parts.database.look() as session:
        zone = zones_by_school(staff.schools_seen(session, me))[""]
        ledger = days.mark(session, me.schools, school_day(parts.now, zone))
        return f"{parts.now:%H%M}-{ledger}-{handoffs.pulse(session, me.schools)}"


def _read(parts: Parts, me: StaffMember) -> Today:
    now = parts.now
    mark = _mark(parts, me)
    with parts.database.look() as session:
        zone = zones_by_school(staff.schools_seen(session, me))[""]
        day = school_day(now, zone)
        schools = days.by_school(session, me.schools, day)
        jobs = days.jobs(session)
    return Today(
        day=day,
        day_said=times.day_said(day),
        schools=schools,
        together=days.together(schools),
        notices=notices(parts, me, schools),
        jobs=[(words.job(name), times.said(at, zone, now)) for name, at in jobs],
        at=times.clock_time(now, zone),
        mark=mark,
    )
