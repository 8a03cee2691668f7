"""What happened with one family inside a window: an entry for each thing, whoever did it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

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
from bot.timeline.window import LEFT_AT, TOLD_BY_AUDIT, Kind, Whose, Window, contacts, inbound, inside
from bot.vocabulary import Barrier, Purpose


def entries(
    session: Session, family: Whose, seen: Window, names: Mapping[int, str], reader: StaffMember | None
) -> Iterator[Entry]:
    """Everything inside the window, in no order yet."""
    for kind, told in _OF_A_KIND.items():
        if kind in seen.kinds:
            yield from told(session, family, seen, names)
    yield from casework.entries(session, family.students, reader, names, since=seen.since, before=seen.before)
    yield from visits.entries(session, family.students, names, since=seen.since, before=seen.before)


# --- each kind --------------------------------------------------------------------------------------------


def _texts_from_them(
    session: Session, family: Whose, seen: Window, _names: Mapping[int, str]
) -> Iterator[FamilyWrote]:
    texts = session.scalars(
        select(InboundText)
        .where(inbound(family), *inside(seen, InboundText.received_at))
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
        .where(OutboundText.conversation_id.in_(family.talks), *inside(seen, LEFT_AT))
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


def _barriers(
    session: Session, family: Whose, seen: Window, _names: Mapping[int, str]
) -> Iterator[BarrierShown]:
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
            *inside(seen, BarrierFound.opened_at),
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
        .where(BarrierCorrection.conversation_id.in_(family.talks), *inside(seen, BarrierCorrection.at))
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
            or_(and_(True, *inside(seen, Handoff.opened_at)), and_(True, *inside(seen, Handoff.resolved_at))),
        )
        .order_by(Handoff.id)
    ):
        if seen.holds(handoff.opened_at):
            yield HandedOff(handoff.opened_at, handoff.queue, handoff.urgency, handoff.why)
        if handoff.resolved_at and seen.holds(handoff.resolved_at):
            yield Resolved(handoff.resolved_at, names.get(handoff.resolved_by or 0, ""), handoff.resolution)


def _calls(session: Session, family: Whose, seen: Window, names: Mapping[int, str]) -> Iterator[Called]:
    for call in session.scalars(
        select(ContactMade).where(contacts(family), *inside(seen, ContactMade.at)).order_by(ContactMade.id)
    ):
        yield Called(call.at, names.get(call.staff_id, ""), call.outcome, call.note)


def _handed_on(session: Session, family: Whose, seen: Window, names: Mapping[int, str]) -> Iterator[HandedOn]:
    for one in session.scalars(
        select(Transfer)
        .where(Transfer.conversation_id.in_(family.talks), *inside(seen, Transfer.at))
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
    told = [*TOLD_BY_AUDIT, "resolve"]
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
        select(AuditLine).where(mine, *inside(seen, AuditLine.at)).order_by(AuditLine.id)
    ):
        by = line.staff_id or 0
        if line.act == "take" and by == had_it:
            continue
        had_it = by if line.act == "take" else 0
        if line.act in TOLD_BY_AUDIT:
            yield TOLD_BY_AUDIT[line.act](line.at, names.get(by, ""))


def _consents(
    session: Session, family: Whose, seen: Window, _names: Mapping[int, str]
) -> Iterator[ConsentChanged]:
    for event in session.scalars(
        select(ConsentEvent).where(ConsentEvent.phone_id == family.phone_id, *inside(seen, ConsentEvent.at))
    ):
        if event.purpose != Purpose.REMINDER:  # muted with its check-in, and told with it
            yield ConsentChanged(event.at, event.kind, event.source, event.words if event.staff_id else "")


_OF_A_KIND: Mapping[Kind, Callable[[Session, Whose, Window, Mapping[int, str]], Iterator[Entry]]] = {
    Kind.FROM_THEM: _texts_from_them,
    Kind.TO_THEM: _texts_to_them,
    Kind.BARRIER: _barriers,
    Kind.CORRECTION: _corrections,
    Kind.HANDOFF: _handoffs,
    Kind.CALL: _calls,
    Kind.TAKEN: _taken_and_returned,
    Kind.TRANSFER: _handed_on,
    Kind.CONSENT: _consents,
}
