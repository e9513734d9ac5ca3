"""A slice that is over: who may not read on lets the loop turn, whatever it would have found."""

from __future__ import annotations

import time

import pytest

from distributary import Closed, Hub

#: More reads than a lane makes between two looks at the clock.
READS = 80


@pytest.mark.every_loop
@pytest.mark.parametrize("end", ["hub", "subscription"])
async def test_the_end_is_told_at_any_time_of_a_slice(end: str) -> None:
    for reads in range(READS):
        with Hub(slice=0.0005) as hub, hub.subscribe("other") as other, hub.subscribe("never") as sub:
            for _ in range(reads + 1):
                hub.publish("other", b"")
            await other.get()
            time.sleep(0.001)  # noqa: ASYNC251 (it uses the slice up)
            for _ in range(reads):
                await other.get()
            (hub if end == "hub" else sub).close()
            with pytest.raises(Closed):
                await sub.get()
