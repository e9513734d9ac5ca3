"""What a consumer does, one thing at a time: messages of its client, of the layer and of the hub.

Channels waits for the client and for the layer with a task each, made anew for every message, and closes old database
connections in a thread before each. Here the client's messages are read by the consumer's own task, the layer's come
without one (`post`), and a subscription has one task for all its events. What is kept of Channels' ways:

- One handler runs at a time; messages of one source are handled in order.
- What a handler raises ends the consumer and is raised from it; `StopConsumer` ends it quietly.
- All handlers run in one context, so a context variable set in one is seen in the next.
- Old database connections are closed: once a second at most, instead of once a message.

The turn is taken by whoever runs a handler, and given back after it, to whoever has waited longest.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any

from channels.db import aclose_old_connections

from ..errors import Closed
from .driving import as_coroutine, drive
from .errors import SlowWebsocket

if TYPE_CHECKING:
    from ..subscription import Subscription
    from .consumers import FanoutMixin
    from .post import Post

__all__ = ["Desk", "is_time_to_close"]

#: Seconds between two times that old database connections are closed.
CLOSE_EVERY = 1.0
# When they last were, in this process: Django has them all in one thread.
_closed = 0.0


def is_time_to_close(now: float) -> bool:
    """Whether old database connections should be closed by the caller."""
    global _closed
    if now - _closed < CLOSE_EVERY:
        return False
    _closed = now
    return True


class Desk:
    """One consumer's work."""

    __slots__ = ("_consumer", "_failure", "_main", "_pumps", "_queue", "_stopped", "context", "is_busy", "loop", "post")

    def __init__(self, consumer: FanoutMixin, main: asyncio.Task[Any]) -> None:
        self.loop = asyncio.get_running_loop()
        #: What all handlers run in.
        self.context = copy_context()
        #: The layer's messages, if there is a layer.
        self.post: Post | None = None
        self._consumer = consumer
        self._main = main
        self._failure: BaseException | None = None
        self._stopped = False
        #: Whether somebody has the turn.
        self.is_busy = False
        self._queue: deque[asyncio.Future[None]] = deque()
        self._pumps: set[asyncio.Task[None]] = set()

    async def serve(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """Handles what comes until something ends the consumer."""
        try:
            try:
                while self._failure is None:
                    message = await receive()
                    await self._do(self._consumer.dispatch, message)
                # The handler ended in spite of the cancellation, or before it came: that is waited for.
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                if self._failure is None:
                    raise
                if sys.version_info >= (3, 11) and self._main.uncancel():
                    raise  # somebody else wants it, too
            else:
                if sys.version_info >= (3, 11):
                    self._main.uncancel()
            raise self._failure from None
        except SlowWebsocket:
            await self._stop()
            await drive(as_coroutine(self._consumer.websocket_gave_up()), self.context.run)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """Ends all that runs besides the consumer's own task."""
        self._stopped = True
        tasks = {pump for pump in self._pumps if not pump.done()}
        if self.post is not None:
            tasks |= self.post.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def fail(self, error: BaseException) -> None:
        """Ends the consumer with this. An end of the whole program is raised here, too."""
        if self._failure is None and not self._stopped:
            self._failure = error
            self._main.cancel()
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error

    # The turn

    async def _do(self, handler: Callable[[Any], Awaitable[Any]], message: Any) -> None:
        """Runs a handler when nobody else runs one."""
        if self.is_busy:
            place = self.loop.create_future()
            self._queue.append(place)
            try:
                await place
            except BaseException:
                if place.done() and not place.cancelled():
                    self.give_turn_back()
                else:
                    self._queue.remove(place)
                raise
        self.is_busy = True
        try:
            await drive(as_coroutine(handler(message)), self.context.run)
        finally:
            self.give_turn_back()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for the turn."""
        return bool(self._queue)

    def give_turn_back(self) -> None:
        """Gives it to the next, if anybody waits."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)  # it stays busy
                return
        self.is_busy = False
        if self.post is not None:
            self.post.go_on()

    # The hub's events

    def listen(self, sub: Subscription[Any], handler: Callable[[Any], Awaitable[Any]]) -> None:
        """Has a subscription's events handled until one of the two ends."""
        pump = self.loop.create_task(self._pump(sub, handler))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)

    async def _pump(self, sub: Subscription[Any], handler: Callable[[Any], Awaitable[Any]]) -> None:
        try:
            with sub:
                async for event in sub:
                    await self._do(_after_closing(handler) if is_time_to_close(monotonic()) else handler, event)
        except asyncio.CancelledError as error:
            if self._stopped:
                raise
            # Nobody cancelled this task: something that the handler waited for was cancelled.
            self.fail(error)
        except Closed as end:
            missed = _MISSED.get(end.reason)
            self.fail(end if missed is None else SlowWebsocket(missed))
        except BaseException as error:
            self.fail(error)


#: Ends of a subscription that are no fault of the program: its client comes back and loads what it needs.
_MISSED = {
    "slow_consumer": "the consumer did not keep up with its subscription",
    "lost": "events for the consumer were lost on their way from other machines",
}


def _after_closing(handler: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """The handler, which has old database connections closed first."""

    async def handle(event: Any) -> None:
        await aclose_old_connections()
        await handler(event)

    return handle
