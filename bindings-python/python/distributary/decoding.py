"""Decoders that are shared: what one reader of an event had decoded, the others get.

An event object remembers what was made of it by the number of the function that made it. Numbers are never given twice,
so a function need not be kept by the events that it has read. Nor is it kept here: a method of a connection, which
holds its subscription, goes with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from .errors import DecodeError

if TYPE_CHECKING:
    from ._native import Event

__all__ = ["Decoder"]

T = TypeVar("T")

_MISSING: Any = object()
_NUMBERS = itertools.count(1)
_NUMBERED: WeakKeyDictionary[Callable[[bytes], Any], int] = WeakKeyDictionary()


class Decoder(Generic[T]):
    """From an event to a value."""

    __slots__ = ("_decode", "_number")

    def __init__(self, decode: Callable[[bytes], T]) -> None:
        self._decode = decode
        self._number = _number(decode)

    def __call__(self, event: Event) -> T:
        value: T = event._decoded(self._number, _MISSING)
        if value is not _MISSING:
            return value
        try:
            value = self._decode(event.data)
        except Exception as cause:
            raise DecodeError(
                f"`into` refuses the event at {event.position} of {event.topic!r}: {cause}; it is `event` of this"
                " error, and the next read goes on",
                event,
            ) from cause
        kept: T = event._keep(self._number, value)
        return kept


def _number(decode: Callable[[bytes], Any]) -> int:
    """The number of a function: the same for all subscriptions that decode by it."""
    try:
        number = _NUMBERED.get(decode)
        if number is None:
            number = _NUMBERED[decode] = next(_NUMBERS)
    except TypeError:
        # It has no hash, or cannot be held weakly: it cannot be found again.
        number = next(_NUMBERS)
    return number
