"""broadcaster's interface on a hub: change the import, keep the code.

    from distributary.compat.broadcaster import Broadcast

    async with Broadcast("memory://") as broadcast:
        async with broadcast.subscribe(channel="chatroom") as subscriber:
            await broadcast.publish(channel="chatroom", message="hello")
            async for event in subscriber:
                print(event.channel, event.message)

As there, a message in process is any object, and all subscribers get the same one. It travels as a payload that carries
it: its bytes are those of the text, for filters and budgets, and of an object that is no text there are none.

What differs:

- Across processes (``redis://``) a message is text or bytes. This process' own subscribers get it without the server,
  and while that is away.
- A subscriber is bounded: by `capacity` and `overflow`, of the :class:`Broadcast` or of a single subscription. What it
  lost is in `subscriber.missed`.
- Publishing is done when `publish` returns, and works from every thread and event loop; without one there is
  :meth:`Broadcast.publish_nowait`.
- A read that was cancelled or timed out takes nothing, and iterating goes on after it. One task reads a subscriber.
- Once the context is left nothing more is delivered, and each read raises :class:`Unsubscribed`. So it is after
  `disconnect`, which leaves nobody waiting.
- Channels are topics: a name that is empty, or longer than 1,024 bytes, is refused.
- ``subscribe(..., where=...)`` delivers only messages whose JSON text matches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import Closed, DistributaryError, OptionError
from ..hub import Hub
from ..names import Topic
from ..waiting import heard

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .. import _native
    from ..options import Overflow
    from ..subscription import Subscription

__all__ = [
    "BackendFailed",
    "Broadcast",
    "BroadcastBackend",
    "Event",
    "Subscriber",
    "Unsubscribed",
    "UnsupportedBackend",
]

#: Events that may wait for a subscriber: many, for those who come had no bound. They exist once for all subscribers.
CAPACITY = 65_536


class Unsubscribed(DistributaryError):
    """The subscription has ended."""


class UnsupportedBackend(OptionError):
    """A URL that nothing here answers to."""


class BackendFailed(DistributaryError):
    """The backend does not deliver any more; what it raised is the cause."""


class Event:
    """A message, and the channel that it was published on."""

    __slots__ = ("channel", "message")

    def __init__(self, channel: str, message: Any) -> None:
        self.channel = channel
        self.message = message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self.channel == other.channel and self.message == other.message

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Event(channel={self.channel!r}, message={self.message!r})"


class BroadcastBackend:
    """What joins processes: the base of backends, with the methods that broadcaster's have.

    A backend of broadcaster's own needs no change; ``Broadcast(backend=...)`` takes what has these methods.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    async def connect(self) -> None:
        """Called once, before all else."""

    async def disconnect(self) -> None:
        """Called once, after all else."""

    async def subscribe(self, channel: str) -> None:
        """Called when the first subscriber of a channel comes; in force when it returns."""

    async def unsubscribe(self, channel: str) -> None:
        """Called when the last subscriber of a channel has gone."""

    async def publish(self, channel: str, message: Any) -> None:
        """Takes a message to all processes, this one included."""
        raise TypeError(f"{type(self).__name__} has no `publish`")

    async def next_published(self) -> Event:
        """Waits for the next message of the channels that are subscribed to."""
        raise TypeError(f"{type(self).__name__} has no `next_published`")


#: URLs of what joins hubs.
_JOINED = ("redis", "rediss")

#: What joins processes, by the scheme of its URL. `memory`, `redis` and `rediss` are not among them: they are the hub.
BACKENDS: dict[str, Callable[[str], BroadcastBackend]] = {}


class _Payload(bytes):
    """An event on its way through the hub, which hands it out as the object that it is."""

    event: Event

    @classmethod
    def of(cls, event: Event) -> _Payload:
        message = event.message
        if isinstance(message, str):
            payload = cls(message.encode(errors="replace"))
        else:
            payload = cls(message if isinstance(message, (bytes, bytearray)) else b"")
        payload.event = event
        return payload


