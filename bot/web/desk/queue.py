"""Who waits for a person: the queue, the alarm that every other desk page shows, and their news."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from bot import handoffs, staff
from bot.access import Act
from bot.handoffs import WaitingFamily
from bot.language import Language
from bot.staff import StaffMember
from bot.store.tables import HandoffState
from bot.vocabulary import Urgency
from bot.web import guard, times, words
from bot.web.parts import Parts

MINE = "mine"


@dataclass(frozen=True)
class Row:
    """One line of the queue, in the words in which staff read it."""

    handoff_id: int
    conversation_id: int
    family: str
    students: tuple[str, ...]
    school: str
    now: bool
    urgency: str
    why: str
    first_step: str
    queue: str
    language: Language
    last_words: str
    taken_by: str
    mine: bool
    waits: str
    since: str
    due: str
    late: bool


@dataclass(frozen=True)
class Queue:
    """What one staff member sees. `urgent` counts those who need help now and whom nobody has taken."""

    rows: Sequence[Row]
    shown: str
    waiting: int
    urgent: int
    mine: int
    mark: str


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/")
    @guard.needs(Act.READ)
    def queue() -> ResponseReturnValue:
        return render_template("desk/queue.html", queue=_read(parts, guard.me(), _filter()))

    @page.get("/news")
    @guard.needs(Act.READ)
    def queue_news() -> ResponseReturnValue:
        """204 while nothing has changed: most of a morning's polls cost one count."""
        me = guard.me()
        if request.args.get("seen") == _mark(parts, me):
            return "", 204
        return render_template("desk/_queue_news.html", queue=_read(parts, me, _filter()))

    @page.get("/alarm")
    @guard.needs(Act.READ)
    def alarm() -> ResponseReturnValue:
        me = guard.me()
        if request.args.get("seen") == _mark(parts, me):
            return "", 204
        return render_template("desk/_alarm.html", queue=_read(parts, me, ""))


def _filter() -> str:
    return MINE if request.args.get("show") == MINE else ""


def _mark(parts: Parts, me: StaffMember) -> str:
    """Changes with the queue and, because the page says how long families have waited, every minute."""
    with parts.database.begin() as session:
        changed = handoffs.pulse(session, me.schools)
    return f"{parts.now:%H%M}-{changed}"


def _read(parts: Parts, me: StaffMember, shown: str) -> Queue:
    now = parts.now
    mark = _mark(parts, me)
    with parts.database.begin() as session:
        families = handoffs.waiting(session, me.schools)
    rows = [_row(each, me, now) for each in families]
    return Queue(
        rows=[row for row in rows if row.mine or shown != MINE],
        shown=shown,
        waiting=len(rows),
        urgent=sum(row.now and not row.taken_by for row in rows),
        mine=sum(row.mine for row in rows),
        mark=mark,
    )


def zones_by_school(schools: Sequence[staff.SchoolSeen]) -> Mapping[str, ZoneInfo]:
    """The zone of each school by its name; under "" the one for families of no school."""
    zones = {school.name: ZoneInfo(school.zone) for school in schools}
    return {"": next(iter(zones.values()), ZoneInfo("UTC")), **zones}


def _row(waits: WaitingFamily, me: StaffMember, now: datetime) -> Row:
    since = waits.waiting_since
    return Row(
        handoff_id=waits.handoff_id,
        conversation_id=waits.conversation_id,
        family=waits.family,
        students=waits.students,
        school=waits.school,
        now=waits.urgency is Urgency.P0,
        urgency=words.URGENCY[waits.urgency],
        why=words.why(waits.why),
        first_step=words.first_step(waits.why),
        queue=waits.queue.label,
        language=waits.language,
        last_words=waits.last_words,
        taken_by=waits.taken_by,
        mine=waits.state is HandoffState.TAKEN and waits.taken_by_id == me.id,
        waits=times.lasted(now - since) if since else "",
        since=times.said(since, waits.zone, now) if since else "",
        due=times.said(waits.due_at, waits.zone, now),
        late=since is not None and now > waits.due_at,
    )
