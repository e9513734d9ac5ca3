"""What is waited for and is no event: what became of a publication on its way to other machines, that these are heard,
and that a hub which was closed has done its last. Modules of their own have what else there is: changes of the health,
and stages of a migration.

All are awaited in asyncio and trio, in the same lanes as readers sleep in, and waited for by threads with ``wait()``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from .errors import Busy, Closed, NotHeard, WrongLoop
from .loops import is_running
from .options import seconds

if TYPE_CHECKING:
    from . import _native
    from ._native import Delivery
    from .hub import Hub
    from .loops import Lane, Lanes

__all__ = ["Acknowledged", "Closing", "Forwarding", "Joined", "Receipt", "Waiting", "heard"]

#: What became of the part of a publish that concerns other machines: there is no backplane; it is on its way, or waits
#: for its turn; or the kind of :class:`ForwardError` for which it reached this hub's subscribers and nobody else.
Forwarding = Literal[
    "none",
    "queued",
    "full",
    "expired",
    "unconfirmed",
    "rejected",
    "not_kept",
    "not_replicated",
    "unsupported",
    "closed",
]


#: Seconds that somebody who begins to listen waits until other machines are heard.
PATIENCE = 2.0


async def heard(hub: Hub, patience: float = PATIENCE) -> bool:
    """Whether all that the hub listens to is heard from other machines; waits for it, but for an asyncio program that
    has to go on when the server is away."""
    if not hub.has_backplane:
        return True
    try:
        await asyncio.wait_for(hub.joined()._joined(), patience)
    except (asyncio.TimeoutError, TimeoutError, NotHeard):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An event that reached the backplane, as safely as its mode asks for."""

    #: Listeners that the backplane's server counted: connections of other machines, in a cluster of one node alone.
    heard: int
    #: Its number in the log of its topic, in the modes that keep one.
    number: int | None


class Waiting:
    """Waits for one thing of the native half's."""

    __slots__ = ("_bed", "_lane", "_lanes", "_native")

    #: What the task sleeps on, as a lane has it.
    _bed: Any
    _lane: Lane | None

    def __init__(self, native: _native.Wait, lanes: Lanes) -> None:
        self._native, self._lanes = native, lanes
        self._bed = self._lane = None

    async def _settled(self) -> None:
        if self._lane is not None:
            raise Busy("another task waits for it: one at a time, the outcome can be asked for again afterwards")
        lane = self._lane = self._lanes.here()
        try:
            while (bed := lane.lay(self)) is not None:
                try:
                    await bed
                finally:
                    if self._bed is bed:
                        self._bed = None
        finally:
            self._lane = None
            self._native.leave()

    def _settled_in_time(self, timeout: float | None) -> bool:
        timeout = None if timeout is None else seconds("timeout", timeout) if timeout else 0.0
        if is_running():
            raise WrongLoop("an event loop runs in this thread, which would stand still: await it")
        return self._native.block(timeout, threading.current_thread() is threading.main_thread())

    # What a lane asks of whom it lays to sleep.

    def _sleep(self, sleeper: Any, count: int) -> int:
        lane = self._lane
        assert lane is not None
        return int(self._native.sleep(lane.native, sleeper))

    def _rouse(self) -> None:
        self._native.leave()

    def _reader(self) -> Lane:
        return self._lanes.here()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")


class Receipt(Waiting):
    """What becomes of an event on its way to other machines, from :meth:`Hub.publish_acknowledged`.

    The event is published whether this is waited for or not::

        acknowledged = await hub.publish_acknowledged("orders.eu", order)

    Without a backplane it is settled at once.
    """

    __slots__ = ("delivery",)

    #: What became of it in this hub.
    delivery: Delivery

    def __init__(self, delivery: Delivery, native: _native.Wait, lanes: Lanes) -> None:
        super().__init__(native, lanes)
        self.delivery = delivery

    def __await__(self) -> Generator[Any, None, Acknowledged]:
        return self._acknowledged().__await__()

    async def _acknowledged(self) -> Acknowledged:
        await self._settled()
        return self._outcome()

    def wait(self, timeout: float | None = None) -> Acknowledged | None:
        """Blocks the thread until it is settled. None after `timeout` seconds.

        Raises:
            ForwardError: It did not reach the other machines, or may not have.
            WrongLoop: An event loop runs in this thread.
        """
        return self._outcome() if self._settled_in_time(timeout) else None

    def _outcome(self) -> Acknowledged:
        outcome = self._native.outcome()
        assert outcome is not None
        return Acknowledged(*outcome)

    def __repr__(self) -> str:
        return f"<Receipt of {self.delivery!r}>"


class Joined(Waiting):
    """That other machines are heard, from :meth:`Hub.joined`: to be awaited, or waited for by a thread.
    :class:`NotHeard` if the server does not let the hub hear some of its names, :class:`Closed` if the hub is closed
    before."""

    __slots__ = ("_hub",)

    def __init__(self, hub: Hub, native: _native.Wait, lanes: Lanes) -> None:
        super().__init__(native, lanes)
        self._hub = hub

    def __await__(self) -> Generator[Any, None, None]:
        return self._joined().__await__()

    async def _joined(self) -> None:
        await self._settled()
        self._check()

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks the thread until it is so; False after `timeout` seconds.

        Raises:
            NotHeard: The server does not let the hub hear some of its names.
            Closed: The hub was closed before.
            WrongLoop: An event loop runs in this thread.
        """
        if not self._settled_in_time(timeout):
            return False
        self._check()
        return True

    def _check(self) -> None:
        self._native.outcome()
        if self._hub.closed:
            raise Closed("hub_closed")


class Closing(Waiting):
    """That a hub which was closed has sent what waited: to be awaited, or waited for by a thread."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return self._settled().__await__()

    def wait(self) -> None:
        """Blocks the thread until it is so, also one in which an event loop runs: it takes two seconds at most."""
        self._native.block(None, threading.current_thread() is threading.main_thread())
