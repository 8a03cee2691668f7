"""The school calendar: which days have school and why not, what a person has said of a day, the calendar file."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import attendance, closings, measures, staff
from bot.access import Act
from bot.clock import school_day
from bot.closings import Change, ClosingRefused, Who
from bot.roster import FileRefused, feed, yearplan
from bot.roster.apply import Approval
from bot.staff import SchoolSeen
from bot.store.tables import DayChange
from bot.web import guard, times, words
from bot.web.desk.months import WEEKDAYS, months, wall
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

_LARGEST = 2_000_000


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/calendar")
    @guard.needs(Act.READ)
    def calendar() -> ResponseReturnValue:
        return _show(parts)

    @page.post("/calendar/day")
    @guard.needs(Act.CLOSE)
    def change_day() -> ResponseReturnValue:
        return _change_day(parts)

    @page.post("/calendar/day/<int:change_id>/withdraw")
    @guard.needs(Act.CLOSE)
    def withdraw_day(change_id: int) -> ResponseReturnValue:
        me = guard.me()
        try:
            with parts.database.begin() as session:
                change = closings.withdraw(
                    session, change_id, schools=me.schools, who=Who(me.name, me.id), now=parts.now
                )
        except ClosingRefused as why:
            return _show(parts, wrong=str(why)), 409
        parts.wake()
        flash(f"{change.school}, {times.day_said(change.day)}: as the calendar has it again.")
        return redirect(url_for("desk.calendar"), 303)

    @page.post("/calendar/check")
    @guard.needs(Act.IMPORT)
    def check_calendar() -> ResponseReturnValue:
        return _check(parts)

    @page.post("/calendar/apply")
    @guard.needs(Act.APPROVE)
    def apply_calendar() -> ResponseReturnValue:
        return _apply(parts)


def _show(parts: Parts, wrong: str = "", wrong_file: str = "") -> str:
    me = guard.me()
    with parts.database.look() as session:
        schools = staff.schools_seen(session, me)
        zone = zones_by_school(schools)[""]
        today = school_day(parts.now, zone)
        shown = _school(schools)
        year = _year(today)
        first, last = date(year - 1, 7, 1), date(year, 6, 30)
        planned = attendance.planned_days(session, [shown.id], first, last) if shown else []
        said = closings.changes(session, me.schools, first, last)
        feeds = feed.last(session)
    return render_template(
        "desk/calendar.html",
        schools=schools,
        shown=shown,
        year=year,
        months=months(planned, [one for one in said if shown and one.school_id == shown.id], today),
        weekdays=WEEKDAYS,
        said=[_line(one, zones_by_school(schools), parts) for one in said],
        feed=_feed(feeds, zone, parts),
        today=today,
        kinds=words.DAY_CHANGE,
        may_close=me.can(Act.CLOSE),
        may_import=me.can(Act.IMPORT),
        longest=closings.LONGEST_REASON,
        typed=request.form,
        wrong=wrong,
        wrong_file=wrong_file,
    )


def _school(schools: Sequence[SchoolSeen]) -> SchoolSeen | None:
    asked = request.args.get("school", type=int)
    return next((one for one in schools if one.id == asked), schools[0] if schools else None)


def _year(today: date) -> int:
    asked = request.args.get("year", type=int)
    return asked if asked and 2000 <= asked <= 2100 else measures.school_year(today)


# --- what a person says of a day ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One thing that was said of a day, as the list shows it."""

    change: Change
    what: str
    day: str
    when: str
    withdrawn: str


def _line(change: Change, zones: Mapping[str, ZoneInfo], parts: Parts) -> Line:
    zone = zones.get(change.school, zones[""])
    at = f", {wall(change.at_time)}" if change.at_time else ""
    withdrawn = ""
    if change.withdrawn_at is not None:
        withdrawn = f"taken back {times.said(change.withdrawn_at, zone, parts.now)} by {change.withdrawn_by}"
    return Line(
        change,
        f"{words.DAY_CHANGE[change.kind]}{at}",
        times.day_said(change.day),
        times.said(change.at, zone, parts.now),
        withdrawn,
    )


