"""What became of a home visit: logged once, with the barriers that were heard and what follows from it."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from bot import handoffs, ledger
from bot.casework import visits
from bot.casework.follow_up import NextStep, follow_up
from bot.casework.written import LONGEST_LINE, CaseworkRefused, written
from bot.clock import school_day
from bot.store.tables import BarrierFound, VisitState
from bot.vocabulary import Barrier, Outcome, VisitOutcome

# A visit that nobody wrote down for a month is no longer remembered as it was.
_LONGEST_AGO = timedelta(days=30)

_MET = frozenset({VisitOutcome.MET_GUARDIAN, VisitOutcome.MET_OTHER_ADULT})


@dataclass(frozen=True)
class Made:
    """What became of a visit. `known`: we now know where the student is today, or why."""

    outcome: VisitOutcome
    visited_at: datetime
    met: str = ""
    heard: str = ""
    safety: str = ""
    barriers: tuple[Barrier, ...] = ()
    steps: tuple[NextStep, ...] = ()
    known: bool = False
    status_asked: bool = False


def log(session: Session, visit_id: int, staff_id: int, made: Made, *, now: datetime) -> None:
    """The pair has been there: keep what was found, and raise what follows from it, once.

    It resolves what the ladder asked for. Raises CaseworkRefused.
    """
    visit = visits.locked(session, visit_id)
    met = written(made.met, "Who was met", longest=LONGEST_LINE, status_asked=made.status_asked)
    heard = written(made.heard, "What was heard", status_asked=made.status_asked)
    safety = written(made.safety, "The safety note", status_asked=made.status_asked)
    if (
        visit.state is VisitState.DONE
        and visit.logged_by == staff_id
        and (visit.outcome, visit.heard, visit.met) == (made.outcome, heard, met)
    ):
        return  # the same form, sent twice
    visits.must_be_planned(session, visit)
    zone = visits.zone_of(session, visit.student_id)
    _must_be_told(made, met, heard, safety, now)
    steps = [_checked_step(session, visit.student_id, step, school_day(now, zone)) for step in made.steps]
    before = visits.plan_said(session, visit)
    visit.state, visit.outcome = VisitState.DONE, made.outcome
    visit.visited_at, visit.met, visit.heard = made.visited_at, met, heard
    visit.safety = safety or visit.safety
    visit.logged_by, visit.logged_at = staff_id, now
    session.flush()
    for code in dict.fromkeys(made.barriers):
        session.add(
            BarrierFound(
                student_id=visit.student_id,
                visit_id=visit.id,
                guardian_id=visit.guardian_id,
                code=code,
                words="",
                opened_at=now,
            )
        )
    session.flush()
    resolution = f"Home visit: {OUTCOME_SAID[made.outcome]}."
    handoffs.resolve_these(session, visits.asked_for(session, visit.student_id), staff_id, resolution, now)
    if made.known:
        ledger.record(session, [visit.student_id], school_day(made.visited_at, zone), Outcome.EXPLAINED, now)
    follow_up(session, visit, steps, staff_id, zone=zone, now=now)
    visits.keep(session, visit, staff_id, "visit_logged", before, resolution, now)


# As a resolved line of the desk and the history say it; the page's own words are in web/words.py.
OUTCOME_SAID = {
    VisitOutcome.MET_GUARDIAN: "met the guardian",
    VisitOutcome.MET_OTHER_ADULT: "met another adult",
    VisitOutcome.CARD_LEFT: "no answer, card left",
    VisitOutcome.ADDRESS_WRONG: "address wrong or vacant",
    VisitOutcome.REFUSED: "the family declined politely",
    VisitOutcome.UNSAFE: "not safe, left",
    VisitOutcome.RESCHEDULED: "the family asked for another day",
}


def _must_be_told(made: Made, met: str, heard: str, safety: str, now: datetime) -> None:
    if made.visited_at > now:
        raise CaseworkRefused("The visit lies in the future; log it when you have been there.")
    if now - made.visited_at > _LONGEST_AGO:
        raise CaseworkRefused(
            f"The visit was more than {_LONGEST_AGO.days} days ago; check the date, or write a note instead."
        )
    if made.outcome in _MET and not met:
        raise CaseworkRefused("Say whom you met, such as “the grandmother”, so that the next visitor knows.")
    if made.outcome is VisitOutcome.MET_GUARDIAN and not made.steps:
        raise CaseworkRefused(
            "Agree on one next step with its owner and day: a visit without one changes nothing (field guide, visits)."
        )
    if made.outcome is VisitOutcome.UNSAFE and not (safety or heard):
        raise CaseworkRefused("Write a safety note: the next visitor must know before knocking.")


def _checked_step(session: Session, student_id: int, step: NextStep, today: date) -> NextStep:
    what = written(step.what, "The next step", longest=LONGEST_LINE, needed=True)
    if step.due_on < today:
        raise CaseworkRefused(f"The next step “{what}” is due on a day that is over; choose today or later.")
    if step.owner_id is not None and step.owner_id not in visits.visitors(session, student_id):
        raise CaseworkRefused(
            f"Whoever does “{what}” must work with this school; choose somebody of the list."
        )
    return replace(step, what=what)
