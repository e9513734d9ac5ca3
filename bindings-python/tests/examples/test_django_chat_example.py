"""The Django chat as its users see it: the page, sockets, the view and the database."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

CHAT = Path(__file__).parents[3] / "examples" / "python" / "django_chat"

Enter = Callable[..., ClientConnection]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat") / "chat.sqlite3"


@pytest.fixture
def address(launch: Any, database: Path) -> str:
    """Where the chat listens."""
    program = launch(sys.executable, "serve.py", "--port", "0", "--database", database, cwd=CHAT)
    program.wait_for("Uvicorn running on")
    found = re.search(r"http://(127\.0\.0\.1:\d+)", program.output())
    assert found is not None
    return found[1]


@pytest.fixture
def enter(address: str) -> Iterator[Enter]:
    """``enter("lobby", "ann")``: a socket in a room."""
    with ExitStack() as sockets:

        def come_in(room: str, who: str, **options: Any) -> ClientConnection:
            url = f"ws://{address}/socket/{room}/?who={who}"
            options.setdefault("origin", f"http://{address}")
            return sockets.enter_context(connect(url, proxy=None, **options))

        yield come_in


def heard(socket: ClientConnection) -> tuple[str, ...]:
    message = json.loads(socket.recv(10))
    return tuple(message[key] for key in ("kind", "room", "who", "text", "why") if key in message)


def say(socket: ClientConnection, text: Any) -> None:
    socket.send(json.dumps({"text": text}))


def test_the_chat(address: str, enter: Enter, database: Path) -> None:
    ann, bob, cid = enter("lobby", "ann"), enter("lobby", "bob"), enter("cellar", "cid")
    page = httpx.get(f"http://{address}/").text
    assert "<h1>Chat</h1>" in page

    # Those in the room hear it, the one who says it too; in order.
    for n in range(20):
        say(ann, f"line {n}")
    for socket in (ann, bob):
        assert [heard(socket) for _ in range(20)] == [("said", "lobby", "ann", f"line {n}") for n in range(20)]

    # Whoever is mentioned hears it in another room; nobody else there does.
    say(bob, "where is @cid?")
    assert heard(cid) == ("mentioned", "lobby", "bob", "where is @cid?")
    assert heard(ann) == heard(bob) == ("said", "lobby", "bob", "where is @cid?")

    # A sync view says something, too.
    answer = httpx.post(f"http://{address}/rooms/cellar/", data={"who": "robot", "text": "hello @ann"})
    assert answer.status_code == 201
    assert heard(cid) == ("said", "cellar", "robot", "hello @ann")
    assert heard(ann) == ("mentioned", "cellar", "robot", "hello @ann")
    assert httpx.post(f"http://{address}/rooms/cellar/", data={"text": " "}).status_code == 400

    # What cannot be said is told to the one who tries.
    for wrong in ("", "x" * 501, None, 3):
        say(ann, wrong)
        assert heard(ann)[0] == "unsaid"
    ann.send("[]")
    assert heard(ann)[0] == "unsaid"

    # Who comes later is shown what was said; it is in the database.
    late = enter("lobby", "dot")
    assert [heard(late) for _ in range(21)][-1] == ("said", "lobby", "bob", "where is @cid?")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM chat_line").fetchone() == (22,)

    # Who has left is not missed.
    bob.close()
    say(ann, "bye")
    assert heard(ann) == heard(late) == ("said", "lobby", "ann", "bye")


def test_who_may_come_in(enter: Enter) -> None:
    with pytest.raises(InvalidStatus):
        enter("lobby", "not%20a%20name")
    with pytest.raises(InvalidStatus):
        enter("lobby", "ann", origin="http://elsewhere.example")
