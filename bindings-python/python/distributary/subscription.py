"""A subscription: a cursor on the events of one selector, read by a task or a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _native, loops
from .errors import Busy, Closed, WrongLoop

if TYPE_CHECKING:
    from types import TracebackType

    from .hub import Hub

__all__ = ["Subscription"]

T = TypeVar("T")


class Subscription(_native.Subscription, Generic[T]):
    """The events of a selector, in order.

    Made by :meth:`Hub.subscribe`. It is in force from then on, whether it is read or not; one that is not read costs a
    cursor. Read it with ``async for``, with ``for`` in a thread, with :meth:`get` or :meth:`get_many`: by one reader at
    a time. A read that is cancelled or timed out takes nothing, and the next one goes on.
    """

    __slots__ = ("_hub", "_into", "_lane")

    _hub: Hub
    _lane: loops.Lane | None
    _into: Callable[[Any], T] | None

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        try:
            while (event := self._take()) is None:
                await self._reader().sleep(self)
        except Closed as end:
            if end.reason in ("hub_closed", "unsubscribed"):
                raise StopAsyncIteration from None
            raise
        return event  # type: ignore[return-value]

    def _reader(self) -> loops.Lane:
        """The lane of the loop that reads."""
        lane = self._lane
        if lane is not None and lane.is_current():
            return lane
        found = loops.find(self._hub)
        if lane is not None and not lane.is_over():
            raise WrongLoop("another event loop reads this subscription: subscribe anew in this one")
        self._lane = found
        self._sit(found.native)
        return found

    def close(self) -> None:
        """Ends it. Never waits; whoever reads it is told."""
        self._close()

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    async def __aenter__(self) -> Subscription[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
