"""A form that was sent after its session had ended: kept, and handed back once its writer has signed in again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flask import flash, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import validate_csrf
from werkzeug.exceptions import RequestEntityTooLarge

from bot import staff
from bot.staff import Kept, SignInRefused
from bot.web.parts import Parts

COOKIE = "kept"
_CSRF = "csrf_token"
_AT_MOST = 10
_OF_THE_FORM = re.compile(r"(^|_)(key|id|seen|version|token|next)$")
# 64 KB of words become up to three times as much on their way: so much is read of somebody signed in, too.
LARGEST_BODY = 256 * 1024


def keep(parts: Parts, token: str) -> ResponseReturnValue | None:
    """Keep what was just posted for whose session *token* was; an answer only when that cannot be done.

    Nothing is kept of a forged post, of a stranger's, or of a form with a password in it.
    """
    request.max_content_length = LARGEST_BODY
    try:
        fields = tuple((name, value) for name, value in request.form.items(multi=True) if name != _CSRF)
        validate_csrf(request.form.get(_CSRF))
    except RequestEntityTooLarge:
        return _too_long()
    except ValueError:  # how a form says that its token is not of this browser
        return None
    if not fields or any("password" in name for name, _ in fields):
        return None
    try:
        with parts.database.begin() as database:
            writer = staff.was(database, token) if token else None
            if writer is None:
                return None
            address = request.full_path if request.query_string else request.path
            files = any(file.filename for file in request.files.values())
            mine = staff.keep(database, writer, address, fields, files=files, now=parts.now)
    except SignInRefused:
        return _too_long()
    session[COOKIE] = [*_held(), mine][-_AT_MOST:]
    flash("You were signed out while you were writing. What you wrote is kept: sign in again to see it.")
    return None


def mine(parts: Parts, staff_id: int) -> Sequence[Kept]:
    """What this person wrote in this browser after they had been signed out, and has not sent yet."""
    if not _held():
        return ()
    with parts.database.look() as database:
        return staff.kept_for(database, staff_id, _held(), now=parts.now)


@dataclass(frozen=True)
class Written:
    """A kept form for its writer: `words` are what people type, by name; `fields` is all that is sent again."""

    token: str
    path: str
    fields: tuple[tuple[str, str], ...]
    words: tuple[tuple[str, str], ...]
    files: bool


def shown(form: Kept) -> Written:
    """What a form keeps for itself, such as its key, means nothing to a reader."""
    words = tuple(
        (name.replace("_", " ").capitalize(), value)
        for name, value in form.fields
        if value.strip() and not _OF_THE_FORM.search(name)
    )
    return Written(form.token, form.path, form.fields, words, form.files)


def drop(parts: Parts, staff_id: int, token: str) -> None:
    """It is sent, or not wanted any more."""
    with parts.database.begin() as database:
        staff.drop(database, staff_id, token)
    session[COOKIE] = [each for each in _held() if each != token]


def sent(parts: Parts, staff_id: int) -> None:
    """Drop what was kept if it is what was just sent."""
    if not _held():
        return
    fields = tuple((name, value) for name, value in request.form.items(multi=True) if name != _CSRF)
    for form in mine(parts, staff_id):
        if form.fields == fields and form.path.partition("?")[0] == request.path:
            drop(parts, staff_id, form.token)


def _held() -> list[str]:
    found = session.get(COOKIE)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _too_long() -> ResponseReturnValue:
    return (
        render_template(
            "error.html",
            title="You are signed out",
            sentence="What you wrote is too long to be kept here, but your browser still has it. "
            "Sign in again in another tab, come back to this one, go back a page and send it once more.",
        ),
        413,
    )
