"""Notes at the desk: written about a student or a family, changed by their author, read by whom they are for."""

import secrets
from enum import StrEnum

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.casework import colleagues, notes, students
from bot.casework.notes import LONGEST_NOTE
from bot.casework.written import CaseworkRefused
from bot.web import guard, words
from bot.web.desk import sent
from bot.web.desk.cases import Said, Typed, of_student, refused
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts


class Readers(StrEnum):
    """Whom a note is for: everybody of the school, or those who are named."""

    OPEN = "open"
    RESTRICTED = "restricted"


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/student/<int:student_id>/note")
    @guard.needs(Act.HELP)
    def new_note(student_id: int) -> ResponseReturnValue:
        return _form(parts, student_id)

    @page.post("/student/<int:student_id>/note")
    @guard.needs(Act.HELP)
    def write_note(student_id: int) -> ResponseReturnValue:
        return _write(parts, student_id)

    @page.get("/note/<int:note_id>", endpoint="note")
    @guard.needs(Act.READ)
    def one(note_id: int) -> ResponseReturnValue:
        return _show(parts, note_id)

    @page.post("/note/<int:note_id>")
    @guard.needs(Act.HELP)
    def change_note(note_id: int) -> ResponseReturnValue:
        return _change(parts, note_id)


def _form(parts: Parts, student_id: int, typed: Typed | None = None) -> str:
    me = guard.me()
    with parts.database.look() as session:
        seen = students.seen(session, student_id, me.schools)
        if seen is None:
            abort(404)
        guardians = students.guardians(session, student_id)
        people = colleagues.at_school(session, seen.school_id, readers=True)
    return render_template(
        "desk/note_new.html",
        student=seen,
        guardians=guardians,
        people=[each for each in people if each.id != me.id],
        named=set(sent.numbers("reader")),
        typed=typed or Typed(values={"who": "open"}),
        words=words,
        back=sent.back(of_student(student_id)),
        form_key=secrets.token_hex(16),
        longest=LONGEST_NOTE,
    )


def _write(parts: Parts, student_id: int) -> ResponseReturnValue:
    me = guard.me()
    try:
        who = sent.chosen(sent.member(Readers, "who"), "Choose who may read the note.")
        with parts.database.begin() as session:
            if students.seen(session, student_id, me.schools) is None:
                abort(404)
            notes.write(
                session,
                student_id,
                me.id,
                request.form.get("words", ""),
                form_key=sent.form_key(),
                now=parts.now,
                guardian_id=sent.number("about"),
                restricted=who is Readers.RESTRICTED,
                readers=sent.numbers("reader"),
                for_supervisors=sent.ticked("for_supervisors"),
                status_asked=sent.ticked("status_asked"),
            )
    except CaseworkRefused as why:
        return _form(parts, student_id, refused(why)), 422
    flash("The note is kept.")
    return redirect(sent.back(of_student(student_id)), 303)


def _show(parts: Parts, note_id: int, typed: Typed | None = None) -> str:
    """Reading a restricted note writes it down, in the same transaction: no reading without its line."""
    me, now = guard.me(), parts.now
    with parts.database.begin() as session:
        note = notes.read(session, note_id, me, now)
        if note is None:
            abort(404)
        zone = zones_by_school(staff.schools_seen(session, me))[""]
    return render_template(
        "desk/note.html",
        note=note,
        mine=note.author_id == me.id and me.can(Act.HELP),
        said=Said(zone, now),
        typed=typed or Typed(values={"words": note.words}),
        words=words,
        longest=LONGEST_NOTE,
    )


def _change(parts: Parts, note_id: int) -> ResponseReturnValue:
    me = guard.me()
    try:
        with parts.database.begin() as session:
            if not notes.exists_for(session, note_id, me):
                abort(404)
            notes.change(
                session,
                note_id,
                me,
                request.form.get("words", ""),
                seen=sent.number("seen") or 0,
                now=parts.now,
                status_asked=sent.ticked("status_asked"),
            )
    except CaseworkRefused as why:
        return _show(parts, note_id, refused(why)), 409
    flash("The note is changed; what stood there before is kept below it.")
    return redirect(url_for("desk.note", note_id=note_id), 303)
