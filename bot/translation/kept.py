"""What a machine has translated once, so that the server is asked once for the same words."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.language import Language
from bot.store.session import insert_unless_there
from bot.store.tables import MachineTranslation

_NOBODY_KNOWS = "auto"

Source = tuple[str, Language | None]  # the words, and the language they are in if it is known


def kept(session: Session, texts: Iterable[Source], target: Language) -> Mapping[Source, str]:
    """Of these texts, those that were translated before."""
    wanted = {(_hash(words), _code(source)): (words, source) for words, source in texts}
    if not wanted:
        return {}
    rows = session.scalars(
        select(MachineTranslation).where(
            MachineTranslation.text_hash.in_({text_hash for text_hash, _ in wanted}),
            MachineTranslation.target == target,
        )
    )
    return {
        wanted[row.text_hash, row.source]: row.words for row in rows if (row.text_hash, row.source) in wanted
    }


def keep(session: Session, text: Source, target: Language, translated: str, now: datetime) -> None:
    """Keep a translation; of two that come at once the first stays."""
    words, source = text
    values = {
        "text_hash": _hash(words),
        "source": _code(source),
        "target": target,
        "words": translated,
        "at": now,
    }
    session.execute(
        insert_unless_there(session, MachineTranslation, ("text_hash", "source", "target"), values)
    )


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


def _code(source: Language | None) -> str:
    return source.value if source else _NOBODY_KNOWS
