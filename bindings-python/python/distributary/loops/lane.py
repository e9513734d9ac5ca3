"""What a lane is, whatever its kind of loop."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .. import _native

__all__ = ["SWEEP", "Lane", "Sleeper"]

#: Seconds that an event is kept for further readers, at least; at most twice as many.
SWEEP = 0.25


class Sleeper(Protocol):
    """Whom a lane lays to sleep: who reads a subscription, or waits for something else."""

    #: What it sleeps on, or None.
    _bed: Any

    def _sleep(self, sleeper: Any, count: int, /) -> int:
        """Lays it into its seat. 0: there is something to wake for already; 1: it sleeps; 2: it sleeps for a moment,
        and the loop has to be told."""

    def _rouse(self) -> None:
        """It does not sleep any more."""

    def _reader(self) -> Lane:
        """The lane of the loop that runs."""


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

    def lay(self, sub: Sleeper, count: int = 1) -> Awaitable[object] | None:
        """Lays the reader to sleep until `count` events may be there. None: they are. What it gives is to be awaited at
        once, and tells by `sub._bed` that somebody sleeps."""

    async def sleep(self, sub: Sleeper) -> None:
        """Sleeps until a read of the subscription may give something."""

    async def linger(self, sub: Sleeper, count: int, seconds: float) -> None:
        """Sleeps until `count` events may be there, at most so many seconds."""

    def is_cancelled(self, bed: Any) -> bool:
        """Whether who sleeps there was cancelled, and has only not been told."""

    def retire(self) -> None:
        """Nobody will sleep here any more but who does now. It leaves its loop when they are awake."""

    def end(self) -> None:
        """Its loop is closed: gives back what it holds."""
