"""What all ways to serve clients have in common, seen by their users."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

__all__ = ["BACKLOG", "OpenService", "Service", "served"]

#: Connections that wait to be accepted.
BACKLOG = 4_096


@dataclass(frozen=True)
class Service:
    """A server that listens, and a way to publish to all its clients."""

    port: int
    publish: Callable[[str], Awaitable[None]]
    path: str = "/"


OpenService = Callable[[], AbstractAsyncContextManager[Service]]


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """The port of this app under uvicorn, with what `uvicorn[standard]` brings, in the running loop."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listening:
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", backlog=BACKLOG, ws_ping_interval=None
        )
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        port: int = listening.getsockname()[1]
        try:
            yield port
        finally:
            server.should_exit = server.force_exit = True
            await serving
