"""The thank-you after a home visit: one reviewed line in the family's language, sent by a click."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import answering, consent, handoffs, outbox, talks
from bot.advance import Script
from bot.answering import NotPossible
from bot.casework import visits
from bot.clock import school_day
from bot.consent import Reachable
from bot.conversation.state import End, Ended, to_json
from bot.store.tables import Channel, Conversation, HomeVisit, School, Staff, Student, VisitState
from bot.texts import PHRASES, Rendered, Texts, Values
from bot.vocabulary import Owner, Purpose

_LINE = "visit.thanks"
# A text that could not leave for so long would thank for a visit nobody thinks of any more.
_WORTH_SENDING = timedelta(hours=12)


@dataclass(frozen=True)
class Thanks:
    """What would be sent, and to whom; or why nothing can be, as a sentence for the desk."""

    guardian: str
    said: Rendered | None
    why_not: str


def prepared(session: Session, visit_id: int, staff_id: int, texts: Texts) -> Thanks:
    """The text as it would leave now, so that whoever clicks has read it."""
    visit = session.get_one(HomeVisit, visit_id)
    found = _whom(session, visit)
    if isinstance(found, str):
        return Thanks("", None, found)
    return Thanks(found.guardian, _words(session, visit, staff_id, found, texts), "")


def send(session: Session, visit_id: int, staff_id: int, *, script: Script, now: datetime) -> bool:
    """Queue the thank-you, once for each visit; False when the family was thanked before.

    It takes no ownership where nobody owns the talk: a courtesy must not keep tomorrow's question from the
    family. A talk the program waits in is taken, for two never speak in one (promise 3). Raises NotPossible.
    """
    visit = session.get_one(HomeVisit, visit_id, with_for_update=True, populate_existing=True)
    if visit.thanked_at is not None:
        return False
    if visit.state is not VisitState.DONE:
        raise NotPossible("Nobody has been there yet; log the visit first, then thank the family.")
    found = _whom(session, visit)
    if isinstance(found, str):
        raise NotPossible(found)
    said = _words(session, visit, staff_id, found, script.texts)
    talk = _talk(session, visit, found, script, now)
    if talk.owner is Owner.STAFF and talk.staff_id != staff_id:
        name = session.get_one(Staff, talk.staff_id).name
        raise NotPossible(f"{name} is talking with this family; ask them to thank the family in their talk.")
    if talk.owner is Owner.BOT:
        answering.reply(
            session,
            talk.id,
            staff_id,
            said.body,
            script=script,
            now=now,
            form_key=f"visit:{visit_id}",
            key=_LINE,
            english=said.english,
        )
    else:
        _queue(session, talk, said, visit_id, staff_id, script, now)
    return visits.thanked(session, visit_id, staff_id, "Thanked by text", now=now)


def _queue(
    session: Session,
    talk: Conversation,
    said: Rendered,
    visit_id: int,
    staff_id: int,
    script: Script,
    now: datetime,
) -> None:
    window = script.policy.replies(handoffs.zone_of(session, talk.school_id))
    opens = window.next_opening(now)
    outbox.queue(
        session,
        said,
        conversation_id=talk.id,
        phone_id=talk.phone_id,
        purpose=Purpose.REPLY,
        law=script.policy.law(Purpose.REPLY),
        not_before=opens,
        not_after=opens + _WORTH_SENDING,
        now=now,
        staff_id=staff_id,
        key=_LINE,
        # The visit's own token: the outbox itself refuses a second thank-you for it.
        token=hashlib.sha256(f"thanks for visit {visit_id}".encode()).hexdigest()[:32],
        channel=Channel.SMS,
    )


def _whom(session: Session, visit: HomeVisit) -> Reachable | str:
    """Who is thanked: who was to be met, else the first guardian who may be texted; or why nobody."""
    found = consent.reachable(session, [visit.student_id])[visit.student_id]
    if not isinstance(found, list):
        return f"This family cannot be texted: {found.sentence}. Thank them by telephone, and note it here."
    theirs = [each for each in found if visit.guardian_id in (None, each.guardian_id)]
    if not theirs:
        return "Whom you were to meet cannot be texted. Thank them by telephone, and note it here."
    closed = consent.number_closed(session, theirs[0].phone_id)
    if closed is not None:
        return f"This family cannot be texted: {closed.sentence}. Thank them by telephone, and note it here."
    return theirs[0]


def _words(session: Session, visit: HomeVisit, staff_id: int, guardian: Reachable, texts: Texts) -> Rendered:
    student = session.get_one(Student, visit.student_id)
    values = Values(
        students=[student.first_name],
        schools=[session.get_one(School, student.school_id).name],
        staff=session.get_one(Staff, staff_id).name,
    )
    return texts.render(_LINE, PHRASES[_LINE], values, guardian.language)


def _talk(
    session: Session, visit: HomeVisit, guardian: Reachable, script: Script, now: datetime
) -> Conversation:
    """The newest talk on this number with this guardian, locked; a closed one of its own where there is none."""
    newest = session.scalar(
        select(Conversation)
        .where(Conversation.phone_id == guardian.phone_id, Conversation.guardian_id == guardian.guardian_id)
        .order_by(Conversation.opened_at.desc(), Conversation.id.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if newest is not None:
        return newest
    student = session.get_one(Student, visit.student_id)
    zone = handoffs.zone_of(session, student.school_id)
    opened = talks.open_one(
        session,
        [student.id],
        phone_id=guardian.phone_id,
        guardian_id=guardian.guardian_id,
        school_id=student.school_id,
        day=school_day(now, zone),
        flow="absence_check",
        flow_version=script.flows.flows["absence_check"].version,
        language=guardian.language,
        state=to_json(Ended(End.CLOSED, talks.children(session, [student.id]))),
        owner=Owner.NOBODY,
        staff_id=None,
        channel=Channel.SMS,
        silence_at=None,
        opened_at=now,
        touched_at=now,
    )
    return session.get_one(Conversation, opened)
