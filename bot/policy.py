"""What a district has chosen, as values: hours, windows, names. Made from the settings, handed down."""

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from bot.clock import Window, narrower
from bot.vocabulary import Purpose, PurposeClass

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
    emails: bool = False  # whether a mail server is there for the ladder's letters
    chat_days: int = 14
    correction_texts: bool = False  # whether a family that was told wrongly hears so
    public_url: str = ""
    # What our numbers may send in all, as the provider and the carriers allow (TW-80, TW-81); None: no limit.
    segments_per_second: float | None = None
    segments_a_day: int | None = None
    # Of a morning too long for its window: ask as many families as fit, or nobody (TW-85).
    long_run: Literal["spread", "refuse"] = "spread"
    # Whether "absent, and nobody has said why yet" counts as unexcused before the law (LAW-3).
    unexplained_is_unexcused: bool = False
    # When a case that somebody took comes back to the queue by itself: the family waits so long beyond its
    # time, or its taker has done nothing for so long, both in office hours; with danger, by any clock.
    claim_late: timedelta = timedelta(minutes=30)
    claim_idle: timedelta = timedelta(hours=16)
    claim_urgent: timedelta = timedelta(minutes=15)

    def automatic(self, zone: ZoneInfo) -> Window:
        """When a text that no family just asked for may leave."""
        return narrower(Window(self.window_opens, self.window_closes, zone), Window(*_WIDEST, zone))

    def replies(self, zone: ZoneInfo) -> Window:
        """When an answer to a family that just wrote may leave."""
        return narrower(Window(_WIDEST_REPLY[0], self.reply_closes, zone), Window(*_WIDEST_REPLY, zone))

    def law(self, purpose: Purpose) -> PurposeClass:
        """What a text of this purpose is before the law (LAW-1 to LAW-4)."""
        if purpose is Purpose.SAFETY:
            return PurposeClass.EMERGENCY
        if purpose in (Purpose.CHECK_IN, Purpose.REMINDER) and self.unexplained_is_unexcused:
            return PurposeClass.UNEXCUSED_ABSENCE
        return PurposeClass.MISSION

    def office(self, zone: ZoneInfo) -> Window:
        """When staff answer families."""
        return Window(self.office_opens, self.office_closes, zone)
