"""The day's ledger: how many were absent, and what is known of each."""

from datetime import date

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from bot import ledger as kept
from bot import staff
from bot.access import Act
from bot.clock import school_day
from bot.vocabulary import Outcome
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/ledger")
    @guard.needs(Act.READ)
    def ledger() -> ResponseReturnValue:
        me = guard.me()
        asked = _outcome(request.args.get("outcome", ""))
        with parts.database.begin() as session:
            schools = staff.schools_seen(session, me)
            today = school_day(parts.now, zones_by_school(schools)[""])
            day, wrong = _day(request.args.get("date", ""), today)
            counts = kept.count(session, day, me.schools)
            lines = kept.lines(session, day, me.schools, asked) if asked else []
        return render_template(
            "desk/ledger.html",
            day=day,
            day_said=times.day_said(day),
            counts=counts,
            unknown=counts.absent - sum(counts.outcomes.values()),
            labels=words.OUTCOME,
            schools=schools,
            asked=asked,
            lines=lines,
            wrong=wrong,
        )


def _day(asked: str, today: date) -> tuple[date, str]:
    if not asked:
        return today, ""
    try:
        return date.fromisoformat(asked), ""
    except ValueError:
        return today, "That is not a date. Today is shown; write a day like 2021-10-22."


def _outcome(asked: str) -> Outcome | None:
    return Outcome(asked) if asked in set(Outcome) else None
