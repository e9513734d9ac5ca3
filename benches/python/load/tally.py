"""What arrived: how much, and whether it is what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sized
from typing import Any

__all__ = ["Count", "Miscounted", "Tally", "settle"]

#: Seconds after which a run whose deliveries are not all there counts as lost.
PATIENCE = 80


class Miscounted(Exception):
    """Deliveries are missing, or there are too many, or they are wrong."""


class Tally:
    """Counts deliveries, and tells when as many as expected are there. Of one run of one event loop."""

    __slots__ = ("_awaited", "_failure", "_loop", "_ready", "_waited", "count", "due", "expected", "wrong")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(PATIENCE, self._give_up)
        #: What is waited for now.
        self._waited: asyncio.Future[None] = self._loop.create_future()
        self._failure: BaseException | None = None
        self._ready = 0
        self._awaited = 0
        self.count = 0
        self.due = 0
        self.expected: object = None
        self.wrong = 0

    def start(self, reader: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a reader as a task. When it fails, so does what is waited for."""
        task = self._loop.create_task(reader)
        task.add_done_callback(self._ended)
        return task

    def ready(self) -> None:
        """One reader more has subscribed."""
        self._ready += 1
        if self._ready == self._awaited:
            self._waited.set_result(None)

    async def until_ready(self, readers: int) -> None:
        """Waits until so many have subscribed and what they do then is done."""
        if self._ready < readers:
            self._awaited = readers
            await self._wait()
        await settle()

    def expect(self, count: int, value: object = None) -> asyncio.Future[None]:
        """So many deliveries more, all of this value; the answer is done when the last of them has arrived."""
        self.due += count
        self.expected = value
        return self._wait()

    def take(self, value: object) -> None:
        """One delivery."""
        self.count += 1
        if value != self.expected:
            self.wrong += 1
        if self.count == self.due:
            self._waited.set_result(None)

    def take_batch(self, batch: Sized) -> None:
        """Several deliveries, of whatever value."""
        self.count += len(batch)
        if self.count == self.due:
            self._waited.set_result(None)

    def check(self) -> None:
        """At the end: nothing is missing, and nothing came twice."""
        if self.count != self.due or self.wrong:
            raise Miscounted(f"{self.count} deliveries in place of {self.due}, {self.wrong} of them wrong")

    def _wait(self) -> asyncio.Future[None]:
        self._waited = self._loop.create_future()
        if self._failure is not None:
            self._waited.set_exception(self._failure)
        return self._waited

    def _give_up(self) -> None:
        self._fail(Miscounted(f"{self.count} deliveries in place of {self.due}, {self._ready} readers"))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (cause := task.exception()) is not None:
            self._fail(cause)

    def _fail(self, cause: BaseException) -> None:
        if self._failure is None:
            self._failure = cause
            if not self._waited.done():
                self._waited.set_exception(cause)


class Count(Tally):
    """A tally that does not look at values, for there are many under way at a time."""

    __slots__ = ()

    def take(self, value: object) -> None:
        self.count += 1
        if self.count == self.due:
            self._waited.set_result(None)


async def settle() -> None:
    """Lets everything run that can run: those that were woken for nothing among it."""
    for _ in range(20):
        await asyncio.sleep(0)
