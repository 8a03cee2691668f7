"""What a family's text says: language, intent, barriers, danger, a return date; pure and offline."""

from bot.understanding.reader import Understanding
from bot.understanding.reading import Found, Reading

__all__ = ["Found", "Reading", "Understanding"]
