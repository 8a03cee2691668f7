"""A staff member corrects what the program heard as a barrier, or adds one."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from bot import barriers
from bot.access import Act
from bot.vocabulary import Barrier
from bot.web import guard
from bot.web.desk import family, sent
from bot.web.desk.acts import act
from bot.web.parts import Parts

_REMOVE = "remove"


def add(page: Blueprint, parts: Parts) -> None:
    @page.post("/family/<int:conversation_id>/barrier/<int:barrier_id>")
    @guard.needs(Act.HELP)
    def correct_barrier(conversation_id: int, barrier_id: int) -> ResponseReturnValue:
        to = sent.member(Barrier, "to")
        if to is None and request.form.get("to") != _REMOVE:
            return family.show(
                parts, conversation_id, "Choose what it should be instead, then correct it."
            ), 422
        return act(
            parts,
            conversation_id,
            "Corrected. What stood there before is kept in the story.",
            barriers.correct,
            barrier_id,
            to,
            request.form.get("because", ""),
        )

    @page.post("/family/<int:conversation_id>/barrier")
    @guard.needs(Act.HELP)
    def add_barrier(conversation_id: int) -> ResponseReturnValue:
        code = sent.member(Barrier, "code")
        if code is None:
            return family.show(parts, conversation_id, "Choose a barrier, then add it."), 422
        return act(
            parts,
            conversation_id,
            "Added to the story.",
            barriers.add,
            sent.numbers("student"),
            code,
            request.form.get("because", ""),
        )
