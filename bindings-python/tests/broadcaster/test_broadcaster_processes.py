"""Broadcasts of several processes, which a Redis server joins; a plain client of Redis is one of them."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
import redis

from distributary import Hub, OptionError
from distributary.compat.broadcaster import Broadcast, Event


async def test_what_one_publishes_the_other_hears(redis_server: Any) -> None:
    async with Broadcast(redis_server.url) as one, Broadcast(redis_server.url) as other:
        async with one.subscribe("room") as own, other.subscribe("room") as subscriber:
            for number in range(10):
                await one.publish("room", f"{number}")
            for reader in (own, subscriber):
                for number in range(10):
                    assert await asyncio.wait_for(reader.get(), 20) == Event("room", f"{number}")


async def test_programs_with_broadcaster_itself_hear_and_are_heard(redis_server: Any) -> None:
    """It publishes texts on the channel of that name, and takes what comes there for text."""
    with redis.Redis(port=redis_server.port) as client, client.pubsub(ignore_subscribe_messages=True) as theirs:
        theirs.subscribe("room")
        theirs.get_message(timeout=20)
        async with Broadcast(redis_server.url) as broadcast, broadcast.subscribe("room") as own:
            client.publish("room", "häll\u00f6")
            assert await asyncio.wait_for(own.get(), 20) == Event("room", "häll\u00f6")
            await broadcast.publish("room", "back")
            assert await asyncio.wait_for(own.get(), 20) == Event("room", "back")
            found = []
            while len(found) < 2:
                message = await anyio.to_thread.run_sync(theirs.get_message, False, 20)
                found += [message["data"].decode()] if message else []
            assert found == ["häll\u00f6", "back"]


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
