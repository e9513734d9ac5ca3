"""The backend: it publishes on a hub, and looks back into the hub's history.

Litestar's own plugin reads one stream for all its channels. That stream is bounded, as everything is here; it exists
only while such a plugin runs, because a cursor that nobody reads would hold events for nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING

from litestar.channels.backends.base import ChannelsBackend as Base
from litestar.exceptions import ImproperlyConfiguredException

from .. import _native
from ..hub import Hub
from ..names import Pattern, Topic
from ..options import MOST_EVENTS, whole
from ..redis import Redis
from ..waiting import heard

if TYPE_CHECKING:
    from ..subscription import Subscription

__all__ = ["ChannelsBackend"]

#: Events that Litestar's own plugin may be behind.
STREAM = 65_536

#: A topic that nobody publishes to: a subscription has one at least.
_NOTHING = "distributary.litestar:nothing"

#: More events than a history holds.
ALL = 2**31


class ChannelsBackend(Base):
    """A backend for Litestar's channels on a hub.

    Without a hub it makes one of its own, which keeps the latest `history` events of each channel. A hub that is given
    keeps what it was told to: ``Hub(history={"chat.*": 50})``. `stream` is how many events Litestar's own plugin may be
    behind before the oldest are dropped, which `missed` counts; :class:`ChannelsPlugin` has no such stream.

    With `redis`, a URL or a :class:`distributary.Redis`, or on a hub that has it, processes are joined. What a channel
    keeps is then what this process has published and heard, since somebody first subscribed here.

    Unlike Litestar's memory backend it remembers a channel whose last subscriber has left.
    """

    def __init__(
        self,
        hub: Hub | None = None,
        *,
        redis: str | Redis | None = None,
        history: int = 0,
        stream: int = STREAM,
    ) -> None:
        whole("history", history, least=0, most=MOST_EVENTS)
        if hub is not None and redis is not None:
            raise ImproperlyConfiguredException("a hub is given and redis: say Hub(redis=...) and leave `redis` out")
        if hub is None:
            hub = Hub(redis, history={"*": history}) if history else Hub(redis)
        elif not isinstance(hub, Hub):
            raise TypeError(f"hub: a Hub, not {type(hub).__qualname__}")
        elif history:
            raise ImproperlyConfiguredException(
                "the hub that is given keeps the history: say Hub(history={'*': ...}) and leave `history` out"
            )
        #: Where the events are.
        self.hub = hub
        self._capacity = whole("stream", stream, least=1, most=MOST_EVENTS)
        self._channels: set[str] = set()
        self._stream: Subscription[_native.Event] | None = None
        self._running = False
        # Whether a plugin reads the stream. Ours says that it does not.
        self._streams = True

    @property
    def missed(self) -> int:
        """Events that Litestar's own plugin lost because it was too far behind."""
        return self._stream.missed if self._stream is not None else 0

    async def on_startup(self) -> None:
        """Called by the plugin when the application starts."""
        if self._streams and not self._running:
            # All there is, looked through by name: a cursor of thousands of names costs more at each change of them.
            # But what others publish is not all sent here for that.
            all_there_is = Topic(_NOTHING) if self.hub.has_backplane else Pattern("*")
            self._stream = self.hub.subscribe(all_there_is, capacity=self._capacity, overflow="drop_oldest")
        self._running = True

    async def on_shutdown(self) -> None:
        """Called by the plugin when the application ends. The hub stays open."""
        self._running = False
        if self._stream is not None:
            self._stream.close()

    def send(self, data: bytes, channels: Iterable[str]) -> None:
        """Publishes to each of the channels. From any thread.

        Raises:
            RuntimeError: the application has not started, or has ended.
        """
        if not self._running:
            raise RuntimeError("the channels are not started: publish while the application runs")
        for channel in channels:
            self.hub.publish(channel, data)

    async def publish(self, data: bytes, channels: Iterable[str]) -> None:
        """Publishes to each of the channels."""
        self.send(data, channels)

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Takes channels into the stream."""
        new = set(channels) - self._channels
        self._channels |= new
        if self._stream is not None and self.hub.has_backplane and new:
            self._stream.add([Topic(channel) for channel in new])
        if new:
            await heard(self.hub)

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        """Takes channels out of the stream."""
        gone = self._channels & set(channels)
        self._channels -= gone
        if self._stream is not None and self.hub.has_backplane and gone and self._stream.closed is None:
            self._stream.remove([Topic(channel) for channel in gone])

    async def stream_events(self) -> AsyncGenerator[tuple[str, bytes], None]:
        """The events of the channels that are subscribed to."""
        if self._stream is None:
            raise RuntimeError("there is no stream: the channels are not started, or their plugin reads the hub itself")
        async for event in self._stream:
            if event.topic in self._channels:
                yield event.topic, event.data

    async def get_history(self, channel: str, limit: int | None = None) -> list[bytes]:
        """The latest events of a channel that the hub still has, oldest first; at most `limit`."""
        position = self.before(channel, limit)
        if position is None:
            return []
        with self.hub.subscribe(Topic(channel), from_=position) as sub:
            return [event.data for event in sub.get_many_nowait(limit or ALL)]

    def before(self, channel: str, limit: int | None = None) -> str | None:
        """The position that the latest events of a channel lie behind: at most `limit`, or all that the hub still has.

        None where no history is kept. ``hub.subscribe(Topic(channel), from_=...)`` gives them and what follows.
        """
        if limit is not None:
            limit = whole("limit", limit, least=0)
        return _native.before_latest(self.hub._native, Topic(channel), limit or None)
