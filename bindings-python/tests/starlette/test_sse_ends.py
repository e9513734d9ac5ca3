"""How event streams end, and what clients that do not behave cost."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from distributary import Hub
from distributary.starlette import sse


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(history={"*": 100}) as hub:
        yield hub


def app_of(hub: Hub, topics: Any = "a", middleware: list[Middleware] | None = None, **options: Any) -> Starlette:
    async def events(request: Request) -> Response:
        return sse(hub, request, topics, **options)

    return Starlette(routes=[Route("/", events)], middleware=middleware or [])


def subscriptions(hub: Hub) -> int:
    return hub.stats().subscriptions


def reset(connection: socket.socket) -> None:
    """Breaks a connection without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("end", [socket.socket.close, reset, lambda it: it.shutdown(socket.SHUT_WR)])
def test_a_client_that_goes_is_unsubscribed(
    serve: Any, connect: Any, loop: str, hub: Hub, wait_until: Any, end: Callable[[socket.socket], None]
) -> None:
    served = serve(app_of(hub), loop=loop)
    stays, goes = connect(served.port, "/"), connect(served.port, "/")
    wait_until(lambda: subscriptions(hub) == 2, "both are in")
    end(goes)
    wait_until(lambda: subscriptions(hub) == 1, "it is unsubscribed", patience=2)
    wait_until(lambda: served.tasks == 1, "nothing of it is left")
    hub.publish("a", "still here")
    assert _read_until(stays, b"still here")


def _read_until(connection: socket.socket, text: bytes) -> bool:
    seen = b""
    while text not in seen:
        piece = connection.recv(65536)
        if not piece:
            return False
        seen += piece
    return True


def test_the_end_of_the_hub_is_a_clean_end(serve: Any, listen: Any, loop: str, hub: Hub) -> None:
    served = serve(app_of(hub), loop=loop)
    listeners = [listen(served.url) for _ in range(5)]
    hub.publish("a", "last")
    hub.close()
    for listener in listeners:
        # httpx raises when the answer is cut off.
        assert [it.data for it in listener] == ["last"]


def test_a_client_that_does_not_keep_up_is_told(serve: Any, connect: Any, loop: str) -> None:
    with Hub(capacity=10) as hub:
        served = serve(app_of(hub), loop=loop)
        slow = connect(served.port, "/", buffer=4096)
        _wait_for(lambda: subscriptions(hub) == 1)
        for number in range(500):
            hub.publish("a", f"{number:05}" + "x" * 60_000)
            time.sleep(0.001)
        hub.publish("a", "the end")
        numbers, missed = [], 0
        for block in _body(slow, b"the end").decode().split("\n\n"):
            if block.startswith("event: lagged\ndata: "):
                missed += json.loads(block.split("data: ")[1])["missed"]
            elif "data: 0" in block:
                numbers.append(int(block.split("data: ")[1][:5]))
        assert numbers == sorted(set(numbers))
        assert missed > 0
        assert len(numbers) + missed == 500


def _body(connection: socket.socket, until: bytes) -> bytes:
    """What a response says up to here, without what chunks it."""
    raw = bytearray()
    while until not in raw[-100:]:
        piece = connection.recv(1 << 20)
        assert piece, "the connection was ended"
        raw += piece
    body, at = b"", raw.index(b"\r\n\r\n") + 4
    while at < len(raw):
        length, begin = int(raw[at : raw.index(b"\r\n", at)], 16), raw.index(b"\r\n", at) + 2
        body += raw[begin : begin + length]
        at = begin + length + 2
    return body


