"""A subscription: a cursor on the events of one selector, read by a task or a thread.

The native half takes, sleeps and blocks; here reads are put together of that. Two things hold in each: nothing is taken
before the reader has its turn, so a cancelled read loses nothing, and the one that sleeps is known by `_bed`, so a
second reader is told.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from . import _native
from .decoding import Decoder
from .errors import Busy, Closed, DecodeError, OptionError, SelectorError, WrongLoop
from .loops import Lane, Lanes, is_running
from .names import split

if TYPE_CHECKING:
    from types import TracebackType

    from ._native import Event
    from .names import Names

__all__ = ["Subscription"]

T = TypeVar("T")

#: The ends at which an iteration just ends.
_ENDS = ("hub_closed", "unsubscribed")


class Subscription(_native.Subscription, Generic[T]):
    """The events of a selector, in order.

    Made by :meth:`Hub.subscribe`, and in force from then on, whether it is read or not. One that is not read costs a
    cursor. It is read by one reader at a time: ``async for`` or :meth:`get` in a task of asyncio or trio,
    :meth:`get_many` for batches, ``for`` or :meth:`get_blocking` in a thread that may wait. A read that is cancelled or
    timed out takes nothing, and the next one goes on::

        with hub.subscribe("orders.*") as sub:
            async for event in sub:
                print(event.json())

    What it missed for its overflow policy, the next event tells (`event.lost`), and `missed` in all.
    """

    __slots__ = ("_bed", "_hub", "_into", "_lane", "_lanes", "_last", "_patience", "_taken")

    #: What the reader sleeps on, or None.
    _bed: Any
    _lane: Lane | None
    _lanes: Lanes
    #: A hub goes on for its readers.
    _hub: object
    #: Seconds that an event may wait for others, well before it is dropped for its age.
    _patience: float
    _into: Decoder[T] | None
    _last: Event | None
    #: Events of a batch from the one on that `into` refused, never an empty one.
    _taken: deque[Event] | None

    def _open(self, hub: object, lanes: Lanes, decode: Callable[[bytes], T] | None, max_age: float | None) -> None:
        """What the hub says after making it."""
        self._hub, self._lanes = hub, lanes
        self._patience = math.inf if max_age is None else max_age * 0.75
        self._into = None if decode is None else Decoder(decode)
        self._bed = self._lane = self._last = self._taken = None

    # Reading in a task.

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        lane = self._lane
        if lane is None or self._bed is not None:
            lane = self._reader()
        if self._taken is not None:
            return self._many_decoded((), 1)[0]
        try:
            while (event := self._take()) is None:
                bed = lane.lay(self)
                if bed is not None:
                    try:
                        await bed
                    finally:
                        if self._bed is bed:
                            self._bed = None
        except Closed as end:
            if end.reason in _ENDS:
                raise StopAsyncIteration from None
            raise
        if self._into is None:
            return event  # type: ignore[return-value]
        return self._decoded(event)

    async def get(self) -> T:
        """The next event, or what `into` makes of it; waits for it.

        Raises:
            Closed: Nothing more will come; its `reason` says why.
            DecodeError: `into` refuses the event. The next read goes on.
            Busy: Another reader waits.
            WrongLoop: Another event loop reads it.
        """
        lane = self._lane
        if lane is None or self._bed is not None:
            lane = self._reader()
        if self._taken is not None:
            return self._many_decoded((), 1)[0]
        while (event := self._take()) is None:
            bed = lane.lay(self)
            if bed is not None:
                try:
                    await bed
                finally:
                    if self._bed is bed:
                        self._bed = None
        if self._into is None:
            return event  # type: ignore[return-value]
        return self._decoded(event)

    async def get_many(self, n: int, linger: float = 0.0) -> tuple[T, ...]:
        """What is there, at least one event and at most `n`; waits for the first. Readers at the same place get the
        same tuple.

        With `linger` it waits on, that many seconds after the first, for the rest. Its task sleeps until they are
        there, and is not woken for each. It waits no longer where that might lose events: with three quarters of the
        subscription's capacity. Nothing is taken before it returns.

        Raises:
            OptionError: `n` is less than 1, or `linger` is no time.
            Closed, DecodeError, Busy, WrongLoop: As :meth:`get`. An event that `into` refuses ends the batch before it,
                and is the next read's error.
        """
        n = _check_many(n, linger)
        linger = min(linger, self._patience)
        lane = self._lane
        if lane is None or self._bed is not None:
            lane = self._reader()
        if self._taken is not None:
            return self._many_decoded((), n)
        lingers = linger > 0
        while True:
            if lingers and 0 < self.lag < n:
                lingers = False
                await lane.linger(self, n, linger)
            batch = self._take_many(n)
            if batch:
                return batch if self._into is None else self._many_decoded(batch, n)  # type: ignore[return-value]
            # Not by a coroutine of its own: what sleepers hold is what the interpreter's collector walks, in one go.
            bed = lane.lay(self)
            if bed is not None:
                try:
                    await bed
                finally:
                    if self._bed is bed:
                        self._bed = None

    # Reading without waiting.

    def get_nowait(self) -> T | None:
        """The next event, or None when there is none now. From a task or a thread.

        Raises:
            Closed, DecodeError, Busy: As :meth:`get`.
        """
        self._check_free()
        if self._taken is not None:
            return self._many_decoded((), 1)[0]
        event = self._take_now()
        if event is None or self._into is None:
            return event  # type: ignore[return-value]
        return self._decoded(event)

    def get_many_nowait(self, n: int) -> tuple[T, ...]:
        """What is there now, at most `n` events, perhaps none. As :meth:`get_nowait`."""
        n = _check_many(n, 0.0)
        self._check_free()
        if self._taken is not None:
            return self._many_decoded((), n)
        batch = self._take_many_now(n)
        return batch if self._into is None or not batch else self._many_decoded(batch, n)  # type: ignore[return-value]

    # Reading in a thread.

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self.get_blocking()  # type: ignore[return-value]
        except Closed as end:
            if end.reason in _ENDS:
                raise StopIteration from None
            raise

    def get_blocking(self, timeout: float | None = None) -> T | None:
        """The next event; the thread waits for it, others run meanwhile. None after `timeout` seconds without one.

        Raises:
            WrongLoop: An event loop runs in this thread, which would stand still.
            Closed, DecodeError, Busy: As :meth:`get`.
        """
        if timeout is not None:
            timeout = _seconds("timeout", timeout)
        if is_running():
            raise WrongLoop("an event loop runs in this thread: use `async for` or `await sub.get()`")
        self._check_free()
        if self._taken is not None:
            return self._many_decoded((), 1)[0]
        end = None if timeout is None else time.monotonic() + timeout
        signals = threading.current_thread() is threading.main_thread()
        while (event := self._take_now()) is None:
            if not self._block(None if end is None else end - time.monotonic(), signals):
                return None
        return event if self._into is None else self._decoded(event)  # type: ignore[return-value]

    # What it is of.

    def add(self, *names: Names) -> int:
        """Adds topics and patterns; in force when it returns. All or, if one is wrong, none. How many are new.

        Raises:
            TopicError, PatternError, SelectorError: Something is wrong with the names.
            Closed: It has ended.
        """
        return self._add(*_split(names))

    def remove(self, *names: Names) -> int:
        """Removes topics and patterns: nothing of them is delivered any more, unless another name covers it. How many
        were there. One has to be left.

        Raises:
            TopicError, PatternError, SelectorError: Something is wrong with the names, or none would be left.
            Closed: It has ended.
        """
        return self._remove(*_split(names))

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that it names; empty once it has ended."""
        return tuple(self._names()[0])

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns that it names; empty once it has ended."""
        return tuple(self._names()[1])

    @property
    def last(self) -> Event | None:
        """The event of the last value that `into` made, or refused. None without `into`: there reads give events."""
        return self._last

    def close(self) -> None:
        """Ends it. Never waits; whoever reads it, in whatever thread, is told. A second time it does nothing."""
        self._close()
        self._taken = None

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Subscription[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Subscription cannot be copied or pickled: subscribe anew")

    def __repr__(self) -> str:
        names = ", ".join(map(repr, (*self.topics, *self.patterns)))
        end = self.closed
        return f"<Subscription closed: {end}>" if end else f"<Subscription of {names}, {self.lag} waiting>"

    # How.

    def _reader(self) -> Lane:
        """The lane of the loop that reads, once it is clear that this is the only reader."""
        self._check_free()
        lane = self._lane
        if lane is not None and lane.is_current():
            return lane
        if (end := self.closed) is not None:
            raise Closed(end)
        found = self._lanes.here()
        if lane is not None and not lane.is_over():
            raise WrongLoop("another event loop reads this subscription: subscribe anew in this one")
        self._lane = found
        self._sit(found.native)
        return found

    def _check_free(self) -> None:
        bed, lane = self._bed, self._lane
        if bed is None:
            return
        if lane is None or lane.is_over() or lane.is_cancelled(bed):
            # It will not read any more.
            self._bed = None
            return
        raise Busy("another reader waits on this subscription: one at a time, subscribe anew for another")

    def _decoded(self, event: Event) -> T:
        """What `into` makes of an event."""
        assert self._into is not None
        self._last = event
        return self._into(event)

    def _many_decoded(self, batch: tuple[Event, ...], n: int) -> tuple[T, ...]:
        """What `into` makes of up to `n` events, as far as the first that it refuses. The rest is for reads to come."""
        assert self._into is not None
        taken = deque(batch) if self._taken is None else self._taken
        self._taken = taken
        values: list[T] = []
        failed: DecodeError | None = None
        try:
            for event in islice(taken, n):
                values.append(self._into(event))  # noqa: PERF401 (what came before an error counts)
        except DecodeError as error:
            failed = error
        for _ in range(len(values) or 1):
            self._last = taken.popleft()
        if not taken:
            self._taken = None
        if failed is not None and not values:
            raise failed
        return tuple(values)


def _split(names: tuple[Names, ...]) -> tuple[list[str], list[str]]:
    topics: list[str] = []
    patterns: list[str] = []
    for given in names:
        exact, globs = split(given)
        topics += exact
        patterns += globs
    if not names:
        raise SelectorError("no topic is named: give at least one")
    return topics, patterns


def _check_many(n: int, linger: float) -> int:
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n is an int, not {type(n).__name__}")
    if n < 1:
        raise OptionError(f"n is how many events a batch has at most, at least 1: {n} is not")
    _seconds("linger", linger)
    return min(n, sys.maxsize)


def _seconds(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, not {type(value).__name__}")
    if not 0 <= value < math.inf:
        raise OptionError(f"{name} is a number of seconds, 0 or more: {value} is not")
    return float(value)
