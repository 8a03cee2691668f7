"""What happened with one family, a window of it at a time: the newest part, or the part before that."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot import translation
from bot.language import Language
from bot.staff import StaffMember
from bot.store.tables import (
    AuditLine,
    BarrierCorrection,
    BarrierFound,
    ConsentEvent,
    ContactMade,
    Handoff,
    InboundText,
    OutboundText,
    Picture,
    Student,
    Transfer,
)
from bot.timeline import casework, visits
from bot.timeline.entries import (
    BarrierCorrected,
    BarrierShown,
    Called,
    ConsentChanged,
    Entry,
    FamilyWrote,
    HandedOff,
    HandedOn,
    Resolved,
    Returned,
    Taken,
    WeWrote,
)
from bot.vocabulary import Barrier, Purpose

# What a page shows at first, and what each "show earlier" adds.
_A_PAGE = 60
# A page that stays open all day grows with what happens; never without an end.
_MOST = 400

# Of the audit log, what belongs into a family's story; the rest has rows of its own.
_TOLD_BY_AUDIT: Mapping[str, type[Taken | Returned]] = {"take": Taken, "return_to_bot": Returned}


@dataclass(frozen=True)
class Whose:
    """Whose story: the conversations, the number they are on, and the students of the family."""

    talks: Sequence[int]
    phone_id: int
    number: str
    students: Sequence[int]


@dataclass(frozen=True)
class Window:
    """From `since` on, and before `before`. Without `since` it reaches back to the beginning."""

    since: datetime | None
    before: datetime | None

    def holds(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.before is None or at < self.before)


def window(
    session: Session, family: Whose, *, before: datetime | None = None, since: datetime | None = None
) -> Window:
    """The newest page of the story, or the page before *before*; with *since*, all from there on.

    Entries of one instant stay on one page, so that paging neither loses nor repeats any.
    """
    most = _MOST if since else _A_PAGE
    alike = union_all(*(_when(at, condition, before) for at, condition in _kinds(family))).subquery()
    instants = session.scalars(select(alike.c.at).order_by(alike.c.at.desc()).limit(most + 1)).all()
    if len(instants) <= most:
        return Window(since, before)
    return Window(max(since, instants[most - 1]) if since else instants[most - 1], before)


def entries(
    session: Session, family: Whose, seen: Window, names: Mapping[int, str], reader: StaffMember | None
) -> Iterator[Entry]:
    """Everything inside the window, in no order yet."""
    yield from _texts_from_them(session, family, seen)
    yield from _texts_to_them(session, family, seen, names)
    yield from _barriers(session, family, seen)
    yield from _corrections(session, family, seen, names)
    yield from _handoffs(session, family, seen, names)
    yield from _calls(session, family, seen, names)
    yield from _taken_and_returned(session, family, seen, names)
    yield from _handed_on(session, family, seen, names)
    yield from casework.entries(session, family.students, reader, names, since=seen.since, before=seen.before)
    yield from visits.entries(session, family.students, names, since=seen.since, before=seen.before)
    for event in session.scalars(
        select(ConsentEvent).where(ConsentEvent.phone_id == family.phone_id, *_inside(seen, ConsentEvent.at))
    ):
        if event.purpose != Purpose.REMINDER:  # muted with its check-in, and told with it
            yield ConsentChanged(event.at, event.kind, event.source, event.words if event.staff_id else "")


# --- where each kind stands, and when it happened ----------------------------------------------------------

_LEFT_AT = func.coalesce(OutboundText.sent_at, OutboundText.queued_at, type_=OutboundText.queued_at.type)


def _inbound(family: Whose) -> ColumnElement[bool]:
    """What they wrote in these conversations, and what nobody has understood yet."""
    just_arrived = InboundText.conversation_id.is_(None) & (InboundText.sender == family.number)
    return or_(InboundText.conversation_id.in_(family.talks), just_arrived)


def _contacts(family: Whose) -> ColumnElement[bool]:
    without_talk = ContactMade.conversation_id.is_(None) & ContactMade.student_id.in_(family.students)
    return or_(ContactMade.conversation_id.in_(family.talks), without_talk)


def _audit(family: Whose) -> ColumnElement[bool]:
    return and_(AuditLine.conversation_id.in_(family.talks), AuditLine.act.in_(list(_TOLD_BY_AUDIT)))


def _kinds(family: Whose) -> list[tuple[Any, ColumnElement[bool]]]:
    talks = family.talks
    return [
        (InboundText.received_at, _inbound(family)),
        (_LEFT_AT, OutboundText.conversation_id.in_(talks)),
        (BarrierFound.opened_at, BarrierFound.conversation_id.in_(talks)),
        (BarrierCorrection.at, BarrierCorrection.conversation_id.in_(talks)),
        (Handoff.opened_at, Handoff.conversation_id.in_(talks)),
        (Handoff.resolved_at, Handoff.conversation_id.in_(talks) & Handoff.resolved_at.is_not(None)),
        (ContactMade.at, _contacts(family)),
        (AuditLine.at, _audit(family)),
        (Transfer.at, Transfer.conversation_id.in_(talks)),
        (ConsentEvent.at, ConsentEvent.phone_id == family.phone_id),
    ]


def _when(at: Any, condition: ColumnElement[bool], before: datetime | None) -> Select[Any]:
    """The instants of one kind, behind an expression: PostgreSQL must come by way of the family.

    By way of an index on the instant it would read back through every other family's texts.
    """
    found = select(func.coalesce(at, at, type_=at.type).label("at")).where(condition)
    return found if before is None else found.where(at < before)


def _inside(seen: Window, at: InstrumentedAttribute[Any] | ColumnElement[Any]) -> list[ColumnElement[bool]]:
    conditions = []
    if seen.since is not None:
        conditions.append(at >= seen.since)
    if seen.before is not None:
        conditions.append(at < seen.before)
    return conditions


# --- each kind --------------------------------------------------------------------------------------------


def _texts_from_them(session: Session, family: Whose, seen: Window) -> Iterator[FamilyWrote]:
    texts = session.scalars(
        select(InboundText)
        .where(_inbound(family), *_inside(seen, InboundText.received_at))
        .order_by(InboundText.id)
    ).all()
    kept = _pictures(session, [text.id for text in texts if text.media_count])
    in_english = translation.kept(
        session,
        [(text.words, text.language) for text in texts if text.language is not Language.ENGLISH],
        Language.ENGLISH,
    )
    for text in texts:
        yield FamilyWrote(
            at=text.received_at,
            words=text.words,
            language=text.language,
            pictures=text.media_count,
            understood=text.handled_at is not None,
            channel=text.channel,
            kept=kept[text.id],
            id=text.id,
            by_machine=in_english.get((text.words, text.language), ""),
        )


def _pictures(session: Session, texts: Collection[int]) -> Mapping[int, tuple[int, ...]]:
    """The pictures of each inbound text; their content stays where it is."""
    kept: dict[int, tuple[int, ...]] = defaultdict(tuple)
    if texts:
        for text, picture in session.execute(
            select(Picture.inbound_text_id, Picture.id)
            .where(Picture.inbound_text_id.in_(texts))
            .order_by(Picture.id)
        ):
            kept[text] += (picture,)
    return kept


def _texts_to_them(
    session: Session, family: Whose, seen: Window, names: Mapping[int, str]
) -> Iterator[WeWrote]:
    for text in session.scalars(
        select(OutboundText)
        .where(OutboundText.conversation_id.in_(family.talks), *_inside(seen, _LEFT_AT))
        .order_by(OutboundText.id)
    ):
        yield WeWrote(
            at=text.sent_at or text.queued_at,
            body=text.body,
            english=text.english,
            language=text.language,
            by=names.get(text.staff_id or 0, ""),
            state=text.state,
            delivery=text.delivery,
            why_not=text.why_not,
            error_code=text.error_code,
            channel=text.channel,
            machine_translated=text.machine_translated,
        )


def _barriers(session: Session, family: Whose, seen: Window) -> Iterator[BarrierShown]:
    """One entry for a barrier that was heard once for several students of a household."""
    added = select(BarrierCorrection.barrier_id).where(
        BarrierCorrection.conversation_id.in_(family.talks), BarrierCorrection.before.is_(None)
    )
    shown: dict[tuple[datetime, Barrier, str, bool], tuple[int, list[str]]] = {}
    for found, student in session.execute(
        select(BarrierFound, Student)
        .join(Student, Student.id == BarrierFound.student_id)
        .where(
            BarrierFound.conversation_id.in_(family.talks),
            BarrierFound.id.not_in(added),  # told by whoever added it
            *_inside(seen, BarrierFound.opened_at),
        )
        .order_by(BarrierFound.id)
    ):
        alike = (found.opened_at, found.code, found.words, found.withdrawn_at is not None)
        shown.setdefault(alike, (found.id, []))[1].append(student.first_name)
    for (at, code, words, withdrawn), (id_, students) in shown.items():
        yield BarrierShown(at, code, words, tuple(students), id_, withdrawn)


def _corrections(
    session: Session, family: Whose, seen: Window, names: Mapping[int, str]
) -> Iterator[BarrierCorrected]:
    """One entry for one correction of several students' barriers."""
    made: dict[tuple[datetime, str, Barrier | None, Barrier | None, str], list[str]] = {}
    for one, student in session.execute(
        select(BarrierCorrection, Student)
        .join(BarrierFound, BarrierFound.id == BarrierCorrection.barrier_id)
        .join(Student, Student.id == BarrierFound.student_id)
        .where(BarrierCorrection.conversation_id.in_(family.talks), *_inside(seen, BarrierCorrection.at))
        .order_by(BarrierCorrection.id)
    ):
        alike = (one.at, names.get(one.staff_id, ""), one.before, one.after, one.because)
        made.setdefault(alike, []).append(student.first_name)
    for (at, by, before, after, because), students in made.items():
        yield BarrierCorrected(at, by, before, after, because, tuple(students))


