"""The event loops that readers sleep on: one lane for each hub and loop.

A lane knows how to sleep and how to wake in its kind of loop; which readers, and when, the native half decides. The
lanes of a hub are found by the loop that runs, made when a loop first reads, and end with their loop or their hub.
"""

from __future__ import annotations

import itertools
import sys
import threading
from asyncio import _get_running_loop
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import WrongLoop

if TYPE_CHECKING:
    from .. import _native
    from ..subscription import Subscription

__all__ = ["SWEEP", "Lane", "Lanes", "is_running"]

#: Seconds that an event is kept for further readers, at least; at most twice as many.
SWEEP = 0.25

_NUMBERS = itertools.count(1)


class Lane(Protocol):
    """One event loop's share of a hub. All of it is for the loop's own thread, but for `is_over` and `retire`."""

    #: The native half.
    native: _native.Lane

    def is_current(self) -> bool:
        """Whether the caller runs in its loop."""

    def is_over(self) -> bool:
        """Whether its loop will never run again."""

    def come(self) -> None:
        """There is something to do."""

    def lay(self, sub: Subscription[Any], count: int = 1) -> Awaitable[object] | None:
        """Lays the reader to sleep until `count` events may be there. None: they are. What it gives is to be awaited at
        once, and tells by `sub._bed` that somebody sleeps."""

    async def sleep(self, sub: Subscription[Any]) -> None:
        """Sleeps until a read of the subscription may give something."""

    async def linger(self, sub: Subscription[Any], count: int, seconds: float) -> None:
        """Sleeps until `count` events may be there, at most so many seconds."""

    def is_cancelled(self, bed: Any) -> bool:
        """Whether who sleeps there was cancelled, and has only not been told."""

    def retire(self) -> None:
        """Nobody will sleep here any more but who does now. It leaves its loop when they are awake."""

    def end(self) -> None:
        """Its loop is closed: gives back what it holds."""


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
            from .on_asyncio import AsyncioLane

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
