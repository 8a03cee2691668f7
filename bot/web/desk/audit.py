"""The audit log: who changed or read what, newest first, of one's own schools."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from bot import audit, clock, staff
from bot.access import Act
from bot.audit import Line, Reader, Wanted
from bot.vocabulary import Role
from bot.web import guard, times
from bot.web.desk import sent
from bot.web.desk.audit_words import AUDITED, audited, of_code
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

_A_PAGE = 50


@dataclass(frozen=True)
class Told:
    """One line in words."""

    at: str
    by: str
    act: str
    about: str
    conversation_id: int | None
    detail: str
    before: str
    after: str


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/audit", endpoint="audit")
    @guard.needs(Act.AUDIT)
    def log() -> ResponseReturnValue:
        me = guard.me()
        reader = Reader(me.id, me.schools, me.role is Role.DISTRICT_ADMINISTRATOR)
        person = _id("person")
        act = sent.words("act")
        day = _day(request.args.get("day", ""))
        with parts.database.look() as database:
            zone = zones_by_school(staff.schools_seen(database, me))[""]
            begin, end = _of(day, zone)
            wanted = Wanted(person, act, begin, end, _id("before"))
            # One more than is shown tells whether there are older ones, without counting the years.
            found = audit.lines(database, reader, wanted, at_most=_A_PAGE + 1)
            doers = audit.doers(database, reader)
        shown = found[:_A_PAGE]
        return render_template(
            "desk/audit.html",
            lines=[_told(line, zone, parts.now) for line in shown],
            older=shown[-1].id if len(found) > _A_PAGE else None,
            newest="before" not in request.args,
            doers=doers,
            acts=sorted(AUDITED.items(), key=lambda pair: pair[1]),
            person=person,
            act=act,
            day=day.isoformat() if day else "",
        )


def _told(line: Line, zone: ZoneInfo, now: datetime) -> Told:
    return Told(
        times.said(line.at, zone, now),
        line.by or ("Nobody signed in" if line.act == "sign_in_held" else "Command line"),
        audited(line.act),
        ", ".join(each for each in (line.student, line.school) if each),
        line.conversation_id,
        line.detail,
        of_code(line.before),
        of_code(line.after),
    )


def _id(name: str) -> int | None:
    """An id as the database can hold it; nothing else is anybody's."""
    given = request.args.get(name, type=int)
    return given if given is None or 0 < given < 2**31 else 0


def _day(given: str) -> date | None:
    try:
        return date.fromisoformat(given)
    except ValueError:
        return None


def _of(day: date | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    if day is None or day == date.max:
        return None, None
    return (
        clock.instant(day, time(), zone),
        clock.instant(day + timedelta(days=1), time(), zone),
    )
