"""What the models look at: words, pairs of words, pieces of words, and the signs of the lexicon."""

from collections.abc import Collection, Sequence

from bot.understanding.lexicon import Hit, Spelled
from bot.understanding.text import Word, is_han

_SHORT = 4

# A sign of the lexicon was written by a person who meant it; a piece of a word was merely counted.
_SIGN = 5.0


def meaning_features(
    spelled: Spelled, hits: Sequence[Hit], only: Collection[str], text: str, prefix: str
) -> dict[str, float]:
    """The features of one text for the model of intents, barriers and danger.

    Long words carry no language mark, so that "hospital" or "wifi" is learned once for all; short
    words and pieces carry *prefix*, since "no" and "me" mean other things elsewhere.
    """
    forms = spelled.forms
    found: dict[str, float] = {}
    for index in range(len(forms)):
        for feature in word_features(forms, index, prefix):
            found[feature] = 1.0
    for hit in hits:
        found[f"x:{hit.section}"] = _SIGN
        if hit.sure:
            found[f"x:{hit.section}!"] = _SIGN
    alarms = {hit.first for hit in hits if hit.section == "alarm"}
    for count in range(2, min(len(alarms), 4) + 1):
        found[f"x:alarm {count}"] = _SIGN
    for section in only:
        found[f"x:only {section}"] = _SIGN
    if not hits:
        found["x:nothing"] = _SIGN
    found[f"n:{min(len(forms) // 3, 6)}"] = 1.0
    if "?" in text or "؟" in text or "？" in text:
        found["?"] = 1.0
        if text.rstrip(" .!😂🙏")[-1:] in "?؟？":
            found["?$"] = 1.0
    return found


def word_features(forms: Sequence[str], index: int, prefix: str) -> list[str]:
    """The features that the word at *index* brings: itself, with its neighbour, and its pieces."""
    form = forms[index]
    after = forms[index + 1] if index + 1 < len(forms) else "$"
    later = forms[index + 2] if index + 2 < len(forms) else "$"
    found = [
        form if len(form) >= _SHORT else f"{prefix}:{form}",
        f"{prefix}:{form} {after}",
        f"{prefix}:{form} {after} {later}",
    ]
    if index == 0:
        found.append(f"{prefix}:^ {form}")
    if is_han(form):
        return found
    whole = f"^{form}$"
    for size in (3, 4):
        found += [f"{prefix}~{whole[at : at + size]}" for at in range(len(whole) - size + 1)]
    return found


def language_features(words: Sequence[Word]) -> dict[str, float]:
    """The features of one text for the model of languages: exact and folded words, and pieces of them."""
    found: dict[str, float] = {}
    for word in words:
        if not word.form[0].isalnum() or word.form.isdigit():
            continue
        found[f"={word.form}"] = 1.0
        if word.exact != word.form:
            found[f"={word.exact}"] = 1.0
        for kind, written in (("", word.form), ("'", word.exact)):
            whole = f"^{written}$"
            for size in (1, 2, 3, 4):
                for at in range(len(whole) - size + 1):
                    piece = whole[at : at + size]
                    if kind and piece.isascii():
                        continue
                    found[piece] = found.get(piece, 0.0) + 1.0
    scale = 12.0 / (sum(found.values()) + 4.0)
    return {
        feature: value if feature.startswith("=") else min(value * scale, 2.0)
        for feature, value in found.items()
    }
