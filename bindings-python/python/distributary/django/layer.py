"""The channel layer: what Channels calls, in terms of the exchange.

In `settings.py`:

    CHANNEL_LAYERS = {"default": {"BACKEND": "distributary.django.ChannelLayer"}}

Everything that a layer can be asked for is then answered in this process, without a server, for any number of threads
and event loops. `async_to_sync(layer.group_send)(...)` works in a view, a signal handler or a management command; each
call may come from a loop of its own.

With a Redis server it joins processes, those of other machines as well:

    CHANNEL_LAYERS = {
        "default": {"BACKEND": "distributary.django.ChannelLayer", "CONFIG": {"redis": "redis://127.0.0.1:6379"}},
    }

As with the pub/sub layer of channels_redis, a group's members are known to their own process alone, `group_send` and
`send` reach all processes, and neither waits for the receivers: a channel of another process that is full drops what
comes and counts it there. A channel without a `!` in its name is, as with its other layer, a queue on the server: each
message is received by one of all who wait for it, in any process (see `queues`). It cannot be in a group.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
import weakref
from collections.abc import Mapping
from re import Pattern
from time import monotonic
from typing import Any, ClassVar

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer
from django.core.exceptions import ImproperlyConfigured

from ..hub import Hub
from ..redis import Redis, Settings, settings
from .bells import Bell
from .errors import ForeignChannel, MessageError
from .exchange import Exchange, LayerStats, Limits
from .messages import Message
from .names import check_channel, check_group
from .options import read_hub, read_limits, read_prefix, read_redis
from .queues import Queues
from .relay import Relay

__all__ = ["ChannelLayer"]

logger = logging.getLogger(__name__)

#: The exchanges of layers that were given a hub, by prefix.
_SHARED: weakref.WeakKeyDictionary[Hub, dict[str, Exchange]] = weakref.WeakKeyDictionary()


class ChannelLayer(BaseChannelLayer):
    """A channel layer with capacity and expiry, for `CHANNEL_LAYERS`: in this process, or with `redis` across many.

    `expiry`: seconds after which a message that nobody received is thrown away. `group_expiry`: seconds after which a
    channel is taken out of a group unless it is added again. `capacity`: messages that a channel holds; when it is
    full, `send` raises `ChannelFull`, and `group_send` leaves it out and counts it (:meth:`stats`). `channel_capacity`:
    other capacities by channel, a dict of globs or compiled regular expressions; the first that matches counts.
    `hub`: the :class:`distributary.Hub` that consumers subscribe at, or its dotted path; one of its own if it is left
    out. Layers that are given the same hub and `prefix` share their channels and groups. `redis`: a URL, or the options
    of a :class:`distributary.Redis` as a dict, with which its own hub is made; a hub that is given may have one itself.
    Layers of all processes that have the same server and `prefix` are one. Channels without a `!` in their names then
    need the `redis` package: ``pip install 'distributary[django-queues]'``.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush"]

    def __init__(
        self,
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[str | Pattern[str], int] | None = None,
        *,
        prefix: str = "asgi",
        hub: Hub | str | None = None,
        redis: str | Redis | Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise ImproperlyConfigured(
                f"the channel layer has no option {', '.join(sorted(unknown))}: there are expiry, group_expiry, "
                "capacity, channel_capacity, prefix, hub and redis"
            )
        limits = read_limits(expiry, group_expiry, capacity, channel_capacity)
        super().__init__(expiry=limits.expiry, capacity=limits.capacity)
        self.channel_capacity = list(limits.channel_capacity)
        self.group_expiry = limits.group_expiry
        self.prefix = read_prefix(prefix)
        self._hub = read_hub(hub)
        self._redis = read_redis(redis, hub)
        self._owns_hub = self._hub is None
        self._exchange = self._exchange_for(limits)

    def _exchange_for(self, limits: Limits) -> Exchange:
        if self._hub is None:
            return Exchange(limits, self.get_capacity)
        exchanges = _SHARED.setdefault(self._hub, {})
        exchange = exchanges.get(self.prefix)
        if exchange is None:
            exchange = exchanges[self.prefix] = Exchange(limits, self.get_capacity)
        elif exchange.limits != limits:
            raise ImproperlyConfigured(
                f"another channel layer has the same hub and the prefix {self.prefix!r}, but other limits: "
                "give this one the same, or a prefix of its own"
            )
        return exchange

    @property
    def hub(self) -> Hub:
        """The hub that consumers subscribe at."""
        if self._hub is None:
            self._hub = Hub(self._redis)
        return self._hub

    def _relay(self) -> Relay | None:
        """What joins other processes, if something does."""
        relay = self._exchange.relay
        if relay is None and (self._redis is not None or (self._hub is not None and self._hub.has_backplane)):
            relay = self._exchange.relay = Relay(self.hub, self._exchange, self.prefix)
        return relay

    def _queues(self) -> Queues | None:
        """What channels without a `!` are, if something joins processes."""
        queues = self._exchange.queues
        if queues is None and (server := self._server()) is not None:
            queues = self._exchange.use(Queues(server, self._exchange, self.prefix))
        return queues

    def _server(self) -> Settings | None:
        """What joins processes, if something does."""
        return settings(self._redis) if self._hub is None else self._hub._settings["redis"]

    @property
    def client_prefix(self) -> str:
        """What the names of channels that were made in this process have in common."""
        return self._exchange.client

    # Channels

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Sends a message to a channel. Raises `ChannelFull` if it holds as many as it may, and `QueueError` if the
        server is away that has its queue."""
        exchange = self._exchange
        if not exchange.knows(channel):
            check_channel(channel)
        letter = self._letter(message)
        if "!" not in channel and (queues := self._queues()) is not None:
            if not await queues.send(channel, letter, self.expiry, self.get_capacity(channel)):
                raise ChannelFull(channel)
            return
        relay = self._relay()
        if relay is not None and (client := self._client_of(channel)) != exchange.client:
            if not relay.send(client, channel, message):
                raise ChannelFull(channel)
        elif not exchange.put(channel, letter, monotonic()):
            raise ChannelFull(channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        """The first message of a channel, when there is one.

        Several may wait on one channel: each message goes to the one that has waited longest. One that is cancelled
        has taken nothing.
        """
        exchange = self._exchange
        if not exchange.knows(channel):
            self._check_receivable(channel)
            if "!" in channel and (relay := self._relay()) is not None:
                await relay.attend()
        queues = None if "!" in channel else self._queues()
        loop = asyncio.get_running_loop()
        nap = _Nap(exchange.bell_of(loop))
        while (message := exchange.take(channel, monotonic(), nap)) is None:
            nap.future = loop.create_future()
            try:
                if queues is not None:
                    queues.want(channel)
                await nap.future
            except BaseException:
                exchange.give_up(channel, nap, monotonic())
                raise
        return message.copy()

    async def new_channel(self, prefix: str = "specific") -> str:
        """The name of a channel that is received from in this process alone."""
        if (relay := self._relay()) is not None:
            await relay.attend()
        channel = f"{prefix}.{self._exchange.client}!{uuid.uuid4().hex}"
        check_channel(channel)
        return channel

    # Groups

    async def group_add(self, group: str, channel: str) -> None:
        """Adds a channel to a group; if it is in it already, for another `group_expiry`."""
        check_group(group)
        check_channel(channel)
        relay = self._relay()
        if relay is not None and "!" not in channel:
            raise ForeignChannel(
                f"{channel!r} has no `!` in it: it is a queue of all processes, and members of groups are known to "
                "one alone. Send to it by its name"
            )
        if relay is not None and self._client_of(channel) != self._exchange.client:
            raise ForeignChannel(
                f"{channel!r} is a channel of another process: add it to the group there, where it is received from"
            )
        self._exchange.join(group, channel, monotonic())
        if relay is not None:
            await relay.attend(group)

    async def group_discard(self, group: str, channel: str) -> None:
        """Takes a channel out of a group, if it is in it."""
        check_group(group)
        check_channel(channel)
        self._exchange.leave(group, channel)
        if (relay := self._exchange.relay) is not None:
            relay.look(group)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Sends a message to all channels in a group. Those that are full do not get it and are counted."""
        check_group(group)
        members, full = self._exchange.put_to_group(group, self._letter(message), monotonic())
        if full:
            logger.info("%s of %s channels over capacity in group %s", full, members, group)
        relay = self._relay()
        if relay is not None and not relay.send_to_group(group, message):
            logger.warning("a message to group %s reached this process alone: too many wait to be sent", group)

    # The rest

    async def flush(self) -> None:
        """Throws away all messages and groups of this process, and the queues of all. Raises `QueueError` if the server
        is away that has them."""
        self._exchange.flush()
        if (relay := self._exchange.relay) is not None:
            relay.look()
        try:
            queues = self._queues()
        except ImproperlyConfigured:  # there are no clients, so nobody uses queues here
            return
        if queues is not None:
            await queues.flush()

    async def close(self) -> None:
        """Closes the layer's own hub, if it has made one, and gives back what it took from a queue and nobody came for.
        The layer can be used further."""
        if self._owns_hub and (queues := self._exchange.queues) is not None:
            self._exchange.queues = None
            await queues.close()
        if self._owns_hub and self._hub is not None:
            hub = self._hub
            self._hub = self._exchange.relay = None
            await hub.aclose()

    def stats(self) -> LayerStats:
        """What the layer holds, and what it has lost."""
        return self._exchange.stats()

    @property
    def channels(self) -> dict[str, int]:
        """The channels that hold messages, and how many. Made anew for each call: for tests and a look inside."""
        return self._exchange.unread()

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups and the channels in them. Made anew for each call: for tests and a look inside."""
        return self._exchange.members()

    def __str__(self) -> str:
        return f"{type(self).__name__}(prefix={self.prefix!r})"

    @staticmethod
    def _letter(message: dict[str, Any]) -> Message:
        letter = Message(message)
        if "__asgi_channel__" in message:
            raise MessageError("the key __asgi_channel__ is taken by channel layers: name it differently")
        return letter

    @staticmethod
    def _client_of(channel: str) -> str:
        """Whose a channel is that is local to a process."""
        return channel.partition("!")[0].rpartition(".")[2]

    def _check_receivable(self, channel: str) -> None:
        check_channel(channel)
        owner, mark, _ = channel.partition("!")
        if mark and not owner.endswith(self._exchange.client):
            raise ForeignChannel(
                f"{channel!r} is a channel of another process or layer: receive from one that new_channel() gave"
            )


class _Nap:
    """A call of `receive` that waits."""

    __slots__ = ("bell", "called", "future")

    future: asyncio.Future[None]

    def __init__(self, bell: Bell) -> None:
        self.bell = bell
        self.called = False

    def go(self) -> bool:
        if not self.future.done():
            self.future.set_result(None)
        return False
