"""A family's chat page: the thread of its link, buttons, a text box, a photo; nothing to sign in to."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from bot import chat
from bot.chat import Said, Thread, Written
from bot.clock import school_day
from bot.language import Language
from bot.texts import Texts, Values, clock_time, day_name
from bot.web.parts import Parts

# The photo, the words, and what a browser wraps around them.
_LARGEST_POST = chat.LARGEST_PICTURE + 64 * 1024

# Without scripts the page asks once more by itself, soon after something was sent; later it would wipe
# out what the family is typing. Seconds before each look.
_LOOKS_AGAIN_AFTER = (3, 5, 10)

_WRONG = {
    Written.EMPTY: ("chat.empty", 422),
    Written.TOO_MANY: ("chat.too_many", 429),
    Written.TOO_LARGE: ("chat.too_large", 413),
    Written.NOT_A_PHOTO: ("chat.not_a_photo", 415),
}


@dataclass(frozen=True)
class Page:
    """`shown` is each text with its time in words; `look` how often this page has looked by itself."""

    token: str
    thread: Thread
    shown: Sequence[tuple[Said, str]]
    say: Callable[[str], str]
    form_key: str
    wrong: str = ""
    typed: str = ""
    look: int = 0
    look_after: int = 0


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("chat", __name__, url_prefix="/chat")

    @page.get("/<token>")
    def show(token: str) -> ResponseReturnValue:
        found = _read(parts, token)
        return gone(parts.script.texts) if found is None else render_template("chat.html", page=found)

    @page.get("/<token>/news")
    def news(token: str) -> ResponseReturnValue:
        """204 while the thread is as the page has it; a page whose link has ended stays as it is."""
        found = _read(parts, token)
        if found is None:
            return "", 404
        if request.args.get("seen") == found.thread.mark:
            return "", 204
        return render_template("_chat_talk.html", page=found)

    @page.post("/<token>")
    def write(token: str) -> ResponseReturnValue:
        if not _from_our_page(parts):
            abort(403)
        became = _write(parts, token)
        if became is Written.KEPT:
            parts.wake()
            return redirect(url_for("chat.show", token=token, look=1, _anchor="write"), 303)
        if became in _WRONG:
            key, status = _WRONG[became]
            found = _read(parts, token, wrong=key)
            if found is not None:
                return render_template("chat.html", page=found), status
        return gone(parts.script.texts)

    return page


def gone(texts: Texts, status: int = 404) -> ResponseReturnValue:
    """A kind sentence in every language: nobody knows who asks."""
    key = "chat.gone" if status < 500 else "chat.trouble"
    said = [(language, texts.phrase(key, language)) for language in Language]
    return render_template("chat_gone.html", said=said), status


def _from_our_page(parts: Parts) -> bool:
    """Whether the form came from the page itself, so far as the browser says.

    The unguessable address is what a form here needs, so that the page works without cookies; a browser
    that says it was led here by another site is refused all the same. Our pages send no referrer, which
    makes their Origin "null" in browsers too old to say Sec-Fetch-Site.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin", "null")
    ours = urlsplit(parts.public_url)
    return origin in ("null", f"{ours.scheme}://{ours.netloc}", request.host_url.rstrip("/"))


def _write(parts: Parts, token: str) -> Written:
    request.max_content_length = _LARGEST_POST
    try:
        form, photo = request.form, request.files.get("photo")
        content = photo.read() if photo else b""
        if photo:
            photo.close()
    except RequestEntityTooLarge:
        return Written.TOO_LARGE
    with parts.database.begin() as session:
        return chat.write(
            session,
            token,
            form.get("words", ""),
            picture=content,
            form_key=form.get("form_key", ""),
            now=parts.now,
        )


def _read(parts: Parts, token: str, *, wrong: str = "") -> Page | None:
    now, texts = parts.now, parts.script.texts
    with parts.database.begin() as session:
        found = chat.thread(session, token, script=parts.script, now=now)
    if found is None:
        return None
    values = Values(schools=[found.school])

    def say(key: str) -> str:
        return texts.phrase(key, found.language, values)

    look = request.args.get("look", 0, type=int)
    waits = found.awaits_us and 0 < look <= len(_LOOKS_AGAIN_AFTER)
    zone = ZoneInfo(found.zone)
    return Page(
        token=token,
        thread=found,
        shown=[(one, _when(one.at, zone, now, found.language)) for one in found.said],
        say=say,
        # The same form sent twice, by an impatient second click, is one text.
        form_key=secrets.token_hex(16),
        wrong=say(wrong) if wrong else "",
        typed=_typed() if wrong else "",
        look=look,
        look_after=_LOOKS_AGAIN_AFTER[look - 1] if waits else 0,
    )


def _typed() -> str:
    """What was typed stays in the box when it could not be taken; a body too large cannot be read again."""
    try:
        return request.form.get("words", "")[: chat.LONGEST_TEXT]
    except RequestEntityTooLarge:
        return ""


def _when(at: datetime, zone: ZoneInfo, now: datetime, language: Language) -> str:
    """The school's wall time, in the family's language, with the day unless it is today."""
    wall = clock_time(at.astimezone(zone).time(), language)
    day = school_day(at, zone)
    return wall if day == school_day(now, zone) else f"{day_name(day, language)}, {wall}"
