"""The event loop's side: coroutine functions as tasks, and operations that a coroutine waits for.

The loop watches one descriptor. What it calls when that becomes readable holds no more of the gateway than a weak
reference: a gateway that is forgotten without being closed can be collected.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import sys
import weakref
from asyncio import get_running_loop
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..errors import WrongLoop
from .desk import ADMIT, Desk

if TYPE_CHECKING:
    from .. import _native

__all__ = ["AsyncioSide", "Side", "find"]

#: Calls taken up in one turn of the loop. The rest waits for the next.
BATCH = 64


class Side(Protocol):
    """One event loop's side of a gateway."""

    def is_current(self) -> bool:
        """Whether the caller runs in its loop."""

    def is_running(self) -> bool:
        """Whether its loop goes round."""

    async def operation(self, begin: Callable[[int], None]) -> None:
        """Begins something, and waits for its end."""

    def stop(self) -> None:
        """Takes it away from its loop. From any thread."""


def find(desk: Desk) -> Side:
    """A side on the running loop."""
    try:
        get_running_loop()
    except RuntimeError:
        pass
    else:
        return AsyncioSide(desk)
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        from .on_trio import TrioSide

        return TrioSide(desk)
    raise WrongLoop("no event loop runs here: await it in a coroutine of asyncio or trio, or use `start_blocking`")


class AsyncioSide:
    """The side of one asyncio loop, or of uvloop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = get_running_loop()
        self._bell = desk.native.bell(True)
        self._numbers = itertools.count(1)
        self._ends: dict[int, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[int, asyncio.Task[None]] = {}
        self.is_over = False
        self._loop.add_reader(self._bell.fileno(), _watch, self._loop, self._bell, weakref.ref(self))

    def is_current(self) -> bool:
        try:
            return get_running_loop() is self._loop
        except RuntimeError:
            return False

    def is_running(self) -> bool:
        return self._loop.is_running()

    def turn(self) -> None:
        """Takes up what there is, as much as one turn of the loop may hold."""
        if self.is_over:
            return
        try:
            fetched = self._desk.fetch(True, BATCH)
        except BaseException:
            # Whatever was wrong with one batch, there is a next one, for which nobody would ring.
            self._loop.call_soon(self.turn)
            raise
        for job in fetched.jobs:
            task = self._loop.create_task(self._desk.aserve(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if job[0] == ADMIT:
                self._asked[job[1]] = task
                task.add_done_callback(functools.partial(_answered, self._asked, job[1]))
        for question in fetched.withdrawn:
            if (asked := self._asked.get(question)) is not None:
                asked.cancel()
        for number, failure in fetched.done:
            self._end(number, failure)
        if fetched.more:
            self._loop.call_soon(self.turn)

    async def operation(self, begin: Callable[[int], None]) -> None:
        number = next(self._numbers)
        end = self._ends[number] = self._loop.create_future()
        try:
            begin(number)
            await end
        finally:
            self._ends.pop(number, None)

    def _end(self, number: int, failure: BaseException | None) -> None:
        end = self._ends.pop(number, None)
        if end is None or end.done():
            return
        if failure is None:
            end.set_result(None)
        else:
            end.set_exception(failure)

    def stop(self) -> None:
        self.is_over = True
        if self.is_current():
            self._loop.remove_reader(self._bell.fileno())
            for number in list(self._ends):
                self._end(number, None)
        else:
            # The loop comes, and does it itself.
            self._bell.ring()


def _answered(asked: dict[int, asyncio.Task[None]], question: int, task: asyncio.Task[None]) -> None:
    del asked[question]


def _watch(loop: asyncio.AbstractEventLoop, bell: _native.Bell, side: weakref.ref[AsyncioSide]) -> None:
    there = side()
    if there is None:
        loop.remove_reader(bell.fileno())
    elif there.is_over:
        there.stop()
    else:
        there.turn()
