"""What a family, the provider, a carrier or staff said about texting a number. The history is append only."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bot.store.session import insert_unless_there
from bot.store.tables import ConsentEvent, ConsentKind, GuardianPhone, InboundText, Mute, Phone, PhoneState
from bot.vocabulary import Purpose


def opt_out(
    session: Session,
    phone_id: int,
    source: str,
    now: datetime,
    *,
    inbound_text_id: int | None = None,
    staff_id: int | None = None,
    words: str = "",
) -> None:
    """No more texts to this number, about anyone, from this moment (LAW-10, LAW-11, LAW-14).

    *words* are kept where no text of the family holds them: a wish by telephone or on paper (TW-99).
    """
    session.execute(update(Phone).where(Phone.id == phone_id).values(opted_out=True))
    _note(
        session, phone_id, ConsentKind.OPT_OUT, source, now, inbound_text_id, staff_id=staff_id, words=words
    )


def opt_in(
    session: Session,
    phone_id: int,
    source: str,
    now: datetime,
    *,
    inbound_text_id: int | None = None,
    staff_id: int | None = None,
    words: str = "",
) -> bool:
    """START gives back what STOP took; False when only staff can give texts back, so that somebody must ask.

    It undoes nothing else: not a wrong number, not a court order, not a number that the carrier gave
    up, not a wish that staff took down in another way than by text (LAW-16), and not a newer STOP, which
    was heard when it arrived although its turn comes after this one's.
    """
    _note(session, phone_id, ConsentKind.OPT_IN, source, now, inbound_text_id, staff_id=staff_id, words=words)
    if source != "staff" and _taken_down_by_staff(session, phone_id):
        return False
    if inbound_text_id is not None and _stopped_again(session, phone_id, inbound_text_id):
        return True  # the newer STOP is answered in its own turn
    session.execute(update(Phone).where(Phone.id == phone_id).values(opted_out=False, held=False))
    return True


def _stopped_again(session: Session, phone_id: int, inbound_text_id: int) -> bool:
    """Whether a text that came after this one has stopped the texts again."""
    newer = session.scalar(
        select(ConsentEvent.id)
        .where(
            ConsentEvent.phone_id == phone_id,
            ConsentEvent.kind == ConsentKind.OPT_OUT,
            ConsentEvent.inbound_text_id > inbound_text_id,
        )
        .limit(1)
    )
    return newer is not None


def _taken_down_by_staff(session: Session, phone_id: int) -> bool:
    """Whether staff's last word on this number is that the family wants no texts."""
    last = session.scalar(
        select(ConsentEvent.kind)
        .where(
            ConsentEvent.phone_id == phone_id,
            ConsentEvent.source == "staff",
            ConsentEvent.kind.in_([ConsentKind.OPT_OUT, ConsentKind.OPT_IN]),
        )
        .order_by(ConsentEvent.id.desc())
        .limit(1)
    )
    return last is ConsentKind.OPT_OUT


def hold(session: Session, phone_id: int, now: datetime, *, inbound_text_id: int | None = None) -> None:
    """Perhaps they want no more texts: nothing automatic until a person has read it (LAW-12)."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(held=True))
    _note(session, phone_id, ConsentKind.HOLD, "family", now, inbound_text_id)


def release(session: Session, phone_id: int, now: datetime, *, staff_id: int | None = None) -> None:
    """A person has read the doubtful text and the family wants to be texted."""
    held = session.execute(
        update(Phone).where(Phone.id == phone_id, Phone.held).values(held=False).returning(Phone.id)
    ).first()
    if held is not None:
        _note(session, phone_id, ConsentKind.RELEASE, "staff", now, None, staff_id=staff_id)


def mark_wrong_number(
    session: Session, phone_id: int, source: str, now: datetime, *, inbound_text_id: int | None = None
) -> None:
    """The number is somebody else's: quarantined for all its students, at once."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(state=PhoneState.WRONG_NUMBER))
    _note(session, phone_id, ConsentKind.WRONG_NUMBER, source, now, inbound_text_id)


def mark_line(session: Session, phone_id: int, state: PhoneState) -> None:
    """The provider has found what the line is. A number known to be wrong stays wrong."""
    session.execute(
        update(Phone).where(Phone.id == phone_id, Phone.state != PhoneState.WRONG_NUMBER).values(state=state)
    )


