"""What is admitted, what operators see, and how everybody is sent away."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
import websockets

from distributary import Hub
from distributary.gateway import Accept, Limits


@pytest.mark.parametrize(
    ("limits", "status", "reason"),
    [
        (Limits(connections=3), 503, "connections"),
        (Limits(per_second=3), 503, "rate"),
        (Limits(per_address=3), 429, "address_connections"),
        (Limits(per_address_per_second=3), 429, "address_rate"),
    ],
)
async def test_too_many(serving: Any, limits: Limits, status: int, reason: str) -> None:
    async with serving(Hub(), lambda request: Accept("a"), limits=limits) as clients:
        sockets = [await clients.websocket() for _ in range(3)]
        refused = await clients.refused()
        assert refused.status_code == status
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert clients.gateway.stats().refused[reason] == 1
        for socket in sockets:
            await socket.close()


async def test_too_many_handshakes(serving: Any, eventually: Any) -> None:
    leave = anyio.Event()

    async def authorize(request: Any) -> Accept[None]:
        await leave.wait()
        return Accept("a")

    async with serving(Hub(), authorize, limits=Limits(handshakes=2, retry_after=(3, 3))) as clients:

        async def come() -> None:
            async with clients.websocket():
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(come)
            group.start_soon(come)
            await eventually(lambda: clients.gateway.stats().handshaking == 2)
            refused = await clients.refused()
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "3")
            leave.set()


async def test_a_message_that_is_too_large(serving: Any) -> None:
    limits = Limits(max_message=100)
    async with (
        serving(Hub(), lambda request: Accept(), limits=limits, on_message=lambda *_: None) as clients,
        clients.websocket() as socket,
    ):
        await socket.send("x" * 101)
        with pytest.raises(websockets.ConnectionClosedError):
            await socket.recv()
        assert socket.close_code == 1009


async def test_a_silent_client_is_pinged_and_then_dropped(serving: Any, eventually: Any) -> None:
    limits = Limits(ping_every=0.1, ping_timeout=0.1)
    async with serving(Hub(), lambda request: Accept("a"), limits=limits) as clients:
        async with clients.websocket() as socket:
            # It answers pings by itself.
            await anyio.sleep(0.5)
            assert socket.state is websockets.State.OPEN
        stream = await anyio.connect_tcp(*clients.gateway.address)
        async with stream:
            await stream.send(
                b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await eventually(lambda: clients.gateway.stats().ended["silent"] == 1, "it is dropped")


@pytest.mark.parametrize("blocking", [False, True])
async def test_draining(serving: Any, blocking: bool) -> None:
    hub = Hub()
    async with serving(
        hub, lambda request: Accept("a"), admin="127.0.0.1:0", limits=Limits(close_timeout=1)
    ) as clients:
        sockets = [await clients.websocket() for _ in range(5)]
        async with anyio.create_task_group() as group:
            if blocking:
                group.start_soon(anyio.to_thread.run_sync, clients.gateway.drain_blocking, 0.3)
            else:
                group.start_soon(clients.gateway.drain, 0.3)
            for socket in sockets:
                with pytest.raises(websockets.ConnectionClosedError):
                    await socket.recv()
                assert socket.close_code == 1012
        assert (await clients.refused()).status_code == 503
        assert (await admin(clients, "/healthz"))[1].startswith("draining")
        stats = clients.gateway.stats()
        assert (stats.open, stats.ended["drained"], stats.refused["draining"]) == (0, 5, 1)


async def admin(clients: Any, path: str) -> tuple[int, str]:
    host, port = clients.gateway.admin_address
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://{host}:{port}{path}")
        return response.status_code, response.text


async def test_the_admin_address(serving: Any) -> None:
    hub = Hub()
    async with (
        serving(hub, lambda request: Accept("a"), admin=("127.0.0.1", 0)) as clients,
        clients.websocket() as socket,
    ):
        assert clients.gateway.admin_address != clients.gateway.address
        hub.publish("a", b"1")
        await socket.recv()
        assert await admin(clients, "/healthz") == (200, "ok\n")
        status, page = await admin(clients, "/metrics")
        assert status == 200
        assert "\ndistributary_gateway_opened_total 1\n" in page
        assert "\ndistributary_events_total 1\n" in page
        assert (await admin(clients, "/none"))[0] == 404
        own = clients.gateway.prometheus()
        assert "\ndistributary_gateway_opened_total 1\n" in own
        assert "distributary_events_total" not in own


async def test_counters(serving: Any, eventually: Any) -> None:
    hub = Hub()
    async with serving(hub, lambda request: Accept("a"), on_message=lambda *_: None) as clients:
        async with clients.websocket() as one, clients.events() as two:
            await one.send("1")
            hub.publish("a", b"x" * 100)
            await one.recv()
            await two.read()
            stats = clients.gateway.stats()
            assert (stats.open, stats.opened, stats.accepted, stats.messages_read) == (2, 2, 2, 1)
            assert stats.bytes_written > 200
            assert stats.frames_made >= 2
            assert stats.share.last == 1.0
            assert stats.read_wait.count > 0
        await eventually(lambda: clients.gateway.stats().open == 0)
        stats = clients.gateway.stats()
        assert (stats.ended["left"], stats.closed_writes) == (2, 0)
