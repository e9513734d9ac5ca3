"""Sleeping in asyncio and uvloop: on plain futures of the loop, woken in turns.

The loop watches the lane's descriptor. A loop that cannot watch one (Windows' Proactor) has a thread do it.
"""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop
from collections.abc import Awaitable

from .. import _native
from .lane import SWEEP, Sleeper
from .watch import Watch

__all__ = ["AsyncioLane"]


class AsyncioLane:
    """The lane of one asyncio loop."""

    __slots__ = ("_descriptor", "_loop", "_retiring", "_scheduled", "_sweep", "_watch", "native")

    def __init__(self, loop: asyncio.AbstractEventLoop, number: int, slice: float) -> None:
        self._loop = loop
        self._scheduled = False
        self._retiring = False
        self._sweep: asyncio.TimerHandle | None = None
        self._watch: Watch | None = None
        self.native = _native.Lane(number, slice)
        self._descriptor = self.native.descriptor()
        assert self._descriptor is not None
        try:
            loop.add_reader(self._descriptor, self.native.run, self._turn)
        except NotImplementedError:
            self._watch = Watch(loop, self.native, self._turn)

    def is_current(self) -> bool:
        return _get_running_loop() is self._loop

    def is_over(self) -> bool:
        return self._loop.is_closed()

    def come(self) -> None:
        if self._scheduled:
            return
        if _get_running_loop() is not self._loop:
            # It does not run, or no longer in this thread: only the bell is sure to be heard.
            self.native.ring()
            return
        self._loop.call_soon(self.native.run, self._turn)
        self._scheduled = True
        self.native.is_coming()

    def lay(self, sub: Sleeper, count: int = 1) -> Awaitable[object] | None:
        if _get_running_loop() is not self._loop:
            # It is read in another loop: an error, unless this one is closed.
            return sub._reader().lay(sub, count)
        future = self._loop.create_future()
        how = sub._sleep(future, count)
        if not how:
            return None
        sub._bed = future
        if how == 2:
            self.come()
        return future

    async def sleep(self, sub: Sleeper) -> None:
        bed = self.lay(sub)
        if bed is not None:
            try:
                await bed
            finally:
                if sub._bed is bed:
                    sub._bed = None

    async def linger(self, sub: Sleeper, count: int, seconds: float) -> None:
        if _get_running_loop() is not self._loop:
            return await sub._reader().linger(sub, count, seconds)
        end = self._loop.time() + seconds
        while (bed := self.lay(sub, count)) is not None:
            timer = self._loop.call_at(end, _wake, sub._bed)
            try:
                await bed
            finally:
                timer.cancel()
                if sub._bed is bed:
                    sub._bed = None
            if self._loop.time() >= end:
                break
        return None

    def is_cancelled(self, bed: asyncio.Future[None]) -> bool:
        return bed.cancelled()

    def retire(self) -> None:
        self._retiring = True
        if not self.native.is_foreign():
            self.native.ring()

    def end(self) -> None:
        if self._watch is None:
            self.native.silence()
        else:
            self._watch.stop()

    def _turn(self) -> None:
        sleepers: list[asyncio.Future[None]] = []
        try:
            self._scheduled = False
            more = self.native.turn(sleepers)
            for sleeper in sleepers:
                if not sleeper.done():
                    sleeper.set_result(None)
            if more:
                self.come()
            if self._sweep is None:
                self._sweep = self._loop.call_later(SWEEP, self._swept)
        except BaseException:
            # A signal handler may raise anywhere.
            self.native.again(sleepers)
            raise
        if self._retiring and self.native.is_idle():
            self._leave()

    def _swept(self) -> None:
        self._sweep = self._loop.call_later(SWEEP, self._swept) if self.native.sweep() else None

    def _leave(self) -> None:
        """Away from a loop that runs on."""
        if self._descriptor is not None:
            if self._watch is None:
                self._loop.remove_reader(self._descriptor)
            self._descriptor = None
            self.end()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None


def _wake(bed: asyncio.Future[None]) -> None:
    if not bed.done():
        bed.set_result(None)
