"""The side of a run of trio: one system task watches the descriptor, and runs functions in a nursery of its own."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from .desk import ADMIT, Desk, report
from .sides import BATCH

if TYPE_CHECKING:
    from .. import _native

__all__ = ["TrioSide"]


class _End:
    def __init__(self) -> None:
        self.come = trio.Event()
        self.failure: BaseException | None = None


class TrioSide:
    """The side of one run of trio."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._token = trio.lowlevel.current_trio_token()
        self._bell = desk.native.bell(True)
        self._numbers = itertools.count(1)
        self._ends: dict[int, _End] = {}
        self._asked: dict[int, trio.CancelScope] = {}
        self.is_over = False
        self.has_ended = False
        trio.lowlevel.spawn_system_task(_watch, self._bell, weakref.ref(self))

    def is_current(self) -> bool:
        return trio.lowlevel.in_trio_run() and trio.lowlevel.current_trio_token() is self._token

    def is_running(self) -> bool:
        return not self.has_ended

    def turn(self, nursery: trio.Nursery) -> bool:
        """Takes up what there is. Whether there is more."""
        try:
            fetched = self.desk.fetch(True, BATCH)
        except Exception as error:
            # Whatever was wrong with one batch, there is a next one.
            report("calls of the gateway could not be read", error=error)
            return True
        for job in fetched.jobs:
            nursery.start_soon(_serve, self.desk, job, self._asked)
        for question in fetched.withdrawn:
            if (asked := self._asked.get(question)) is not None:
                asked.cancel()
        for number, failure in fetched.done:
            self._end(number, failure)
        return fetched.more

    async def operation(self, begin: Callable[[int], None]) -> None:
        number = next(self._numbers)
        end = self._ends[number] = _End()
        try:
            begin(number)
            await end.come.wait()
        finally:
            self._ends.pop(number, None)
        if end.failure is not None:
            raise end.failure

    def _end(self, number: int, failure: BaseException | None) -> None:
        end = self._ends.pop(number, None)
        if end is not None:
            end.failure = failure
            end.come.set()

    def stop(self) -> None:
        self.is_over = True
        if self.is_current():
            self.settle()
        # Its task comes, and ends.
        self._bell.ring()

    def settle(self) -> None:
        """What is waited for comes to its end with the gateway."""
        for number in list(self._ends):
            self._end(number, None)


async def _watch(bell: _native.Bell, side: weakref.ref[TrioSide]) -> None:
    try:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.lowlevel.wait_readable(bell.fileno())
                while (there := side()) is not None and not there.is_over and there.turn(nursery):
                    await trio.lowlevel.checkpoint()
                if there is not None and there.is_over:
                    there.settle()
                if there is None or there.is_over:
                    nursery.cancel_scope.cancel()
                del there
    finally:
        if (there := side()) is not None:
            there.has_ended = True
            # Whoever asks from now on is turned away at once.
            there.desk.native.hang_up(True)


async def _serve(desk: Desk, job: tuple[Any, ...], asked: dict[int, trio.CancelScope]) -> None:
    with trio.CancelScope() as scope:
        if job[0] == ADMIT:
            asked[job[1]] = scope
        try:
            await desk.aserve(job)
        except SystemExit as error:
            # A system task that ends so would end the whole run, as a fault of trio's.
            report("a function of the gateway raised SystemExit, which it cannot", error=error)
        finally:
            if job[0] == ADMIT:
                del asked[job[1]]
