"""A client's events on their way: the task that sends, the one that listens, and their end.

The task that runs the endpoint reads the subscription and sends. Beside it one task listens to the client; when that
has gone, the subscription is closed, which wakes the first task wherever it sleeps. So does the warden with a client
that takes nothing: it breaks the connection, or cancels the `send` that hangs where the server does not show it.

The loop that sends is written out in those who use this (`sse`, `pump`), for one call more would be felt there. For
each send it says so, and nothing else::

    delivery.at = warden.now
    delivery.busy = True
    await send(...)
    delivery.busy = False
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from . import server
from .warden import warden

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ..subscription import Subscription

__all__ = ["Delivery"]


class Delivery:
    """One client's delivery, entered by the task that sends. It closes the subscription when it is left."""

    __slots__ = (
        "_cancelled",
        "_exchange",
        "_leaves",
        "_listen",
        "_listener",
        "_patience",
        "_quiet",
        "_receive",
        "_sub",
        "_task",
        "at",
        "busy",
        "due",
        "ended",
        "warden",
    )

    def __init__(
        self,
        sub: Subscription[Any],
        receive: object,
        listen: Callable[[], Awaitable[object]],
        *,
        send_timeout: float | None,
        keep_alive: float | None = None,
    ) -> None:
        #: When the last send began, and whether it is under way.
        self.at = 0.0
        self.busy = False
        #: Nothing was sent for so long that something should be.
        self.due = False
        #: Why it ended, unless the subscription did by itself: `disconnected`, `timeout`, or `leaving` with the server.
        self.ended: str | None = None
        self.warden = warden()
        self._sub = sub
        self._receive = receive
        self._listen = listen
        self._patience = math.inf if send_timeout is None else send_timeout
        self._quiet = math.inf if keep_alive is None else keep_alive
        self._leaves = False
        self._exchange: Any = None
        self._cancelled = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._listener = asyncio.ensure_future(self._hear())
        self.warden.add(self)
        self.at = self.warden.now
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.warden.remove(self)
        self._sub.close()
        heard = self._listener
        if not heard.done():
            heard.cancel()
            await asyncio.wait((heard,))
        if kind is None and not heard.cancelled():
            # What failed in it failed for the delivery.
            heard.result()
        return self._cancelled and kind is asyncio.CancelledError and self._is_mine()

    def leave_with_server(self) -> None:
        """Ends when the server is about to end. To be called after a response has begun."""
        self._leaves = True
        self._exchange = server.exchange(self._receive)

    async def sending(self, sent: Awaitable[None]) -> None:
        """Sends something besides events."""
        self.at, self.busy = self.warden.now, True
        await sent
        self.busy = False

    def look(self, now: float, leaving: bool) -> None:
        """The warden comes round."""
        if self._leaves and (leaving or (self._exchange is not None and not self._exchange.keep_alive)):
            self._end("leaving")
        if not self.busy:
            if now - self.at >= self._quiet:
                self._rouse()
        elif now - self.at >= self._patience:
            self._patience = math.inf
            self._end("timeout")
            self._break()

    async def _hear(self) -> None:
        try:
            await self._listen()
        finally:
            self._end("disconnected")

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
        self._sub.close()

    def _rouse(self) -> None:
        """Wakes the task that sleeps until the next event, for something else."""
        sleeper = self._sub._sleeper()
        if sleeper is not None and not sleeper.done():
            self.due = True
            sleeper.set_result(None)

    def _break(self) -> None:
        """Ends a `send` that hangs."""
        transport = server.transport(self._receive)
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
        elif self._task is not None:
            self._cancelled = True
            self._task.cancel()

    def _is_mine(self) -> bool:
        """Whether it was cancelled by nobody else besides."""
        return sys.version_info < (3, 11) or self._task is None or self._task.uncancel() == 0
