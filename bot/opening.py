"""Begins many conversations at once: one question to each household."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot import outbox, wording
from bot.attendance import AbsentStudent
from bot.conversation.effects import Say
from bot.conversation.flow import Flows
from bot.conversation.state import Begin, Child, NotStarted, State, Waiting, to_json
from bot.conversation.turn import turn
from bot.language import Language
from bot.policy import Policy
from bot.store.tables import Channel, Conversation, ConversationStudent, School
from bot.texts import Rendered, Texts
from bot.vocabulary import Owner, Purpose

# What a talk that nobody has begun yet is kept under, as `advance.open_conversation` does.
_FLOW = Begin(()).flow

# What the program texts of its own accord; anything else goes where the family wrote last.
_OURS = (Purpose.CHECK_IN, Purpose.REMINDER)


@dataclass(frozen=True)
class Question:
    """How the talk with a household begins: by which node, what is said, and where the talk then stands.

    `alone`: more must happen than that texts are queued, so that `advance.begin` must take this turn.
    """

    node: str
    after: State
    said: tuple[tuple[Say, Rendered], ...]
    alone: bool

    @property
    def segments(self) -> int:
        """What asking costs, in billed parts (TW-80)."""
        return sum(rendered.segments for _, rendered in self.said)


@dataclass(frozen=True)
class Household:
    """One check-in: a guardian, a number, every absent student it is about, and what is asked."""

    guardian_id: int
    guardian: str
    phone_id: int
    language: Language
    students: tuple[AbsentStudent, ...]
    question: Question

    @property
    def school_id(self) -> int:
        """The school that speaks: the first student's. The text names every school it is about."""
        return self.students[0].school_id


@dataclass(frozen=True)
class Voice:
    """Who asks, by which flows, in which words: the same for every household of a morning."""

    flows: Flows
    texts: Texts
    policy: Policy
    district: str
    now: datetime

    def question(
        self, students: Sequence[AbsentStudent], node: str, language: Language, zone: ZoneInfo
    ) -> Question:
        """The question to one household. Pure: nothing is read and nothing is written.

        *node* is the opening, empty for the flow's own start; *zone* is the school's that speaks.
        """
        about = _children(students)
        after, effects = turn(NotStarted(about), Begin(about, node=node), self.flows)
        facts = wording.Facts(
            students=tuple(child.name for child in about),
            schools=tuple(sorted({student.school for student in students})),
            zone=zone,
            district=self.district,
            language=language,
        )
        sayable = [
            effect for effect in effects if isinstance(effect, Say) and self._may_say(effect, language)
        ]
        return Question(
            node,
            after,
            tuple(
                (say, wording.words(say, facts, texts=self.texts, policy=self.policy, now=self.now))
                for say in sayable
            ),
            alone=not isinstance(after, Waiting)
            or len(sayable) < len(effects)
            or any(say.purpose not in _OURS or say.urgency is not None for say in sayable),
        )

    def _may_say(self, say: Say, language: Language) -> bool:
        """Whether the family's language has this line, where a district does without lines it has not."""
        known = self.texts.translation(say.key, say.line, language) is not None
        return known or not self.policy.hold_untranslated


def _children(students: Sequence[AbsentStudent]) -> tuple[Child, ...]:
    """In the order in which a talk names its children, whichever school comes first."""
    return tuple(Child(student.id, student.first_name) for student in sorted(students, key=attrgetter("id")))


def district(session: Session, policy: Policy) -> str:
    """Who we say we are: the district's name, as it was set or else as its roster has it."""
    if policy.district_name:
        return policy.district_name
    name = session.scalar(select(School.district).where(School.district != "").order_by(School.id).limit(1))
    return name or "School"


def write(
    session: Session,
    households: Sequence[Household],
    day: date,
    *,
    zones: Mapping[int, ZoneInfo],
    flows: Flows,
    policy: Policy,
    now: datetime,
) -> list[int]:
    """Write the conversations of *households*, and queue what each is asked; returns their ids, in order.

    *zones* holds each school's. Where a question is `alone` the conversation is open and has not begun.
    What must hold of a talk that has begun stands in `advance`; a test plays both and compares the rows.
    """
    # By the connection: a session would make a new statement wherever a column turns empty.
    connection = session.connection()
    # One number has one check-in a day, so it tells which new row is whose.
    written = connection.execute(
        insert(Conversation).returning(Conversation.phone_id, Conversation.id),
        [_conversation(household, day, flows, now) for household in households],
    )
    by_phone = {phone: id_ for phone, id_ in written}
    ids = [by_phone[household.phone_id] for household in households]
    connection.execute(
        insert(ConversationStudent),
        [
            {"conversation_id": id_, "student_id": student.id}
            for id_, household in zip(ids, households, strict=True)
            for student in household.students
        ],
    )
    windows = {school: policy.automatic(zone).on(day) for school, zone in zones.items()}
    outbox.queue_all(
        session,
        (
            outbox.row(
                rendered,
                conversation_id=id_,
                phone_id=household.phone_id,
                purpose=say.purpose,
                law=policy.law(say.purpose),
                not_before=max(now, windows[household.school_id][0]),
                not_after=windows[household.school_id][1],
                now=now,
                key=say.key,
            )
            for id_, household in zip(ids, households, strict=True)
            if not household.question.alone
            for say, rendered in household.question.said
        ),
    )
    return ids


def _conversation(household: Household, day: date, flows: Flows, now: datetime) -> dict[str, Any]:
    state = household.question.after
    begun = not household.question.alone and isinstance(state, Waiting)
    if not begun:
        state = NotStarted(_children(household.students))
    flow = state.flow if isinstance(state, Waiting) else _FLOW
    return {
        "phone_id": household.phone_id,
        "guardian_id": household.guardian_id,
        "school_id": household.school_id,
        "day": day,
        "flow": flow,
        "flow_version": flows.flows[flow].version if flow in flows.flows else "",
        "language": household.language,
        "state": to_json(state),
        "owner": Owner.BOT if begun else Owner.NOBODY,
        "staff_id": None,
        "channel": Channel.SMS,
        "silence_at": _silence_at(state, flows, now),
        "opened_at": now,
        "touched_at": now,
    }


def _silence_at(state: State, flows: Flows, now: datetime) -> datetime | None:
    """When the family's silence becomes its answer; None while nothing was asked."""
    if not isinstance(state, Waiting):
        return None
    node = flows.node(f"{state.flow}.{state.node}")
    return now + timedelta(minutes=node.wait) if node and node.wait else now
