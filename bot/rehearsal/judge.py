"""The judge of a storm: what left, by the provider's book, against the files and closings as they were announced."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.ledger import Counts
from bot.rehearsal.book import Left
from bot.rehearsal.weather import Day, Kind, Row
from bot.store.tables import Absence, ConversationStudent, OutboundText, Student
from bot.vocabulary import Outcome, Purpose

ASKING = (Purpose.CHECK_IN, Purpose.REMINDER)
# What the law and the district allow at the widest: the judge does not ask the bot for its window.
_FIRST_HOUR, _LAST_HOUR = 8, 20


@dataclass
class _Known:
    """What the school had said by a minute: who is absent, and whether there is school."""

    absent: dict[str, dict[str, Row]] = field(default_factory=dict)  # school -> student -> row
    closed: set[str] = field(default_factory=set)
    opens: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def may_be_asked_about(self, student: str, minute: int) -> bool:
        """Whether a text about this student may leave now."""
        for school, rows in self.absent.items():
            row = rows.get(student)
            if row is None or row.excused or school in self.closed:
                continue
            if minute >= self.opens.get(school, 0) and minute < self.ends.get(school, 24 * 60):
                return True
        return False


class _Text(NamedTuple):
    purpose: Purpose
    students: tuple[str, ...]


def faults(
    session: Session, plan: Day, book: Sequence[Left], counts: Counts, *, opens: datetime, zone: ZoneInfo
) -> list[str]:
    """Everything of this day that the promises forbid, a line each."""
    texts = _texts(session, [left.token for left in book])
    return [
        *_nothing_twice(book, texts),
        *_nothing_at_the_wrong_time(plan, book, texts, opens, zone),
        *_the_ledger_is_the_files(session, plan, counts),
    ]


def corrections(plan: Day) -> int:
    """How many marks a later file of the day changes."""
    changed = 0
    before: dict[str, str] = {}
    for number, rows in enumerate(plan.files.values()):
        now = {row.student: row.code for row in rows}
        if number:
            changed += sum(before.get(student) != now.get(student) for student in before.keys() | now.keys())
        before = now
    return changed


def _texts(session: Session, tokens: Sequence[str]) -> Mapping[str, _Text]:
    """What each text was for and about whom: the one thing that only the bot's own rows can tell."""
    rows = session.execute(
        select(OutboundText.token, OutboundText.purpose, Student.number)
        .outerjoin(ConversationStudent, ConversationStudent.conversation_id == OutboundText.conversation_id)
        .outerjoin(Student, Student.id == ConversationStudent.student_id)
        .where(OutboundText.token.in_(tokens))
    )
    found: dict[str, tuple[Purpose, list[str]]] = {}
    for token, purpose, number in rows:
        found.setdefault(token, (purpose, []))[1].append(number)
    return {token: _Text(purpose, tuple(students)) for token, (purpose, students) in found.items()}


def _nothing_twice(book: Sequence[Left], texts: Mapping[str, _Text]) -> Iterator[str]:
    for token, times in Counter(left.token for left in book).items():
        if times > 1:
            yield f"text {token} left {times} times"
    asked = Counter((left.to, texts[left.token].purpose) for left in book if _asks(left, texts))
    for (number, purpose), times in asked.items():
        if times > 1:
            yield f"the number that ends in {number[-4:]} got {times} texts of purpose {purpose.value}"
    said = Counter((left.to, left.body) for left in book if _asks(left, texts))
    if said and max(said.values()) > 1:
        yield "one question left twice in the same words"
    for left in book:
        if left.token not in texts:
            yield f"text {left.token} left, and nobody had written it"


def _asks(left: Left, texts: Mapping[str, _Text]) -> bool:
    return left.token in texts and texts[left.token].purpose in ASKING


def _nothing_at_the_wrong_time(
    plan: Day, book: Sequence[Left], texts: Mapping[str, _Text], opens: datetime, zone: ZoneInfo
) -> Iterator[str]:
    for left in book:
        if not _asks(left, texts):
            continue
        minute = round((left.at - opens).total_seconds() / 60)
        hour = left.at.astimezone(zone).hour
        if not _FIRST_HOUR <= hour < _LAST_HOUR:
            yield f"a question left at {hour} o'clock"
        known = _known(plan, minute)
        if not any(known.may_be_asked_about(student, minute) for student in texts[left.token].students):
            about = ", ".join(texts[left.token].students)
            yield f"minute {minute}: a {texts[left.token].purpose.value} about {about}, of whom nobody was missing"


def _known(plan: Day, minute: int) -> _Known:
    """What had been said up to and including *minute*."""
    known = _Known()
    closed_by: dict[str, set[str]] = defaultdict(set)
    for step in plan.steps:
        if step.minute > minute:
            break
        match step.kind:
            case Kind.FILE:
                rows = plan.files[step.file]
                for school in {row.school for row in rows}:
                    known.absent[school] = {
                        row.student: row for row in rows if row.school == school and row.absent
                    }
            case Kind.CLOSE:
                for school in step.schools:
                    closed_by[school].add(step.change)
            case Kind.WITHDRAW:
                for school in step.schools:
                    closed_by[school].discard(step.change)
            case Kind.LATE:
                known.opens |= dict.fromkeys(step.schools, step.at_minute)
            case Kind.EARLY:
                known.ends |= dict.fromkeys(step.schools, step.at_minute)
            case _:
                pass
    known.closed = {school for school, changes in closed_by.items() if changes}
    return known


def _the_ledger_is_the_files(session: Session, plan: Day, counts: Counts) -> Iterator[str]:
    """Whom any file of the day called absent, at a school that was open: each has one line, and no one else has."""
    last = _known(plan, 24 * 60)
    ever: set[str] = set()
    for rows in plan.files.values():
        ever |= {row.student for row in rows if row.absent and row.school not in last.closed}
    lines = session.execute(
        select(Student.number, Absence.outcome)
        .join(Absence, Absence.student_id == Student.id)
        .where(Absence.day == plan.day)
    ).all()
    kept = {number: outcome for number, outcome in lines}
    if missing := ever - kept.keys():
        yield f"{len(missing)} absent students have no line in the ledger: {sorted(missing)[:5]}"
    if more := kept.keys() - ever:
        yield f"{len(more)} students have a line in the ledger and were never absent: {sorted(more)[:5]}"
    if not len(lines) == counts.absent == sum(counts.outcomes.values()):
        yield f"the ledger has {len(lines)} lines, the count says {counts.absent} absent"
    absent = {
        student for school, them in last.absent.items() for student in them if school not in last.closed
    }
    for student in sorted(ever & kept.keys()):
        if (kept[student] is Outcome.PRESENT_CORRECTED) is (student in absent):
            yield f"{student} is {kept[student].value}, and the last file says {'absent' if student in absent else 'present'}"
