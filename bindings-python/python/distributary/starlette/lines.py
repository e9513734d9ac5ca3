"""Server-Sent Events as text: what stands on the lines of a stream.

It is what the gateway writes, so that a page can be moved from one to the other: data is text, one `data` line for each
of its lines; a payload that is not UTF-8 goes out in base64, as an event named `binary`; what was missed is told in an
event named `lagged`. Source: the WHATWG HTML standard, "Server-sent events".
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import OptionError

if TYPE_CHECKING:
    from .._native import Event

__all__ = ["KEEP_ALIVE", "form", "id_line", "lagged", "name", "retry"]

#: Says nothing, but keeps the connection alive.
KEEP_ALIVE = b":\n\n"

_ENDS = re.compile(rb"\r\n|\r|\n")

#: A name, or what says one for each event; None: no name, which is `message` in a browser.
Name = str | Callable[["Event"], "str | None"] | None
#: What makes the data of an event, in place of its payload.
Data = Callable[["Event"], "str | bytes"] | None


def form(event: Name, data: Data, with_id: bool) -> Callable[[Event], bytes]:
    """Makes the lines of an event. Without an id they are not ended, and :func:`id_line` has to follow."""
    fixed = name(event) if isinstance(event, str) else b""

    def lines(it: Event) -> bytes:
        head = b"id: %b\n" % it.position.encode() if with_id else b""
        named = fixed if event is None or isinstance(event, str) else _said(event(it))
        payload = it.data if data is None else data(it)
        if isinstance(payload, str):
            payload = payload.encode()
        elif not _is_text(payload):
            payload = b64encode(payload)
            named = named or name("binary")
        return b"%b%bdata: %b%b" % (head, named, _several(payload), b"\n\n" if with_id else b"\n")

    return lines


def name(event: str | None) -> bytes:
    """The line with an event's name."""
    if event is None:
        return b""
    if "\n" in event or "\r" in event:
        raise OptionError(f"the name of an event stands on one line: {event!r} has several")
    return b"event: %b\n" % event.encode()


def _said(event: str | None) -> bytes:
    """The line with a name that is said for one event: topics and payloads are no reason to end every stream."""
    return name(None if event is None else " ".join(event.splitlines()))


def id_line(id: str) -> bytes:
    """Ends a block with an id. Alone, it says where the stream stands before its first event, and fires nothing."""
    return b"id: %b\n\n" % id.encode()


def lagged(data: str) -> bytes:
    """The client has missed something."""
    return b"event: lagged\ndata: %b\n\n" % _several(data.encode())


def retry(seconds: float) -> bytes:
    """When to come back."""
    return b"retry: %d\n\n" % round(seconds * 1000)


def _is_text(payload: bytes) -> bool:
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _several(payload: bytes) -> bytes:
    """Data of several lines; the first `data: ` stands there already."""
    if b"\n" in payload or b"\r" in payload:
        return b"\ndata: ".join(_ENDS.split(payload))
    return payload
