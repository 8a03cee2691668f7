"""A student's plan and tier of help: what was agreed, who does what by when, and how it changed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit, measures
from bot.casework import colleagues, tasks
from bot.casework.written import LONGEST_LINE, CaseworkRefused, written
from bot.measures import Tier
from bot.store.tables import Plan, PlanStep, Staff, Student
from bot.vocabulary import TaskKind

TIERS = (1, 2, 3)
STEPS_AT_MOST = 3
# One absence in the first week is a rate of twenty percent: before so many days no rate speaks.
_DAYS_BEFORE_A_RATE = 20


@dataclass(frozen=True)
class NextStep:
    """What somebody does, and by when."""

    what: str
    owner_id: int
    due_on: date
    owner: str = ""
    task_key: str = ""


@dataclass(frozen=True)
class PlanSeen:
    """One version of a plan; the newest is the plan."""

    id: int
    tier: int
    hopes: str
    mornings: str
    steps: tuple[NextStep, ...]
    review_on: date | None
    review_key: str
    by: str
    at: datetime


def suggested_tier(session: Session, student_id: int, today: date) -> int | None:
    """The tier that the days missed so far speak for (field.md, B): 3 from a fifth, 2 from a tenth on.

    None while the student is new. A risk that no count shows, such as a lost home, may ask for more.
    """
    found = measures.standings(session, today, students=[student_id])
    if not found or found[0].enrolled < _DAYS_BEFORE_A_RATE:
        return None
    return {Tier.SEVERE: 3, Tier.MODERATE: 2}.get(found[0].tier, 1)


def make(
    session: Session,
    student_id: int,
    staff_id: int,
    *,
    tier: int,
    hopes: str,
    mornings: str,
    steps: Sequence[NextStep],
    review_on: date | None,
    form_key: str,
    seen: int,
    today: date,
    now: datetime,
    status_asked: bool = False,
) -> int:
    """Write the plan anew and return its id; the same form sent twice writes one.

    *seen* is the plan that the form showed, 0 for none: two who write at once do not lose each other's.
    Each step becomes its owner's task; a step that the new plan no longer has is not asked for any more.
    Raises CaseworkRefused, also as StatusMentioned.
    """
    there = session.scalar(select(Plan.id).where(Plan.form_key == form_key))
    if there is not None:
        return there
    student = session.get_one(Student, student_id, with_for_update=True)
    before = newest(session, student_id)
    if (before.id if before else 0) != seen:
        raise CaseworkRefused(
            f"{before.by if before else 'Somebody'} has written another plan meanwhile. "
            "Read it below, then save yours again if it should take its place."
        )
    if tier not in TIERS:
        raise CaseworkRefused("Choose a tier: 1, 2 or 3.")
    wanted = _steps(session, student.school_id, steps, status_asked=status_asked)
    late = [step for step in wanted if step.due_on < today and not (before and _in(step, before))]
    if late:
        raise CaseworkRefused(f"The day of “{late[0].what}” is over already; choose one that comes.")
    if review_on is not None and review_on < today:
        raise CaseworkRefused("The day of the review is over already; choose one that comes.")
    plan = Plan(
        student_id=student_id,
        tier=tier,
        hopes=written(hopes, "Hopes and strengths", status_asked=status_asked),
        mornings=written(mornings, "What makes mornings hard", status_asked=status_asked),
        review_on=review_on,
        review_key=before.review_key
        if before and before.review_on == review_on
        else f"plan:{form_key}:review",
        staff_id=staff_id,
        at=now,
        form_key=form_key,
    )
    keyed = [
        replace(step, task_key=_in(step, before) or f"plan:{form_key}:{n}")
        for n, step in enumerate(wanted, 1)
    ]
    session.add(plan)
    session.flush()
    session.add_all(
        PlanStep(
            plan_id=plan.id,
            position=n,
            what=step.what,
            owner_id=step.owner_id,
            due_on=step.due_on,
            task_key=step.task_key,
        )
        for n, step in enumerate(keyed, 1)
    )
    session.flush()
    _raise(session, plan, keyed, now)
    if before:
        kept = {*(step.task_key for step in keyed), plan.review_key if review_on else ""}
        for key in {*(step.task_key for step in before.steps), before.review_key} - kept:
            tasks.cancel(session, key, "the plan was written anew", now)
    audit.note(
        session,
        staff_id,
        "plan_written",
        now=now,
        student_id=student_id,
        before=_summary(before.tier, before.steps) if before else "",
        after=_summary(tier, wanted),
    )
    return plan.id


def newest(session: Session, student_id: int) -> PlanSeen | None:
    """The student's plan; None where nobody has written one."""
    return next(iter(history(session, student_id, 1)), None)