def _wait_for(holds: Callable[[], bool], patience: float = 20) -> None:
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "behind a middleware that hides the server"])
def test_a_client_that_never_reads_is_bounded_and_let_go(
    serve: Any, connect: Any, listen: Any, loop: str, wrapped: bool
) -> None:
    class Hiding(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            return await call_next(request)  # type: ignore[no-any-return]

    with Hub(capacity=50) as hub:
        middleware = [Middleware(Hiding)] if wrapped else []
        served = serve(app_of(hub, middleware=middleware, send_timeout=1.0), loop=loop)
        stalled = [connect(served.port, "/", buffer=4096) for _ in range(10)]
        reads = listen(served.url)
        _wait_for(lambda: subscriptions(hub) == 11)
        before = _resident()
        for number in range(3000):
            hub.publish("a", f"{number}" + "x" * 20_000)
            assert next(reads).data.startswith(str(number))
        # 60 MB each, had they been kept.
        assert _resident() - before < 60e6
        _wait_for(lambda: subscriptions(hub) == 1, 10)
        hub.publish("a", "still here")
        assert next(reads).data == "still here"
        if not wrapped:
            _wait_for(lambda: served.connections == 1, 10)
        for connection in stalled:
            reset(connection)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_slow_reader_that_reads_is_not_let_go(serve: Any, connect: Any) -> None:
    """A send may take long; it must only not stand still."""
    with Hub(capacity=10_000) as hub:
        served = serve(app_of(hub, send_timeout=1.0))
        slow = connect(served.port, "/", buffer=4096)
        _wait_for(lambda: subscriptions(hub) == 1)
        for number in range(30):
            hub.publish("a", f"{number}" + "x" * 10_000)
        hub.publish("a", "the end")
        seen, end = b"", time.monotonic() + 20
        while b"the end" not in seen:
            assert time.monotonic() < end
            piece = slow.recv(8192)
            assert piece
            seen = seen[-20:] + piece
            time.sleep(0.03)


def test_those_who_miss_something_may_be_sent_away(serve: Any, connect: Any, loop: str) -> None:
    with Hub(capacity=5) as hub:
        served = serve(app_of(hub, on_lost="close"), loop=loop)
        slow = connect(served.port, "/", buffer=4096)
        _wait_for(lambda: subscriptions(hub) == 1)
        for number in range(300):
            hub.publish("a", f"{number}" + "x" * 60_000)
            time.sleep(0.001)
        seen = b""
        while piece := slow.recv(1 << 20):
            seen = seen[-100:] + piece
            if b"\r\n0\r\n\r\n" in seen:
                break
        assert seen.endswith(b"\r\n0\r\n\r\n")
        _wait_for(lambda: subscriptions(hub) == 0)


def test_the_application_may_have_words_of_its_own_for_it(serve: Any, connect: Any) -> None:
    told = []

    def words(missed: int | None) -> str:
        told.append(missed)
        return "sorry"

    with Hub(capacity=5) as hub:
        served = serve(app_of(hub, on_lost=words))
        slow = connect(served.port, "/", buffer=4096)
        _wait_for(lambda: subscriptions(hub) == 1)
        for number in range(300):
            hub.publish("a", f"{number}" + "x" * 60_000)
            time.sleep(0.001)
        assert _read_until(slow, b"event: lagged\ndata: sorry\n\n")
    assert sum(it or 0 for it in told) > 100


def test_the_policy_that_disconnects_ends_the_stream(serve: Any, connect: Any, loop: str) -> None:
    with Hub() as hub:
        served = serve(app_of(hub, overflow="disconnect", capacity=5), loop=loop)
        slow = connect(served.port, "/", buffer=4096)
        _wait_for(lambda: subscriptions(hub) == 1)
        for number in range(300):
            hub.publish("a", f"{number}" + "x" * 60_000)
            time.sleep(0.001)
        assert _read_until(slow, b"\r\n0\r\n\r\n")
        assert subscriptions(hub) == 0


def test_a_server_that_ends_is_not_held_up(serve: Any, listen: Any, loop: str, hub: Hub) -> None:
    """In a thread, where uvicorn gets no signals."""
    served = serve(app_of(hub), loop=loop)
    listeners = [listen(served.url) for _ in range(5)]
    assert served.stop() < 3
    for listener in listeners:
        assert list(listener) == []


PROGRAM = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from distributary import Hub
from distributary.starlette import sse

hub = Hub(history={"*": 100})
async def events(request):
    return sse(hub, request, "a")

config = dict(host="127.0.0.1", port=int(sys.argv[1]), loop=sys.argv[2])
if len(sys.argv) > 3:
    config["limit_max_requests"] = int(sys.argv[3])
uvicorn.run(Starlette(routes=[Route("/", events)]), **config)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_a_program_ends_at_its_signal(
    launch: Any, free_port: Any, loop: str, number: signal.Signals, version: str
) -> None:
    port = free_port()
    program = launch(sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM, str(port), loop)
    program.wait_for_port(port)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"GET / {version}\r\nHost: test\r\n\r\n".encode())
        assert _read_until(connection, b"id: ")
        program.signal(number)
        began = time.monotonic()
        while connection.recv(65536):
            pass
        program.wait(10)
    assert time.monotonic() - began < 3
    assert "Traceback" not in program.output()
    assert "Warning" not in program.output()


