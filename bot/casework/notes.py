"""Notes about a student or a family, open or restricted: changed with their history, never removed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session, aliased

from bot import audit
from bot.casework import colleagues
from bot.casework.written import CaseworkRefused, written
from bot.staff import StaffMember
from bot.store.tables import (
    Guardian,
    Guardianship,
    Note,
    NoteReader,
    NoteVersion,
    Staff,
    Student,
)
from bot.vocabulary import Role

# Three bytes a letter, the most a form takes for one in any script, stay below the largest post.
LONGEST_NOTE = 20_000


@dataclass(frozen=True)
class NoteLine:
    """A note in a list. `words` are empty for a restricted one: reading it is an act of its own.

    `family` names the guardian whose whole family it is about.
    """

    id: int
    student_id: int
    family: str
    author_id: int
    author: str
    at: datetime
    changed_at: datetime
    versions: int
    restricted: bool
    words: str


@dataclass(frozen=True)
class Version:
    number: int
    words: str
    by: str
    at: datetime


@dataclass(frozen=True)
class NoteRead:
    """A whole note: every version, oldest first, and by whom a restricted one may be read."""

    id: int
    student_id: int
    student: str
    family: str
    author_id: int
    restricted: bool
    for_supervisors: bool
    readers: tuple[str, ...]
    versions: tuple[Version, ...]

    @property
    def words(self) -> str:
        return self.versions[-1].words


def write(
    session: Session,
    student_id: int,
    author_id: int,
    words: str,
    *,
    form_key: str,
    now: datetime,
    guardian_id: int | None = None,
    restricted: bool = False,
    readers: Collection[int] = (),
    for_supervisors: bool = False,
    status_asked: bool = False,
) -> int:
    """Keep a note and return its id; the same form sent twice writes one.

    With *guardian_id* it is about that guardian's whole family. *readers* and *for_supervisors* count
    for a restricted one alone. Raises CaseworkRefused, also as StatusMentioned.
    """
    there = session.scalar(select(Note.id).where(Note.form_key == form_key, Note.author_id == author_id))
    if there is not None:
        return there
    kept = written(words, "The note", longest=LONGEST_NOTE, needed=True, status_asked=status_asked)
    student = session.get_one(Student, student_id)
    if guardian_id is not None and session.get(Guardianship, (student_id, guardian_id)) is None:
        raise CaseworkRefused("This guardian is not on the student's file; choose the student instead.")
    named = set(readers) - {author_id} if restricted else set()
    allowed = {each.id for each in colleagues.at_school(session, student.school_id, readers=True)}
    if not named <= allowed:
        raise CaseworkRefused("Somebody you chose does not work at the student's school; choose again.")
    note = Note(
        student_id=student_id,
        guardian_id=guardian_id,
        author_id=author_id,
        restricted=restricted,
        for_supervisors=restricted and for_supervisors,
        at=now,
        form_key=form_key,
    )
    session.add(note)
    session.flush()
    session.add(NoteVersion(note_id=note.id, number=1, words=kept, staff_id=author_id, at=now))
    session.add_all(NoteReader(note_id=note.id, staff_id=reader) for reader in sorted(named))
    session.flush()
    kind = "restricted note" if restricted else "note"
    audit.note(session, author_id, "note_written", now=now, student_id=student_id, detail=f"{kind} {note.id}")
    return note.id


def change(
    session: Session,
    note_id: int,
    author: StaffMember,
    words: str,
    *,
    seen: int,
    now: datetime,
    status_asked: bool = False,
) -> bool:
    """Put other words in a note's place; what stood there stays as its history. False when nothing changed.

    *seen* is the version the form showed. Only the author changes a note; others write their own.
    """
    note = session.scalar(select(Note).where(Note.id == note_id, readable(author)).with_for_update())
    if note is None:
        raise CaseworkRefused("There is no such note.")
    if note.author_id != author.id:
        raise CaseworkRefused("Only its author changes a note; write one of your own beside it.")
    kept = written(words, "The note", longest=LONGEST_NOTE, needed=True, status_asked=status_asked)
    newest = session.scalars(
        select(NoteVersion).where(NoteVersion.note_id == note_id).order_by(NoteVersion.number.desc()).limit(1)
    ).one()
    if newest.words == kept:
        return False
    if newest.number != seen:
        raise CaseworkRefused(
            "You have changed this note in another tab meanwhile. Both are kept: read it below, then save again."
        )
    session.add(
        NoteVersion(note_id=note_id, number=newest.number + 1, words=kept, staff_id=author.id, at=now)
    )
    session.flush()
    open_words = ("", "") if note.restricted else (newest.words, kept)
    audit.note(
        session,
        author.id,
        "note_changed",
        now=now,
        student_id=note.student_id,
        detail=f"{'restricted note' if note.restricted else 'note'} {note_id}, version {newest.number + 1}",
        before=open_words[0],
        after=open_words[1],
    )
    return True


def read(session: Session, note_id: int, reader: StaffMember, now: datetime) -> NoteRead | None:
    """The whole note, or None for whoever may not read it. Reading a restricted one is written down."""
    found = session.execute(
        select(Note, Student, Guardian)
        .join(Student, Student.id == Note.student_id)
        .outerjoin(Guardian, Guardian.id == Note.guardian_id)
        .where(Note.id == note_id, readable(reader))
    ).one_or_none()
    if found is None:
        return None
    note, student, guardian = found
    if note.restricted:
        audit.note(
            session,
            reader.id,
            "note_read",
            now=now,
            student_id=note.student_id,
            detail=f"restricted note {note_id}",
        )
    versions = session.execute(
        select(NoteVersion, Staff.name)
        .join(Staff, Staff.id == NoteVersion.staff_id)
        .where(NoteVersion.note_id == note_id)
        .order_by(NoteVersion.number)
    )
    readers = session.scalars(
        select(Staff.name)
        .join(NoteReader, NoteReader.staff_id == Staff.id)
        .where(NoteReader.note_id == note_id)
        .order_by(Staff.name)
    )
    return NoteRead(
        id=note.id,
        student_id=note.student_id,
        student=f"{student.first_name} {student.family_name}" if student.school_id in reader.schools else "",
        family=_family(guardian),
        author_id=note.author_id,
        restricted=note.restricted,
        for_supervisors=note.for_supervisors,
        readers=tuple(readers),
        versions=tuple(Version(each.number, each.words, by, each.at) for each, by in versions),
    )


def about(
    session: Session, students: Collection[int], reader: StaffMember, *, guardians: Collection[int] = ()
) -> list[NoteLine]:
    """The notes about these students and their guardians' families that *reader* may see, newest first."""
    theirs = select(Guardianship.guardian_id).where(
        Guardianship.student_id.in_(students), Guardianship.active
    )
    newest = (
        select(NoteVersion.note_id, func.max(NoteVersion.number).label("number"))
        .group_by(NoteVersion.note_id)
        .join(Note, Note.id == NoteVersion.note_id)
        .where(
            or_(
                Note.student_id.in_(students),
                Note.guardian_id.in_(theirs),
                Note.guardian_id.in_(guardians) if guardians else false(),
            ),
            readable(reader),
        )
        .subquery()
    )
    rows = session.execute(
        select(Note, NoteVersion, Staff.name, Guardian)
        .join(newest, newest.c.note_id == Note.id)
        .join(NoteVersion, (NoteVersion.note_id == Note.id) & (NoteVersion.number == newest.c.number))
        .join(Staff, Staff.id == Note.author_id)
        .outerjoin(Guardian, Guardian.id == Note.guardian_id)
        .order_by(Note.at.desc(), Note.id.desc())
    )
    return [
        NoteLine(
            id=note.id,
            student_id=note.student_id,
            family=_family(guardian),
            author_id=note.author_id,
            author=author,
            at=note.at,
            changed_at=version.at,
            versions=version.number,
            restricted=note.restricted,
            words="" if note.restricted else version.words,
        )
        for note, version, author, guardian in rows
    ]


