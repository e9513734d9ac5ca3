"""Ends that come when the reader is not asleep: the slice is over, the lane has left, the hub was closed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import Any

import anyio
import pytest

from distributary import Closed, Hub

pytestmark = pytest.mark.every_loop


def run(program: str, *, seconds: float = 20) -> str:
    """A program of its own: what it does wrong would take the tests along."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(10)
@pytest.mark.parametrize("how", ["get", "get_many", "iterate"])
async def test_a_reader_whose_slice_is_over_is_told_of_the_end(how: str) -> None:
    hub = Hub(slice=0.001)
    sub = hub.subscribe("t")
    hub.publish("t", b"x")
    await sub.get()
    time.sleep(0.01)  # noqa: ASYNC251 it handles the event for longer than a slice
    hub.close()
    if how == "iterate":
        assert [event async for event in sub] == []
    else:
        with pytest.raises(Closed):
            await (sub.get() if how == "get" else sub.get_many(3))


async def test_what_is_left_of_a_closed_hub_is_read_long_after(anyio_backend: Any) -> None:
    with Hub() as hub:
        sub = hub.subscribe("t")
        for _ in range(3):
            hub.publish("t", b"x")
        await sub.get()
    await anyio.sleep(0.05)
    with anyio.fail_after(5):
        await sub.get()
        await anyio.sleep(0.05)
        assert len([event async for event in sub]) == 1


async def test_a_first_read_after_the_end_of_the_lane(anyio_backend: Any) -> None:
    if anyio_backend != "trio":
        pytest.skip("only there the lane ends before its loop")
    run(
        """
        import trio
        from distributary import Hub

        async def main():
            hub = Hub()
            one, other = hub.subscribe("t"), hub.subscribe("t")
            hub.publish("t", b"x")
            await one.get()
            lane = one._lane
            await trio.sleep(0.001)
            hub.close()
            while not lane.is_over():
                await trio.lowlevel.checkpoint()
            await other.get()
            await trio.sleep(0.01)

        for _ in range(40):  # the order of tasks is drawn by lot
            trio.run(main)
        """
    )
