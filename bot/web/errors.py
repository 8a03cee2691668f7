"""When something is wrong: what happened, to whom, and the way out; never a machine's word."""

import logging
import secrets

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from bot.texts import Texts
from bot.web import chat
from bot.web.webhooks import nothing_to_say

_log = logging.getLogger(__name__)

_SAID = {
    400: ("That could not be read", "Nothing was changed. Go back, reload the page and try again."),
    403: ("You may read this, but not change it", "Ask a specialist or a supervisor of the school to do it."),
    404: (
        "There is nothing here",
        "The family may belong to a school that is not yours, or the address is not complete.",
    ),
    405: ("This address only takes what a form sends", "Go back to the queue and start from there."),
    413: (
        "That was too long",
        (
            "Nothing was changed. Your browser still has it: go back, shorten it and send it again. "
            "A text may have 1,600 characters, a note 20,000."
        ),
    ),
}
_FORM_TOO_OLD = (
    "This form is no longer valid",
    "You signed in or out in another tab since. Nothing was changed or sent: reload the page and try again.",
)


def install(app: Flask, texts: Texts) -> None:
    def to_a_family(wrong: HTTPException) -> ResponseReturnValue:
        return chat.gone(texts, wrong.code or 500)

    def known(wrong: HTTPException) -> ResponseReturnValue:
        return to_a_family(wrong) if _is_family() and (wrong.code or 500) >= 400 else _known(wrong)

    def unknown(wrong: Exception) -> ResponseReturnValue:
        answer = _unknown(wrong)
        return chat.gone(texts, 500) if _is_family() else answer

    app.register_error_handler(CSRFError, _form_too_old)
    app.register_error_handler(HTTPException, known)
    app.register_error_handler(Exception, unknown)


def page(status: int, title: str, sentence: str) -> ResponseReturnValue:
    return render_template("error.html", title=title, sentence=sentence), status


def _form_too_old(_wrong: CSRFError) -> ResponseReturnValue:
    if "HX-Request" in request.headers:
        return "", 400, {"HX-Refresh": "true"}  # the page asks for itself again and gets forms that are good
    return page(400, *_FORM_TOO_OLD)


def _known(wrong: HTTPException) -> ResponseReturnValue:
    status = wrong.code or 500
    if _is_provider():
        return nothing_to_say(status)
    if status < 400:
        return wrong
    return page(status, *_SAID.get(status, _SAID[400]))


def _unknown(_wrong: Exception) -> ResponseReturnValue:
    """Our own mistake. The id is in the log beside the trace, so that a person can be helped."""
    mark = secrets.token_hex(4)
    _log.exception("a page failed: id=%s endpoint=%s", mark, request.endpoint)
    if _is_provider():
        return nothing_to_say(500)
    return page(
        500,
        "Something went wrong on our side",
        f"Look whether the last change was kept before you repeat it. If it happens again, tell the office "
        f"that runs Presente this number: {mark}.",
    )


def _is_family() -> bool:
    return request.path.startswith("/chat/")


def _is_provider() -> bool:
    return request.path.startswith("/twilio/")
