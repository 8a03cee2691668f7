"""No number of a report tells how many there are in a group of fewer than ten (reports/hiding.py)."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.reports.hiding import SMALLEST_SHOWN, Place, hide


def with_sums(parts: list[list[int]]) -> list[list[int]]:
    rows = [[*row, sum(row)] for row in parts]
    return [*rows, [sum(column) for column in zip(*rows, strict=True)]]


tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.lists(st.one_of(st.integers(0, 15), st.integers(0, 60)), min_size=width, max_size=width),
        min_size=1,
        max_size=5,
    )
)


def computable(cells: list[list[int]], hidden: frozenset[Place]) -> set[Place]:
    """What follows from the sums, by solving all equations of the table at once."""
    order = {place: n for n, place in enumerate(sorted(hidden))}
    rows, columns = range(len(cells)), range(len(cells[0]))
    lines = [[(row, column) for column in columns] for row in rows]
    lines += [[(row, column) for row in rows] for column in columns]
    equations = []
    for *parts, total in lines:
        equation = [Fraction(0)] * len(order)
        for place in parts:
            if place in order:
                equation[order[place]] += 1
        if total in order:
            equation[order[total]] -= 1
        equations.append(equation)
    done = 0
    for column in range(len(order)):
        found = next((n for n in range(done, len(equations)) if equations[n][column]), None)
        if found is None:
            continue
        equations[done], equations[found] = equations[found], equations[done]
        equations[done] = [factor / equations[done][column] for factor in equations[done]]
        for n in range(len(equations)):
            if n != done and equations[n][column]:
                times = equations[n][column]
                equations[n] = [a - times * b for a, b in zip(equations[n], equations[done], strict=True)]
        done += 1
    alone = [[n for n, factor in enumerate(each) if factor] for each in equations]
    known = {line[0] for line in alone if len(line) == 1}
    return {place for place, n in order.items() if n in known}


@given(tables)
@settings(max_examples=300)
def test_nothing_hidden_can_be_computed_from_what_is_shown(parts: list[list[int]]) -> None:
    cells = with_sums(parts)
    hidden = hide(cells)

    size = {(row, column): n for row, line in enumerate(cells) for column, n in enumerate(line)}
    assert {place for place, n in size.items() if 0 < n < SMALLEST_SHOWN} <= hidden
    # Where every number is hidden there is nothing to compute from.
    if {place for place, n in size.items() if n} - hidden:
        assert not {place for place in computable(cells, hidden) if size[place]}


@given(tables)
@settings(max_examples=100)
def test_what_is_hidden_of_a_shown_sum_is_no_small_group_together(parts: list[list[int]]) -> None:
    cells = with_sums(parts)
    hidden = hide(cells)

    for row, line in enumerate(cells):
        secret = [n for column, n in enumerate(line[:-1]) if (row, column) in hidden]
        if sum(secret) and (row, len(line) - 1) not in hidden:
            assert sum(secret) >= SMALLEST_SHOWN


def test_large_groups_are_all_shown_and_nobody_is_no_group() -> None:
    assert not hide(with_sums([[10, 0, 25], [40, 12, 0]]))


@pytest.mark.parametrize("number", range(1, SMALLEST_SHOWN))
def test_one_small_group_takes_another_with_it(number: int) -> None:
    hidden = hide(with_sums([[number, 30, 80]]))

    assert (0, 0) in hidden
    assert (0, 1) in hidden


def test_a_table_of_forty_schools_is_quick() -> None:
    """Every barrier at every school, most of them a few: what a large district looks like in a week."""
    parts = [[(row * 7 + column * 11) % 23 for column in range(40)] for row in range(23)]

    assert hide(with_sums(parts))
