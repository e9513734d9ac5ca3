"""Beginning and end: with and without a loop, twice, forgotten, forked, and with the process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import Any

import anyio
import pytest
import websockets
from websockets.sync.client import connect

from distributary import Hub, NotRunning, OptionError, WrongLoop
from distributary.gateway import Accept, Client, Gateway, Request


def authorize(request: Request) -> Accept[None]:
    return Accept("a")


async def aauthorize(request: Request) -> Accept[None]:
    return Accept("a")


def url(gateway: Gateway[Any]) -> str:
    assert gateway.address is not None
    return "ws://{}:{}/".format(*gateway.address)


def listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_without_a_loop() -> None:
    hub = Hub()
    heard: list[Any] = []
    ended: list[Any] = []
    with Gateway(
        hub,
        address="127.0.0.1:0",
        authorize=authorize,
        on_message=lambda client, message: heard.append(message),
        on_end=lambda client, end: ended.append(end.reason),
    ) as gateway:
        with connect(url(gateway), proxy=None) as client:
            hub.publish("a", b"1")
            assert client.recv() == "1"
            client.send("2")
            hub.publish("a", b"3")
            assert client.recv() == "3"
        with connect(url(gateway), proxy=None):
            gateway.drain_blocking(0)
    # Close returns when everything has been told.
    assert heard == ["2"]
    assert sorted(ended) == ["drained", "left"]


def test_coroutine_functions_want_a_loop() -> None:
    for name in ("authorize", "on_open", "on_subscribe", "on_message", "on_end"):
        options: dict[str, Any] = {"authorize": authorize, name: aauthorize}
        with pytest.raises(OptionError, match=f"{name} is a coroutine function"):
            Gateway(Hub(), address="127.0.0.1:0", **options).start_blocking()
    coroutine = Gateway(Hub(), address="127.0.0.1:0", authorize=authorize).start()
    with pytest.raises(WrongLoop, match="no event loop runs here"):
        coroutine.send(None)


@pytest.mark.every_loop
async def test_closing_twice() -> None:
    gateway = Gateway(Hub(), address="127.0.0.1:0", authorize=aauthorize)
    assert gateway.address is None
    assert not gateway.closed
    async with gateway:
        address = gateway.address
        assert listens(address)
        await gateway.close()
        assert gateway.closed
        assert not listens(address)
    await gateway.close()
    gateway.close_blocking()
    assert gateway.address is None
    for call in (gateway.stats, gateway.prometheus, lambda: gateway.drain_blocking(0)):
        with pytest.raises(NotRunning):
            call()
    with pytest.raises(NotRunning):
        await gateway.drain(0)
    with pytest.raises(NotRunning):
        await gateway.start()


@pytest.mark.every_loop
async def test_closing_at_the_same_time() -> None:
    gateway = await Gateway(Hub(), address="127.0.0.1:0", authorize=aauthorize).start()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(gateway.close)
            group.start_soon(anyio.to_thread.run_sync, gateway.close_blocking)
    assert gateway.closed


@pytest.mark.every_loop
@pytest.mark.parametrize("how", ["by itself", "in a task", "in a thread"])
async def test_closing_in_a_function_of_its_own(eventually: Any, how: str) -> None:
    done: list[str] = []
    ended: list[str] = []

    async def close() -> None:
        with anyio.fail_after(10):
            await gateway.close()

    async def on_open(client: Client[None]) -> None:
        if how == "by itself":
            await close()
        elif how == "in a task":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(close)
        else:
            with anyio.fail_after(10):
                await anyio.to_thread.run_sync(gateway.close_blocking, abandon_on_cancel=True)
        done.append("closed")

    async def on_end(client: Client[None], end: Any) -> None:
        ended.append(end.reason)

    gateway = Gateway(Hub(), address="127.0.0.1:0", authorize=aauthorize, on_open=on_open, on_end=on_end)
    await gateway.start()
    assert gateway.address is not None
    async with await anyio.connect_tcp(*gateway.address) as connection:
        await connection.send(b"GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                await connection.receive()
    await eventually(lambda: gateway.closed, "it is closed")
    assert len(ended) == 1
    await gateway.close()


async def test_a_plain_function_does_not_wait_for_itself(eventually: Any) -> None:
    raised = threading.Event()

    def on_open(client: Client[None]) -> None:
        with pytest.raises(WrongLoop, match="thread of your own"):
            gateway.close_blocking()
        raised.set()

    gateway = Gateway(Hub(), address="127.0.0.1:0", authorize=authorize, on_open=on_open, threads=1)
    async with gateway:
        async with websockets.connect(url(gateway), proxy=None):
            await eventually(raised.is_set, "it raises")


async def test_closing_what_was_never_started() -> None:
    gateway = Gateway(Hub(), address="127.0.0.1:0", authorize=authorize)
    await gateway.close()
    with pytest.raises(NotRunning):
        await gateway.start()


@pytest.mark.every_loop
async def test_closing_while_it_drains(eventually: Any) -> None:
    gateway = await Gateway(Hub(), address="127.0.0.1:0", authorize=authorize).start()
    client = stream_of(gateway)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(gateway.drain, 600)
            await eventually(lambda: refuses(gateway), "it drains")
            await gateway.close()
    await anyio.to_thread.run_sync(read_to_the_end, client)


def stream_of(gateway: Gateway[Any]) -> socket.socket:
    """A client of server-sent events."""
    connection = socket.create_connection(gateway.address)
    connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
    return connection


def read_to_the_end(connection: socket.socket) -> None:
    with connection:
        connection.settimeout(20)
        while connection.recv(65_536):
            pass


async def refuses(gateway: Gateway[Any]) -> bool:
    return await anyio.to_thread.run_sync(status, gateway) == 503


def status(gateway: Gateway[Any]) -> int:
    """With which newcomers are answered."""
    with socket.create_connection(gateway.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
        return int(connection.recv(100).split()[1])


@pytest.mark.every_loop
async def test_a_close_that_is_cancelled_closes(eventually: Any) -> None:
    entered, leave = threading.Event(), threading.Event()

    def on_end(client: Any, ended: Any) -> None:
        entered.set()
        leave.wait(20)

    gateway = await Gateway(Hub(), address="127.0.0.1:0", authorize=aauthorize, on_end=on_end).start()
    address = gateway.address
    client = stream_of(gateway)
    await eventually(lambda: gateway.stats().open == 1, "it is served")
    with anyio.move_on_after(0.3) as scope:
        await gateway.close()
    assert scope.cancelled_caught
    assert gateway.closed
    leave.set()
    await eventually(lambda: not listens(address), "it stops to listen")
    await anyio.to_thread.run_sync(read_to_the_end, client)


async def test_wrong_loops() -> None:
    gateway = await Gateway(Hub(), address="127.0.0.1:0", authorize=aauthorize).start()
    with pytest.raises(WrongLoop, match=r"await gateway\.close"):
        gateway.close_blocking()
    with pytest.raises(WrongLoop, match=r"await gateway\.drain"):
        gateway.drain_blocking(0)
    with pytest.raises(WrongLoop, match="close_blocking"):
        await anyio.to_thread.run_sync(asyncio.run, gateway.close())
    await gateway.close()


async def test_closing_from_a_thread() -> None:
    ends: list[str] = []

    async def on_end(client: Any, ended: Any) -> None:
        ends.append(ended.reason)

    gateway = await Gateway(Hub(), address="127.0.0.1:0", authorize=aauthorize, on_end=on_end).start()
    async with websockets.connect(url(gateway), proxy=None):
        await anyio.to_thread.run_sync(gateway.close_blocking)
    assert ends == ["closed"]
    assert gateway.closed


def test_a_gateway_whose_loop_has_ended() -> None:
    """Sockets go on, nobody is there to be asked, and it can be closed."""
    hub = Hub()
    gateway = asyncio.run(Gateway(hub, address="127.0.0.1:0", authorize=aauthorize, on_end=aauthorize).start())  # type: ignore[arg-type]
    gateway.close_blocking()
    assert gateway.closed


async def collected(reference: weakref.ref[Any], eventually: Any) -> None:
    def is_gone() -> bool:
        gc.collect()
        return reference() is None

    await eventually(is_gone, "it is collected")


@pytest.mark.parametrize("kind", [authorize, aauthorize], ids=["plain", "coroutine"])
async def test_a_gateway_that_is_forgotten_stops_to_listen(eventually: Any, kind: Any) -> None:
    class Application:
        """It leads to its gateway, which leads to its method, and its sessions lead back, too."""

        async def aauthorize(self, request: Request) -> Accept[Any]:
            return self.authorize(request)

        def authorize(self, request: Request) -> Accept[Any]:
            return Accept("a", session=self)

    application = Application()
    hook = application.aauthorize if kind is aauthorize else application.authorize
    gateway = Gateway(Hub(), address="127.0.0.1:0", authorize=hook, on_message=lambda *_: None)
    application.gateway = await gateway.start()  # type: ignore[attr-defined]
    address = gateway.address
    assert address is not None
    client = await websockets.connect(url(gateway), proxy=None)
    reference = weakref.ref(application)
    del application, hook
    del gateway
    with pytest.warns(ResourceWarning, match="unclosed <Gateway at"):
        await collected(reference, eventually)
    await eventually(lambda: not listens(address), "it stops to listen")
    with pytest.raises(websockets.ConnectionClosed):
        await client.recv()
    assert client.close_code == 1001


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_has_no_gateway_until_it_makes_one() -> None:
    ran = run(
        """
        import os, sys
        from distributary import Hub, NotRunning
        from distributary.gateway import Accept, Gateway
        from websockets.sync.client import connect

        hub = Hub()
        met = []
        options = dict(address="127.0.0.1:0", authorize=lambda request: Accept("a"), on_open=met.append)

        def check(gateway):
            with connect("ws://{}:{}/".format(*gateway.address), proxy=None) as client:
                hub.publish("a", b"hello")
                assert client.recv() == "hello"

        with Gateway(hub, **options) as gateway:
            check(gateway)
            pid = os.fork()
            if pid == 0:
                for use in (gateway.stats, lambda: gateway.address, gateway.start_blocking, gateway.prometheus):
                    try:
                        use()
                    except NotRunning as error:
                        assert "forked" in str(error)
                    else:
                        raise AssertionError(use)
                try:
                    met[0].send("x")
                except Exception as error:
                    assert "forked" in str(error), error
                gateway.close_blocking()
                with Gateway(hub, **options) as own:
                    check(own)
                print("child", flush=True)
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            check(gateway)
        print("parent", flush=True)
        """
    )
    assert ran.stdout.split() == ["child", "parent"]


@pytest.mark.parametrize("how", ["main", "sys.exit(3)", "raise KeyError", "blocked", "loop"])
def test_the_process_ends_with_a_live_gateway(how: str) -> None:
    ran = run(
        f"""
        import asyncio, sys, threading
        from distributary import Hub
        from distributary.gateway import Accept, Gateway
        from websockets.sync.client import connect

        hub = Hub()

        def block(client, message):
            print("heard", flush=True)
            threading.Event().wait()

        async def accept(request):
            return Accept("a")

        how = {how!r}
        gateway = Gateway(
            hub, address="127.0.0.1:0", authorize=accept if how == "loop" else lambda request: Accept("a"),
            on_message=block,
        )
        if how == "loop":
            asyncio.run(gateway.start())
        else:
            gateway.start_blocking()
            client = connect("ws://{{}}:{{}}/".format(*gateway.address), proxy=None).__enter__()
            hub.publish("a", b"x" * 100_000)
            if how == "blocked":
                client.send("x")
                threading.Event().wait(0.2)
            elif how != "main":
                exec(how)
        print("end", flush=True)
        """,
        check=False,
    )
    assert ran.returncode == {"sys.exit(3)": 3, "raise KeyError": 1}.get(how, 0), ran.stderr
    assert "Fatal" not in ran.stderr
    assert "panicked" not in ran.stderr


def run(program: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=check)


def test_many_gateways_one_after_the_other_leave_nothing() -> None:
    def count() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    def once() -> None:
        with Gateway(Hub(), address="127.0.0.1:0", admin="127.0.0.1:0", authorize=authorize) as gateway:
            with connect(url(gateway), proxy=None):
                pass

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("descriptors cannot be counted here")
    once()
    before = count()
    for _ in range(10):
        once()
    end = threading.Event()
    for _ in range(1_000):
        if count() <= before:
            break
        end.wait(0.01)
    descriptors, threads = count()
    assert descriptors <= before[0]
    assert threads <= before[1]
