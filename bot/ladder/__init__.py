"""The ladder: what follows the morning's question until every absent student is accounted for.

cases   where each absent student of today stands, and who belongs to one household
climb   the steps that are due are taken: second guardian, call task, what an answer ends
tasks   the lines at the desk that a step opens, and on which thread
review  what many days lead to: home visit, team review, the text on the day back, gaps in the ledger
letters  the e-mail to a guardian with an address: written once a day, sent once
once    what is done once a day for each school
thresholds  what measures have come to, told once
repair  the numbers and students that no text can reach, for the office to mend
"""

from bot.ladder.climb import climb
from bot.ladder.letters import send_letters, write_letters
from bot.ladder.repair import Repair, as_csv, repairs
from bot.ladder.tasks import calls_of
from bot.ladder.thresholds import raise_thresholds

__all__ = [
    "Repair",
    "as_csv",
    "calls_of",
    "climb",
    "raise_thresholds",
    "repairs",
    "send_letters",
    "write_letters",
]
