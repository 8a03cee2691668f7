"""Files from the school's systems: read, check every row, show the change, apply all or nothing."""

from bot.roster.apply import import_roster
from bot.roster.attendance_file import import_attendance
from bot.roster.report import Change, Coverage, FileRefused, Problem, Report

__all__ = [
    "Change",
    "Coverage",
    "FileRefused",
    "Problem",
    "Report",
    "import_attendance",
    "import_roster",
]
