"""The story of one student: who may be reached, the year day by day, what was heard, and what was tried."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot import consent
from bot.language import Language
from bot.store.tables import (
    BarrierFound,
    CallOutcome,
    ContactMade,
    Conversation,
    ConversationStudent,
    Guardian,
    GuardianPhone,
    Guardianship,
    Handoff,
    HandoffState,
    Outreach,
    Phone,
    PhoneState,
    Staff,
    Student,
)
from bot.vocabulary import Barrier

_MOST_TALKS = 30
_MOST_CALLS = 50


@dataclass(frozen=True)
class NumberSeen:
    """A guardian's number: whether a text and whether a person may use it. `to_call` is empty where nobody may."""

    phone_id: int
    ends_in: str
    to_call: str
    kind: str
    state: PhoneState
    opted_out: bool
    suspended: bool
    textable: bool

    @property
    def callable(self) -> bool:
        """A number that is somebody else's, or given up, would tell a stranger of a student."""
        return self.state is not PhoneState.WRONG_NUMBER and not self.suspended


@dataclass(frozen=True)
class GuardianSeen:
    """`court_order` ends texts and calls, `may_receive_texts` only texts."""

    id: int
    name: str
    relation: str
    language: Language
    order: int
    lives_with: bool
    may_receive_texts: bool
    court_order: bool
    numbers: tuple[NumberSeen, ...]

    @property
    def may_be_texted(self) -> bool:
        return any(number.textable for number in self.numbers)


@dataclass(frozen=True)
class TalkSeen:
    """A conversation about the student. `waits`: a person is awaited in it."""

    id: int
    day: date
    opened_at: datetime
    guardian: str
    waits: bool
    tries: int  # how many check-ins of the program belong to it


@dataclass(frozen=True)
class CallSeen:
    at: datetime
    by: str
    guardian: str
    outcome: CallOutcome
    note: str
    conversation_id: int | None


@dataclass(frozen=True)
class BarrierSeen:
    id: int
    code: Barrier
    words: str
    opened_at: datetime
    conversation_id: int | None
    visit_id: int | None


def siblings(session: Session, student_id: int, schools: Collection[int]) -> list[tuple[int, str, str]]:
    """Other students with a guardian of this one, as far as these schools see them: id, name, grade."""
    guardians = select(Guardianship.guardian_id).where(
        Guardianship.student_id == student_id, Guardianship.active
    )
    rows = session.scalars(
        select(Student)
        .where(
            Student.id.in_(
                select(Guardianship.student_id).where(
                    Guardianship.guardian_id.in_(guardians), Guardianship.active
                )
            ),
            Student.id != student_id,
            Student.active,
            Student.school_id.in_(schools),
        )
        .order_by(Student.given_name, Student.id)
    )
    return [(each.id, f"{each.first_name} {each.family_name}", each.grade) for each in rows]


# --- who may be reached ---------------------------------------------------------------------------------


def guardians(session: Session, student_id: int) -> list[GuardianSeen]:
    """In the school's order, each with their numbers."""
    reachable = consent.reachable(session, [student_id])[student_id]
    textable = (
        {(each.guardian_id, each.phone_id) for each in reachable} if isinstance(reachable, list) else set()
    )
    rows = session.execute(
        select(Guardianship, Guardian)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .where(Guardianship.student_id == student_id, Guardianship.active, Guardian.active)
        .order_by(Guardianship.contact_order, Guardian.id)
    ).all()
    numbers = _numbers(session, [guardian.id for _, guardian in rows], textable)
    return [
        GuardianSeen(
            id=guardian.id,
            name=f"{guardian.given_name} {guardian.family_name}",
            relation=ship.relation,
            language=guardian.language,
            order=ship.contact_order,
            lives_with=ship.lives_with,
            may_receive_texts=ship.may_receive_texts,
            court_order=ship.court_order,
            numbers=numbers.get(guardian.id, ()),
        )
        for ship, guardian in rows
    ]


