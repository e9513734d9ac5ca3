"""A redis-server of one's own, on a socket in a folder of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from harness.children import running, spawn

__all__ = ["redis_server"]

#: Seconds that it may take to answer.
PATIENCE = 10


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Its URL, for as long as it runs."""
    with tempfile.TemporaryDirectory(prefix="distributary-bench-") as folder:
        path = f"{folder}/redis.sock"
        args = ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder]
        with running(spawn(["redis-server", *args], stdout=subprocess.DEVNULL)) as server:
            deadline = time.monotonic() + PATIENCE
            while not _answers(path):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise OSError("redis-server does not answer")
                time.sleep(0.01)
            yield f"unix://{path}"


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0
