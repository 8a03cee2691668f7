"""Attendance files as school systems write them: opened, mapped to one form, checked, applied whole."""

from bot.roster.attendance.applying import apply_attendance, import_attendance
from bot.roster.attendance.choosing import NoMappingFits
from bot.roster.attendance.comparing import Prepared, prepare_attendance
from bot.roster.attendance.mapping import Mapping, Saved, known, pointed, ready

__all__ = [
    "Mapping",
    "NoMappingFits",
    "Prepared",
    "Saved",
    "apply_attendance",
    "import_attendance",
    "known",
    "pointed",
    "prepare_attendance",
    "ready",
]
