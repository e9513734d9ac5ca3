"""The clients, as the process of their server sees them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from harness import cores
from harness.children import running, spawn

__all__ = ["Fleet", "FleetFailed", "fleet"]

PROGRAM = Path(__file__).parent / "clients.py"


class FleetFailed(Exception):
    """A client was not served."""


class Fleet:
    """Clients that are connected."""

    def __init__(self, child: subprocess.Popen[bytes], answers: asyncio.StreamReader) -> None:
        self._child = child
        self._answers = answers

    async def expect(self, events: int) -> None:
        """All together now expect so many events."""
        assert self._child.stdin is not None
        self._child.stdin.write(b"expect %d\n" % events)
        self._child.stdin.flush()
        await self._answer("expecting")

    async def received(self) -> int:
        """Waits until they have; the time when the last one came, by the monotonic clock, in nanoseconds."""
        return int(await self._answer("received"))

    async def _answer(self, expected: str) -> str:
        what, _, rest = (await self._answers.readline()).decode().strip().partition(" ")
        if what != expected:
            raise FleetFailed(f"{what} {rest}" if what else "the clients have ended")
        return rest


@asynccontextmanager
async def fleet(port: int, count: int, request: str) -> AsyncIterator[Fleet]:
    """So many clients of a port, each of whom sent this request and has been let in."""
    args = [sys.executable, str(PROGRAM), str(port), str(count), request]
    with running(spawn(args, core=cores.CLIENTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        loop = asyncio.get_running_loop()
        answers = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(answers), child.stdout)
        connected = Fleet(child, answers)
        await connected._answer("connected")
        yield connected
        child.stdin.close()
