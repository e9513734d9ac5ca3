"""Another process with a hub of its own: what a hub is joined with."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 20.0
PEER = Path(__file__).with_name("peer.py")


class Peer:
    """A process with a hub, that does what it is told line by line and says what it heard."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PEER), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def tell(self, **what: Any) -> dict[str, Any]:
        """Has it do something; gives what it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self.says()

    def says(self) -> dict[str, Any]:
        """What it says next."""
        return self._said.get(timeout=PATIENCE)

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            assert self._process.wait(PATIENCE) == 0
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()


@pytest.fixture
def peer() -> Iterator[Callable[[str], Peer]]:
    """``other = peer(url)``; ``other.tell(subscribe="a")``; ``other.says()``."""
    peers: list[Peer] = []

    def start(url: str) -> Peer:
        peers.append(Peer(url))
        return peers[-1]

    yield start
    for one in peers:
        one.stop()
