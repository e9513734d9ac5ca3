"""A thread that watches a lane's descriptor for a loop that cannot.

It takes what was rung and tells the loop, which costs more than a watched descriptor and nothing where there is one.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .. import _native

__all__ = ["Watch"]


class Watch:
    """Watches until it is stopped or the loop is closed. The descriptors are given back by the thread itself, for
    nobody may close what is being watched."""

    __slots__ = ("_come", "_lane", "_loop", "_stopped")

    def __init__(self, loop: asyncio.AbstractEventLoop, lane: _native.Lane, come: Callable[[], None]) -> None:
        self._loop = loop
        self._lane = lane
        self._come = come
        self._stopped = False
        threading.Thread(target=self._run, name="distributary-watch", daemon=True).start()

    def stop(self) -> None:
        self._stopped = True
        self._lane.ring()

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                descriptor = self._lane.descriptor()
                assert descriptor is not None
                selector.register(descriptor, selectors.EVENT_READ)
                while True:
                    selector.select()
                    if self._stopped:
                        return
                    self._lane.hear()
                    self._loop.call_soon_threadsafe(self._lane.run, self._come)
        except RuntimeError:
            # The loop is closed.
            pass
        finally:
            self._lane.silence()
