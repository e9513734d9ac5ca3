"""Saying something: kept, then told to all who are in the room, and to those it mentions."""

from __future__ import annotations

import json
import re

from channels.layers import get_channel_layer

from .models import Line

#: Lines that somebody is shown who comes in.
SHOWN = 50


class Unsaid(ValueError):
    """What cannot be said, and why."""


def group(room: str) -> str:
    """The group of those who are in a room."""
    return f"room.{room}"


async def say(room: str, who: str, text: object) -> Line:
    """Says something in a room."""
    if not isinstance(text, str) or not text.strip():
        raise Unsaid("there is nothing to say")
    if len(text) > 500:
        raise Unsaid("that is more than 500 characters")
    line = await Line.objects.acreate(room=room, who=who, text=text)
    content = line.content()
    layer = get_channel_layer()
    # The frame is made once, and goes to the sockets as it is.
    frame = json.dumps({"kind": "said", **content})
    await layer.group_send(group(room), {"type": "websocket.send", "text": frame})
    if mentioned := re.findall(r"@(\w+)", text):
        layer.hub.publish("mentions", {"kind": "mentioned", "mentioned": mentioned, **content})
    return line


async def last_lines(room: str) -> list[Line]:
    """What was said last in a room, oldest first."""
    return [line async for line in Line.objects.filter(room=room).order_by("-id")[:SHOWN]][::-1]
