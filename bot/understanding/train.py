"""Builds the models from the phrase files: the same files give the same bytes.

python -m bot.understanding.train
"""

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot.language import Language
from bot.understanding.features import language_features
from bot.understanding.identify import Identifier
from bot.understanding.linear import Example, Linear, Recipe, learn
from bot.understanding.phrases import Phrase
from bot.understanding.reader import DANGER, DATA, Lexica, all_phrases, features_of, look
from bot.understanding.text import words_of
from bot.vocabulary import Intent

LANGUAGE_RECIPE = Recipe(rounds=6, step=0.3, shrink=1e-6, rare=1, smallest=0.08)
MEANING_RECIPE = Recipe()

_JOINS = (", ", " ", ". ", " y ", " and ", "，")


def build(folder: Path = DATA / "model") -> None:
    """Train both models from the files in the package and write them."""
    phrases = all_phrases()
    lexica = Lexica.load()
    lexica.learn_words(phrases)
    folder.mkdir(exist_ok=True)
    lexica.save_words(folder / "words.txt")
    made_from = fingerprint()
    for name, model in (
        ("language", language_model(phrases)),
        ("meaning", meaning_model(phrases, lexica)),
    ):
        model.made_from = made_from
        model.save(folder / f"{name}.json")


def fingerprint(folder: Path = DATA) -> str:
    """A digest of the files the models are trained on: a model whose digest differs is out of date."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("lexicon/*.txt"), *folder.glob("phrases/*")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def language_model(phrases: Sequence[Phrase]) -> Linear:
    """Learn the languages from whole phrases and from short pieces of them, since texts are short."""
    chance = random.Random(7)
    examples = []
    for phrase in phrases:
        words = words_of(phrase.text)
        if not words:
            continue
        pieces = [words]
        if len(words) > 3:
            size = chance.choice((1, 2, 3))
            at = chance.randrange(len(words) - size)
            pieces.append(words[at : at + size])
        examples += [
            Example(language_features(piece), phrase.language.value, frozenset()) for piece in pieces
        ]
    return learn(examples, LANGUAGE_RECIPE)


def meaning_model(phrases: Sequence[Phrase], lexica: Lexica, recipe: Recipe = MEANING_RECIPE) -> Linear:
    """Learn intents, barriers and danger from the phrases and from pairs of them run together."""
    return learn(meaning_examples([*phrases, *run_together(phrases)], lexica), recipe)


def meaning_examples(phrases: Iterable[Phrase], lexica: Lexica) -> list[Example]:
    return [meaning_example(phrase, lexica) for phrase in phrases]


def meaning_example(phrase: Phrase, lexica: Lexica) -> Example:
    words = words_of(phrase.text)
    languages = list(dict.fromkeys((phrase.language, Language.ENGLISH)))
    seen = look(phrase.text, words, languages, lexica)
    free = {barrier.value for barrier in phrase.barriers}
    if phrase.danger:
        free.add(DANGER)
    return Example(features_of(seen), phrase.intent.value, frozenset(free))


def run_together(phrases: Sequence[Phrase]) -> list[Phrase]:
    """Pairs of reasons in one text: families name several troubles in one breath, phrase lists do not."""
    chance = random.Random(3)
    by_language: dict[Language, list[Phrase]] = {}
    for phrase in phrases:
        if phrase.intent is Intent.GIVE_REASON and not phrase.danger and len(phrase.barriers) == 1:
            by_language.setdefault(phrase.language, []).append(phrase)
    pairs = []
    for listed in by_language.values():
        for first in listed[::3]:
            second = chance.choice(listed)
            if first.barriers != second.barriers:
                text = first.text + chance.choice(_JOINS) + second.text
                both = first.barriers | second.barriers
                pairs.append(Phrase(first.language, text, Intent.GIVE_REASON, both, danger=False))
    return pairs


def load_identifier() -> Identifier:
    return Identifier.from_file(DATA / "model" / "language.json")


if __name__ == "__main__":
    build()
