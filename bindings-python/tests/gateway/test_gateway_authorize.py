"""Who is let in: what `authorize` is asked, and what becomes of its answer."""

from __future__ import annotations

import functools
import logging
import socket
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import websockets

from distributary import Hub
from distributary.gateway import Accept, Limits, Reject, Request

LOGGER = "distributary.gateway"

#: Handshakes may take longer than a test.
PATIENT = Limits(handshake_timeout=600.0)


def plain(request: Request) -> Accept[None] | Reject:
    user = request.query.get("user")
    return Accept(f"user.{user}") if user else Reject(401, headers={"www-authenticate": "Bearer"}, body="who is this?")


async def coroutine(request: Request) -> Accept[None] | Reject:
    await anyio.lowlevel.checkpoint()
    return plain(request)


class Callable:
    async def __call__(self, request: Request) -> Accept[None] | Reject:
        return plain(request)

    def method(self, request: Request) -> Accept[None] | Reject:
        return plain(request)


KINDS = [
    pytest.param(plain, id="plain"),
    pytest.param(coroutine, id="coroutine"),
    pytest.param(Callable(), id="async-callable"),
    pytest.param(Callable().method, id="method"),
    pytest.param(functools.partial(coroutine), id="partial"),
    pytest.param(lambda request: plain(request), id="lambda"),
]


@pytest.mark.parametrize("authorize", KINDS)
async def test_it_says_what_a_client_sees(serving: Any, authorize: Any) -> None:
    hub = Hub()
    async with serving(hub, authorize) as clients:
        async with clients.websocket("/?user=7") as seven, clients.websocket("/?user=8") as eight:
            assert hub.publish("user.7", {"for": 7}).subscriptions == 1
            assert hub.publish("user.8", {"for": 8}).subscriptions == 1
            assert await seven.recv() == '{"for":7}'
            assert await eight.recv() == '{"for":8}'
        refused = await clients.refused("/")
        assert (refused.status_code, refused.text) == (401, "who is this?")
        assert refused.headers["www-authenticate"] == "Bearer"


async def test_plain_functions_run_in_threads_and_coroutines_on_the_loop(serving: Any) -> None:
    seen: dict[str, threading.Thread] = {}

    def in_a_thread(request: Request) -> Accept[None]:
        seen["plain"] = threading.current_thread()
        return Accept()

    async def on_the_loop(request: Request) -> Accept[None]:
        seen["coroutine"] = threading.current_thread()
        return Accept()

    for authorize in (in_a_thread, on_the_loop):
        async with serving(Hub(), authorize) as clients, clients.websocket():
            pass
    assert seen["coroutine"] is threading.current_thread()
    assert seen["plain"] is not threading.current_thread()
    assert seen["plain"].daemon
    assert seen["plain"].name.startswith("distributary-gateway-")


async def test_a_request_is_typed(serving: Any) -> None:
    seen: list[Request] = []

    async def authorize(request: Request) -> Accept[None]:
        seen.append(request)
        return Accept("a", protocol=request.protocols[0] if request.protocols else None)

    async with serving(Hub(), authorize) as clients:
        async with clients.websocket(
            "/a%20b?stream=user&x=1&x=2&flag",
            subprotocols=["t0ken"],
            origin="https://example.org",
            additional_headers=[
                ("Authorization", "Bearer  abc "),
                ("Cookie", 'a=1; b="two"; a=3'),
                ("X-Many", "1"),
                ("X-Many", "2"),
                ("X-Latin", "caf\xe9".encode("latin-1").decode("latin-1")),
            ],
        ) as socket_:
            assert socket_.subprotocol == "t0ken"
        async with clients.events("/", **{"last-event-id": "1-2"}):
            pass
    websocket, sse = seen
    assert (websocket.method, websocket.transport, websocket.address) == ("GET", "websocket", "127.0.0.1")
    assert (websocket.path, websocket.url) == ("/a%20b", "/a%20b?stream=user&x=1&x=2&flag")
    assert dict(websocket.query) == {"stream": "user", "x": "1", "flag": ""}
    assert (websocket.query.all("x"), websocket.query.all("none")) == (["1", "2"], [])
    assert websocket.query.text == "stream=user&x=1&x=2&flag"
    assert websocket.bearer == "abc"
    assert websocket.cookies == {"a": "1", "b": "two"}
    assert websocket.origin == "https://example.org"
    assert websocket.protocols == ["t0ken"]
    assert websocket.headers["X-Many"] == "1, 2"
    assert websocket.headers.all("x-many") == ["1", "2"]
    assert "x-none" not in websocket.headers
    assert websocket.headers.get("x-none") is None
    assert (sse.transport, sse.last_event_id, sse.bearer, sse.origin) == ("sse", "1-2", None, None)
    assert (websocket.gone, websocket.last_event_id) == (False, None)
    # What is secret does not get into logs by a repr.
    for text in (repr(websocket), repr(websocket.headers), repr(websocket.query)):
        assert "abc" not in text
        assert "two" not in text


