"""The morning: who is due today; the ladder: who never answered, what comes next.

plan   whom the morning asks, in which words, and why each other family is not
fit    what the sender can still send today
run    what was planned is done, for all households at once
due    when a school's morning has come, and when a silence has become an answer
corrected   a family was told of an absence that was none
back   a morning is taken back while its questions have not left
"""

from bot.opening import Household
from bot.outreach.back import ask_anew, take_back
from bot.outreach.corrected import correct
from bot.outreach.due import run_due, take_silences
from bot.outreach.plan import Plan, plan
from bot.outreach.run import run

__all__ = [
    "Household",
    "Plan",
    "ask_anew",
    "correct",
    "plan",
    "run",
    "run_due",
    "take_back",
    "take_silences",
]
