"""The stand-in: a server on this machine that speaks Twilio's Messages API and misbehaves on purpose.

trouble.py    how badly it behaves, and the dice: one seed, the same decisions
rules.py      Twilio's rules that need no state: errors, magic numbers, keywords
book.py       every text that reached a phone
account.py    what it knows: texts, opt-outs, settings
resources.py  the JSON and the forms of all that
posting.py    its signed posts, with Twilio's retries
carrier.py    the life of a text and its receipts; a family's text on its way to us
api.py        the HTTP it answers
running.py    Standin: all of it, in a thread of a test or as a process of its own
"""

from bot.provider.standin.account import Spoken
from bot.provider.standin.book import Entry, read_book
from bot.provider.standin.carrier import Written
from bot.provider.standin.running import Standin
from bot.provider.standin.trouble import MILD, NONE, PRESETS, WILD, Trouble

__all__ = [
    "MILD",
    "NONE",
    "PRESETS",
    "WILD",
    "Entry",
    "Spoken",
    "Standin",
    "Trouble",
    "Written",
    "read_book",
]
