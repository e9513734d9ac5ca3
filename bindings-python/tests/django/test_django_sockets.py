"""Consumers with the mixin under the servers that Channels is run with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

HERE = Path(__file__).parent
COMMANDS = {
    "uvicorn": ["uvicorn", "sockets_app:application", "--lifespan", "off"],
    "daphne": ["daphne", "sockets_app:application"],
    # Workers are forked after the application has made the layer.
    "gunicorn": [
        "gunicorn",
        "sockets_app:application",
        "--preload",
        "--workers",
        "2",
        "-k",
        "uvicorn.workers.UvicornWorker",
    ],
}

Enter = Callable[..., ClientConnection]


@pytest.fixture
def enter(request: pytest.FixtureRequest, launch: Any, free_port: Callable[[], int]) -> Iterator[Enter]:
    """``enter()``: a socket in the room, under the server that the test is run with."""
    port = free_port()
    where = ["--bind", f"127.0.0.1:{port}"] if request.param == "gunicorn" else ["--port", str(port)]
    launch(sys.executable, "-m", *COMMANDS[request.param], *where, cwd=HERE).wait_for_port(port)
    with ExitStack() as sockets:
        yield lambda **options: sockets.enter_context(connect(f"ws://127.0.0.1:{port}/", proxy=None, **options))


def heard(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(10))


def say(socket: ClientConnection, content: Any) -> None:
    socket.send(json.dumps(content))


@pytest.mark.parametrize("enter", ["uvicorn", "daphne"], indirect=True)
def test_a_room(enter: Enter) -> None:
    sockets = [enter() for _ in range(20)]
    assert len({heard(socket)["pid"] for socket in sockets}) == 1
    for n in range(50):
        say(sockets[0], f"line {n}")
    for socket in sockets:
        assert [heard(socket) for _ in range(50)] == [{"said": f"line {n}"} for n in range(50)]
    say(sockets[1], 1000)
    for socket in sockets:
        assert len(heard(socket)["frame"]) == 1000
    for socket in sockets[1:]:
        socket.close()
    while True:
        say(sockets[0], "stats")
        found = heard(sockets[0])
        if found["members"] == 1:
            break
    assert len(found["codes"]) == 19


@pytest.mark.parametrize("enter", ["uvicorn"], indirect=True)
def test_a_client_that_does_not_read_leaves_others_alone(enter: Enter) -> None:
    stalled = enter(max_queue=1, compression=None, close_timeout=1)  # else there is next to nothing to read
    ann, bob = enter(), enter()
    for socket in (stalled, ann, bob):
        heard(socket)
    for _ in range(100):  # more than the buffers of two sockets take
        say(ann, 200_000)
        assert len(heard(bob)["frame"]) == len(heard(ann)["frame"]) == 200_000
    while True:
        say(ann, "stats")
        if (found := heard(ann))["codes"]:
            break
    assert found == {"members": 2, "codes": [1013]}


@pytest.mark.parametrize("enter", ["gunicorn"], indirect=True)
def test_workers_that_are_forked(enter: Enter) -> None:
    sockets: dict[int, list[ClientConnection]] = {}
    for _ in range(200):  # until each worker has two
        socket = enter()
        sockets.setdefault(heard(socket)["pid"], []).append(socket)
        if len(sockets) == 2 and min(map(len, sockets.values())) >= 2:
            break
    for pid, those in sockets.items():
        say(those[0], f"from {pid}")
        for socket in those:
            assert heard(socket) == {"said": f"from {pid}"}
