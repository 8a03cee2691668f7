"""The formats of attendance files: each one is opened here and comes out as one sheet of text."""

from bot.roster.attendance.shapes.sheet import OfDate, OfNumber, Sheet, same_name

__all__ = ["OfDate", "OfNumber", "Sheet", "same_name"]