def history(session: Session, student_id: int, count: int = 50) -> list[PlanSeen]:
    """The versions of a student's plan, the newest first."""
    plans = session.execute(
        select(Plan, Staff.name)
        .join(Staff, Staff.id == Plan.staff_id)
        .where(Plan.student_id == student_id)
        .order_by(Plan.at.desc(), Plan.id.desc())
        .limit(count)
    ).all()
    steps: dict[int, tuple[NextStep, ...]] = {}
    for step, owner in session.execute(
        select(PlanStep, Staff.name)
        .join(Staff, Staff.id == PlanStep.owner_id)
        .where(PlanStep.plan_id.in_([plan.id for plan, _ in plans]))
        .order_by(PlanStep.plan_id, PlanStep.position)
    ):
        agreed = NextStep(step.what, step.owner_id, step.due_on, owner, step.task_key)
        steps[step.plan_id] = (*steps.get(step.plan_id, ()), agreed)
    return [
        PlanSeen(
            plan.id,
            plan.tier,
            plan.hopes,
            plan.mornings,
            steps.get(plan.id, ()),
            plan.review_on,
            plan.review_key,
            by,
            plan.at,
        )
        for plan, by in plans
    ]


def _steps(
    session: Session, school_id: int, steps: Sequence[NextStep], *, status_asked: bool
) -> list[NextStep]:
    if not 1 <= len(steps) <= STEPS_AT_MOST:
        raise CaseworkRefused("A plan has one to three next steps, each with an owner and a day.")
    allowed = {each.id: each.name for each in colleagues.at_school(session, school_id)}
    wanted = []
    for step in steps:
        what = written(step.what, "The step", longest=LONGEST_LINE, needed=True, status_asked=status_asked)
        if step.owner_id not in allowed:
            raise CaseworkRefused(f"“{what}” has no owner at the student's school; choose who does it.")
        wanted.append(NextStep(what, step.owner_id, step.due_on, allowed[step.owner_id]))
    return wanted


def _raise(session: Session, plan: Plan, steps: Sequence[NextStep], now: datetime) -> None:
    """Each step is its owner's task, and the review that of whoever wrote the plan."""
    wanted = [(step.task_key, step.what, step.owner_id, step.due_on) for step in steps]
    if plan.review_on is not None:
        said = "Look at the plan together: what has helped, and what comes next."
        wanted.append((plan.review_key, said, plan.staff_id, plan.review_on))
    for key, what, owner_id, due_on in wanted:
        tasks.raise_once(
            session,
            key=key,
            student_id=plan.student_id,
            what=what,
            kind=TaskKind.PLAN,
            owner_id=owner_id,
            due_on=due_on,
            raised_by=plan.staff_id,
            now=now,
        )


def _in(step: NextStep, plan: PlanSeen | None) -> str:
    """The task of the same step in *plan*; "" where it has none. What stands on word for word is one task."""
    same = (step.what, step.owner_id, step.due_on)
    steps = plan.steps if plan else ()
    return next((each.task_key for each in steps if (each.what, each.owner_id, each.due_on) == same), "")


def _summary(tier: int, steps: Collection[NextStep]) -> str:
    return f"tier {tier}; " + "; ".join(f"{step.what} ({step.owner}, {step.due_on})" for step in steps)
