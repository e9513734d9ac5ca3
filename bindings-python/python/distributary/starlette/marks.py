"""Where a client stands in the topics that it follows, as a text that it shows when it comes back.

A position belongs to a topic. A client of one topic shows the position itself; one of several shows `topic=position`
pairs joined by commas, with the topics percent-encoded. This is what clients of the gateway show, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

__all__ = ["Marks", "Stood", "parse"]

#: Topics of which one id can speak.
MOST = 64
#: The longest id, in characters: it comes back in a header, and proxies take some thousand.
LONGEST = 2048
#: The id of a client that follows more: coming back with it, it is told that it may have missed something.
TOO_MANY = "*"

_POSITION = re.compile(r"[0-9a-fA-F]{1,16}-[0-9a-fA-F]{1,16}")
_ENCODED = re.compile(r"(?:[^%]|%[0-9a-fA-F]{2})+")


class Marks:
    """Where the client of several topics stands."""

    __slots__ = ("_at",)

    def __init__(self, at: Mapping[str, str]) -> None:
        #: By topic. None: there were more than one id can speak of, and as many there will be; they are kept no more.
        self._at: dict[str, str] | None = None
        if len(at) <= MOST:
            self._at = {topic: f"{_encode(topic)}={position}" for topic, position in at.items()}

    def set(self, topic: str, position: str) -> str:
        """It stands here now in this topic. The id that says all of it."""
        at = self._at
        if at is not None:
            at[topic] = f"{_encode(topic)}={position}"
            if len(at) > MOST:
                self._at = None
        return self.id()

    def id(self) -> str:
        """What the client shows when it comes back; empty if there is nothing to show."""
        if self._at is None:
            return TOO_MANY
        id = ",".join(self._at.values())
        return id if len(id) <= LONGEST else TOO_MANY


@lru_cache(maxsize=4096)
def _encode(topic: str) -> str:
    return quote(topic, safe="-_.:/")


#: The position in the only topic, those in several, or None: what was shown does not say.
Stood = str | dict[str, str] | None


def parse(shown: str) -> Stood:
    """Where a client that has come back says it stood."""
    if _POSITION.fullmatch(shown):
        return shown
    stood = {}
    for pair in shown.split(","):
        topic, equals, position = pair.rpartition("=")
        if not (equals and _POSITION.fullmatch(position) and _ENCODED.fullmatch(topic)):
            return None
        try:
            stood[unquote_to_bytes(topic).decode()] = position
        except UnicodeDecodeError:
            return None
    return stood if len(stood) <= MOST * 16 else None
