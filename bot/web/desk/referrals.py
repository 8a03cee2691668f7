"""Referrals at the desk: the list that is worked through, one with its history, its next step and its sheet."""

import secrets

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.casework import colleagues, partners, referral_lists, referrals, students
from bot.casework.written import LONGEST_WORDS, CaseworkRefused
from bot.clock import school_day
from bot.store.tables import ReferralOutcome, ReferralState
from bot.vocabulary import Service
from bot.web import guard, words
from bot.web.desk import sent
from bot.web.desk.cases import Said, Typed, of_student, refused
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

_MINE = "mine"
_ONWARD = {
    ReferralState.OFFERED: ReferralState.ACCEPTED,
    ReferralState.ACCEPTED: ReferralState.SENT,
    ReferralState.SENT: ReferralState.RECEIVED,
}


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/referrals", endpoint="referrals")
    @guard.needs(Act.READ)
    def several() -> ResponseReturnValue:
        return _list(parts)

    @page.get("/student/<int:student_id>/referral")
    @guard.needs(Act.HELP)
    def new_referral(student_id: int) -> ResponseReturnValue:
        return _form(parts, student_id)

    @page.post("/student/<int:student_id>/referral")
    @guard.needs(Act.HELP)
    def open_referral(student_id: int) -> ResponseReturnValue:
        return _open(parts, student_id)

    @page.get("/referral/<int:referral_id>", endpoint="referral")
    @guard.needs(Act.READ)
    def one(referral_id: int) -> ResponseReturnValue:
        return _show(parts, referral_id)

    @page.get("/referral/<int:referral_id>/sheet")
    @guard.needs(Act.READ)
    def referral_sheet(referral_id: int) -> ResponseReturnValue:
        return _show(parts, referral_id, template="desk/referral_sheet.html")

    @page.post("/referral/<int:referral_id>/step")
    @guard.needs(Act.HELP)
    def step_referral(referral_id: int) -> ResponseReturnValue:
        return _step(parts, referral_id)

    @page.post("/referral/<int:referral_id>/close")
    @guard.needs(Act.HELP)
    def close_referral(referral_id: int) -> ResponseReturnValue:
        return _close(parts, referral_id)


# --- the list --------------------------------------------------------------------------------------------


def _list(parts: Parts) -> str:
    me, now = guard.me(), parts.now
    after = sent.number("after") or 0
    state = sent.member(ReferralState, "state")
    mine = request.args.get("show") == _MINE
    with parts.database.look() as session:
        schools = staff.schools_seen(session, me)
        zone = zones_by_school(schools)[""]
        lines = referral_lists.listed(
            session,
            me.schools,
            now=now,
            school_id=sent.number("school"),
            partner_id=sent.number("partner"),
            state=state,
            owner_id=me.id if mine else None,
            after=after,
        )
        waiting, overdue = referral_lists.without_outcome(session, me.schools, school_day(now, zone))
        in_use = referral_lists.partners_in_use(session, me.schools)
    narrowed = {
        name: request.args[name] for name in ("school", "partner", "state", "show") if request.args.get(name)
    }
    return render_template(
        "desk/referrals.html",
        lines=lines[: referral_lists.PAGE],
        earlier=after + referral_lists.PAGE if len(lines) > referral_lists.PAGE else 0,
        first=not after,
        narrowed=narrowed,
        schools=schools,
        partners=in_use,
        states=ReferralState,
        waiting=waiting,
        overdue=overdue,
        said={each.id: Said(each.zone, now) for each in lines},
        words=words,
    )


# --- opening one ---------------------------------------------------------------------------------------------


def _form(parts: Parts, student_id: int, typed: Typed | None = None) -> str:
    me = guard.me()
    chosen = sent.member(Service, "service")
    with parts.database.look() as session:
        seen = students.seen(session, student_id, me.schools)
        if seen is None:
            abort(404)
        barriers = students.open_barriers(session, student_id)
        near = partners.services_for(each.code for each in barriers)
        listed = partners.directory(session, service=chosen)
        people = colleagues.at_school(session, seen.school_id)
    return render_template(
        "desk/referral_new.html",
        student=seen,
        barriers=barriers,
        near=near,
        # Who helps with what keeps this student away stands first.
        partners=sorted(listed, key=lambda each: not set(each.services) & set(near)),
        services=Service,
        chosen=chosen,
        people=people,
        typed=typed or Typed(values={"owner": str(me.id), "service": (chosen or "")}),
        words=words,
        back=sent.back(of_student(student_id)),
        form_key=secrets.token_hex(16),
        longest=LONGEST_WORDS,
    )


