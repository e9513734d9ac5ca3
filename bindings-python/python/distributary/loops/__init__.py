"""The event loops that readers sleep on: one lane for each hub and loop.

A lane knows how to sleep and how to wake in its kind of loop; which readers, and when, the native half decides.
"""

from __future__ import annotations

import sys
from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import WrongLoop

if TYPE_CHECKING:
    from ..hub import Hub
    from ..subscription import Subscription

__all__ = ["Lane", "find"]


class Lane(Protocol):
    """One event loop's share of a hub."""

    #: The native half.
    native: Any

    def is_current(self) -> bool:
        """Whether the caller runs in its loop."""

    def is_over(self) -> bool:
        """Whether its loop will never run again."""

    def come(self) -> None:
        """There is something to do. From the loop's own thread."""

    async def sleep(self, sub: Subscription[Any]) -> None:
        """Sleeps until a read of the subscription may give something."""

    def end(self) -> None:
        """Takes it away from its loop."""


def find(hub: Hub) -> Lane:
    """The lane of the running loop, made if there is none."""
    try:
        loop = get_running_loop()
    except RuntimeError:
        pass
    else:
        from .on_asyncio import AsyncioLane

        return hub._lane_of(loop, AsyncioLane)
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        from .on_trio import TrioLane

        return hub._lane_of(trio.lowlevel.current_trio_token(), TrioLane)
    raise WrongLoop(
        "no event loop runs here: read in a coroutine of asyncio or trio, or in a thread with `for event in sub`"
    )