def _numbers(
    session: Session, guardians: Sequence[int], textable: Collection[tuple[int, int]]
) -> Mapping[int, tuple[NumberSeen, ...]]:
    found: dict[int, tuple[NumberSeen, ...]] = {}
    for link, phone in session.execute(
        select(GuardianPhone, Phone)
        .join(Phone, Phone.id == GuardianPhone.phone_id)
        .where(GuardianPhone.guardian_id.in_(guardians), GuardianPhone.active)
        .order_by(GuardianPhone.position, Phone.id)
    ):
        seen = NumberSeen(
            phone_id=phone.id,
            ends_in=phone.number[-4:],
            to_call="" if phone.state is PhoneState.WRONG_NUMBER or phone.suspended else phone.number,
            kind=link.kind,
            state=phone.state,
            opted_out=phone.opted_out,
            suspended=phone.suspended,
            textable=(link.guardian_id, phone.id) in textable,
        )
        found[link.guardian_id] = (*found.get(link.guardian_id, ()), seen)
    return found


# --- what was heard and tried ---------------------------------------------------------------------------


def barriers(session: Session, student_id: int) -> list[BarrierSeen]:
    """What is hard for the family and not resolved yet, each once, the newest first."""
    found: dict[Barrier, BarrierSeen] = {}
    for each in session.scalars(
        select(BarrierFound)
        .where(BarrierFound.student_id == student_id, BarrierFound.resolved_at.is_(None))
        .order_by(BarrierFound.opened_at.desc(), BarrierFound.id.desc())
    ):
        found.setdefault(
            each.code,
            BarrierSeen(each.id, each.code, each.words, each.opened_at, each.conversation_id, each.visit_id),
        )
    return list(found.values())


def talks(session: Session, student_id: int, schools: Collection[int]) -> list[TalkSeen]:
    """The family's conversations about the student, the newest first."""
    rows = session.execute(
        select(Conversation, Guardian)
        .join(ConversationStudent, ConversationStudent.conversation_id == Conversation.id)
        .outerjoin(Guardian, Guardian.id == Conversation.guardian_id)
        .where(
            ConversationStudent.student_id == student_id,
            or_(Conversation.school_id.in_(schools), Conversation.school_id.is_(None)),
        )
        .order_by(Conversation.opened_at.desc(), Conversation.id.desc())
        .limit(_MOST_TALKS)
    ).all()
    ids = [talk.id for talk, _ in rows]
    waits = set(
        session.scalars(
            select(Handoff.conversation_id).where(
                Handoff.conversation_id.in_(ids), Handoff.state != HandoffState.RESOLVED
            )
        )
    )
    tries: dict[int, int] = {}
    for talk in session.scalars(
        select(Outreach.conversation_id).where(
            Outreach.conversation_id.in_(ids), Outreach.student_id == student_id
        )
    ):
        if talk is not None:
            tries[talk] = tries.get(talk, 0) + 1
    return [
        TalkSeen(
            talk.id,
            talk.day,
            talk.opened_at,
            f"{guardian.given_name} {guardian.family_name}" if guardian else "",
            talk.id in waits,
            tries.get(talk.id, 0),
        )
        for talk, guardian in rows
    ]


def calls(session: Session, student_id: int) -> list[CallSeen]:
    """Calls about the student, from this page or in a talk, the newest first."""
    theirs = select(ConversationStudent.conversation_id).where(ConversationStudent.student_id == student_id)
    rows = session.execute(
        select(ContactMade, Staff.name, Guardian)
        .join(Staff, Staff.id == ContactMade.staff_id)
        .outerjoin(Conversation, Conversation.id == ContactMade.conversation_id)
        .outerjoin(
            Guardian,
            or_(
                Guardian.id == ContactMade.guardian_id,
                ContactMade.guardian_id.is_(None) & (Guardian.id == Conversation.guardian_id),
            ),
        )
        .where(
            or_(
                ContactMade.student_id == student_id,
                ContactMade.student_id.is_(None) & ContactMade.conversation_id.in_(theirs),
            )
        )
        .order_by(ContactMade.at.desc(), ContactMade.id.desc())
        .limit(_MOST_CALLS)
    )
    return [
        CallSeen(
            call.at,
            by,
            f"{guardian.given_name} {guardian.family_name}" if guardian else "",
            call.outcome,
            call.note,
            call.conversation_id,
        )
        for call, by, guardian in rows
    ]
