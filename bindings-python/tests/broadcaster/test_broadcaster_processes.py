"""Broadcasts of several processes, which a Redis server joins; broadcaster itself is one of them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import broadcaster
import pytest

from distributary import Hub, OptionError
from distributary.compat.broadcaster import Broadcast, Event


@pytest.mark.filterwarnings("ignore::DeprecationWarning:redis")
@pytest.mark.parametrize(
    ("here", "there"),
    [(Broadcast, Broadcast), (Broadcast, broadcaster.Broadcast), (broadcaster.Broadcast, Broadcast)],
)
async def test_what_one_publishes_the_other_hears(redis_server: Any, here: Any, there: Any) -> None:
    async with here(redis_server.url) as one, there(redis_server.url) as other:
        async with one.subscribe("room") as own, other.subscribe("room") as subscriber:
            for reader in (own, subscriber):
                # broadcaster's own does not wait until Redis has subscribed it.
                while True:
                    await one.publish("room", "ready")
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(reader.get(), 0.1)
                        break
            for number in range(10):
                await one.publish("room", f"{number}")
            for reader in (own, subscriber):
                found: list[str] = []
                while len(found) < 10:
                    event = await asyncio.wait_for(reader.get(), 20)
                    assert event.channel == "room"
                    found += [event.message] if event.message != "ready" else []
                assert found == [f"{number}" for number in range(10)]


async def test_a_message_to_other_processes_is_text_or_bytes(redis_server: Any) -> None:
    async with Broadcast(redis_server.url) as one, one.subscribe("room") as own:
        with pytest.raises(TypeError, match="text or bytes, not dict"):
            await one.publish("room", {"a": 1})
        one.publish_nowait("room", b"bytes")
        assert await asyncio.wait_for(own.get(), 20) == Event("room", b"bytes")


def test_what_cannot_be_is_refused() -> None:
    for url in ("redis://", "redis://127.0.0.1?x=1"):
        with pytest.raises(OptionError):
            Broadcast(url)
    with pytest.raises(OptionError, match="hub is given"):
        Broadcast("redis://127.0.0.1", hub=Hub())
