"""Past mornings played again with simulated families and staff, each promise checked at the end of each day.

year      a school year on a throw-away database, in one process
storm     the same in a storm: corrected files, closings, and real processes killed in their work
stage     one process's part of a stormy day
weather   what befalls each day of a storm, made from a seed
town      the simulated district: phones, clock, families who answer, staff who help
book      a provider whose book survives whoever is killed
promises  what must hold at the end of a day
judge     a storm's own judge, which believes the files and the book, not the program
"""

from bot.rehearsal.promises import one_text_once, within_hours
from bot.rehearsal.storm import Tally
from bot.rehearsal.storm import play as play_storm
from bot.rehearsal.year import Summary, Year, replay, scratch_database, scratch_place

__all__ = [
    "Summary",
    "Tally",
    "Year",
    "one_text_once",
    "play_storm",
    "replay",
    "scratch_database",
    "scratch_place",
    "within_hours",
]
