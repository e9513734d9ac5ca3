"""How long an event loop did not get round at most."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns, thread_time_ns
from typing import Self

__all__ = ["Heartbeat"]


class Heartbeat:
    """Runs in each turn of the loop, and keeps it turning: the longest time between two turns is the longest block.

    It is taken by the clock, which also counts when the machine gives the processor to somebody else, and by the
    processor time of the loop's thread, which only counts what is done there.
    """

    __slots__ = ("_beating", "_cpu", "_loop", "_wall", "longest", "longest_cpu")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._beating = False
        self._wall = 0
        self._cpu = 0
        #: Both in nanoseconds.
        self.longest = 0
        self.longest_cpu = 0

    def __enter__(self) -> Self:
        self._beating = True
        self.longest = self.longest_cpu = 0
        self._wall, self._cpu = perf_counter_ns(), thread_time_ns()
        self._loop.call_soon(self._beat)
        return self

    def __exit__(self, *_: object) -> None:
        self._beating = False

    def _beat(self) -> None:
        if not self._beating:
            return
        wall, cpu = perf_counter_ns(), thread_time_ns()
        self.longest = max(self.longest, wall - self._wall)
        self.longest_cpu = max(self.longest_cpu, cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        self._loop.call_soon(self._beat)
