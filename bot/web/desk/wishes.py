"""What a staff member takes down about texting a family."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from bot import wishes
from bot.access import Act
from bot.web import guard
from bot.web.desk import sent
from bot.web.desk.acts import act
from bot.web.parts import Parts


def add(page: Blueprint, parts: Parts) -> None:
    @page.post("/family/<int:conversation_id>/no-more-texts")
    @guard.needs(Act.HELP)
    def no_more_texts(conversation_id: int) -> ResponseReturnValue:
        done = "Taken down. No text goes to this number any more; call or visit instead."
        return act(parts, conversation_id, done, wishes.no_more_texts, sent.whole("said"))

    @page.post("/family/<int:conversation_id>/texts-again")
    @guard.needs(Act.HELP)
    def texts_again(conversation_id: int) -> ResponseReturnValue:
        done = "Taken down. Texts go to this number again."
        return act(parts, conversation_id, done, wishes.texts_again, sent.whole("said"))

    @page.post("/family/<int:conversation_id>/number-confirmed")
    @guard.needs(Act.HELP)
    def number_confirmed(conversation_id: int) -> ResponseReturnValue:
        return act(parts, conversation_id, "Confirmed. Texts go to it again.", wishes.number_confirmed)

    @page.post("/family/<int:conversation_id>/mute/<int:student_id>")
    @guard.needs(Act.HELP)
    def mute(conversation_id: int, student_id: int) -> ResponseReturnValue:
        on = request.form.get("on") == "yes"
        done = "No more questions by text about this child." if on else "Questions by text go on."
        return act(parts, conversation_id, done, wishes.mute_child, student_id, on=on)
