"""The reports of the weekly attendance meeting: by school and span, as a page, on paper, and as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from bot import audit, export, staff
from bot.access import Act
from bot.clock import school_day
from bot.language import Language
from bot.measures import Tier
from bot.reports import answers, happened, returning, students, whole
from bot.reports.happened import Happened, Kind
from bot.reports.returning import After, Return
from bot.reports.span import Span
from bot.reports.students import Asked, Order
from bot.staff import SchoolSeen, StaffMember
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.desk.report_shapes import Report
from bot.web.desk.report_tables import AFTER, RETURN, Maker
from bot.web.desk.students import TIERS, as_file, row_of
from bot.web.parts import Parts

_WEEKS_AT_FIRST = 4
_LONGEST = timedelta(days=370)
# The cookie's entry that says until when groups of fewer than ten are shown; it is signed.
_SHOWN_UNTIL = "small_groups_until"
_SHOWN_FOR = timedelta(minutes=30)
# How many students a team speaks of in a meeting at most.
_MOST_TALKED_OF = 60


@dataclass(frozen=True)
class Chosen:
    """The span that was asked for, as the form holds it, and what is wrong with it."""

    span: Span
    schools: list[SchoolSeen]
    school: str
    wrong: str

    def address(self, **more: str) -> str:
        given = {"school": self.school, "from": self.span.first.isoformat(), "to": self.span.last.isoformat()}
        return urlencode({name: value for name, value in (given | more).items() if value})


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/reports")
    @guard.needs(Act.READ)
    def reports() -> ResponseReturnValue:
        me, now = guard.me(), parts.now
        with parts.database.look() as session:
            chosen = _chosen(staff.schools_seen(session, me), now)
            counts = whole.read(session, chosen.span, parts.script.policy)
        made = Maker(chosen.span, counts, show_all=_shown(me, now)).all()
        return render_template("desk/reports.html", reports=made, **_around(chosen, me, now))

    @page.get("/reports/print")
    @guard.needs(Act.READ)
    def reports_print() -> ResponseReturnValue:
        me, now = guard.me(), parts.now
        with parts.database.look() as session:
            chosen = _chosen(staff.schools_seen(session, me), now)
            counts = whole.read(session, chosen.span, parts.script.policy)
            talked_of = students.lines(session, _to_talk_of(chosen.span), most=_MOST_TALKED_OF)
        return render_template(
            "desk/report_print.html",
            reports=Maker(chosen.span, counts, show_all=_shown(me, now)).all(),
            rows=[row_of(line, now) for line in talked_of],
            most=_MOST_TALKED_OF,
            **_around(chosen, me, now),
        )

    @page.get("/reports/list")
    @guard.needs(Act.READ)
    def report_list() -> ResponseReturnValue:
        me, now = guard.me(), parts.now
        with parts.database.look() as session:
            chosen = _chosen(staff.schools_seen(session, me), now)
        title, found = _behind(parts, chosen.span)
        return render_template(
            "desk/report_list.html",
            title=title,
            lines=[(each, _when(each, now)) for each in found],
            most=happened.MOST_LISTED,
            **_around(chosen, me, now),
        )

    @page.get("/reports.xlsx")
    @guard.needs(Act.EXPORT)
    def reports_workbook() -> ResponseReturnValue:
        tables = [table for report in _carried_out(parts, "Excel") for table in report.tables]
        sheets = [(table.name.replace("_", " "), table.head, table.for_file) for table in tables]
        return export.workbook(sheets), as_file(export.XLSX, "reports.xlsx")

    @page.get("/reports.csv")
    @guard.needs(Act.EXPORT)
    def reports_csv() -> ResponseReturnValue:
        wanted = request.args.get("table", "")
        tables = [table for report in _carried_out(parts, "CSV") for table in report.tables]
        found = next((table for table in tables if table.name == wanted), None)
        if found is None:
            return "", 404
        return export.csv_file(found.head, found.for_file), as_file(export.CSV, f"{wanted}.csv")

    @page.post("/reports/small-groups")
    @guard.needs(Act.SMALL_GROUPS)
    def small_groups() -> ResponseReturnValue:
        """Show groups of fewer than ten for half an hour, or hide them again. Written down either way."""
        me, now = guard.me(), parts.now
        show = request.form.get("show") == "yes"
        with parts.database.begin() as session:
            names = ", ".join(school.name for school in staff.schools_seen(session, me))
            act = "small_groups_shown" if show else "small_groups_hidden"
            (one,) = me.schools if len(me.schools) == 1 else (None,)
            audit.note(session, me.id, act, now=now, school_id=one, detail=names)
        if show:
            cookie[_SHOWN_UNTIL] = (now + _SHOWN_FOR).isoformat()
            flash("Groups of fewer than ten are shown for half an hour, to you alone. That is written down.")
        else:
            cookie.pop(_SHOWN_UNTIL, None)
            flash("Groups of fewer than ten are hidden again.")
        back = {name: request.form.get(name, "") for name in ("school", "from", "to")}
        return redirect(f"{url_for('desk.reports')}?{urlencode(back)}", 303)


def _around(chosen: Chosen, me: StaffMember, now: datetime) -> Mapping[str, object]:
    return {
        "chosen": chosen,
        "span": chosen.span,
        "first_said": times.day_said(chosen.span.first),
        "last_said": times.day_said(chosen.span.last),
        "school_names": [school.name for school in chosen.span.schools],
        "shown": _shown(me, now),
        "may_show": me.can(Act.SMALL_GROUPS),
        "may_export": me.can(Act.EXPORT),
        "tier_labels": TIERS,
    }


def _shown(me: StaffMember, now: datetime) -> bool:
    """Whether this person has asked for the small groups within the last half hour."""
    until = cookie.get(_SHOWN_UNTIL)
    return me.can(Act.SMALL_GROUPS) and isinstance(until, str) and now < datetime.fromisoformat(until)


def _carried_out(parts: Parts, kind: str) -> list[Report]:
    """The same reports for a file; that somebody took them along is written down."""
    me = guard.me()
    with parts.database.begin() as session:
        chosen = _chosen(staff.schools_seen(session, me), parts.now)
        counts = whole.read(session, chosen.span, parts.script.policy)
        audit.note(session, me.id, "reports_exported", now=parts.now, detail=f"{kind}; {chosen.address()}")
    return Maker(chosen.span, counts, show_all=_shown(me, parts.now)).all()


# --- what is asked for ------------------------------------------------------------------------------------


def _chosen(seen: Sequence[SchoolSeen], now: datetime) -> Chosen:
    """The span of the address; another's school or a day that is none gives the usual one, with a sentence."""
    schools = list(seen)
    today = school_day(now, zones_by_school(schools)[""])
    asked = request.args.get("school", "")
    some = tuple(school for school in schools if not asked or str(school.id) == asked)
    if not some and asked:
        abort(404)
    monday = today - timedelta(days=today.weekday())
    first, last = monday - timedelta(weeks=_WEEKS_AT_FIRST - 1), today
    try:
        typed = request.args.get("from", ""), request.args.get("to", "")
        first, last = (
            date.fromisoformat(day) if day else usual for day, usual in zip(typed, (first, last), strict=True)
        )
        wrong = "" if first <= last else "The first day is after the last one."
    except ValueError:
        wrong = "That is not a day; write one like 2021-10-22."
    if not wrong and last - first > _LONGEST:
        wrong = "That is more than a year; choose a shorter time."
    if wrong:
        wrong += f" The last {_WEEKS_AT_FIRST} weeks are shown."
        first, last = monday - timedelta(weeks=_WEEKS_AT_FIRST - 1), today
    return Chosen(Span(some, first, last, today), schools, asked, wrong)


