"""Texts of which nobody knows whether they left: the receipt settles them, else the provider's own list.

Twilio has no key that makes a create happen once (TW-42). So a text whose answer was lost is never
handed over again on a guess: only when the provider's whole list for the number, read after it has
had time to come about, has no such text (TW-43, TW-60 to TW-62).
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog

from bot import outbox
from bot.advance import Script
from bot.clock import Clock
from bot.delivery import outcomes
from bot.outbox import InDoubt
from bot.provider import Listed, NotTold, Provider
from bot.store.session import Database
from bot.store.tables import OutboundText

_log = structlog.get_logger(__name__)

# A text is looked for in the list once its own sender's time-out has surely passed.
_LOOK_AFTER = timedelta(seconds=30)
# The provider's clock and ours need not agree to the second.
_CLOCKS_DIFFER = timedelta(minutes=2)
# A list that could not be had for so long will not help this family today.
_ASK_A_PERSON_AFTER = timedelta(hours=1)


def lost_claims(database: Database, *, lease: timedelta, now: datetime) -> int:
    """Claims of a sender that died become unknown; returns how many."""
    with database.begin() as session:
        lost = outbox.release_lost_claims(session, now, lease)
    if lost:
        _log.warning("claims of a dead sender", texts=lost)
    return lost


def settle(database: Database, provider: Provider, *, script: Script, clock: Clock, after: timedelta) -> int:
    """Look up every text in doubt in the provider's list; returns how many are known now.

    One that the list has was sent. One that it still does not have *after* this time was never created
    and is queued for its next attempt, consent and all being asked again when it is claimed.
    """
    with database.begin() as session:
        doubtful = outbox.in_doubt(session, clock() - min(_LOOK_AFTER, after))
    by_number: dict[str, list[InDoubt]] = defaultdict(list)
    for text in doubtful:
        by_number[text.number].append(text)
    settled = 0
    for number, texts in by_number.items():
        try:
            found = provider.sent_to(number, min(text.claimed_at for text in texts) - _CLOCKS_DIFFER)
        except NotTold:
            _log.warning("the provider's list could not be read", texts=len(texts))
            _ask_a_person(database, texts, script, clock())
            continue
        settled += _compare(database, texts, found, script, clock(), after)
    return settled


def _compare(
    database: Database,
    texts: Iterable[InDoubt],
    found: list[Listed],
    script: Script,
    now: datetime,
    after: timedelta,
) -> int:
    settled = 0
    with database.begin() as session:
        # The same words may have gone to one number twice; what belongs to another text is not ours.
        free = sorted(found, key=lambda each: each.created_at)
        taken = outbox.known_sids(session, [each.sid for each in free])
        free = [each for each in free if each.sid not in taken]
        for text in texts:
            match = next((each for each in free if _is(each, text)), None)
            if match is not None:
                free.remove(match)
                outcomes.receipt(
                    session,
                    token=text.token,
                    status=match.status,
                    error_code=match.error_code,
                    provider_sid=match.sid,
                    script=script,
                    now=now,
                )
                _log.info("a text is in the provider's list", text=text.id, attempt=text.attempt)
                settled += 1
            elif text.claimed_at < now - after and outbox.never_left(session, text.id, text.attempt, now):
                _log.info("a text was never created", text=text.id, attempt=text.attempt)
                settled += 1
    return settled


def _is(listed: Listed, text: InDoubt) -> bool:
    return (
        outbox.fingerprint(listed.body) == text.left_as
        and listed.created_at >= text.claimed_at - _CLOCKS_DIFFER
    )


def _ask_a_person(database: Database, texts: list[InDoubt], script: Script, now: datetime) -> None:
    with database.begin() as session:
        for text in texts:
            if text.raised or text.claimed_at > now - _ASK_A_PERSON_AFTER:
                continue
            row = session.get_one(OutboundText, text.id, with_for_update=True)
            row.raised_at = now
            if text.conversation_id is not None:
                outcomes.nobody_knows(session, text.conversation_id, script, now)
