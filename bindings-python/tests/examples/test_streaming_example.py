"""The streaming server, as its first lines say that it is started and used."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

SERVER = Path(__file__).parents[3] / "examples" / "python" / "streaming" / "server.py"


@pytest.fixture
def server(launch: Any) -> Any:
    """The program, and where it listens."""
    program = launch(sys.executable, SERVER, "--address", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--rate", "400")
    program.wait_for("listening on")
    found = re.search(r"listening on http://(\S+), metrics on (\S+)", program.output())
    assert found is not None
    return program, found[1], found[2]


def parsed(message: str | bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A message, and the post in it."""
    outer = json.loads(message)
    return outer, json.loads(outer["payload"])


async def test_it_serves_the_streams_that_clients_ask_for(server: Any) -> None:
    program, address, metrics = server

    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:

        async def refused(path: str, **headers: str) -> tuple[int, str]:
            response = await http.get(
                f"http://{address}/api/v1/streaming{path}", headers={"accept": "text/event-stream", **headers}
            )
            return response.status_code, response.text

        assert await refused("/user") == (401, "a token is needed\n")
        assert await refused("/public", authorization="Bearer none") == (401, "this token is not known\n")
        assert (await refused("?stream=none"))[0] == 400
        assert await refused("/hashtag") == (400, "a hashtag stream wants a tag\n")
        assert (await refused("/none"))[0] == 404

        def connect(query: str, **options: Any) -> websockets.connect:
            return websockets.connect(f"ws://{address}/api/v1/streaming{query}", proxy=None, **options)

        async with connect("?stream=public:local") as local, connect("/hashtag?tag=Photography") as tagged:
            outer, post = parsed(await local.recv())
            assert (outer["stream"], outer["event"]) == (["public:local"], "update")
            assert "@" not in post["account"]["acct"]
            outer, post = parsed(await tagged.recv())
            assert outer["stream"] == ["hashtag", "photography"]
            assert "photography" in [tag["name"].lower() for tag in post["tags"]]

        # A browser offers its token as a protocol, and wants it chosen.
        async with connect("?stream=user", subprotocols=["bob-token"]) as bob:
            assert bob.subprotocol == "bob-token"
            languages, authors = set(), set()
            for _ in range(30):
                outer, post = parsed(await bob.recv())
                assert outer["stream"] == ["user"]
                languages.add(post["language"])
                authors.add(post["account"]["acct"])
            assert not languages & {"de", "ja"}
            assert len(authors) > 1

        async with http.stream(
            "GET",
            f"http://{address}/api/v1/streaming/user",
            headers={"accept": "text/event-stream", "authorization": "Bearer ann-token"},
        ) as stream:
            assert stream.status_code == 200
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    assert parsed(line[5:])[0]["stream"] == ["user"]
                    break

        page = (await http.get(metrics)).text
        assert "\ndistributary_gateway_opened_total 4\n" in page

        async with connect("?stream=public") as leaving:
            program.signal(signal.SIGTERM)
            with contextlib.suppress(websockets.ConnectionClosed):
                async for _ in leaving:
                    pass
            assert leaving.close_code == 1012
    assert program.wait() == 0
    assert "5 clients were served" in program.output()
