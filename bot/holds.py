"""A school's morning that waits for a person: raised by a file's brakes, lifted by a better file, or decided."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.errors import PresenteError
from bot.store.session import insert_unless_there
from bot.store.tables import HoldReason, HoldState, School, SchoolHold

HOLDING = (HoldState.RAISED, HoldState.KEPT)
LONGEST_REASON = 500

# What was approved at 100 absent is not approved at 111.
_GROWTH = 1.1


class HoldRefused(PresenteError):
    """A held school cannot be decided about so; the message says why and what would do."""


@dataclass(frozen=True)
class Brake:
    """Why a school must wait. `absent` is how many of its students the file calls absent."""

    school_id: int
    reason: HoldReason
    sentence: str
    absent: int


@dataclass(frozen=True)
class Hold:
    """A school that is held, or was, for staff to read."""

    school_id: int
    school: str
    day: date
    reason: HoldReason
    sentence: str
    state: HoldState
    raised_at: datetime
    decided_by: str
    decided_at: datetime | None
    because: str


def raise_all(
    session: Session, brakes: Iterable[Brake], day: date, file_id: int | None, now: datetime
) -> None:
    """Hold these schools on *day*, but not again for what a person has already looked at and released."""
    for brake in brakes:
        key = {"school_id": brake.school_id, "day": day, "reason": brake.reason}
        values = {
            "sentence": brake.sentence,
            "absent": brake.absent,
            "file_id": file_id,
            "state": HoldState.RAISED,
            "raised_at": now,
            "decided_by": "",
            "because": "",
        }
        fresh = session.execute(
            insert_unless_there(session, SchoolHold, tuple(key), key | values).returning(SchoolHold.state)
        ).first()
        if fresh is not None:
            continue
        hold = session.get_one(SchoolHold, tuple(key.values()), with_for_update=True)
        looked_at = hold.state in (HoldState.RELEASED, HoldState.KEPT)
        if looked_at and brake.absent <= hold.absent * _GROWTH:
            continue
        for column, value in (values | {"decided_at": None}).items():
            setattr(hold, column, value)
    session.flush()


def lift(
    session: Session, still: Collection[Brake], schools: Collection[int], day: date, by: str, now: datetime
) -> None:
    """A better file has come for *schools*: what it no longer shows and nobody decided holds no more."""
    braked = {(brake.school_id, brake.reason) for brake in still}
    raised = session.scalars(
        select(SchoolHold).where(
            SchoolHold.day == day, SchoolHold.state == HoldState.RAISED, SchoolHold.school_id.in_(schools)
        )
    )
    for hold in raised:
        if (hold.school_id, hold.reason) not in braked:
            hold.state, hold.decided_at, hold.decided_by = HoldState.LIFTED, now, by
    session.flush()


def held(session: Session, day: date) -> dict[int, str]:
    """The schools of which nobody is texted on *day*, each with the sentence that says why."""
    rows = session.execute(
        select(SchoolHold.school_id, SchoolHold.sentence)
        .where(SchoolHold.day == day, SchoolHold.state.in_(HOLDING))
        .order_by(SchoolHold.raised_at.desc())
    )
    return {school: sentence for school, sentence in rows}


def looked_at(session: Session, day: date) -> set[int]:
    """The schools of which a person has said that this many are really absent on *day*."""
    return set(
        session.scalars(
            select(SchoolHold.school_id).where(
                SchoolHold.day == day,
                SchoolHold.state == HoldState.RELEASED,
                SchoolHold.reason == HoldReason.NEARLY_ALL_ABSENT,
            )
        )
    )


def freed(session: Session, days: Collection[date]) -> dict[tuple[int, date], datetime]:
    """When each school's last hold of a day ended: its morning is due again."""
    rows = session.execute(
        select(SchoolHold.school_id, SchoolHold.day, SchoolHold.decided_at)
        .where(SchoolHold.day.in_(days), SchoolHold.state.in_([HoldState.RELEASED, HoldState.LIFTED]))
        .order_by(SchoolHold.decided_at)
    )
    return {(school, day): at for school, day, at in rows if at is not None}


def waiting(session: Session, schools: Collection[int], since: date) -> list[Hold]:
    """The holds of these schools, of *since* and later, that hold at this moment; the oldest first."""
    return _listed(session, schools, since, HOLDING)


def of_days(session: Session, schools: Collection[int], since: date) -> list[Hold]:
    """Every hold of these schools from *since* on, the decided ones too."""
    return _listed(session, schools, since, tuple(HoldState))


def _listed(
    session: Session, schools: Collection[int], since: date, states: Collection[HoldState]
) -> list[Hold]:
    rows = session.execute(
        select(SchoolHold, School.name)
        .join(School, School.id == SchoolHold.school_id)
        .where(SchoolHold.day >= since, SchoolHold.state.in_(states), SchoolHold.school_id.in_(schools))
        .order_by(SchoolHold.day, SchoolHold.raised_at, School.name, SchoolHold.reason)
    )
    return [
        Hold(
            hold.school_id, name, hold.day, hold.reason, hold.sentence, hold.state, hold.raised_at,
            hold.decided_by, hold.decided_at, hold.because,
        )
        for hold, name in rows
    ]  # fmt: skip


def decide(
    session: Session,
    school_id: int,
    day: date,
    *,
    release: bool,
    by: str,
    staff_id: int,
    because: str,
    now: datetime,
) -> int:
    """Let a held school's morning go on, or keep it for staff to call; returns how many holds that was.

    Once decided, a second click changes nothing. Raises HoldRefused without a reason, or for a day that
    the calendar has no school on: only the calendar can say otherwise.
    """
    reason = " ".join(because.split())
    if not reason:
        raise HoldRefused("A reason is missing; write why in a few words. Nothing was changed.")
    held_now = session.scalars(
        select(SchoolHold)
        .where(
            SchoolHold.school_id == school_id,
            SchoolHold.day == day,
            SchoolHold.state.in_(HOLDING if release else [HoldState.RAISED]),
        )
        .with_for_update()
    ).all()
    if release and any(hold.reason is HoldReason.NO_SCHOOL_DAY for hold in held_now):
        raise HoldRefused(
            f"The calendar has no school on {day}. Correct the calendar if there is, "
            "then import the file again; nobody was texted."
        )
    for hold in held_now:
        hold.state = HoldState.RELEASED if release else HoldState.KEPT
        hold.decided_at, hold.decided_by, hold.because = now, by, reason[:LONGEST_REASON]
    if held_now:
        act = "release_school" if release else "keep_school_held"
        detail = f"{day}: {reason}"[:LONGEST_REASON]
        audit.note(session, staff_id, act, now=now, school_id=school_id, detail=detail)
    session.flush()
    return len(held_now)
