"""One family: everything that happened, oldest first, and beside it what a staff member can do."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue

from bot import answering, barriers, handoffs, staff, wishes
from bot.access import Act
from bot.casework import tasks
from bot.casework.tasks import OpenTask
from bot.clock import school_day
from bot.store.tables import CallOutcome
from bot.timeline import beside
from bot.timeline.entries import BarrierShown, Entry, WeWrote
from bot.timeline.family import Family, family, version
from bot.vocabulary import Barrier, Owner, Urgency
from bot.web import guard, times, words
from bot.web.desk import reply_box
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

# What can be done about one child, each on a page of its own that leads back here.
_ABOUT_A_CHILD = (
    ("desk.plan_visit", "Plan a visit"),
    ("desk.new_referral", "Open a referral"),
    ("desk.new_loan", "Issue a device"),
    ("desk.new_note", "Write a note"),
)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


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
    """`since` is the instant from which the story is shown, as an address carries it."""

    family: Family
    title: str
    entries: Sequence[Shown]
    since: str
    urgent: bool
    why: str
    first_step: str
    waiting_since: str
    due: str
    owner: str
    mine: bool
    with_somebody_else: bool

    @property
    def earlier(self) -> str:
        """Where the part before this one ends; "" when there is none."""
        return self.since if self.family.since is not None else ""


@dataclass(frozen=True)
class Beside:
    """`ways` are the pages for one child, as endpoint and label."""

    children: Sequence[beside.ChildBeside]
    guardians: Sequence[beside.GuardianBeside]
    tasks: Sequence[OpenTask]
    today: date
    ways: Sequence[tuple[str, str]]
    student_page: bool
    may_ask_second: bool


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/family/<int:conversation_id>", endpoint="family")
    @guard.needs(Act.READ)
    def one(conversation_id: int) -> ResponseReturnValue:
        page = show(parts, conversation_id)
        if guard.me().may_act:
            # Somebody who can help has looked: nobody else is alarmed (on_call.py).
            with parts.database.begin() as session:
                handoffs.seen(session, conversation_id, guard.me().id, parts.now)
        return page

    @page.get("/family/<int:conversation_id>/news", endpoint="family_news")
    @guard.needs(Act.READ)
    def news(conversation_id: int) -> ResponseReturnValue:
        with parts.database.look() as session:
            now_is = version(session, conversation_id, guard.me().schools)
        if now_is is None:
            abort(404)
        if request.args.get("seen") == now_is:
            return "", 204
        seen = _look(parts, conversation_id, since=_instant("from"))
        return render_template("desk/_talk.html", page=seen, words=words, **_choices(parts))

    @page.get("/family/<int:conversation_id>/earlier", endpoint="family_earlier")
    @guard.needs(Act.READ)
    def earlier(conversation_id: int) -> ResponseReturnValue:
        before = _instant("before")
        if before is None:
            abort(404)
        seen = _look(parts, conversation_id, before=before)
        return render_template("desk/_talk_earlier.html", page=seen, words=words, **_choices(parts))


def show(parts: Parts, conversation_id: int, wrong: str = "", typed: reply_box.Typed | None = None) -> str:
    """The whole page. After an act that was not possible it says why and keeps what was typed."""
    me = guard.me()
    before = _instant("before") if request.method == "GET" else None
    # One look for all that is of this family, so that no part of the page is of another moment.
    with parts.database.look() as session:
        found = family(session, conversation_id, me.schools, reader=me, before=before)
        if found is None:
            abort(404)
        zones = zones_by_school([] if found.zone else staff.schools_seen(session, me))
        standing = wishes.standing(session, conversation_id)
        today = school_day(parts.now, ZoneInfo(found.zone)) if found.zone else parts.now.date()
        children = beside.children(session, found.household, today)
        guardians = beside.guardians(session, found.household)
        waiting = tasks.open_about(session, found.household)
    return render_template(
        "desk/family.html",
        page=_page(found, ZoneInfo(found.zone) if found.zone else zones[""], parts.now, me.id),
        words=words,
        wrong=wrong,
        box=reply_box.of(parts, found, me, typed or reply_box.Typed.now(), heard=_heard(found)),
        beside=_beside(found, children, guardians, waiting, today),
        before=before is not None,
        cannot_text=standing.cannot_text,
        wishes=standing,
        call_outcomes=CallOutcome,
        longest=answering.LONGEST_REPLY,
        longest_reason=barriers.LONGEST_REASON,
        conversation_id=conversation_id,
        # The same form sent twice, by an impatient second click, is one text.
        form_key=secrets.token_hex(16),
        **_choices(parts),
    )


def _choices(parts: Parts) -> dict[str, object]:
    """What the entries of the story may be done with."""
    return {"all_barriers": list(Barrier), "may_translate": parts.translator is not None}


def _look(
    parts: Parts, conversation_id: int, *, before: datetime | None = None, since: datetime | None = None
) -> Page:
    me = guard.me()
    with parts.database.look() as session:
        found = family(session, conversation_id, me.schools, reader=me, before=before, since=since)
        if found is None:
            abort(404)
        zones = zones_by_school([] if found.zone else staff.schools_seen(session, me))
    return _page(found, ZoneInfo(found.zone) if found.zone else zones[""], parts.now, me.id)


def _page(found: Family, zone: ZoneInfo, now: datetime, staff_id: int) -> Page:
    waits = found.waits
    since = waits.waiting_since if waits else None
    return Page(
        family=found,
        title=found.guardian or f"Number {found.phone}",
        entries=_shown(found.entries, zone),
        since=_written(found.since or _BEGINNING),
        urgent=waits is not None and waits.urgency is Urgency.P0,
        why=words.why(waits.why) if waits else "",
        first_step=words.first_step(waits.why) if waits else "",
        waiting_since=times.said(since, zone, now) if since else "",
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


def _heard(found: Family) -> set[Barrier]:
    """What this family's story has shown lately: the replies about it stand first."""
    return {
        entry.barrier for entry in found.entries if isinstance(entry, BarrierShown) and not entry.withdrawn
    }


def _beside(
    found: Family,
    children: Sequence[beside.ChildBeside],
    guardians: Sequence[beside.GuardianBeside],
    waiting: Sequence[OpenTask],
    today: date,
) -> Beside:
    known = current_app.view_functions
    return Beside(
        children=children,
        guardians=guardians,
        tasks=waiting,
        today=today,
        ways=[(name, label) for name, label in _ABOUT_A_CHILD if name in known],
        student_page="desk.student" in known,
        may_ask_second=found.day == today
        and any(each.may_be_texted and each.id != found.guardian_id for each in guardians),
    )


# --- an instant in an address: microseconds since 1970 ----------------------------------------------------


def _written(at: datetime) -> str:
    return str((at - _BEGINNING) // timedelta(microseconds=1))


def _instant(name: str) -> datetime | None:
    """The instant the address names; None for none and for what is not one."""
    value = request.args.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 17):
        return None
    try:
        return _BEGINNING + timedelta(microseconds=int(value))
    except OverflowError:
        return None
