"""The desk, where staff answer families: who waits, one family, the day's ledger, the stop button."""

from functools import partial
from typing import Any

from flask import Blueprint, current_app

from bot.access import Act
from bot.web import guard
from bot.web.desk import (
    account,
    acts,
    audit,
    calendar,
    cases,
    conversations,
    corrections,
    devices,
    family,
    imports,
    ledger,
    notes,
    one_import,
    ownership,
    partners,
    people,
    pictures,
    queue,
    referrals,
    replies,
    replying,
    reports,
    stop,
    student,
    students,
    tasks,
    today,
    visit,
    visits,
    wishes,
)
from bot.web.parts import Parts

# What stands on top of every page, in this order; a page that does more than read says who may (access.py).
PLACES = (
    ("desk.today", "Today"),
    ("desk.queue", "Queue"),
    ("desk.students", "Students"),
    ("desk.visits", "Visits"),
    ("desk.tasks", "Tasks"),
    ("desk.referrals", "Referrals"),
    ("desk.ledger", "Ledger"),
    ("desk.reports", "Reports"),
    ("desk.imports", "Import"),
    ("desk.calendar", "Calendar"),
    ("desk.replies", "Replies"),
    ("desk.conversations", "Conversations"),
    ("desk.partners", "Partners"),
    ("desk.devices", "Devices"),
    ("desk.people", "Staff"),
    ("desk.audit", "Audit"),
    ("desk.stop", "Stop texts"),
)

# One's own password and sessions; behind one's name.
ACCOUNT = ("desk.account",)


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("desk", __name__, url_prefix="/desk")
    today.add(page, parts)
    queue.add(page, parts)
    family.add(page, parts)
    acts.add(page, parts)
    replying.add(page, parts)
    replies.add(page, parts)
    corrections.add(page, parts)
    ownership.add(page, parts)
    ledger.add(page, parts)
    conversations.add(page, parts)
    pictures.add(page, parts)
    imports.add(page, parts)
    one_import.add(page, parts)
    stop.add(page, parts)
    calendar.add(page, parts)
    wishes.add(page, parts)
    cases.add(page, parts)
    referrals.add(page, parts)
    partners.add(page, parts)
    devices.add(page, parts)
    notes.add(page, parts)
    students.add(page, parts)
    student.add(page, parts)
    visits.add(page, parts)
    visit.add(page, parts)
    tasks.add(page, parts)
    reports.add(page, parts)
    account.add(page, parts)
    people.add(page, parts)
    audit.add(page, parts)

    @page.context_processor
    def _everywhere() -> dict[str, Any]:
        if not guard.is_somebody():
            return {}  # a sentence to somebody who is not signed in
        # The banner is read by the pages that show it, not by every piece of a page.
        return {
            "me": guard.me(),
            "places": [
                (endpoint, label)
                for endpoint, label in PLACES
                if endpoint in current_app.view_functions and guard.may_go(current_app, endpoint)
            ],
            "account": next((name for name in ACCOUNT if name in current_app.view_functions), ""),
            "leads": guard.me().can(Act.APPROVE),
            "simulated": parts.simulated_phones,
            "standstill": partial(stop.standstill, parts),
        }

    return page
