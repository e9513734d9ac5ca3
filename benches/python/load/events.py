"""Events of about 1 KB of JSON, whose id is what readers filter for."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

__all__ = ["TOPIC", "Message", "messages", "order"]

#: The topic, channel or group of all rows.
TOPIC = "orders"

#: Of the JSON, with a few bytes more or less.
BYTES = 1_000

#: Prime, so that it visits all ids in an order that no cache foresees.
_STRIDE = 7_919

_WORDS = [
    "about",
    "before",
    "company",
    "delivery",
    "every",
    "for",
    "garden",
    "house",
    "in",
    "journal",
    "kind",
    "letter",
]


@dataclass(frozen=True)
class Message:
    """An event: its JSON, and what filters written in Python look at, parsed at no cost to them."""

    data: bytes
    fields: dict[str, Any]

    @property
    def id(self) -> int:
        id: int = self.fields["id"]
        return id


def messages(ids: list[int]) -> list[Message]:
    """A message for each of these ids, each with other contents; the same ones each time."""
    documents = (_document(id, serial) for serial, id in enumerate(ids))
    return [Message(json.dumps(document, separators=(",", ":")).encode(), document) for document in documents]


def order(count: int, below: int) -> list[int]:
    """So many ids below a number."""
    return [place * _STRIDE % below for place in range(count)]


def _document(id: int, serial: int) -> dict[str, Any]:
    dice = random.Random(serial)
    document: dict[str, Any] = {"id": id, "serial": serial, "region": "eu", "total": 120.5, "lines": [], "note": ""}
    size = len(json.dumps(document, separators=(",", ":")))
    while size < BYTES:
        line = {
            "sku": dice.randrange(10**6),
            "count": dice.randrange(1, 9),
            "title": " ".join(dice.choices(_WORDS, k=4)),
        }
        size += len(json.dumps(line, separators=(",", ":"))) + 1
        if size > BYTES:
            break
        document["lines"].append(line)
    return document
