"""Takes one turn of one conversation and applies its effects, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import assert_never

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot import chat_links, consent, handoffs, ledger, outbox
from bot.clock import school_day
from bot.conversation.effects import (
    DropQueued,
    Effect,
    HandOff,
    HoldTexting,
    MarkWrongNumber,
    RecordBarrier,
    RecordOutcome,
    RecordReturn,
    ResumeTexting,
    Say,
    SpeakLanguage,
    StopTexting,
    TellStaff,
)
from bot.conversation.flow import Flows
from bot.conversation.state import (
    Begin,
    Child,
    Heard,
    Message,
    NotStarted,
    StaffTook,
    State,
    Waiting,
    WithStaff,
    from_json,
    to_json,
)
from bot.conversation.turn import turn
from bot.language import Language
from bot.policy import Policy
from bot.store.tables import (
    BarrierFound,
    Channel,
    Conversation,
    ConversationStudent,
    Guardian,
    School,
    Student,
)
from bot.texts import Rendered, Texts, Values
from bot.understanding import Reading
from bot.vocabulary import Intent, Keyword, Owner, Purpose, Queue, Urgency

# What a family can read on its page only while it looks at it; the page waits that long for an answer.
_ON_THE_PAGE_FOR = timedelta(hours=12)

# An answer the law or danger asks for is of no use hours later.
_URGENT_FOR = timedelta(minutes=30)


@dataclass(frozen=True)
class Script:
    """What the bot says, and by which of the district's rules."""

    flows: Flows
    texts: Texts
    policy: Policy


@dataclass(frozen=True)
class By:
    """Who caused a turn: the inbound text that was heard, or the staff member who acted."""

    inbound_text_id: int | None = None
    staff_id: int | None = None


def heard(
    words: str,
    reading: Reading,
    children: tuple[Child, ...],
    *,
    has_picture: bool = False,
    after_hours: bool = False,
    provider_matched: Keyword | None = None,
) -> Heard:
    """What was understood, as the message of a turn. *provider_matched*: the keyword it has answered itself.

    "I thought she was at school" is an alarm of its own: a person looks for the student now, and the
    family is told so; the text about danger at home would answer a question nobody asked.
    """
    only_whereabouts = reading.whereabouts is not None and reading.danger == reading.whereabouts
    intent = (
        Intent.CHILD_IS_AT_SCHOOL if only_whereabouts and reading.intent is Intent.CRISIS else reading.intent
    )
    return Heard(
        words=words,
        intent=intent,
        keyword=provider_matched or reading.keyword,
        choice=reading.choice,
        barriers=tuple((found.barrier, found.words) for found in reading.barriers),
        danger=reading.danger is not None and not only_whereabouts,
        whereabouts=reading.whereabouts is not None,
        wants_person=reading.wants_person,
        may_mean_stop=reading.may_mean_stop,
        wants_language=reading.wants_language,
        named=tuple(child.name for child in children if child.name in reading.named),
        everyone=reading.everyone,
        returns_on=reading.returns_on,
        after_hours=after_hours,
        has_picture=has_picture,
        provider_answered=provider_matched is not None,
    )


def open_conversation(
    session: Session,
    *,
    phone_id: int,
    guardian_id: int | None,
    school_id: int | None,
    students: Sequence[int],
    day: date,
    language: Language,
    script: Script,
    now: datetime,
) -> int:
    """A talk that has not begun: nothing was asked yet, and nobody owns it."""
    children = _children(session, students)
    conversation = Conversation(
        phone_id=phone_id,
        guardian_id=guardian_id,
        school_id=school_id,
        day=day,
        flow="absence_check",
        flow_version=script.flows.flows["absence_check"].version,
        language=language,
        state=to_json(NotStarted(children)),
        owner=Owner.NOBODY,
        staff_id=None,
        silence_at=None,
        opened_at=now,
        touched_at=now,
    )
    session.add(conversation)
    session.flush()
    session.add_all(
        ConversationStudent(conversation_id=conversation.id, student_id=child.id) for child in children
    )
    session.flush()
    return conversation.id


def begin(
    session: Session, conversation_id: int, *, opening: str = "", script: Script, now: datetime
) -> None:
    """Ask: the morning's question to this guardian, about all the students of the conversation.

    *opening* is the node to open with, where it is not the flow's own start.
    """
    conversation = session.get_one(Conversation, conversation_id)
    about = _children(session, _students(session, conversation_id))
    advance(session, conversation.id, Begin(about, node=opening), script=script, now=now)


