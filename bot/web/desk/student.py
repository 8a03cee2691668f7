"""One student: the year, who may be reached, what was heard and tried; and from here a call, a task, a visit."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot.access import Act
from bot.casework import calls, colleagues, story, students, tasks, visit_lists, year
from bot.casework.colleagues import Colleague
from bot.casework.story import BarrierSeen, GuardianSeen, NumberSeen, TalkSeen
from bot.casework.students import StudentSeen
from bot.casework.tasks import OpenTask
from bot.casework.visit_lists import VisitSeen
from bot.casework.written import LONGEST_LINE, CaseworkRefused
from bot.measures import Standing
from bot.store.tables import CallOutcome, PhoneState, VisitState
from bot.texts import Texts, Values
from bot.web import guard, times, words
from bot.web.desk import cases, sent
from bot.web.desk.cases import Said, Typed, refused
from bot.web.desk.strip import SAID, Strip, drawn
from bot.web.parts import Parts

_NUMBER = {
    PhoneState.TEXTABLE: "in use",
    PhoneState.LANDLINE: "a landline: calls only",
    PhoneState.DEAD: "not in service",
    PhoneState.WRONG_NUMBER: "belongs to somebody else: do not call",
}


@dataclass(frozen=True)
class Tried:
    """One attempt to reach the family, in a line: what, with what outcome, and where it stands."""

    at: datetime
    when: str
    what: str
    outcome: str
    note: str
    link: str


@dataclass(frozen=True)
class Script:
    """What to say to a machine that answers, in a language the family reads."""

    language: str
    code: str
    words: str
    english: str


@dataclass(frozen=True)
class Page:
    student: StudentSeen
    said: Said
    siblings: Sequence[tuple[int, str, str]]
    guardians: Sequence[GuardianSeen]
    standing: Standing | None
    rate: str
    strip: Strip
    barriers: Sequence[BarrierSeen]
    talks: Sequence[TalkSeen]
    tried: Sequence[Tried]
    visits: Sequence[VisitSeen]
    tasks: Sequence[OpenTask]
    scripts: Sequence[Script]
    people: Sequence[Colleague]

    @property
    def planned(self) -> Sequence[VisitSeen]:
        return [visit for visit in self.visits if visit.state is VisitState.PLANNED]


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/student/<int:student_id>", endpoint="student")
    @guard.needs(Act.READ)
    def one(student_id: int) -> ResponseReturnValue:
        return show(parts, student_id)

    @page.post("/student/<int:student_id>/call")
    @guard.needs(Act.HELP)
    def log_student_call(student_id: int) -> ResponseReturnValue:
        outcome = sent.member(CallOutcome, "outcome")
        guardian, _, phone = request.form.get("who", "").partition("-")
        if outcome is None or not sent.is_number(guardian) or not sent.is_number(phone):
            wrong = "Choose whom you called and what became of it, then log the call."
            return show(parts, student_id, call=Typed(wrong)), 422
        try:
            with parts.database.begin() as session:
                if students.seen(session, student_id, guard.me().schools) is None:
                    abort(404)
                calls.log_about(
                    session,
                    student_id,
                    guard.me().id,
                    outcome,
                    request.form.get("note", ""),
                    guardian_id=int(guardian),
                    phone_id=int(phone) or None,
                    key=sent.form_key(),
                    status_asked=sent.ticked("status_asked"),
                    now=parts.now,
                )
        except CaseworkRefused as why:
            return show(parts, student_id, call=refused(why)), 422
        parts.wake()
        flash("The call is logged.")
        return redirect(cases.of_student(student_id), 303)

    @page.post("/student/<int:student_id>/task")
    @guard.needs(Act.HELP)
    def add_task(student_id: int) -> ResponseReturnValue:
        try:
            with parts.database.begin() as session:
                tasks.raise_by_hand(
                    session,
                    students.seen(session, student_id, guard.me().schools) or abort(404),
                    guard.me().id,
                    request.form.get("what", ""),
                    due_on=sent.day("due_on"),
                    owner_id=sent.number("owner"),
                    key=sent.form_key(),
                    status_asked=sent.ticked("status_asked"),
                    now=parts.now,
                )
        except CaseworkRefused as why:
            return show(parts, student_id, task=refused(why)), 422
        flash("The task is kept.")
        return redirect(f"{cases.of_student(student_id)}#tasks", 303)


def show(parts: Parts, student_id: int, *, call: Typed | None = None, task: Typed | None = None) -> str:
    """The whole page. After an act that was not possible it says why and keeps what was typed."""
    page = _read(parts, student_id)
    return render_template(
        "desk/student.html",
        page=page,
        cases=cases.panels(parts, student_id),
        said=page.said,
        words=words,
        number_said=number_said,
        day_kinds=SAID,
        call_outcomes=CallOutcome,
        call=call or Typed(),
        task=task or Typed(),
        form_key=secrets.token_hex(16),
        longest_note=calls.LONGEST_NOTE,
        longest_line=LONGEST_LINE,
        today=page.student.today(parts.now),
    )


def _read(parts: Parts, student_id: int) -> Page:
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        seen = students.seen(session, student_id, me.schools) or abort(404)
        so_far = year.so_far(session, seen, seen.today(now))
        guardians = story.guardians(session, seen.id)
        talks = story.talks(session, seen.id, me.schools)
        visits = visit_lists.of_student(session, seen.id)
        standing = so_far.standing
        return Page(
            student=seen,
            said=Said(seen.zone, now),
            siblings=story.siblings(session, seen.id, me.schools),
            guardians=guardians,
            standing=standing,
            rate=f"{standing.rate * 100:.1f} %" if standing and standing.enrolled else "",
            strip=drawn(so_far.days),
            barriers=story.barriers(session, seen.id),
            talks=talks,
            tried=_tried(talks, story.calls(session, seen.id), visits, seen.zone, now),
            visits=visits,
            tasks=tasks.open_about(session, [seen.id]),
            scripts=_scripts(guardians, seen.school, me.name, parts.script.texts),
            people=colleagues.at_school(session, seen.school_id),
        )


def number_said(number: NumberSeen) -> str:
    """What is known of a number, as the desk says it."""
    if number.suspended:
        return "given up by the carrier: do not call"
    if number.opted_out and number.state is PhoneState.TEXTABLE:
        return "wants no texts: calls only"
    return _NUMBER[number.state]


def _scripts(guardians: Sequence[GuardianSeen], school: str, staff: str, texts: Texts) -> list[Script]:
    languages = dict.fromkeys(guardian.language for guardian in guardians)
    values = Values(schools=[school], staff=staff)
    return [
        Script(
            language.english_name,
            language.value,
            texts.phrase("call.voicemail", language, values),
            texts.phrase("call.voicemail", type(language).ENGLISH, values),
        )
        for language in languages
    ]


def _tried(
    talks: Sequence[TalkSeen],
    called: Sequence[story.CallSeen],
    visits: Sequence[VisitSeen],
    zone: ZoneInfo,
    now: datetime,
) -> list[Tried]:
    """Texts, calls and visits in one list, the newest first."""
    found = [
        Tried(
            talk.opened_at,
            times.said(talk.opened_at, zone, now),
            f"Texts with {talk.guardian}" if talk.guardian else "Texts with a number nobody knows",
            "waits for a person" if talk.waits else "",
            "",
            url_for("desk.family", conversation_id=talk.id),
        )
        for talk in talks
    ]
    found += [
        Tried(
            call.at,
            times.said(call.at, zone, now),
            f"Call to {call.guardian} by {call.by}" if call.guardian else f"Call by {call.by}",
            words.CALL[call.outcome],
            call.note,
            "",
        )
        for call in called
    ]
    found += [
        Tried(
            visit.visited_at,
            times.said(visit.visited_at, zone, now),
            f"Home visit by {visit.lead} and {visit.pair}",
            words.VISIT[visit.outcome],
            visit.heard,
            url_for("desk.visit", visit_id=visit.id),
        )
        for visit in visits
        if visit.visited_at is not None and visit.outcome is not None
    ]
    return sorted(found, key=lambda each: each.at, reverse=True)
