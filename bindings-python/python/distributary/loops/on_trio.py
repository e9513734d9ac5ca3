"""Sleeping in trio: tasks are rescheduled by one system task, which waits for the lane's descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from .. import _native

if TYPE_CHECKING:
    from ..hub import Hub
    from ..subscription import Subscription

#: Sleepers woken in one turn of the loop.
TURN = 128


class TrioLane:
    """The lane of one run of trio."""

    __slots__ = ("_over", "_token", "native")

    def __init__(self, hub: Hub, token: trio.lowlevel.TrioToken, number: int) -> None:
        self._token = token
        self._over = False
        self.native = _native.Lane(number, hub._slice)
        trio.lowlevel.spawn_system_task(self._serve)

    def is_current(self) -> bool:
        return trio.lowlevel.current_trio_token() is self._token

    def is_over(self) -> bool:
        return self._over

    async def _serve(self) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(self.native.fileno())
                more = True
                while more:
                    sleepers, more = self.native.turn(TURN)
                    for wake in sleepers:
                        wake()
                    await trio.lowlevel.checkpoint()
        finally:
            self._over = True

    def come(self) -> None:
        self.native.ring()

    async def sleep(self, sub: Subscription[Any]) -> None:
        raise NotImplementedError