def _to_talk_of(span: Span) -> Asked:
    """Whom a team speaks of: who misses a tenth and more, the longest away first."""
    return Asked(
        schools=frozenset(span.school_ids),
        today=span.today,
        tiers=frozenset({Tier.MODERATE, Tier.SEVERE}),
        order=Order.STREAK,
    )


def _behind(parts: Parts, span: Span) -> tuple[str, list[Happened]]:
    """What a number of the reports counts, and how the list is called. An unknown one is no page."""
    what, key = request.args.get("what", ""), request.args.get("key", "")
    labels: Mapping[str, Mapping[str, str]] = {
        Kind.BARRIER.value: {each.value: said for each, said in words.BARRIER.items()},
        Kind.CALL.value: {each.value: said for each, said in words.CALL.items()},
        Kind.VISIT.value: {each.value: said for each, said in words.VISIT.items()},
        Kind.REFERRAL.value: {each.value: said for each, said in words.REFERRAL.items()},
        "wait": {each.value: f"Cases in {each.english_name}" for each in Language},
        **{f"back_{after.value}": {each.value: said for each, said in RETURN.items()} for after in After},
    }
    if key not in labels.get(what, {}):
        abort(404)
    title = labels[what][key]
    with parts.database.look() as session:
        if what in set(Kind):
            return title, happened.behind(session, span, Kind(what), key, week=_week(span))
        if what == "wait":
            return title, answers.behind(session, span, Language(key))
        after = After(what.removeprefix("back_"))
        found = returning.behind(session, span, after, Return(key))
        return f"{title}, {AFTER[after].lower()}", found


def _week(span: Span) -> date | None:
    asked = request.args.get("week", "")
    return next((monday for monday in span.weeks if monday.isoformat() == asked), None)


def _when(each: Happened, now: datetime) -> str:
    if each.at is not None:
        return times.said(each.at, each.zone, now)
    return times.day_said(each.day) if each.day else ""
