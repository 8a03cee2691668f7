"""Whose a family is, at the desk: put back, handed on to a colleague; and who else has its page open."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import looking, ownership
from bot.access import Act
from bot.answering import NotPossible
from bot.timeline.family import may_open
from bot.web import guard
from bot.web.desk import family
from bot.web.parts import Parts


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/family/<int:conversation_id>/transfer")
    @guard.needs(Act.HELP)
    def transfer(conversation_id: int) -> ResponseReturnValue:
        return _form(parts, conversation_id)

    @page.post("/family/<int:conversation_id>/transfer")
    @guard.needs(Act.HELP)
    def hand_on(conversation_id: int) -> ResponseReturnValue:
        me = guard.me()
        to, note = request.form.get("to", type=int), request.form.get("note", "")
        if to is None:
            return _form(parts, conversation_id, "Choose who is to have this family.", note), 422
        try:
            with parts.database.begin() as session:
                if not may_open(session, conversation_id, me.schools):
                    abort(404)
                ownership.transfer(
                    session,
                    conversation_id,
                    me.id,
                    to,
                    note,
                    script=parts.script,
                    leads=me.can(Act.APPROVE),
                    now=parts.now,
                )
        except NotPossible as why:
            return _form(parts, conversation_id, str(why), note, to), 409
        parts.wake()
        flash("Handed on. Your colleague finds it among theirs, with your note.")
        return redirect(url_for("desk.queue"), 303)

    @page.post("/family/<int:conversation_id>/release")
    @guard.needs(Act.HELP)
    def release(conversation_id: int) -> ResponseReturnValue:
        me = guard.me()
        try:
            with parts.database.begin() as session:
                if not may_open(session, conversation_id, me.schools):
                    abort(404)
                ownership.release(
                    session,
                    conversation_id,
                    me.id,
                    request.form.get("note", ""),
                    leads=me.can(Act.APPROVE),
                    now=parts.now,
                )
        except NotPossible as why:
            return family.show(parts, conversation_id, str(why)), 409
        parts.wake()
        flash("Put back. The family waits in the queue, and the program stays silent.")
        return redirect(url_for("desk.queue"), 303)

    @page.get("/family/<int:conversation_id>/looking", endpoint="looking")
    @guard.needs(Act.READ)
    def who_looks(conversation_id: int) -> ResponseReturnValue:
        """Asked by an open page every few seconds: it says that it is open, and learns who else looks."""
        me = guard.me()
        with parts.database.begin() as session:
            if not may_open(session, conversation_id, me.schools):
                abort(404)
            writing = me.may_act and request.args.get("writing") == "yes"
            looking.note(session, conversation_id, me.id, writing=writing, now=parts.now)
            others = looking.others(session, conversation_id, me.id, parts.now)
        return render_template("desk/_looking.html", others=others, conversation_id=conversation_id)


def _form(
    parts: Parts, conversation_id: int, wrong: str = "", typed: str = "", chosen: int | None = None
) -> str:
    me = guard.me()
    with parts.database.look() as session:
        if not may_open(session, conversation_id, me.schools):
            abort(404)
        colleagues = ownership.colleagues(session, conversation_id, but=me.id)
        whose = ownership.whose(session, conversation_id)
    return render_template(
        "desk/transfer.html",
        conversation_id=conversation_id,
        whose=whose,
        colleagues=colleagues,
        wrong=wrong,
        typed=typed,
        chosen=chosen,
        longest=ownership.LONGEST_NOTE,
    )
