"""Events to the clients of a Starlette or FastAPI app: Server-Sent Events and WebSockets.

:func:`sse` makes a response that is a stream of events; :func:`pump` sends events to a WebSocket until its client goes.
Both take the same topics, filters and policies as :meth:`Hub.subscribe`. Who the client is and what it may see is asked
in the endpoint, as ever::

    @app.get("/orders")
    async def orders(request: Request, user: User = Depends(current_user)) -> Response:
        return sse(hub, request, "orders.*", where={"region": user.regions})

    @app.websocket("/orders")
    async def orders_socket(websocket: WebSocket, user: User = Depends(current_user)) -> None:
        await websocket.accept()
        await pump(hub, websocket, "orders.*", where={"region": user.regions})

They run on asyncio and uvloop.

What is sent is made once per event and shared by all clients of a loop (`frames`); a client that goes is noticed by
one task that only waits for it (`delivery`); clients that take nothing, and servers that want to end, by one look over
all clients a few times a second (`warden`). So a delivery costs what the server's own ``send`` costs, and little more.
"""

from __future__ import annotations

from .pump import Ended, pump
from .sse import EventStream, sse

__all__ = ["Ended", "EventStream", "pump", "sse"]