class Broadcast:
    """Publishes messages on channels, and subscribes to them.

    Args:
        url: ``"memory://"``: in this process. ``"redis://host:port"`` or ``"rediss://"``: on a hub that the server
            joins with those of other processes. Programs that have broadcaster's own are heard and hear, too.
        backend: What joins processes instead; see :class:`BroadcastBackend`.
        hub: A hub to be used, where others publish and subscribe, too. None: one of its own.
        capacity: Events that may wait for a subscriber. None: 65,536, or the hub's own when it is given.
        overflow: What gives way in a subscriber that does not keep up: ``"drop_oldest"``, ``"drop_newest"``,
            ``"keep_latest"``, or with ``"disconnect"`` itself. None: ``"drop_oldest"``, or the hub's own.

    Raises:
        UnsupportedBackend: There is nothing for the URL's scheme.
        OptionError: Neither a URL nor a backend nor a hub is given, or an option is out of its bounds.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        backend: BroadcastBackend | None = None,
        hub: Hub | None = None,
        capacity: int | None = None,
        overflow: Overflow | None = None,
    ) -> None:
        redis = None
        if backend is None and url is not None:
            if urlsplit(url).scheme in _JOINED:
                redis = url
            else:
                backend = _backend(url)
        elif backend is None and hub is None:
            raise OptionError("nothing is said of where to publish: give a url such as 'memory://', a backend or a hub")
        if redis is not None and hub is not None:
            raise OptionError("a hub is given and a URL for one: say Hub(redis=...) and leave the URL out")
        self._backend = backend
        if hub is None:
            hub = Hub(redis, capacity=CAPACITY if capacity is None else capacity, overflow=overflow or "drop_oldest")
        #: Where the events of this process are.
        self.hub = hub
        self._capacity = capacity
        self._overflow = overflow
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        # What the backend was told to listen to, one change at a time. False: it was broken off, and may be or not.
        self._heard: dict[str, bool] = {}
        self._hearing = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    async def connect(self) -> None:
        """Connects the backend, where there is one."""
        if self._backend is not None:
            await self._backend.connect()
            self._failure = None
            # Who is left from before reads no more, and a backend that is connected anew listens to nothing.
            self._heard.clear()
            self._listener = asyncio.create_task(self._listen(self._backend))

    async def disconnect(self) -> None:
        """Ends all subscriptions, and disconnects the backend. What made the backend fail is raised here, as well."""
        self._end()
        if self._backend is None:
            return
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait({listener})
        if self._leaving:
            # The backend forgets its channels by itself now.
            for leaving in self._leaving:
                leaving.cancel()
            await asyncio.wait(self._leaving)
        await self._backend.disconnect()
        if listener is not None and not listener.cancelled():
            listener.result()

    async def publish(self, channel: str, message: Any) -> None:
        """Publishes a message. In process it has reached its subscribers' backlogs when this returns."""
        if self._backend is not None:
            await self._backend.publish(channel, message)
        else:
            self._deliver(Event(channel, message))

    def publish_nowait(self, channel: str, message: Any) -> None:
        """The same for code that cannot await. From any thread.

        Raises:
            UnsupportedBackend: A backend has to be awaited.
        """
        if self._backend is not None:
            raise UnsupportedBackend("the backend takes its time: use `await publish(...)`")
        self._deliver(Event(channel, message))

    @asynccontextmanager
    async def subscribe(
        self,
        channel: str,
        *,
        where: Any = None,
        capacity: int | None = None,
        overflow: Overflow | None = None,
    ) -> AsyncIterator[Subscriber]:
        """A subscriber of a channel, as long as the context lasts.

        Args:
            channel: Its exact name.
            where: A filter on messages that are JSON text, as :meth:`Hub.subscribe` takes it.
            capacity: Events that may wait for it. None: what the :class:`Broadcast` says.
            overflow: What gives way when it does not keep up. None: what the :class:`Broadcast` says.

        Raises:
            BackendFailed: The backend has ended with an error.
        """
        self._check_backend()
        subscription = self.hub.subscribe(
            Topic(channel),
            where=where,
            capacity=self._capacity if capacity is None else capacity,
            overflow=self._overflow if overflow is None else overflow,
        )
        subscriber = Subscriber(subscription, self)
        self._subscribers.setdefault(channel, set()).add(subscriber)
        try:
            if self._backend is not None:
                await self._hear(self._backend, channel)
            else:
                await heard(self.hub)
            yield subscriber
        finally:
            subscription.close()
            group = self._subscribers[channel]
            group.remove(subscriber)
            if not group:
                del self._subscribers[channel]
                if self._backend is not None:
                    await self._leave(self._backend, channel)

    def _deliver(self, event: Event) -> None:
        message = event.message
        if self.hub.has_backplane and self._backend is None and not isinstance(message, (str, bytes, bytearray)):
            raise TypeError(
                f"a message to other processes is text or bytes, not {type(message).__qualname__}: make JSON of it"
            )
        self.hub.publish(event.channel, _Payload.of(event))

    async def _hear(self, backend: BroadcastBackend, channel: str) -> None:
        """Has the backend listen to a channel exactly while somebody reads it."""
        async with self._hearing:
            wanted = channel in self._subscribers
            if wanted and not self._heard.get(channel):
                self._heard[channel] = False
                try:
                    await backend.subscribe(channel)
                except Exception:
                    # It was refused: there is nothing to be undone.
                    self._heard.pop(channel, None)
                    raise
                self._heard[channel] = True
            elif not wanted and channel in self._heard:
                del self._heard[channel]
                await backend.unsubscribe(channel)

    async def _leave(self, backend: BroadcastBackend, channel: str) -> None:
        """The last reader has gone. As a task of its own: the reader's is often cancelled, and more than once."""
        leaving = asyncio.create_task(self._hear(backend, channel))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.wait({leaving})
        if not leaving.cancelled():
            leaving.result()

    def _check_backend(self) -> None:
        failure = self._failure
        if failure is not None:
            raise BackendFailed(f"the backend does not deliver any more: {failure!r}") from failure

    async def _listen(self, backend: BroadcastBackend) -> None:
        try:
            while True:
                self._deliver(await backend.next_published())
        except Exception as failure:
            self._failure = failure
            self._end()
            raise

    def _end(self) -> None:
        for group in self._subscribers.values():
            for subscriber in group:
                subscriber.subscription.close()


