"""The replies that staff may choose from, as flows/replies.yaml says them."""

from dataclasses import dataclass

from bot.vocabulary import Barrier

# What a reply may be filled with. A day and a time are asked of whoever answers; the rest is known.
PLACEHOLDERS = frozenset({"student", "school", "staff", "phone", "day", "time"})


@dataclass(frozen=True)
class Reply:
    """One wording. `when` says when it fits; without `about` it goes with anything."""

    key: str
    say: str
    when: str
    about: frozenset[Barrier]

    @property
    def line(self) -> str:
        """Its key in the catalogues, and beside each text that was sent with it."""
        return f"replies.{self.key}"
