"""Days enrolled and absent so far: rates, chronic absence, tiers, streaks, and Connecticut's truancy marks.

A school day is one that the calendar of the student's school teaches on (CT-4); a school year begins on
1 July (OR-8). Everything here is for staff. None of it belongs in a family's text (promise 9).
"""

from bot.measures.crossing import Crossing, crossed, raise_once
from bot.measures.standing import Standing, TruancyMark, standings, tiers_by_week
from bot.measures.tiers import Tier, in_tier, tier
from bot.measures.years import school_year

__all__ = [
    "Crossing",
    "Standing",
    "Tier",
    "TruancyMark",
    "crossed",
    "in_tier",
    "raise_once",
    "school_year",
    "standings",
    "tier",
    "tiers_by_week",
]
