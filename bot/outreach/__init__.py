"""The morning: who is due today; the ladder: who never answered, what comes next.

plan   whom the morning asks, in which words, and why each other family is not
fit    what the sender can still send today
run    what was planned is done, for all households at once
due    when a school's morning has come, and when a silence has become an answer
"""

from bot.opening import Household
from bot.outreach.due import run_due, take_silences
from bot.outreach.plan import Plan, plan
from bot.outreach.run import run

__all__ = ["Household", "Plan", "plan", "run", "run_due", "take_silences"]
