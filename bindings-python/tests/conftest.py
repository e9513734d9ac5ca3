"""What the tests share: event loops, deadlines, ports, and programs that are started and ended.

Nothing here sleeps in hope: a wait has a condition and a deadline, and says what it waited for. What is started is
ended by its process id, never by its name.
"""

from __future__ import annotations

import inspect
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest

try:
    import hypothesis
except ImportError:
    # An interpreter without a GIL, for which it cannot be had: the rest of the engine's tests run there.
    collect_ignore = ["engine/test_order.py", "filters/test_properties.py"]
else:
    # The same examples in each run; a deadline for one example only measures how busy the machine is.
    hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
    hypothesis.settings.load_profile("fixed")

#: Seconds that a wait takes at most.
PATIENCE = 20.0

ASYNCIO = pytest.param("asyncio", id="asyncio")
UVLOOP = pytest.param(
    ("asyncio", {"use_uvloop": True}),
    id="uvloop",
    marks=pytest.mark.skipif(find_spec("uvloop") is None, reason="there is no uvloop for this interpreter"),
)
TRIO = pytest.param("trio", id="trio")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_loop") and "anyio_backend" in metafunc.fixturenames:
        metafunc.parametrize("anyio_backend", [ASYNCIO, UVLOOP, TRIO], scope="module")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The loop of tests that do not say otherwise."""
    return "asyncio"


class Eventually(Protocol):
    """Waits until it holds, or fails."""

    def __call__(self, holds: Callable[[], Any], what: str = ..., *, patience: float = ...) -> Awaitable[Any]: ...


@pytest.fixture
def eventually() -> Eventually:
    """``await eventually(lambda: sub.lag == 3)``: gives what held. The condition may be a coroutine function."""

    async def wait(holds: Callable[[], Any], what: str = "the condition holds", *, patience: float = PATIENCE) -> Any:
        end = time.monotonic() + patience
        while True:
            found = holds()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            if time.monotonic() > end:
                pytest.fail(f"waited {patience} s in vain until {what}")
            await anyio.sleep(0.002)

    return wait


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """The same for a plain thread: ``wait_until(lambda: done, "the reader is done")``."""
    return _wait_until


def _wait_until(holds: Callable[[], Any], what: str = "the condition holds", *, patience: float = PATIENCE) -> Any:
    end = time.monotonic() + patience
    while not (found := holds()):
        if time.monotonic() > end:
            pytest.fail(f"waited {patience} s in vain until {what}")
        time.sleep(0.002)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A port on loopback that nobody has right now. Where a program can be given a socket, or asked which port it took,
    that is safer."""
    return _free_port


