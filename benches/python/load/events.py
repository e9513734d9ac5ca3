"""Events of about 1 KB of JSON, whose id is what readers filter for."""

from __future__ import annotations

import functools
import json
import random
from dataclasses import dataclass
from typing import Any

__all__ = ["TOPIC", "Message", "messages", "order"]

#: The topic, channel or group of all rows.
TOPIC = "orders"

#: Of the JSON, with a few bytes more or less.
BYTES = 1_000

#: How many different events there are but for their ids.
_BODIES = 64

#: Prime, so that it visits all ids in an order that no cache foresees.
_STRIDE = 7_919

_WORDS = ["about", "before", "company", "delivery", "every", "for", "garden", "house", "in", "journal", "letter"]


@dataclass(frozen=True)
class Message:
    """An event: its JSON, and what filters written in Python look at, parsed at no cost to them."""

    data: bytes
    fields: dict[str, Any]


def messages(ids: list[int]) -> list[Message]:
    """A message for each of these ids; the same ones each time."""
    return [_message(id, serial) for serial, id in enumerate(ids)]


def order(count: int, below: int) -> list[int]:
    """So many ids below a number."""
    return [place * _STRIDE % below for place in range(count)]


def _message(id: int, serial: int) -> Message:
    body, text = _body(serial % _BODIES)
    return Message(b'{"id":%d,"serial":%d,%b' % (id, serial, text[1:]), {"id": id, "serial": serial, **body})


@functools.cache
def _body(number: int) -> tuple[dict[str, Any], bytes]:
    """What an event has besides its id, and the same as JSON."""
    dice = random.Random(number)
    lines: list[Any] = []
    body = {"region": "eu", "total": 120.5, "lines": lines, "note": ""}
    while len(text := json.dumps(body, separators=(",", ":")).encode()) < BYTES - 70:
        title = " ".join(dice.choices(_WORDS, k=4))
        lines.append({"sku": dice.randrange(10**6), "count": dice.randrange(1, 9), "title": title})
    return body, text
