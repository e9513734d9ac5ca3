"""The whole API as somebody with a type checker uses it. Read by mypy, never run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from typing_extensions import assert_type

from distributary import (
    Acknowledged,
    Closed,
    Course,
    DecodeError,
    Delivery,
    Demands,
    Event,
    Expression,
    F,
    Field,
    Filter,
    ForwardError,
    Health,
    History,
    Hub,
    Joined,
    Migration,
    MigrationError,
    Moving,
    Overflow,
    Pattern,
    Receipt,
    Redis,
    Stats,
    Subscription,
    Template,
    Topic,
    TopicStats,
    Var,
)


class Order(msgspec.Struct):
    id: int
    total: float


@dataclass
class Row:
    id: int


def first_word(data: bytes) -> str:
    return data.decode().split()[0]


def hubs(policy: Overflow, limits: dict[str, int]) -> None:
    assert_type(Hub(), Hub)
    Hub(
        capacity=10,
        capacity_bytes=1 << 20,
        max_age=1.5,
        overflow="keep_latest",
        memory=1 << 30,
        history={"orders.*": History(events=10, bytes=None, age=60), Topic("a*"): 5},
        topic_counters=10,
        strict_filters=True,
        slice=0.001,
        encode=msgspec.json.encode,
    )
    Hub(overflow=policy, history=limits, encode=lambda value: json.dumps(value))
    with Hub() as hub:
        assert_type(hub, Hub)
        assert_type(hub.closed, bool)
        assert_type(hub.position("t"), str | None)
        assert_type(hub.stats(), Stats)
        assert_type(hub.stats().share.max, float)
        assert_type(hub.stats().drain.buckets, tuple[tuple[float, int], ...])
        assert_type(hub.topic_stats(), list[TopicStats])
        assert_type(hub.prometheus(), str)
        hub.count_topic("t")
        hub.uncount_topic("t")
        hub.close()


def joined_hubs(server: Redis) -> None:
    Hub("redis://127.0.0.1", capacity=10)
    Hub(redis=server)
    Hub(redis=None)
    Redis("redis://a", modes={"a.*": "replay", "b": "durable", "*": "live"}, envelope=["c"], log_length=10)
    Redis(["redis://a", "redis://b"], sentinel="m", sentinel_credentials=("ann", "secret"), client_name="n")
    Redis(("redis://a",), cluster=True, sharded=True, fleet=10, linger=1, queue_deadline=2.5, queue_bytes=10)
    Redis("rediss://a", root_certificates=b"pem")
    Redis("rediss://a", root_certificates=Path("pem"))
    Redis("rediss://a", root_certificates="pem", replica_wait=1)


async def forwarding(hub: Hub) -> None:
    match hub.publish("t", b"").forwarding:
        case "none" | "queued" | "full" | "expired" | "unconfirmed" | "rejected" | "closed":
            pass
        case "not_kept" | "not_replicated" | "unsupported":
            pass
    receipt = hub.publish_acknowledged("t", {"a": 1}, key="k", attributes={"a": 1})
    assert_type(receipt, Receipt)
    assert_type(receipt.delivery, Delivery)
    assert_type(receipt.wait(1), Acknowledged | None)
    acknowledged = await receipt
    assert_type(acknowledged, Acknowledged)
    assert_type(acknowledged.heard, int)
    assert_type(acknowledged.number, int | None)
    try:
        await hub.publish_acknowledged("t", b"")
    except ForwardError as error:
        if error.kind == "expired":
            return
    assert_type(hub.joined(), Joined)
    assert_type(hub.joined().wait(), bool)
    await hub.joined()
    assert_type(hub.has_backplane, bool)
    health = hub.health()
    assert_type(health, Health)
    if health.condition == "away":
        assert_type(health.reasons[0].code, str)
        assert_type(health.lag.p99, float)
        assert_type(health.counts.lost, int)
        assert_type(health.queued_bytes, int)
    async for changed in hub.health_changes():
        assert_type(changed, Health)
    assert_type(hub.health_changes().wait(1), Health | None)


async def moving_topics(server: Redis) -> None:
    moving = Moving(server)
    Moving("redis://a")
    Hub(moving)
    Hub(redis=moving, capacity=10)
    demands = Demands(replicas=1, stable=0, steady=1.5, behind=1, lag=1, memory=0.5)
    Course("a", to="b", onto="redis://b", window=0, quiet=1)
    migration = moving.begin(Course("a", onto=server, demands=demands), "dual_read")
    assert_type(migration, Migration)
    assert_type(migration.topic, str)
    assert_type(await migration.enter("new_write"), None)
    assert_type(migration.force("new", timeout=1).wait(), None)
    assert_type(migration.counts().old.read, int)
    assert_type(migration.peers()[0].hub, str)
    if migration.stage == "new":
        return
    try:
        await migration.check("new")
    except MigrationError as error:
        if error.kind == "readers":
            assert_type(error.peers[0].hears, tuple[Literal["old", "new"], ...])
        assert_type(error.connections, int | None)
        assert_type(error.ago, float | None)


def publishing(hub: Hub, order: Order, attributes: Mapping[str, str]) -> None:
    delivery = hub.publish("t", order)
    assert_type(delivery, Delivery)
    assert_type(delivery.subscriptions, int)
    assert_type(delivery.feeds, int)
    assert_type(delivery.share, float)
    assert_type(delivery.position, str | None)
    hub.publish(Topic("t"), b"x", key="k", attributes={"a": 1, "b": [1, "x", None], "c": ("x",), "d": True, "e": {1}})
    hub.publish("t", bytearray(), attributes=attributes)
    hub.publish("t", memoryview(b""))
    hub.publish("t", "text")
    hub.publish("t", None)


def names(hub: Hub, several: list[str], more: set[str], topics: tuple[Topic, ...]) -> None:
    hub.subscribe("a")
    hub.subscribe(several)
    hub.subscribe(more)
    hub.subscribe(topics)
    hub.subscribe([Topic("a"), Pattern("b.*"), "c"])
    hub.subscribe(name for name in several)


def what_reads_give(hub: Hub) -> None:
    assert_type(hub.subscribe("t"), Subscription[Event])
    assert_type(hub.subscribe("t", into=None), Subscription[Event])
    assert_type(hub.subscribe("t", into=Order), Subscription[Order])
    assert_type(hub.subscribe("t", into=Row), Subscription[Row])
    assert_type(hub.subscribe("t", into=first_word), Subscription[str])
    assert_type(hub.subscribe("t", into=len), Subscription[int])
    assert_type(hub.subscribe("t", into=json.loads), Subscription[Any])
    assert_type(hub.subscribe("t", into=list[Order]), Subscription[list[Order]])


async def reading(hub: Hub) -> None:
    async with hub.subscribe("orders.*", into=Order) as sub:
        assert_type(sub, Subscription[Order])
        async for order in sub:
            assert_type(order, Order)
        assert_type(await sub.get(), Order)
        assert_type(await sub.get_many(10, linger=0.05), tuple[Order, ...])
        assert_type(sub.get_many_nowait(10), tuple[Order, ...])
        assert_type(sub.get_nowait(), Order | None)
        assert_type(sub.last, Event | None)
        assert_type(sub.lag, int)
        assert_type(sub.missed, int)
        assert_type(sub.add("a", "b.*"), int)
        assert_type(sub.remove(Topic("a")), int)
        assert_type(sub.topics, tuple[str, ...])
        assert_type(sub.patterns, tuple[str, ...])
        sub.close()
        match sub.closed:
            case "hub_closed" | "slow_consumer" | "lost" | "unsubscribed" | "forked" | "failed" | None:
                pass
    with hub.subscribe("t") as events:
        assert_type(events.get_blocking(timeout=1.5), Event | None)
        for event in events:
            assert_type(event, Event)
            assert_type(event.topic, str)
            assert_type(event.data, bytes)
            assert_type(event.text, str)
            assert_type(event.key, str | None)
            assert_type(event.position, str)
            assert_type(event.published_at, float)
            assert_type(event.lost, int)
            assert_type(len(event), int)
            assert_type(event.json(), Any)
            for value in event.attributes.values():
                assert_type(value, str | int | float | bool | list[str | int | float | bool | None] | None)


def failing(hub: Hub) -> None:
    try:
        hub.publish("t", b"")
    except Closed as error:
        assert_type(
            error.reason,
            Literal["hub_closed", "slow_consumer", "lost", "unsubscribed", "forked", "failed"],
        )
    except DecodeError as error:
        assert_type(error.event, Event)


def filters(hub: Hub, client: str, ids: list[int], given: dict[str, str]) -> None:
    assert_type(F.user, Field)
    assert_type(F.user.id, Field)
    assert_type(F["a.b"]["c"], Field)
    assert_type(F.a == 1, Expression)
    assert_type(F.a != client, Expression)
    assert_type(F.a == None, Expression)  # noqa: E711
    assert_type(F.a < 1.5, Expression)
    assert_type(1 <= F.a, Expression)  # noqa: SIM300
    assert_type(F.a >= Var("a"), Expression)
    assert_type((F.a == 1) & (F.b == 2) | ~(F.c == True), Expression)  # noqa: E712
    assert_type(F.a.one_of(ids), Expression)
    assert_type(F.a.one_of(["x", 1, None, Var("v")]), Expression)
    assert_type(F.a.one_of(Var("v", optional=True)), Expression)
    assert_type(F.a.none_of({"x"}), Expression)
    assert_type(F.a.between(1, Var("high"), inclusive="both"), Expression)
    assert_type(F.a.prefix(client, ignore_case=True), Expression)
    assert_type(F.a.suffix(client), Expression)
    assert_type(F.a.wildcard("*x*"), Expression)
    assert_type(F.a.equals_ignore_case(client), Expression)
    assert_type(F.ip.cidr("10.0.0.0/8"), Expression)
    assert_type(F.a.exists() & F.b.missing(), Expression)

    filter = Filter({"a": [1, {"prefix": "x"}, Var("v")]}, {"v": [1, 2]})
    assert_type(filter, Filter)
    assert_type(filter.matches({"a": 1}), bool)
    assert_type(filter.fields, tuple[str, ...])
    assert_type(filter.is_indexed, bool)
    assert_type(filter.explain(), str)
    assert_type(filter == Filter('{"a": [1]}'), bool)
    assert_type(hash(filter), int)
    template = Template(F.a == Var("v"))
    assert_type(template.variables, tuple[str, ...])
    assert_type(template.bind(v=1), Filter)
    assert_type(template.bind(given, v=1), Filter)

    hub.subscribe("t", where=F.a == 1)
    hub.subscribe("t", where={"a": [1], "$or": [{"b": [2]}, {"c": [3]}]})
    hub.subscribe("t", where='{"a": [1]}')
    hub.subscribe("t", where=filter, overflow="disconnect", capacity=5, capacity_bytes=10, max_age=1)
    hub.subscribe("t", where=template, variables={"v": [1, None], "w": "x"}, from_="1-2")
    hub.subscribe(["t", "u"], variables=given, where=template, from_={"t": "1-2"})
