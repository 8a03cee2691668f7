"""The ladder: what follows the morning's question until every absent student is accounted for.

cases   where each absent student of today stands, and who belongs to one household
climb   the steps that are due are taken: second guardian, call task, what an answer ends
tasks   the lines at the desk that a step opens, and on which thread
review  what many days lead to: home visit, team review, the text on the day back, gaps in the ledger
repair  the numbers and students that no text can reach, for the office to mend
"""

from bot.ladder.climb import climb
from bot.ladder.repair import Repair, as_csv, repairs

__all__ = ["Repair", "as_csv", "climb", "repairs"]
