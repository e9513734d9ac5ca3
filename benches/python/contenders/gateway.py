"""Ours without Python in the way of a delivery: the gateway, whose sockets belong to native threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contenders.service import Service
from distributary import Hub
from distributary.gateway import Accept, Gateway, Limits, Request
from load.events import TOPIC

__all__ = ["gateway"]


@asynccontextmanager
async def gateway() -> AsyncIterator[Service]:
    """Clients of WebSockets and of Server-Sent Events alike."""

    async def authorize(request: Request) -> Accept[None]:
        return Accept(TOPIC)

    with Hub() as hub:

        async def publish(text: str) -> None:
            hub.publish(TOPIC, text)

        limits = Limits(ping_every=3_600)
        async with Gateway(hub, address="127.0.0.1:0", authorize=authorize, limits=limits) as gateway:
            assert gateway.address is not None, "it is open"
            yield Service(gateway.address[1], publish)
