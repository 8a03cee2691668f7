"""Devices and hotspots at the desk: the list, one with everybody who held it, issued and returned."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.casework import device_lists, devices, students
from bot.casework.written import CaseworkRefused
from bot.store.tables import DeviceKind, DeviceState
from bot.web import guard, words
from bot.web.desk import sent
from bot.web.desk.cases import Said, Typed, of_student, refused
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/devices", endpoint="devices")
    @guard.needs(Act.READ)
    def several() -> ResponseReturnValue:
        return _list(parts)

    @page.post("/devices")
    @guard.needs(Act.PARTNERS)
    def add_device() -> ResponseReturnValue:
        return _add(parts)

    @page.get("/device/<int:device_id>", endpoint="device")
    @guard.needs(Act.READ)
    def one(device_id: int) -> ResponseReturnValue:
        return _show(parts, device_id)

    @page.post("/device/<int:device_id>")
    @guard.needs(Act.PARTNERS)
    def change_device(device_id: int) -> ResponseReturnValue:
        return _change(parts, device_id)

    @page.post("/device/<int:device_id>/return")
    @guard.needs(Act.HELP)
    def return_device(device_id: int) -> ResponseReturnValue:
        return _take_back(parts, device_id)

    @page.get("/student/<int:student_id>/device")
    @guard.needs(Act.HELP)
    def new_loan(student_id: int) -> ResponseReturnValue:
        return _issue_form(parts, student_id)

    @page.post("/student/<int:student_id>/device")
    @guard.needs(Act.HELP)
    def issue_device(student_id: int) -> ResponseReturnValue:
        return _issue(parts, student_id)


# --- the list --------------------------------------------------------------------------------------------


def _list(parts: Parts, typed: Typed | None = None) -> str:
    me, now = guard.me(), parts.now
    kind, state = sent.member(DeviceKind, "kind"), sent.member(DeviceState, "state")
    find = sent.words("find")
    if typed is not None:  # the form's own "kind" narrows nothing
        kind, state, find = None, None, ""
    with parts.database.look() as session:
        schools = staff.schools_seen(session, me)
        listed = device_lists.listed(session, me.schools, kind=kind, state=state, find=find)
        counted = device_lists.counted(session, me.schools)
    return render_template(
        "desk/devices.html",
        devices=listed,
        counted=counted,
        kinds=DeviceKind,
        states=DeviceState,
        kind=kind,
        state=state,
        find=find,
        schools=schools,
        names={school.id: school.name for school in schools},
        may_change=me.can(Act.PARTNERS),
        said=Said(zones_by_school(schools)[""], now),
        typed=typed or Typed(),
        words=words,
    )


def _add(parts: Parts) -> ResponseReturnValue:
    me = guard.me()
    school_id = sent.number("school")
    if school_id is not None and school_id not in me.schools:
        abort(404)
    try:
        with parts.database.begin() as session:
            devices.add(
                session,
                me.id,
                kind=sent.chosen(
                    sent.member(DeviceKind, "kind"), "Choose what it is: a laptop, a hotspot or a charger."
                ),
                tag=request.form.get("tag", ""),
                school_id=school_id,
                note=request.form.get("note", ""),
                now=parts.now,
            )
    except CaseworkRefused as why:
        return _list(parts, refused(why)), 422
    flash(f"{request.form.get('tag', '').strip().upper()} is on the shelf and can be issued.")
    return redirect(url_for("desk.devices"), 303)


# --- one device ------------------------------------------------------------------------------------------


def _show(parts: Parts, device_id: int, typed: Typed | None = None) -> str:
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        found = device_lists.listed(session, me.schools, device_id=device_id)
        if not found:
            abort(404)
        loans = device_lists.history(session, device_id, me.schools)
        schools = staff.schools_seen(session, me)
    return render_template(
        "desk/device.html",
        device=found[0],
        school={school.id: school.name for school in schools}.get(found[0].school_id or 0, ""),
        loans=loans,
        held=next((each for each in loans if each.returned_at is None), None),
        states=DeviceState,
        may_change=me.can(Act.PARTNERS),
        may_help=me.can(Act.HELP),
        said=Said(zones_by_school(schools)[""], now),
        typed=typed or Typed(values={"state": found[0].state, "note": found[0].note}),
        words=words,
    )


def _change(parts: Parts, device_id: int) -> ResponseReturnValue:
    me = guard.me()
    try:
        state = sent.chosen(sent.member(DeviceState, "state"), "Choose where the device is now.")
        with parts.database.begin() as session:
            if not device_lists.listed(session, me.schools, device_id=device_id):
                abort(404)
            devices.change(
                session, device_id, me.id, state=state, note=request.form.get("note", ""), now=parts.now
            )
    except CaseworkRefused as why:
        return _show(parts, device_id, refused(why)), 409
    flash("Kept.")
    return redirect(url_for("desk.device", device_id=device_id), 303)


def _take_back(parts: Parts, device_id: int) -> ResponseReturnValue:
    me = guard.me()
    try:
        condition = sent.chosen(
            sent.member(DeviceState, "condition"), "Choose in which condition it came back."
        )
        with parts.database.begin() as session:
            loans = device_lists.history(session, device_id, me.schools)
            loan = next((each for each in loans if each.id == sent.number("loan")), None)
            # Whoever sees the device may take it back, and so may whoever sees its holder.
            if loan is None or not (
                loan.student or device_lists.listed(session, me.schools, device_id=device_id)
            ):
                abort(404)
            devices.take_back(
                session,
                loan.id,
                me.id,
                condition=condition,
                note=request.form.get("return_note", ""),
                now=parts.now,
            )
    except CaseworkRefused as why:
        return _show(parts, device_id, refused(why)), 409
    flash(f"{words.DEVICE_RETURNED[condition]}: kept.")
    return redirect(sent.back(url_for("desk.device", device_id=device_id)), 303)


# --- issuing one -----------------------------------------------------------------------------------------


def _issue_form(parts: Parts, student_id: int, typed: Typed | None = None) -> str:
    me, now = guard.me(), parts.now
    with parts.database.look() as session:
        seen = students.seen(session, student_id, me.schools)
        if seen is None:
            abort(404)
        shelf = device_lists.listed(session, me.schools, state=DeviceState.IN_STOCK)
        barriers = [
            each for each in students.open_barriers(session, student_id) if each.code in devices.ANSWERS
        ]
        holds = [
            each for each in device_lists.lent_to(session, student_id, me.schools) if each.returned_at is None
        ]
    return render_template(
        "desk/device_issue.html",
        student=seen,
        shelf=shelf,
        barriers=barriers,
        holds=holds,
        said=Said(seen.zone, now),
        typed=typed or Typed(),
        words=words,
        may_change=me.can(Act.PARTNERS),
        back=sent.back(of_student(student_id)),
    )


def _issue(parts: Parts, student_id: int) -> ResponseReturnValue:
    me = guard.me()
    try:
        device_id = sent.chosen(sent.number("device"), "Choose the device by the tag that stands on it.")
        with parts.database.begin() as session:
            if students.seen(session, student_id, me.schools) is None:
                abort(404)
            if not device_lists.listed(session, me.schools, device_id=device_id):
                abort(404)
            devices.issue(
                session,
                device_id,
                student_id,
                me.id,
                note=request.form.get("note", ""),
                barrier_id=sent.number("barrier"),
                now=parts.now,
            )
    except CaseworkRefused as why:
        return _issue_form(parts, student_id, refused(why)), 409
    flash("The device is issued.")
    return redirect(sent.back(of_student(student_id)), 303)
