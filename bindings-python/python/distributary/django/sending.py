"""Sending to a client that may not take it.

A server that has no room for a frame lets `send` wait, for as long as the client likes. Here it waits a bounded time.
Only a send that waits at all has a timer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from .driving import as_coroutine, drive
from .errors import SlowWebsocket

__all__ = ["bounded"]

Send = Callable[[dict[str, Any]], Awaitable[Any]]


def bounded(send: Send, seconds: float) -> Send:
    """The same `send`, which raises `SlowWebsocket` when it takes longer than so many seconds."""

    async def send_in_time(message: dict[str, Any]) -> None:
        coroutine = as_coroutine(send(message))
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            return
        task = asyncio.current_task()
        assert task is not None, "a coroutine that waits is run by a task"
        late = False

        def give_up() -> None:
            nonlocal late
            late = True
            task.cancel()

        timer = asyncio.get_running_loop().call_later(seconds, give_up)
        try:
            await drive(coroutine, _run, waits_for)
        except asyncio.CancelledError:
            if not late or (sys.version_info >= (3, 11) and task.uncancel()):
                raise
            raise SlowWebsocket(f"the client has not taken a frame for {seconds} s") from None
        finally:
            timer.cancel()

    return send_in_time


def _run(step: Callable[[Any], Any], value: Any) -> Any:
    return step(value)