def test_a_program_ends_after_its_last_request(launch: Any, free_port: Any) -> None:
    port = free_port()
    program = launch(sys.executable, "-c", PROGRAM, str(port), "asyncio", "1")
    program.wait_for_port(port)
    with httpx.stream("GET", f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as response:
        pieces = response.iter_text()
        assert next(pieces)
        assert httpx.head(f"http://127.0.0.1:{port}", trust_env=False).status_code == 200
        assert list(pieces) == []
    program.wait(10)


def test_clients_come_and_go_while_events_are_published(serve: Any, loop: str, wait_until: Any) -> None:
    hub = Hub()
    app = FastAPI()

    @app.get("/")
    async def events(request: Request) -> Response:
        return sse(hub, request, "a")

    served = serve(app, loop=loop)
    over = threading.Event()
    published = 0

    def publish() -> None:
        nonlocal published
        while not over.is_set():
            hub.publish("a", str(published))
            published += 1
            time.sleep(0.001)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
        present: list[socket.socket] = []
        for number in range(500):
            connection = socket.create_connection(("127.0.0.1", served.port), timeout=20)
            connection.sendall(request)
            present.append(connection)
            if number % 3 == 2:
                gone = present.pop(0)
                if number % 2:
                    assert _read_until(gone, b"data: ")
                (reset if number % 4 else socket.socket.close)(gone)
        wait_until(lambda: subscriptions(hub) == len(present), "those who are there are subscribed")
        for connection in present:
            assert _read_until(connection, b"data: ")
            connection.close()
        wait_until(lambda: subscriptions(hub) == 0, "all have gone")
        wait_until(lambda: served.tasks == 0 and served.connections == 0, "nothing is left")
    finally:
        over.set()
        publisher.join()
    assert published > 50
    hub.close()


def test_a_closed_hub_takes_nobody(serve: Any, caplog: pytest.LogCaptureFixture, hub: Hub) -> None:
    served = serve(app_of(hub))
    hub.close()
    assert httpx.get(served.url, trust_env=False).status_code == 500
    caplog.clear()


def test_nothing_is_kept_once_all_have_gone(serve: Any, listen: Any, hub: Hub, wait_until: Any) -> None:
    from distributary.starlette import frames, warden

    served = serve(app_of(hub, data=lambda event: event.data))
    listeners = [listen(served.url) for _ in range(3)]
    hub.publish("a", "1")
    for listener in listeners:
        assert next(listener).data == "1"
    before = len(frames._SHARED)
    for listener in listeners:
        listener.response.close()
    wait_until(lambda: served.tasks == 0, "they have gone")
    wait_until(lambda: len(frames._SHARED) < before, "the frames have gone")
    assert all(it._timer is None for it in warden._WARDENS.values() if not it._wards)


def test_it_runs_in_a_program_without_a_warning(tmp_path: Path) -> None:
    program = """
import asyncio
from starlette.requests import Request
from distributary import Hub
from distributary.starlette import sse

async def main():
    hub, sent = Hub(), []
    gone = asyncio.Event()
    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": b""}
    stream = sse(hub, Request(scope), "a")
    running = asyncio.create_task(stream(scope, receive, send))
    unused = sse(hub, Request(scope), "a")
    await asyncio.sleep(0.05)
    hub.publish("a", "1")
    await asyncio.sleep(0.05)
    gone.set()
    await running
    assert b"data: 1" in sent[-1]["body"], sent
    cancelled = asyncio.create_task(sse(hub, Request(scope), "a")(scope, asyncio.Event().wait, send))
    await asyncio.sleep(0.05)
    cancelled.cancel()
    try:
        await cancelled
    except asyncio.CancelledError:
        pass
    del unused
    assert hub.stats().subscriptions == 0, hub.stats()
    hub.close()

asyncio.run(main(), debug=True)
"""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
