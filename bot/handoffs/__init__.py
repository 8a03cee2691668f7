"""A family waits for a person: open, take, answer, pass on, return, resolve; and by when."""

from bot.handoffs.by_when import OfficeHours, due, half_hour, next_opening, office_hours, zone_of
from bot.handoffs.cases import (
    answered,
    family_wrote,
    is_open,
    open_one,
    passed_on,
    put_back,
    reopen,
    resolve,
    resolve_these,
    resolve_untaken,
    seen,
    take,
    take_these,
)
from bot.handoffs.lines import Asked, Handed, Tally, WaitingFamily, pulse, tally, waiting
from bot.handoffs.why import WHY

__all__ = [
    "WHY",
    "Asked",
    "Handed",
    "OfficeHours",
    "Tally",
    "WaitingFamily",
    "answered",
    "due",
    "family_wrote",
    "half_hour",
    "is_open",
    "next_opening",
    "office_hours",
    "open_one",
    "passed_on",
    "pulse",
    "put_back",
    "reopen",
    "resolve",
    "resolve_these",
    "resolve_untaken",
    "seen",
    "take",
    "take_these",
    "tally",
    "waiting",
    "zone_of",
]