def _handoffs(
    session: Session, family: Whose, seen: Window, names: Mapping[int, str]
) -> Iterator[HandedOff | Resolved]:
    for handoff in session.scalars(
        select(Handoff)
        .where(
            Handoff.conversation_id.in_(family.talks),
            or_(
                and_(True, *_inside(seen, Handoff.opened_at)), and_(True, *_inside(seen, Handoff.resolved_at))
            ),
        )
        .order_by(Handoff.id)
    ):
        if seen.holds(handoff.opened_at):
            yield HandedOff(handoff.opened_at, handoff.queue, handoff.urgency, handoff.why)
        if handoff.resolved_at and seen.holds(handoff.resolved_at):
            yield Resolved(handoff.resolved_at, names.get(handoff.resolved_by or 0, ""), handoff.resolution)


def _calls(session: Session, family: Whose, seen: Window, names: Mapping[int, str]) -> Iterator[Called]:
    for call in session.scalars(
        select(ContactMade).where(_contacts(family), *_inside(seen, ContactMade.at)).order_by(ContactMade.id)
    ):
        yield Called(call.at, names.get(call.staff_id, ""), call.outcome, call.note)


def _handed_on(session: Session, family: Whose, seen: Window, names: Mapping[int, str]) -> Iterator[HandedOn]:
    for one in session.scalars(
        select(Transfer)
        .where(Transfer.conversation_id.in_(family.talks), *_inside(seen, Transfer.at))
        .order_by(Transfer.id)
    ):
        by, from_, to = (
            names.get(who or 0, "") for who in (one.by_staff_id, one.from_staff_id, one.to_staff_id)
        )
        yield HandedOn(one.at, one.kind, by, from_, to, one.note)


def _taken_and_returned(
    session: Session, family: Whose, seen: Window, names: Mapping[int, str]
) -> Iterator[Taken | Returned]:
    """Taken twice by the same person, by a second click or by the next reply, is one event."""
    told = [*_TOLD_BY_AUDIT, "resolve"]
    mine = and_(AuditLine.conversation_id.in_(family.talks), AuditLine.act.in_(told))
    had_it = 0
    if seen.since is not None:
        last = session.execute(
            select(AuditLine.act, AuditLine.staff_id)
            .where(mine, AuditLine.at < seen.since)
            .order_by(AuditLine.id.desc())
            .limit(1)
        ).first()
        had_it = (last.staff_id or 0) if last and last.act == "take" else 0
    for line in session.scalars(
        select(AuditLine).where(mine, *_inside(seen, AuditLine.at)).order_by(AuditLine.id)
    ):
        by = line.staff_id or 0
        if line.act == "take" and by == had_it:
            continue
        had_it = by if line.act == "take" else 0
        if line.act in _TOLD_BY_AUDIT:
            yield _TOLD_BY_AUDIT[line.act](line.at, names.get(by, ""))
