"""What the program says in one family's language: a `Say` and the facts it speaks of, rendered."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot import chat_links
from bot.conversation.effects import Say
from bot.language import Language
from bot.policy import Policy
from bot.texts import Rendered, Texts, Values
from bot.vocabulary import Purpose


@dataclass(frozen=True)
class Facts:
    """What a text may name: the first names it is about, their schools, the district (LAW-44)."""

    students: tuple[str, ...]
    schools: tuple[str, ...]
    zone: ZoneInfo
    district: str
    language: Language


def words(
    say: Say, facts: Facts, *, texts: Texts, policy: Policy, now: datetime, promised: datetime | None = None
) -> Rendered:
    """The text of *say*. *promised* is by when a person answers, where the line says so.

    A check-in may end with the way to the family's chat page, on a line of its own; the link itself is
    made when the text leaves.
    """
    values = Values(
        students=list(facts.students),
        schools=list(facts.schools),
        by=promised,
        now=now,
        zone=facts.zone,
        district=facts.district,
        office_phone=policy.office_phone,
        day=say.day,
    )
    rendered = texts.render(say.key, say.line, values, facts.language)
    if say.purpose is Purpose.CHECK_IN and policy.chat_links:
        link = chat_links.address(policy.public_url)
        rendered = texts.with_more(rendered, "chat.link", Values(link=link))
    return rendered
