"""Waking those who wait for messages, in whatever loop they wait.

One bell for each event loop. Whoever delivers puts the sleepers that can go on into its queue, under the lock of the
exchange, and rings it after the lock is given back: once for a whole group, with a plain callback from the loop's own
thread and a threadsafe one from others. A loop that is closed is found out when it is rung for, and forgotten.

The sleepers go on in turns, between which the loop does what else it has to do: at most 512 of them or two
milliseconds, so that a group of ten thousand does not stop the sockets of others.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from asyncio.events import _get_running_loop  # documented as the quick way, and what get_running_loop is made of
from collections import deque
from collections.abc import Callable
from threading import Lock
from time import monotonic, perf_counter
from typing import Protocol

from .couriers import Couriers

__all__ = ["Bell", "Sleeper"]

#: Sleepers that go on in one turn of the loop.
TURN = 512
#: Seconds after which a turn ends, however many have gone on.
SLICE = 0.002


class Sleeper(Protocol):
    """Somebody who waits for messages."""

    bell: Bell
    #: Whether it is in the queue of its bell, or goes on just now. Set under the lock.
    called: bool

    def go(self) -> bool:
        """Goes on, in its loop. Gives whether it has more to do than fits in this turn."""


class Bell:
    """The sleepers of one event loop."""

    __slots__ = ("_lock", "_rung", "couriers", "loop", "now", "ready", "steps", "until")

    def __init__(self, loop: AbstractEventLoop, lock: Lock) -> None:
        self.loop = loop
        #: Who can go on. Added to under the lock.
        self.ready: deque[Sleeper] = deque()
        #: Whether there are sleepers that make steps of handlers, in the name of the couriers.
        self.steps = False
        self.couriers = Couriers(loop)
        #: When the turn began (monotonic), and when it is to end (`perf_counter`, which is the finer clock).
        self.now = self.until = 0.0
        self._lock = lock
        self._rung = False

    def call(self, callback: Callable[[], object]) -> None:
        """Has it called in the loop. From any thread, with or without the lock; for what is rare."""
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:  # it is closed
            pass

    def ring(self) -> bool:
        """Has those who are ready go on. From any thread, without the lock. Gives whether the loop is alive."""
        with self._lock:
            if self._rung:
                return not self.loop.is_closed()
            self._rung = True
        try:
            if _get_running_loop() is self.loop:
                self.loop.call_soon(self._turn)
            else:
                self.loop.call_soon_threadsafe(self._turn)
        except RuntimeError:  # it is closed
            return False
        return True

    def _turn(self) -> None:
        ready = self.ready
        self.now = monotonic()
        self.until = until = perf_counter() + SLICE
        if self.steps:
            self.couriers.enter()
        try:
            for _ in range(TURN):
                if not ready:
                    break
                sleeper = ready.popleft()
                if sleeper.go():
                    ready.append(sleeper)
                if perf_counter() > until:
                    break
        finally:
            self.couriers.leave()
            with self._lock:
                self._rung = bool(ready)
            if ready:
                self.loop.call_soon(self._turn)
