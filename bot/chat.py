"""A family's chat page: the thread that its link shows, what is written on it, and photos of notes."""

import hashlib
import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot import arrivals, chat_links, consent, handoffs
from bot.advance import Script
from bot.chat_links import Link
from bot.conversation.state import Waiting, from_json
from bot.language import Language
from bot.store.tables import (
    Channel,
    Conversation,
    Delivery,
    InboundText,
    OutboundText,
    Phone,
    Picture,
    PictureType,
    School,
    Staff,
    TextState,
)

LONGEST_TEXT = 1600
LARGEST_PICTURE = 5 * 1024 * 1024

# More than this in ten minutes is no family: the page asks kindly for patience.
_MOST_TEXTS, _MOST_PICTURES = 20, 5
_WITHIN = timedelta(minutes=10)

# What was handed over, whatever became of it: a text that a phone lost can be read here.
_LEFT = (TextState.CLAIMED, TextState.SENT, TextState.UNKNOWN)


# --- what the page shows -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """One text of either side; `by` is the staff member who wrote it, if a person did."""

    at: datetime
    words: str
    language: Language | None
    by_family: bool
    by: str = ""
    pictures: int = 0


@dataclass(frozen=True)
class Choice:
    """An answer the bot's question offers: the digit that is sent, and the words beside it."""

    digit: str
    label: str


