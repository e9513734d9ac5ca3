"""Sleeping in trio: the tasks themselves sleep, and a system task reschedules them in turns.

A second system task waits for the lane's descriptor. Who publishes in trio's own thread needs neither a byte nor that
task, but reschedules the first one.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Coroutine
from typing import Any

import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, TrioToken

from .. import _native
from .lane import SWEEP, Sleeper

__all__ = ["TrioLane"]


class TrioLane:
    """The lane of one run of trio."""

    __slots__ = ("_over", "_retiring", "_server", "_sleeps", "_token", "native")

    def __init__(self, token: TrioToken, number: int, slice: float) -> None:
        self._token = token
        self._over = False
        self._retiring = False
        #: The server has nothing to do until it is rescheduled.
        self._sleeps = False
        self.native = _native.Lane(number, slice)
        self._server: Task = trio.lowlevel.spawn_system_task(self._serve, name="distributary: lane")
        trio.lowlevel.spawn_system_task(self._watch, name="distributary: bell")

    def is_current(self) -> bool:
        try:
            return trio.lowlevel.current_trio_token() is self._token
        except RuntimeError:
            return False

    def is_over(self) -> bool:
        return self._over

    def come(self) -> None:
        if not self.is_current():
            self.native.ring()
        elif self._over:
            # Its hub is closed, and somebody reads what is left.
            self._token.run_sync_soon(self._turn)
        else:
            self._call()
            self.native.is_coming()

    def lay(self, sub: Sleeper, count: int = 1) -> Awaitable[object] | None:
        if not self.is_current():
            return sub._reader().lay(sub, count)
        how = sub._sleep(trio.lowlevel.current_task(), count)
        if not how:
            return None
        if how == 2:
            self.come()

        def abort(_: RaiseCancelT) -> Abort:
            sub._rouse()
            sub._bed = None
            return Abort.SUCCEEDED

        bed: Coroutine[Any, Any, object] = trio.lowlevel.wait_task_rescheduled(abort)  # noqa: ASYNC105
        sub._bed = bed
        return bed

    async def sleep(self, sub: Sleeper) -> None:
        bed = self.lay(sub)
        if bed is not None:
            try:
                await bed
            finally:
                if sub._bed is bed:
                    sub._bed = None

    async def linger(self, sub: Sleeper, count: int, seconds: float) -> None:
        with trio.move_on_after(seconds):
            while (bed := self.lay(sub, count)) is not None:
                try:
                    await bed
                finally:
                    if sub._bed is bed:
                        sub._bed = None

    def is_cancelled(self, bed: object) -> bool:
        # Who is cancelled has left its bed.
        return False

    def retire(self) -> None:
        self._retiring = True
        if not self.native.is_foreign():
            self.native.ring()

    def end(self) -> None:
        # Not here: as long as the watch waits for the descriptor, no other one may come to have its number.
        pass

    def _call(self) -> None:
        if self._sleeps:
            self._sleeps = False
            trio.lowlevel.reschedule(self._server)

    def _turn(self) -> bool:
        sleepers: list[Task] = []
        more = self.native.turn(sleepers)
        for sleeper in sleepers:
            trio.lowlevel.reschedule(sleeper)
        return more

    async def _serve(self) -> None:
        """Wakes sleepers, and sweeps as long as events are kept."""
        sweep = math.inf
        try:
            while True:
                more = self._turn()
                if sweep == math.inf:
                    sweep = trio.current_time() + SWEEP
                if more:
                    await trio.lowlevel.checkpoint()
                    continue
                if self._retiring and self.native.is_idle():
                    return
                with trio.CancelScope(deadline=sweep) as scope:
                    self._sleeps = True
                    await trio.lowlevel.wait_task_rescheduled(self._wakes)
                if scope.cancelled_caught or trio.current_time() >= sweep:
                    sweep = trio.current_time() + SWEEP if self.native.sweep() else math.inf
        finally:
            self._over = True
            self._sleeps = False
            self.native.ring()

    def _wakes(self, _: RaiseCancelT) -> Abort:
        self._sleeps = False
        return Abort.SUCCEEDED

    async def _watch(self) -> None:
        """Calls the server when somebody rings, and gives the descriptors back at the end."""
        descriptor = self.native.descriptor()
        assert descriptor is not None
        try:
            while not self._over:
                await trio.lowlevel.wait_readable(descriptor)
                self.native.hear()
                self._call()
        finally:
            self.native.silence()
