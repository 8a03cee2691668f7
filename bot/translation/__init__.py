"""A machine's translation, asked of a server that the district itself runs; by default there is none.

port            what is asked of such a server, and what it may answer
libretranslate  a server that speaks LibreTranslate's API
kept            what was translated once, so that the server is asked once
"""

from bot.translation.kept import keep, kept
from bot.translation.port import Translated, Translator, Unavailable

__all__ = ["Translated", "Translator", "Unavailable", "keep", "kept"]