@dataclass(frozen=True)
class Thread:
    school: str
    zone: str
    language: Language
    said: tuple[Said, ...]
    choices: tuple[Choice, ...]

    @property
    def awaits_us(self) -> bool:
        return bool(self.said) and self.said[-1].by_family

    @property
    def mark(self) -> str:
        """Changes whenever the page would show something new."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def thread(session: Session, token: str, *, script: Script, now: datetime) -> Thread | None:
    """What the link of *token* shows, and a note that somebody looks; None when it is no longer good."""
    link = _good(session, token, now)
    if link is None:
        return None
    talks = _talks(session, link)
    newest = talks[-1]
    school = session.get(School, newest.school_id) if newest.school_id else None
    ids = [talk.id for talk in talks]
    ours = list(_ours(session, ids, link.opened_at, script))
    chat_links.looked_at(session, link, now, newest=max((one.at for one in ours), default=None))
    said = [*_theirs(session, ids, link.opened_at), *ours]
    return Thread(
        school=school.name if school else script.policy.district_name,
        zone=handoffs.zone_of(session, newest.school_id).key,
        language=newest.language,
        said=tuple(sorted(said, key=lambda one: (one.at, not one.by_family))),
        choices=_choices(session, newest, script),
    )


def _good(session: Session, token: str, now: datetime) -> Link | None:
    """A link also ends when its guardian may no longer be told about the students."""
    link = chat_links.find(session, token, now)
    if link is None or consent.barred(session, session.get_one(Conversation, link.conversation_id)):
        return None
    return link


def _talks(session: Session, link: Link) -> Sequence[Conversation]:
    """The talks with this guardian on this phone, oldest first: the same thread that the desk shows."""
    talk = session.get_one(Conversation, link.conversation_id)
    return session.scalars(
        select(Conversation)
        .where(
            Conversation.phone_id == talk.phone_id,
            Conversation.guardian_id.is_not_distinct_from(talk.guardian_id),
            or_(Conversation.id == talk.id, Conversation.opened_at >= talk.opened_at),
        )
        .order_by(Conversation.opened_at, Conversation.id)
    ).all()


def _theirs(session: Session, talks: Sequence[int], since: datetime) -> Iterator[Said]:
    for text in session.scalars(
        select(InboundText)
        .where(InboundText.conversation_id.in_(talks), InboundText.received_at >= since)
        .order_by(InboundText.id)
    ):
        yield Said(text.received_at, text.words, text.language, by_family=True, pictures=text.media_count)


def _ours(session: Session, talks: Sequence[int], since: datetime, script: Script) -> Iterator[Said]:
    names = dict(session.execute(select(Staff.id, Staff.name)).all())
    for text in session.scalars(
        select(OutboundText)
        .where(
            OutboundText.conversation_id.in_(talks),
            OutboundText.state.in_(_LEFT),
            # What went unread here went to the phone as well, and is shown once.
            or_(OutboundText.channel == Channel.SMS, OutboundText.delivery == Delivery.DELIVERED),
            OutboundText.claimed_at >= since,  # the text that carried the link was claimed as it was made
        )
        .order_by(OutboundText.id)
    ):
        yield Said(
            text.sent_at or text.claimed_at or text.queued_at,
            _without_link(text.body, script),
            text.language,
            by_family=False,
            by=names.get(text.staff_id or 0, ""),
        )


def _without_link(body: str, script: Script) -> str:
    """The way to this page is of no use on it."""
    link = chat_links.address(script.policy.public_url)
    return "\n".join(line for line in body.split("\n") if link not in line)


# --- the choices of the last question ------------------------------------------------------------------


def _choices(session: Session, talk: Conversation, script: Script) -> tuple[Choice, ...]:
    """What the family may press: only while the bot itself waits at a question of numbers."""
    state = from_json(talk.state)
    if not isinstance(state, Waiting):
        return ()
    key = f"{state.flow}.{state.node}"
    node = script.flows.node(key)
    body = session.scalar(
        select(OutboundText.body)
        .where(
            OutboundText.conversation_id == talk.id,
            OutboundText.key == key,
            OutboundText.state.in_(_LEFT),
        )
        .order_by(OutboundText.id.desc())
        .limit(1)
    )
    if node is None or body is None:
        return ()
    digits = sorted(answer for answer in node.go or {} if answer.isdigit())
    return offered(_without_link(body, script), digits)


# A digit of a menu: "1 sick", "1) sick", "1. sick", "，1生病"; not the 8 of "8:10" nor a 2 of "211".
_PLACE = r"(?<![\w.:]){0}(?=[\s.):=\-])|(?<=[，、：。\s]){0}(?=\w)"


def offered(text: str, digits: Sequence[str]) -> tuple[Choice, ...]:
    """The choices that *text* offers as "1 sick, 2 no ride."; none when one of *digits* is not in it.

    Read from the end, where a menu stands: a school may be called "P.S. 2".
    """
    if len(digits) < 2:
        return ()  # "Write the name, or 1 for all of them" is no menu
    end, found = len(text), []
    for digit in reversed(digits):
        places = list(re.finditer(_PLACE.format(digit), text[:end]))
        if not places:
            return ()
        at = places[-1]
        label = text[at.end() : end].lstrip(" .):=-")
        found.append(Choice(digit, _ending(label, last=end == len(text))))
        end = at.start()
    return tuple(reversed(found)) if all(choice.label for choice in found) else ()


def _ending(label: str, *, last: bool) -> str:
    """A label without what follows it: the comma of the list, or the next sentence."""
    if last:
        label = re.split(r"(?<=[^\s.])[.!?؟](?:\s|$)|[。！？]|\n", label)[0]
    return label.strip(" ,،，、;；.:：")


# --- what the family writes ------------------------------------------------------------------------------


class Written(StrEnum):
    """What became of something written on the page."""

    KEPT = "kept"
    EMPTY = "empty"
    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"
    NOT_A_PHOTO = "not_a_photo"
    GONE = "gone"


def write(
    session: Session, token: str, words: str, *, picture: bytes = b"", form_key: str = "", now: datetime
) -> Written:
    """Take words, a photo or both into the thread, by the road of every text; its turn comes later.

    *form_key* is the form's own random key: the same form sent twice is one text.
    """
    link = _good(session, token, now)
    if link is None:
        return Written.GONE
    chat_links.looked_at(session, link, now)
    words = words.strip()[:LONGEST_TEXT]
    if not words and not picture:
        return Written.EMPTY
    if len(picture) > LARGEST_PICTURE:
        return Written.TOO_LARGE
    kind = kind_of(picture)
    if picture and kind is None:
        return Written.NOT_A_PHOTO
    sender = _number(session, link)
    if _too_many(session, sender, now, with_picture=bool(picture)):
        return Written.TOO_MANY
    sid = _sid(link, form_key, words, picture)
    stored = arrivals.receive(
        session,
        provider_sid=sid,
        sender=sender,
        words=words,
        media_count=int(bool(picture)),
        channel=Channel.CHAT,
        through=link.conversation_id,
        now=now,
    )
    if stored and kind is not None:
        _keep(session, sid, kind, picture, now)
    return Written.KEPT


def _number(session: Session, link: Link) -> str:
    return session.scalars(
        select(Phone.number)
        .join(Conversation, Conversation.phone_id == Phone.id)
        .where(Conversation.id == link.conversation_id)
    ).one()


def _too_many(session: Session, sender: str, now: datetime, *, with_picture: bool) -> bool:
    texts, pictures = session.execute(
        select(func.count(), func.coalesce(func.sum(InboundText.media_count), 0)).where(
            InboundText.sender == sender,
            InboundText.channel == Channel.CHAT,
            InboundText.received_at > now - _WITHIN,
        )
    ).one()
    return bool(texts >= _MOST_TEXTS or (with_picture and pictures >= _MOST_PICTURES))


def _sid(link: Link, form_key: str, words: str, picture: bytes) -> str:
    """The id under which the text is kept. Words typed into a form found again in the history are new ones."""
    whole = f"{link.conversation_id}:{form_key or secrets.token_hex(16)}:{words}:".encode() + picture
    return f"chat-{hashlib.sha256(whole).hexdigest()[:48]}"


# --- photos ---------------------------------------------------------------------------------------------------


def kind_of(content: bytes) -> PictureType | None:
    """What a file is by its first bytes; its name and what the browser says of it are not asked."""
    if content.startswith(b"\xff\xd8\xff"):
        return PictureType.JPEG
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PictureType.PNG
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return PictureType.WEBP
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        return PictureType.HEIC
    return None


_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def _keep(session: Session, sid: str, kind: PictureType, content: bytes, now: datetime) -> None:
    text = session.scalars(select(InboundText.id).where(InboundText.provider_sid == sid)).one()
    session.add(Picture(inbound_text_id=text, content_type=kind, content=content, at=now))
    session.flush()


@dataclass(frozen=True)
class PictureSeen:
    content_type: PictureType
    content: bytes


def picture(session: Session, picture_id: int, schools: Collection[int]) -> PictureSeen | None:
    """A family's photo, for someone who may see the families of these *schools*; None when they may not."""
    found = session.execute(
        select(Picture.content_type, Picture.content)
        .join(InboundText, InboundText.id == Picture.inbound_text_id)
        .join(Conversation, Conversation.id == InboundText.conversation_id)
        .where(
            Picture.id == picture_id,
            or_(Conversation.school_id.in_(schools), Conversation.school_id.is_(None)),
        )
    ).first()
    return PictureSeen(found[0], found[1]) if found else None


# --- the simulated phones -----------------------------------------------------------------------------------------


def link_for_phone(session: Session, phone_id: int, *, days: int, now: datetime) -> str | None:
    """The token of a new link into the newest talk of a phone, from that talk's beginning."""
    talk = session.scalars(
        select(Conversation)
        .where(Conversation.phone_id == phone_id)
        .order_by(Conversation.opened_at.desc(), Conversation.id.desc())
        .limit(1)
    ).first()
    if talk is None:
        return None
    return chat_links.make(session, talk.id, since=talk.opened_at, until=now + timedelta(days=days))
