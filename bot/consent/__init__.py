"""Who may be texted, about whom, and when: opt-outs, wrong numbers, custody, quiet hours, caps.

said    what was said about texting a number, and its history
reach   whom the morning may ask about a student
door    whether a text may leave at this moment, asked in the transaction that claims it
"""

from bot.consent.door import (
    AUTOMATED,
    Facts,
    Later,
    Leave,
    Refusal,
    barred,
    facts,
    judge,
    number_closed,
    zone_of,
)
from bot.consent.reach import Reachable, asked_enough, reachable
from bot.consent.said import (
    confirm,
    hold,
    mark_line,
    mark_wrong_number,
    mute,
    opt_in,
    opt_out,
    out_of_reach,
    reached,
    release,
    suspend,
    unmute,
)

__all__ = [
    "AUTOMATED",
    "Facts",
    "Later",
    "Leave",
    "Reachable",
    "Refusal",
    "asked_enough",
    "barred",
    "confirm",
    "facts",
    "hold",
    "judge",
    "mark_line",
    "mark_wrong_number",
    "mute",
    "number_closed",
    "opt_in",
    "opt_out",
    "out_of_reach",
    "reachable",
    "reached",
    "release",
    "suspend",
    "unmute",
    "zone_of",
]
