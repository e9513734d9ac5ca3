"""Litestar's channels on a hub: what its backends, its plugin and its subscribers do, bounded and filtered.

:class:`ChannelsPlugin` is Litestar's own, with the same methods and arguments. It leaves out Litestar's way of an
event, into every subscriber's queue one after the other. A subscriber here is a cursor on the hub: publishing costs
what the matches cost, a stalled client costs a cursor, and ``where=`` filters before anybody is woken.

    hub = Hub()
    channels = ChannelsPlugin(ChannelsBackend(hub), arbitrary_channels_allowed=True)
    app = Litestar(..., plugins=[channels])

    async with channels.start_subscription("orders", where=F.total > 100) as subscriber:
        async for data in subscriber.iter_events(): ...

:class:`ChannelsBackend` and :class:`Subscriber` go into Litestar's own plugin, too (``subscriber_class=``). Its queues
then survive a timeout; the filter and the price of a publish come with this plugin.

- A channel is the topic of the same name, exactly, whatever characters are in it.
- Subscribers read what anybody publishes on the hub, from any thread, through the plugin or not.
- A backlog is always bounded: by ``subscriber_max_backlog``, or else by the hub's own capacity and overflow policy.
"""

from __future__ import annotations

from .backend import ChannelsBackend
from .plugin import ChannelsPlugin
from .subscriber import Strategy, Subscriber

__all__ = ["ChannelsBackend", "ChannelsPlugin", "Strategy", "Subscriber"]
