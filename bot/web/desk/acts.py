"""What a staff member does with a family: take, log a call, return to the bot, resolve."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from bot import answering, second_guardian
from bot.access import Act
from bot.answering import NotPossible
from bot.store.tables import CallOutcome
from bot.timeline.family import may_open
from bot.web import guard
from bot.web.desk import family, sent
from bot.web.parts import Parts


def add(page: Blueprint, parts: Parts) -> None:
    @page.post("/family/<int:conversation_id>/take")
    @guard.needs(Act.HELP)
    def take(conversation_id: int) -> ResponseReturnValue:
        done = "You are talking with this family now. The program stays silent."
        return act(parts, conversation_id, done, answering.take, script=parts.script)

    @page.post("/family/<int:conversation_id>/call")
    @guard.needs(Act.HELP)
    def log_call(conversation_id: int) -> ResponseReturnValue:
        chosen = request.form.get("outcome", "")
        if chosen not in set(CallOutcome):
            return family.show(parts, conversation_id, "Choose what became of the call, then log it."), 422
        return act(
            parts,
            conversation_id,
            "The call is logged.",
            answering.log_call,
            CallOutcome(chosen),
            sent.whole("note"),
            key=sent.form_key(),
        )

    @page.post("/family/<int:conversation_id>/ask-second")
    @guard.needs(Act.HELP)
    def ask_second_guardian(conversation_id: int) -> ResponseReturnValue:
        done = "The second guardian is being asked. What they answer stands in a talk of its own."
        return act(parts, conversation_id, done, second_guardian.ask, script=parts.script)

    @page.post("/family/<int:conversation_id>/return")
    @guard.needs(Act.HELP)
    def return_to_bot(conversation_id: int) -> ResponseReturnValue:
        done = "The program answers this family again. A question that was open is asked once more."
        return act(parts, conversation_id, done, answering.return_to_bot, script=parts.script)

    @page.post("/family/<int:conversation_id>/resolve")
    @guard.needs(Act.HELP)
    def resolve(conversation_id: int) -> ResponseReturnValue:
        return act(
            parts,
            conversation_id,
            "Resolved. The family can write again at any time.",
            answering.resolve,
            sent.whole("agreed"),
            accounted_for=request.form.get("known") == "yes",
        )


def act(
    parts: Parts,
    conversation_id: int,
    done: str,
    what: Callable[..., None],
    *given: object,
    **more: object,
) -> ResponseReturnValue:
    """Done, then back to the family; or the family's page with the reason why not."""
    me = guard.me()
    try:
        with parts.database.begin() as session:
            if not may_open(session, conversation_id, me.schools):
                abort(404)
            if not me.may_act:
                abort(403)
            what(session, conversation_id, me.id, *given, now=parts.now, **more)
    except NotPossible as reason:
        return family.show(parts, conversation_id, str(reason)), 409
    parts.wake()
    flash(done)
    return redirect(url_for("desk.family", conversation_id=conversation_id), 303)
