"""What a person reads when an account cannot be changed, or cannot be entered, like this."""

from bot.errors import PresenteError


class StaffRefused(PresenteError):
    """A staff member cannot be added or changed like this; the message says why and what would do."""


class SignInRefused(PresenteError):
    """Nobody comes in like this; the message says why and what would do."""
