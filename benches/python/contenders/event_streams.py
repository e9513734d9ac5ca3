"""Ways to send events to the clients of Server-Sent Events, as endpoints of an ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from contenders.service import Service, served
from distributary import Hub
from distributary.starlette import sse
from load.events import TOPIC

__all__ = ["bare", "ours", "sse_starlette", "streaming"]


@asynccontextmanager
async def ours() -> AsyncIterator[Service]:
    """`sse`."""
    with Hub() as hub:

        async def endpoint(request: Request) -> Response:
            return sse(hub, request, TOPIC)

        async def publish(text: str) -> None:
            hub.publish(TOPIC, text)

        async with served(Starlette(routes=[Route("/", endpoint)])) as port:
            yield Service(port, publish)


@asynccontextmanager
async def bare() -> AsyncIterator[Service]:
    """The floor: no framework, and a queue of bytes that are made already."""
    queues: set[asyncio.Queue[bytes]] = set()
    headers = [(b"content-type", b"text/event-stream")]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(queue)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            # Else the head is sent with the first event.
            await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
            while True:
                await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})
        finally:
            queues.discard(queue)

    async with served(app) as port:
        yield Service(port, _put_in(queues))


@asynccontextmanager
async def streaming() -> AsyncIterator[Service]:
    """The same with Starlette's own response."""
    queues: set[asyncio.Queue[bytes]] = set()

    async def endpoint(request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            queue: asyncio.Queue[bytes] = asyncio.Queue()
            queues.add(queue)
            try:
                yield b":\n\n"
                while True:
                    yield await queue.get()
            finally:
                queues.discard(queue)

        return StreamingResponse(events(), media_type="text/event-stream")

    async with served(Starlette(routes=[Route("/", endpoint)])) as port:
        yield Service(port, _put_in(queues))


@asynccontextmanager
async def sse_starlette() -> AsyncIterator[Service]:
    """sse-starlette, fed by broadcaster."""
    from broadcaster import Broadcast
    from sse_starlette import EventSourceResponse

    async with Broadcast("memory://") as broadcast:

        async def endpoint(request: Request) -> Response:
            async def events() -> AsyncIterator[dict[str, str]]:
                async with broadcast.subscribe(channel=TOPIC) as subscription:
                    subscriber: Any = subscription
                    yield {"comment": ""}
                    async for event in subscriber:
                        yield {"data": event.message}

            return EventSourceResponse(events())

        async def publish(text: str) -> None:
            await broadcast.publish(TOPIC, text)

        async with served(Starlette(routes=[Route("/", endpoint)])) as port:
            yield Service(port, publish)


def _put_in(queues: set[asyncio.Queue[bytes]]) -> Any:
    async def publish(text: str) -> None:
        frame = b"data: %b\n\n" % text.encode()
        for queue in queues:
            queue.put_nowait(frame)

    return publish