def _open(parts: Parts, student_id: int) -> ResponseReturnValue:
    me, now = guard.me(), parts.now
    try:
        with parts.database.begin() as session:
            if students.seen(session, student_id, me.schools) is None:
                abort(404)
            referral_id = referrals.open_one(
                session,
                student_id,
                me.id,
                partner_id=sent.chosen(
                    sent.number("partner"), "Choose the partner that the family is pointed to."
                ),
                service=sent.chosen(
                    sent.member(Service, "service"), "Choose what the partner should help with."
                ),
                agreed=request.form.get("agreed", ""),
                form_key=sent.form_key(),
                now=now,
                accepted=request.form.get("wants") == "yes",
                barrier_id=sent.number("barrier"),
                owner_id=sent.number("owner"),
                note=request.form.get("note", ""),
                status_asked=sent.ticked("status_asked"),
            )
    except CaseworkRefused as why:
        return _form(parts, student_id, refused(why)), 422
    flash("The referral is open. If nobody knows what became of it in ten school days, it comes back to you.")
    return redirect(url_for("desk.referral", referral_id=referral_id), 303)


# --- one referral ------------------------------------------------------------------------------------------------


def _show(
    parts: Parts, referral_id: int, typed: Typed | None = None, *, template: str = "desk/referral.html"
) -> str:
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        referral = referral_lists.one(session, referral_id, me.schools, now)
        if referral is None:
            abort(404)
        partner = partners.partner(session, referral.partner_id)
        history = referral_lists.history(session, referral_id)
    return render_template(
        template,
        referral=referral,
        partner=partner,
        history=history,
        # Every other way ends it: that is the form beside, which closes with an outcome.
        step=_ONWARD.get(referral.state),
        outcomes=ReferralOutcome,
        said=Said(referral.zone, now),
        today=now.astimezone(referral.zone).date(),
        may_help=me.can(Act.HELP),
        typed=typed or Typed(),
        words=words,
        longest=LONGEST_WORDS,
    )


def _step(parts: Parts, referral_id: int) -> ResponseReturnValue:
    me, now = guard.me(), parts.now
    try:
        state = sent.chosen(sent.member(ReferralState, "state"), "Choose what happened next.")
        with parts.database.begin() as session:
            if referral_lists.one(session, referral_id, me.schools, now) is None:
                abort(404)
            referrals.step(
                session,
                referral_id,
                me.id,
                state,
                note=request.form.get("note", ""),
                now=now,
                status_asked=sent.ticked("status_asked"),
            )
    except CaseworkRefused as why:
        return _show(parts, referral_id, refused(why)), 409
    flash(f"Kept: {words.REFERRAL[state][0].lower()}{words.REFERRAL[state][1:]}.")
    return redirect(url_for("desk.referral", referral_id=referral_id), 303)


def _close(parts: Parts, referral_id: int) -> ResponseReturnValue:
    me, now = guard.me(), parts.now
    try:
        outcome = sent.chosen(
            sent.member(ReferralOutcome, "outcome"), "Choose what became of the referral, then close it."
        )
        with parts.database.begin() as session:
            if referral_lists.one(session, referral_id, me.schools, now) is None:
                abort(404)
            referrals.close(
                session,
                referral_id,
                me.id,
                outcome,
                note=request.form.get("note", ""),
                barrier_removed=sent.ticked("barrier_removed"),
                now=now,
                status_asked=sent.ticked("status_asked"),
            )
    except CaseworkRefused as why:
        return _show(parts, referral_id, refused(why)), 409
    flash("The referral is closed, and everybody can see how it ended.")
    return redirect(url_for("desk.referral", referral_id=referral_id), 303)
