"""Orders over Server-Sent Events and a chat over WebSockets, on one page.

    pip install ./bindings-python fastapi uvicorn[standard]
    python examples/python/fastapi/app.py

Then open http://127.0.0.1:8000 in two tabs, as ann in one and as bob in the other. An order comes in every second.

Who somebody is and what they may see is asked where FastAPI asks such things: in a dependency. What they want of it is
in the URL. Both end up in one filter, and an order that somebody did not ask for costs them nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response, WebSocket, WebSocketException, status
from fastapi.requests import HTTPConnection
from fastapi.responses import FileResponse
from pydantic import BaseModel

from distributary import F, Hub, Topic
from distributary.starlette import pump, sse

Region = Literal["eu", "us", "jp"]

#: The regions that each user may see. An app asks its database, and its users for more than a name.
USERS: dict[str, set[Region]] = {"ann": {"eu", "us"}, "bob": {"jp"}}
ROOMS = ["lobby", "attic"]
#: Seconds from one order to the next; 0: none come by themselves.
EVERY = float(os.environ.get("EVERY", "1"))

#: The last orders and messages are kept, so that a page that was away for a while misses nothing.
hub = Hub(capacity=256, history={"orders.*": 500, "chat.*": 50})
numbers = itertools.count(1)


class Order(BaseModel):
    region: Region
    total: float


def place(order: Order) -> int:
    """From anywhere: an endpoint, a thread, a task of a queue."""
    number = next(numbers)
    hub.publish(f"orders.{order.region}", {"id": number, "region": order.region, "total": order.total})
    return number


async def customers() -> None:
    while True:
        await asyncio.sleep(EVERY)
        place(Order(region=random.choice(["eu", "us", "jp"]), total=round(random.uniform(1, 500), 2)))


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    buying = asyncio.create_task(customers()) if EVERY else None
    yield
    if buying is not None:
        buying.cancel()
    hub.close()


app = FastAPI(lifespan=lifespan)


def current_user(connection: HTTPConnection) -> str:
    """Who is there. The same for requests and for sockets."""
    name = connection.query_params.get("user", "")
    if name not in USERS:
        if connection.scope["type"] == "websocket":
            raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "say who you are")
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "say who you are")
    return name


User = Annotated[str, Depends(current_user)]


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(Path(__file__).with_name("index.html"))


@app.post("/orders", status_code=status.HTTP_201_CREATED)
async def order(order: Order) -> dict[str, int]:
    return {"id": place(order)}


@app.get("/orders")
async def orders(request: Request, user: User, above: Annotated[float, Query(ge=0)] = 0) -> Response:
    """The orders of the regions that the user may see, above what the user wants to see."""
    topics = [Topic(f"orders.{region}") for region in sorted(USERS[user])]
    return sse(hub, request, topics, where=F.total > above, event="order", retry=1)


@app.websocket("/chat")
async def chat(websocket: WebSocket, user: User) -> None:
    """One socket, whose rooms change: `{"do": "come" | "leave" | "say", "room": ..., "text": ...}`."""
    await websocket.accept()
    # What is said to this user alone, in whatever room they are; the rooms come and go beside it.
    sub = hub.subscribe(Topic(f"to.{user}"))
    rooms: set[str] = set()

    def hear(said: str | bytes) -> None:
        try:
            wish = json.loads(said)
            action, room, text = wish["do"], wish["room"], str(wish.get("text", ""))[:500]
        except (ValueError, TypeError, KeyError):
            return complain('say {"do": "say", "room": "lobby", "text": "hello"}')
        if room not in ROOMS:
            return complain(f"there is no room {room!r}")
        topic = Topic(f"chat.{room}")
        if action == "come" and room not in rooms:
            rooms.add(room)
            sub.add(topic)
            hub.publish(topic, {"room": room, "who": user, "text": "comes in"})
        elif action == "leave" and room in rooms:
            rooms.discard(room)
            sub.remove(topic)
            hub.publish(topic, {"room": room, "who": user, "text": "leaves"})
        elif action == "say" and room in rooms and text.strip():
            hub.publish(topic, {"room": room, "who": user, "text": text})
        return None

    def complain(text: str) -> None:
        hub.publish(f"to.{user}", {"room": "", "who": "the server", "text": text})

    # Until the client goes. One that takes nothing for ten seconds is let go, and holds up nobody meanwhile.
    await pump(hub, websocket, sub, receive=hear, send_timeout=10)
    for room in rooms:
        hub.publish(f"chat.{room}", {"room": room, "who": user, "text": "leaves"})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
