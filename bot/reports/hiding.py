"""Groups of fewer than ten stay hidden, and so does every number from which one could be computed."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

SMALLEST_SHOWN = 10

Place = tuple[int, int]
# A row or a column, as one end of a hidden place.
_Line = tuple[str, int]


def hide(cells: Sequence[Sequence[int]], also: Collection[Place] = ()) -> frozenset[Place]:
    """The places to hide in a table of numbers whose last row and last column are the sums of the others.

    A group of fewer than ten and *also*, and then, the smallest first, what would give one away: the
    rest of a sum, a few hidden in a line that are fewer than ten together, and what follows from several
    sums. A group of nobody hides nobody. It looks at one table: who compares several spans of days has
    the lists behind them anyway.
    """
    size = {(row, column): number for row, line in enumerate(cells) for column, number in enumerate(line)}
    lines = [[(row, column) for column in range(len(line))] for row, line in enumerate(cells)]
    lines += [list(column) for column in zip(*lines, strict=True)]
    hidden = {place for place, number in size.items() if 0 < number < SMALLEST_SHOWN} | set(also)
    while True:
        given_away = _too_few(lines, size, hidden) or _computable(hidden)
        if given_away is None:
            return frozenset(hidden)
        near = {place for line in lines if given_away in line for place in line if size[place]} - hidden
        # A whole row and column are hidden: what is left is the smallest number anywhere.
        others = near or {place for place, number in size.items() if number} - hidden
        if not others:
            return frozenset(hidden)
        hidden.add(min(others, key=lambda place: (size[place], place)))


def _too_few(lines: list[list[Place]], size: dict[Place, int], hidden: set[Place]) -> Place | None:
    """A hidden place of a line whose hidden parts are, by the sum that is shown, fewer than ten together."""
    for line in lines:
        *parts, total = line
        secret = [place for place in parts if place in hidden and size[place]]
        if secret and total not in hidden and sum(size[place] for place in secret) < SMALLEST_SHOWN:
            return secret[0]
    return None


def _computable(hidden: set[Place]) -> Place | None:
    """A hidden place that the sums tell, though no line lacks it alone.

    Each place ties its row to its column. What lies on a ring of hidden places may be more here and less
    there, all around, and no sum changes; what lies on none can be computed.
    """
    ties: dict[_Line, list[tuple[_Line, Place]]] = defaultdict(list)
    for place in sorted(hidden):
        row, column = ("row", place[0]), ("column", place[1])
        ties[row].append((column, place))
        ties[column].append((row, place))
    return next(_on_no_ring(ties), None)


def _on_no_ring(ties: dict[_Line, list[tuple[_Line, Place]]]) -> Iterator[Place]:
    """The bridges of the graph: from behind one no other way leads back (Tarjan's low points)."""
    seen: dict[_Line, int] = {}
    low: dict[_Line, int] = {}
    found: list[Place] = []

    def visit(line: _Line, came_by: Place | None) -> None:
        seen[line] = low[line] = len(seen)
        for other, place in ties[line]:
            if place == came_by:
                continue
            if other not in seen:
                visit(other, place)
                if low[other] > seen[line]:
                    found.append(place)
            low[line] = min(low[line], low[other] if seen[other] > seen[line] else seen[other])

    for line in list(ties):
        if line not in seen:
            visit(line, None)
    yield from found
