"""Danger reaches a person who is not at the desk: a text and an e-mail, further and further until somebody looks.

At once the first on the district's list; after five minutes without anybody having opened the family's
page the next, and the school's supervisors; after ten everybody. What is sent says which school and
where to click: no name, no words.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from bot import outbox
from bot.language import Language
from bot.mail import Mail, Posted
from bot.policy import Policy
from bot.store.session import Database, insert_unless_there
from bot.store.tables import (
    Alert,
    AlertKind,
    AlertState,
    Delivery,
    Handoff,
    HandoffState,
    OutboundText,
    Phone,
    School,
    Staff,
    StaffSchool,
    TextState,
)
from bot.texts import Rendered, segments
from bot.vocabulary import Purpose, Role, Urgency

_log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=5)
_LAST_STEP = 2
# After a standstill several steps are due at once: nobody is told twice in the same minutes.
_NOT_TWICE_WITHIN = timedelta(minutes=4)
_TEXT_OF_USE = timedelta(minutes=30)
# An e-mail whose sender died, or whose server never answered, is perhaps delivered: it is not sent again.
_IN_DOUBT_AFTER = timedelta(minutes=2)
_MOST_TRIES = 20

_LOST = (TextState.REFUSED, TextState.NOT_SENT)
_UNDELIVERED = (Delivery.UNDELIVERED, Delivery.FAILED)
_UNSEEN = (
    Handoff.state == HandoffState.OPEN,
    Handoff.urgency == Urgency.P0,
    Handoff.seen_at.is_(None),
    Handoff.alarm_at.is_not(None),
)
_UNSETTLED = (AlertState.QUEUED, AlertState.CLAIMED)


@dataclass(frozen=True)
class OnCall:
    """Who is told outside the desk, in this order. Numbers are E.164; both lists may be empty."""

    phones: tuple[str, ...] = field(default=(), repr=False)
    addresses: tuple[str, ...] = field(default=(), repr=False)

    def phones_of(self, step: int) -> tuple[str, ...]:
        return _of_step(self.phones, step)

    def addresses_of(self, step: int) -> tuple[str, ...]:
        return _of_step(self.addresses, step)


def _of_step(everybody: tuple[str, ...], step: int) -> tuple[str, ...]:
    """The first, then the next (or the first again), at last everybody."""
    if step >= _LAST_STEP:
        return everybody
    return everybody[step : step + 1] or everybody[:1]


def raise_alarms(session: Session, on_call: OnCall, policy: Policy, now: datetime) -> int:
    """Tell whoever is due to be told of danger that nobody has opened; returns how many are told now.

    Everything is asked of the tables: a restart forgets nothing, and a second worker tells nobody twice.
    """
    unseen = session.scalars(
        select(Handoff)
        .where(*_UNSEEN)
        .order_by(Handoff.id)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    return sum(_alarm(session, handoff, on_call, policy, now) for handoff in unseen)


def anybody_waits(session: Session) -> bool:
    """Whether there is danger that nobody has opened: asked often, and answered without a write."""
    return session.scalar(select(Handoff.id).where(*_UNSEEN).limit(1)) is not None


def _alarm(session: Session, handoff: Handoff, on_call: OnCall, policy: Policy, now: datetime) -> int:
    since = handoff.alarm_at or handoff.opened_at
    told = session.scalars(select(Alert).where(Alert.handoff_id == handoff.id, Alert.alarm_at == since)).all()
    step = min(_LAST_STEP, (now - since) // EVERY)
    while step < _LAST_STEP and _all_lost(session, told, step):
        step += 1  # nobody will read what did not leave: the next one is told without waiting
    lately = {alert.address for alert in told if alert.at > now - _NOT_TWICE_WITHIN}
    first = max((alert.step + 1 for alert in told), default=0)
    told_now = 0
    # The farthest step first: after a standstill nobody is told of a nearer one as well.
    for each in range(step, first - 1, -1):
        for number in on_call.phones_of(each):
            if number not in lately:
                told_now += _text(session, handoff, since, each, number, policy, now)
                lately.add(number)
        addresses = on_call.addresses_of(each)
        if each > 0:
            addresses += _supervisors(session, handoff.school_id)
        for address in addresses:
            if address not in lately:
                told_now += _letter(session, handoff, since, each, address, now)
                lately.add(address)
    if told_now:
        _log.warning("on call is alarmed", handoff=handoff.id, step=step, told=told_now)
    return told_now


def _all_lost(session: Session, told: Iterable[Alert], step: int) -> bool:
    """Whether whoever was told up to *step* certainly never heard of it."""
    reached = [alert for alert in told if alert.step <= step]
    if not any(alert.step == step for alert in reached):
        return False
    return all(_is_lost(session, alert) for alert in reached)


def _is_lost(session: Session, alert: Alert) -> bool:
    if alert.outbound_text_id is None:
        return alert.state is AlertState.REFUSED
    text = session.get_one(OutboundText, alert.outbound_text_id, populate_existing=True)
    return text.state in _LOST or text.delivery in _UNDELIVERED


def _supervisors(session: Session, school_id: int | None) -> tuple[str, ...]:
    """The supervisors of the school by e-mail; of a number of no school, the district's administrators."""
    query = select(Staff.email).where(Staff.active).order_by(Staff.id)
    if school_id is None:
        return tuple(session.scalars(query.where(Staff.role == Role.DISTRICT_ADMINISTRATOR)))
    return tuple(
        session.scalars(
            query.join(StaffSchool, StaffSchool.staff_id == Staff.id).where(
                Staff.role == Role.SUPERVISOR, StaffSchool.school_id == school_id
            )
        )
    )


