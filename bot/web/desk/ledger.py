"""The day's ledger: how many were absent, what is known of each, and the names behind each number."""

from datetime import date

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from bot import ledger as kept
from bot import staff
from bot import today as days
from bot.access import Act
from bot.clock import school_day
from bot.today import Group
from bot.vocabulary import Outcome
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

NAMES = 200


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/ledger")
    @guard.needs(Act.READ)
    def ledger() -> ResponseReturnValue:
        me = guard.me()
        asked = _what(request.args.get("show", "") or request.args.get("outcome", ""))
        school = request.args.get("school", type=int)
        first = max(1, request.args.get("page", 1, type=int))
        with parts.database.look() as session:
            schools = staff.schools_seen(session, me)
            zones = zones_by_school(schools)
            day, wrong = _day(request.args.get("date", ""), school_day(parts.now, zones[""]))
            only = frozenset({school}) if school in me.schools else me.schools
            counts = kept.count(session, day, only)
            names = (
                days.names(session, day, only, asked, most=NAMES + 1, after=(first - 1) * NAMES)
                if asked
                else []
            )
        return render_template(
            "desk/ledger.html",
            day=day,
            day_said=times.day_said(day),
            counts=counts,
            unknown=counts.absent - sum(counts.outcomes.values()),
            labels=words.OUTCOME,
            schools=schools,
            school=school if school in me.schools else None,
            asked=asked,
            title=words.counted(asked) if asked else "",
            names=[
                (each, times.said(each.since, zones.get(each.school, zones[""]), parts.now))
                for each in names[:NAMES]
            ],
            page=first,
            more=len(names) > NAMES,
            wrong=wrong,
            student_page="desk.student" in current_app.view_functions,
        )


def _day(asked: str, today: date) -> tuple[date, str]:
    if not asked:
        return today, ""
    try:
        return date.fromisoformat(asked), ""
    except ValueError:
        return today, "That is not a date. Today is shown; write a day like 2021-10-22."


def _what(asked: str) -> Group | Outcome | None:
    if asked in set(Group):
        return Group(asked)
    return Outcome(asked) if asked in set(Outcome) else None
