"""The big stop button at the desk, and the banner of every desk page while texts stand still."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import outbox, staff, stopping, watch
from bot.access import Act
from bot.outbox import Closed
from bot.provider import meaning
from bot.stopping import Press, StopRefused
from bot.web import guard, times
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

_PRESSES_SHOWN = 10


@dataclass(frozen=True)
class Standstill:
    """What keeps texts from leaving, a sentence each; both empty while they leave."""

    mark: str
    stopped: str
    refused: tuple[str, ...]


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/stop")
    @guard.needs(Act.READ)
    def stop() -> ResponseReturnValue:
        return _show(parts)

    @page.post("/stop")
    @guard.needs(Act.STOP)
    def press_stop() -> ResponseReturnValue:
        return _press(parts, stopping.stop, "Done. Texts wait until somebody lets them go.")

    @page.post("/go")
    @guard.needs(Act.LET_GO)
    def press_go() -> ResponseReturnValue:
        return _press(parts, stopping.go, "Done. Texts go on.")

    @page.get("/standstill", endpoint="standstill")
    @guard.needs(Act.READ)
    def news() -> ResponseReturnValue:
        """204 while nothing has changed: an open page learns of a stop within seconds."""
        still = standstill(parts)
        if request.args.get("seen") == still.mark:
            return "", 204
        return render_template("desk/_standstill.html", still=still)


def standstill(parts: Parts) -> Standstill:
    """What the banner says at this moment; nothing at all on most days."""
    with parts.database.look() as session:
        press, closed = stopping.stopped(session), outbox.closed(session)
        if press is None and not closed:
            return Standstill("", "", ())
        zone = zones_by_school(staff.schools_seen(session, guard.me()))[""]
    # Two senders that are refused for one reason are one sentence.
    refused = dict.fromkeys(_refused(each, zone, parts.now) for each in closed)
    stopped = _stopped(press, zone, parts.now) if press is not None else ""
    mark = f"{press.id if press else ''}-{'-'.join(f'{each.code}at{each.until:%d%H%M}' for each in closed)}"
    return Standstill(mark, stopped, tuple(refused))


def _stopped(press: Press, zone: ZoneInfo, now: datetime) -> str:
    since = times.said(press.at, zone, now)
    return f"since {since} by {press.by}: {press.reason.rstrip('.')}. Nothing leaves but safety texts."


def _refused(closed: Closed, zone: ZoneInfo, now: datetime) -> str:
    code = f"error {closed.code}: " if closed.code else ""
    tried = f"at {times.said(closed.until, zone, now)}" if closed.until > now else "with the next text"
    return f"Twilio refuses our sender ({code}{meaning.of(closed.code).means}). It is tried again {tried}."


@dataclass(frozen=True)
class Pressed:
    """One use of the button, as the page tells it."""

    stopped: bool
    by: str
    reason: str
    at: str


def _show(parts: Parts, wrong: str = "", typed: str = "") -> str:
    me = guard.me()
    with parts.database.look() as session:
        presses = stopping.presses(session, _PRESSES_SHOWN)
        held = watch.held_back(session, parts.now)
        zone = zones_by_school(staff.schools_seen(session, me))[""]
    return render_template(
        "desk/stop.html",
        stopped=bool(presses) and presses[0].stopped,
        seen=presses[0].id if presses else 0,
        presses=[
            Pressed(press.stopped, press.by, press.reason, times.said(press.at, zone, parts.now))
            for press in presses
        ],
        held=held,
        may_stop=me.can(Act.STOP),
        may_let_go=me.can(Act.LET_GO),
        longest=stopping.LONGEST_REASON,
        wrong=wrong,
        typed=typed,
    )


def _press(parts: Parts, what: Callable[..., bool], done: str) -> ResponseReturnValue:
    me = guard.me()
    because = request.form.get("because", "")
    try:
        with parts.database.begin() as session:
            changed = what(
                session,
                by=me.name,
                staff_id=me.id,
                reason=because,
                # What the form had shown: a second click, or a page left open, undoes nothing it did not show.
                seen=request.form.get("seen", -1, type=int),
                now=parts.now,
            )
    except StopRefused as why:
        return _show(parts, str(why), because), 409
    parts.wake()
    if changed:
        flash(done)
    return redirect(url_for("desk.stop"), 303)