class Program:
    """A program that runs beside the test."""

    def __init__(self, command: list[str], *, cwd: Path | None, env: dict[str, str] | None) -> None:
        self.command = command
        # A file and not a pipe: nobody has to read it for the program to go on.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def output(self) -> str:
        """What it has said so far."""
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Waits until it says this."""
        self._wait(lambda: text in self.output(), f"says {text!r}")

    def wait_for_port(self, port: int) -> None:
        """Waits until somebody can connect."""

        def listens() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                return False
            return True

        self._wait(listens, f"listens on port {port}")

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            code = self._process.poll()
            if code is not None:
                pytest.fail(f"{self.command} ended ({code}) before it {what}:\n{self.output()}")
            if time.monotonic() > end:
                pytest.fail(f"waited {PATIENCE} s in vain until {self.command} {what}:\n{self.output()}")
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Waits for its end; gives its exit code."""
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.command} does not end:\n{self.output()}")

    def stop(self) -> None:
        """Asks it to end, and ends it if it does not."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()


class Launch(Protocol):
    """Starts a program that ends with the test."""

    def __call__(self, *command: str | Path, cwd: Path | None = ..., env: dict[str, str] | None = ...) -> Program: ...


@pytest.fixture
def launch() -> Iterator[Launch]:
    """``program = launch(sys.executable, "-m", "uvicorn", ..., env={"A": "b"})``, ``program.wait_for_port(port)``."""
    programs: list[Program] = []

    def start(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Program:
        program = Program([str(part) for part in command], cwd=cwd, env=env)
        programs.append(program)
        return program

    yield start
    for program in reversed(programs):
        program.stop()


class Plain:
    """A client of Redis that knows nothing of hubs."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._connection.makefile("rb")

    def send(self, *words: str | bytes) -> Any:
        """Sends a command; gives the answer."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        self._connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.read()

    def read(self) -> Any:
        """The next answer, or message."""
        line = self._file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        assert kind != b"-", rest
        return int(rest) if kind == b":" else rest

    def close(self) -> None:
        self._file.close()
        self._connection.close()


@dataclass
class RedisServer:
    """A redis-server on loopback that keeps nothing on disk, or a sentinel."""

    port: int
    program: Program
    ready: str

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.program.signal(signal.SIGKILL)
        self.program.wait()

    def start_again(self) -> None:
        """Starts it anew on its port, after it was killed."""
        self.program.stop()
        self.program = Program(self.program.command, cwd=None, env=None)
        self.program.wait_for(self.ready)

    def ask(self, *words: str | int) -> Any:
        """What it answers to a command."""
        client = Plain(self.port)
        try:
            return client.send(*map(str, words))
        finally:
            client.close()

    def flush(self) -> None:
        """Empties it."""
        assert self.ask("FLUSHALL") == b"OK"


def _start_redis(folder: Path, *options: str) -> RedisServer:
    def arguments(port: int) -> list[str]:
        here = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        return [*here, "--save", "", "--appendonly", "no", *options]

    return _start(arguments, "Ready to accept connections")


def _start(arguments: Callable[[int], list[str]], ready: str) -> RedisServer:
    for _ in range(5):  # somebody may take the port before it does
        port = _free_port()
        program = Program(["redis-server", *arguments(port)], cwd=None, env=None)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            said = program.output()
            if ready in said:
                return RedisServer(port, program, ready)
            if "Address already in use" in said:
                break
            if program._process.poll() is not None:
                pytest.fail(f"redis-server ended:\n{said}")
            time.sleep(0.01)
        program.stop()
    pytest.fail("redis-server does not start")


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """A redis-server (one for the whole run), empty. It has ``port``, ``url`` and ``flush()``."""
    _shared_redis.flush()
    return _shared_redis


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = _start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.program.stop()


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of the test's own, to be killed: ``server = start_redis(); server.kill()``. Takes options."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        servers.append(_start_redis(tmp_path, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.program.stop()


@pytest.fixture
def plain(redis_server: RedisServer) -> Iterator[Plain]:
    """``plain.send("PUBLISH", "a", "1")``."""
    client = Plain(redis_server.port)
    yield client
    client.close()


#: What the sentinels call the master.
MASTER = "main"


@dataclass
class Watched:
    """A master with a replica, and three sentinels that call it dead after a second."""

    master: RedisServer
    replica: RedisServer
    sentinels: list[RedisServer]
    #: What the sentinels call the master.
    name: str = MASTER

    @property
    def urls(self) -> list[str]:
        return [sentinel.url for sentinel in self.sentinels]


@pytest.fixture
def watched_redis(tmp_path: Path) -> Iterator[Watched]:
    """Servers of the test's own that sentinels watch: ``Redis(watched_redis.urls, sentinel=watched_redis.name)``."""
    started: list[RedisServer] = []

    def begun(server: RedisServer) -> RedisServer:
        started.append(server)
        return server

    try:
        master = begun(_start_redis(tmp_path))
        follows = ("--replicaof", f"127.0.0.1 {master.port}", "--repl-diskless-sync-delay", "0")
        replica = begun(_start_redis(tmp_path, *follows))
        _wait_until(lambda: b"link_status:up" in replica.ask("INFO", "replication"), "the replica has its copy")
        sentinels = [begun(_start_sentinel(tmp_path / f"sentinel-{number}", master)) for number in range(3)]
        for sentinel in sentinels:

            def knows(sentinel: RedisServer = sentinel) -> bool:
                known = [len(sentinel.ask("SENTINEL", what, MASTER)) for what in ("SENTINELS", "REPLICAS")]
                return known == [2, 1]

            _wait_until(knows, "the sentinels know each other and the replica")
        yield Watched(master, replica, sentinels)
    finally:
        for server in reversed(started):
            server.program.stop()


def _start_sentinel(folder: Path, master: RedisServer) -> RedisServer:
    folder.mkdir()
    file = folder / "sentinel.conf"

    def arguments(port: int) -> list[str]:
        file.write_text(
            f"port {port}\n"
            "bind 127.0.0.1\n"
            f"dir {folder}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {master.port} 2\n"
            f"sentinel down-after-milliseconds {MASTER} 1000\n"
            f"sentinel failover-timeout {MASTER} 3000\n"
        )
        return [str(file), "--sentinel"]

    return _start(arguments, "Sentinel ID is")


@dataclass
class RedisCluster:
    """Three nodes that share the slots."""

    nodes: list[RedisServer]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster (one for the whole run): ``Redis(redis_cluster.urls, cluster=True)``."""
    nodes: list[RedisServer] = []
    try:
        for _ in range(3):
            bus = str(_free_port())
            folder = tmp_path_factory.mktemp("node")
            nodes.append(_start_redis(folder, "--cluster-enabled", "yes", "--cluster-port", bus))
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", nodes[-1].port, bus)
        for node, (first, last) in zip(nodes, [(0, 5460), (5461, 10922), (10923, 16383)], strict=True):
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in nodes:

            def is_well(node: RedisServer = node) -> bool:
                found = node.ask("CLUSTER", "INFO")
                return b"cluster_state:ok" in found and b"cluster_known_nodes:3" in found

            _wait_until(is_well, "the cluster is well")
        yield RedisCluster(nodes)
    finally:
        for node in nodes:
            node.program.stop()
