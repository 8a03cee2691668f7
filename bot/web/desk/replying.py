"""A staff member replies: sends, is asked about the language first, lets a machine translate, reads its English."""

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import answering, translation
from bot.access import Act
from bot.answering import NotPossible
from bot.language import Language
from bot.timeline.family import Family, heard
from bot.timeline.family import family as seen_by
from bot.translation import Unavailable
from bot.web import guard
from bot.web.desk import family, reply_box
from bot.web.desk.reply_box import Typed
from bot.web.parts import Parts

# A megabyte of words that was pasted by mistake is up to three times as long on its way.
_LARGEST_DRAFT = 4 * 1024 * 1024
_SENT = "Your text is on its way. The program stays silent until you return the conversation."


def allow_long_drafts(app: Flask) -> None:
    """Take in a text that is far too long, to say so and hand it back. Asked after the guard, as for files."""

    @app.before_request
    def _longer() -> None:
        if request.endpoint in ("desk.reply", "desk.translate"):
            request.max_content_length = request.max_form_memory_size = _LARGEST_DRAFT


def add(page: Blueprint, parts: Parts) -> None:
    @page.post("/family/<int:conversation_id>/reply")
    @guard.needs(Act.HELP)
    def reply(conversation_id: int) -> ResponseReturnValue:
        return _reply(parts, conversation_id)

    @page.get("/family/<int:conversation_id>/replies", endpoint="family_replies")
    @guard.needs(Act.HELP)
    def find(conversation_id: int) -> ResponseReturnValue:
        found = _family(parts, conversation_id)
        box = reply_box.of(parts, found, guard.me(), Typed.now())
        return render_template("desk/_replies_offered.html", box=box, family=found)

    @page.post("/family/<int:conversation_id>/translate")
    @guard.needs(Act.HELP)
    def translate(conversation_id: int) -> ResponseReturnValue:
        return _translate_draft(parts, conversation_id)

    @page.post("/family/<int:conversation_id>/text/<int:text_id>/in-english")
    @guard.needs(Act.HELP)
    def in_english(conversation_id: int, text_id: int) -> ResponseReturnValue:
        return _in_english(parts, conversation_id, text_id)


def _family(parts: Parts, conversation_id: int) -> Family:
    with parts.database.look() as session:
        found = seen_by(session, conversation_id, guard.me().schools)
    if found is None:
        abort(404)
    return found


def _reply(parts: Parts, conversation_id: int) -> ResponseReturnValue:
    me, typed, sent = guard.me(), Typed.now(), request.form
    found = _family(parts, conversation_id)
    by_machine = sent.get("machine") == "yes"
    chosen = None if by_machine else reply_box.reviewed(parts, found, me, typed)
    if chosen is None and not by_machine and sent.get("anyway") != "yes":
        other = reply_box.another_language(parts, found, typed.words)
        if other is not None and len(typed.words) <= answering.LONGEST_REPLY:
            return family.show(parts, conversation_id, typed=Typed.now(warn=other)), 409
    form_key = sent.get("form_key", "")
    try:
        with parts.database.begin() as session:
            answering.reply(
                session,
                conversation_id,
                me.id,
                typed.words,
                script=parts.script,
                now=parts.now,
                # The words are part of it: what is typed into a form found again in the history is a new text.
                form_key=f"{form_key}:{typed.words}" if form_key else "",
                key=f"replies.{typed.key}" if chosen else "",
                english=chosen.english if chosen else sent.get("draft", "") if by_machine else "",
                machine_translated=by_machine,
            )
    except NotPossible as reason:
        again = Typed.now(machine=typed.words, draft=sent.get("draft", ""), words=sent.get("draft", ""))
        return family.show(parts, conversation_id, str(reason), again if by_machine else typed), 409
    parts.wake()
    flash(_SENT)
    # The page clears the draft that the browser has kept.
    return redirect(url_for("desk.family", conversation_id=conversation_id, sent=1), 303)


def _translate_draft(parts: Parts, conversation_id: int) -> ResponseReturnValue:
    """The machine's words fill a box of their own; nothing is sent without another click."""
    typed, found = Typed.now(), _family(parts, conversation_id)
    draft = typed.words.strip()
    if parts.translator is None:
        abort(404)
    if not draft or len(draft) > answering.LONGEST_REPLY:
        why = f"Write what you want to say first, in at most {answering.LONGEST_REPLY} characters."
        return family.show(parts, conversation_id, why, typed), 422
    source = parts.language_of(draft, Language.ENGLISH) or Language.ENGLISH
    answer = parts.translator.translate(draft, source, found.language)
    if isinstance(answer, Unavailable):
        return family.show(parts, conversation_id, answer.why, typed), 503
    return family.show(parts, conversation_id, typed=Typed.now(machine=answer.words, draft=draft))


def _in_english(parts: Parts, conversation_id: int, text_id: int) -> ResponseReturnValue:
    """Ask the district's server for the English of one text, outside of any transaction, and keep it."""
    if parts.translator is None:
        abort(404)
    with parts.database.look() as session:
        text = heard(session, conversation_id, text_id, guard.me().schools)
        known = translation.kept(session, [text], Language.ENGLISH) if text else {}
    if text is None:
        abort(404)
    if text not in known:
        answer = parts.translator.translate(text[0], text[1], Language.ENGLISH)
        if isinstance(answer, Unavailable):
            return family.show(parts, conversation_id, answer.why), 503
        with parts.database.begin() as session:
            translation.keep(session, text, Language.ENGLISH, answer.words, parts.now)
    here = url_for("desk.family", conversation_id=conversation_id, _anchor=f"text-{text_id}")
    return redirect(here, 303)
