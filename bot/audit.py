"""Who changed or read what, and when: one door in, append only; and the lines again, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, select, true
from sqlalchemy.orm import Session

from bot.store.tables import AuditLine, Conversation, School, Staff, StaffSchool, Student

# Longer words are kept where they were written; here it is enough to know them again.
_LONGEST = 2000
_OF_EVERY_SCHOOL = ("stop_texts", "let_texts_go")
_COMING_AND_GOING = ("sign_in", "sign_out", "sign_in_held", "end_sessions", "second_factor_on")


def note(
    session: Session,
    staff_id: int | None,
    act: str,
    *,
    now: datetime,
    conversation_id: int | None = None,
    student_id: int | None = None,
    school_id: int | None = None,
    detail: str = "",
    before: str = "",
    after: str = "",
) -> None:
    """Write one line: what this staff member did (None: the command line), in the transaction that does it.

    The school, unless it is given, is that of the student or the conversation at this moment; it decides
    who may read the line. *before* and *after* are what was changed, as people read it.
    """
    if school_id is None and student_id is not None:
        school_id = session.scalar(select(Student.school_id).where(Student.id == student_id))
    if school_id is None and conversation_id is not None:
        school_id = session.scalar(select(Conversation.school_id).where(Conversation.id == conversation_id))
    session.add(
        AuditLine(
            staff_id=staff_id,
            act=act,
            conversation_id=conversation_id,
            student_id=student_id,
            school_id=school_id,
            detail=detail[:_LONGEST],
            before=before[:_LONGEST],
            after=after[:_LONGEST],
            at=now,
        )
    )
    session.flush()


def noted(session: Session, staff_id: int, act: str, *, since: datetime) -> bool:
    """Whether such a line was written since then."""
    return (
        session.scalar(
            select(AuditLine.id)
            .where(AuditLine.staff_id == staff_id, AuditLine.act == act, AuditLine.at > since)
            .limit(1)
        )
        is not None
    )


@dataclass(frozen=True)
class Reader:
    """Who reads the log: lines of these schools; with `everything` those of no school as well."""

    staff_id: int
    schools: frozenset[int]
    everything: bool


@dataclass(frozen=True)
class Wanted:
    """Which lines: of one person, one act, one stretch of time; older than the line *before*. None: any."""

    staff_id: int | None = None
    act: str = ""
    begin: datetime | None = None
    end: datetime | None = None
    before: int | None = None


@dataclass(frozen=True)
class Line:
    """One line as it is read: who did what, about whom, and what it was before and after."""

    id: int
    at: datetime
    by: str
    act: str
    student: str
    conversation_id: int | None
    school: str
    detail: str
    before: str
    after: str


def lines(session: Session, reader: Reader, wanted: Wanted, *, at_most: int) -> Sequence[Line]:
    """The newest lines that this reader may see and wants to see."""
    asked = (
        select(AuditLine, Staff.name, Student, School.name)
        .outerjoin(Staff, Staff.id == AuditLine.staff_id)
        .outerjoin(Student, Student.id == AuditLine.student_id)
        .outerjoin(School, School.id == AuditLine.school_id)
        .where(_visible(reader))
        .order_by(AuditLine.id.desc())
        .limit(at_most)
    )
    if wanted.staff_id is not None:
        asked = asked.where(AuditLine.staff_id == wanted.staff_id)
    if wanted.act:
        asked = asked.where(AuditLine.act == wanted.act)
    if wanted.begin is not None and wanted.end is not None:
        asked = asked.where(AuditLine.at >= wanted.begin, AuditLine.at < wanted.end)
    if wanted.before is not None:
        asked = asked.where(AuditLine.id < wanted.before)
    return [
        Line(
            line.id,
            line.at,
            by or "",
            line.act,
            f"{student.first_name} {student.family_name}" if student else "",
            line.conversation_id,
            school or "",
            line.detail,
            line.before,
            line.after,
        )
        for line, by, student, school in session.execute(asked)
    ]


def doers(session: Session, reader: Reader) -> Sequence[tuple[int, str]]:
    """The staff members whose lines somebody may ask for, by name."""
    asked = select(Staff.id, Staff.name).order_by(Staff.name, Staff.id)
    if not reader.everything:
        asked = asked.where((Staff.id == reader.staff_id) | Staff.id.in_(_colleagues(reader)))
    return [(staff_id, name) for staff_id, name in session.execute(asked)]


def _visible(reader: Reader) -> ColumnElement[bool]:
    """Lines of one's schools, one's own, and what concerns every school: the stop button, an unknown number.

    Of the accounts one sees who of one's own schools came and went; the rest is the office's.
    """
    if reader.everything:
        return true()
    of_all = AuditLine.conversation_id.is_not(None) | AuditLine.act.in_(_OF_EVERY_SCHOOL)
    of_colleagues = AuditLine.act.in_(_COMING_AND_GOING) & AuditLine.staff_id.in_(_colleagues(reader))
    of_no_school = AuditLine.school_id.is_(None) & (
        of_all | of_colleagues | (AuditLine.staff_id == reader.staff_id)
    )
    return AuditLine.school_id.in_(reader.schools) | of_no_school


def _colleagues(reader: Reader) -> Select[int]:
    return select(StaffSchool.staff_id).where(StaffSchool.school_id.in_(reader.schools))