def raises(request: Request) -> Accept[None]:
    raise ZeroDivisionError("a secret")


async def araises(request: Request) -> Accept[None]:
    raise ZeroDivisionError("a secret")


def returns_a_coroutine(request: Request) -> Any:
    return coroutine(request)


@pytest.mark.parametrize(
    ("authorize", "said"),
    [
        (raises, "ZeroDivisionError"),
        (araises, "ZeroDivisionError"),
        (lambda request: None, "`authorize` returned None"),
        (lambda request: True, "`authorize` returned bool"),
        (lambda request: {"topics": "a"}, "`authorize` returned dict"),
        (lambda request: Accept, "`authorize` returned type"),
        (returns_a_coroutine, "define it with `async def`"),
        (lambda request: Accept("a" * 2_000), "TopicError"),
        (lambda request: Accept("a", allow="["), "PatternError"),
        (lambda request: Accept("a", headers={"x y": "1"}), "is not a header"),
        (lambda request: Accept("a", headers={"x": "a\nb"}), "is not a header"),
        (lambda request: Accept("a", protocol="a\nb"), "subprotocol"),
        (lambda request: Accept("a", where={"a": [{"none": 1}]}), "FilterError"),
        (lambda request: Reject(200), "turns nobody away"),
        (lambda request: Reject(401, headers={"x y": "1"}), "is not a header"),
        (lambda request: exit(), "SystemExit"),
    ],
)
async def test_a_failure_is_a_500_to_that_client_and_hits_nobody_else(
    serving: Any, caplog: pytest.LogCaptureFixture, authorize: Any, said: str
) -> None:
    hub = Hub()

    def some(request: Request) -> Any:
        return Accept("all") if "good" in request.query else authorize(request)

    async def asome(request: Request) -> Any:
        return Accept("all") if "good" in request.query else await authorize(request)

    with caplog.at_level(logging.ERROR, LOGGER):
        async with (
            serving(hub, asome if authorize is araises else some) as clients,
            clients.websocket("/?good") as good,
        ):
            refused = await clients.refused("/?token=t0ken")
            assert (refused.status_code, refused.text) == (500, "internal error")
            hub.publish("all", b"still here")
            assert await good.recv() == "still here"
            async with clients.websocket("/?good"):
                pass
    (record,) = caplog.records
    text = caplog.text
    assert said in text
    assert record.name == LOGGER
    assert "t0ken" not in text


@pytest.mark.parametrize("raised", [True, False])
async def test_rejecting(serving: Any, raised: bool) -> None:
    def authorize(request: Request) -> Accept[None] | Reject:
        reject = Reject(503, headers=[("x-why", "1"), ("x-why", "2")], body="läter", retry_after=1.2)
        if raised:
            raise reject
        return reject

    async with serving(Hub(), authorize) as clients:
        refused = await clients.refused()
        assert (refused.status_code, refused.text) == (503, "läter")
        assert refused.headers["retry-after"] == "2"
        assert refused.headers.get_list("x-why") == ["1", "2"]
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with clients.websocket():
                pass
        assert caught.value.response.status_code == 503


async def test_a_slow_one_holds_up_nobody_else(serving: Any) -> None:
    """Not on the loop, and not in threads, of which there are two."""
    leave = threading.Event()
    asked = anyio.Event()

    def blocks(request: Request) -> Accept[None]:
        if "slow" in request.query:
            leave.wait(20)
        return Accept("all")

    async def waits(request: Request) -> Accept[None]:
        if "slow" in request.query:
            asked.set()
            await anyio.sleep(20)
        return Accept("all")

    for authorize in (blocks, waits):
        async with serving(Hub(), authorize, threads=2) as clients:
            async with anyio.create_task_group() as group:

                async def slow(clients: Any = clients) -> None:
                    async with clients.websocket("/?slow"):
                        pass

                group.start_soon(slow)
                if authorize is waits:
                    await asked.wait()
                for _ in range(5):
                    async with clients.websocket("/"):
                        pass
                leave.set()
                group.cancel_scope.cancel()