class Subscriber:
    """The messages of a channel, as events. Made by :meth:`Broadcast.subscribe`."""

    __slots__ = ("_broadcast", "subscription")

    #: The hub's subscription behind it.
    subscription: Subscription[_native.Event]

    def __init__(self, subscription: Subscription[_native.Event], broadcast: Broadcast) -> None:
        self.subscription = subscription
        self._broadcast = broadcast

    @property
    def missed(self) -> int:
        """How many events it lost because it did not keep up, in all."""
        return self.subscription.missed

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, Event]:
        return self._read(StopAsyncIteration())

    def get(self) -> Coroutine[Any, Any, Event]:
        """The next event; waits for it.

        Raises:
            Unsubscribed: The context was left, or the broadcast disconnected.
            BackendFailed: The backend ended with an error.
            Closed: It did not keep up, and `overflow` is ``"disconnect"``.
        """
        return self._read(Unsubscribed("the subscription has ended: subscribe anew"))

    async def _read(self, end: Exception) -> Event:
        try:
            event = await self.subscription.get()
        except Closed as closed:
            if closed.reason not in ("unsubscribed", "hub_closed"):
                raise
            self._broadcast._check_backend()
            raise end from None
        data = event.data
        if type(data) is _Payload:
            return data.event
        # Published on the hub itself.
        try:
            return Event(event.topic, data.decode())
        except UnicodeDecodeError:
            return Event(event.topic, data)


def _backend(url: str) -> BroadcastBackend | None:
    """What joins processes for a URL; None when it names this one."""
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        return None
    make = BACKENDS.get(scheme)
    if make is None:
        raise UnsupportedBackend(
            f"there is no backend for {scheme or url!r} URLs: 'memory://' is this process, 'redis://' joins processes; "
            "for others give a backend of broadcaster's own, as in Broadcast(backend=...)"
        )
    return make(url)
