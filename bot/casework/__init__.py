"""What people do: calls, home visits, tasks, referrals, devices, notes and plans."""

from bot.casework.calls import log_call

__all__ = ["log_call"]
