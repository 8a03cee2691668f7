"""Texts leave, and what becomes of them is told to ledger and desk.

sender    claims what is due, hands it over from many threads, and records what became of it
outcomes  what a refusal or a receipt means for the family, its number and our sender
settle    texts of which nobody knows whether they left: the provider's list decides
"""

from bot.delivery.outcomes import fetch_receipts, receipt
from bot.delivery.sender import Sender, send_due
from bot.delivery.settle import lost_claims, settle

__all__ = ["Sender", "fetch_receipts", "lost_claims", "receipt", "send_due", "settle"]
