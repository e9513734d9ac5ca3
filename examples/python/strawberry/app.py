"""Orders and chat rooms over GraphQL: subscriptions that filter by their arguments.

    pip install ./bindings-python strawberry-graphql uvicorn websockets
    python examples/python/strawberry/app.py

Then open http://127.0.0.1:8000 and subscribe in one tab, mutate in another:

    subscription { orders(region: "eu", above: 100) { id region total status } }
    mutation { place(region: "eu", total: 120.5) { id } }

The filter runs where events are published: who subscribed to other orders is not woken. An order is decoded once,
however many clients get it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import AsyncGenerator
from enum import Enum

import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)

from distributary import F, Hub, Topic
from distributary.strawberry import encode, subscribe

hub = Hub(capacity=256, encode=encode)
numbers = itertools.count(1)


@strawberry.enum
class Status(Enum):
    PLACED = "placed"
    PAID = "paid"
    SENT = "sent"


@strawberry.type
class Order:
    id: strawberry.ID
    region: str
    total: float
    status: Status

    @strawberry.field
    def tax(self) -> float:
        return round(self.total * 0.19, 2)


@strawberry.type
class Message:
    room: str
    author: str
    text: str


book: dict[str, Order] = {}


def changed(order: Order) -> Order:
    """Keeps an order and tells who waits for it."""
    book[order.id] = order
    hub.publish("orders", order)
    return order


@strawberry.type
class Query:
    @strawberry.field
    def order(self, id: strawberry.ID) -> Order | None:
        return book.get(id)

    @strawberry.field
    def subscribers(self) -> int:
        return hub.stats().subscriptions


@strawberry.type
class Mutation:
    @strawberry.mutation
    def place(self, region: str, total: float) -> Order:
        return changed(Order(id=strawberry.ID(str(next(numbers))), region=region, total=total, status=Status.PLACED))

    @strawberry.mutation
    def proceed(self, id: strawberry.ID, status: Status) -> Order:
        if id not in book:
            raise ValueError(f"there is no order {id!r}")
        return changed(dataclasses.replace(book[id], status=status))

    @strawberry.mutation
    def say(self, room: str, author: str, text: str) -> Message:
        message = Message(room=room, author=author, text=text)
        hub.publish(f"rooms/{room}", message)
        return message


@strawberry.type
class Subscription:
    @strawberry.subscription
    def order_changed(self, id: strawberry.ID) -> AsyncGenerator[Order, None]:
        return subscribe(hub, "orders", where=F.id == id, into=Order)

    @strawberry.subscription
    def orders(self, region: str | None = None, above: float | None = None) -> AsyncGenerator[Order, None]:
        where = F.id.exists()
        if region is not None:
            where &= F.region == region
        if above is not None:
            where &= F.total > above
        return subscribe(hub, "orders", where=where, into=Order)

    @strawberry.subscription
    def messages(self, room: str, mentioning: str | None = None) -> AsyncGenerator[Message, None]:
        where = None if mentioning is None else F.text.wildcard(f"*@{escaped(mentioning)}*")
        # A room is what the client says it is: a topic, and never a pattern.
        return subscribe(hub, Topic(f"rooms/{room}"), where=where, into=Message)


def escaped(text: str) -> str:
    """A text as a wildcard that stands for itself."""
    return text.replace("\\", "\\\\").replace("*", "\\*")


schema = strawberry.Schema(Query, Mutation, Subscription)
app = GraphQL[None, None](
    schema,
    subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL, MULTIPART_SUBSCRIPTION_PROTOCOL],
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
