"""One home visit at the desk: its plan and what may change, the log, and what follows."""

from collections.abc import Callable
from datetime import time
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import thanks
from bot.access import Act
from bot.answering import NotPossible
from bot.casework import colleagues, preparation, students, tasks, visit_lists, visit_log, visits
from bot.casework.follow_up import NextStep
from bot.casework.visit_lists import VisitSeen
from bot.casework.visit_log import Made
from bot.casework.written import LONGEST_LINE, LONGEST_WORDS, CaseworkRefused
from bot.clock import instant
from bot.store.tables import VisitState
from bot.vocabulary import Barrier, PartOfDay, TaskKind, VisitOutcome
from bot.web import guard, times, words
from bot.web.desk import sent
from bot.web.desk.cases import Said, Typed, refused
from bot.web.desk.visits import visited_said, wanted_plan
from bot.web.parts import Parts

_STEPS = 2


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/visit/<int:visit_id>", endpoint="visit")
    @guard.needs(Act.READ)
    def one(visit_id: int) -> ResponseReturnValue:
        return _show(parts, visit_id)

    @page.post("/visit/<int:visit_id>/change")
    @guard.needs(Act.HELP)
    def change_visit(visit_id: int) -> ResponseReturnValue:
        def given(_visit: VisitSeen) -> tuple[object, ...]:
            return (wanted_plan(),)

        seen = sent.number("seen") or 0
        return _act(parts, visit_id, "change", "The visit is changed.", visits.change, given, seen=seen)

    @page.post("/visit/<int:visit_id>/cancel")
    @guard.needs(Act.HELP)
    def cancel_visit(visit_id: int) -> ResponseReturnValue:
        def given(_visit: VisitSeen) -> tuple[object, ...]:
            return (request.form.get("why", ""),)

        return _act(parts, visit_id, "cancel", "The visit is cancelled.", visits.cancel, given)

    @page.post("/visit/<int:visit_id>/log")
    @guard.needs(Act.HELP)
    def log_visit(visit_id: int) -> ResponseReturnValue:
        def given(visit: VisitSeen) -> tuple[object, ...]:
            return (_made(ZoneInfo(visit.zone)),)

        done = "The visit is logged. What follows from it stands below."
        return _act(parts, visit_id, "log", done, visit_log.log, given)

    @page.post("/visit/<int:visit_id>/thank")
    @guard.needs(Act.HELP)
    def thank(visit_id: int) -> ResponseReturnValue:
        done = "The thank-you is on its way."
        return _act(parts, visit_id, "thank", done, thanks.send, script=parts.script)

    @page.post("/visit/<int:visit_id>/thanked")
    @guard.needs(Act.HELP)
    def thanked(visit_id: int) -> ResponseReturnValue:
        def given(_visit: VisitSeen) -> tuple[object, ...]:
            return ("Thanked in another way",)

        return _act(parts, visit_id, "thank", "Kept: the family was thanked.", visits.thanked, given)


def _act(
    parts: Parts,
    visit_id: int,
    form: str,
    done: str,
    what: Callable[..., object],
    given: Callable[[VisitSeen], tuple[object, ...]] = lambda _visit: (),
    **more: object,
) -> ResponseReturnValue:
    """Done, then back to the visit; or its page with the reason why not, at the form that was sent.

    *given* reads what the form holds, and may refuse it.
    """
    me = guard.me()
    try:
        with parts.database.begin() as session:
            visit = visit_lists.one(session, visit_id, me.schools) or abort(404)
            what(session, visit_id, me.id, *given(visit), now=parts.now, **more)
    except CaseworkRefused as why:
        return _show(parts, visit_id, form, refused(why)), 422
    except NotPossible as why:
        return _show(parts, visit_id, form, Typed(str(why))), 409
    parts.wake()
    flash(done)
    return redirect(url_for("desk.visit", visit_id=visit_id), 303)


# --- what was sent ---


def _made(zone: ZoneInfo) -> Made:
    outcome, day = sent.member(VisitOutcome, "outcome"), sent.day("visited_on")
    if outcome is None:
        raise CaseworkRefused("Choose what became of the visit.")
    try:
        wall = time.fromisoformat(request.form.get("visited_at", ""))
    except ValueError:
        wall = None
    if day is None or wall is None:
        raise CaseworkRefused("Say on which day and at what time you were there.")
    return Made(
        outcome=outcome,
        visited_at=instant(day, wall.replace(tzinfo=None), zone),
        met=request.form.get("met", ""),
        heard=request.form.get("heard", ""),
        safety=request.form.get("safety", ""),
        barriers=tuple(Barrier(each) for each in request.form.getlist("barrier") if each in set(Barrier)),
        steps=tuple(_steps()),
        known=sent.ticked("known"),
        status_asked=sent.ticked("status_asked"),
    )


def _steps() -> list[NextStep]:
    """The next steps that were filled in; one without its day is refused by name, an empty row is none."""
    steps = []
    for n in range(1, _STEPS + 1):
        what = request.form.get(f"what{n}", "").strip()
        if not what:
            continue
        due = sent.day(f"due{n}")
        if due is None:
            raise CaseworkRefused(f"“{what[:80]}” has no day; choose by when it is done.")
        steps.append(NextStep(what, sent.number(f"owner{n}"), due))
    return steps


# --- the page ---


def _show(parts: Parts, visit_id: int, form: str = "", typed: Typed | None = None) -> str:
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        visit = visit_lists.one(session, visit_id, me.schools) or abort(404)
        seen = students.seen(session, visit.student_id, me.schools) or abort(404)
        history = visits.history(session, visit_id)
        follow_ups = [
            task
            for task in tasks.open_about(session, [visit.student_id])
            if task.visit_id == visit_id and task.kind is not TaskKind.THANK_YOU
        ]
        heard = visit_lists.heard_at(session, visit_id)
        before = preparation.prepared(session, seen, me.schools)
        people = colleagues.at_school(session, seen.school_id)
        thank = (
            thanks.prepared(session, visit_id, me.id, parts.script.texts)
            if visit.state is VisitState.DONE and visit.thanked_at is None and me.may_act
            else None
        )
    today = seen.today(now)
    values = {
        "day": visit.day.isoformat(),
        "part": visit.part.value,
        "lead": str(visit.lead_id),
        "pair": str(visit.pair_id),
        "place": visit.place,
        "guardian": str(visit.guardian_id or ""),
        "bring": visit.bring,
        "safety": visit.safety,
        "visited_on": min(visit.day, today).isoformat(),
    }
    typed = typed or Typed()
    typed.values = values
    return render_template(
        "desk/visit.html",
        visit=visit,
        student=seen,
        day_said=times.day_said(visit.day),
        today=today,
        visited=visited_said(visit, now),
        logged=times.said(visit.logged_at, seen.zone, now) if visit.logged_at else "",
        logged_by=next((step.by for step in history if step.act == "visit_logged"), ""),
        thanked=times.said(visit.thanked_at, seen.zone, now) if visit.thanked_at else "",
        history=[(times.said(step.at, seen.zone, now), step) for step in history],
        follow_ups=follow_ups,
        heard=heard,
        people=people,
        thank=thank,
        form=form,
        typed=typed,
        chosen=request.form.getlist("barrier"),
        seen=len(history),
        leads=me.can(Act.APPROVE),
        words=words,
        outcomes=VisitOutcome,
        parts_of_day=PartOfDay,
        steps=range(1, _STEPS + 1),
        longest_line=LONGEST_LINE,
        longest_words=LONGEST_WORDS,
        before=before,
        said=Said(seen.zone, now),
    )
