"""The plugin: Litestar's own, with subscribers that read the hub.

Litestar's runs two tasks, one that hands events to the backend and one that puts them into every subscriber's queue.
There are none here: `publish` publishes, and who subscribed reads.

Invariant: a subscriber stands in ``_channels`` under exactly the channels that its cursor reads, so whoever looks there
sees what he sees with Litestar's plugin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar.channels.plugin import ChannelsException
from litestar.channels.plugin import ChannelsPlugin as Base
from litestar.connection import WebSocket
from litestar.exceptions import ImproperlyConfiguredException, WebSocketDisconnect
from litestar.params import FromPath

from ..errors import Closed, PositionError
from ..names import Topic
from ..options import MOST, MOST_EVENTS, whole
from ..payload import utf8
from .backend import ChannelsBackend
from .subscriber import Strategy, Subscriber, overflow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from litestar.channels.subscriber import EventCallback
    from litestar.config.app import AppConfig
    from litestar.types import LitestarEncodableType, TypeEncodersMap
    from litestar.types.asgi_types import WebSocketMode

    from .._native import Event
    from ..hub import Hub
    from ..options import Overflow
    from ..subscription import Subscription

__all__ = ["ChannelsPlugin"]

#: Turns of the loop that a subscriber has at the end for what was published just before.
TURNS = 4

#: How often a history may lose its oldest event right before it is read from there.
TRIES = 1000

#: Close codes of a WebSocket: the server goes; come again later.
GOING_AWAY, TRY_AGAIN_LATER = 1001, 1013


class ChannelsPlugin(Base):
    """Litestar's :class:`~litestar.channels.ChannelsPlugin` on a hub. It takes the same arguments.

    `backend` is a :class:`ChannelsBackend`; without one it has a hub of its own and no history. Without
    `subscriber_max_backlog` a subscriber has the capacity of the hub, where Litestar's has no bound, and without
    `subscriber_backlog_strategy` the hub's overflow policy (with a backlog and no strategy: "backoff", as there). There
    are two strategies more: "disconnect" ends a subscriber that does not keep up, and "keep_latest" keeps the latest
    event of each key. `subscriber_class` is a subclass of this package's :class:`Subscriber`.
    """

    def __init__(
        self,
        backend: ChannelsBackend | None = None,
        *,
        channels: Iterable[str] | None = None,
        arbitrary_channels_allowed: bool = False,
        create_ws_route_handlers: bool = False,
        ws_handler_send_history: int = 0,
        ws_handler_base_path: str = "/",
        ws_send_mode: WebSocketMode = "text",
        subscriber_max_backlog: int | None = None,
        subscriber_backlog_strategy: Strategy | None = None,
        subscriber_class: type[Subscriber] = Subscriber,
        type_encoders: TypeEncodersMap | None = None,
    ) -> None:
        if backend is None:
            backend = ChannelsBackend()
        elif not isinstance(backend, ChannelsBackend):
            raise ImproperlyConfiguredException(
                f"the backend is a distributary.litestar.ChannelsBackend, not {type(backend).__name__}: "
                "with another one take Litestar's own ChannelsPlugin"
            )
        if not isinstance(subscriber_class, type) or not issubclass(subscriber_class, Subscriber):
            name = getattr(subscriber_class, "__name__", None) or repr(subscriber_class)
            raise ImproperlyConfiguredException(
                f"subscriber_class is a subclass of distributary.litestar.Subscriber, not {name}"
            )
        if isinstance(channels, str):
            raise TypeError(f"channels: several names, as in [{channels!r}], not a str")
        declared = [str(Topic(name)) for name in _several(channels or ())]
        if subscriber_max_backlog is not None:
            whole("subscriber_max_backlog", subscriber_max_backlog, least=0, most=MOST_EVENTS)
        whole("ws_handler_send_history", ws_handler_send_history, least=-MOST)
        if ws_send_mode not in ("text", "binary"):
            raise ImproperlyConfiguredException(f"ws_send_mode is 'text' or 'binary', not {ws_send_mode!r}")
        super().__init__(
            backend,
            channels=declared,
            arbitrary_channels_allowed=arbitrary_channels_allowed,
            create_ws_route_handlers=create_ws_route_handlers,
            ws_handler_send_history=ws_handler_send_history,
            ws_handler_base_path=ws_handler_base_path,
            ws_send_mode=ws_send_mode,
            subscriber_max_backlog=subscriber_max_backlog,
            subscriber_class=subscriber_class,
            type_encoders=type_encoders,
        )
        self._backend: ChannelsBackend = backend
        self._subscriber_class: type[Subscriber] = subscriber_class
        backend._streams = False
        self._declared = frozenset(declared)
        self._strategy: Strategy = subscriber_backlog_strategy or "backoff"
        self._overflow: Overflow | None = None
        if subscriber_backlog_strategy is not None:
            self._overflow = overflow(subscriber_backlog_strategy)
        elif subscriber_max_backlog:
            self._overflow = overflow("backoff")

    @property
    def hub(self) -> Hub:
        """Where the events are."""
        return self._backend.hub

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Called by Litestar when the application is made."""
        app_config = super().on_app_init(app_config)
        app_config.signature_namespace["ChannelsPlugin"] = ChannelsPlugin
        return app_config

    def publish(self, data: LitestarEncodableType, channels: str | Iterable[str]) -> None:
        """Publishes to each of the channels; it is done when this returns. From any thread.

        Raises:
            RuntimeError: the application has not started, or has ended.
        """
        self._backend.send(self.encode_data(data), _several(channels))

    async def wait_published(self, data: LitestarEncodableType, channels: str | Iterable[str]) -> None:
        """Publishes to each of the channels."""
        await self._backend.publish(self.encode_data(data), _several(channels))

    def encode_data(self, data: LitestarEncodableType) -> bytes:
        """The bytes that are published: those of a text, and of other objects their JSON.

        Raises:
            PayloadError: the text has a lone surrogate.
        """
        if isinstance(data, bytes):
            return data
        return utf8(data) if isinstance(data, str) else super().encode_data(data)

    async def subscribe(
        self,
        channels: str | Iterable[str],
        history: int | None = None,
        *,
        where: Any = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Subscriber:
        """Makes a subscriber of the channels. It has every event that is published from now on.

        With `history` it first has so many of the latest events of each channel: in the order of publishing, without a
        gap or a repetition before what follows. Only events that match `where` are delivered, those of the history
        included.

        Raises:
            ChannelsException: a channel is not declared, and arbitrary ones are not allowed.
            FilterError: the filter is malformed.
            OptionError: the history is of less than nothing.
        """
        history = 0 if history is None else whole("history", history, least=0)
        return await self._open(channels, history, where, variables)

    async def _open(
        self,
        channels: str | Iterable[str],
        history: int | None,
        where: Any = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Subscriber:
        """Makes a subscriber that has so many events first; with None as many as there are."""
        names = self._named(channels)
        subscriber = self._subscriber_class(plugin=self, max_backlog=self._max_backlog, backlog_strategy=self._strategy)
        subscriber._enter(self._cursor([Topic(name) for name in names], history, where, variables), names)
        first = {name for name in names if not self._channels.get(name)}
        for name in names:
            self._channels.setdefault(name, set()).add(subscriber)
        if first:
            try:
                await self._backend.subscribe(first)
            except BaseException:
                await self.unsubscribe(subscriber)
                raise
        return subscriber

    def _cursor(
        self, topics: list[Topic], history: int | None, where: Any, variables: Mapping[str, Any] | None
    ) -> Subscription[Event]:
        tries = 0
        while True:
            before: dict[str, str] = {}
            if history != 0:
                found = {topic: self._backend.before(topic, history) for topic in topics}
                before = {topic: position for topic, position in found.items() if position is not None}
            try:
                return self.hub.subscribe(
                    topics,
                    where=where,
                    variables=variables,
                    overflow=self._overflow,
                    capacity=self._max_backlog or None,
                    from_=before or None,
                )
            except PositionError:
                # Somebody published in between, and the history has let go of its oldest event.
                tries += 1
                if tries == TRIES:
                    raise

    def _named(self, channels: str | Iterable[str]) -> list[str]:
        names = list(dict.fromkeys(_several(channels)))
        for name in names:
            if not self._arbitrary_channels_allowed and name not in self._declared:
                raise ChannelsException(
                    f"there is no channel {name!r}: name it in `channels`, or set arbitrary_channels_allowed=True"
                )
        return names

    async def unsubscribe(self, subscriber: Subscriber, channels: str | Iterable[str] | None = None) -> None:  # type: ignore[override]
        """Takes channels from a subscriber, or all. From the last one on nothing more is delivered, and what it runs in
        the background is stopped."""
        names = set(subscriber._channels) if channels is None else set(_several(channels))
        last: set[str] = set()
        for name in names:
            group = self._channels.get(name)
            if group is None or subscriber not in group:
                continue
            group.remove(subscriber)
            if not group:
                last.add(name)
                if name not in self._declared:
                    del self._channels[name]
        subscriber._leave(names)
        if not subscriber._channels and subscriber.is_running:
            await subscriber.stop()
        if last:
            await self._backend.unsubscribe(last)

    @asynccontextmanager
    async def start_subscription(
        self,
        channels: str | Iterable[str],
        history: int | None = None,
        *,
        where: Any = None,
        variables: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[Subscriber, None]:
        """A subscriber that is unsubscribed when the context is left. The arguments are those of :meth:`subscribe`."""
        subscriber = await self.subscribe(channels, history, where=where, variables=variables)
        try:
            yield subscriber
        finally:
            await self.unsubscribe(subscriber)

    async def _ws_handler_func(self, channel_name: FromPath[str], socket: WebSocket[Any, Any, Any]) -> None:
        history = self._history_limit if self._handler_should_send_history else 0
        subscriber = await self._open(channel_name, history)
        try:
            await socket.accept()
            on_event: EventCallback = socket.send_text if self._socket_send_mode == "text" else socket.send_bytes
            await _serve(subscriber, socket, on_event)
        finally:
            await self.unsubscribe(subscriber)

    async def _on_startup(self) -> None:
        await self._backend.on_startup()
        if self._channels:
            await self._backend.subscribe(list(self._channels))

    async def _on_shutdown(self) -> None:
        subscribers = {
            subscriber
            for group in self._channels.values()
            for subscriber in group
            if isinstance(subscriber, Subscriber)
        }
        if any(subscriber.is_running for subscriber in subscribers):
            for _ in range(TURNS):
                await asyncio.sleep(0)
        for name, group in list(self._channels.items()):
            group.clear()
            if name not in self._declared:
                del self._channels[name]
        try:
            await asyncio.gather(*(subscriber.stop() for subscriber in subscribers))
        finally:
            for subscriber in subscribers:
                subscriber._leave(set(subscriber._channels))
            await self._backend.on_shutdown()


def _several(channels: str | Iterable[str]) -> Iterable[str]:
    """One channel or several, as several."""
    if isinstance(channels, str):
        return (channels,)
    if isinstance(channels, (bytes, bytearray, memoryview)) or not isinstance(channels, Iterable):
        raise TypeError(f"channels: a str or several, not {type(channels).__qualname__}")
    return channels


async def _serve(subscriber: Subscriber, socket: WebSocket[Any, Any, Any], on_event: EventCallback) -> None:
    """Sends events until the client goes or there are none any more, and then says why."""
    gone = asyncio.ensure_future(_gone(socket))
    running = subscriber._run(on_event)
    try:
        await asyncio.wait({gone, running}, return_when=asyncio.FIRST_COMPLETED)
        code = GOING_AWAY
        try:
            # What waits is tried: a client that only closed its side still reads.
            await subscriber.stop(join=True)
        except Closed:
            code = TRY_AGAIN_LATER
        except (WebSocketDisconnect, OSError):
            return
        if not gone.done():
            await socket.close(code)
    finally:
        gone.cancel()
        # Whatever it ended with: the client is gone.
        await asyncio.gather(gone, return_exceptions=True)
        await subscriber.stop()


async def _gone(socket: WebSocket[Any, Any, Any]) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue
