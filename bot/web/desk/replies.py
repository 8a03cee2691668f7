"""All reviewed replies in every language: search, and who has read each translation."""

from dataclasses import dataclass

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import replies, staff
from bot.access import Act
from bot.language import Language
from bot.replies import ReviewRefused, Wording
from bot.texts import segments
from bot.web import guard, times, words
from bot.web.desk import sent
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts


@dataclass(frozen=True)
class Line:
    """One wording as the page shows it. `mark` says which wording was read when it is marked."""

    wording: Wording
    mark: str
    parts: int
    reviewed: str


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/replies", endpoint="replies")
    @guard.needs(Act.READ)
    def every_reply() -> ResponseReturnValue:
        return _show(parts)

    @page.post("/replies/<key>/<language>/reviewed")
    @guard.needs(Act.REPLIES)
    def mark_reply_reviewed(key: str, language: str) -> ResponseReturnValue:
        reply = next((each for each in parts.replies if each.key == key), None)
        if reply is None or language not in set(Language):
            abort(404)
        try:
            with parts.database.begin() as session:
                replies.mark_reviewed(
                    session,
                    reply,
                    parts.script.texts,
                    Language(language),
                    seen=request.form.get("seen", ""),
                    reviewer=request.form.get("reviewer", "").replace("\0", ""),
                    staff_id=guard.me().id,
                    now=parts.now,
                )
        except ReviewRefused as why:
            return _show(parts, str(why), Language(language)), 409
        flash(f"Marked as reviewed in {Language(language).english_name}.")
        return redirect(url_for("desk.replies", language=language, _anchor=key), 303)


def _show(parts: Parts, wrong: str = "", language: Language | None = None) -> str:
    me = guard.me()
    chosen = language or sent.member(Language, "language")
    languages = [chosen] if chosen else [each for each in Language if each is not Language.ENGLISH]
    find = sent.words("find")
    with parts.database.look() as session:
        zone = zones_by_school(staff.schools_seen(session, me))[""]
        book = replies.book(session, parts.replies, parts.script.texts, languages, find)

    def reviewed(wording: Wording) -> str:
        review = wording.review
        if review is None:
            return ""
        return f"read by {review.reviewer}, noted by {review.by}, {times.said(review.at, zone, parts.now)}"

    lines = [
        (
            reply,
            [
                Line(each, replies.mark_of(each.text), segments(each.text), reviewed(each))
                for each in wordings
                if each.text or chosen
            ],
        )
        for reply, wordings in book
    ]
    return render_template(
        "desk/replies.html",
        lines=lines,
        known=len(parts.replies),
        languages=[each for each in Language if each is not Language.ENGLISH],
        chosen=chosen,
        find=find,
        read=sum(bool(line.reviewed) for _, theirs in lines for line in theirs),
        wordings=sum(len(theirs) for _, theirs in lines),
        may_review=me.can(Act.REPLIES),
        typed=request.form.get("reviewer", ""),
        words=words,
        wrong=wrong,
    )
