"""The desk, where staff answer families: who waits, one family, the day's ledger, the stop button."""

from functools import partial
from typing import Any

from flask import Blueprint

from bot.web import guard
from bot.web.desk import acts, conversations, family, ledger, pictures, queue, stop, wishes
from bot.web.parts import Parts


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("desk", __name__, url_prefix="/desk")
    queue.add(page, parts)
    family.add(page, parts)
    acts.add(page, parts)
    ledger.add(page, parts)
    conversations.add(page, parts)
    pictures.add(page, parts)
    stop.add(page, parts)
    wishes.add(page, parts)

    @page.context_processor
    def _everywhere() -> dict[str, Any]:
        # The banner is read by the pages that show it, not by every piece of a page.
        return {
            "me": guard.me(),
            "simulated": parts.simulated_phones,
            "standstill": partial(stop.standstill, parts),
        }

    return page
