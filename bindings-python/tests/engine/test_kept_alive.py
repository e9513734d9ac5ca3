"""What must not outlive its users: readers, what they decode by, events, and what a cache holds."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import deque
from typing import Any

import pytest

from distributary import Event, Hub


class Reader:
    """Decodes by a method of its own, as a connection of a server may."""

    def __init__(self, hub: Hub) -> None:
        self.sub = hub.subscribe("t", into=self.decode)

    def decode(self, data: bytes) -> tuple[Reader, bytes]:
        return self, data


@pytest.mark.parametrize("closed", [True, False])
def test_a_reader_that_decodes_by_its_own_method_is_let_go_of(closed: bool) -> None:
    with Hub() as hub:
        readers = [Reader(hub) for _ in range(300)]
        gone = [weakref.ref(reader) for reader in readers]
        if closed:
            deque((reader.sub.close() for reader in readers), maxlen=0)
        readers.clear()
        gc.collect()
        assert sum(it() is not None for it in gone) == 0
        assert hub.stats().subscriptions == 0


async def test_events_that_are_read_without_waiting_are_let_go_of(eventually: Any) -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        hub.publish("t", b"x")
        await sub.get()  # it has a lane from here on
        await asyncio.sleep(1)  # whose last sweep is over
        for _ in range(50):
            hub.publish("t", bytes(1 << 20))
        events: list[Event] = sub.get_many_nowait(50)
        gone = [weakref.ref(event) for event in events]
        del events
        await eventually(lambda: not any(it() for it in gone), "they are swept", patience=3)
