"""A small linear model: trained by gradient steps in plain Python, kept as readable JSON."""

import json
import math
import random
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Example:
    """What a model learns from: features, the one exclusive label, and any number of free labels."""

    features: Features
    exclusive: str
    free: frozenset[str]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities: of the exclusive labels (they add up to one) and of each free label."""

    exclusive: dict[str, float]
    free: dict[str, float]


class Linear:
    """Weights per feature and label. Exclusive labels compete (softmax); free ones stand alone (logistic)."""

    def __init__(
        self,
        exclusive: Sequence[str],
        free: Sequence[str],
        weights: dict[str, Sequence[float]],
        bias: list[float],
        made_from: str = "",
    ) -> None:
        self.exclusive = list(exclusive)
        self.free = list(free)
        self.weights = weights
        self.bias = bias
        self.made_from = made_from  # a fingerprint of the files it was trained on

    def score(self, features: Features) -> Scores:
        totals = list(self.bias)
        for feature, value in features.items():
            row = self.weights.get(feature)
            if row is not None:
                for index in range(0, len(row), 2):
                    totals[int(row[index])] += row[index + 1] * value
        split = len(self.exclusive)
        return Scores(
            dict(zip(self.exclusive, softmax(totals[:split]), strict=True)),
            {label: sigmoid(total) for label, total in zip(self.free, totals[split:], strict=True)},
        )

    def pull(self, feature: str, label: str) -> float:
        """How strongly *feature* speaks for *label*."""
        index = (self.exclusive + self.free).index(label)
        row = self.weights.get(feature, ())
        return sum(row[at + 1] for at in range(0, len(row), 2) if row[at] == index)

    # Keeping it in a file

    def save(self, path: Path) -> None:
        """One feature a line, sorted: the same phrases give the same bytes, and a change reads as a change."""
        lines = [
            json.dumps(
                {
                    "made_from": self.made_from,
                    "exclusive": self.exclusive,
                    "free": self.free,
                    "bias": self.bias,
                }
            ),
            *(
                json.dumps([feature, *self.weights[feature]], ensure_ascii=False)
                for feature in sorted(self.weights)
            ),
        ]
        path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Linear":
        """Read a line at a time into packed numbers: parsed in one piece it would take four times the memory."""
        with path.open(encoding="utf-8") as lines:
            next(lines)
            head = json.loads(next(lines).rstrip(",\n"))
            weights: dict[str, Sequence[float]] = {}
            for line in lines:
                if line.startswith("["):
                    feature, *row = json.loads(line.rstrip(",\n"))
                    weights[feature] = array("f", row)
        return cls(head["exclusive"], head["free"], weights, head["bias"], head["made_from"])


def softmax(totals: Sequence[float]) -> list[float]:
    top = max(totals)
    powers = [math.exp(total - top) for total in totals]
    whole = sum(powers)
    return [power / whole for power in powers]


def sigmoid(total: float) -> float:
    if total < -40:
        return 0.0
    return 1.0 / (1.0 + math.exp(-total)) if total < 40 else 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained. The numbers were chosen by cross-validation (bot/understanding/score.py)."""

    rounds: int = 5
    step: float = 0.1
    shrink: float = 1e-3
    rare: int = 2  # features seen in fewer examples are left out
    smallest: float = 0.1  # weights below this are not kept
    forget: float = 0.1  # how often a learner may not look at the lexicon, so that the words count too
    forgettable: str = "x:"


class _Learner:
    """AdaGrad over sparse examples; pure Python, so the order of sums, and the file, never changes."""

    def __init__(self, examples: Sequence[Example], recipe: Recipe) -> None:
        self.recipe = recipe
        self.exclusive = sorted({example.exclusive for example in examples})
        self.free = sorted({label for example in examples for label in example.free})
        self.labels = self.exclusive + self.free
        self.place = {label: index for index, label in enumerate(self.labels)}
        seen: dict[str, int] = {}
        for example in examples:
            for feature in example.features:
                seen[feature] = seen.get(feature, 0) + 1
        known = sorted(feature for feature, count in seen.items() if count >= recipe.rare)
        self.features = {feature: index for index, feature in enumerate(known)}
        self.weights = [[0.0] * len(self.labels) for _ in known]
        self.squares = [[1e-2] * len(self.labels) for _ in known]
        self.bias = [0.0] * len(self.labels)
        self.names = known

    def learn(self, examples: Sequence[Example]) -> Linear:
        chance = random.Random(20)
        rows = [self._row(example) for example in examples]
        order = list(range(len(rows)))
        for turn in range(self.recipe.rounds):
            chance.shuffle(order)
            step = self.recipe.step / (1 + 0.15 * turn)
            for index in order:
                lexical, plain, exclusive, free, weight = rows[index]
                pairs = plain if chance.random() < self.recipe.forget else lexical + plain
                self._step(pairs, exclusive, free, step * weight)
        return self._finished()

    def _row(
        self, example: Example
    ) -> tuple[list[tuple[int, float]], list[tuple[int, float]], int, set[int], float]:
        lexical: list[tuple[int, float]] = []
        plain: list[tuple[int, float]] = []
        for feature, value in example.features.items():
            index = self.features.get(feature)
            if index is not None:
                (lexical if feature.startswith(self.recipe.forgettable) else plain).append((index, value))
        free = {self.place[label] for label in example.free}
        return lexical, plain, self.place[example.exclusive], free, example.weight

    def _step(self, pairs: list[tuple[int, float]], exclusive: int, free: set[int], step: float) -> None:
        totals = list(self.bias)
        for index, value in pairs:
            totals = [
                total + weight * value for total, weight in zip(totals, self.weights[index], strict=True)
            ]
        split = len(self.exclusive)
        chances = softmax(totals[:split]) + [sigmoid(total) for total in totals[split:]]
        chances[exclusive] -= 1.0
        for label in free:
            chances[label] -= 1.0
        wrong = [(label, error) for label, error in enumerate(chances) if abs(error) > 0.01]
        for label, error in wrong:
            self.bias[label] -= 0.02 * step * error
        shrink = self.recipe.shrink
        for index, value in pairs:
            weights, squares = self.weights[index], self.squares[index]
            for label, error in wrong:
                slope = error * value + shrink * weights[label]
                squares[label] += slope * slope
                weights[label] -= step * slope / math.sqrt(squares[label])

    def _finished(self) -> Linear:
        kept: dict[str, Sequence[float]] = {}
        for name, row in zip(self.names, self.weights, strict=True):
            pairs = [
                number
                for label, weight in enumerate(row)
                if abs(weight) >= self.recipe.smallest
                for number in (label, round(weight, 3))
            ]
            if pairs:
                kept[name] = pairs
        return Linear(self.exclusive, self.free, kept, [round(value, 3) for value in self.bias])


def learn(examples: Iterable[Example], recipe: Recipe) -> Linear:
    """Train a model; the same examples in the same order give the same model, bit for bit."""
    listed = list(examples)
    return _Learner(listed, recipe).learn(listed)
