"""What a family's text says: language, intent, barriers, danger, a return date; pure and offline."""

from bot.understanding.identify import Identifier, written_in
from bot.understanding.reader import DATA, Understanding
from bot.understanding.reading import Found, Reading

LANGUAGES = DATA / "model" / "language.json"

__all__ = ["LANGUAGES", "Found", "Identifier", "Reading", "Understanding", "written_in"]
