"""The ladder: what follows, and when, until every absent student is accounted for. Pure: no clock, no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from bot.vocabulary import NotContacted, Outcome, Queue, Step

# Nobody can text these families today; only a person reaches them, and waiting helps nobody.
CALL_AT_ONCE = frozenset(
    {
        NotContacted.NO_GUARDIAN,
        NotContacted.NO_NUMBER,
        NotContacted.NO_CONTACT_ALLOWED,
        NotContacted.OPTED_OUT,
        NotContacted.WRONG_NUMBER,
        NotContacted.OUTSIDE_WINDOW,
    }
)
# Whoever is here is not accounted for, and no person has the family yet.
OPEN = frozenset(
    {
        Outcome.NOT_CONTACTED,
        Outcome.HELD,
        Outcome.UNREACHABLE,
        Outcome.ATTEMPTED,
        Outcome.REACHED_NO_REASON,
    }
)
# A call that must be done by dismissal needs somebody to have time for it.
_TIME_FOR_A_CALL = timedelta(hours=1)


@dataclass(frozen=True)
class After:
    """How long after the morning's question a step comes; `young`: for the grades that are told sooner."""

    older: timedelta
    young: timedelta

    def of(self, *, young: bool) -> timedelta:
        return self.young if young else self.older


@dataclass(frozen=True)
class Task:
    """What a person does once absences add up.

    It comes with the absence that is the `in_a_row`th, or with the `unanswered`th check-in of the last
    `of_days` school days (0: never for that), and is due within so many school days.
    """

    goes_to: Queue
    in_a_row: int
    within: int
    unanswered: int = 0
    of_days: int = 10


@dataclass(frozen=True)
class Ladder:
    """The steps as a district has set them (flows/ladder.yaml). A step that is None is left out.

    The reminder itself is the flow's, and the second day's words are the morning's; here stands only
    when the young ones are reminded. Wordings are written flow.node.
    """

    young_grades: frozenset[str] = frozenset({"PK", "TK", "KG", "01", "02", "03"})
    bot_days_a_week: int = 3
    reminder: After = After(timedelta(minutes=90), timedelta(minutes=45))
    second_guardian: After | None = After(timedelta(minutes=120), timedelta(minutes=75))
    second_guardian_says: str = "absence_check.second_guardian"
    call_task: After | None = After(timedelta(minutes=180), timedelta(minutes=180))
    call_done_by: time = time(14, 30)
    call_goes_to: Queue = Queue.ENGAGEMENT
    email: After | None = After(timedelta(minutes=200), timedelta(minutes=200))
    home_visit: Task | None = Task(Queue.ENGAGEMENT, in_a_row=3, within=2, unanswered=3)
    team_review: Task | None = Task(Queue.ADMINISTRATION, in_a_row=5, within=5)
    return_text: After | None = After(timedelta(minutes=330), timedelta(minutes=330))
    return_says: str = "welcome_back.thanks"

    @property
    def tasks(self) -> Mapping[Step, Task]:
        """The tasks that absences of many days lead to."""
        tasks = {Step.HOME_VISIT: self.home_visit, Step.TEAM_REVIEW: self.team_review}
        return {step: task for step, task in tasks.items() if task is not None}

    def is_young(self, grade: str) -> bool:
        return grade.upper() in self.young_grades


@dataclass(frozen=True)
class Standing:
    """What decides about one absent student's next steps today.

    `since`: when the first guardian was asked, or, where nobody was, when the ledger knew of it.
    `answered`: somebody of the family has written today. `lost`: no text can have reached whom we
    asked. `in_talk`: a question of ours is open. `awaited`: a person is awaited for another reason than
    silence. `with_staff`: a person is talking with the family. `tired`: the family has had its bot days
    of this week. `may_text`: it is a school day, inside the window, and nobody has stopped the texts.
    `call_by`: the school's time by which calls must be done.
    """

    outcome: Outcome
    since: datetime
    call_by: datetime
    not_contacted: NotContacted | None = None
    young: bool = False
    answered: bool = False
    lost: bool = False
    in_talk: bool = False
    awaited: bool = False
    with_staff: bool = False
    tired: bool = False
    may_text: bool = True
    taken: frozenset[Step] = field(default_factory=frozenset)


def next_steps(student: Standing, ladder: Ladder, now: datetime) -> tuple[Step, ...]:
    """The steps that are due now for one student, in the ladder's order; none once somebody knows why."""
    if student.outcome not in OPEN or student.with_staff:
        return ()
    due = []
    if _is_reminded_early(student, ladder, now):
        due.append(Step.REMINDER)
    if _asks_the_second(student, ladder, now):
        due.append(Step.SECOND_GUARDIAN)
    if _calls(student, ladder, now):
        due.append(Step.CALL_TASK)
    return tuple(step for step in due if step not in student.taken)


def _is_silent(student: Standing) -> bool:
    """We asked, and nobody has answered: the only state in which another text may be sent."""
    if not student.may_text or student.awaited:
        return False
    return student.lost or (student.outcome is Outcome.ATTEMPTED and not student.answered)


def _is_reminded_early(student: Standing, ladder: Ladder, now: datetime) -> bool:
    waits = ladder.reminder
    if not student.young or waits.young >= waits.older or student.lost:
        return False
    return _is_silent(student) and now >= student.since + waits.young


def _asks_the_second(student: Standing, ladder: Ladder, now: datetime) -> bool:
    if ladder.second_guardian is None or student.tired or not _is_silent(student):
        return False
    return student.lost or now >= student.since + ladder.second_guardian.of(young=student.young)


def _calls(student: Standing, ladder: Ladder, now: datetime) -> bool:
    if ladder.call_task is None or student.in_talk:
        return False
    if student.lost or student.tired or student.not_contacted in CALL_AT_ONCE:
        return True
    after = student.since + ladder.call_task.of(young=student.young)
    # A morning that ran late leaves less time: the call comes before dismissal all the same.
    return now >= max(student.since, min(after, student.call_by - _TIME_FOR_A_CALL))
