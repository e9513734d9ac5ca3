"""Sleeping in asyncio and uvloop: on plain futures of the loop, woken in slices."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any

from .. import _native

if TYPE_CHECKING:
    from ..hub import Hub
    from ..subscription import Subscription

#: Sleepers woken in one turn of the loop.
TURN = 128


class AsyncioLane:
    """The lane of one asyncio loop."""

    __slots__ = ("_loop", "_scheduled", "native")

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop, number: int) -> None:
        self._loop = loop
        self._scheduled = False
        self.native = _native.Lane(number, hub._slice)
        loop.add_reader(self.native.fileno(), self._turn)

    def is_current(self) -> bool:
        return get_running_loop() is self._loop

    def is_over(self) -> bool:
        return self._loop.is_closed()

    def come(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        sleepers, more = self.native.turn(TURN)
        for sleeper in sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        if more:
            self.come()

    async def sleep(self, sub: Subscription[Any]) -> None:
        future = self._loop.create_future()
        how = sub._sleep(future)
        if how:
            if how == 2:
                self.come()
            await future

    def end(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self.native.fileno())
