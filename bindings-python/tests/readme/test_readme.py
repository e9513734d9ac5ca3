"""The examples of the READMEs run, and say what their comments say.

Examples of one section are one program: a later one goes on where an earlier one stopped. What is an application's own
(its users, its models) stands in `STAGE`; what only defines something is put to use in `ACT`. Where ``print(...)`` has
a comment, that is what it has to say.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SAID = re.compile(r"print\(.*\)  # (.*)$", re.MULTILINE)

#: What the examples of a section find: the rest of the application.
STAGE = {
    "Django Channels": """
from django.conf import settings
settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": "distributary.django.ChannelLayer"}})
""",
    "FastAPI and Starlette": """
from dataclasses import dataclass

@dataclass
class User:
    regions: list[str]

def current_user() -> User:
    return User(["eu"])
""",
    "The gateway": """
import asyncio
from types import SimpleNamespace

class Users:
    async def by_token(self, token):
        return SimpleNamespace(id=7) if token == "secret" else None

users = Users()
stopped = asyncio.Event()
""",
}

#: What is done with what they define.
ACT = {
    "FastAPI and Starlette": """
import asyncio, json, socket
import uvicorn
from websockets.asyncio.client import connect

async def act():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="websockets-sansio"))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    async with connect(f"ws://127.0.0.1:{port}/orders") as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /orders HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        await reader.readuntil(b"\\r\\n\\r\\n")
        while hub.stats().subscriptions < 2:
            await asyncio.sleep(0.01)
        new_order({"region": "us", "id": 1})
        new_order({"region": "eu", "id": 2})
        assert json.loads(await client.recv())["id"] == 2
        await reader.readuntil(b'data: {"region":"eu","id":2}')
        writer.close()
    hub.close()
    server.should_exit = True
    await serving
    listener.close()

asyncio.run(asyncio.wait_for(act(), 30))
""",
    "Django Channels": """
import asyncio
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator

async def act():
    layer = get_channel_layer()
    client = WebsocketCommunicator(Chat.as_asgi(), "/")
    assert (await client.connect())[0]
    while not layer.hub.stats().subscriptions:
        await asyncio.sleep(0.01)
    await layer.group_send("lobby", {"type": "chat.message", "text": "hello"})
    assert await client.receive_json_from() == {"text": "hello"}
    layer.hub.publish("orders.us", {"region": "us"})
    layer.hub.publish("orders.eu", {"region": "eu"})
    assert await client.receive_json_from() == {"region": "eu"}
    await client.disconnect()

asyncio.run(asyncio.wait_for(act(), 30))
""",
    "Litestar": """
from litestar.testing import TestClient

with TestClient(app) as client, client.websocket_connect("/orders") as socket:
    client.post("/orders", json={"id": 1})
    assert socket.receive_json(timeout=10) == {"id": 1}
""",
    "Strawberry": """
import asyncio

@strawberry.type
class Query:
    there: bool = True

async def act():
    schema = strawberry.Schema(Query, subscription=Subscription)
    results = await schema.subscribe('subscription { orderChanged(id: "7") { total } }')
    first = asyncio.ensure_future(results.__anext__())
    while not hub.stats().subscriptions:
        await asyncio.sleep(0.01)
    hub.publish("orders", Order(id="6", total=1.0))
    hub.publish("orders", Order(id="7", total=120.5))
    assert (await first).data == {"orderChanged": {"total": 120.5}}
    await results.aclose()

asyncio.run(asyncio.wait_for(act(), 30))
""",
    "The gateway": """
import json, socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

async def act():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = "127.0.0.1:%d" % probe.getsockname()[1]
    serving = asyncio.create_task(serve(address))
    for token, status in ("wrong", 401), ("secret", None):
        headers = {"authorization": f"Bearer {token}"}
        while True:
            try:
                async with connect(f"ws://{address}/", additional_headers=headers) as client:
                    hub.publish("user.7", {"n": 2})
                    assert json.loads(await client.recv()) == {"n": 2}
                    break
            except InvalidStatus as refused:
                assert refused.response.status_code == status
                break
            except OSError:
                await asyncio.sleep(0.01)
    stopped.set()
    await serving

asyncio.run(asyncio.wait_for(act(), 30))
""",
}


def sections(file: Path) -> Iterator[tuple[str, list[str]]]:
    """The sections that have examples in Python, and these."""
    for section in re.split(r"^## ", file.read_text(), flags=re.MULTILINE)[1:]:
        blocks = BLOCK.findall(section)
        if blocks:
            yield section.partition("\n")[0], blocks


EXAMPLES = [
    pytest.param(title, blocks, id=f"{file.parent.name}: {title}")
    for file in (PACKAGE / "README.md", PACKAGE.parent / "README.md")
    for title, blocks in sections(file)
]


@pytest.mark.parametrize(("title", "blocks"), EXAMPLES)
def test_examples_say_what_their_comments_say(title: str, blocks: list[str], tmp_path: Path, redis_server: Any) -> None:
    program = tmp_path / "example.py"
    text = "\n".join([STAGE.get(title, ""), *blocks, ACT.get(title, "")])
    # The server of the tests in the place of the one that an application has.
    program.write_text(text.replace("redis://127.0.0.1:6379", redis_server.url))
    done = subprocess.run(
        [sys.executable, "-W", "error", program.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines() == [said for block in blocks for said in SAID.findall(block)]


def test_both_readmes_have_examples() -> None:
    assert len({str(example.id).partition(":")[0] for example in EXAMPLES}) == 2


def test_every_stage_is_used() -> None:
    assert STAGE.keys() | ACT.keys() <= {example.values[0] for example in EXAMPLES}
