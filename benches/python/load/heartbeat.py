"""How long an event loop did not get round at most."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

__all__ = ["Heartbeat"]


class Heartbeat:
    """Runs in each turn of the loop, and keeps it turning: the longest time between two turns is the longest block."""

    __slots__ = ("_beating", "_last", "_longest", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._beating = False
        self._last = 0
        self._longest = 0

    def __enter__(self) -> Heartbeat:
        self._beating = True
        self._longest = 0
        self._last = perf_counter_ns()
        self._loop.call_soon(self._beat)
        return self

    def __exit__(self, *_: object) -> None:
        self._beating = False
        self._longest = max(self._longest, perf_counter_ns() - self._last)

    @property
    def longest(self) -> int:
        """In nanoseconds."""
        return self._longest

    def _beat(self) -> None:
        now = perf_counter_ns()
        if now - self._last > self._longest:
            self._longest = now - self._last
        self._last = now
        if self._beating:
            self._loop.call_soon(self._beat)
