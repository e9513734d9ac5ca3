"""What the tests of real sockets serve: a room, and the room's numbers."""

from __future__ import annotations

import json
import os
from typing import Any

import django
from django.conf import settings

settings.configure(
    CHANNEL_LAYERS={"default": {"BACKEND": "distributary.django.ChannelLayer"}},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()

from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402 (after Django is set up)
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402

from distributary.django import FanoutMixin  # noqa: E402

LAYER = get_channel_layer()  # in the parent, where a server forks
CODES: list[int] = []


class Room(FanoutMixin, AsyncJsonWebsocketConsumer):
    groups = ("room",)
    send_timeout = 0.5

    async def connect(self) -> None:
        await self.accept()
        await self.send_json({"pid": os.getpid()})

    async def receive_json(self, content: Any, **_: Any) -> None:
        if content == "stats":
            await self.send_json({"members": len(LAYER.groups.get("room", ())), "codes": CODES})
        elif isinstance(content, int):
            await self.broadcast("room", json.dumps({"frame": "x" * content}))
        else:
            await self.channel_layer.group_send("room", {"type": "said", "text": content})

    async def said(self, message: dict[str, Any]) -> None:
        await self.send_json({"said": message["text"]})

    async def disconnect(self, code: int) -> None:
        CODES.append(code)


application = ProtocolTypeRouter({"websocket": Room.as_asgi()})
