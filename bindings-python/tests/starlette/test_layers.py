"""What is gone past on the way to the server, and what is not."""

from __future__ import annotations

import functools
import gc
import weakref
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from distributary import Event, Hub
from distributary.starlette import server, sse
from distributary.starlette.frames import HEAVIEST, MOST, Frames, shared
from distributary.starlette.layers import beneath, of_socket
from distributary.starlette.warden import warden

HTTP = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
SOCKET = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}


async def nothing(*_: Any) -> Any:
    return {"type": "websocket.connect"}


def apps(seen: list[Any]) -> list[Any]:
    """Apps that note what they may send by."""

    class Noting(PlainTextResponse):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append((send, beneath(send)))
            await super().__call__(scope, receive, send)

    async def endpoint(request: Request) -> Response:
        return Noting()

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        seen.append((websocket.send, of_socket(websocket)))

    routes = [Route("/", endpoint), WebSocketRoute("/", socket)]
    return [Starlette(routes=routes), FastAPI(routes=routes)]


@pytest.mark.parametrize("scope", [HTTP, SOCKET], ids=["response", "socket"])
@pytest.mark.parametrize("which", [0, 1], ids=["Starlette", "FastAPI"])
async def test_what_the_framework_adds_is_gone_past(scope: Any, which: int) -> None:
    """If a newer Starlette has other layers this fails: events still come, and cost more."""
    seen: list[Any] = []
    await apps(seen)[which](dict(scope), nothing, nothing)
    ((outer, inner),) = seen
    assert outer is not nothing
    assert inner is nothing


def test_a_layer_of_anybody_else_stays() -> None:
    response_started = False

    async def send(message: Any) -> None:
        pass

    async def sender(message: Any) -> None:
        nonlocal response_started
        response_started = True
        await send(message)

    assert beneath(sender) is sender
    assert beneath(sender.__call__) is not send


async def test_a_socket_with_a_send_of_its_own_keeps_it() -> None:
    class Own(WebSocket):
        async def send(self, message: Any) -> None:
            await super().send(message)

    own = Own(dict(SOCKET), nothing, nothing)
    await own.accept()
    assert of_socket(own) == own.send
    closed = WebSocket(dict(SOCKET), nothing, nothing)
    await closed.accept()
    await closed.close()
    assert of_socket(closed) == closed.send


def test_nothing_is_known_of_a_server_that_shows_nothing() -> None:
    assert not server.abort(nothing)
    assert server.exchange(nothing) is None
    assert not server.ends()


class Sized:
    lost = 0

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def test_frames_are_bounded_in_number_and_weight() -> None:
    frames = Frames(lambda event: b"x" * len(event))
    for _ in range(3 * MOST):
        frames.make(Sized(1))  # type: ignore[arg-type]
        assert len(frames.made) <= MOST
    for _ in range(50):
        frames.make(Sized(HEAVIEST // 10))  # type: ignore[arg-type]
        assert sum(map(len, frames.made.values())) <= HEAVIEST
    heavy = Sized(HEAVIEST)
    frames.make(heavy)  # type: ignore[arg-type]
    assert heavy not in frames.made


def test_the_same_forms_share_their_frames() -> None:
    def form(setting: object) -> Any:
        return bytes

    one = shared(form, 1)
    assert shared(form, 1) is one
    assert shared(form, 2) is not one
    # The same one, and not an equal one.
    assert shared(form, []) is not shared(form, [])

    class Maker:
        def make(self, event: Event) -> bytes:
            return event.data

    maker = Maker()
    assert shared(form, maker.make) is shared(form, maker.make)
    assert shared(form, maker.make) is not shared(form, Maker().make)
    assert shared(form, b"".join) is shared(form, b"".join)


@pytest.mark.parametrize("given", ["method", "closure", "partial"])
def test_what_makes_frames_keeps_no_connection(given: str) -> None:
    class Connection:
        def __init__(self) -> None:
            data: Any = {
                "method": self.render,
                "closure": lambda event: self.render(event),
                "partial": functools.partial(Connection.render, self),
            }[given]
            self.stream = sse(hub, Request({"type": "http", "query_string": b"", "headers": []}), "a", data=data)

        def render(self, event: Event) -> bytes:
            return event.data

    with Hub() as hub:
        gone = [weakref.ref(Connection()) for _ in range(10)]
        gc.collect()
        assert not [it for it in gone if it() is not None]


async def test_one_that_cannot_be_looked_after_is_in_nobodys_way(caplog: pytest.LogCaptureFixture) -> None:
    looked: list[int] = []

    class Fails:
        def __init__(self, number: int) -> None:
            self.number = number

        def look(self, now: float, leaving: bool) -> None:
            looked.append(self.number)
            raise ValueError

    wards = [Fails(number) for number in range(3)]
    for ward in wards:
        warden().add(ward)
    warden()._round()
    assert sorted(looked) == [0, 1, 2]
    for ward in wards:
        warden().remove(ward)
    assert len(caplog.records) == 3
    caplog.clear()
