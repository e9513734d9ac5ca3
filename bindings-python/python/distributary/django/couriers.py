"""A task that steps handlers for others, and carries on those that wait.

A step needs a current task: libraries look for it, and a timeout inside a handler cancels it. So one task for each loop
lends its name to all handlers that are stepped in a turn of the bell. As soon as one of them waits, the task is that
handler's own: it goes on with it where it stopped, and the next steps are made in the name of another.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # documented, for those who step coroutines themselves
from collections.abc import Callable, Coroutine
from typing import Any

from .driving import drive

__all__ = ["Couriers"]

Run = Callable[..., Any]
#: A coroutine, what it waits for, how it is stepped, and what is called with its error, or None, when it has ended.
Load = tuple[Coroutine[Any, Any, Any], Any, Run, Callable[["BaseException | None"], None]]


class Couriers:
    """The couriers of one loop."""

    __slots__ = ("_idle", "_is_entered", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: _Courier | None = None
        self._is_entered = False

    def enter(self) -> None:
        """From here on, steps are made in the name of a courier. Not within a task."""
        courier = self._idle
        if courier is None or courier.task.done():
            courier = self._idle = _Courier(self._loop)
        _enter_task(self._loop, courier.task)
        self._is_entered = True

    def leave(self) -> None:
        """No more steps."""
        if self._is_entered and self._idle is not None:
            self._is_entered = False
            _leave_task(self._loop, self._idle.task)

    def hand_over(self, load: Load) -> asyncio.Task[None]:
        """A handler that was stepped waits: whose name it was stepped in goes on with it. Gives that task."""
        courier = self._idle
        assert courier is not None, "only what was stepped can wait"
        self.leave()
        courier.start(load)
        self._idle = None
        self.enter()
        return courier.task


class _Courier:
    """One of them, and its task."""

    __slots__ = ("_load", "_start", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._load: Load | None = None
        self._start = loop.create_future()
        self.task = loop.create_task(self._work())

    def start(self, load: Load) -> None:
        self._load = load
        if not self._start.done():
            self._start.set_result(None)

    async def _work(self) -> None:
        thrown = None
        try:
            await self._start
        except asyncio.CancelledError as error:
            if self._load is None:
                raise
            thrown = error  # meant for the handler, by a timeout that it had set in its first step
        assert self._load is not None, "started with a load"
        coroutine, waits_for, run, done = self._load
        failure: BaseException | None = None
        try:
            await drive(coroutine, run, waits_for, thrown)
        except BaseException as error:
            failure = error
        done(failure)
