"""Strawberry's subscriptions from a hub.

A resolver may read a hub as it is, in a generator::

    @strawberry.subscription
    async def order_changed(self, id: strawberry.ID) -> AsyncGenerator[Order, None]:
        with hub.subscribe("orders", where=F.id == id, into=Order) as sub:
            async for order in sub:
                yield order

That is enough where a subscriber can miss events in silence, and where nothing matters before the first read: a
generator's body runs late, and what it raises ends the operation without a word to the client. :func:`subscribe` mends
these two::

    @strawberry.subscription
    def order_changed(self, id: strawberry.ID) -> AsyncGenerator[Order, None]:
        return subscribe(hub, "orders", where=F.id == id, into=Order)

It subscribes when the resolver is called, so a mistake is an error of the operation and no event is between the two;
and a subscriber that missed events is told by a last result with an error, whose `extensions` a client can act on: load
the current state and subscribe anew.

:func:`encode` is the way in: ``Hub(encode=encode)`` publishes Strawberry types as they are.

Values from the arguments are data in a filter, whatever they contain. Names of topics that come from clients are given
as :class:`~distributary.Topic`, or a client chooses the pattern.
"""

from __future__ import annotations

from .source import Lost, subscribe
from .types import encode

__all__ = ["Lost", "encode", "subscribe"]
