"""What all ways to fan out inside a process have in common, seen by their users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from load.events import Message
from load.tally import Tally

__all__ = ["Open", "Wants", "World"]


class Wants(Enum):
    """What a reader asks for."""

    OWN = "own"  #: The events with its own number.
    ALL = "all"


@dataclass(frozen=True)
class World:
    """An opened way to fan out."""

    #: Subscribes the reader of this number. What it gets is in force, and stays so while it is kept.
    subscribe: Callable[[int], Awaitable[Any]]
    #: What that reader does with it, as a task: take each event that is for it.
    read: Callable[[int, Any, Tally], Coroutine[Any, Any, None]]
    publish: Callable[[Message], Awaitable[None]]

    async def run(self, number: int, tally: Tally) -> None:
        """The life of a reader."""
        subscription = await self.subscribe(number)
        tally.ready()
        await self.read(number, subscription, tally)


#: Opens one whose readers all want this.
Open = Callable[[Wants], AbstractAsyncContextManager[World]]
