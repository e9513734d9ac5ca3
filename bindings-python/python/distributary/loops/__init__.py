"""The event loops that readers sleep on: one lane for each hub and loop.

A lane knows how to sleep and how to wake in its kind of loop; which readers, and when, the native half decides. The
lanes of a hub are found by the loop that runs, made when a loop first reads, and end with their loop or their hub.
"""

from __future__ import annotations

import itertools
import sys
import threading
from asyncio import _get_running_loop
from typing import Any

from ..errors import WrongLoop
from .lane import SWEEP, Lane
from .on_asyncio import AsyncioLane

__all__ = ["SWEEP", "Lane", "Lanes", "is_running"]

_NUMBERS = itertools.count(1)


class Lanes:
    """The lanes of a hub."""

    __slots__ = ("__weakref__", "_by_loop", "_by_number", "_lock", "_retired", "_slice")

    def __init__(self, slice: float) -> None:
        self._slice = slice
        self._by_loop: dict[int, Lane] = {}
        self._by_number: dict[int, Lane] = {}
        self._lock = threading.Lock()
        self._retired = False

    def here(self) -> Lane:
        """The lane of the running loop, made if there is none.

        Raises:
            WrongLoop: None runs.
        """
        trio = sys.modules.get("trio")
        # First, for a loop of asyncio may host a run of trio.
        if trio is not None and hasattr(trio, "lowlevel") and trio.lowlevel.in_trio_task():
            from .on_trio import TrioLane

            return self._lane(trio.lowlevel.current_trio_token(), TrioLane)
        loop = _get_running_loop()
        if loop is not None:
            return self._lane(loop, AsyncioLane)
        raise WrongLoop(
            "no event loop runs here: read in a coroutine of asyncio or trio, or in a thread with `for event in sub`"
        )

    def come(self, number: int) -> None:
        """Tells the lane of this thread's loop that there is something to do."""
        lane = self._by_number.get(number)
        if lane is not None:
            lane.come()

    def retire(self) -> None:
        """Their hub is over: each leaves its loop as soon as nobody sleeps there."""
        self._retired = True
        for lane in list(self._by_loop.values()):
            lane.retire()

    def _lane(self, loop: Any, make: Any) -> Lane:
        lane = self._by_loop.get(id(loop))
        if lane is not None and not lane.is_over():
            return lane
        with self._lock:
            self._prune()
            number = next(_NUMBERS)
            made: Lane = make(loop, number, self._slice)
            # Holds the loop, so that no other one gets its id.
            self._by_loop[id(loop)] = self._by_number[number] = made
        if self._retired:
            made.retire()
        return made

    def _prune(self) -> None:
        """Lets go of closed loops."""
        for number, lane in list(self._by_number.items()):
            if lane.is_over():
                del self._by_number[number]
                lane.end()
        self._by_loop = {key: lane for key, lane in self._by_loop.items() if not lane.is_over()}

    def __del__(self) -> None:
        self.retire()


def is_running() -> bool:
    """Whether an event loop runs in this thread, which had better not be blocked."""
    if _get_running_loop() is not None:
        return True
    trio = sys.modules.get("trio")
    return trio is not None and hasattr(trio, "lowlevel") and bool(trio.lowlevel.in_trio_run())
