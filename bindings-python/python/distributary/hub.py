"""The hub: where events come in, and subscriptions are made."""

from __future__ import annotations

import itertools
import json
import os
import weakref
from typing import Any

from . import _native
from .names import Names, split
from .subscription import Subscription

__all__ = ["Hub"]

_HUBS: weakref.WeakSet[Hub] = weakref.WeakSet()
_NUMBERS = itertools.count(1)


class Hub:
    """The engine in this process. Threads and event loops share it."""

    def __init__(self, *, capacity: int = 1024, overflow: str = "drop_oldest", slice: float = 0.002) -> None:
        self._settings = {
            "overflow": overflow,
            "budget": (capacity, None, None),
            "memory": None,
            "history": [],
            "topic_counters": None,
            "strict_filters": False,
        }
        self._slice = slice
        self._native = _native.Hub(self._settings)
        self._lanes: dict[Any, Any] = {}
        self._by_number: dict[int, Any] = {}
        _HUBS.add(self)

    def publish(self, topic: str, data: Any = b"", *, key: str | None = None, attributes: Any = None) -> _native.Delivery:
        if type(data) is not bytes:
            data = json.dumps(data, separators=(",", ":")).encode()
        delivery = self._native.publish(topic, data, key, attributes)
        if delivery._rung:
            self._by_number[delivery._rung].come()
        return delivery

    def subscribe(self, topics: Names, *, where: Any = None) -> Subscription[_native.Event]:
        exact, patterns = split(topics)
        filter = None if where is None else _native.Filter(json.dumps(where))
        sub: Subscription[_native.Event] = Subscription(
            self._native, exact, patterns, filter, None, (None, None, None), None
        )
        sub._hub = self
        sub._lane = None
        sub._into = None
        return sub

    def close(self) -> None:
        self._native.close()

    def _lane_of(self, loop: Any, make: Any) -> Any:
        lane = self._lanes.get(id(loop))
        if lane is None or lane.is_over():
            for key, old in list(self._lanes.items()):
                if old.is_over():
                    del self._lanes[key]
            number = next(_NUMBERS)
            lane = self._lanes[id(loop)] = self._by_number[number] = make(self, loop, number)
        return lane

    def _renew(self) -> None:
        """In the child of a fork: an engine of its own, with the same settings."""
        self._native = _native.Hub(self._settings)
        self._lanes = {}
        self._by_number = {}


def _forked() -> None:
    _native.forked()
    for hub in list(_HUBS):
        hub._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
