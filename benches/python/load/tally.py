"""What arrived: how much, and whether it is what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sized

__all__ = ["Count", "Miscounted", "Tally", "settle"]

#: Seconds after which a run whose deliveries are not all there counts as lost.
PATIENCE = 80


class Miscounted(Exception):
    """Deliveries are missing, or there are too many, or they are wrong."""


class Tally:
    """Counts deliveries, and tells when as many as expected are there. Of one run of one event loop."""

    __slots__ = ("_all_ready", "_awaited", "_done", "_loop", "_ready", "count", "due", "expected", "wrong")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(PATIENCE, self._give_up)
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._ready = 0
        self._awaited = 0
        self._all_ready: asyncio.Future[None] = self._loop.create_future()
        self.count = 0
        self.due = 0
        self.expected: object = None
        self.wrong = 0

    def expect(self, count: int, value: object = None) -> asyncio.Future[None]:
        """So many deliveries more, all of this value; the answer is done when the last of them has arrived."""
        self.due += count
        self.expected = value
        self._done = self._loop.create_future()
        return self._done

    def take(self, value: object) -> None:
        """One delivery."""
        self.count += 1
        if value != self.expected:
            self.wrong += 1
        if self.count == self.due:
            self._done.set_result(None)

    def take_batch(self, batch: Sized) -> None:
        """Several deliveries, of whatever value."""
        self.count += len(batch)
        if self.count == self.due:
            self._done.set_result(None)

    def ready(self) -> None:
        """One reader more has subscribed."""
        self._ready += 1
        if self._ready == self._awaited:
            self._all_ready.set_result(None)

    async def until_ready(self, readers: int) -> None:
        """Waits until so many have subscribed and what they do then is done."""
        if self._ready < readers:
            self._awaited = readers
            await self._all_ready
        await settle()

    def check(self) -> None:
        """At the end: nothing is missing, and nothing came twice."""
        if self.count != self.due or self.wrong:
            raise Miscounted(f"{self.count} deliveries in place of {self.due}, {self.wrong} of them wrong")

    def _give_up(self) -> None:
        for waited in (self._all_ready, self._done):
            if not waited.done():
                counted = f"{self.count} deliveries in place of {self.due}, {self._ready} readers"
                waited.set_exception(Miscounted(counted))


class Count(Tally):
    """A tally that does not look at values, for there are many under way at a time."""

    __slots__ = ()

    def take(self, value: object) -> None:
        self.count += 1
        if self.count == self.due:
            self._done.set_result(None)


async def settle() -> None:
    """Lets everything run that can run: those that were woken for nothing among it."""
    for _ in range(20):
        await asyncio.sleep(0)
