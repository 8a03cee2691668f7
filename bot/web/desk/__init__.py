"""The desk, where staff answer families: who waits, one family, the day's ledger, the stop button."""

from functools import partial
from typing import Any

from flask import Blueprint, current_app

from bot.web import guard
from bot.web.desk import acts, conversations, family, ledger, pictures, queue, stop, wishes
from bot.web.parts import Parts

# What stands on top of every page, in this order; a page that does more than read says who may (access.py).
PLACES = (
    ("desk.today", "Today"),
    ("desk.queue", "Queue"),
    ("desk.students", "Students"),
    ("desk.visits", "Visits"),
    ("desk.referrals", "Referrals"),
    ("desk.ledger", "Ledger"),
    ("desk.reports", "Reports"),
    ("desk.imports", "Import"),
    ("desk.calendar", "Calendar"),
    ("desk.replies", "Replies"),
    ("desk.conversations", "Conversations"),
    ("desk.partners", "Partners"),
    ("desk.people", "Staff"),
    ("desk.audit", "Audit"),
    ("desk.stop", "Stop texts"),
)


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
            "places": [
                (endpoint, label)
                for endpoint, label in PLACES
                if endpoint in current_app.view_functions and guard.may_go(current_app, endpoint)
            ],
            "simulated": parts.simulated_phones,
            "standstill": partial(stop.standstill, parts),
        }

    return page
