"""What waits for somebody besides families' texts, a line each: Today shows them on top.

Whoever adds one asks for it in `notices`, in the same look at the database, and says it in a function below.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import url_for

from bot import holds, on_call, today
from bot.clock import school_day
from bot.on_call import Alarm
from bot.staff import SchoolSeen, StaffMember, schools_seen
from bot.today import SchoolToday
from bot.web import times
from bot.web.parts import Parts


@dataclass(frozen=True)
class Notice:
    """One thing to see to: a sentence, and where that is done. `urgent`: before anything else."""

    sentence: str
    where: str = ""
    way: str = ""
    urgent: bool = False


def notices(parts: Parts, me: StaffMember, schools: Sequence[SchoolToday]) -> list[Notice]:
    """Everything that waits for somebody of this person's schools, the most urgent first."""
    now = parts.now
    with parts.database.look() as session:
        seen = schools_seen(session, me)
        zone = ZoneInfo(seen[0].zone) if seen else ZoneInfo("UTC")
        alarms = on_call.unopened(session, me.schools)
        held = holds.held(session, school_day(now, zone))
        late = today.late(session, me.schools, now)
    found = [
        *_alarms(alarms, zone, now),
        *_held(held, seen),
        *_late(*late, zone, now),
        *_without_outcome(schools),
    ]
    return sorted(found, key=lambda notice: not notice.urgent)


def _alarms(alarms: Iterable[Alarm], zone: ZoneInfo, now: datetime) -> Iterator[Notice]:
    for alarm in alarms:
        since = times.said(alarm.since, ZoneInfo(alarm.zone) if alarm.zone else zone, now)
        where = f"A family at {alarm.school}" if alarm.school else "A family of no known school"
        told = f"{alarm.told} {'message has' if alarm.told == 1 else 'messages have'} gone to those on call"
        lost = f", {alarm.lost} of them did not arrive" if alarm.lost else ""
        yield Notice(
            f"{where} needs help now, since {since}, and nobody has opened it. {told}{lost}.",
            url_for("desk.family", conversation_id=alarm.conversation_id),
            "Open it",
            urgent=True,
        )


def _held(held: Mapping[int, str], seen: Iterable[SchoolSeen]) -> Iterator[Notice]:
    for school in seen:
        if school.id in held:
            yield Notice(f"No family of {school.name} is texted today: {held[school.id]}", urgent=True)


def _late(number: int, first: datetime | None, zone: ZoneInfo, now: datetime) -> Iterator[Notice]:
    if number and first is not None:
        families = "1 family waits" if number == 1 else f"{number} families wait"
        due = times.said(first, zone, now)
        yield Notice(
            f"{families} beyond the time by which we promised an answer; the first was due {due}.",
            url_for("desk.queue"),
            "Open the queue",
        )


def _without_outcome(schools: Iterable[SchoolToday]) -> Iterator[Notice]:
    number = sum(school.without_outcome for school in schools if school.teaches)
    if number:
        students = "1 absent student has" if number == 1 else f"{number} absent students have"
        yield Notice(
            f"{students} no outcome in today's ledger yet: the morning's questions have not gone out.",
            url_for("desk.ledger"),
            "Open the ledger",
        )
