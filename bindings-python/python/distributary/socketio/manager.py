"""The manager: it publishes on a hub, and reads one topic of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from socketio.async_pubsub_manager import AsyncPubSubManager

from ..hub import Hub
from ..names import Topic
from ..redis import Redis
from ..subscription import Subscription

__all__ = ["ClientManager"]

#: Messages of other processes that may wait for the loop.
CAPACITY = 65_536


class ClientManager(AsyncPubSubManager):
    """A client manager on a hub.

    `hub` is a :class:`distributary.Hub`, or what one of its own is made with: a URL or a :class:`distributary.Redis`.
    `channel`, `write_only`, `logger` and `json` are as in python-socketio's managers; `channel` has to be the same in
    all processes.
    """

    name = "distributary"

    def __init__(
        self,
        hub: Hub | Redis | str,
        channel: str = "socketio",
        write_only: bool = False,
        logger: Any = None,
        json: Any = None,
    ) -> None:
        if not isinstance(hub, (Hub, Redis, str)):
            raise TypeError(f"hub: a Hub, a URL or a Redis(...), not {type(hub).__qualname__}")
        super().__init__(channel=channel, write_only=write_only, logger=logger, json=json)
        #: What carries the messages.
        self.hub = hub if isinstance(hub, Hub) else Hub(hub)
        self._topic = Topic(channel)
        self._sub: Subscription[Any] | None = None

    def initialize(self) -> None:
        """Called by the server, once its loop runs. What other processes emit from now on is heard."""
        if not self.write_only:
            self._sub = self.hub.subscribe(self._topic, capacity=CAPACITY, overflow="drop_oldest")
        super().initialize()

    async def _publish(self, data: dict[str, Any]) -> None:
        delivery = self.hub.publish(self._topic, self.json.dumps(data))
        if delivery.forwarding not in ("none", "queued"):
            self._get_logger().error(
                "a message reached this process alone (%s): %s", delivery.forwarding, self.hub.health().condition
            )

    async def _listen(self) -> AsyncIterator[bytes]:
        if self._sub is None:
            return
        async for event in self._sub:
            if event.lost:
                self._get_logger().error("%s messages of other processes were lost", event.lost)
            yield event.data
