"""Looks after all deliveries of a loop, a few times a second.

A timer for each delivery would cost more than the delivery. So a delivery only notes what it is about, and the warden
comes round: it finds clients that have heard nothing for long, those that take nothing, and a server that wants to end.
Its times are exact to one round.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import Protocol

from ..errors import WrongLoop
from . import server

__all__ = ["ROUND", "Ward", "Warden", "warden"]

logger = logging.getLogger("distributary.starlette")

#: Seconds from one round to the next.
ROUND = 0.2


class Ward(Protocol):
    """What is looked after."""

    def look(self, now: float, leaving: bool) -> None:
        """It is this late, and the server is about to end, or not. Must not wait, and not fail."""


class Warden:
    """The warden of one loop. It rests while there is nobody to look after."""

    __slots__ = ("__weakref__", "_timer", "_wards", "now")

    def __init__(self) -> None:
        self._wards: set[Ward] = set()
        self._timer: asyncio.TimerHandle | None = None
        #: The loop's time at the last round, for those who need it only roughly.
        self.now = 0.0

    def add(self, ward: Ward) -> None:
        self._wards.add(ward)
        if self._timer is None:
            self._come_again(asyncio.get_running_loop())

    def remove(self, ward: Ward) -> None:
        self._wards.discard(ward)
        if not self._wards and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _round(self) -> None:
        self._come_again(asyncio.get_running_loop())
        now, leaving = self.now, server.ends()
        for ward in tuple(self._wards):
            try:
                ward.look(now, leaving)
            except Exception:  # noqa: PERF203 (one at a time is the point)
                # Whatever is wrong with one, the others behind it are looked after.
                logger.exception("a client could not be looked after")

    def _come_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time()
        self._timer = loop.call_later(ROUND, self._round)


_WARDENS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Warden] = weakref.WeakKeyDictionary()


def warden() -> Warden:
    """The warden of the running loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise WrongLoop("no asyncio loop runs here: events are sent to clients on asyncio or uvloop") from None
    found = _WARDENS.get(loop)
    if found is None:
        found = _WARDENS[loop] = Warden()
    return found
