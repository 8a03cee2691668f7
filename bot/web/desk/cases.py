"""The cases of one student: referrals, devices, notes and the plan, as panels of the student page."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot.access import Act
from bot.casework import colleagues, device_lists, notes, plans, referral_lists, students
from bot.casework.device_lists import Loan
from bot.casework.notes import NoteLine
from bot.casework.plans import NextStep, PlanSeen
from bot.casework.referral_lists import ReferralLine
from bot.casework.students import StudentSeen
from bot.casework.written import LONGEST_LINE, LONGEST_WORDS, CaseworkRefused, StatusMentioned
from bot.web import guard, times, words
from bot.web.desk import sent
from bot.web.parts import Parts


@dataclass(frozen=True)
class Said:
    """Writes the times and days of a school as people there say them."""

    zone: ZoneInfo
    now: datetime

    def at(self, moment: datetime) -> str:
        return times.said(moment, self.zone, self.now)

    def day(self, day: date) -> str:
        """A day with its year where it is another one: "Fri, Oct 22"."""
        year = "" if day.year == self.now.astimezone(self.zone).year else f", {day.year}"
        return f"{day:%a}, {day:%b} {day.day}{year}"


@dataclass(frozen=True)
class Cases:
    """What desk/_student_cases.html reads as `cases`. Empty lists for somebody who has none yet."""

    student: StudentSeen
    said: Said
    plan: PlanSeen | None
    tiers: Sequence[PlanSeen]
    suggested: int | None
    open_referrals: Sequence[ReferralLine]
    past_referrals: Sequence[ReferralLine]
    loans: Sequence[Loan]
    notes: Sequence[NoteLine]
    may_help: bool


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/student/<int:student_id>/plan")
    @guard.needs(Act.HELP)
    def plan(student_id: int) -> ResponseReturnValue:
        return _plan_form(parts, student_id)

    @page.post("/student/<int:student_id>/plan")
    @guard.needs(Act.HELP)
    def write_plan(student_id: int) -> ResponseReturnValue:
        return _write_plan(parts, student_id)


def panels(parts: Parts, student_id: int) -> Cases:
    """The panels of a student whom this reader may see; 404 else."""
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        seen = students.seen(session, student_id, me.schools)
        if seen is None:
            abort(404)
        versions = plans.history(session, student_id)
        referrals = referral_lists.about(session, [student_id], now)
        return Cases(
            student=seen,
            said=Said(seen.zone, now),
            plan=versions[0] if versions else None,
            tiers=versions,
            suggested=plans.suggested_tier(session, student_id, seen.today(now)),
            open_referrals=[each for each in referrals if each.state.value != "closed"],
            past_referrals=[each for each in referrals if each.state.value == "closed"],
            loans=device_lists.lent_to(session, student_id, me.schools),
            notes=notes.about(session, [student_id], me),
            may_help=me.can(Act.HELP),
        )


def of_student(student_id: int) -> str:
    """Where a student's page is."""
    return url_for("desk.student", student_id=student_id)


@dataclass
class Typed:
    """What stands in a form: as it was sent, or as the page fills it at first. Nothing typed is ever lost."""

    wrong: str = ""
    ask_status: bool = False
    values: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return request.form.get(name, self.values.get(name, ""))


def refused(why: CaseworkRefused) -> Typed:
    """The form again, with the sentence; and the question about immigration status where that was the reason."""
    return Typed(str(why), isinstance(why, StatusMentioned))


# --- the plan ------------------------------------------------------------------------------------------


def _plan_form(parts: Parts, student_id: int, typed: Typed | None = None) -> str:
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        seen = students.seen(session, student_id, me.schools)
        if seen is None:
            abort(404)
        versions = plans.history(session, student_id)
        people = colleagues.at_school(session, seen.school_id)
        suggested = plans.suggested_tier(session, student_id, seen.today(now))
    standing = versions[0] if versions else None
    return render_template(
        "desk/plan.html",
        student=seen,
        said=Said(seen.zone, now),
        plan=standing,
        versions=versions,
        people=people,
        suggested=suggested,
        today=seen.today(now),
        typed=typed or Typed(values=_as_it_stands(standing, suggested)),
        words=words,
        back=sent.back(of_student(student_id)),
        form_key=secrets.token_hex(16),
        longest_line=LONGEST_LINE,
        longest_words=LONGEST_WORDS,
    )


def _as_it_stands(plan: PlanSeen | None, suggested: int | None) -> dict[str, str]:
    if plan is None:
        return {"tier": str(suggested or ""), "seen": "0"}
    values = {
        "tier": str(plan.tier),
        "hopes": plan.hopes,
        "mornings": plan.mornings,
        "review_on": plan.review_on.isoformat() if plan.review_on else "",
        "seen": str(plan.id),
    }
    for n, step in enumerate(plan.steps, 1):
        values |= {f"what{n}": step.what, f"owner{n}": str(step.owner_id), f"due{n}": step.due_on.isoformat()}
    return values


def _write_plan(parts: Parts, student_id: int) -> ResponseReturnValue:
    me, now = guard.me(), parts.now
    try:
        with parts.database.begin() as session:
            seen = students.seen(session, student_id, me.schools)
            if seen is None:
                abort(404)
            plans.make(
                session,
                student_id,
                me.id,
                tier=sent.number("tier") or 0,
                hopes=request.form.get("hopes", ""),
                mornings=request.form.get("mornings", ""),
                steps=_steps(),
                review_on=sent.day("review_on"),
                form_key=sent.form_key(),
                seen=sent.number("seen") or 0,
                today=seen.today(now),
                now=now,
                status_asked=sent.ticked("status_asked"),
            )
    except CaseworkRefused as why:
        return _plan_form(parts, student_id, refused(why)), 422
    flash("The plan is kept. Each step stands in its owner's tasks.")
    return redirect(sent.back(of_student(student_id)), 303)


def _steps() -> list[NextStep]:
    """The steps that were filled in; one that lacks its owner or day is refused by name, an empty row is none."""
    steps = []
    for n in range(1, plans.STEPS_AT_MOST + 1):
        what = request.form.get(f"what{n}", "").strip()
        if not what:
            continue
        due = sent.day(f"due{n}")
        if due is None:
            raise CaseworkRefused(f"“{what[:80]}” has no day; choose by when it is done.")
        steps.append(NextStep(what, sent.number(f"owner{n}") or 0, due))
    return steps
