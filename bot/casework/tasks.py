"""What somebody must do about a student by a day: raised once, done, handed on, or not needed any more."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session, aliased

from bot import audit
from bot.casework import colleagues
from bot.casework.students import StudentSeen
from bot.casework.written import LONGEST_LINE, CaseworkRefused, written
from bot.store.session import insert_unless_there
from bot.store.tables import School, Staff, Student, Task
from bot.vocabulary import TaskKind


@dataclass(frozen=True)
class OpenTask:
    """One task that waits. Without an owner it is everybody's at the student's school."""

    id: int
    kind: TaskKind
    what: str
    student_id: int
    student: str
    school_id: int
    school: str
    zone: str
    owner_id: int | None
    owner: str
    due_on: date
    conversation_id: int | None
    visit_id: int | None


def raise_once(
    session: Session,
    *,
    key: str,
    student_id: int,
    what: str,
    kind: TaskKind,
    owner_id: int | None,
    due_on: date,
    now: datetime,
    conversation_id: int | None = None,
    visit_id: int | None = None,
    raised_by: int | None = None,
) -> bool:
    """Give somebody something to do; False when it was raised before, whatever has become of it.

    *key* decides among many processes, such as "referral:12:overdue". *owner_id* None is the school's
    team; *raised_by* None is the program.
    """
    values = {
        "key": key,
        "kind": kind,
        "what": what,
        "student_id": student_id,
        "conversation_id": conversation_id,
        "visit_id": visit_id,
        "owner_id": owner_id,
        "due_on": due_on,
        "raised_by": raised_by,
        "raised_at": now,
        "ended_as": "",
    }
    return (
        session.execute(insert_unless_there(session, Task, ("key",), values).returning(Task.id)).first()
        is not None
    )


def raise_by_hand(
    session: Session,
    student: StudentSeen,
    staff_id: int,
    what: str,
    *,
    due_on: date | None,
    owner_id: int | None,
    key: str,
    status_asked: bool,
    now: datetime,
) -> bool:
    """A staff member gives somebody of the school a task; False when the form was sent before.

    Raises CaseworkRefused.
    """
    kept = written(what, "The task", longest=LONGEST_LINE, needed=True, status_asked=status_asked)
    if due_on is None or due_on < student.today(now):
        raise CaseworkRefused("Choose by which day it is done: today or later.")
    if owner_id is not None and owner_id not in _names(session, student.school_id):
        raise CaseworkRefused(_NOT_OF_THE_SCHOOL)
    new = raise_once(
        session,
        key=f"desk:{key}",
        student_id=student.id,
        what=kept,
        kind=TaskKind.OTHER,
        owner_id=owner_id,
        due_on=due_on,
        raised_by=staff_id,
        now=now,
    )
    if new:
        audit.note(session, staff_id, "task_raised", student_id=student.id, after=kept, now=now)
    return new


def seen(session: Session, task_id: int, schools: Collection[int]) -> Task | None:
    """The task, when its student is of one of these schools; else None, as if there were none."""
    return session.scalar(
        select(Task)
        .join(Student, Student.id == Task.student_id)
        .where(Task.id == task_id, Student.school_id.in_(schools))
    )


def done(
    session: Session,
    task_id: int,
    staff_id: int,
    now: datetime,
    *,
    ended_as: str = "",
    status_asked: bool = False,
) -> bool:
    """The task is done; False when it had ended before, so that a second click changes nothing.

    *ended_as* is what came of it. Raises CaseworkRefused.
    """
    words = written(ended_as, "What came of it", longest=LONGEST_LINE, status_asked=status_asked)
    if not _change(session, Task.id == task_id, done_at=now, done_by=staff_id, ended_as=words):
        return False
    task = session.get_one(Task, task_id)
    audit.note(
        session,
        staff_id,
        "task_done",
        student_id=task.student_id,
        before=task.what,
        after=words,
        now=now,
    )
    return True


def done_by_key(session: Session, key: str, staff_id: int, now: datetime, *, ended_as: str = "") -> bool:
    """The same by the task's key, for what the program itself sees to be done."""
    return _change(session, Task.key == key, done_at=now, done_by=staff_id, ended_as=ended_as) > 0


def cancel(session: Session, key: str, why: str, now: datetime) -> bool:
    """The task with this key is not needed any more; False when there is none that waits."""
    return _change(session, Task.key == key, cancelled_at=now, ended_as=why) > 0


def give(session: Session, task_id: int, owner_id: int | None, *, by: int, now: datetime) -> str:
    """Somebody else of the school does it, or with None whoever of its team comes first; returns who.

    Raises CaseworkRefused.
    """
    task = session.get_one(Task, task_id)
    names = _names(session, session.get_one(Student, task.student_id).school_id)
    if owner_id is not None and owner_id not in names:
        raise CaseworkRefused(_NOT_OF_THE_SCHOOL)
    before, after = names.get(task.owner_id or 0, _TEAM), names.get(owner_id or 0, _TEAM)
    if _change(session, Task.id == task_id, owner_id=owner_id):
        audit.note(
            session,
            by,
            "task_given",
            student_id=task.student_id,
            detail=task.what,
            before=before,
            after=after,
            now=now,
        )
    return after


_TEAM = "The school's team"
_NOT_OF_THE_SCHOOL = "Whoever does it must work with the student's school; choose somebody of the list."


def _names(session: Session, school_id: int) -> dict[int, str]:
    return {each.id: each.name for each in colleagues.at_school(session, school_id)}


_OPEN = (Task.done_at.is_(None), Task.cancelled_at.is_(None))


def _change(session: Session, which: ColumnElement[bool], **values: object) -> int:
    changed = session.execute(
        update(Task).where(which, *_OPEN).values(**values),
        execution_options={"synchronize_session": "fetch"},
    )
    return int(getattr(changed, "rowcount", 0))


def open_for(session: Session, schools: Collection[int], staff_id: int | None = None) -> list[OpenTask]:
    """What waits at these schools, soonest due first; with *staff_id* only theirs and the team's."""
    wanted: list[ColumnElement[bool]] = [Student.school_id.in_(schools)]
    if staff_id is not None:
        wanted.append(or_(Task.owner_id == staff_id, Task.owner_id.is_(None)))
    return _open(session, *wanted)


def open_about(session: Session, students: Collection[int]) -> list[OpenTask]:
    """What waits about these students, soonest due first. The caller has asked whether they may be seen."""
    return _open(session, Task.student_id.in_(students))


def _open(session: Session, *wanted: ColumnElement[bool]) -> list[OpenTask]:
    owner = aliased(Staff)
    rows = session.execute(
        select(Task, Student, School.name, School.zone, owner.name)
        .join(Student, Student.id == Task.student_id)
        .join(School, School.id == Student.school_id)
        .outerjoin(owner, owner.id == Task.owner_id)
        .where(*_OPEN, *wanted)
        .order_by(Task.due_on, Task.id)
    )
    return [
        OpenTask(
            id=task.id,
            kind=task.kind,
            what=task.what,
            student_id=student.id,
            student=f"{student.first_name} {student.family_name}",
            school_id=student.school_id,
            school=school,
            zone=zone,
            owner_id=task.owner_id,
            owner=owner_name or "",
            due_on=task.due_on,
            conversation_id=task.conversation_id,
            visit_id=task.visit_id,
        )
        for task, student, school, zone, owner_name in rows
    ]
