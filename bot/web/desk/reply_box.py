"""The reply box: what is typed, the reviewed replies, a machine's translation, and what is asked before sending."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, time

from flask import request

from bot import replies
from bot.conversation.replies import Reply
from bot.language import Language
from bot.replies import Offer
from bot.staff import StaffMember
from bot.texts import Rendered, Values, segments, sendable
from bot.timeline.family import Family
from bot.vocabulary import Barrier
from bot.web.parts import Parts


@dataclass(frozen=True)
class Typed:
    """What the browser sent about a reply: the words, and the reviewed reply they were made from, if any.

    `warn` is the language the words seem to be in; `machine` is a translation of the words that waits
    to be looked at.
    """

    words: str = ""
    key: str = ""
    day: date | None = None
    at: time | None = None
    find: str = ""
    warn: Language | None = None
    machine: str = ""
    draft: str = ""

    @classmethod
    def now(
        cls, *, warn: Language | None = None, machine: str = "", draft: str = "", words: str | None = None
    ) -> "Typed":
        """What this request carries."""
        sent = request.form if request.method == "POST" else request.args
        return cls(
            words=(sent.get("words", "") if request.method == "POST" else "") if words is None else words,
            key=sent.get("reply", "")[:60],
            day=_day(sent.get("day", "")),
            at=_time(sent.get("at", "")),
            find=request.args.get("find", "").replace("\0", "")[:100],
            warn=warn,
            machine=machine,
            draft=draft,
        )


@dataclass(frozen=True)
class Box:
    """What the page shows. `asks`: the chosen reply waits for a day or a time; `english` stands beside the words."""

    typed: Typed
    words: str
    english: str
    key: str
    asks: Offer | None
    offers: Sequence[Offer]
    known: int
    price: str
    may_translate: bool
    parts_of_a_text: int

    @property
    def choosing(self) -> bool:
        return bool(self.typed.find) or self.asks is not None


def of(parts: Parts, found: Family, me: StaffMember, typed: Typed, *, heard: Collection[Barrier] = ()) -> Box:
    """The box as it stands for this family now."""
    values = _values(parts, found, me, typed)
    with parts.database.look() as session:
        offers = replies.offers(
            session,
            parts.replies,
            parts.script.texts,
            found.language,
            values,
            find=typed.find,
            barriers=heard,
        )
    reply = _chosen(parts, typed)
    filled = replies.fill(reply, parts.script.texts, found.language, values) if reply else None
    asks = next((offer for offer in offers if reply and offer.reply is reply), None) if not filled else None
    words = typed.words or (filled.body if filled else "")
    return Box(
        typed=typed,
        words=words,
        english=filled.english if filled and words == filled.body else "",
        key=reply.key if reply and filled else "",
        asks=asks,
        offers=offers,
        known=len(parts.replies),
        price=f"{parts.segment_price:f}" if parts.segment_price else "",
        may_translate=parts.translator is not None and found.language is not Language.ENGLISH,
        parts_of_a_text=segments(sendable(words)) if words else 0,
    )


def reviewed(parts: Parts, found: Family, me: StaffMember, typed: Typed) -> Rendered | None:
    """The reviewed reply that these words are, to the letter; None for anybody's own words."""
    reply = _chosen(parts, typed)
    if reply is None:
        return None
    values = _values(parts, found, me, typed)
    filled = replies.fill(reply, parts.script.texts, found.language, values)
    return filled if filled and filled.body == sendable(typed.words.strip()) else None


def another_language(parts: Parts, found: Family, words: str) -> Language | None:
    """The language these words seem to be in, when it is not the one the family reads."""
    guess = parts.language_of(words, found.language)
    return guess if guess is not None and guess is not found.language else None


def _chosen(parts: Parts, typed: Typed) -> Reply | None:
    return next((reply for reply in parts.replies if reply.key == typed.key), None)


def _values(parts: Parts, found: Family, me: StaffMember, typed: Typed) -> Values:
    return Values(
        students=[student.first_name for student in found.students],
        schools=[found.school] if found.school else [],
        district=parts.script.policy.district_name,
        office_phone=parts.script.policy.office_phone,
        staff=me.name,
        day=typed.day,
        at=typed.at,
    )


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


def _time(written: str) -> time | None:
    try:
        wall = time.fromisoformat(written)
    except ValueError:
        return None
    return wall.replace(tzinfo=None, second=0, microsecond=0)
