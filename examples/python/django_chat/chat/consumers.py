"""Somebody in a room."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from distributary.django import FanoutMixin

from .rooms import Unsaid, group, last_lines, say


class Chat(FanoutMixin, AsyncJsonWebsocketConsumer):
    """`/socket/<room>/?who=<name>`; takes `{"text": ...}`, and tells what is said."""

    #: Whoever does not keep up is told to come back, and then shown what was said last.
    overflow = "disconnect"
    send_timeout = 10.0

    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.who = parse_qs(self.scope["query_string"].decode()).get("who", [""])[0]
        if not self.who.isalnum() or len(self.who) > 32:
            await self.close(code=4000, reason="who are you? letters and digits")
            return
        await self.accept()
        # First those who come, then those who were there: nothing is said in between.
        await self.channel_layer.group_add(group(self.room), self.channel_name)
        await self.subscribe("mentions", self.mentioned, where={"mentioned": [self.who]})
        for line in await last_lines(self.room):
            await self.send_json({"kind": "said", **line.content()})

    async def receive_json(self, content: Any, **_: Any) -> None:
        try:
            await say(self.room, self.who, content.get("text") if isinstance(content, dict) else None)
        except Unsaid as error:
            await self.send_json({"kind": "unsaid", "why": str(error)})

    async def mentioned(self, event: Any) -> None:
        if event.json()["room"] != self.room:
            await self.send(text_data=event.text)