def advance(
    session: Session,
    conversation_id: int,
    message: Message,
    *,
    script: Script,
    now: datetime,
    by: By | None = None,
) -> State:
    """Lock the conversation, take its turn, save the state, and apply every effect.

    All of it happens in the caller's transaction, or none of it. Nothing is sent here.
    """
    conversation = session.get_one(
        Conversation, conversation_id, with_for_update=True, populate_existing=True
    )
    before = from_json(conversation.state)
    after, effects = turn(before, message, script.flows)
    _Application(session, conversation, script, now, by or By()).apply(effects)
    _save(conversation, after, by or By(), message, script, now)
    session.flush()
    return after


def _save(
    conversation: Conversation, state: State, by: By, message: Message, script: Script, now: datetime
) -> None:
    conversation.state = to_json(state)
    conversation.touched_at = now
    conversation.silence_at = None
    match state:
        case WithStaff():
            conversation.owner = Owner.STAFF
            if isinstance(message, StaffTook):
                conversation.staff_id = by.staff_id
        case Waiting(flow=flow, node=name):
            conversation.owner, conversation.staff_id = Owner.BOT, None
            found = script.flows.flows.get(flow)
            conversation.flow, conversation.flow_version = flow, found.version if found else ""
            conversation.silence_at = _silence_at(flow, name, script, now)
        case _:
            conversation.owner, conversation.staff_id = Owner.NOBODY, None


def _silence_at(flow: str, name: str, script: Script, now: datetime) -> datetime | None:
    node = script.flows.node(f"{flow}.{name}")
    return now + timedelta(minutes=node.wait) if node and node.wait else now


def _students(session: Session, conversation_id: int) -> list[int]:
    return list(
        session.scalars(
            select(ConversationStudent.student_id)
            .where(ConversationStudent.conversation_id == conversation_id)
            .order_by(ConversationStudent.student_id)
        )
    )


def _children(session: Session, students: Sequence[int]) -> tuple[Child, ...]:
    found = session.scalars(select(Student).where(Student.id.in_(students)).order_by(Student.id))
    return tuple(Child(student.id, student.first_name) for student in found)


