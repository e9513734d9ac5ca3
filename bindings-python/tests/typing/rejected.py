"""What a type checker has to refuse: each line with a comment `# E: code`, and no other. Read by mypy, never run."""

# ruff: noqa: B015, B018

from __future__ import annotations

from distributary import Course, Event, F, Filter, Hub, Migration, Moving, Overflow, Redis, Subscription, Template, Var


def hubs(count: str, policy: str) -> None:
    Hub(5)  # E: arg-type
    Hub(capacty=5)  # E: call-arg
    Hub(capacity=count)  # E: arg-type
    Hub(capacity=1.5)  # E: arg-type
    Hub(capacity=None)  # E: arg-type
    Hub(overflow="drop-oldest")  # E: arg-type
    Hub(overflow=policy)  # E: arg-type
    Hub(history={"a": "5"})  # E: dict-item
    Hub(history=["a"])  # E: arg-type
    Hub(max_age="1")  # E: arg-type
    Hub(strict_filters=1)  # E: arg-type
    Hub(encode=str.upper)  # E: arg-type
    wrong: Overflow = "newest"  # E: assignment
    del wrong


def publishing(hub: Hub) -> None:
    hub.publish("t")  # E: call-arg
    hub.publish(b"t", b"")  # E: arg-type
    hub.publish("t", b"", "key")  # E: call-arg
    hub.publish("t", b"", key=1)  # E: arg-type
    hub.publish("t", b"", attributes={"a": {}})  # E: dict-item
    hub.publish("t", b"", attributes=["a"])  # E: arg-type
    hub.publish("t", b"").subscriptions = 5  # E: misc


async def joining(hub: Hub) -> None:
    Hub(5)  # E: arg-type
    Hub("redis://a", 10)  # E: call-arg
    Redis()  # E: call-arg
    Redis("a", modes={"a": "safe"})  # E: dict-item
    Redis("a", "b")  # E: call-arg
    Redis("a", sentinel_credentials="ann")  # E: arg-type
    hub.publish("a", b"").forwarding == "lost"  # E: comparison-overlap
    number: int = await hub.publish_acknowledged("a", b"")  # E: assignment
    del number
    await hub.health()  # E: misc
    hub.health().condition = "ok"  # E: misc


async def moving_topics(moving: Moving, migration: Migration) -> None:
    Moving()  # E: call-arg
    Moving(None)  # E: arg-type
    Course("a", "b")  # E: call-arg
    Course("a", to=5)  # E: arg-type
    moving.begin("a", "old")  # E: arg-type
    moving.begin(Course("a", to="b"))  # E: call-arg
    await migration.enter("cleanup")  # E: arg-type
    migration.stage = "new"  # E: misc
    Migration()  # E: call-arg


def subscribing(hub: Hub, event: Event) -> None:
    hub.subscribe()  # E: call-overload
    hub.subscribe(5)  # E: call-overload
    hub.subscribe(b"a")  # E: arg-type
    hub.subscribe("a", where=5)  # E: call-overload
    hub.subscribe("a", where=F.a)  # E: call-overload
    hub.subscribe("a", overflow="newest")  # E: call-overload
    hub.subscribe("a", from_=5)  # E: call-overload
    hub.subscribe("a", into=5)  # E: call-overload
    hub.subscribe("a", variables=[1])  # E: call-overload
    number: Subscription[int] = hub.subscribe("a", into=str)  # E: arg-type
    del number
    event.data = b""  # E: misc
    event.payload  # E: attr-defined


def filters() -> None:
    F.a > "1"  # E: operator
    F.a.one_of(5)  # E: arg-type
    F.a.one_of([[1]])  # E: list-item
    F.a.prefix(1)  # E: arg-type
    F.a.between(1, "2")  # E: arg-type
    F.a.between(1, 2, inclusive="all")  # E: arg-type
    F.a.startswith("x")  # E: operator
    F.a & (F.b == 1)  # E: operator
    (F.b == 1) & F.a  # E: operator
    (F.b == 1) & True  # E: operator
    ~F.a  # E: operator
    1 in F.a  # E: operator
    "a" in F  # E: operator
    F[0]  # E: index
    F.a[0]  # E: index
    Filter()  # E: call-arg
    Filter(5)  # E: arg-type
    Filter({}, [])  # E: arg-type
    Template({}, {})  # E: call-arg
    Template({}).matches({})  # E: attr-defined
    Var(1)  # E: arg-type
    Var("a", True)  # E: call-arg
