"""What is sent for an event, made once for all who get it.

All readers of an event on a loop get the same object for it, so what was made of it is found by that. They come to it
one right after the other: little has to be kept, and when that is full all of it goes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from types import BuiltinMethodType, MethodType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from .._native import Event

__all__ = ["Frames", "shared"]

Frame = TypeVar("Frame", bound=bytes | str)

#: Frames that are kept, and what they and their events weigh: some bursts.
MOST = 1024
HEAVIEST = 4 << 20


class Frames(Generic[Frame]):
    """The frames of one form, by event.

    Look in `made` first: it is always the same plain dict, so a hit costs no call of a function in Python.
    """

    __slots__ = ("__weakref__", "_form", "_settings", "_weight", "made")

    def __init__(self, form: Callable[[Event], Frame], settings: tuple[object, ...] = ()) -> None:
        self._form = form
        #: What they are found by, held as long as they can be found.
        self._settings = settings
        self._weight = 0
        self.made: dict[Event, Frame] = {}

    def make(self, event: Event) -> Frame:
        """The frame of an event that is not in `made`."""
        frame = self._form(event)
        weight = len(frame) + len(event)
        # The object of a reader that missed some before is its own: nobody else asks for it.
        if event.lost or weight > HEAVIEST:
            return frame
        self._weight += weight
        if self._weight > HEAVIEST or len(self.made) >= MOST:
            self.made.clear()
            self._weight = weight
        self.made[event] = frame
        return frame


#: By what their form was made from. They go with the last stream that has them: nothing here holds what was given.
_SHARED: weakref.WeakValueDictionary[Hashable, Frames[Any]] = weakref.WeakValueDictionary()


def shared(make: Callable[..., Callable[[Event], Frame]], *settings: object) -> Frames[Frame]:
    """The frames of the form that `make` makes of these settings: the same ones for the same settings."""
    key = (make, *map(_identity, settings))
    frames = _SHARED.get(key)
    if frames is None:
        frames = _SHARED[key] = Frames(make(*settings), settings)
    return frames


def _identity(setting: object) -> Hashable:
    """What tells a setting from others without holding it.

    As a key, a method of a connection's own object would keep that object, which keeps its stream, which keeps the
    frames: nothing of it would ever go. A number is enough, for the frames hold what it stands for: while they are
    found by it, nothing else can have it.
    """
    if isinstance(setting, str):
        return setting
    if isinstance(setting, MethodType):
        # The object of a method is a new one each time that it is looked up.
        return id(setting.__self__), id(setting.__func__)
    if isinstance(setting, BuiltinMethodType):
        return id(setting.__self__), setting.__name__
    return id(setting)
