"""How fast a family's words are understood, beside reading them from their file."""

import csv
from pathlib import Path

from benchmarks.measured import Row, in_turn, seconds
from bot.understanding import Understanding

_REPLIES = Path(__file__).resolve().parent.parent / "sample" / "family_replies_dev.csv"


def measure(*, rounds: int = 5, most: int | None = None) -> list[Row]:
    """*most*: only so many of the sample replies."""
    understanding = Understanding.load()
    texts = _texts()[:most]

    def ours() -> None:
        for text in texts:
            understanding.read(text)

    took = in_turn(rounds, {"ours": seconds(ours), "bare": seconds(_texts)})
    return [
        Row(
            "understanding a text, beside reading it from a file",
            "",
            f"{1000 * took['ours'] / len(texts):.2f} ms",
            f"{1000 * took['bare'] / len(texts):.3f} ms",
            took["ours"] / took["bare"],
        )
    ]


def _texts() -> list[str]:
    with _REPLIES.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]
