"""Consumers that take a channel layer's messages, and a hub's events, without a task for each.

    class Chat(FanoutMixin, AsyncJsonWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.channel_layer.group_add("lobby", self.channel_name)
            await self.subscribe("orders.*", self.order, where={"region": ["eu"]})

        async def order(self, event):          # an event of the hub
            await self.send_json(event.json())

        async def chat_message(self, message):  # {"type": "chat.message", ...} to the group
            await self.send_json({"text": message["text"]})

What is the same for all who get it is best encoded once: `await self.broadcast("lobby", text)`, and `subscribe` without
a handler, send a text as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar, Literal

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.exceptions import InvalidChannelLayerError, StopConsumer
from channels.layers import get_channel_layer
from django.core.exceptions import ImproperlyConfigured

from ..hub import Hub
from ..names import Names
from ..subscription import Subscription
from .desk import Desk
from .layer import ChannelLayer
from .post import Post
from .sending import bounded

__all__ = ["FanoutMixin"]

#: What a client is told that does not keep up: come back later.
TRY_AGAIN_LATER = 1013
#: Seconds that a client which has been given up has for taking the close.
PARTING = 1.0

_OVERFLOWS = ("drop_newest", "drop_oldest", "disconnect")


class FanoutMixin:
    """Put it before `AsyncWebsocketConsumer`, or any other consumer of Channels; nothing else changes.

    Handlers run one at a time and in order, and what they raise ends the consumer, as without it. When the consumer
    ends it has left its groups and ended its subscriptions. The channel layer has to be :class:`ChannelLayer`.
    """

    #: What becomes of a message for a consumer whose channel is full: it is dropped (`drop_newest`, as Channels does),
    #: the oldest is (`drop_oldest`), or the client is told to come back later, with code 1013 (`disconnect`).
    overflow: ClassVar[Literal["drop_newest", "drop_oldest", "disconnect"]] = "drop_newest"
    #: Seconds that a frame may wait for the client to take it. After that the consumer ends as if the client had gone,
    #: with code 1013. `None`: as long as the server lets it.
    send_timeout: ClassVar[float | None] = 30.0
    #: The hub that :meth:`subscribe` subscribes at; the channel layer's if it is left out.
    hub: ClassVar[Hub | None] = None

    channel_layer: Any
    channel_name: str
    channel_layer_alias: str
    base_send: Callable[[dict[str, Any]], Any]
    dispatch: Callable[[dict[str, Any]], Awaitable[Any]]
    encode_json: Any
    _sync: bool

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[Any]],
    ) -> None:
        """Serves one connection."""
        if self.overflow not in _OVERFLOWS:
            raise ImproperlyConfigured(f"{type(self).__name__}.overflow is {self.overflow!r}: one of {_OVERFLOWS}")
        self.scope = scope
        layer = self.channel_layer = get_channel_layer(self.channel_layer_alias)
        if layer is not None:
            if not isinstance(layer, ChannelLayer):
                raise InvalidChannelLayerError(
                    f"{type(self).__name__} uses FanoutMixin, which needs distributary.django.ChannelLayer as the "
                    f"BACKEND of CHANNEL_LAYERS[{self.channel_layer_alias!r}], not {type(layer).__name__}"
                )
            self.channel_name = await layer.new_channel()
        self._unbounded = send
        self._send = send if self.send_timeout is None else bounded(send, self.send_timeout)
        self.base_send = async_to_sync(self._send) if self._sync else self._send
        main = asyncio.current_task()
        assert main is not None, "servers run an application in a task"
        desk = self._desk = Desk(self, main)
        if layer is not None:
            desk.post = Post(desk, self, layer._exchange, self.channel_name, self.overflow)
        try:
            await desk.serve(receive)
        except StopConsumer:
            pass

    async def subscribe(
        self,
        topics: Names,
        handler: Callable[[Any], Any] | None = None,
        *,
        where: Any = None,
        **options: Any,
    ) -> Subscription[Any]:
        """Subscribes the consumer to topics of the hub, until it ends or the subscription is closed.

        Each event is given to `handler`, in its turn with the consumer's other handlers; without one it is sent to the
        websocket as a text. `where` and `options` are those of :meth:`distributary.Hub.subscribe`. A subscription that
        ends for its reader was too slow, or for events were lost (`overflow="disconnect"`), ends the consumer, with
        code 1013.
        """
        hub = self.hub
        if hub is None:
            if self.channel_layer is None:
                raise ImproperlyConfigured(
                    f"{type(self).__name__} has no hub: set its `hub`, or configure distributary.django.ChannelLayer"
                )
            hub = self.channel_layer.hub
        if handler is None:
            handler = self._forward
        elif not callable(handler):
            raise TypeError(f"a handler is a method that takes an event, not {type(handler).__name__}")
        elif self._sync:
            handler = database_sync_to_async(handler)
        sub = hub.subscribe(topics, where=where, **options)
        self._desk.listen(sub, handler)
        return sub

    async def broadcast(self, group: str, text: str) -> None:
        """Sends a text to the websockets of all consumers in a group that have this mixin."""
        await self.channel_layer.group_send(group, {"type": "websocket.send", "text": text})

    def websocket_send(self, message: dict[str, Any]) -> Any:
        """Handles a frame that was sent to the channel or a group: it goes to the client as it is."""
        return self.base_send(message)

    def _forward(self, event: Any) -> Awaitable[Any]:
        return self._send({"type": "websocket.send", "text": event.text})

    async def websocket_gave_up(self) -> None:
        """The client does not take what it is sent. Called when nothing else of the consumer runs any more."""
        try:
            if hasattr(self, "websocket_disconnect"):
                await self.dispatch({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER})
        finally:
            with suppress(Exception):
                close = {"type": "websocket.close", "code": TRY_AGAIN_LATER}
                await asyncio.wait_for(self._unbounded(close), PARTING)
