"""Decoders that are shared: what one reader of an event had decoded, the others get.

An event object remembers what was made of it by the number of the decoder. Numbers are never given twice, so a decoder
need not be kept by the events that it has read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakValueDictionary

from .errors import DecodeError

if TYPE_CHECKING:
    from ._native import Event

__all__ = ["Decoder", "shared"]

T = TypeVar("T")

_MISSING: Any = object()
_NUMBERS = itertools.count(1)
_DECODERS: WeakValueDictionary[Callable[[bytes], Any], Decoder[Any]] = WeakValueDictionary()


class Decoder(Generic[T]):
    """From an event to a value."""

    __slots__ = ("__weakref__", "_decode", "_number")

    def __init__(self, decode: Callable[[bytes], T]) -> None:
        self._decode = decode
        self._number = next(_NUMBERS)

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


def shared(decode: Callable[[bytes], T]) -> Decoder[T]:
    """The decoder of all subscriptions that decode by the same function."""
    try:
        found = _DECODERS.get(decode)
        if found is None:
            found = _DECODERS[decode] = Decoder(decode)
        return found
    except TypeError:
        # It has no hash, so it cannot be found again.
        return Decoder(decode)