def exists_for(session: Session, note_id: int, reader: StaffMember) -> bool:
    """Whether there is such a note for this reader; asking is not reading."""
    return session.scalar(select(Note.id).where(Note.id == note_id, readable(reader))) is not None


def readable(reader: StaffMember) -> ColumnElement[bool]:
    """Which notes exist for this reader, as a condition: of a restricted one, others learn nothing at all.

    That there is one may itself tell something, so that it is not even counted for them.
    """
    # Asked of each note found, by its keys: as lists they would be a whole district's students.
    child, tie = aliased(Student), aliased(Guardianship)
    at_school = (
        exists().where(child.id == Note.student_id, child.school_id.in_(reader.schools)).correlate(Note)
    )
    siblings = (
        exists()
        .where(
            tie.guardian_id == Note.guardian_id,
            tie.active,
            tie.student_id == child.id,
            child.school_id.in_(reader.schools),
        )
        .correlate(Note)
    )
    named = exists().where(NoteReader.note_id == Note.id, NoteReader.staff_id == reader.id).correlate(Note)
    leads = and_(Note.for_supervisors, at_school) if reader.role is Role.SUPERVISOR else false()
    return and_(
        or_(at_school, siblings),
        or_(Note.restricted.is_(False), Note.author_id == reader.id, named, leads),
    )


def _family(guardian: Guardian | None) -> str:
    return f"{guardian.given_name} {guardian.family_name}" if guardian else ""
