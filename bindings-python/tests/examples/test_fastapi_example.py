"""The example with FastAPI: started as its users start it, and opened in a browser."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

APP = Path(__file__).parents[3] / "examples" / "python" / "fastapi" / "app.py"

#: Names that a Chromium goes by.
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


@pytest.fixture
def address(launch: Any) -> str:
    program = launch(sys.executable, APP, env={"PORT": "0", "EVERY": "0"})
    program.wait_for("Uvicorn running on")
    found = re.search(r"http://(127\.0\.0\.1:\d+)", program.output())
    assert found is not None
    return found[1]


def order(address: str, region: str, total: float) -> int:
    answer = httpx.post(f"http://{address}/orders", json={"region": region, "total": total}, trust_env=False)
    assert answer.status_code == 201
    return int(answer.json()["id"])


class Page:
    """A tab of a browser, asked by its own protocol."""

    def __init__(self, socket: ClientConnection, url: str) -> None:
        self._numbers = itertools.count(1)
        self._socket = socket
        self._session: str | None = None
        target = self._call("Target.createTarget", url=url)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        session = {} if self._session is None else {"sessionId": self._session}
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while (answer := json.loads(self._socket.recv(20))).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def run(self, script: str) -> Any:
        """What the script gives."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str, holds: Callable[[Any], bool]) -> Any:
        """Waits until what the script gives is as it should be."""
        end = time.monotonic() + 30
        while not holds(found := self.run(script)):
            assert time.monotonic() < end, f"{script} gives {found!r}"
            time.sleep(0.05)
        return found

    def lines(self, selector: str) -> str:
        return f"[...document.querySelectorAll({selector + ' li'!r})].map((it) => it.textContent)"

    def enter(self, user: str, above: float) -> None:
        self.wait("document.readyState === 'complete' && document.querySelector('#enter') !== null", bool)
        self.run(f"""
            document.querySelector("[name=user]").value = {user!r};
            document.querySelector("[name=above]").value = {above};
            document.querySelector("#enter button").click();
        """)


@pytest.fixture
def open_page(launch: Any, tmp_path: Path) -> Iterator[Callable[[str], Page]]:
    """Opens tabs of one headless browser."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, "there is no Chromium: run `make clients`"
    browser = launch(
        found,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--remote-debugging-port=0",
        f"--user-data-dir={tmp_path / 'profile'}",
        "about:blank",
    )
    browser.wait_for("DevTools listening on ")
    end = time.monotonic() + 20
    while (listens := re.search(r"DevTools listening on (ws://\S+)\n", browser.output())) is None:
        assert time.monotonic() < end, browser.output()
        time.sleep(0.01)
    with contextlib.ExitStack() as sockets:
        yield lambda url: Page(sockets.enter_context(connect(listens[1], max_size=None)), url)


@pytest.mark.timeout(180)
def test_two_tabs_of_a_browser(address: str, open_page: Callable[[str], Page]) -> None:
    ann, bob = open_page(f"http://{address}/"), open_page(f"http://{address}/")
    ann.enter("ann", 100)
    ann.wait(ann.lines("#chat"), lambda it: it == ["ann: comes in"])
    bob.enter("bob", 0)
    came = ["ann: comes in", "bob: comes in"]
    assert ann.wait(ann.lines("#chat"), lambda it: len(it) == 2) == came
    assert bob.wait(bob.lines("#chat"), lambda it: len(it) == 1) == came[1:]

    for region, total in [("eu", 120.5), ("eu", 99), ("jp", 7), ("us", 1000), ("jp", 250)]:
        order(address, region, total)
    assert ann.wait(ann.lines("#orders"), lambda it: len(it) == 2) == ["1: 120.50 from eu", "4: 1000.00 from us"]
    assert bob.wait(bob.lines("#orders"), lambda it: len(it) == 2) == ["3: 7.00 from jp", "5: 250.00 from jp"]

    bob.run("""
        document.querySelector("[name=text]").value = "hello & <b>goodbye</b>";
        document.querySelector("#say button").click();
    """)
    for page in (ann, bob):
        page.wait(page.lines("#chat"), lambda it: it[-1] == "bob: hello & <b>goodbye</b>")


def test_strangers_stay_outside(address: str) -> None:
    assert httpx.get(f"http://{address}/orders", trust_env=False).status_code == 401
    assert httpx.get(f"http://{address}/orders?user=ann&above=-1", trust_env=False).status_code == 422
    with pytest.raises(InvalidStatus), connect(f"ws://{address}/chat?user=eve"):
        pass


def test_a_page_that_was_away_misses_nothing(address: str) -> None:
    url = f"http://{address}/orders?user=ann"

    def until(count: int, last_id: str) -> tuple[list[int], str]:
        """So many orders, and the id that the last of them came with; with none, the id that a stream begins with."""
        numbers, id = [], ""
        with httpx.stream("GET", url, headers={"Last-Event-ID": last_id}, timeout=20, trust_env=False) as response:
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    id = value
                elif name == "data":
                    numbers.append(json.loads(value)["id"])
                elif not line and id and len(numbers) == count:
                    break
        return numbers, id

    _, id = until(0, "")
    order(address, "eu", 1)
    order(address, "us", 2)
    first, id = until(1, id)
    order(address, "eu", 3)
    second, id = until(2, id)
    assert sorted(first + second) == [1, 2, 3]


def test_what_the_chat_does_not_understand_is_answered(address: str) -> None:
    with connect(f"ws://{address}/chat?user=ann") as socket:
        for said in ["nonsense", "[]", b"\xff", json.dumps({"do": "come", "room": "cellar"})]:
            socket.send(said)
            assert json.loads(socket.recv(20))["who"] == "the server"
        socket.send(json.dumps({"do": "come", "room": "attic"}))
        assert json.loads(socket.recv(20)) == {"room": "attic", "who": "ann", "text": "comes in"}
