"""Who waits for a person: the queue, the alarm that every other desk page shows, and their news."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from bot import handoffs, staff
from bot.access import Act
from bot.handoffs import Asked, Handed, OfficeHours, Tally, WaitingFamily
from bot.language import Language
from bot.staff import StaffMember
from bot.store.tables import HandoffState
from bot.vocabulary import Barrier, Urgency
from bot.vocabulary import Queue as Team
from bot.web import guard, times, words
from bot.web.parts import Parts

MINE = "mine"

# As many lines as somebody reads; 2,000 waiting families are forty pages, and the first one is what matters.
LINES = 50


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
    seen_by: str
    handed: str
    note: str
    waits: str
    since: str
    due: str
    late: bool


@dataclass(frozen=True)
class Choice:
    """One filter: its name in the address, what it is called, what can be chosen, and what is."""

    name: str
    label: str
    everything: str
    options: Sequence[tuple[str, str]]
    chosen: str


@dataclass(frozen=True)
class Queue:
    """What one staff member sees. `asked` is what the address says, which the news must say again."""

    rows: Sequence[Row]
    tally: Tally
    choices: Sequence[Choice]
    asked: Mapping[str, str]
    page: int
    pages: int
    mark: str

    @property
    def shown(self) -> str:
        return self.asked.get("show", "")

    @property
    def narrowed(self) -> bool:
        """Whether more than "mine" was asked for."""
        return any(name != "show" for name in self.asked)

    @property
    def urgent(self) -> int:
        return self.tally.urgent

    @property
    def waiting(self) -> int:
        return self.tally.waiting


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/")
    @guard.needs(Act.READ)
    def queue() -> ResponseReturnValue:
        return render_template("desk/queue.html", queue=_read(parts, guard.me()))

    @page.get("/news")
    @guard.needs(Act.READ)
    def queue_news() -> ResponseReturnValue:
        """204 while nothing has changed: most of a morning's polls cost one count."""
        me = guard.me()
        if request.args.get("seen") == _mark(parts, me):
            return "", 204
        return render_template("desk/_queue_news.html", queue=_read(parts, me))

    @page.get("/alarm")
    @guard.needs(Act.READ)
    def alarm() -> ResponseReturnValue:
        me = guard.me()
        with parts.database.look() as session:
            urgent = handoffs.tally(session, me.schools, me.id).urgent
        if request.args.get("seen") == str(urgent):
            return "", 204
        return render_template("desk/_alarm.html", urgent=urgent)


def _mark(parts: Parts, me: StaffMember) -> str:
    """Changes with the queue and, because the page says how long families have waited, every minute."""
    with parts.database.look() as session:
        changed = handoffs.pulse(session, me.schools)
    return f"{parts.now:%H%M}-{changed}"


def _read(parts: Parts, me: StaffMember) -> Queue:
    now, policy = parts.now, parts.script.policy
    mark = _mark(parts, me)
    with parts.database.look() as session:
        schools = staff.schools_seen(session, me)
        asked = _asked(me)
        tally = handoffs.tally(session, me.schools, me.id, asked)
        pages = max(1, -(-tally.shown // LINES))
        page = min(max(1, request.args.get("page", 1, type=int)), pages)
        families = handoffs.waiting(session, me.schools, asked, most=LINES, after=(page - 1) * LINES)
        since = min((each.waiting_since for each in families if each.waiting_since), default=now)
        hours = handoffs.office_hours(
            session, {each.school_id for each in families if each.school_id is not None}, since, policy, now
        )
    return Queue(
        rows=[_row(each, me, hours, now) for each in families],
        tally=tally,
        choices=_choices(schools, asked),
        asked={name: value for name, value in request.args.items() if name in _NAMES and value},
        page=page,
        pages=pages,
        mark=mark,
    )


# --- what was asked for -----------------------------------------------------------------------------------------

_NAMES = ("show", "school", "team", "language", "barrier")


def _asked(me: StaffMember) -> Asked:
    """What the address asks for. What it asks for in error is not asked."""
    school = request.args.get("school", type=int)
    team, language, barrier = (request.args.get(name, "") for name in ("team", "language", "barrier"))
    return Asked(
        mine=me.id if request.args.get("show") == MINE else None,
        school=school if school in me.schools else None,
        queue=Team(team) if team in set(Team) else None,
        language=Language(language) if language in set(Language) else None,
        barrier=Barrier(barrier) if barrier in set(Barrier) else None,
    )


def _choices(schools: Sequence[staff.SchoolSeen], asked: Asked) -> list[Choice]:
    choices = [
        Choice("team", "Team", "Every team", [(each.value, each.label) for each in Team], asked.queue or ""),
        Choice(
            "language",
            "Language",
            "Every language",
            [(each.value, each.english_name) for each in Language],
            asked.language or "",
        ),
        Choice(
            "barrier",
            "What is hard",
            "Everything",
            sorted(((each.value, words.BARRIER[each]) for each in Barrier), key=lambda option: option[1]),
            asked.barrier or "",
        ),
    ]
    if len(schools) > 1:
        options = [(str(each.id), each.name) for each in schools]
        choices.insert(0, Choice("school", "School", "All my schools", options, str(asked.school or "")))
    return choices


# --- one line ---------------------------------------------------------------------------------------------------


def zones_by_school(schools: Sequence[staff.SchoolSeen]) -> Mapping[str, ZoneInfo]:
    """The zone of each school by its name; under "" the one for families of no school."""
    zones = {school.name: ZoneInfo(school.zone) for school in schools}
    return {"": next(iter(zones.values()), ZoneInfo("UTC")), **zones}


def _row(waits: WaitingFamily, me: StaffMember, hours: OfficeHours, now: datetime) -> Row:
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
        seen_by=waits.seen_by if waits.state is HandoffState.OPEN else "",
        handed=_handed(waits.handed, waits.zone, now) if waits.handed else "",
        note=waits.handed.note if waits.handed else "",
        waits=_waited(waits, hours, since, now) if since else "",
        since=times.said(since, waits.zone, now) if since else "",
        due=times.said(waits.due_at, waits.zone, now),
        late=since is not None and now > waits.due_at,
    )


def _waited(waits: WaitingFamily, hours: OfficeHours, since: datetime, now: datetime) -> str:
    """How long, in the time in which somebody could have answered; danger is counted by any clock."""
    wall = now - since
    if waits.urgency is Urgency.P0:
        return times.lasted(wall)
    office = hours.lasted(waits.school_id, waits.zone, since, now)
    if wall - office < timedelta(minutes=2):
        return times.lasted(wall)
    return times.worked(office)


def _handed(handed: Handed, zone: ZoneInfo, now: datetime) -> str:
    return words.handed(handed, times.said(handed.at, zone, now))
