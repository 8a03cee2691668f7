"""Files from the school's systems: read, check every row, show the change, apply all or nothing."""

from bot.roster.apply import Approval, import_roster
from bot.roster.attendance import import_attendance
from bot.roster.columns import ColumnMapping, read_columns, suggest, written_columns
from bot.roster.encodings import ENCODINGS
from bot.roster.report import Change, Coverage, FileRefused, Problem, Report
from bot.roster.table import preview
from bot.roster.undo import undo_import

__all__ = [
    "ENCODINGS",
    "Approval",
    "Change",
    "ColumnMapping",
    "Coverage",
    "FileRefused",
    "Problem",
    "Report",
    "import_attendance",
    "import_roster",
    "preview",
    "read_columns",
    "suggest",
    "undo_import",
    "written_columns",
]
