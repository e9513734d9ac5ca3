"""How long an event loop did not get round at most."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns, thread_time_ns
from typing import Self

__all__ = ["Heartbeat"]


class Heartbeat:
    """Runs in each turn of the loop, and keeps it turning: the longest time between two turns is the longest block.

    Where the loop shares its core with other threads of the process it should not keep it busy. Then it beats `every`
    so many seconds, and the block is by how much it was late.

    The block is taken by the clock, which also counts when the machine gives the processor to somebody else; the turn
    by the processor time of the loop's thread, which only counts what is done there.
    """

    __slots__ = ("_beating", "_cpu", "_every", "_loop", "_wall", "longest", "longest_cpu")

    def __init__(self, every: float = 0.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._every = every
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
        self._schedule()
        return self

    def __exit__(self, *_: object) -> None:
        self._beating = False

    def _schedule(self) -> None:
        if self._every:
            self._loop.call_later(self._every, self._beat)
        else:
            self._loop.call_soon(self._beat)

    def _beat(self) -> None:
        if not self._beating:
            return
        wall, cpu = perf_counter_ns(), thread_time_ns()
        self.longest = max(self.longest, wall - self._wall - round(self._every * 1e9))
        self.longest_cpu = max(self.longest_cpu, cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        self._schedule()
