"""What staff write down: trimmed, within a length, and asked about when it may speak of immigration status."""

import re

from bot.errors import PresenteError

# Lines and fields of a form; notes have a length of their own.
LONGEST_LINE = 200
LONGEST_WORDS = 4000

# "ICE" is an agency, "ice" is weather: the one word whose capitals count.
_STATUS = (
    re.compile(
        r"\b(undocumented|illegal (?:immigrant|alien)s?|immigration status|green ?cards?|visas?|asylum"
        r"|deport(?:ed|ation|ing|s)?|daca|uscis|work permits?|overstay(?:ed|ing)?|citizenship|refugees?"
        r"|non-?citizens?|(?:us|u\.s\.|american) citizens?"
        r"|indocumentad[oa]s?|sin (?:papeles|documentos)|la migra|estatus migratorio|tarjeta verde|visado"
        r"|deportar(?:on|an)?|deportaci[oó]n|deportad[oa]s?|asilo|permiso de trabajo|ciudadan[ií]a"
        r"|sem (?:pap[eé]is|documentos)|deportaç[aã]o|cidadania|san papye|depòte|bez papierów)\b",
        re.IGNORECASE,
    ),
    re.compile(r"\bICE\b"),
)


class CaseworkRefused(PresenteError):
    """What a staff member filled in cannot be kept like this; the message is a sentence for the form."""


class StatusMentioned(CaseworkRefused):
    """The words may speak of immigration status: whoever wrote them decides, and the words stay theirs."""


def written(
    words: str, thing: str, *, longest: int = LONGEST_WORDS, needed: bool = False, status_asked: bool = False
) -> str:
    """The words as they are kept. *thing* begins the sentence that refuses them: "The note".

    *status_asked*: whoever wrote them has said that they are about something else.
    Raises CaseworkRefused when they are missing or too long, StatusMentioned when they must be asked about.
    """
    kept = words.replace("\x00", "").replace("\r\n", "\n").strip()
    if needed and not kept:
        raise CaseworkRefused(f"{thing} is empty; write it in a few words.")
    if len(kept) > longest:
        raise CaseworkRefused(
            f"{thing} has {len(kept):,} characters and may have {longest:,}. Shorten it, or write a second one."
        )
    found = status_words(kept)
    if found and not status_asked:
        raise StatusMentioned(
            f"{thing} says {_listed(found)}. Leave immigration status out: it is never asked and never kept. "
            "Take it out, or say below that the words are about something else."
        )
    return kept


def status_words(words: str) -> tuple[str, ...]:
    """What in *words* may speak of somebody's immigration status, as it was written, each once."""
    found = [hit.group() for pattern in _STATUS for hit in pattern.finditer(words)]
    return tuple(dict.fromkeys(found))


def _listed(found: tuple[str, ...]) -> str:
    return " and ".join(f"“{each}”" for each in found[:3])
