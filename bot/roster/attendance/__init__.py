"""Attendance files as school systems write them: opened, mapped to one form, checked, applied whole."""

from bot.roster.attendance.applying import import_attendance
from bot.roster.attendance.mapping import Mapping, known, ready

__all__ = ["Mapping", "import_attendance", "known", "ready"]
