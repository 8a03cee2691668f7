"""The four-turn talk that every peer plays: asked, the reason, the day of return, thanks."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

ASKED = "Burns School: we missed Maya today. Is everything OK? Answer in your own words."
WHEN = "Thank you for telling us. We hope Maya feels better soon. When will Maya be back?"
EXPECTED = "Thank you. We expect Maya back on {day}. Write here if anything changes."
CLOSING = "You are welcome. We look forward to {day}."

# What comes in, and what must be answered. The first turn is the school's own.
TALK: tuple[tuple[str, str], ...] = (
    ("", ASKED),
    ("she has a fever", WHEN),
    ("monday", EXPECTED.format(day="monday")),
    ("thank you", CLOSING.format(day="monday")),
)

# (family, words) -> what is answered: one turn, and its state is in the file when it returns.
Take = Callable[[str, str], Awaitable[str]]


async def play(families: int, take: Take) -> float:
    """Play the talk with every family, turn by turn; returns turns a second.

    All families are at the same turn before the next begins, as on a morning, so that no peer finds
    the talk it has just left in its own memory. Raises ValueError at the first wrong answer.
    """
    names = [f"family-{n}" for n in range(families)]
    began = time.perf_counter()
    for words, expected in TALK:
        for name in names:
            said = await take(name, words)
            if said != expected:
                raise ValueError(f"{name} was answered {said!r}; expected {expected!r}")
    return families * len(TALK) / (time.perf_counter() - began)


async def survives_restarts(make: Callable[[], Take]) -> None:
    """Play one talk with everything built anew for each of its turns.

    What is answered then can only come from the file. Raises ValueError for a peer that keeps its
    state in memory.
    """
    for words, expected in TALK:
        said = await make()("the first family", words)
        if said != expected:
            raise ValueError(f"after a restart {words!r} was answered {said!r}; expected {expected!r}")


def main(make: Callable[[str], Take]) -> None:
    """What a peer's own process does, with a database file and a number of families. Prints JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("file")
    arguments.add_argument("families", type=int)
    chosen = arguments.parse_args()

    async def measure() -> float:
        await survives_restarts(lambda: make(chosen.file))
        return await play(chosen.families, make(chosen.file))

    json.dump({"turns_per_second": asyncio.run(measure())}, sys.stdout)