async def test_a_coroutine_is_cancelled_when_its_client_goes(serving: Any, eventually: Any) -> None:
    seen: list[Any] = []

    async def authorize(request: Request) -> Accept[None]:
        seen.append(request)
        try:
            await anyio.sleep(30)
        except BaseException as error:
            seen.append(type(error).__name__)
            raise
        return Accept()

    async with serving(Hub(), authorize, limits=PATIENT) as clients:
        with socket.create_connection(clients.gateway.address) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
            await eventually(lambda: seen, "it is asked")
            assert not seen[0].gone
        await eventually(lambda: len(seen) == 2, "it is cancelled")
        assert seen[1] == "CancelledError"
        assert seen[0].gone


async def test_a_plain_one_can_see_that_its_client_has_gone(serving: Any, eventually: Any) -> None:
    seen: list[Request] = []
    done = threading.Event()

    def authorize(request: Request) -> Accept[None]:
        seen.append(request)
        end = time.monotonic() + 20
        while not request.gone and time.monotonic() < end:
            time.sleep(0.002)
        done.set()
        return Accept()

    async with serving(Hub(), authorize, limits=PATIENT) as clients:
        with socket.create_connection(clients.gateway.address) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
            await eventually(lambda: seen, "it is asked")
        await eventually(done.is_set, "it sees it")
        assert seen[0].gone


async def test_a_handshake_takes_its_time_at_most(serving: Any, eventually: Any) -> None:
    cancelled = anyio.Event()

    async def authorize(request: Request) -> Accept[None]:
        try:
            await anyio.sleep(30)
        finally:
            cancelled.set()
        return Accept()

    async with serving(Hub(), authorize, limits=Limits(handshake_timeout=0.2)) as clients:
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with clients.websocket():
                pass
        assert caught.value.response.status_code == 503
        with anyio.fail_after(20):
            await cancelled.wait()
        await eventually(lambda: clients.gateway.stats().refused["timeout"] == 1, "it is counted")


@pytest.mark.every_loop
async def test_every_loop(serving: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Under trio there is no client of ours: a plain socket in a thread is one everywhere."""
    hub = Hub()

    async def authorize(request: Request) -> Accept[None]:
        await anyio.sleep(0.01)
        if "bad" in request.query:
            raise ValueError("bad")
        return Accept("all")

    def ask(path: str, gateway: Any) -> bytes:
        with socket.create_connection(gateway.address) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n".encode())
            connection.settimeout(20)
            read = b""
            while b"data: hello" not in read and b" 500 " not in read:
                read += connection.recv(4096)
                if b" 200 " in read:
                    hub.publish("all", b"hello")
            return read

    async with serving(hub, authorize) as clients:
        for _ in range(3):
            assert b"data: hello" in await anyio.to_thread.run_sync(ask, "/", clients.gateway)
        assert b" 500 " in await anyio.to_thread.run_sync(ask, "/?bad", clients.gateway)
        await clients.gateway.drain(0)
    assert "ValueError: bad" in caplog.text


async def test_a_crowd_costs_few_wakes(serving: Any, eventually: Any, wait_until: Any) -> None:
    """A hundred at once come in batches: the loop is called far fewer times than there are questions."""
    turns = 0

    async def authorize(request: Request) -> Accept[None]:
        return Accept("all")

    async with serving(Hub(), authorize) as clients:
        desk = clients.gateway._desk
        fetch = desk.fetch

        def counted(*arguments: Any) -> Any:
            nonlocal turns
            turns += 1
            return fetch(*arguments)

        desk.fetch = counted
        connections = [socket.create_connection(clients.gateway.address) for _ in range(100)]
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
        # The loop is busy meanwhile: all of them are there when it comes.
        wait_until(lambda: clients.gateway.stats().handshaking == 100, "all are in their handshake")
        await eventually(lambda: clients.gateway.stats().open == 100, "all are in")
        for connection in connections:
            connection.close()
    assert turns <= 10