# --- a text, by way of the outbox -------------------------------------------------------------------------------


def _text(
    session: Session,
    handoff: Handoff,
    since: datetime,
    step: int,
    number: str,
    policy: Policy,
    now: datetime,
) -> int:
    """Queue it like the safety text: exactly once, before everything else, whatever stands still.

    It belongs to no conversation: no family's consent, hours or custody are asked for a staff member's own
    telephone, but who wrote STOP from it is not texted.
    """
    body = f"Presente: {_sentence(session, handoff)} {_link(handoff, policy)}"
    text_id = outbox.queue(
        session,
        Rendered(body, body, Language.ENGLISH, segments(body)),
        conversation_id=None,
        phone_id=_phone(session, number),
        purpose=Purpose.SAFETY,
        law=policy.law(Purpose.SAFETY),
        not_before=now,
        not_after=now + _TEXT_OF_USE,
        now=now,
        key="on_call",
        token=_key(handoff, since, step, AlertKind.TEXT, number)[:32],
    )
    session.add(
        Alert(
            handoff_id=handoff.id,
            alarm_at=since,
            step=step,
            kind=AlertKind.TEXT,
            address=number,
            outbound_text_id=text_id,
            state=AlertState.SENT,  # its fate is the outbox's
            at=now,
        )
    )
    session.flush()
    return 1


def _phone(session: Session, number: str) -> int:
    session.execute(insert_unless_there(session, Phone, ("number",), {"number": number}))
    return session.scalars(select(Phone.id).where(Phone.number == number)).one()


def _sentence(session: Session, handoff: Handoff) -> str:
    school = session.get(School, handoff.school_id) if handoff.school_id is not None else None
    where = f"at {school.name}" if school else "(school not known yet)"
    return f"A family {where} needs help now. Open the desk:"


def _link(handoff: Handoff, policy: Policy) -> str:
    return f"{policy.public_url}/desk/family/{handoff.conversation_id}"


def _key(handoff: Handoff, since: datetime, step: int, kind: AlertKind, address: str) -> str:
    return hashlib.sha256(f"{handoff.id}:{since.isoformat()}:{step}:{kind}:{address}".encode()).hexdigest()


# --- an e-mail, by its own honest states ------------------------------------------------------------------------


def _letter(
    session: Session, handoff: Handoff, since: datetime, step: int, address: str, now: datetime
) -> int:
    session.add(
        Alert(
            handoff_id=handoff.id,
            alarm_at=since,
            step=step,
            kind=AlertKind.MAIL,
            address=address,
            outbound_text_id=None,
            state=AlertState.QUEUED,
            at=now,
        )
    )
    session.flush()
    return 1


