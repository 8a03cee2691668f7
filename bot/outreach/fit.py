"""What the sender can still send today: families whose texts could not leave in time are held (TW-85)."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, chain, zip_longest
from math import inf
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.opening import Household
from bot.outbox.pace import carriers_day
from bot.policy import Policy
from bot.store.tables import Channel, OutboundText, SenderState, TextState


@dataclass(frozen=True)
class Fit:
    """Who is asked, in which order, and who is not because the sender cannot do it today.

    `cannot_finish` counts the texts that would still wait when the window closes; where a long run is
    refused, more are left. `takes`: until the last has left, with what waits before them; None without
    a pace, or with nobody to ask.
    """

    asked: Sequence[Household]
    left: Sequence[Household] = ()
    cannot_finish: int = 0
    takes: timedelta | None = None

    @property
    def why(self) -> str:
        """Why the others are left, for the office."""
        return f"{self.cannot_finish} texts cannot leave before the window closes: call these families"


def fit(
    session: Session,
    households: Sequence[Household],
    day: date,
    *,
    zones: Mapping[int, ZoneInfo],
    policy: Policy,
    now: datetime,
) -> Fit:
    """Keep the households whose texts can leave before the window closes, and within the day's cap."""
    if not households or (policy.segments_per_second is None and policy.segments_a_day is None):
        return Fit(households)
    schools = {household.school_id for household in households}
    windows = {school: policy.automatic(zones[school]).on(day) for school in schools}
    ahead = _waiting(session, max(closes for _, closes in windows.values()))
    rooms = _rooms(session, windows, policy, now)
    in_turn = list(_in_turn(households, day))
    needed = list(accumulate((household.question.segments for household in in_turn), initial=ahead))
    # The first that does not fit ends it: to look for a shorter text would favour some languages.
    number = next(
        (n for n, each in enumerate(in_turn) if needed[n + 1] > rooms[each.school_id]), len(in_turn)
    )
    cannot_finish = len(in_turn) - number
    if cannot_finish and policy.long_run == "refuse":
        number = 0
    takes = None
    if number and policy.segments_per_second is not None:
        takes = timedelta(seconds=needed[number] / policy.segments_per_second)
    return Fit(in_turn[:number], in_turn[number:], cannot_finish, takes)


def _rooms(
    session: Session, windows: Mapping[int, tuple[datetime, datetime]], policy: Policy, now: datetime
) -> dict[int, float]:
    """How many segments can leave in each school's window, as if it were alone with the sender."""
    starts = {school: max(now, opens) for school, (opens, _) in windows.items()}
    rooms = dict.fromkeys(windows, inf)
    if policy.segments_per_second is not None:
        for school, (_, closes) in windows.items():
            rooms[school] = policy.segments_per_second * (closes - starts[school]).total_seconds()
    if policy.segments_a_day is not None:
        left = policy.segments_a_day - _used(session, min(starts.values()))
        rooms = {school: min(room, left) for school, room in rooms.items()}
    return rooms


def _in_turn(households: Iterable[Household], day: date) -> Iterator[Household]:
    """One household of each school, then the next of each, so that no school waits for all of another.

    The day decides who comes first: they are not the same families who are left over every time.
    """
    by_school: dict[int, list[Household]] = defaultdict(list)
    for household in households:
        by_school[household.school_id].append(household)
    chance = random.Random(day.toordinal())
    for theirs in by_school.values():
        chance.shuffle(theirs)
    rounds = zip_longest(*by_school.values())
    return (household for household in chain.from_iterable(rounds) if household is not None)


def _waiting(session: Session, until: datetime) -> int:
    """The segments in the outbox that may leave before *until*: they need the same sender."""
    waiting = session.scalar(
        select(func.sum(OutboundText.segments)).where(
            OutboundText.state == TextState.QUEUED,
            OutboundText.channel == Channel.SMS,
            OutboundText.not_before < until,
        )
    )
    return waiting or 0


def _used(session: Session, moment: datetime) -> int:
    """The segments that have left on the carriers' day of *moment*."""
    used = session.scalar(
        select(func.sum(SenderState.segments_today)).where(SenderState.day == carriers_day(moment))
    )
    return used or 0
