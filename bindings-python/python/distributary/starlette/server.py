"""What can be known of the server that runs the app, beyond what ASGI says.

ASGI has no word for two things that a stream without end needs: to break a connection whose client takes nothing any
more, and to learn that the server wants to end (uvicorn waits for open responses before it tells the app of its
shutdown, so an endless one would be waited for without end). Both are looked for where uvicorn has them, with nothing
taken for granted: elsewhere the answer is that nothing is known.
"""

from __future__ import annotations

import signal
from typing import Any

__all__ = ["abort", "ends", "exchange"]


def abort(receive: object) -> bool:
    """Breaks the connection beneath at once. False if the server does not show it."""
    for owner in _owners(receive):
        # uvloop's transports are no subclasses of asyncio's.
        end = getattr(getattr(owner, "transport", None), "abort", None)
        if callable(end):
            end()
            return True
    return False


def exchange(receive: object) -> Any:
    """What says, by a `keep_alive` that is true no more, that the server wants its connection back."""
    for owner in _owners(receive):
        if getattr(owner, "keep_alive", None) is True:
            return owner
    return None


def ends() -> bool:
    """Whether the server that listens to the signals of this process is about to end."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True


def _owners(receive: object) -> list[object]:
    """Whose method `receive` is; and of wrappers that keep the one they wrap, whose that is."""
    owners: list[object] = []
    while len(owners) < 4 and (owner := getattr(receive, "__self__", None)) is not None:
        owners.append(owner)
        receive = getattr(owner, "_receive", None)
    return owners
