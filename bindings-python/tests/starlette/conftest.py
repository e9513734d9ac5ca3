"""A real uvicorn in a thread of the test, and clients that look closely."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn

#: Seconds that a client waits for something.
PATIENCE = 20.0


class Served:
    """An app that is being served. Loopback, a port of the system's choice."""

    def __init__(self, app: Any, **config: Any) -> None:
        config = {"log_config": None, "lifespan": "off", "ws": "websockets-sansio", **config}
        self.server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, **config))
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + PATIENCE
        while not self.server.started:
            assert self._thread.is_alive(), "uvicorn has ended"
            assert time.monotonic() < end, "uvicorn does not start"
            time.sleep(0.005)
        self.port: int = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    @property
    def tasks(self) -> int:
        return len(self.server.server_state.tasks)

    def stop(self) -> float:
        """Asks it to end as a signal does; the seconds that took."""
        began = time.monotonic()
        self.server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "uvicorn does not end"
        return time.monotonic() - began


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    """The event loop of the server."""
    return str(request.param)


@pytest.fixture
def serve(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Served]]:
    """``served = serve(app, loop="uvloop")``: ended with the test, which fails if the server had an error to tell."""
    running: list[Served] = []

    def start(app: Any, **config: Any) -> Served:
        running.append(Served(app, **config))
        return running[-1]

    yield start
    for served in running:
        served.stop()
    errors = [it for it in caplog.get_records("call") if it.name.startswith(("uvicorn", "asyncio"))]
    errors = [it for it in errors if it.levelno >= logging.ERROR]
    assert not errors, [it.getMessage() for it in errors]


@dataclass
class Block:
    """What a browser would be given."""

    data: str
    event: str
    id: str


@dataclass
class Listener:
    """A client of an event stream, by the standard's rules."""

    response: httpx.Response
    comments: int = 0
    retry: int | None = None
    #: What it would show when it came back.
    last_id: str = ""
    _blocks: Iterator[Block] = field(init=False)

    def __post_init__(self) -> None:
        self._blocks = self._read()

    def __iter__(self) -> Iterator[Block]:
        return self._blocks

    def __next__(self) -> Block:
        return next(self._blocks)

    def take(self, count: int) -> list[Block]:
        return [next(self._blocks) for _ in range(count)]

    def _read(self) -> Iterator[Block]:
        data: list[str] = []
        event = "message"
        for line in _lines(self.response.iter_text()):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    yield Block("\n".join(data), event, self.last_id)
                data, event = [], "message"
            elif not name:
                self.comments += 1
            elif name == "data":
                data.append(value)
            elif name == "event":
                event = value
            elif name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry = int(value)
            else:
                pytest.fail(f"a line that means nothing: {line!r}")


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """Lines as the standard ends them; the server writes no lone CR at the end of a piece."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        yield from lines


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """``listener = listen(url, last_id="...")``: connected, its answer's head has come. Closed with the test."""
    with contextlib.ExitStack() as stack:

        def start(url: str, *, last_id: str | None = None, params: dict[str, str] | None = None) -> Listener:
            headers = {} if last_id is None else {"Last-Event-ID": last_id}
            client = stack.enter_context(httpx.Client(timeout=PATIENCE, trust_env=False))
            request = client.stream("GET", url, headers=headers, params=params)
            return Listener(stack.enter_context(request))

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., socket.socket]]:
    """A bare socket that has asked for a path, and read nothing: ``connect(served.port, "/events")``."""
    sockets: list[socket.socket] = []

    def start(port: int, path: str, *headers: str, buffer: int | None = None) -> socket.socket:
        connection = socket.socket()
        sockets.append(connection)
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", port))
        lines = [f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return connection

    yield start
    for connection in sockets:
        connection.close()
