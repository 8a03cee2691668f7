"""What a district has chosen, as values: hours, windows, names. Made from the settings, handed down."""

from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from bot.clock import Window, narrower

# No law of ours lets an automatic text leave outside these hours; a district may only narrow them (LAW-21).
_WIDEST = (time(8, 0), time(20, 0))
_WIDEST_REPLY = (time(8, 0), time(21, 0))


@dataclass(frozen=True)
class Policy:
    """One district's choices. Times are the school's wall times."""

    district_name: str = ""
    office_phone: str = ""
    window_opens: time = time(8, 0)
    window_closes: time = time(18, 0)
    reply_closes: time = time(21, 0)
    office_opens: time = time(8, 0)
    office_closes: time = time(16, 0)
    hold_untranslated: bool = False
    chat_links: bool = False
    chat_days: int = 14
    public_url: str = ""

    def automatic(self, zone: ZoneInfo) -> Window:
        """When a text that no family just asked for may leave."""
        return narrower(Window(self.window_opens, self.window_closes, zone), Window(*_WIDEST, zone))

    def replies(self, zone: ZoneInfo) -> Window:
        """When an answer to a family that just wrote may leave."""
        return narrower(Window(_WIDEST_REPLY[0], self.reply_closes, zone), Window(*_WIDEST_REPLY, zone))

    def office(self, zone: ZoneInfo) -> Window:
        """When staff answer families."""
        return Window(self.office_opens, self.office_closes, zone)