def send_letters(database: Database, mail: Mail, policy: Policy, now: datetime) -> int:
    """Hand over the e-mails that wait; returns how many left. No transaction is open meanwhile.

    One is claimed before it is handed over: whoever dies in between leaves a letter in doubt, never two.
    """
    sent = 0
    for letter in _claimed(database, policy, now):
        became = mail.send(letter.to, letter.subject, letter.body, key=letter.key)
        with database.begin() as session:
            session.execute(
                update(Alert)
                .where(Alert.id == letter.alert_id, Alert.state == AlertState.CLAIMED)
                .values(state=_BECAME[became] if letter.tries < _MOST_TRIES else AlertState.REFUSED)
                .execution_options(synchronize_session=False)
            )
        sent += became is Posted.ACCEPTED
    return sent


_BECAME = {
    Posted.ACCEPTED: AlertState.SENT,
    Posted.REFUSED: AlertState.REFUSED,
    Posted.PASSING: AlertState.QUEUED,
    Posted.UNKNOWN: AlertState.UNKNOWN,
}


@dataclass(frozen=True)
class _Letter:
    alert_id: int
    to: str
    subject: str
    body: str
    key: str
    tries: int


def _claimed(database: Database, policy: Policy, now: datetime) -> Sequence[_Letter]:
    with database.look() as session:
        if session.scalar(select(Alert.id).where(Alert.state.in_(_UNSETTLED)).limit(1)) is None:
            return ()
    with database.begin(durable=True) as session:
        session.execute(
            update(Alert)
            .where(Alert.state == AlertState.CLAIMED, Alert.claimed_at < now - _IN_DOUBT_AFTER)
            .values(state=AlertState.UNKNOWN)
            .execution_options(synchronize_session=False)
        )
        waiting = session.scalars(
            select(Alert)
            .where(Alert.state == AlertState.QUEUED)
            .order_by(Alert.id)
            .limit(20)
            .with_for_update(skip_locked=True)
        ).all()
        letters = []
        for alert in waiting:
            handoff = session.get_one(Handoff, alert.handoff_id)
            if handoff.seen_at is not None or handoff.state is not HandoffState.OPEN:
                alert.state = AlertState.REFUSED  # somebody has looked before it could leave
                continue
            alert.state, alert.claimed_at, alert.attempts = AlertState.CLAIMED, now, alert.attempts + 1
            sentence = _sentence(session, handoff)
            key = _key(handoff, alert.alarm_at, alert.step, AlertKind.MAIL, alert.address)
            letters.append(
                _Letter(
                    alert.id,
                    alert.address,
                    "Presente: a family needs help now",
                    f"{sentence}\n{_link(handoff, policy)}\n\n"
                    "You are told because you are on call, or a supervisor of the school, and nobody has opened "
                    "it yet. This message holds no names on purpose.\n",
                    key[:32],
                    alert.attempts,
                )
            )
        return letters


# --- what the desk says of it -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarm:
    """Danger that nobody has opened. `told` counts texts and e-mails, `lost` those that certainly did not arrive."""

    conversation_id: int
    school: str
    zone: str
    since: datetime
    told: int
    lost: int


def unopened(session: Session, schools: Iterable[int]) -> list[Alarm]:
    """The alarms of these schools that nobody has opened, oldest first."""
    rows = session.execute(
        select(Handoff, School.name, School.zone)
        .outerjoin(School, School.id == Handoff.school_id)
        .where(
            *_UNSEEN,
            or_(Handoff.school_id.in_(list(schools)), Handoff.school_id.is_(None)),
        )
        .order_by(Handoff.alarm_at, Handoff.id)
        .limit(50)
    ).all()
    found = []
    for handoff, school, zone in rows:
        since = handoff.alarm_at or handoff.opened_at
        told = session.scalars(
            select(Alert).where(Alert.handoff_id == handoff.id, Alert.alarm_at == since)
        ).all()
        lost = sum(_is_lost(session, alert) for alert in told)
        found.append(Alarm(handoff.conversation_id, school or "", zone or "", since, len(told), lost))
    return found
