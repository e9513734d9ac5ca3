"""What all ways to fan out inside a process have in common, seen by their users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum

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

    #: What a reader of this number does, as a task: subscribe, then take each event that is for it.
    read: Callable[[int, Tally], Awaitable[None]]
    publish: Callable[[Message], Awaitable[None]]


#: Opens one whose readers all want this.
Open = Callable[[Wants], AbstractAsyncContextManager[World]]
