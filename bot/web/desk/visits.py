"""Home visits at the desk: who waits for one, what is planned and was done, the sheet of an afternoon, a plan."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.casework import colleagues, preparation, students, tasks, visit_lists, visits, visits_wanted
from bot.casework.visit_lists import VisitSeen
from bot.casework.visits import Plan
from bot.casework.visits_wanted import Waits
from bot.casework.written import LONGEST_LINE, LONGEST_WORDS, CaseworkRefused
from bot.clock import school_day
from bot.vocabulary import PartOfDay, VisitOutcome
from bot.web import guard, times, words
from bot.web.desk import cases, sent
from bot.web.desk.cases import Said, Typed, refused
from bot.web.desk.tasks import due_said
from bot.web.parts import Parts

_STEPS = 2
MINE = "mine"


@dataclass(frozen=True)
class Day:
    """The visits planned for one day. `over`: the day has passed, and nobody has said what became of them."""

    day: date
    said: str
    over: bool
    visits: Sequence[VisitSeen]


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/visits", endpoint="visits")
    @guard.needs(Act.READ)
    def list_visits() -> ResponseReturnValue:
        return _list(parts)

    @page.get("/visits/list", endpoint="visit_sheet")
    @guard.needs(Act.READ)
    def sheet() -> ResponseReturnValue:
        return _sheet(parts)

    @page.get("/student/<int:student_id>/visit")
    @guard.needs(Act.HELP)
    def plan_visit(student_id: int) -> ResponseReturnValue:
        return _plan_form(parts, student_id)

    @page.post("/student/<int:student_id>/visit")
    @guard.needs(Act.HELP)
    def keep_visit(student_id: int) -> ResponseReturnValue:
        try:
            with parts.database.begin() as session:
                students.seen(session, student_id, guard.me().schools) or abort(404)
                kept = visits.plan(
                    session,
                    student_id,
                    guard.me().id,
                    wanted_plan(),
                    key=sent.form_key(),
                    follows_id=sent.number("follows"),
                    now=parts.now,
                )
        except CaseworkRefused as why:
            return _plan_form(parts, student_id, refused(why)), 422
        flash("The visit is planned. Both visitors find it in their list.")
        return redirect(url_for("desk.visit", visit_id=kept), 303)


# --- what was sent --------------------------------------------------------------------------------------


def wanted_plan() -> Plan:
    day, part = sent.day("day"), sent.member(PartOfDay, "part")
    lead, pair = sent.number("lead"), sent.number("pair")
    if day is None or part is None:
        raise CaseworkRefused("Choose the day and the part of the day.")
    if lead is None or pair is None:
        raise CaseworkRefused("Choose who leads and who comes along: a home visit is made by two people.")
    return Plan(
        day=day,
        part=part,
        lead_id=lead,
        pair_id=pair,
        place=request.form.get("place", ""),
        guardian_id=sent.number("guardian"),
        bring=request.form.get("bring", ""),
        safety=request.form.get("safety", ""),
        status_asked=sent.ticked("status_asked"),
    )


# --- pages ----------------------------------------------------------------------------------------------


def _list(parts: Parts) -> str:
    me, now = guard.me(), parts.now
    mine = request.args.get("who") == MINE
    with parts.database.look() as session:
        schools = staff.schools_seen(session, me)
        asked = sent.number("school")
        wanted = frozenset({asked} & me.schools) if asked else me.schools
        whose = me.id if mine else None
        planned = visit_lists.planned(session, wanted, day=sent.day("date"), staff_id=whose)
        done = visit_lists.done_lately(session, wanted, now, staff_id=whose)
        waiting = [] if mine else visits_wanted.waiting(session, wanted, now)
        nobody = [] if mine else visits_wanted.nobody_can_be_called(session, wanted, now)
        follow_ups = [task for task in tasks.open_for(session, wanted, whose) if task.visit_id is not None]
    # Who cannot be called and waits for a visit as well stands here once: the way out is the same.
    out_of_reach = {each.students for each in nobody}
    waiting = [each for each in waiting if each.students not in out_of_reach]
    today = school_day(now, ZoneInfo(schools[0].zone)) if schools else now.date()
    return render_template(
        "desk/visits.html",
        schools=schools,
        school=asked,
        mine=mine,
        date=request.args.get("date", "") if sent.day("date") else "",
        today=today,
        waiting=[(each, _waits_said(each, now)) for each in waiting],
        nobody=[(each, _waits_said(each, now)) for each in nobody],
        days=_days(planned, today),
        done=[(visit, visited_said(visit, now)) for visit in done],
        follow_ups=[(task, due_said(task.due_on, today), task.due_on < today) for task in follow_ups],
        leads=me.can(Act.APPROVE),
        words=words,
    )


def _waits_said(waits: Waits, now: datetime) -> str:
    """By when somebody must have been there, or since which school day it is open."""
    if waits.due_at is None:
        return f"since {due_said(waits.day, now.date())}"
    late = "was due" if waits.due_at < now else "due"
    return f"{late} {times.said(waits.due_at, ZoneInfo(waits.zone), now)}"


def visited_said(visit: VisitSeen, now: datetime) -> str:
    return times.said(visit.visited_at, ZoneInfo(visit.zone), now) if visit.visited_at else ""


def _days(planned: Sequence[VisitSeen], today: date) -> list[Day]:
    by_day: dict[date, list[VisitSeen]] = {}
    for visit in planned:
        by_day.setdefault(visit.day, []).append(visit)
    return [
        Day(day, f"{times.day_said(day)}{' (today)' if day == today else ''}", day < today, some)
        for day, some in by_day.items()
    ]


def _sheet(parts: Parts) -> str:
    """One afternoon on one page: what the visitors need at the door, and no more of a student than that."""
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        schools = staff.schools_seen(session, me)
        today = school_day(now, ZoneInfo(schools[0].zone)) if schools else now.date()
        day = sent.day("date") or today
        who = sent.number("who") if request.args.get("who") != MINE else me.id
        found = visit_lists.planned(session, me.schools, day=day, staff_id=who)
        safety = visit_lists.safety_notes(session, {visit.student_id for visit in found})
        everybody = visit_lists.planned(session, me.schools, day=day) if who else found
    people = dict(sorted({(v.lead_id, v.lead) for v in everybody} | {(v.pair_id, v.pair) for v in everybody}))
    return render_template(
        "desk/visit_sheet.html",
        day=day,
        day_said=times.day_said(day),
        who=who,
        people=people,
        visits=found,
        safety=safety,
        words=words,
        outcomes=list(VisitOutcome),
    )


def _plan_form(parts: Parts, student_id: int, typed: Typed | None = None) -> str:
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        seen = students.seen(session, student_id, me.schools) or abort(404)
        follows = sent.number("follows")
        first = visit_lists.one(session, follows, me.schools) if follows else None
        if first is not None and first.student_id != student_id:
            first = None
        before = preparation.prepared(session, seen, me.schools)
        people = colleagues.at_school(session, seen.school_id)
    values = {"lead": str(me.id), "place": first.place if first else ""}
    if first is not None:
        values |= {"lead": str(first.lead_id), "pair": str(first.pair_id), "safety": first.safety}
    return render_template(
        "desk/visit_plan.html",
        student=seen,
        first=first,
        people=people,
        today=seen.today(now),
        typed=typed or Typed(values=values),
        back=sent.back(cases.of_student(student_id)),
        form_key=secrets.token_hex(16),
        words=words,
        parts_of_day=PartOfDay,
        longest_line=LONGEST_LINE,
        longest_words=LONGEST_WORDS,
        before=before,
        said=Said(seen.zone, now),
    )
