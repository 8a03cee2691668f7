"""One family: everything that happened, oldest first, and beside it what a staff member can do."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from bot import answering, staff, wishes
from bot.access import Act
from bot.clock import school_day
from bot.store.tables import CallOutcome
from bot.timeline.entries import Entry, WeWrote
from bot.timeline.family import Family, family
from bot.vocabulary import Owner, Urgency
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts


@dataclass(frozen=True)
class Shown:
    """One entry as it stands on the page. `kind` picks its form, `new_day` is set on the first of a day."""

    kind: str
    entry: Entry
    at: str
    new_day: str
    fate: str
    trouble: bool


@dataclass(frozen=True)
class Page:
    family: Family
    title: str
    earlier: Sequence[Shown]
    entries: Sequence[Shown]
    urgent: bool
    why: str
    first_step: str
    since: str
    due: str
    owner: str
    mine: bool
    with_somebody_else: bool


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/family/<int:conversation_id>", endpoint="family")
    @guard.needs(Act.READ)
    def one(conversation_id: int) -> ResponseReturnValue:
        return show(parts, conversation_id)

    @page.get("/family/<int:conversation_id>/news", endpoint="family_news")
    @guard.needs(Act.READ)
    def news(conversation_id: int) -> ResponseReturnValue:
        seen = _look(parts, conversation_id)
        if request.args.get("seen") == seen.family.version:
            return "", 204
        return render_template("desk/_talk.html", page=seen, words=words)


def show(parts: Parts, conversation_id: int, wrong: str = "", typed: str = "") -> str:
    """The whole page. After an act that was not possible it says why and keeps what was typed."""
    seen = _look(parts, conversation_id)
    with parts.database.begin() as session:
        cannot_text = answering.cannot_text_because(session, conversation_id)
        standing = wishes.standing(session, conversation_id)
    return render_template(
        "desk/family.html",
        page=seen,
        words=words,
        wrong=wrong,
        typed=typed,
        cannot_text=cannot_text,
        wishes=standing,
        call_outcomes=CallOutcome,
        longest=answering.LONGEST_REPLY,
        # The same form sent twice, by an impatient second click, is one text.
        form_key=secrets.token_hex(16),
    )


def _look(parts: Parts, conversation_id: int) -> Page:
    me = guard.me()
    with parts.database.begin() as session:
        found = family(session, conversation_id, me.schools)
        zones = zones_by_school(staff.schools_seen(session, me))
    if found is None:
        abort(404)
    zone = ZoneInfo(found.zone) if found.zone else zones[""]
    return _page(found, zone, parts.now, me.id)


def _page(found: Family, zone: ZoneInfo, now: datetime, staff_id: int) -> Page:
    waits = found.waits
    earlier = [entry for entry in found.entries if entry.at < found.opened_at]
    since = waits.waiting_since if waits else None
    return Page(
        family=found,
        title=found.guardian or f"Number {found.phone}",
        earlier=_shown(earlier, zone),
        entries=_shown(found.entries[len(earlier) :], zone),
        urgent=waits is not None and waits.urgency is Urgency.P0,
        why=words.why(waits.why) if waits else "",
        first_step=words.first_step(waits.why) if waits else "",
        since=times.said(since, zone, now) if since else "",
        due=times.said(waits.due_at, zone, now) if waits else "",
        owner=words.owner(found.owner, found.staff_name),
        mine=found.staff_id == staff_id,
        with_somebody_else=found.owner is Owner.STAFF and found.staff_id != staff_id,
    )


def _shown(entries: Sequence[Entry], zone: ZoneInfo) -> list[Shown]:
    shown = []
    last = None
    for entry in entries:
        day = school_day(entry.at, zone)
        ours = entry if isinstance(entry, WeWrote) else None
        shown.append(
            Shown(
                kind=type(entry).__name__,
                entry=entry,
                at=times.clock_time(entry.at, zone),
                new_day=times.day_said(day) if day != last else "",
                fate=words.delivery(ours) if ours else "",
                trouble=ours is not None and words.went_wrong(ours),
            )
        )
        last = day
    return shown
