"""Tiers: how much of school a student misses, of the days enrolled so far."""

from enum import StrEnum

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, or_, true


class Tier(StrEnum):
    """How much of school a student misses, in Attendance Works' words."""

    SATISFACTORY = "satisfactory"
    AT_RISK = "at_risk"
    MODERATE = "moderate"
    SEVERE = "severe"

    @property
    def label(self) -> str:
        """As staff read it: "at risk"."""
        return self.value.replace("_", " ")


# From which percent of the days enrolled so far; whole numbers, so that a tenth is exactly a tenth.
_FROM_PERCENT = {Tier.SEVERE: 20, Tier.MODERATE: 10, Tier.AT_RISK: 5}
TIERS = list(Tier)


def tier(absent: int, enrolled: int) -> Tier:
    """The tier of so many days absent of so many days enrolled; without an absence it is the first."""
    for found, percent in _FROM_PERCENT.items():
        if absent and absent * 100 >= percent * enrolled:
            return found
    return Tier.SATISFACTORY


def in_tier(
    wanted: Tier, absent: SQLColumnExpression[int], enrolled: SQLColumnExpression[int]
) -> ColumnElement[bool]:
    """The same as a condition, for those who were enrolled at all."""
    above = [percent for found, percent in _FROM_PERCENT.items() if TIERS.index(found) > TIERS.index(wanted)]
    below = and_(true(), *(or_(absent == 0, absent * 100 < percent * enrolled) for percent in above))
    if wanted is Tier.SATISFACTORY:
        return and_(enrolled > 0, below)
    return and_(enrolled > 0, absent > 0, absent * 100 >= _FROM_PERCENT[wanted] * enrolled, below)
