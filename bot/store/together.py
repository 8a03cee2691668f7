"""One go for many callers: whatever waits while a transaction runs shares the next one."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    """A caller's item, and the lock it sleeps on until the item is done or it is its turn to lead."""

    __slots__ = ("done", "item", "outcome", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: list[Result | BaseException] = []
        self.done = False
        self.woken = threading.Lock()
        self.woken.acquire()


class Together(Generic[Item, Result]):
    """Does many callers' items in one go, in the thread of one of them.

    A caller who finds a place begins at once, so that nobody waits for company: *at_once* of them may
    be at work. Who comes meanwhile waits, and all of them are one go of the next who has done. Under
    load a database then commits once for many callers instead of once for each.

    *do* gets the items in the order they came and returns what each caller gets; an exception among
    the results is raised in its own caller only, one that *do* raises in all of them. Who comes while
    one still waits for its turn, inside *turn*, goes with it.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Item]], Sequence[Result | BaseException]],
        *,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
        at_once: int = 1,
        most: int = 50,
    ) -> None:
        self._do = do
        self._turn = turn
        self._places = at_once
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Item, Result]] = []

    def __call__(self, item: Item) -> Result:
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._lock:
            begins = self._places > 0
            if begins:
                self._places -= 1
            else:
                self._waiting.append(mine)
        if not begins:
            mine.woken.acquire()
        if not mine.done:
            self._lead(mine)
        (outcome,) = mine.outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _lead(self, mine: _Waiting[Item, Result]) -> None:
        """Do one's own item and what waits; then leave the place to the next in line."""
        batch = [mine]
        outcomes: Sequence[Result | BaseException]
        try:
            with self._turn():
                batch += self._drawn()
                outcomes = self._do([one.item for one in batch])
        except BaseException as failed:  # noqa: BLE001 - every caller is told, or it would sleep for ever
            outcomes = [failed] * len(batch)
        for one, outcome in zip(batch, outcomes, strict=True):
            one.outcome.append(outcome)
            one.done = True
        with self._lock:
            heir = self._waiting.pop(0) if self._waiting else None
            if heir is None:
                self._places += 1
        if heir is not None:
            heir.woken.release()
        for one in batch[1:]:
            one.woken.release()

    def _drawn(self) -> list[_Waiting[Item, Result]]:
        with self._lock:
            drawn, self._waiting = self._waiting[: self._most - 1], self._waiting[self._most - 1 :]
        return drawn
