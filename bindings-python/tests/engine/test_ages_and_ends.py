"""Ages that pass while a batch lingers, and hubs that were closed before a fork."""

from __future__ import annotations

import asyncio
import os

import pytest

from distributary import Hub


async def test_lingering_does_not_outlive_the_age() -> None:
    with Hub(max_age=0.2) as hub, hub.subscribe("t") as sub:
        read = asyncio.ensure_future(sub.get_many(10, linger=1.0))
        await asyncio.sleep(0.01)
        hub.publish("t", b"one")
        batch = await asyncio.wait_for(read, 5)
        assert [event.data for event in batch] == [b"one"]
        assert sub.missed == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_closed_hub_stays_closed_in_a_child() -> None:
    with Hub() as hub:
        pass
    child = os.fork()
    if child == 0:
        os._exit(0 if hub.closed else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