def out_of_reach(session: Session, phone_id: int) -> None:
    """One more text failed for a handset that is off or without signal (30003)."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(failures=Phone.failures + 1))


def reached(session: Session, phone_id: int) -> None:
    """A text arrived: what failed before no longer counts."""
    session.execute(update(Phone).where(Phone.id == phone_id, Phone.failures > 0).values(failures=0))


def suspend(session: Session, phone_id: int, now: datetime) -> bool:
    """The carrier has given the number up; the next holder may be a stranger (TW-72). False if known."""
    changed = session.execute(
        update(Phone).where(Phone.id == phone_id, ~Phone.suspended).values(suspended=True).returning(Phone.id)
    ).first()
    if changed is None:
        return False
    _note(session, phone_id, ConsentKind.SUSPEND, "carrier", now, None)
    return True


def confirm(session: Session, phone_id: int, now: datetime, *, staff_id: int) -> None:
    """Staff have heard that the number is still this family's."""
    session.execute(update(Phone).where(Phone.id == phone_id).values(suspended=False, failures=0))
    _note(session, phone_id, ConsentKind.CONFIRM, "staff", now, None, staff_id=staff_id)


# --- one child and one purpose --------------------------------------------------------------------------


def mute(
    session: Session,
    guardian_id: int,
    student_id: int,
    purpose: Purpose,
    now: datetime,
    *,
    staff_id: int | None = None,
    words: str = "",
) -> None:
    """This guardian wants no texts of this purpose about this student; everything else goes on."""
    values = {"guardian_id": guardian_id, "student_id": student_id, "purpose": purpose, "at": now}
    session.execute(insert_unless_there(session, Mute, ("guardian_id", "student_id", "purpose"), values))
    _note_mute(session, guardian_id, student_id, purpose, ConsentKind.MUTE, now, staff_id, words)


def unmute(
    session: Session,
    guardian_id: int,
    student_id: int,
    purpose: Purpose,
    now: datetime,
    *,
    staff_id: int | None = None,
    words: str = "",
) -> None:
    """The guardian wants these texts again."""
    session.execute(
        delete(Mute).where(
            Mute.guardian_id == guardian_id, Mute.student_id == student_id, Mute.purpose == purpose
        )
    )
    _note_mute(session, guardian_id, student_id, purpose, ConsentKind.UNMUTE, now, staff_id, words)


def _note_mute(
    session: Session,
    guardian_id: int,
    student_id: int,
    purpose: Purpose,
    kind: ConsentKind,
    now: datetime,
    staff_id: int | None,
    words: str,
) -> None:
    phones = session.scalars(
        select(GuardianPhone.phone_id).where(GuardianPhone.guardian_id == guardian_id, GuardianPhone.active)
    ).all()
    for phone_id in phones:
        session.execute(
            insert(ConsentEvent),
            {
                "phone_id": phone_id,
                "kind": kind,
                "source": "staff" if staff_id is not None else "family",
                "inbound_text_id": None,
                "staff_id": staff_id,
                "words": words,
                "student_id": student_id,
                "purpose": purpose.value,
                "at": now,
            },
        )


# --- the history ----------------------------------------------------------------------------------------


def _note(
    session: Session,
    phone_id: int,
    kind: ConsentKind,
    source: str,
    now: datetime,
    inbound_text_id: int | None,
    *,
    staff_id: int | None = None,
    words: str = "",
) -> None:
    # One text is one event, although it is seen twice: when it arrives and when its turn is taken.
    if inbound_text_id is not None and session.scalar(
        select(ConsentEvent.id)
        .where(
            ConsentEvent.phone_id == phone_id,
            ConsentEvent.kind == kind,
            ConsentEvent.inbound_text_id == inbound_text_id,
        )
        .limit(1)
    ):
        return
    if inbound_text_id is not None and not words:
        # The proof is the words themselves; they are kept here too, for a text may be removed one day.
        words = session.scalar(select(InboundText.words).where(InboundText.id == inbound_text_id)) or ""
    session.execute(
        insert(ConsentEvent),
        {
            "phone_id": phone_id,
            "kind": kind,
            "source": source,
            "inbound_text_id": inbound_text_id,
            "staff_id": staff_id,
            "words": words,
            "student_id": None,
            "purpose": "",
            "at": now,
        },
    )
