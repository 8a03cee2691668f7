"""Texts that must leave: queue, claim, send, and what became of each.

queue    a text is a row first, written in the transaction that decided to send it
claim    a batch is taken to be handed over; consent, pace and the stop button are asked there
pace     how fast and how much a sender may send, and its breaker
record   what became of each text that was taken, and the provider's receipts
"""

from bot.outbox.claim import Batch, Claimed, NotSent, anything_due, claim, fingerprint
from bot.outbox.pace import Closed, Pace, closed, next_day, note_fault, note_success
from bot.outbox.queue import drop_queued, queue, queue_all, row, send_unread_to_the_phone
from bot.outbox.record import (
    InDoubt,
    Learned,
    Taken,
    in_doubt,
    known_sids,
    never_left,
    put_back,
    record_receipt,
    record_refused,
    record_taken,
    record_unknown,
    release_lost_claims,
)

__all__ = [
    "Batch",
    "Claimed",
    "Closed",
    "InDoubt",
    "Learned",
    "NotSent",
    "Pace",
    "Taken",
    "anything_due",
    "claim",
    "closed",
    "drop_queued",
    "fingerprint",
    "in_doubt",
    "known_sids",
    "never_left",
    "next_day",
    "note_fault",
    "note_success",
    "put_back",
    "queue",
    "queue_all",
    "record_receipt",
    "record_refused",
    "record_taken",
    "record_unknown",
    "release_lost_claims",
    "row",
    "send_unread_to_the_phone",
]