def _change_day(parts: Parts) -> ResponseReturnValue:
    me, form = guard.me(), request.form
    chosen = {int(one) for one in form.getlist("schools") if one.isdecimal()} & set(me.schools)
    try:
        kind, day = _what(form.get("kind", "")), _day(form.get("day", ""))
        if not chosen:
            raise ClosingRefused("Choose at least one school.")  # noqa: TRY301 - one sentence for the page
        with parts.database.begin() as session:
            about = {"reason": form.get("reason", ""), "who": Who(me.name, me.id), "now": parts.now}
            if kind is DayChange.CLOSED:
                done = closings.close(session, chosen, day, **about)  # type: ignore[arg-type]
            elif kind is DayChange.OPENS_LATE:
                done = closings.open_late(session, chosen, day, _at(form.get("at", "")), **about)  # type: ignore[arg-type]
            else:
                done = closings.end_early(session, chosen, day, _at(form.get("at", "")), **about)  # type: ignore[arg-type]
    except ClosingRefused as why:
        return _show(parts, wrong=str(why)), 422
    parts.wake()
    flash(f"{words.DAY_CHANGE[kind]}: {', '.join(done)}, {times.day_said(day)}.")
    return redirect(url_for("desk.calendar"), 303)


def _what(written: str) -> DayChange:
    if written not in set(DayChange):
        raise ClosingRefused(
            "Choose what you say of the day: no school, a late opening or an early dismissal."
        )
    return DayChange(written)


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise ClosingRefused("That is not a date; write a day like 2021-10-22.") from None


def _at(written: str) -> time:
    try:
        return time.fromisoformat(written)
    except ValueError:
        raise ClosingRefused("A late opening and an early dismissal need a time, such as 11:30.") from None


# --- the calendar file and its address -----------------------------------------------------------------------


@dataclass(frozen=True)
class FeedSeen:
    """The calendar's address as the page tells of it; the address itself may hold a key and is not shown."""

    host: str
    good: str
    failure: str
    tried: str


def _feed(last: feed.Last | None, zone: ZoneInfo, parts: Parts) -> FeedSeen | None:
    if last is None:
        return None
    good = times.said(last.good_at, zone, parts.now) if last.good_at else ""
    return FeedSeen(last.host, good, last.failure, times.said(last.tried_at, zone, parts.now))


def _check(parts: Parts) -> ResponseReturnValue:
    """What the file would change; nothing is kept here, the page carries the file to the button."""
    sent = request.files.get("file")
    raw = sent.read(_LARGEST + 1) if sent else b""
    if not sent or not raw:
        return _show(parts, wrong_file="Choose a calendar file (.ics) first."), 422
    if len(raw) > _LARGEST:
        return _show(
            parts, wrong_file="The file is larger than a school calendar can be; export it again."
        ), 422
    name = (sent.filename or "calendar.ics")[:200]
    try:
        with parts.database.begin(undo=True) as session:
            foreseen = yearplan.foresee_calendar(session, name, raw, now=parts.now)
    except FileRefused as why:
        return _show(parts, wrong_file=str(why)), 422
    return _checked(name, raw, foreseen)


def _checked(name: str, raw: bytes, foreseen: yearplan.Foreseen, wrong: str = "") -> str:
    return render_template(
        "desk/calendar_check.html",
        name=name,
        content=base64.b64encode(raw).decode(),
        foreseen=foreseen,
        day_said=times.day_said,
        may_apply=guard.me().can(Act.APPROVE),
        reason=request.form.get("reason", ""),
        longest=closings.LONGEST_REASON,
        wrong=wrong,
    )


def _apply(parts: Parts) -> ResponseReturnValue:
    me, form = guard.me(), request.form
    name = form.get("name", "calendar.ics")[:200]
    try:
        raw = base64.b64decode(form.get("content", ""), validate=True)
    except (binascii.Error, ValueError):
        return _show(parts, wrong_file="The file did not come back whole; choose it once more."), 422
    reason = " ".join(form.get("reason", "").split())
    approval = Approval(by=me.name, reason=reason) if reason else None
    try:
        with parts.database.begin() as session:
            foreseen = yearplan.foresee_calendar(session, name, raw, now=parts.now)
            if foreseen.doubt and approval is None:
                return _checked(name, raw, foreseen, "Say why it is right all the same."), 422
            yearplan.import_calendar(session, name, raw, now=parts.now, approval=approval)
    except FileRefused as why:
        return _show(parts, wrong_file=str(why)), 422
    parts.wake()
    flash(f"{name} counts from now on; {len(foreseen.turns)} dates changed.")
    return redirect(url_for("desk.calendar"), 303)
