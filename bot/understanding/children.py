"""Which of a guardian's children a text speaks of: the first names given, however typed."""

from collections.abc import Sequence

from rapidfuzz.distance import OSA

from bot.understanding.text import Word, words_of

_SLIP_ALLOWED_FROM = 4


def named_in(words: Sequence[Word], names: Sequence[str]) -> tuple[str, ...]:
    """Those of *names* that the text speaks of, in the order given; case, accents and one slip forgiven.

    A slip is not forgiven when it would make one child another ("Ana" is not "Eva", and with both
    Maria and Mario in the family each name must be typed right).
    """
    forms = [word.form.replace("'", "") for word in words]
    wanted = {name: [word.form.replace("'", "") for word in words_of(name)] for name in names}
    exact = {name for name, parts in wanted.items() if parts and _contains(forms, parts)}
    found = []
    for name, parts in wanted.items():
        others = {"".join(other) for another, other in wanted.items() if another != name}
        if name in exact or (parts and _nearly(forms, "".join(parts), others)):
            found.append(name)
    return tuple(found)


def _contains(forms: Sequence[str], parts: Sequence[str]) -> bool:
    size = len(parts)
    if any(list(forms[at : at + size]) == list(parts) for at in range(len(forms) - size + 1)):
        return True
    joined = "".join(parts)
    possessive = joined + "s"
    return len(joined) > 1 and any(form in {joined, possessive} for form in forms)


def _nearly(forms: Sequence[str], name: str, others: set[str]) -> bool:
    if len(name) < _SLIP_ALLOWED_FROM:
        return False
    for form in forms:
        if form in others or len(form) < _SLIP_ALLOWED_FROM or form[0] != name[0]:
            continue
        if OSA.distance(form, name, score_cutoff=1) <= 1 and not any(
            OSA.distance(form, other, score_cutoff=1) <= 1 for other in others
        ):
            return True
    return False
