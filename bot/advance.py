"""Takes one turn of one conversation and applies its effects, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import assert_never

from sqlalchemy import bindparam, exists, insert, select, update
from sqlalchemy.orm import Session

from bot import chat_links, consent, handoffs, ledger, outbox, talks, wording
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
    End,
    Ended,
    Heard,
    Message,
    NotStarted,
    StaffTook,
    State,
    Waiting,
    WithStaff,
    asked_about,
    from_json,
    to_json,
)
from bot.conversation.turn import turn
from bot.language import Language
from bot.policy import Policy
from bot.store.prepared import Change
from bot.store.tables import BarrierFound, Channel, Guardian
from bot.talks import StudentNamed, Talk
from bot.texts import Texts
from bot.understanding import Reading
from bot.vocabulary import Intent, Keyword, Outcome, Owner, Purpose, Queue, Urgency

# What a family can read on its page only while it looks at it; the page waits that long for an answer.
_ON_THE_PAGE_FOR = timedelta(hours=12)

# An answer the law or danger asks for is of no use hours later.
_URGENT_FOR = timedelta(minutes=30)
# The one text that confirms a STOP may come no later (LAW-13); HELP is answered all the same (LAW-32).
_CONFIRM_WITHIN = timedelta(minutes=5)
_HELP = "everywhere.help"


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
    session.flush()
    children = talks.children(session, students)
    return talks.open_one(
        session,
        [child.id for child in children],
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
        channel=Channel.SMS,
        silence_at=None,
        opened_at=now,
        touched_at=now,
    )


def begin(
    session: Session, conversation_id: int, *, opening: str = "", script: Script, now: datetime
) -> None:
    """Ask: the morning's question to this guardian, about all the students of the conversation.

    *opening* is the node to open with, where it is not the flow's own start.
    """
    session.flush()
    talk = talks.locked(session, conversation_id)
    about = tuple(Child(student.id, student.name) for student in talks.about(session, conversation_id))
    advance_locked(session, talk, Begin(about, node=opening), script=script, now=now)


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
    session.flush()
    talk = talks.locked(session, conversation_id)
    return advance_locked(session, talk, message, script=script, now=now, by=by)


def advance_locked(
    session: Session,
    talk: Talk,
    message: Message,
    *,
    script: Script,
    now: datetime,
    by: By | None = None,
    silent: bool = False,
) -> State:
    """The same for a talk that the caller has locked. *silent*: nothing is said but the safety text."""
    after, effects = turn(from_json(talk.state), message, script.flows)
    if silent:
        effects = tuple(
            effect for effect in effects if not isinstance(effect, Say) or effect.purpose is Purpose.SAFETY
        )
    applied = _Application(session, talk, script, now, by or By())
    applied.apply(effects)
    talks.save(session, _standing_at(applied.talk, after, by or By(), message, script, now), now)
    return after


def hand_over(
    session: Session, talk: Talk, *, why: str, urgency: Urgency, script: Script, now: datetime
) -> Talk:
    """The bot's part ends here without a word, and a person reads; returns the talk as it stands then.

    What has ended for another reason stays as it ended, and whoever has the talk keeps it.
    """
    state = from_json(talk.state)
    about = tuple(child.id for child in asked_about(state))
    effects: list[Effect] = [HandOff(Queue.ENGAGEMENT, urgency, why)]
    if not isinstance(state, (WithStaff, Ended)) or state == Ended(End.CLOSED, asked_about(state)):
        state = Ended(End.WITH_A_PERSON, asked_about(state))
        effects += [DropQueued(), RecordOutcome(Outcome.WITH_A_PERSON, about)]
    applied = _Application(session, talk, script, now, By())
    applied.apply(tuple(effects))
    after = _standing_at(applied.talk, state, By(), None, script, now)
    talks.save(session, after, now)
    return after


def _standing_at(
    talk: Talk, state: State, by: By, message: Message | None, script: Script, now: datetime
) -> Talk:
    """The talk as it stands after a turn that led to *state*."""
    talk = talk._replace(state=to_json(state), silence_at=None)
    match state:
        case WithStaff():
            taker = by.staff_id if isinstance(message, StaffTook) else talk.staff_id
            # Put back into the queue: nobody has it, and the program stays silent all the same.
            return talk._replace(owner=Owner.STAFF if taker else Owner.NOBODY, staff_id=taker)
        case Waiting(flow=flow, node=name):
            found = script.flows.flows.get(flow)
            return talk._replace(
                owner=Owner.BOT,
                staff_id=None,
                flow=flow,
                flow_version=found.version if found else "",
                silence_at=_silence_at(flow, name, script, now),
            )
        case _:
            return talk._replace(owner=Owner.NOBODY, staff_id=None)


def _silence_at(flow: str, name: str, script: Script, now: datetime) -> datetime | None:
    node = script.flows.node(f"{flow}.{name}")
    return now + timedelta(minutes=node.wait) if node and node.wait else now


# --- the effects of a turn --------------------------------------------------------------------------------

_THIS_BARRIER = (
    BarrierFound.conversation_id == bindparam("talk"),
    BarrierFound.student_id == bindparam("student"),
    BarrierFound.code == bindparam("barrier"),
    BarrierFound.resolved_at.is_(None),
)
_BARRIER = ("student_id", "conversation_id", "guardian_id", "code", "words", "opened_at")
# One statement: what the family says twice is one barrier, and nobody asks first whether it is known.
_ADD_BARRIER = Change(
    insert(BarrierFound).from_select(
        [*_BARRIER],
        select(*(bindparam(name, type_=BarrierFound.__table__.c[name].type) for name in _BARRIER)).where(
            ~exists().where(*_THIS_BARRIER)
        ),
    )
)
_ADD_WORDS = Change(
    update(BarrierFound).where(*_THIS_BARRIER, BarrierFound.words == "").values(words=bindparam("told"))
)
_NAME_RETURN = Change(
    update(BarrierFound)
    .where(
        BarrierFound.conversation_id == bindparam("talk"),
        BarrierFound.student_id == bindparam("student"),
        BarrierFound.resolved_at.is_(None),
    )
    .values(returns_on=bindparam("named"))
)


class _Application:
    """Applies the effects of one turn, in order. `talk` is the conversation as it stands meanwhile."""

    def __init__(self, session: Session, talk: Talk, script: Script, now: datetime, by: By) -> None:
        self.session, self.talk, self.script, self.now, self.by = session, talk, script, now, by
        self.still_closed = False

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
                ledger.record(self.session, about, self.talk.day, outcome, self.now)
            case HandOff():
                self._hand_off(effect)
            case TellStaff():
                if not handoffs.family_wrote(self.session, self.talk.id, self.now, self._due):
                    # The case was closed at the desk meanwhile: the family must not write into a void.
                    self._hand_off(HandOff(Queue.ENGAGEMENT, Urgency.P2, "wrote_again"))
            case StopTexting():
                consent.opt_out(
                    self.session,
                    self.talk.phone_id,
                    self._source(),
                    self.now,
                    inbound_text_id=self.by.inbound_text_id,
                )
            case ResumeTexting():
                self._resume()
            case HoldTexting():
                consent.hold(
                    self.session,
                    self.talk.phone_id,
                    self.now,
                    inbound_text_id=self.by.inbound_text_id,
                )
            case MarkWrongNumber():
                consent.mark_wrong_number(
                    self.session,
                    self.talk.phone_id,
                    self._source(),
                    self.now,
                    inbound_text_id=self.by.inbound_text_id,
                )
            case SpeakLanguage(language=language):
                self._speak(language)
            case DropQueued():
                outbox.drop_queued(self.session, self.talk.id)
            case _:
                assert_never(effect)

    def _source(self) -> str:
        return "staff" if self.by.staff_id is not None else "family"

    def _resume(self) -> None:
        resumed = consent.opt_in(
            self.session,
            self.talk.phone_id,
            self._source(),
            self.now,
            inbound_text_id=self.by.inbound_text_id,
        )
        if not resumed:
            # Staff took the wish down: a person asks, and the family is promised nothing by itself.
            self.still_closed = True
            self._hand_off(HandOff(Queue.ENGAGEMENT, Urgency.P2, "wants_texts_again"))

    def _say(self, say: Say) -> None:
        if self.still_closed and say.purpose is Purpose.CONSENT:
            return
        policy = self.script.policy
        if policy.hold_untranslated and not self._speaks(say):
            self._hand_off(HandOff(Queue.ENGAGEMENT, Urgency.P1, "no_translation"))
            return
        district = policy.district_name or self.talk.district or "School"
        facts = wording.Facts(
            students=tuple(student.name for student in self._students if student.id in say.about),
            schools=self._schools(say.about) or (district,),
            zone=self.talk.zone,
            district=district,
            language=self.talk.language,
        )
        promised = self._due(say.urgency) if say.urgency is not None else None
        rendered = wording.words(
            say, facts, texts=self.script.texts, policy=policy, now=self.now, promised=promised
        )
        channel = self._channel(say.purpose)
        not_before, not_after = self._when(say, channel)
        outbox.queue(
            self.session,
            rendered,
            conversation_id=self.talk.id,
            phone_id=self.talk.phone_id,
            purpose=say.purpose,
            law=policy.law(say.purpose),
            not_before=not_before,
            not_after=not_after,
            now=self.now,
            key=say.key,
            channel=channel,
        )

    def _channel(self, purpose: Purpose) -> Channel:
        """What the program begins by itself goes to the phone; what answers goes where the family writes."""
        if purpose in (Purpose.CHECK_IN, Purpose.REMINDER):
            return Channel.SMS
        return chat_links.channel_to(self.session, self.talk, self.now)

    def _speaks(self, say: Say) -> bool:
        """Whether the family's language has this line; the safety text never waits for a translation."""
        known = self.script.texts.translation(say.key, say.line, self.talk.language) is not None
        return known or say.purpose is Purpose.SAFETY

    def _when(self, say: Say, channel: Channel) -> tuple[datetime, datetime]:
        """From when and until when the text makes sense (promise 5)."""
        zone, purpose = self.talk.zone, say.purpose
        if purpose in (Purpose.CHECK_IN, Purpose.REMINDER):
            opens, closes = self.script.policy.automatic(zone).on(self.talk.day)
            return max(self.now, opens), closes
        if purpose is Purpose.REPLY and channel is Channel.CHAT:
            return self.now, self.now + _ON_THE_PAGE_FOR
        if purpose is Purpose.REPLY:
            window = self.script.policy.replies(zone)
            opens = window.next_opening(self.now)
            return opens, window.on(school_day(opens, zone))[1]
        confirms = purpose is Purpose.CONSENT and say.key != _HELP
        return self.now, self.now + (_CONFIRM_WITHIN if confirms else _URGENT_FOR)

    @cached_property
    def _students(self) -> list[StudentNamed]:
        return talks.about(self.session, self.talk.id)

    def _schools(self, about: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(
            sorted({student.school for student in self._students if not about or student.id in about})
        )

    def _due(self, urgency: Urgency) -> datetime:
        """By when a person must have answered: the text promises what the desk will see."""
        return handoffs.due(self.session, urgency, self.talk.school_id, self.script.policy, self.now)

    def _record_barrier(self, barrier: RecordBarrier) -> None:
        for student in barrier.about:
            this = {"student": student, "talk": self.talk.id, "barrier": barrier.code}
            added = _ADD_BARRIER.run(
                self.session,
                **this,
                student_id=student,
                conversation_id=self.talk.id,
                guardian_id=self.talk.guardian_id,
                code=barrier.code,
                words=barrier.words,
                opened_at=self.now,
            )
            if not added and barrier.words:
                _ADD_WORDS.run(self.session, **this, told=barrier.words)

    def _record_return(self, named: RecordReturn) -> None:
        _NAME_RETURN.run_all(
            self.session,
            [{"talk": self.talk.id, "student": student, "named": named.day} for student in named.about],
        )

    def _hand_off(self, handoff: HandOff) -> None:
        handoffs.open_one(
            self.session,
            conversation_id=self.talk.id,
            school_id=self.talk.school_id,
            queue=handoff.queue,
            urgency=handoff.urgency,
            why=handoff.why,
            due_at=self._due(handoff.urgency),
            now=self.now,
        )

    def _speak(self, language: Language) -> None:
        self.talk = self.talk._replace(language=language)
        if self.talk.guardian_id is not None:
            guardian = self.session.get_one(Guardian, self.talk.guardian_id)
            guardian.language, guardian.language_chosen_by_family = language, True
            self.session.flush()
