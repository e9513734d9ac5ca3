"""Consumers of Django Channels: chat rooms whose members get each message as a frame."""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings

from load.tally import Tally

__all__ = ["GROUP", "connect", "theirs", "with_mixin"]

GROUP = "lobby"


def _room(*bases: Any) -> Any:
    class Room(*bases):  # type: ignore[misc]
        async def connect(self) -> None:
            await self.accept()
            await self.channel_layer.group_add(GROUP, self.channel_name)

        async def chat_message(self, message: dict[str, Any]) -> None:
            await self.send(text_data=message["text"])

    return Room


def theirs() -> Any:
    """As the documentation has it."""
    from channels.generic.websocket import AsyncWebsocketConsumer

    return _room(AsyncWebsocketConsumer)


def with_mixin() -> Any:
    """The same behind the mixin."""
    from channels.generic.websocket import AsyncWebsocketConsumer

    from distributary.django import FanoutMixin

    return _room(FanoutMixin, AsyncWebsocketConsumer)


def connect(room: Any, layer: Any, tally: Tally) -> asyncio.Task[None]:
    """A connection to a room, on this layer: in place of the socket is the tally."""
    from channels.layers import channel_layers

    if not settings.configured:
        settings.configure(CHANNEL_LAYERS={})
    channel_layers.set("default", layer)
    connected = False

    async def receive() -> dict[str, Any]:
        nonlocal connected
        if not connected:
            connected = True
            return {"type": "websocket.connect"}
        # The client says nothing.
        await asyncio.get_running_loop().create_future()
        raise AssertionError("it never does")

    async def send(frame: dict[str, Any]) -> None:
        if frame["type"] == "websocket.send":
            tally.take(frame["text"])
        elif frame["type"] == "websocket.accept":
            tally.ready()

    return tally.start(room.as_asgi()({"type": "websocket", "path": "/"}, receive, send))
