"""Many callers, one go: nobody waits for company, nobody is forgotten, and everybody gets their own answer."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from bot.store.together import Together


class Work:
    """Doubles numbers, slowly enough that others come meanwhile; 13 fails alone, 99 fails all of its go."""

    def __init__(self) -> None:
        self.goes: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int | BaseException]:
        self.goes.append(list(items))
        self.begun.set()
        self.go_on.wait(5)
        if 99 in items:
            raise ConnectionError("away")
        return [ValueError("thirteen") if item == 13 else 2 * item for item in items]


def test_a_caller_alone_is_a_go_of_its_own() -> None:
    work = Work()
    work.go_on.set()
    together = Together(work)

    assert [together(1), together(2)] == [2, 4]
    assert work.goes == [[1], [2]]


def test_who_comes_while_one_is_at_work_shares_the_next_go() -> None:
    work = Work()
    together = Together(work)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(together, 0)
        work.begun.wait(5)
        others = [pool.submit(together, n) for n in range(1, 9)]
        while len(together._waiting) < 8:
            pass
        work.go_on.set()

        assert first.result(5) == 0
        assert [other.result(5) for other in others] == [2 * n for n in range(1, 9)]
    assert work.goes[0] == [0]
    assert sorted(work.goes[1]) == list(range(1, 9))


def test_who_comes_while_one_waits_for_its_turn_goes_with_it() -> None:
    work, waits, may_go = Work(), threading.Event(), threading.Event()
    work.go_on.set()

    @contextmanager
    def turn() -> Iterator[None]:
        waits.set()
        may_go.wait(5)
        yield

    together = Together(work, turn=turn)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(together, 1)
        waits.wait(5)
        second = pool.submit(together, 2)
        while len(together._waiting) < 1:
            pass
        may_go.set()
        assert (first.result(5), second.result(5)) == (2, 4)

    assert work.goes == [[1, 2]]


def test_no_go_is_larger_than_allowed() -> None:
    work = Work()
    together = Together(work, most=3)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(together, 0)
        work.begun.wait(5)
        others = [pool.submit(together, n) for n in range(1, 9)]
        while len(together._waiting) < 8:
            pass
        work.go_on.set()
        assert {other.result(5) for other in [first, *others]} == {2 * n for n in range(9)}

    assert [len(go) for go in work.goes] == [1, 3, 3, 2]


def test_one_failure_is_its_own_callers_and_the_others_have_their_answers() -> None:
    work = Work()
    together = Together(work)
    with ThreadPoolExecutor(4) as pool:
        pool.submit(together, 0)
        work.begun.wait(5)
        good, bad = pool.submit(together, 1), pool.submit(together, 13)
        while len(together._waiting) < 2:
            pass
        work.go_on.set()

        assert good.result(5) == 2
        with pytest.raises(ValueError, match="thirteen"):
            bad.result(5)


def test_a_go_that_fails_fails_for_all_in_it_and_the_next_is_not_touched() -> None:
    work = Work()
    together = Together(work)
    with ThreadPoolExecutor(4) as pool:
        pool.submit(together, 0)
        work.begun.wait(5)
        both = [pool.submit(together, 1), pool.submit(together, 99)]
        while len(together._waiting) < 2:
            pass
        work.go_on.set()
        for one in both:
            with pytest.raises(ConnectionError):
                one.result(5)

    assert together(5) == 10


def test_a_turn_that_never_comes_fails_whoever_waited_for_it() -> None:
    @contextmanager
    def turn() -> Iterator[None]:
        raise OSError("the file is gone")
        yield

    together: Together[int, int] = Together(Work(), turn=turn)

    with pytest.raises(OSError, match="gone"):
        together(1)
    with pytest.raises(OSError, match="gone"):
        together(2)


def test_under_a_storm_every_caller_gets_the_answer_to_its_own_question() -> None:
    sizes: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return [item * item for item in items]

    together = Together(work)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(together, range(5000))) == [n * n for n in range(5000)]
    assert sum(sizes) == 5000
