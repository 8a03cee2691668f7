"""Tasks: what somebody must do about a student by a day; mine, the school's team's, and everybody's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot.access import Act
from bot.casework import colleagues, tasks, visits
from bot.casework.tasks import OpenTask
from bot.casework.written import LONGEST_LINE, CaseworkRefused
from bot.clock import school_day
from bot.vocabulary import TaskKind
from bot.web import guard
from bot.web.desk import sent
from bot.web.desk.cases import Typed, refused
from bot.web.parts import Parts

MINE, ALL = "mine", "all"


@dataclass(frozen=True)
class Row:
    task: OpenTask
    due: str
    late: bool
    mine: bool


@dataclass(frozen=True)
class Group:
    """Tasks under one heading: overdue, today, next."""

    title: str
    late: bool
    rows: Sequence[Row]


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/tasks", endpoint="tasks")
    @guard.needs(Act.READ)
    def list_tasks() -> ResponseReturnValue:
        return _show(parts)

    @page.post("/task/<int:task_id>/done")
    @guard.needs(Act.HELP)
    def task_done(task_id: int) -> ResponseReturnValue:
        me, now = guard.me(), parts.now
        ended_as, sure = request.form.get("ended_as", ""), sent.ticked("status_asked")
        try:
            with parts.database.begin() as session:
                task = tasks.seen(session, task_id, me.schools) or abort(404)
                if task.kind is TaskKind.THANK_YOU and task.visit_id is not None:
                    # Otherwise the visit's page would offer to thank the family a second time.
                    how = ended_as.strip() or "Thanked in another way"
                    done = visits.thanked(session, task.visit_id, me.id, how, now=now)
                else:
                    done = tasks.done(session, task_id, me.id, now, ended_as=ended_as, status_asked=sure)
        except CaseworkRefused as why:
            return _show(parts, refused(why), task_id), 422
        flash("Done." if done else "Somebody has ended this task before.")
        return redirect(sent.back(url_for("desk.tasks")), 303)

    @page.post("/task/<int:task_id>/give")
    @guard.needs(Act.HELP)
    def give_task(task_id: int) -> ResponseReturnValue:
        me = guard.me()
        try:
            with parts.database.begin() as session:
                if tasks.seen(session, task_id, me.schools) is None:
                    abort(404)
                owner = tasks.give(session, task_id, sent.number("owner"), by=me.id, now=parts.now)
        except CaseworkRefused as why:
            return _show(parts, refused(why), task_id), 422
        flash(f"{owner} has the task now.")
        return redirect(sent.back(url_for("desk.tasks")), 303)


def _show(parts: Parts, typed: Typed | None = None, refused_task: int = 0) -> str:
    me = guard.me()
    show = ALL if request.args.get("show") == ALL else MINE
    with parts.database.look() as session:
        everything = tasks.open_for(session, me.schools)
        people = (
            {school: colleagues.at_school(session, school) for school in me.schools} if me.may_act else {}
        )
    mine = [task for task in everything if task.owner_id in (None, me.id)]
    shown = everything if show == ALL else mine
    return render_template(
        "desk/tasks.html",
        groups=_groups([_row(task, me.id, parts) for task in shown]),
        show=show,
        mine=len(mine),
        everything=len(everything),
        people=people,
        longest=LONGEST_LINE,
        typed=typed or Typed(),
        refused_task=refused_task,
        back=url_for("desk.tasks"),
    )


def _row(task: OpenTask, staff_id: int, parts: Parts) -> Row:
    today = school_day(parts.now, ZoneInfo(task.zone))
    return Row(task, due_said(task.due_on, today), task.due_on < today, task.owner_id == staff_id)


def due_said(due_on: date, today: date) -> str:
    """By which day, as people say it: "today", "tomorrow", "Thu, Oct 28"."""
    named = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((due_on - today).days)
    year = "" if due_on.year == today.year else f", {due_on.year}"
    return named or f"{due_on:%a}, {due_on:%b} {due_on.day}{year}"


def _groups(rows: Sequence[Row]) -> list[Group]:
    """Overdue first: what should be done already is what is forgotten next."""
    groups = (
        Group("Overdue", True, [row for row in rows if row.late]),
        Group("Today", False, [row for row in rows if row.due == "today"]),
        Group("Next", False, [row for row in rows if not row.late and row.due != "today"]),
    )
    return [group for group in groups if group.rows]
