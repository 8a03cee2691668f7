"""The import page: what waits for somebody, a place to drop a file, and what became of the last ones."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from bot import holds, staff
from bot.access import Act
from bot.clock import school_day
from bot.holds import Hold, HoldRefused
from bot.roster.incoming import (
    LARGEST_KEPT,
    Coming,
    Filed,
    may_see,
    receive,
    recent,
    reject_school,
    release,
    waiting,
)
from bot.roster.sources import Source
from bot.store.tables import FileState, FileWay, HoldReason, HoldState
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

# What a browser adds around the files of a form.
_AROUND = 64 * 1024
_LONGEST_NAME = 200
_HOLDS_SHOWN = timedelta(days=7)


@dataclass(frozen=True)
class Line:
    """One file in a list."""

    id: int
    name: str
    kind: str
    state: str
    how: str
    waits: bool
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Waiting:
    """A school whose morning waits."""

    school_id: int
    school: str
    day: date
    day_said: str
    sentences: tuple[str, ...]
    kept: str
    may_go_on: bool


def allow_large_files(app: Flask) -> None:
    """Let this one form be large. Asked after the guard, so that a stranger's body stays small."""

    @app.before_request
    def _larger() -> None:
        if request.endpoint == "desk.drop_file":
            request.max_content_length = LARGEST_KEPT + _AROUND


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/imports")
    @guard.needs(Act.READ)
    def imports() -> ResponseReturnValue:
        return _show(parts)

    @page.post("/imports")
    @guard.needs(Act.IMPORT)
    def drop_file() -> ResponseReturnValue:
        me = guard.me()
        dropped = request.files.get("file")
        if dropped is None or not dropped.filename:
            return _show(parts, "Choose a file first. Nothing was changed."), 422
        mark = request.form.get("form_key", "")
        if not mark:
            abort(400)
        received = receive(
            parts.database,
            Coming(
                FileWay.PAGE,
                me.name,
                _source("", dropped),
                contacts=_beside("contacts"),
                calendar=_beside("calendar"),
                staff_id=me.id,
                # The same form twice is one file, and so is a second click.
                key=hashlib.sha256(f"page\0{me.id}\0{mark}".encode()).hexdigest(),
            ),
            office=parts.office,
            now=parts.now,
            look_first=True,
        )
        return redirect(url_for("desk.one_import", file_id=received.id), 303)

    @page.post("/imports/school/<int:school_id>/<day>/release", endpoint="release_school")
    @guard.needs(Act.APPROVE)
    def let_school_go_on(school_id: int, day: str) -> ResponseReturnValue:
        done = "{} goes on: its families are asked at the next look, if it is not too late for today."
        return _decide(parts, school_id, day, release, done)

    @page.post("/imports/school/<int:school_id>/<day>/keep", endpoint="keep_school")
    @guard.needs(Act.APPROVE)
    def keep_school_held(school_id: int, day: str) -> ResponseReturnValue:
        return _decide(
            parts,
            school_id,
            day,
            reject_school,
            "{} stays held. Nobody there is texted: call these families.",
        )


def _source(kind: str, dropped: FileStorage) -> Source:
    """What was dropped; of its name only the end, for some browsers send a whole path."""
    name = (dropped.filename or "").replace("\\", "/").rpartition("/")[2].replace("\0", "")
    return Source(kind, name[-_LONGEST_NAME:] or "file", dropped.read())


def _beside(kind: str) -> Source | None:
    dropped = request.files.get(kind)
    return _source(kind, dropped) if dropped is not None and dropped.filename else None


def _decide(
    parts: Parts, school_id: int, day: str, decide: Callable[..., int], done: str
) -> ResponseReturnValue:
    me = guard.me()
    if not me.can(Act.APPROVE, school_id):
        abort(404)
    try:
        on = date.fromisoformat(day)
    except ValueError:
        abort(404)
    because = request.form.get("because", "")
    try:
        with parts.database.begin() as session:
            names = {school.id: school.name for school in staff.schools_seen(session, me)}
            decided = decide(
                session, school_id, on, by=me.name, staff_id=me.id, because=because, now=parts.now
            )
    except HoldRefused as why:
        return _show(parts, str(why), school_id, because), 409
    if decided:
        flash(done.format(names.get(school_id, "The school")))
        parts.wake()
    else:
        flash("Somebody has decided that already. Nothing was changed.")
    return redirect(url_for("desk.imports"), 303)


def _show(parts: Parts, wrong: str = "", school_id: int = 0, typed: str = "") -> str:
    me = guard.me()
    with parts.database.look() as session:
        zone = zones_by_school(staff.schools_seen(session, me))[""]
        today = school_day(parts.now, zone)
        every_hold = holds.of_days(session, me.schools, today - _HOLDS_SHOWN)
        files = [file for file in waiting(session) if may_see(session, file, me.schools, me.id)]
        before = [file for file in recent(session) if may_see(session, file, me.schools, me.id)]

    def line(file: Filed) -> Line:
        at = times.said(file.received_at, zone, parts.now)
        return Line(
            file.id,
            file.file_name,
            words.FILE_KIND.get(file.kind, "File"),
            words.FILE_STATE[file.state],
            f"{at}, {words.FILE_WAY[file.way].format(file.sent_by)}",
            file.waits,
            file.sentences if file.waits or file.state is FileState.REFUSED else (),
        )

    return render_template(
        "desk/imports.html",
        schools=_waiting(every_hold, today - timedelta(days=1)),
        decided=[
            (hold, words.HOLD_STATE[hold.state], times.day_said(hold.day))
            for hold in every_hold
            if hold.decided_at is not None and hold.state is not HoldState.LIFTED
        ],
        waiting=[line(file) for file in files],
        recent=[line(file) for file in before],
        form_key=secrets.token_urlsafe(16),
        largest=LARGEST_KEPT // 1024 // 1024,
        longest=holds.LONGEST_REASON,
        may_import=me.can(Act.IMPORT),
        may_approve=me.can(Act.APPROVE),
        wrong=wrong,
        wrong_at=school_id,
        typed=typed,
    )


def _waiting(every_hold: list[Hold], since: date) -> list[Waiting]:
    """The schools that are held now, each with all its reasons."""
    by_school: dict[tuple[int, date], list[Hold]] = {}
    for hold in every_hold:
        if hold.state in holds.HOLDING and hold.day >= since:
            by_school.setdefault((hold.school_id, hold.day), []).append(hold)
    return [
        Waiting(
            school,
            held[0].school,
            day,
            times.day_said(day),
            tuple(hold.sentence for hold in held),
            next((f"{hold.decided_by}: {hold.because}" for hold in held if hold.state is HoldState.KEPT), ""),
            all(hold.reason is not HoldReason.NO_SCHOOL_DAY for hold in held),
        )
        for (school, day), held in by_school.items()
    ]
