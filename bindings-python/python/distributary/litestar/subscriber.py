"""The subscriber: a cursor on the hub, read as Litestar's subscribers are.

Besides the hub's events it has what is `put`: a history in front, the mark of the end, and all that Litestar's own
plugin has to say. That is read first.

A read takes its item when it has its turn and not before, so one that is cancelled takes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Literal

from litestar.channels.subscriber import BacklogStrategy, EventCallback
from litestar.channels.subscriber import Subscriber as Base
from litestar.exceptions import ImproperlyConfiguredException

from ..errors import Busy, Closed
from ..names import Topic

if TYPE_CHECKING:
    from litestar.channels import ChannelsPlugin

    from .._native import Event
    from ..options import Overflow
    from ..subscription import Subscription

__all__ = ["Strategy", "Subscriber", "overflow"]

#: Litestar's two, and the hub's other two by their names there.
Strategy = BacklogStrategy | Literal["disconnect", "keep_latest"]

_OVERFLOW: dict[str, Overflow] = {
    "backoff": "drop_newest",
    "dropleft": "drop_oldest",
    "disconnect": "disconnect",
    "keep_latest": "keep_latest",
}


def overflow(strategy: str) -> Overflow:
    """The hub's name of a strategy."""
    try:
        return _OVERFLOW[strategy]
    except (KeyError, TypeError):
        raise ImproperlyConfiguredException(
            f"there is no backlog strategy {strategy!r}: take 'backoff', 'dropleft', 'disconnect' or 'keep_latest'"
        ) from None


class Subscriber(Base):
    """A reader of channels. Made by :meth:`ChannelsPlugin.subscribe`."""

    def __init__(
        self,
        plugin: ChannelsPlugin,
        max_backlog: int | None = None,
        backlog_strategy: Strategy = "backoff",
    ) -> None:
        # Not the base's, which makes the queue that this class is without.
        self._plugin = plugin
        self._backend = plugin._backend
        self._task: asyncio.Task[None] | None = None
        self._most = max_backlog or 0
        self._drops_oldest = overflow(backlog_strategy) == "drop_oldest"
        self._cursor: Subscription[Event] | None = None
        self._channels: set[str] = set()
        # None until something is put, which for most is never.
        self._items: deque[bytes | None] | None = None
        self._dropped = 0
        self._waiter: asyncio.Future[None] | None = None
        # Of the background task: whether it is in the callback, and how much it does before it ends.
        self._calls = False
        self._left: int | None = None
        #: The hub's event that was read last: where it stands, and what was `lost` right before it.
        self.last: Event | None = None

    def __repr__(self) -> str:
        return f"<Subscriber of {sorted(self.channels)}, {self.qsize} behind>"

    @property
    def channels(self) -> frozenset[str]:
        """The channels that it reads from the hub."""
        return frozenset(self._channels)

    @property
    def qsize(self) -> int:
        """How many events it has still to read."""
        return len(self._items or ()) + (0 if self._cursor is None else self._cursor.lag)

    @property
    def missed(self) -> int:
        """How many events it lost because it did not keep up, in all."""
        return self._dropped + (0 if self._cursor is None else self._cursor.missed)

    async def put(self, item: bytes | None) -> None:
        """Puts an item before what the hub has; None ends what iterates. Never waits."""
        self._append(item)

    def put_nowait(self, item: bytes | None) -> bool:
        """Puts an item before what the hub has, if the backlog has room for it: whether it had."""
        items = self._items
        if item is not None and items and self._most and len(items) >= self._most:
            self._dropped += 1
            if not self._drops_oldest:
                return False
            items.popleft()
        self._append(item)
        return True

    def _append(self, item: bytes | None) -> None:
        if self._items is None:
            self._items = deque()
        self._items.append(item)
        self._wake()

    def iter_events(self) -> AsyncGenerator[bytes, None]:
        """The events as they come, until it is unsubscribed. After a cancelled read the next one goes on.

        Raises:
            Closed: it did not keep up, and its strategy is "disconnect".
        """
        return _Events(self)

    async def _next(self) -> bytes:
        """The next item, or the end."""
        cursor = self._cursor
        if self._items or cursor is None:
            return await self._next_put()
        try:
            lane = cursor._lane
            if lane is None or cursor._bed is not None or not lane.is_current():
                lane = cursor._reader()
            while (event := cursor._take()) is None:
                if self._left is not None and not self.qsize:
                    raise StopAsyncIteration
                # As a subscription's own reads do it: a coroutine less for each event.
                bed = lane.lay(cursor)
                if bed is not None:
                    try:
                        await bed
                    finally:
                        if cursor._bed is bed:
                            cursor._bed = None
                if self._items:
                    return await self._next_put()
        except Closed as end:
            if end.reason in ("hub_closed", "unsubscribed"):
                raise StopAsyncIteration from None
            raise
        self.last = event
        return event.data

    async def _next_put(self) -> bytes:
        """The next item that was put, or the end."""
        while not self._items:
            if self._left is not None:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise Busy("another task reads this subscriber: give each its own")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item = self._items.popleft()
        if item is None:
            raise StopAsyncIteration
        return item

    def _wake(self) -> None:
        """Has whoever reads look again."""
        bed = self._waiter if self._cursor is None else self._cursor._bed
        if bed is not None and not bed.done():
            bed.set_result(None)

    def _enter(self, cursor: Subscription[Event], channels: Iterable[str]) -> None:
        """Reads channels of the hub."""
        self._cursor = cursor
        self._channels.update(channels)

    def _leave(self, channels: set[str]) -> None:
        """Reads channels no longer. Without any it is at its end."""
        left = channels & self._channels
        self._channels -= left
        if self._cursor is None or not left:
            return
        if self._channels:
            self._cursor.remove(*map(Topic, left))
        else:
            self._cursor.close()

    def _run(self, on_event: EventCallback) -> asyncio.Task[None]:
        """Calls back with each event, in a task."""
        self._start_in_background(on_event)
        assert self._task is not None
        return self._task

    async def _worker(self, on_event: EventCallback) -> None:
        while True:
            if self._left is not None:
                if self._left <= 0:
                    return
                self._left -= 1
            try:
                item = await self._next()
            except StopAsyncIteration:
                return
            self._calls = True
            try:
                await on_event(item)
            finally:
                self._calls = False

    async def stop(self, join: bool = False) -> None:
        """Stops what :meth:`run_in_background` runs; with `join` it first does what waits now, but nothing later.

        What its callback raised is raised here.
        """
        task = self._task
        if task is None:
            return
        if join and (self._calls or self.qsize):
            self._left = self.qsize
        else:
            task.cancel()
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self._left = None
        self._task = None
        if not task.cancelled():
            task.result()


class _Events(AsyncGenerator[bytes, None]):
    """What iterates over a subscriber's events.

    It has no state but its end: a read that is cancelled ends that read, where it would end a generator for good.
    """

    __slots__ = ("_ended", "_subscriber")

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._ended = False

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        return self._end() if self._ended else self._subscriber._next()

    def asend(self, value: None) -> Coroutine[Any, Any, bytes]:
        return self.__anext__()

    async def athrow(self, kind: Any, value: Any = None, trace: Any = None) -> bytes:
        self._ended = True
        raise kind if value is None else value

    async def aclose(self) -> None:
        self._ended = True

    async def _end(self) -> bytes:
        raise StopAsyncIteration
