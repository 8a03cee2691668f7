"""Everything the reports of one span are made of, read at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.language import Language
from bot.measures import Tier
from bot.policy import Policy
from bot.reports import answers, happened, mornings, returning, tiers
from bot.reports.answers import Replies, Waits
from bot.reports.happened import Counts, Kind
from bot.reports.mornings import Morning
from bot.reports.returning import After, Return
from bot.reports.span import Span
from bot.reports.tiers import Week


@dataclass(frozen=True)
class Whole:
    """The counts of a span, before anything of them is hidden. Schools are their ids."""

    mornings: list[Morning]
    weeks: list[Week]
    newest_tiers: Mapping[int, Mapping[Tier, int]]
    returns: Mapping[After, Mapping[tuple[Return, int], int]]
    happened: Mapping[Kind, Counts]
    replies: Mapping[Language, Replies]
    waits: Mapping[Language, Waits]


def read(session: Session, span: Span, policy: Policy) -> Whole:
    """Read all of it; how many statements that takes does not depend on the span."""
    return Whole(
        mornings=mornings.mornings(session, span),
        weeks=tiers.by_week(session, span),
        newest_tiers=tiers.by_school(session, span),
        returns=returning.returns(session, span),
        happened={kind: happened.count(session, span, kind) for kind in Kind},
        replies=answers.replies(session, span),
        waits=answers.waits(session, span, policy),
    )
