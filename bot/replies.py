"""The reviewed replies: which ones fit a family, in its language; and who has read each translation."""

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.conversation.replies import Reply
from bot.errors import PresenteError
from bot.language import Language
from bot.store.session import insert_unless_there
from bot.store.tables import ReplyReview, Staff
from bot.texts import Rendered, Texts, Values, placeholders
from bot.vocabulary import Barrier

_LONGEST_NAME = 120
# What stands in a preview for what has not been chosen yet.
_BLANK = "____"


class ReviewRefused(PresenteError):
    """A translation cannot be marked as reviewed so; the message is a sentence for the desk."""


@dataclass(frozen=True)
class Review:
    """`reviewer` has read this very wording; `by` is the staff member who wrote that down."""

    reviewer: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Wording:
    """One reply in one language, with its placeholders. Without `text` the language does not have it yet."""

    reply: Reply
    language: Language
    text: str
    review: Review | None


@dataclass(frozen=True)
class Offer:
    """A reply that fits this family: what it would say, and in English. `asks`: day and time, if it needs them."""

    reply: Reply
    text: str
    english: str
    asks: frozenset[str]
    review: Review | None


def offers(
    session: Session,
    replies: Iterable[Reply],
    texts: Texts,
    language: Language,
    values: Values,
    *,
    find: str = "",
    barriers: Collection[Barrier] = (),
) -> list[Offer]:
    """The replies that can be said to this family in its language: those about its *barriers* first.

    *find*: each of its words must stand in the reply, in English or in the family's language.
    """
    reviews = _reviews(session, [language])
    found = []
    for reply in replies:
        own = texts.translation(reply.line, reply.say, language)
        if own is None or not _can_be_filled(reply, values):
            continue
        wording = Wording(reply, language, own, reviews.get((reply.key, language, _hash(own))))
        if not _matches(find, reply, [own]):
            continue
        asks = placeholders(reply.say) & {"day", "time"}
        found.append(
            Offer(
                reply,
                _preview(own, values),
                _preview(reply.say, values),
                frozenset(asks),
                wording.review,
            )
        )
    return sorted(found, key=lambda offer: not offer.reply.about & set(barriers))


def fill(reply: Reply, texts: Texts, language: Language, values: Values) -> Rendered | None:
    """The reply ready to be read and sent; None when the language lacks it, or something to fill in is missing."""
    needed = placeholders(reply.say)
    ready = ("day" not in needed or values.day is not None) and (
        "time" not in needed or values.at is not None
    )
    if not ready or not _can_be_filled(reply, values):
        return None
    if texts.translation(reply.line, reply.say, language) is None:
        return None
    return texts.render(reply.line, reply.say, values, language)


def book(
    session: Session, replies: Iterable[Reply], texts: Texts, languages: Sequence[Language], find: str = ""
) -> list[tuple[Reply, list[Wording]]]:
    """Every reply with its wording in each of *languages*."""
    reviews = _reviews(session, languages)
    found = []
    for reply in replies:
        own = {language: texts.translation(reply.line, reply.say, language) or "" for language in languages}
        if _matches(find, reply, own.values()):
            wordings = [
                Wording(reply, language, text, reviews.get((reply.key, language, _hash(text))))
                for language, text in own.items()
            ]
            found.append((reply, wordings))
    return found


def mark_reviewed(
    session: Session,
    reply: Reply,
    texts: Texts,
    language: Language,
    *,
    seen: str,
    reviewer: str,
    staff_id: int,
    now: datetime,
) -> None:
    """Keep that *reviewer*, who reads the language, has read this wording; a second time changes nothing.

    *seen* is the wording that stood on the page: another one, from a newer version of the program, is
    not what was read.
    """
    text = texts.translation(reply.line, reply.say, language)
    if text is None:
        raise ReviewRefused(f"There is no {language.english_name} wording of this reply to review yet.")
    if _hash(text) != seen:
        raise ReviewRefused(
            "This wording has changed since the page was opened; read it again, then mark it."
        )
    name = " ".join(reviewer.split())
    if not name or len(name) > _LONGEST_NAME:
        raise ReviewRefused(
            f"Name the person who read it, in at most {_LONGEST_NAME} letters, such as Marta Lopes, teacher."
        )
    values = {
        "key": reply.key,
        "language": language,
        "text_hash": seen,
        "reviewer": name,
        "staff_id": staff_id,
        "at": now,
    }
    session.execute(insert_unless_there(session, ReplyReview, ("key", "language", "text_hash"), values))


def mark_of(text: str) -> str:
    """What a form carries to say which wording was read."""
    return _hash(text)


def _reviews(session: Session, languages: Sequence[Language]) -> Mapping[tuple[str, Language, str], Review]:
    rows = session.execute(
        select(ReplyReview, Staff.name)
        .join(Staff, Staff.id == ReplyReview.staff_id)
        .where(ReplyReview.language.in_(languages))
    )
    return {(row.key, row.language, row.text_hash): Review(row.reviewer, by, row.at) for row, by in rows}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _can_be_filled(reply: Reply, values: Values) -> bool:
    known = {
        "student": bool(values.students),
        "school": bool(values.schools),
        "phone": bool(values.office_phone),
    }
    return all(known.get(name, True) for name in placeholders(reply.say))


def _preview(text: str, values: Values) -> str:
    return text.format_map(
        {
            "student": " / ".join(values.students),
            "school": " / ".join(values.schools),
            "staff": values.staff,
            "phone": values.office_phone,
            "day": _BLANK,
            "time": _BLANK,
        }
    )


def _matches(find: str, reply: Reply, texts: Iterable[str]) -> bool:
    about = " ".join(code.value.replace("_", " ") for code in reply.about)
    within = _plain(" ".join([reply.key.replace("_", " "), reply.say, reply.when, about, *texts]))
    return all(word in within for word in _plain(find).split())


def _plain(text: str) -> str:
    """As somebody types it who has no such keyboard: without accents, in small letters."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
