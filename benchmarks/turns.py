"""Whole turns: a four-turn talk per family through the tables, understanding aside; and the turn alone.

`python -m benchmarks.turns` prints both, on each database that answers.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from app import log_to_stderr
from benchmarks import district
from benchmarks.databases import MIGRATIONS, NAMES, kinds, scratch
from bot import arrivals, inbound
from bot.advance import Script, begin, heard, open_conversation
from bot.clock import school_day
from bot.conversation.load import load
from bot.conversation.state import Begin, Child, NotStarted, from_json, to_json
from bot.conversation.turn import turn
from bot.language import Language
from bot.policy import Policy
from bot.store.session import Database
from bot.store.tables import OutboundText
from bot.texts import Texts
from bot.understanding import Reading, Understanding
from bot.understanding.reading import Found
from bot.vocabulary import Barrier, Intent

_ZONE = ZoneInfo("America/New_York")
_NOW = datetime(2021, 10, 22, 13, 30, tzinfo=UTC)  # Friday, half past nine in Hartford

_NOTHING = Reading(
    language=Language.ENGLISH,
    keyword=None,
    choice=None,
    intent=Intent.UNCLEAR,
    barriers=(),
    danger=None,
    whereabouts=None,
    wants_person=False,
    may_mean_stop=False,
    wants_language=None,
    returns_on=None,
    named=(),
    everyone=False,
)

# What a family writes after the morning's question, and how it is read.
TALK = {
    "she has a fever": replace(
        _NOTHING, intent=Intent.GIVE_REASON, barriers=(Found(Barrier.ILLNESS, "fever"),)
    ),
    "monday": replace(_NOTHING, intent=Intent.GIVE_REASON, returns_on=date(2021, 10, 25)),
    "thank you": replace(_NOTHING, intent=Intent.THANKS),
}


class _Prepared(Understanding):
    """Knows the readings of this talk beforehand, so that only the turn is measured."""

    def __init__(self) -> None:
        pass

    def read(self, words: str, **_expected: Any) -> Reading:
        return TALK[words]


def whole_turns(database: Database, script: Script, *, families: int = 400) -> float:
    """Play the talk with every family and return turns a second; *database* must be empty and is written to.

    Four turns a family: asked, why, which day, thanks; one transaction each, by the road every text
    takes. A text has been stored before its turn, as the webhook does, and that is not counted; nor
    is understanding. Raises ValueError when anything else is answered than the talk has it.
    """
    district.fill(database, families, zone=_ZONE, script=script, now=_NOW - timedelta(hours=1))
    took = _seconds(lambda: _ask(database, script, families))
    for number, words in enumerate(TALK, 1):
        now = _NOW + timedelta(minutes=2 * number)
        _write(database, families, words, now)
        took += _seconds(lambda now=now: _take(database, script, families, now))  # type: ignore[misc]
    _check(database, families)
    return (1 + len(TALK)) * families / took


def pure_turns(script: Script, *, talks: int = 500) -> float:
    """The same talk in memory, the state through JSON before each turn as the tables have it; turns a second."""
    maya = (Child(1, "Maya"),)
    messages = [heard(words, reading, maya) for words, reading in TALK.items()]

    def play() -> None:
        for _ in range(talks):
            state = NotStarted(maya)
            kept = json.dumps(to_json(turn(state, Begin(maya), script.flows)[0]))
            for message in messages:
                after, _effects = turn(from_json(json.loads(kept)), message, script.flows)
                kept = json.dumps(to_json(after))

    return talks * (1 + len(messages)) / _seconds(play)


def _ask(database: Database, script: Script, families: int) -> None:
    with database.in_a_row() as transaction:
        for family in range(1, families + 1):
            with transaction() as session:
                opened = open_conversation(
                    session,
                    phone_id=family,
                    guardian_id=family,
                    school_id=1,
                    students=[family],
                    day=school_day(_NOW, _ZONE),
                    language=Language.ENGLISH,
                    script=script,
                    now=_NOW,
                )
                begin(session, opened, script=script, now=_NOW)


def _write(database: Database, families: int, words: str, now: datetime) -> None:
    """Every family writes; stored before its turn, and in one go, because this is not measured."""
    with database.begin() as session:
        for family in range(1, families + 1):
            arrivals.receive(
                session,
                provider_sid=f"SM{family:024x}{hash(words) % 16**8:08x}",
                sender=district.number_of(family),
                words=words,
                now=now,
            )


def _take(database: Database, script: Script, families: int, now: datetime) -> None:
    understanding = _Prepared()
    left = families
    while left:
        taken = inbound.take_turns(database, script=script, understanding=understanding, now=now)
        if not taken:
            raise ValueError(f"{left} texts were not taken")
        left -= taken


def _check(database: Database, families: int) -> None:
    with database.begin() as session:
        rows = session.execute(
            select(OutboundText.key, func.count())
            .where(OutboundText.queued_at >= _NOW)
            .group_by(OutboundText.key)
        )
        said = {key: number for key, number in rows}
    expected = dict.fromkeys(("absence_check.check_in", "illness.thanks", "illness.back_on"), families)
    if said != expected:
        raise ValueError(f"the families were answered {said}; expected {expected}")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(rounds: Sequence[int] = range(3)) -> None:
    log_to_stderr("error")
    root = MIGRATIONS.parent
    script = Script(
        load(root / "flows"), Texts.load(root / "locales"), Policy(district_name="Grand Bend ISD")
    )
    print(f"the turn alone: {max(pure_turns(script) for _ in rounds):,.0f} a second")
    for kind in kinds():
        best = 0.0
        for _ in rounds:
            with scratch(kind) as (database, _address):
                best = max(best, whole_turns(database, script))
        print(f"whole turns on {NAMES[kind]}: {best:,.0f} a second")


if __name__ == "__main__":
    main()