@dataclass
class _Application:
    """Applies the effects of one turn, in order."""

    session: Session
    conversation: Conversation
    script: Script
    now: datetime
    by: By

    def apply(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self._apply(effect)

    def _apply(self, effect: Effect) -> None:
        match effect:
            case Say():
                self._say(effect)
            case RecordBarrier():
                self._record_barrier(effect)
            case RecordReturn():
                self._record_return(effect)
            case RecordOutcome(outcome=outcome, about=about):
                ledger.record(self.session, about, self.conversation.day, outcome, self.now)
            case HandOff():
                self._hand_off(effect)
            case TellStaff():
                if not handoffs.family_wrote(self.session, self.conversation.id, self.now):
                    # The case was closed at the desk meanwhile: the family must not write into a void.
                    self._hand_off(HandOff(Queue.ENGAGEMENT, Urgency.P2, "wrote_again"))
            case StopTexting():
                consent.opt_out(
                    self.session,
                    self.conversation.phone_id,
                    self._source(),
                    self.now,
                    inbound_text_id=self.by.inbound_text_id,
                )
            case ResumeTexting():
                consent.opt_in(
                    self.session,
                    self.conversation.phone_id,
                    self._source(),
                    self.now,
                    inbound_text_id=self.by.inbound_text_id,
                )
            case HoldTexting():
                consent.hold(
                    self.session,
                    self.conversation.phone_id,
                    self.now,
                    inbound_text_id=self.by.inbound_text_id,
                )
            case MarkWrongNumber():
                consent.mark_wrong_number(
                    self.session,
                    self.conversation.phone_id,
                    self._source(),
                    self.now,
                    inbound_text_id=self.by.inbound_text_id,
                )
            case SpeakLanguage(language=language):
                self._speak(language)
            case DropQueued():
                outbox.drop_queued(self.session, self.conversation.id)
            case _:
                assert_never(effect)

    def _source(self) -> str:
        return "staff" if self.by.staff_id is not None else "family"

    def _say(self, say: Say) -> None:
        if self.script.policy.hold_untranslated and not self._speaks(say):
            self._hand_off(HandOff(Queue.ENGAGEMENT, Urgency.P1, "no_translation"))
            return
        schools = self._schools(say.about)
        zone = handoffs.zone_of(self.session, self.conversation.school_id)
        promised = None
        if say.urgency is not None:
            promised = handoffs.due(
                self.session, say.urgency, self.conversation.school_id, self.script.policy, self.now
            )
        values = Values(
            students=self._first_names(say.about),
            schools=schools,
            by=promised,
            now=self.now,
            zone=zone,
            district=self._district(),
            office_phone=self.script.policy.office_phone,
            day=say.day,
        )
        rendered = self.script.texts.render(say.key, say.line, values, self.conversation.language)
        if say.purpose is Purpose.CHECK_IN and self.script.policy.chat_links:
            rendered = self._with_a_link(rendered)
        channel = self._channel(say.purpose)
        not_before, not_after = self._when(say.purpose, channel)
        outbox.queue(
            self.session,
            rendered,
            conversation_id=self.conversation.id,
            phone_id=self.conversation.phone_id,
            purpose=say.purpose,
            not_before=not_before,
            not_after=not_after,
            now=self.now,
            key=say.key,
            channel=channel,
        )

    def _with_a_link(self, said: Rendered) -> Rendered:
        """The way to the family's chat page, on a line of its own; the link itself is made when the text leaves."""
        link = chat_links.address(self.script.policy.public_url)
        return self.script.texts.with_more(said, "chat.link", Values(link=link))

    def _channel(self, purpose: Purpose) -> Channel:
        """What the program begins by itself goes to the phone; what answers goes where the family writes."""
        if purpose in (Purpose.CHECK_IN, Purpose.REMINDER):
            return Channel.SMS
        return chat_links.channel_to(self.session, self.conversation, self.now)

    def _speaks(self, say: Say) -> bool:
        """Whether the family's language has this line; the safety text never waits for a translation."""
        language = self.conversation.language
        known = self.script.texts.translation(say.key, say.line, language) is not None
        return known or say.purpose is Purpose.SAFETY

    def _when(self, purpose: Purpose, channel: Channel) -> tuple[datetime, datetime]:
        """From when and until when the text makes sense (promise 5)."""
        zone = handoffs.zone_of(self.session, self.conversation.school_id)
        if purpose in (Purpose.CHECK_IN, Purpose.REMINDER):
            opens, closes = self.script.policy.automatic(zone).on(self.conversation.day)
            return max(self.now, opens), closes
        if purpose is Purpose.REPLY and channel is Channel.CHAT:
            return self.now, self.now + _ON_THE_PAGE_FOR
        if purpose is Purpose.REPLY:
            window = self.script.policy.replies(zone)
            opens = window.next_opening(self.now)
            return opens, window.on(school_day(opens, zone))[1]
        return self.now, self.now.replace(microsecond=0) + _URGENT_FOR

    def _first_names(self, about: tuple[int, ...]) -> list[str]:
        return [child.name for child in _children(self.session, about)]

    def _schools(self, about: tuple[int, ...]) -> list[str]:
        students = about or tuple(_students(self.session, self.conversation.id))
        names = self.session.scalars(
            select(School.name)
            .join(Student, Student.school_id == School.id)
            .where(Student.id.in_(students))
            .distinct()
            .order_by(School.name)
        ).all()
        return list(names) or [self._district()]

    def _district(self) -> str:
        if self.script.policy.district_name:
            return self.script.policy.district_name
        name = self.session.scalar(select(School.district).where(School.district != "").limit(1))
        return name or "School"

    def _record_barrier(self, barrier: RecordBarrier) -> None:
        for student in barrier.about:
            known = self.session.scalar(
                select(BarrierFound).where(
                    BarrierFound.conversation_id == self.conversation.id,
                    BarrierFound.student_id == student,
                    BarrierFound.code == barrier.code,
                    BarrierFound.resolved_at.is_(None),
                )
            )
            if known is not None:
                known.words = known.words or barrier.words
                continue
            self.session.add(
                BarrierFound(
                    student_id=student,
                    conversation_id=self.conversation.id,
                    guardian_id=self.conversation.guardian_id,
                    code=barrier.code,
                    words=barrier.words,
                    returns_on=None,
                    opened_at=self.now,
                    resolved_at=None,
                )
            )
        self.session.flush()

    def _record_return(self, named: RecordReturn) -> None:
        self.session.execute(
            update(BarrierFound)
            .where(
                BarrierFound.conversation_id == self.conversation.id,
                BarrierFound.student_id.in_(named.about),
                BarrierFound.resolved_at.is_(None),
            )
            .values(returns_on=named.day),
            execution_options={"synchronize_session": "fetch"},
        )

    def _hand_off(self, handoff: HandOff) -> None:
        handoffs.open_one(
            self.session,
            conversation_id=self.conversation.id,
            school_id=self.conversation.school_id,
            queue=handoff.queue,
            urgency=handoff.urgency,
            why=handoff.why,
            due_at=handoffs.due(
                self.session, handoff.urgency, self.conversation.school_id, self.script.policy, self.now
            ),
            now=self.now,
        )

    def _speak(self, language: Language) -> None:
        self.conversation.language = language
        if self.conversation.guardian_id is not None:
            guardian = self.session.get_one(Guardian, self.conversation.guardian_id)
            guardian.language, guardian.language_chosen_by_family = language, True
        self.session.flush()
